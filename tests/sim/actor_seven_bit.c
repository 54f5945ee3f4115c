/*
 * tests/sim/actor_seven_bit.c - see actor_seven_bit.h.
 */
#include "tests/sim/actor_seven_bit.h"

#include <string.h>

#include "tests/sim/world.h"

bool seven_bit_wide(const uint8_t *content, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		if (content[i] > 127)
			return true;
	}
	return false;
}

static int hex(uint8_t c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1000;
}

static size_t quoted(const uint8_t *in, size_t length, uint8_t *out)
{
	size_t n = 0;

	for (size_t i = 0; i < length; i++) {
		if (in[i] != '=' || i + 2 >= length) {
			out[n++] = in[i];
			continue;
		}
		if (in[i + 1] != '\r')
			out[n++] = (uint8_t)(hex(in[i + 1]) * 16 + hex(in[i + 2]));
		i += 2;
	}
	return n;
}

static size_t base64(const uint8_t *in, size_t length, uint8_t *out)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	unsigned bits = 0, have = 0;
	size_t n = 0;

	for (size_t i = 0; i < length; i++) {
		const char *digit = in[i] ? strchr(digits, in[i]) : NULL;
		if (!digit)
			continue;
		bits = bits << 6 | (unsigned)(digit - digits);
		have += 6;
		if (have >= 8)
			out[n++] = (uint8_t)(bits >> (have -= 8));
	}
	return n;
}

/* `prefix` stands at `*at`, which goes behind it. */
static bool take(const uint8_t *content, size_t length, size_t *at, const char *prefix)
{
	size_t n = strlen(prefix);

	if (length - *at < n || memcmp(content + *at, prefix, n) != 0)
		return false;
	*at += n;
	return true;
}

bool seven_bit_means(const uint8_t *content, size_t length, const uint8_t *expected, size_t expected_length)
{
	const uint8_t *end = memmem(expected, expected_length, "\r\n\r\n", 4);
	size_t header = end ? (size_t)(end - expected) + 2 : 0, at = header, n;
	uint8_t *body;
	bool same, text;

	if (!end || length < header || memcmp(content, expected, header) != 0 ||
	    !take(content, length, &at, "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=unknown-8bit\r\n"))
		return false;
	text = take(content, length, &at, "Content-Transfer-Encoding: quoted-printable\r\n\r\n");
	if (!text && !take(content, length, &at, "Content-Transfer-Encoding: base64\r\n\r\n"))
		return false;
	body = world_alloc(length + 1);
	n = text ? quoted(content + at, length - at, body) : base64(content + at, length - at, body);
	same = n == expected_length - header - 2 && memcmp(body, expected + header + 2, n) == 0;
	world_release(body);
	return same;
}
