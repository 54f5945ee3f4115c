/*
 * core/config/fingerprint.h - the fingerprint of a certificate or of its key, as people write it.
 */
#ifndef POSTRIDER_CONFIG_FINGERPRINT_H
#define POSTRIDER_CONFIG_FINGERPRINT_H

#include <stdbool.h>

#define FINGERPRINT_PREFIX "sha256:"
enum { FINGERPRINT_SIZE = 7 + 64 + 1 };

/* In the form in which it is looked for: digits small, without colons. `text` begins with the prefix. False: it is
 * none. */
bool fingerprint_read(const char *text, char out[FINGERPRINT_SIZE]);

#endif
