/*
 * core/agents/key_pair.c - see key_pair.h. Of libcrypto, as signer.c is.
 */
#include "core/agents/key_pair.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SERIAL_OCTETS = 16, HOUR_S = 3600, DAY_S = 24 * HOUR_S };

static bool add_extension(X509 *certificate, int what, const char *value)
{
	X509_EXTENSION *extension = X509V3_EXT_nconf_nid(NULL, NULL, what, value);
	bool ok = extension && X509_add_ext(certificate, extension, -1) == 1;

	X509_EXTENSION_free(extension);
	return ok;
}

static bool set_serial(X509 *certificate)
{
	unsigned char octets[SERIAL_OCTETS];
	BIGNUM *number = NULL;
	bool ok;

	if (RAND_bytes(octets, sizeof(octets)) != 1)
		return false;
	octets[0] &= 0x7f; /* positive (RFC 5280 4.1.2.2) */
	number = BN_bin2bn(octets, sizeof(octets), NULL);
	ok = number && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate)) != NULL;
	BN_free(number);
	return ok;
}

static X509 *make_certificate(EVP_PKEY *key, const char *common_name, unsigned days)
{
	X509 *certificate = X509_new();
	X509_NAME *name = certificate ? X509_get_subject_name(certificate) : NULL;

	if (certificate && X509_set_version(certificate, X509_VERSION_3) == 1 && set_serial(certificate) &&
	    X509_gmtime_adj(X509_getm_notBefore(certificate), -HOUR_S) &&
	    X509_gmtime_adj(X509_getm_notAfter(certificate), (long)days * DAY_S) &&
	    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const unsigned char *)common_name, -1, -1, 0) == 1 &&
	    X509_set_issuer_name(certificate, name) == 1 && X509_set_pubkey(certificate, key) == 1 &&
	    add_extension(certificate, NID_basic_constraints, "critical,CA:FALSE") &&
	    add_extension(certificate, NID_key_usage, "critical,digitalSignature") &&
	    X509_sign(certificate, key, EVP_sha256()) > 0)
		return certificate;
	X509_free(certificate);
	return NULL;
}

/* What was written into memory, with a NUL behind it. */
static char *take_text(BIO *bio, size_t *length)
{
	char *data, *text;
	long n = BIO_get_mem_data(bio, &data);

	text = n > 0 ? malloc((size_t)n + 1) : NULL;
	if (!text)
		return NULL;
	memcpy(text, data, (size_t)n);
	text[n] = '\0';
	*length = (size_t)n;
	return text;
}

static char *one_line(X509 *certificate)
{
	unsigned char *der = NULL;
	int length = i2d_X509(certificate, &der);
	char *text = length > 0 ? malloc((size_t)length / 3 * 4 + 8) : NULL;

	if (text)
		EVP_EncodeBlock((unsigned char *)text, der, length);
	OPENSSL_free(der);
	return text;
}

static bool write_texts(struct key_pair *pair, EVP_PKEY *key, X509 *certificate)
{
	BIO *secret = BIO_new(BIO_s_secmem()), *open = BIO_new(BIO_s_mem());
	size_t length;

	if (secret && open && PEM_write_bio_PrivateKey(secret, key, NULL, NULL, 0, NULL, NULL) == 1 &&
	    PEM_write_bio_X509(open, certificate) == 1) {
		pair->private_key = take_text(secret, &pair->private_key_length);
		pair->certificate = take_text(open, &length);
		pair->certificate_text = one_line(certificate);
	}
	BIO_free(secret); /* wipes */
	BIO_free(open);
	return pair->private_key && pair->certificate && pair->certificate_text;
}

bool key_pair_make(const char *common_name, unsigned days, struct key_pair *pair)
{
	EVP_PKEY *key = EVP_RSA_gen(KEY_PAIR_BITS);
	X509 *certificate = key ? make_certificate(key, common_name, days) : NULL;
	bool ok;

	*pair = (struct key_pair){.private_key = NULL};
	ok = certificate && write_texts(pair, key, certificate);
	if (!ok)
		key_pair_wipe(pair);
	X509_free(certificate);
	EVP_PKEY_free(key);
	return ok;
}

char *key_pair_certificate_text(const char *file)
{
	BIO *bio = BIO_new_file(file, "r");
	X509 *certificate = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
	char *text = certificate ? one_line(certificate) : NULL;

	X509_free(certificate);
	BIO_free(bio);
	return text;
}

void key_pair_wipe(struct key_pair *pair)
{
	if (pair->private_key)
		explicit_bzero(pair->private_key, pair->private_key_length);
	free(pair->private_key);
	free(pair->certificate);
	free(pair->certificate_text);
	*pair = (struct key_pair){.private_key = NULL};
}
