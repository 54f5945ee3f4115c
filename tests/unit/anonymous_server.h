/*
 * tests/unit/anonymous_server.h - a TLS 1.2 server without a certificate, over wires in memory, for test_tls_hostile.c.
 *
 * It answers any ClientHello with TLS_DH_anon_WITH_AES_128_CBC_SHA (RFC 5246 A.5), offered or not, and plays the
 * handshake to its end with correct keys. Only wolfCrypt's primitives are used, nothing of the library under test. It
 * expects each handshake message in a record of its own, as our clients send them.
 */
#ifndef POSTRIDER_TESTS_ANONYMOUS_SERVER_H
#define POSTRIDER_TESTS_ANONYMOUS_SERVER_H

#include "tests/unit/check.h"
#include "tests/unit/tls_pair.h"

#include <wolfssl/options.h>

#include <wolfssl/wolfcrypt/aes.h>
#include <wolfssl/wolfcrypt/dh.h>
#include <wolfssl/wolfcrypt/hmac.h>
#include <wolfssl/wolfcrypt/kdf.h>
#include <wolfssl/wolfcrypt/random.h>
#include <wolfssl/wolfcrypt/sha256.h>

enum { ANONYMOUS_SUITE = 0x0034, DH_SIZE = 256, MASTER_SIZE = 48, MAC_KEY = 20, CIPHER_KEY = 16, MAC_SHA256 = 4 };

struct anonymous_server {
	struct wire *in, *out;
	wc_Sha256 transcript;
	uint8_t randoms[64]; /* the client's, the server's */
	uint8_t master[MASTER_SIZE];
	uint8_t keys[2 * MAC_KEY + 2 * CIPHER_KEY]; /* client's MAC, server's MAC, client's cipher, server's cipher */
	WC_RNG rng;
	DhKey dh;
	uint8_t exponent[DH_SIZE], share[DH_SIZE];
	word32 exponent_length, share_length;
};

static void anonymous_open(struct anonymous_server *s, struct wire *in, struct wire *out)
{
	const DhParams *group = wc_Dh_ffdhe2048_Get();

	memset(s, 0, sizeof(*s));
	s->in = in;
	s->out = out;
	CHECK_EQ(wc_InitSha256(&s->transcript), 0);
	CHECK_EQ(wc_InitRng(&s->rng), 0);
	CHECK_EQ(wc_InitDhKey(&s->dh), 0);
	CHECK_EQ(wc_DhSetKey(&s->dh, group->p, group->p_len, group->g, group->g_len), 0);
	/* One share in 256 begins with a zero, which is left out: not of that length, and not of use here. */
	do {
		s->exponent_length = s->share_length = DH_SIZE;
		CHECK_EQ(wc_DhGenerateKeyPair(&s->dh, &s->rng, s->exponent, &s->exponent_length, s->share,
					      &s->share_length),
			 0);
	} while (s->share_length > 0 && s->share_length < DH_SIZE);
	CHECK_EQ(s->share_length, DH_SIZE);
}

static void anonymous_close(struct anonymous_server *s)
{
	wc_FreeDhKey(&s->dh);
	wc_FreeRng(&s->rng);
	wc_Sha256Free(&s->transcript);
}

/* The next record's content; *length is 0 if it is of another type or there is none. */
static const uint8_t *anonymous_take(struct anonymous_server *s, uint8_t type, size_t *length)
{
	const uint8_t *record = s->in->data + s->in->from;
	size_t left = s->in->to - s->in->from;

	*length = 0;
	if (left < 5 || record[0] != type || left - 5 < (size_t)(record[3] << 8 | record[4]))
		return NULL;
	*length = (size_t)(record[3] << 8 | record[4]);
	s->in->from += 5 + *length;
	return record + 5;
}

static void anonymous_send(struct anonymous_server *s, uint8_t type, const uint8_t *content, size_t length)
{
	uint8_t *at = s->out->data + s->out->to;

	memcpy(at, (const uint8_t[]){type, 3, 3, (uint8_t)(length >> 8), (uint8_t)length}, 5);
	memcpy(at + 5, content, length);
	s->out->to += 5 + length;
}

static void anonymous_message(struct anonymous_server *s, uint8_t type, const uint8_t *body, size_t length)
{
	uint8_t message[1024] = {type, 0, (uint8_t)(length >> 8), (uint8_t)length};

	if (length > 0)
		memcpy(message + 4, body, length);
	CHECK_EQ(wc_Sha256Update(&s->transcript, message, (word32)length + 4), 0);
	anonymous_send(s, 22, message, length + 4);
}

/* ServerHello, ServerKeyExchange without a signature, ServerHelloDone. False without a ClientHello. */
static bool anonymous_hello(struct anonymous_server *s)
{
	/* An extension, but not supported_versions: the library's check is skipped only with one. */
	static const uint8_t tail[] = {0, ANONYMOUS_SUITE >> 8, ANONYMOUS_SUITE & 0xff, 0, 0, 6, 0, 11, 0, 2, 1, 0};
	const DhParams *group = wc_Dh_ffdhe2048_Get();
	uint8_t hello[2 + 32 + sizeof(tail)] = {3, 3}, exchange[2 + DH_SIZE + 3 + 2 + DH_SIZE] = {DH_SIZE >> 8, 0};
	size_t length;

	const uint8_t *client_hello = anonymous_take(s, 22, &length);
	if (length < 38)
		return false;
	CHECK_EQ(wc_Sha256Update(&s->transcript, client_hello, (word32)length), 0);
	memcpy(s->randoms, client_hello + 6, 32);
	memset(s->randoms + 32, 0x5a, 32);
	memcpy(hello + 2, s->randoms + 32, 32);
	memcpy(hello + 34, tail, sizeof(tail));
	memcpy(exchange + 2, group->p, DH_SIZE);
	memcpy(exchange + 2 + DH_SIZE, (const uint8_t[]){0, 1, group->g[0], DH_SIZE >> 8, 0}, 5);
	memcpy(exchange + 2 + DH_SIZE + 5, s->share, DH_SIZE);
	anonymous_message(s, 2, hello, sizeof(hello));
	anonymous_message(s, 12, exchange, sizeof(exchange));
	anonymous_message(s, 14, NULL, 0);
	return true;
}

