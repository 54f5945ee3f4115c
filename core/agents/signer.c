/*
 * core/agents/signer.c - see signer.h.
 */
#include "core/agents/signer.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

struct signer {
	EVP_PKEY *key;
	X509 *certificate; /* NULL: none */
};

/* Without it libcrypto would ask for a password on the terminal. */
static int no_password(char *buffer, int size, int writing, void *context)
{
	return -1;
}

static EVP_PKEY *read_key(const struct secret *text)
{
	BIO *bio = BIO_new_mem_buf(text->text, (int)text->length);
	EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL) : NULL;

	BIO_free(bio);
	return key;
}

static X509 *read_certificate(const struct secret *text)
{
	BIO *bio = BIO_new_mem_buf(text->text, (int)text->length);
	X509 *certificate = bio ? PEM_read_bio_X509(bio, NULL, no_password, NULL) : NULL;

	BIO_free(bio);
	return certificate;
}

static const char *wrong_with(const struct signer *signer, bool certificate_wanted)
{
	if (!signer->key)
		return "it is no private key in PEM without a password";
	if (EVP_PKEY_get_base_id(signer->key) != EVP_PKEY_RSA)
		return "it is no RSA key, which the endpoint needs";
	if (EVP_PKEY_get_bits(signer->key) < SIGNER_BITS_MIN)
		return "the RSA key has less than 2048 bits";
	if (EVP_PKEY_get_size(signer->key) > SIGNER_SIGNATURE_MAX)
		return "the RSA key has more than 8192 bits";
	if (certificate_wanted && !signer->certificate)
		return "the certificate is not one in PEM";
	if (certificate_wanted && X509_check_private_key(signer->certificate, signer->key) != 1)
		return "the certificate is another key's";
	return NULL;
}

struct signer *signer_new(const struct secret *key, const struct secret *certificate, char problem[SIGNER_PROBLEM_SIZE])
{
	struct signer *signer = calloc(1, sizeof(*signer));
	const char *wrong = "out of memory";

	if (signer) {
		signer->key = read_key(key);
		signer->certificate = certificate ? read_certificate(certificate) : NULL;
		wrong = wrong_with(signer, certificate != NULL);
	}
	ERR_clear_error();
	if (!wrong)
		return signer;
	snprintf(problem, SIGNER_PROBLEM_SIZE, "%s", wrong);
	signer_free(signer);
	return NULL;
}

void signer_free(struct signer *signer)
{
	if (!signer)
		return;
	EVP_PKEY_free(signer->key); /* wipes it */
	X509_free(signer->certificate);
	free(signer);
}

size_t signer_sign(const struct signer *signer, enum config_signature how, const void *data, size_t length,
		   uint8_t out[SIGNER_SIGNATURE_MAX])
{
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	EVP_PKEY_CTX *parameters = NULL;
	size_t size = SIGNER_SIGNATURE_MAX;
	bool ok = context && EVP_DigestSignInit(context, &parameters, EVP_sha256(), NULL, signer->key) == 1;

	/* RFC 7518 3.5: the salt is as long as the hash, and the mask is made with the same hash. */
	if (ok && how == CONFIG_SIGNATURE_PS256)
		ok = EVP_PKEY_CTX_set_rsa_padding(parameters, RSA_PKCS1_PSS_PADDING) == 1 &&
		     EVP_PKEY_CTX_set_rsa_pss_saltlen(parameters, RSA_PSS_SALTLEN_DIGEST) == 1 &&
		     EVP_PKEY_CTX_set_rsa_mgf1_md(parameters, EVP_sha256()) == 1;
	ok = ok && EVP_DigestSign(context, out, &size, data, length) == 1;
	EVP_MD_CTX_free(context);
	ERR_clear_error();
	return ok ? size : 0;
}

bool signer_thumbprints(const struct signer *signer, uint8_t sha1[SIGNER_SHA1_SIZE], uint8_t sha256[SIGNER_SHA256_SIZE])
{
	unsigned n = 0;

	return signer->certificate && X509_digest(signer->certificate, EVP_sha1(), sha1, &n) == 1 &&
	       n == SIGNER_SHA1_SIZE && X509_digest(signer->certificate, EVP_sha256(), sha256, &n) == 1 &&
	       n == SIGNER_SHA256_SIZE;
}

bool signer_thumbprint_of(const char *file, uint8_t sha1[SIGNER_SHA1_SIZE])
{
	struct secret text;
	X509 *certificate = secret_read(file, &text) == 0 ? read_certificate(&text) : NULL;
	unsigned n = 0;
	bool ok = certificate && X509_digest(certificate, EVP_sha1(), sha1, &n) == 1 && n == SIGNER_SHA1_SIZE;

	X509_free(certificate);
	secret_wipe(&text);
	ERR_clear_error();
	return ok;
}

int64_t signer_end_of(const char *file)
{
	struct secret text;
	X509 *certificate = secret_read(file, &text) == 0 ? read_certificate(&text) : NULL;
	struct tm tm;
	bool ok = certificate && ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &tm) == 1;

	X509_free(certificate);
	secret_wipe(&text);
	ERR_clear_error();
	return ok ? timegm(&tm) : 0;
}
