/*
 * tests/unit/libcrypto_rig.c - see libcrypto_rig.h. EVP_PKEY_sign() of the program comes before libcrypto's own.
 */
#include "tests/unit/libcrypto_rig.h"

#include <dlfcn.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <string.h>

static enum rig_behaviour behaviour;
unsigned rig_signatures, rig_pss;

void rig_begin(enum rig_behaviour how)
{
	behaviour = how;
	rig_signatures = rig_pss = 0;
}

int EVP_PKEY_sign(EVP_PKEY_CTX *operation, unsigned char *out, size_t *length, const unsigned char *in,
		  size_t in_length)
{
	static const unsigned char pkcs_1[] = {0x00, 0x01,
					       0xff}; /* RFC 8017 9.2; of PSS such a beginning is rare as 2^-24 */
	int (*real)(EVP_PKEY_CTX *, unsigned char *, size_t *, const unsigned char *, size_t) =
		(__typeof__(real))dlsym(RTLD_NEXT, "EVP_PKEY_sign");

	rig_signatures++;
	rig_pss += in_length < sizeof(pkcs_1) || memcmp(in, pkcs_1, sizeof(pkcs_1)) != 0;
	if (behaviour == RIG_FAILS)
		return 0;
	int result = real(operation, out, length, in, in_length);
	if (behaviour == RIG_LIES)
		out[*length / 2] ^= 1;
	return result;
}

bool rig_read_prime(const char *key_file, uint8_t part[2][RIG_PART])
{
	FILE *file = fopen(key_file, "r");
	EVP_PKEY *pkey = file != NULL ? PEM_read_PrivateKey(file, NULL, NULL, NULL) : NULL;
	BIGNUM *p = NULL;
	uint8_t octets[2 * RIG_PART];
	bool read = pkey != NULL && EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_RSA_FACTOR1, &p) &&
		    BN_bn2binpad(p, octets, sizeof(octets)) == sizeof(octets);

	for (size_t i = 0; read && i < RIG_PART; i++) {
		part[0][i] = octets[i];
		part[1][i] = octets[sizeof(octets) - 1 - i];
	}
	explicit_bzero(octets, sizeof(octets));
	BN_clear_free(p);
	EVP_PKEY_free(pkey);
	if (file != NULL)
		fclose(file);
	return read;
}
