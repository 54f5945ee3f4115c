/*
 * core/smtp/xtext.c - see xtext.h.
 */
#include "core/smtp/xtext.h"

#include <stdint.h>

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* The octet at the start, and how many it takes; 0: it is none. */
static uint32_t next(struct span text, char *out)
{
	char c = text.data[0];
	int high, low;

	if (c != '+') {
		*out = c;
		return c > ' ' && c <= '~' && c != '=';
	}
	if (text.length < 3 || (high = hex_digit(text.data[1])) < 0 || (low = hex_digit(text.data[2])) < 0)
		return 0;
	*out = (char)(high << 4 | low);
	return *out >= ' ' && *out <= '~' ? 3 : 0;
}

bool xtext_decode(struct span text, char *out, size_t room, size_t *length)
{
	uint32_t at = 0, n;

	*length = 0;
	for (; at < text.length; at += n) {
		char octet;
		n = next((struct span){text.data + at, text.length - at}, &octet);
		if (n == 0 || *length == room)
			return false;
		out[(*length)++] = octet;
	}
	return at > 0;
}

bool xtext_valid(struct span text)
{
	uint32_t at = 0, n;

	for (; at < text.length; at += n) {
		char octet;
		n = next((struct span){text.data + at, text.length - at}, &octet);
		if (n == 0)
			return false;
	}
	return at > 0;
}
