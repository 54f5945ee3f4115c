/*
 * core/trace/plain.c - see plain.h.
 */
#include "core/trace/plain.h"

#include <stdbool.h>
#include <stdint.h>

/* Octets of the character that begins there and its number; 0: it is none (RFC 3629). */
static size_t character(const uint8_t *text, size_t length, uint32_t *u)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t need = text[0] < 0x80 ? 1 : text[0] >> 5 == 6 ? 2 : text[0] >> 4 == 14 ? 3 : text[0] >> 3 == 30 ? 4 : 0;

	if (need == 0 || need > length)
		return 0;
	*u = need == 1 ? text[0] : text[0] & (0xffu >> (need + 1));
	for (size_t i = 1; i < need; i++) {
		if ((text[i] & 0xc0) != 0x80)
			return 0;
		*u = *u << 6 | (text[i] & 63);
	}
	if (*u < least[need] || *u > 0x10ffff || (*u >= 0xd800 && *u < 0xe000))
		return 0;
	return need;
}

/* Controls, also those that UTF-8 has beside ASCII's, and marks that turn the direction (UAX 9). */
static bool obeyed(uint32_t u)
{
	return u < ' ' || (u >= 0x7f && u < 0xa0) || (u >= 0x200b && u <= 0x200f) || (u >= 0x2028 && u <= 0x202e) ||
	       (u >= 0x2060 && u <= 0x206f) || u == 0xfeff || (u >= 0xfff9 && u <= 0xfffb) ||
	       (u >= 0xe0000 && u <= 0xe007f);
}

size_t plain_copy(char *out, size_t room, struct span text, const char *without)
{
	const uint8_t *at = (const uint8_t *)text.data, *end = text.length > 0 ? at + text.length : at;
	size_t length = 0;

	while (at < end && length < room) {
		uint32_t u = 0;
		size_t n = character(at, (size_t)(end - at), &u);
		if (n == 0 || obeyed(u) || (n == 1 && without && strchr(without, (int)u))) {
			bool blank = (u == '\n' || u == '\t') && !(without && strchr(without, ' '));
			out[length++] = blank ? ' ' : '?';
			at += n ? n : 1;
			continue;
		}
		if (n > room - length)
			break;
		memcpy(out + length, at, n);
		length += n;
		at += n;
	}
	return length;
}

size_t plain_columns(struct span text)
{
	size_t columns = 0;

	for (uint32_t i = 0; i < text.length; i++)
		columns += ((uint8_t)text.data[i] & 0xc0) != 0x80;
	return columns;
}
