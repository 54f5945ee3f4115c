/*
 * core/smtp/base64.c - see base64.h.
 */
#include "core/smtp/base64.h"

#include <stdbool.h>
#include <string.h>

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

size_t base64_encode(const void *data, size_t length, char *out)
{
	const uint8_t *in = data;
	size_t n = 0, i;

	for (i = 0; i < length; i += 3) {
		size_t left = length - i;
		uint32_t word =
			(uint32_t)in[i] << 16 | (uint32_t)(left > 1 ? in[i + 1] : 0) << 8 | (left > 2 ? in[i + 2] : 0);
		out[n++] = digits[word >> 18];
		out[n++] = digits[word >> 12 & 63];
		out[n++] = left > 1 ? digits[word >> 6 & 63] : '=';
		out[n++] = left > 2 ? digits[word & 63] : '=';
	}
	return n;
}

static int value_of(char c)
{
	const char *at = c ? strchr(digits, c) : NULL;

	return at ? (int)(at - digits) : -1;
}

/* One group of four, `padding` of which are "=". */
static ssize_t group(const char *text, unsigned padding, uint8_t out[3])
{
	uint32_t word = 0;
	unsigned i;

	for (i = 0; i < 4; i++) {
		int value = i < 4 - padding ? value_of(text[i]) : 0;
		if (value < 0)
			return -1;
		word = word << 6 | (uint32_t)value;
	}
	for (i = 0; i < 3 - padding; i++)
		out[i] = (uint8_t)(word >> (16 - 8 * i));
	return 3 - (ssize_t)padding;
}

ssize_t base64_decode(const char *text, size_t length, uint8_t *out)
{
	ssize_t n = 0;
	size_t i;

	if (length % 4 != 0)
		return -1;
	for (i = 0; i < length; i += 4) {
		bool last = i + 4 == length;
		unsigned padding = last ? (text[i + 3] == '=') + (text[i + 3] == '=' && text[i + 2] == '=') : 0;
		ssize_t octets = group(text + i, padding, out + n);
		if (octets < 0)
			return -1;
		n += octets;
	}
	return n;
}
