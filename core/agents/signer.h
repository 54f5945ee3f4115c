/*
 * core/agents/signer.h - a private key of ours, its certificate, and what they sign: the only place that knows
 * libcrypto.
 *
 * The key that an application at Entra or a service account at Google is known by. libcrypto and not tls/: it is in the
 * process with libcurl in any case, reads every form of key that people have, signs in constant time, and its
 * distributions mend it within days; tls/ stays what speaks TLS with mail servers.
 */
#ifndef POSTRIDER_AGENTS_SIGNER_H
#define POSTRIDER_AGENTS_SIGNER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/secret.h"
#include "core/config/oauth.h"

enum {
	SIGNER_SIGNATURE_MAX = 1024, /* RSA with 8192 bits */
	SIGNER_BITS_MIN = 2048,
	SIGNER_PROBLEM_SIZE = 160,
	SIGNER_SHA1_SIZE = 20,
	SIGNER_SHA256_SIZE = 32,
};

struct signer;

/* The key from PEM (PKCS#8, PKCS#1), RSA; and the certificate that must be its own, or NULL. NULL with a sentence. */
struct signer *signer_new(const struct secret *key, const struct secret *certificate,
			  char problem[SIGNER_PROBLEM_SIZE]);
void signer_free(struct signer *signer);

/* RFC 7518 3.3, 3.5. Returns the signature's length; 0: it failed. */
size_t signer_sign(const struct signer *signer, enum config_signature how, const void *data, size_t length,
		   uint8_t out[SIGNER_SIGNATURE_MAX]);
/* Of the certificate's DER, which there must be. */
bool signer_thumbprints(const struct signer *signer, uint8_t sha1[SIGNER_SHA1_SIZE],
			uint8_t sha256[SIGNER_SHA256_SIZE]);
/* SHA-1 of a certificate's file alone. False: it cannot be read. */
bool signer_thumbprint_of(const char *file, uint8_t sha1[SIGNER_SHA1_SIZE]);
/* When the certificate of a file ends, seconds since 1970; 0: it cannot be read. */
int64_t signer_end_of(const char *file);

#endif
