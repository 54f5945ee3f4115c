/*
 * core/agents/assertion.h - signed assertions (RFC 7523): an application's, for Entra, and a service account's, for
 * Google.
 *
 * Pure but for randomness. Made anew for each request: they live ten minutes.
 */
#ifndef POSTRIDER_AGENTS_ASSERTION_H
#define POSTRIDER_AGENTS_ASSERTION_H

#include <stddef.h>
#include <stdint.h>

#include "core/agents/signer.h"

enum {
	ASSERTION_LIFE_S = 600, /* Entra's advice: five to ten minutes; Google's bound: an hour */
	ASSERTION_EARLY_S = 60, /* so much our clock may be ahead without anybody noticing */
};

struct assertion {
	enum config_signature how;
	const char *audience, *issuer, *subject; /* subject NULL: none */
	const char *scope;                       /* NULL: none */
	const char *key_id;                      /* NULL: none; then the certificate's thumbprints stand there */
	int64_t now;                             /* seconds since 1970, by the endpoint's clock as far as it is known */
};

/* As text, from malloc; the caller wipes and frees it. NULL without memory, or where signing failed. */
char *assertion_make(const struct assertion *assertion, const struct signer *signer);

/* RFC 4648 section 5, without padding; `out` has room for assertion_base64url_length() and a NUL. Returns its
 * length. */
size_t assertion_base64url(const void *data, size_t length, char *out);
static inline size_t assertion_base64url_length(size_t length)
{
	return (length * 4 + 2) / 3;
}

#endif
