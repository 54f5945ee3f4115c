/*
 * core/agents/assertion.c - see assertion.h.
 */
#include "core/agents/assertion.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/random.h"

enum { ID_OCTETS = 16 };

size_t assertion_base64url(const void *data, size_t length, char *out)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	const uint8_t *in = data;
	size_t n = 0;

	for (size_t i = 0; i < length; i += 3) {
		size_t left = length - i;
		uint32_t group =
			(uint32_t)in[i] << 16 | (left > 1 ? (uint32_t)in[i + 1] << 8 : 0) | (left > 2 ? in[i + 2] : 0);
		out[n++] = digits[group >> 18];
		out[n++] = digits[group >> 12 & 63];
		if (left > 1)
			out[n++] = digits[group >> 6 & 63];
		if (left > 2)
			out[n++] = digits[group & 63];
	}
	out[n] = '\0';
	return n;
}

/* Both thumbprints: Entra's page names x5t#S256, and there are applications that it knows by x5t only. */
static json_t *make_header(const struct assertion *a, const struct signer *signer)
{
	json_t *header =
		json_pack("{s:s, s:s}", "alg", a->how == CONFIG_SIGNATURE_PS256 ? "PS256" : "RS256", "typ", "JWT");
	uint8_t sha1[SIGNER_SHA1_SIZE], sha256[SIGNER_SHA256_SIZE];
	char text[64];
	int r = 0;

	if (!header)
		return NULL;
	if (a->key_id) {
		r = json_object_set_new(header, "kid", json_string(a->key_id));
	} else if (signer_thumbprints(signer, sha1, sha256)) {
		assertion_base64url(sha1, sizeof(sha1), text);
		r = json_object_set_new(header, "x5t", json_string(text));
		assertion_base64url(sha256, sizeof(sha256), text);
		r |= json_object_set_new(header, "x5t#S256", json_string(text));
	}
	if (r == 0)
		return header;
	json_decref(header);
	return NULL;
}

static json_t *make_claims(const struct assertion *a)
{
	uint8_t id[ID_OCTETS];
	char text[ID_OCTETS * 2];
	json_int_t from = a->now - ASSERTION_EARLY_S;

	random_bytes(id, sizeof(id));
	assertion_base64url(id, sizeof(id), text);
	return json_pack("{s:s, s:s, s:s*, s:s*, s:s, s:I, s:I, s:I}", "aud", a->audience, "iss", a->issuer, "sub",
			 a->subject, "scope", a->scope, "jti", text, "nbf", from, "iat", from, "exp",
			 from + ASSERTION_LIFE_S);
}

/* HEADER.CLAIMS, with room for the signature. */
static char *to_be_signed(const char *header, const char *claims, size_t *length)
{
	size_t h = strlen(header), c = strlen(claims);
	char *out = malloc(assertion_base64url_length(h) + assertion_base64url_length(c) +
			   assertion_base64url_length(SIGNER_SIGNATURE_MAX) + 3);

	if (!out)
		return NULL;
	*length = assertion_base64url(header, h, out);
	out[(*length)++] = '.';
	*length += assertion_base64url(claims, c, out + *length);
	return out;
}

char *assertion_make(const struct assertion *assertion, const struct signer *signer)
{
	json_t *header = make_header(assertion, signer), *claims = make_claims(assertion);
	char *header_text = json_dumps(header, JSON_COMPACT), *claims_text = json_dumps(claims, JSON_COMPACT);
	uint8_t signature[SIGNER_SIGNATURE_MAX];
	size_t length = 0, signed_octets = 0;
	char *out = header_text && claims_text ? to_be_signed(header_text, claims_text, &length) : NULL;

	if (out)
		signed_octets = signer_sign(signer, assertion->how, out, length, signature);
	if (signed_octets > 0) {
		out[length++] = '.';
		assertion_base64url(signature, signed_octets, out + length);
	} else {
		free(out);
		out = NULL;
	}
	json_decref(header);
	json_decref(claims);
	/* As jansson's memory is given back (token_reply_init()). */
	free(header_text);
	free(claims_text);
	return out;
}
