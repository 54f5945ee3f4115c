/*
 * tls/identity.c - who a client is by the certificate it showed: its fingerprint, and the names it has where an
 * authority of the listener vouches for them.
 *
 * Taken in the middle of the handshake, from what verify.c is shown, and only believed when the handshake is complete:
 * that is when the client has proved that the key is its own.
 */
#include "tls/internal.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <wolfssl/wolfcrypt/asn.h>
#include <wolfssl/wolfcrypt/sha256.h>

static_assert((int)TLS_FINGERPRINT_SIZE == (int)WC_SHA256_DIGEST_SIZE, "fingerprints are SHA-256");

/* Adds those of the list that are of that kind, each with its NUL. */
static void add_names(struct tls_identity *identity, const DNS_entry *entry, int type)
{
	for (; entry != NULL; entry = entry->next) {
		size_t n = entry->len > 0 ? (size_t)entry->len : 0;
		if (entry->type != type || n == 0 || memchr(entry->name, '\0', n) != NULL)
			continue;
		/* The last octet stays: an empty name ends them. */
		if (identity->names_length + n + 1 >= sizeof(identity->names))
			return;
		memcpy(identity->names + identity->names_length, entry->name, n);
		identity->names_length += n + 1;
	}
}

struct tls_identity *tls_identity_new(const uint8_t *der, size_t length, bool verified)
{
	struct tls_identity *identity = calloc(1, sizeof(*identity));
	DecodedCert *decoded = malloc(sizeof(*decoded));
	wc_Sha256 sha;

	if (identity == NULL || decoded == NULL || wc_InitSha256(&sha) != 0) {
		free(identity);
		free(decoded);
		return NULL;
	}
	wc_Sha256Update(&sha, der, (word32)length);
	wc_Sha256Final(&sha, identity->fingerprint);
	wc_Sha256Free(&sha);
	identity->verified = verified;
	wc_InitDecodedCert(decoded, der, (word32)length, NULL);
	if (verified && wc_ParseCert(decoded, CERT_TYPE, NO_VERIFY, NULL) == 0) {
		add_names(identity, decoded->altNames, ASN_DNS_TYPE);
		add_names(identity, decoded->altEmailNames, ASN_RFC822_TYPE);
	}
	wc_FreeDecodedCert(decoded);
	free(decoded);
	return identity;
}

const struct tls_identity *tls_session_identity(const struct tls_session *session)
{
	return session->handshake_done ? session->identity : NULL;
}

void tls_fingerprint_text(const uint8_t fingerprint[TLS_FINGERPRINT_SIZE], char text[TLS_FINGERPRINT_TEXT])
{
	size_t at = (size_t)snprintf(text, TLS_FINGERPRINT_TEXT, "sha256:");

	for (size_t i = 0; i < TLS_FINGERPRINT_SIZE; i++, at += 2)
		snprintf(text + at, TLS_FINGERPRINT_TEXT - at, "%02x", fingerprint[i]);
}

bool tls_fingerprint_is(const uint8_t fingerprint[TLS_FINGERPRINT_SIZE], const char *wanted)
{
	static const char prefix[] = "sha256:";
	const char *digits = wanted + strlen(prefix);

	if (strncasecmp(wanted, prefix, strlen(prefix)) != 0)
		return false;
	for (size_t i = 0; i < TLS_FINGERPRINT_SIZE; i++) {
		char octet[3];
		if (*digits == ':' && i > 0)
			digits++;
		snprintf(octet, sizeof(octet), "%02x", fingerprint[i]);
		if (strncasecmp(digits, octet, 2) != 0)
			return false;
		digits += 2;
	}
	return *digits == '\0';
}

bool tls_identity_is(const struct tls_identity *identity, const char *wanted)
{
	static const char prefix[] = "sha256:";

	if (identity == NULL)
		return false;
	if (strncasecmp(wanted, prefix, strlen(prefix)) == 0)
		return tls_fingerprint_is(identity->fingerprint, wanted);
	for (const char *name = identity->names; *name != '\0'; name += strlen(name) + 1) {
		if (strcasecmp(name, wanted) == 0)
			return true;
	}
	return false;
}