static void anonymous_prf(uint8_t *out, size_t length, const uint8_t *secret, size_t secret_length, const char *label,
			  const uint8_t *seed, size_t seed_length)
{
	CHECK_EQ(wc_PRF_TLS(out, (word32)length, secret, (word32)secret_length, (const byte *)label,
			    (word32)strlen(label), seed, (word32)seed_length, 1, MAC_SHA256, NULL, INVALID_DEVID),
		 0);
}

/* Seals the server's first protected record, its Finished. */
static void anonymous_finished(struct anonymous_server *s)
{
	static const uint8_t change = 1;
	uint8_t hash[32], record[16 + 64] = {0}, mac_input[13 + 16] = {[8] = 22, 3, 3, 0, 16, 20, 0, 0, 12};
	Hmac hmac;
	Aes aes;

	CHECK_EQ(wc_Sha256Final(&s->transcript, hash), 0);
	anonymous_prf(mac_input + 17, 12, s->master, MASTER_SIZE, "server finished", hash, sizeof(hash));
	memcpy(record + 16, mac_input + 13, 16); /* behind an IV of zeros */
	CHECK_EQ(wc_HmacInit(&hmac, NULL, INVALID_DEVID), 0);
	CHECK_EQ(wc_HmacSetKey(&hmac, WC_SHA, s->keys + MAC_KEY, MAC_KEY), 0);
	CHECK_EQ(wc_HmacUpdate(&hmac, mac_input, sizeof(mac_input)), 0);
	CHECK_EQ(wc_HmacFinal(&hmac, record + 32), 0);
	wc_HmacFree(&hmac);
	memset(record + 32 + 20, 11, 12);
	CHECK_EQ(wc_AesInit(&aes, NULL, INVALID_DEVID), 0);
	CHECK_EQ(wc_AesSetKey(&aes, s->keys + 2 * MAC_KEY + CIPHER_KEY, CIPHER_KEY, record, AES_ENCRYPTION), 0);
	CHECK_EQ(wc_AesCbcEncrypt(&aes, record + 16, record + 16, 48), 0);
	wc_AesFree(&aes);
	anonymous_send(s, 20, &change, 1);
	anonymous_send(s, 22, record, 16 + 48);
}

/* Takes the client's key exchange and Finished, and ends the handshake. False if the client did not go on. */
static bool anonymous_finish(struct anonymous_server *s)
{
	uint8_t shared[DH_SIZE], expanded[64], hash[32], finished[16] = {20, 0, 0, 12}, opened[48];
	word32 shared_length = sizeof(shared);
	size_t length, sealed_length;
	wc_Sha256 copy;
	Aes aes;

	const uint8_t *exchange = anonymous_take(s, 22, &length);
	if (length < 6 || exchange[0] != 16)
		return false;
	CHECK_EQ(wc_Sha256Update(&s->transcript, exchange, (word32)length), 0);
	CHECK_EQ(wc_DhAgree(&s->dh, shared, &shared_length, s->exponent, s->exponent_length, exchange + 6,
			    (word32)length - 6),
		 0);
	anonymous_prf(s->master, MASTER_SIZE, shared, shared_length, "master secret", s->randoms, 64);
	memcpy(expanded, s->randoms + 32, 32);
	memcpy(expanded + 32, s->randoms, 32);
	anonymous_prf(s->keys, sizeof(s->keys), s->master, MASTER_SIZE, "key expansion", expanded, 64);
	CHECK_EQ(wc_Sha256Copy(&s->transcript, &copy), 0);
	CHECK_EQ(wc_Sha256Final(&copy, hash), 0);
	anonymous_prf(finished + 4, 12, s->master, MASTER_SIZE, "client finished", hash, sizeof(hash));
	CHECK_EQ(wc_Sha256Update(&s->transcript, finished, sizeof(finished)), 0);
	anonymous_take(s, 20, &length);
	const uint8_t *sealed = anonymous_take(s, 22, &sealed_length);
	if (length != 1 || sealed_length != 64)
		return false;
	CHECK_EQ(wc_AesInit(&aes, NULL, INVALID_DEVID), 0);
	CHECK_EQ(wc_AesSetKey(&aes, s->keys + 2 * MAC_KEY, CIPHER_KEY, sealed, AES_DECRYPTION), 0);
	CHECK_EQ(wc_AesCbcDecrypt(&aes, opened, sealed + 16, sizeof(opened)), 0);
	wc_AesFree(&aes);
	CHECK_EQ(memcmp(opened, finished, sizeof(finished)), 0); /* It has the same keys. */
	anonymous_finished(s);
	return true;
}

#endif
