/*
 * tls/rsa.c - see rsa.h.
 */
#include "tls/rsa.h"

#include <limits.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <stdlib.h>
#include <string.h>

struct rsa_key {
	EVP_PKEY *pkey;
	size_t length; /* of the modulus, in octets */
};

/* Without it libcrypto would ask for a password on the terminal. */
static int no_password(char *out, int size, int writing, void *argument)
{
	return -1;
}

struct rsa_key *rsa_key_new(const char *pem, size_t length)
{
	BIO *bio = length <= INT_MAX ? BIO_new_mem_buf(pem, (int)length) : NULL;
	EVP_PKEY *pkey = bio != NULL ? PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL) : NULL;
	struct rsa_key *key = pkey != NULL && EVP_PKEY_is_a(pkey, "RSA") ? malloc(sizeof(*key)) : NULL;

	BIO_free(bio);
	if (key != NULL)
		*key = (struct rsa_key){.pkey = pkey, .length = (size_t)EVP_PKEY_get_size(pkey)};
	else
		EVP_PKEY_free(pkey);
	ERR_clear_error();
	return key;
}

void rsa_key_free(struct rsa_key *key)
{
	if (key == NULL)
		return;
	EVP_PKEY_free(key->pkey);
	free(key);
}

bool rsa_key_apply(const struct rsa_key *key, const uint8_t *padded, size_t length, uint8_t *out)
{
	enum { LENGTH_MAX = 1024 };
	uint8_t result[LENGTH_MAX]; /* `out` may be `padded`, which is needed again where libcrypto fails */
	size_t written = sizeof(result);

	if (length != key->length || length > sizeof(result))
		return false;
	EVP_PKEY_CTX *operation = EVP_PKEY_CTX_new(key->pkey, NULL);
	bool done = operation != NULL && EVP_PKEY_sign_init(operation) > 0 &&
		    EVP_PKEY_CTX_set_rsa_padding(operation, RSA_NO_PADDING) > 0 &&
		    EVP_PKEY_sign(operation, result, &written, padded, length) > 0 && written == length;
	EVP_PKEY_CTX_free(operation);
	if (done)
		memcpy(out, result, length);
	else
		ERR_clear_error();
	return done;
}
