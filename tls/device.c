/*
 * tls/device.c - the crypto device wolfSSL asks first: AES-GCM (if accelerated), signatures with RSA, and
 * seeds for its generators.
 *
 * wolfSSL passes an Aes object, not the session it belongs to. Each entry of session.c therefore names the
 * session's keys in a thread-local variable for the time of the call (tls_device_enter). Everything the device
 * does not do it answers with CRYPTOCB_UNAVAILABLE, and wolfSSL's own code does it.
 */
#include "tls/internal.h"

#include "tls/rsa.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>
#include <wolfssl/wolfcrypt/cryptocb.h>
#include <wolfssl/wolfcrypt/error-crypt.h>

static _Thread_local struct accel_keys *current_keys;
static _Thread_local const struct rsa_key *current_rsa;
static void (*seed_function)(void *out, size_t length); /* NULL: the kernel */

void tls_random_source(void (*fn)(void *out, size_t length))
{
	seed_function = fn;
}

void tls_device_enter(struct accel_keys *keys)
{
	current_keys = keys;
}

void tls_device_sign_with(const struct rsa_key *key)
{
	current_rsa = key;
}

void tls_random_bytes(void *out, size_t length)
{
	uint8_t *at = out;

	if (seed_function != NULL) {
		seed_function(out, length);
		return;
	}
	while (length > 0) {
		ssize_t got = getrandom(at, length, 0);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			abort(); /* Without randomness nothing here may continue. */
		at += got;
		length -= (size_t)got;
	}
}

static int on_seed(wc_CryptoInfo *info)
{
	tls_random_bytes(info->seed.seed, info->seed.sz);
	return 0;
}

/* True if the request is one the accelerated code can take. */
static bool suitable(const Aes *aes, word32 iv_length, word32 tag_length, word32 length)
{
	return current_keys != NULL && aes != NULL && iv_length == ACCEL_IV_SIZE && tag_length == ACCEL_TAG_SIZE &&
	       length > 0 && (aes->keylen == 16 || aes->keylen == 32);
}

static int on_seal(wc_CryptoInfo *info)
{
	const Aes *aes = info->cipher.aesgcm_enc.aes;

	if (!suitable(aes, info->cipher.aesgcm_enc.ivSz, info->cipher.aesgcm_enc.authTagSz, info->cipher.aesgcm_enc.sz))
		return CRYPTOCB_UNAVAILABLE;
	struct accel_gcm op = {
		.key = (const uint8_t *)aes->devKey,
		.key_length = (size_t)aes->keylen,
		.iv = info->cipher.aesgcm_enc.iv,
		.aad = info->cipher.aesgcm_enc.authIn,
		.aad_length = info->cipher.aesgcm_enc.authInSz,
		.in = info->cipher.aesgcm_enc.in,
		.out = info->cipher.aesgcm_enc.out,
		.length = info->cipher.aesgcm_enc.sz,
	};
	accel_gcm_seal(current_keys, &op, info->cipher.aesgcm_enc.authTag);
	return 0;
}

static int on_open(wc_CryptoInfo *info)
{
	const Aes *aes = info->cipher.aesgcm_dec.aes;
	uint8_t tag[ACCEL_TAG_SIZE];
	uint8_t difference = 0;

	if (!suitable(aes, info->cipher.aesgcm_dec.ivSz, info->cipher.aesgcm_dec.authTagSz, info->cipher.aesgcm_dec.sz))
		return CRYPTOCB_UNAVAILABLE;
	struct accel_gcm op = {
		.key = (const uint8_t *)aes->devKey,
		.key_length = (size_t)aes->keylen,
		.iv = info->cipher.aesgcm_dec.iv,
		.aad = info->cipher.aesgcm_dec.authIn,
		.aad_length = info->cipher.aesgcm_dec.authInSz,
		.in = info->cipher.aesgcm_dec.in,
		.out = info->cipher.aesgcm_dec.out,
		.length = info->cipher.aesgcm_dec.sz,
	};
	accel_gcm_open(current_keys, &op, tag);
	/* In constant time: every octet is looked at, and the only branch is on the sum. */
	for (size_t i = 0; i < sizeof(tag); i++)
		difference |= tag[i] ^ info->cipher.aesgcm_dec.authTag[i];
	if (difference != 0) {
		/* Never leave plaintext nobody vouched for. */
		explicit_bzero(op.out, op.length);
		return AES_GCM_AUTH_E;
	}
	return 0;
}

/* What wolfSSL has padded, for its signature; it checks the result with the public key before that is sent. Where
 * libcrypto fails it signs itself. */
static int on_rsa(wc_CryptoInfo *info)
{
	word32 length = info->pk.rsa.inLen;

	if (current_rsa == NULL || info->pk.rsa.type != RSA_PRIVATE_ENCRYPT || *info->pk.rsa.outLen < length ||
	    !rsa_key_apply(current_rsa, info->pk.rsa.in, length, info->pk.rsa.out))
		return CRYPTOCB_UNAVAILABLE;
	*info->pk.rsa.outLen = length;
	return 0;
}

static int on_request(int device, wc_CryptoInfo *info, void *argument)
{
	switch (info->algo_type) {
	case WC_ALGO_TYPE_SEED:
		return on_seed(info);
	case WC_ALGO_TYPE_CIPHER:
		if (info->cipher.type != WC_CIPHER_AES_GCM)
			return CRYPTOCB_UNAVAILABLE;
		return info->cipher.enc ? on_seal(info) : on_open(info);
	case WC_ALGO_TYPE_PK:
		return info->pk.type == WC_PK_TYPE_RSA ? on_rsa(info) : CRYPTOCB_UNAVAILABLE;
	default:
		return CRYPTOCB_UNAVAILABLE;
	}
}

int tls_device_register(void)
{
	return wc_CryptoCb_RegisterDevice(TLS_DEVICE_ID, on_request, NULL);
}
