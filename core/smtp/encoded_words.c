/*
 * core/smtp/encoded_words.c - see encoded_words.h.
 */
#include "core/smtp/encoded_words.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

#include "core/smtp/base64.h"

enum { WORD_MAX = 256 }; /* RFC 2047 2 allows 75 */

struct text {
	char *out;
	size_t length, room;
};

static void put(struct text *t, char c)
{
	if (t->length < t->room)
		t->out[t->length++] = c;
}

/* One of ISO 8859-1, or one that is there already. */
static void put_octet(struct text *t, uint8_t octet, bool latin)
{
	if (!latin || octet < 0x80) {
		put(t, (char)octet);
		return;
	}
	put(t, (char)(0xc0 | octet >> 6));
	put(t, (char)(0x80 | (octet & 0x3f)));
}

static int hex(char c)
{
	return c >= '0' && c <= '9'   ? c - '0'
	       : c >= 'A' && c <= 'F' ? c - 'A' + 10
	       : c >= 'a' && c <= 'f' ? c - 'a' + 10
				      : -1;
}

static ssize_t decode_quoted(struct span in, uint8_t *out)
{
	size_t n = 0;

	for (uint32_t i = 0; i < in.length; i++) {
		char c = in.data[i];
		if (c == '=') {
			int high = i + 2 < in.length ? hex(in.data[i + 1]) : -1,
			    low = high < 0 ? -1 : hex(in.data[i + 2]);
			if (low < 0)
				return -1;
			c = (char)(high << 4 | low);
			i += 2;
		} else if (c == '_') {
			c = ' ';
		}
		out[n++] = (uint8_t)c;
	}
	return (ssize_t)n;
}

/* Behind the next question mark; NULL: there is none. */
static const char *next(const char *at, const char *end)
{
	const char *mark = at < end ? memchr(at, '?', (size_t)(end - at)) : NULL;

	return mark ? mark + 1 : NULL;
}

/* The character set, up to what names a language (RFC 2231 5). */
static bool is_set(const char *at, const char *end, const char *name)
{
	const char *star = memchr(at, '*', (size_t)(end - at));
	size_t length = (size_t)((star ? star : end) - at);

	return length == strlen(name) && strncasecmp(at, name, length) == 0;
}

/* The word at the beginning is written. 0: it is none, or one that cannot be read; else its octets. */
static size_t word(struct text *t, struct span in)
{
	const char *end = in.data + (in.length < WORD_MAX ? in.length : WORD_MAX), *set = in.data + 2, *how, *text,
		   *behind;
	uint8_t octets[WORD_MAX];
	bool latin, plain;
	struct span coded;
	ssize_t n;

	if (in.length < 8 || memcmp(in.data, "=?", 2) != 0 || !(how = next(set, end)) || !(text = next(how, end)) ||
	    text - how != 2 || !(behind = next(text, end)) || behind == end || *behind != '=')
		return 0;
	latin = is_set(set, how - 1, "iso-8859-1");
	plain = is_set(set, how - 1, "utf-8") || is_set(set, how - 1, "us-ascii");
	coded = (struct span){text, (uint32_t)(behind - 1 - text)};
	if ((!latin && !plain) || !strchr("BbQq", *how))
		return 0;
	n = strchr("Bb", *how) ? base64_decode(coded.data, coded.length, octets) : decode_quoted(coded, octets);
	for (ssize_t i = 0; i < n; i++)
		put_octet(t, octets[i], latin);
	return n < 0 ? 0 : (size_t)(behind + 1 - in.data);
}

static size_t blanks_of(struct span s)
{
	size_t n = 0;

	while (n < s.length && (s.data[n] == ' ' || s.data[n] == '\t'))
		n++;
	return n;
}

static void copy(struct text *t, const char *data, size_t length)
{
	for (size_t i = 0; i < length; i++)
		put(t, data[i]);
}

/* Up to the next blank. */
static size_t length_of(struct span s)
{
	size_t n = 0;

	while (n < s.length && s.data[n] != ' ' && s.data[n] != '\t')
		n++;
	return n;
}

size_t encoded_words_read(struct span value, char *out, size_t room)
{
	struct text t = {.out = out, .room = room};
	bool behind = false;

	while (value.length > 0) {
		size_t blanks = blanks_of(value), n;
		struct span rest = {value.data + blanks, value.length - (uint32_t)blanks};
		/* Between two of them blanks are not shown (RFC 2047 6.2). */
		if (!behind)
			copy(&t, value.data, blanks);
		n = word(&t, rest);
		if (behind && n == 0)
			copy(&t, value.data, blanks);
		behind = n > 0;
		if (n == 0) {
			n = length_of(rest);
			copy(&t, rest.data, n);
		}
		value = (struct span){rest.data + n, rest.length - (uint32_t)n};
	}
	return t.length;
}
