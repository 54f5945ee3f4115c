/*
 * core/agents/webhook_sign.c - see webhook_sign.h.
 */
#include "core/agents/webhook_sign.h"

#include <inttypes.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/smtp/base64.h"

#define PREFIX "whsec_"

/* Octets of the key in `key`; 0: it is none. */
static size_t key_of(const char *line, size_t length, uint8_t key[WEBHOOK_SECRET_MOST])
{
	const size_t prefix = sizeof(PREFIX) - 1;
	ssize_t n;

	if (length > WEBHOOK_SECRET_MOST)
		return 0;
	if (length > prefix && memcmp(line, PREFIX, prefix) == 0) {
		n = base64_decode(line + prefix, length - prefix, key);
		return n >= WEBHOOK_SECRET_LEAST ? (size_t)n : 0;
	}
	memcpy(key, line, length);
	return length >= WEBHOOK_SECRET_LEAST ? length : 0;
}

static bool sign(const uint8_t *key, size_t length, const char *text, size_t text_length, char out[])
{
	uint8_t digest[EVP_MAX_MD_SIZE];
	unsigned n = 0;

	if (!HMAC(EVP_sha256(), key, (int)length, (const uint8_t *)text, text_length, digest, &n))
		return false;
	memcpy(out, "v1,", 3);
	out[3 + base64_encode(digest, n, out + 3)] = '\0';
	return true;
}

bool webhook_sign(const char *secrets, size_t length, const char *id, int64_t timestamp, struct span body,
		  char out[WEBHOOK_SIGNATURE_SIZE])
{
	uint8_t key[WEBHOOK_SECRET_MOST];
	size_t size = strlen(id) + 32 + body.length, n, at = 0;
	char *text = malloc(size);
	unsigned count = 0;
	bool ok = text != NULL;

	out[0] = '\0';
	n = text ? (size_t)snprintf(text, size, "%s.%" PRId64 ".", id, timestamp) : 0;
	if (text)
		memcpy(text + n, body.data, body.length);
	while (ok && at < length) {
		const char *line = secrets + at, *eol = memchr(line, '\n', length - at);
		size_t octets = eol ? (size_t)(eol - line) : length - at, key_length;
		at += octets + 1;
		if (octets > 0 && line[octets - 1] == '\r')
			octets--;
		if (octets == 0)
			continue;
		key_length = key_of(line, octets, key);
		if (count > 0)
			strcat(out, " ");
		ok = key_length > 0 && count < WEBHOOK_SECRETS &&
		     sign(key, key_length, text, n + body.length, out + strlen(out));
		count++;
	}
	explicit_bzero(key, sizeof(key));
	free(text);
	return ok && count > 0;
}
