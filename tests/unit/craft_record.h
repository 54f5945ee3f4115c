/*
 * tests/unit/craft_record.h - TLS 1.3 records that our engine would never make, sealed with a session's right keys.
 */
#ifndef POSTRIDER_TESTS_CRAFT_RECORD_H
#define POSTRIDER_TESTS_CRAFT_RECORD_H

#include "tls/internal.h"

#include <assert.h>
#include <string.h>
#include <wolfssl/wolfcrypt/aes.h>
#include <wolfssl/wolfcrypt/chacha20_poly1305.h>

enum { CRAFT_OVERHEAD = 5 + 16 };

/* Writes a record whose inner plaintext is the `length` octets of `inner` and whose outer type is `outer`. It is the
 * `sequence`-th one that `from` sends with its present keys. Returns its length. */
static size_t craft_record(struct tls_session *from, const void *inner, size_t length, unsigned sequence, uint8_t outer,
			   uint8_t *out)
{
	bool server = from->context->server;
	const uint8_t *key = server ? wolfSSL_GetServerWriteKey(from->wolf) : wolfSSL_GetClientWriteKey(from->wolf);
	uint8_t nonce[12];
	size_t body = length + 16;
	Aes aes;
	int rc;

	memcpy(nonce, server ? wolfSSL_GetServerWriteIV(from->wolf) : wolfSSL_GetClientWriteIV(from->wolf), 12);
	nonce[11] ^= (uint8_t)sequence;
	memcpy(out, (const uint8_t[]){outer, 3, 3, (uint8_t)(body >> 8), (uint8_t)body}, 5);
	if (wolfSSL_get_current_cipher_suite(from->wolf) == 0x1303) {
		rc = wc_ChaCha20Poly1305_Encrypt(key, nonce, out, 5, inner, (word32)length, out + 5, out + 5 + length);
	} else {
		rc = wc_AesInit(&aes, NULL, INVALID_DEVID);
		if (rc == 0)
			rc = wc_AesGcmSetKey(&aes, key, (word32)wolfSSL_GetKeySize(from->wolf));
		if (rc == 0)
			rc = wc_AesGcmEncrypt(&aes, out + 5, inner, (word32)length, nonce, 12, out + 5 + length, 16,
					      out, 5);
		wc_AesFree(&aes);
	}
	assert(rc == 0);
	return CRAFT_OVERHEAD + length;
}

#endif
