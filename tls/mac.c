/*
 * tls/mac.c - see mac.h.
 */
#include "tls/mac.h"

#include <wolfssl/options.h>

#include <wolfssl/wolfcrypt/hmac.h>

#include <string.h>

bool mac_of(const uint8_t key[MAC_SIZE], const struct mac_part *parts, size_t count, uint8_t out[MAC_SIZE])
{
	Hmac hmac;
	bool ok;

	if (wc_HmacInit(&hmac, NULL, INVALID_DEVID) != 0)
		return false;
	ok = wc_HmacSetKey(&hmac, WC_SHA256, key, MAC_SIZE) == 0;
	for (size_t i = 0; ok && i < count; i++) {
		uint64_t length = parts[i].length;
		ok = wc_HmacUpdate(&hmac, (const byte *)&length, sizeof(length)) == 0 &&
		     wc_HmacUpdate(&hmac, parts[i].data, (word32)parts[i].length) == 0;
	}
	ok = ok && wc_HmacFinal(&hmac, out) == 0;
	wc_HmacFree(&hmac);
	explicit_bzero(&hmac, sizeof(hmac));
	return ok;
}
