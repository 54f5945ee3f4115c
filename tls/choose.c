/*
 * tls/choose.c - which of a listener's certificates a client is shown: one that it can verify, for the host that it
 * asks for, with the key that is cheaper to sign with.
 *
 * wolfSSL holds one certificate in a context, so each has one, and the first of them stands for all of them outside.
 * Whoever asks for a host that none is for, or for none, is shown what the first is for: mail clients ask for odd
 * names, and refusing helps nobody (RFC 6066 3).
 */
#include "tls/internal.h"

#include "tls/certificate.h"
#include "tls/hello.h"

#include <stdlib.h>
#include <string.h>
#include <wolfssl/wolfcrypt/asn.h>
#include <wolfssl/wolfcrypt/ecc.h>

/* What the choice looks at, of the context's own certificate. Never changed once made. */
struct own_certificate {
	struct anchors *chain; /* the file; the first is its own */
	DecodedCert decoded;
	bool like_first; /* for a host that the first context's certificate is for */
};

struct own_certificate *tls_own_new(const char *pem, size_t length)
{
	struct own_certificate *own = calloc(1, sizeof(*own));

	if (own == NULL)
		return NULL;
	own->chain = anchors_new(pem, length);
	if (own->chain == NULL || own->chain->count == 0) {
		anchors_free(own->chain);
		free(own);
		return NULL;
	}
	struct span der = own->chain->items[0].der;
	wc_InitDecodedCert(&own->decoded, der.at, (word32)der.length, NULL);
	if (wc_ParseCert(&own->decoded, CERT_TYPE, NO_VERIFY, NULL) != 0) {
		tls_own_free(own);
		return NULL;
	}
	return own;
}

void tls_own_free(struct own_certificate *own)
{
	if (own == NULL)
		return;
	wc_FreeDecodedCert(&own->decoded);
	anchors_free(own->chain);
	free(own);
}

void tls_own_compare(struct own_certificate *own, const struct own_certificate *first)
{
	char name[TLS_NAME_SIZE];

	own->like_first = own == first;
	for (const DNS_entry *entry = first->decoded.altNames; entry != NULL && !own->like_first; entry = entry->next) {
		if (entry->type != ASN_DNS_TYPE || entry->len <= 0 || (size_t)entry->len >= sizeof(name))
			continue;
		memcpy(name, entry->name, (size_t)entry->len);
		name[entry->len] = '\0';
		own->like_first = tls_decoded_named(&own->decoded, name) != TLS_NAMED_NOT;
	}
}

static bool is_ec(const struct own_certificate *own)
{
	return own->decoded.keyOID == ECDSAk;
}

static bool verifiable(const struct own_certificate *own, const struct tls_hello *hello)
{
	enum { TLS_13 = 0x0304 };
	bool tls13 = hello->version >= TLS_13;

	if (!is_ec(own))
		return tls13 ? hello->rsa_pss
			     : hello->ecdhe_rsa && (hello->rsa || hello->rsa_pss || !hello->signatures_given);
	bool known = own->decoded.pkCurveOID == ECC_SECP384R1_OID ? hello->ecdsa_p384 : hello->ecdsa_p256;
	return tls13 ? known : hello->ecdhe_ecdsa && (known || !hello->signatures_given);
}

/* The context of the certificate to be shown: `context`, or one that it has beside it. */
struct tls_context *tls_choose(struct tls_context *context, const struct tls_hello *hello)
{
	struct tls_context *best = context;
	bool any = false;
	int most = -1;

	for (size_t i = 0; i <= context->other_count && hello->name[0] != '\0'; i++) {
		const struct tls_context *one = i == 0 ? context : context->others[i - 1];
		any |= tls_decoded_named(&one->own->decoded, hello->name) != TLS_NAMED_NOT;
	}
	for (size_t i = 0; i <= context->other_count; i++) {
		struct tls_context *one = i == 0 ? context : context->others[i - 1];
		bool asked_for = any ? tls_decoded_named(&one->own->decoded, hello->name) != TLS_NAMED_NOT
				     : one->own->like_first;
		/* Without a signature that the client knows there is no session at all. RSA signs ten times as long;
		 * but what has no signature_algorithms is old, and knows RSA best. */
		int worth = 4 * verifiable(one->own, hello) + 2 * asked_for +
			    (is_ec(one->own) == (hello->signatures_given || hello->version > TLS1_2_VERSION));
		if (worth > most) {
			best = one;
			most = worth;
		}
	}
	return best;
}
