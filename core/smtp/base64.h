/*
 * core/smtp/base64.h - base64 (RFC 4648 section 4) as SASL has it in SMTP (RFC 4954 section 4): one line, with padding.
 */
#ifndef POSTRIDER_SMTP_BASE64_H
#define POSTRIDER_SMTP_BASE64_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Of so many octets. */
#define BASE64_LENGTH(octets) (((octets) + 2) / 3 * 4)

/* `out` has room for BASE64_LENGTH(length), which is what is written; no NUL. */
size_t base64_encode(const void *data, size_t length, char *out);
/* `out` has room for length / 4 * 3. The octets, or -1: it is no base64. Nothing at all is none. */
ssize_t base64_decode(const char *text, size_t length, uint8_t *out);

#endif
