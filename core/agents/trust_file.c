/*
 * core/agents/trust_file.c - see trust_file.h.
 */
#include "core/agents/trust_file.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define HEAD "postrider-signed-in 1 "
#define END "end "

enum { HEX = 16 }; /* digits of 64 bits */

size_t trust_file_format(uint64_t check, const struct trust *trusts, size_t count, char *out)
{
	size_t n = (size_t)snprintf(out, TRUST_FILE_LINE, HEAD "%016" PRIx64 "\n", check);

	for (size_t i = 0; i < count; i++)
		n += (size_t)snprintf(out + n, TRUST_FILE_LINE, "%016" PRIx64 " %" PRIu64 "\n", trusts[i].key,
				      trusts[i].until_s);
	return n + (size_t)snprintf(out + n, TRUST_FILE_LINE, END "%zu\n", count);
}

/* ---- reading ---------------------------------------------------------------------------------------------------- */

struct cursor {
	const char *at, *end;
	bool ok;
};

static void expect(struct cursor *c, const char *text)
{
	size_t length = strlen(text);

	c->ok &= (size_t)(c->end - c->at) >= length && memcmp(c->at, text, length) == 0;
	c->at += c->ok ? length : 0;
}

static int hex_digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static uint64_t hex(struct cursor *c)
{
	uint64_t value = 0;

	c->ok &= c->end - c->at >= HEX;
	for (unsigned i = 0; c->ok && i < HEX; i++) {
		int digit = hex_digit(*c->at++);
		c->ok &= digit >= 0;
		value = value << 4 | (unsigned)digit;
	}
	return c->ok ? value : 0;
}

static uint64_t decimal(struct cursor *c)
{
	const char *from = c->at;
	uint64_t value = 0;

	for (; c->ok && c->at < c->end && *c->at >= '0' && *c->at <= '9'; c->at++) {
		unsigned digit = (unsigned)(*c->at - '0');
		c->ok &= value <= (UINT64_MAX - digit) / 10;
		value = value * 10 + digit;
	}
	c->ok &= c->at > from;
	return c->ok ? value : 0;
}

static bool starts_with(const struct cursor *c, const char *text)
{
	size_t length = strlen(text);

	return (size_t)(c->end - c->at) >= length && memcmp(c->at, text, length) == 0;
}

int trust_file_parse(const char *text, size_t length, uint64_t *check, struct trust *out, size_t *count)
{
	struct cursor c = {.at = text, .end = text + length, .ok = true};
	size_t n = 0;

	expect(&c, HEAD);
	*check = hex(&c);
	expect(&c, "\n");
	while (c.ok && !starts_with(&c, END)) {
		c.ok &= n < TRUST_FILE_MAX;
		if (!c.ok)
			break;
		out[n].key = hex(&c);
		expect(&c, " ");
		out[n].until_s = decimal(&c);
		expect(&c, "\n");
		c.ok &= out[n++].key != 0;
	}
	expect(&c, END);
	c.ok &= decimal(&c) == n;
	expect(&c, "\n");
	*count = c.ok && c.at == c.end ? n : 0;
	return c.ok && c.at == c.end ? 0 : -EBADMSG;
}

/* ---- the key ---------------------------------------------------------------------------------------------------- */

void trust_key_format(const uint8_t key[TRUST_KEY_SIZE], char out[TRUST_KEY_TEXT])
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < TRUST_KEY_SIZE; i++) {
		out[2 * i] = digits[key[i] >> 4];
		out[2 * i + 1] = digits[key[i] & 15];
	}
}

int trust_key_parse(const char *text, size_t length, uint8_t key[TRUST_KEY_SIZE])
{
	if (length != TRUST_KEY_TEXT)
		return -EBADMSG;
	for (size_t i = 0; i < TRUST_KEY_SIZE; i++) {
		int high = hex_digit(text[2 * i]), low = hex_digit(text[2 * i + 1]);
		if (high < 0 || low < 0)
			return -EBADMSG;
		key[i] = (uint8_t)((unsigned)high << 4 | (unsigned)low);
	}
	return 0;
}
