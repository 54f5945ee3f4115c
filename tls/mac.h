/*
 * tls/mac.h - a keyed hash (HMAC-SHA-256, RFC 2104) of what a process wants to know again without keeping it.
 */
#ifndef POSTRIDER_TLS_MAC_H
#define POSTRIDER_TLS_MAC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { MAC_SIZE = 32 };

struct mac_part {
	const void *data;
	size_t length;
};

/* Each part counts with its length, so that no two lists of parts are the same. False: no memory. */
bool mac_of(const uint8_t key[MAC_SIZE], const struct mac_part *parts, size_t count, uint8_t out[MAC_SIZE]);

#endif
