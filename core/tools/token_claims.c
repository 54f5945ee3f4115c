/*
 * core/tools/token_claims.c - see token_claims.h.
 */
#include "core/tools/token_claims.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "core/smtp/base64.h"

enum { PAYLOAD_MAX = 16384 };

/* The middle one of three parts. */
static bool find_payload(const char *token, size_t length, const char **payload, size_t *payload_length)
{
	const char *first = memchr(token, '.', length), *second;

	if (!first)
		return false;
	second = memchr(first + 1, '.', length - (size_t)(first + 1 - token));
	if (!second)
		return false;
	*payload = first + 1;
	*payload_length = (size_t)(second - first - 1);
	return *payload_length > 0 && *payload_length <= PAYLOAD_MAX;
}

/* base64url without padding (RFC 7515 2) as base64_decode() takes it. The caller frees. */
static uint8_t *decode(const char *text, size_t length, size_t *decoded)
{
	size_t padded = (length + 3) / 4 * 4;
	char *plain = malloc(padded);
	uint8_t *out = malloc(padded / 4 * 3);
	ssize_t n = -1;

	if (plain && out) {
		for (size_t i = 0; i < padded; i++) {
			char c = i < length ? text[i] : '=';
			plain[i] = c == '-' ? '+' : c == '_' ? '/' : c;
		}
		n = base64_decode(plain, padded, out);
	}
	free(plain);
	*decoded = n > 0 ? (size_t)n : 0;
	if (n > 0)
		return out;
	free(out);
	return NULL;
}

static void append(char *out, size_t size, const char *text)
{
	size_t length = strlen(out);

	if (length > 0 && length + 1 < size)
		out[length++] = ' ';
	for (; *text != '\0' && length + 1 < size; text++)
		out[length++] = *text >= ' ' && *text <= '~' ? *text : '?';
	out[length] = '\0';
}

/* A string, or a list of them. */
static void take_texts(const json_t *claims, const char *name, char *out, size_t size)
{
	const json_t *value = json_object_get(claims, name);
	size_t i;

	out[0] = '\0';
	if (json_is_string(value))
		append(out, size, json_string_value(value));
	for (i = 0; i < json_array_size(value); i++) {
		const char *text = json_string_value(json_array_get(value, i));
		if (text)
			append(out, size, text);
	}
}

bool token_claims_read(const char *token, size_t length, struct token_claims *claims)
{
	const char *payload;
	size_t payload_length, decoded;
	uint8_t *text = find_payload(token, length, &payload, &payload_length)
				? decode(payload, payload_length, &decoded)
				: NULL;
	json_t *root = text ? json_loadb((const char *)text, decoded, 0, NULL) : NULL;
	bool ok = json_is_object(root);

	memset(claims, 0, sizeof(*claims));
	if (ok) {
		take_texts(root, "aud", claims->audience, sizeof(claims->audience));
		take_texts(root, "roles", claims->roles, sizeof(claims->roles));
		take_texts(root, "scp", claims->scopes, sizeof(claims->scopes));
		take_texts(root, "appid", claims->application, sizeof(claims->application));
		take_texts(root, json_object_get(root, "upn") ? "upn" : "preferred_username", claims->user,
			   sizeof(claims->user));
		take_texts(root, "tid", claims->tenant, sizeof(claims->tenant));
		claims->end = (int64_t)json_number_value(json_object_get(root, "exp"));
	}
	json_decref(root);
	free(text);
	return ok;
}
