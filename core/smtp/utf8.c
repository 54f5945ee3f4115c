/*
 * utf8.c - see utf8.h.
 *
 * Purpose
 *   Invalid forms are told from valid ones by the first two octets (Unicode 15, table 3-7): so an overlong form, a
 *   surrogate or what is above U+10FFFF is never decoded.
 *
 * Ownership, failure
 *   None: it only looks, and never beyond the end (CVE-2026-40686 was a character that the end of the text cut off).
 */
#include "core/smtp/utf8.h"

#include <locale.h>
#include <pthread.h>
#include <wchar.h>

bool utf8_needed(struct span text)
{
	for (uint32_t i = 0; i < text.length; i++)
		if ((uint8_t)text.data[i] >= 0x80)
			return true;
	return false;
}

struct form {
	uint8_t first_from, first_to, second_from, second_to, length;
};

static const struct form forms[] = {
	{0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3}, {0xe1, 0xec, 0x80, 0xbf, 3},
	{0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3}, {0xf0, 0xf0, 0x90, 0xbf, 4},
	{0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4},
};

/* The octets of the character at the start, which is above 127; 0: it is none. */
static uint32_t character(const uint8_t *text, uint32_t length)
{
	for (uint32_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		const struct form *form = &forms[i];

		if (text[0] < form->first_from || text[0] > form->first_to)
			continue;
		if (length < form->length || text[1] < form->second_from || text[1] > form->second_to)
			return 0;
		for (uint32_t k = 2; k < form->length; k++)
			if ((text[k] & 0xc0) != 0x80)
				return 0;
		return form->length;
	}
	return 0;
}

uint32_t utf8_character(struct span text)
{
	return text.length > 0 && (uint8_t)text.data[0] >= 0x80 ? character((const uint8_t *)text.data, text.length)
								: 0;
}

bool utf8_valid(struct span text)
{
	const uint8_t *octets = (const uint8_t *)text.data;

	for (uint32_t i = 0, n = 1; i < text.length; i += n) {
		n = octets[i] < 0x80 ? 1 : character(octets + i, text.length - i);
		if (n == 0)
			return false;
	}
	return true;
}

uint32_t utf8_code(struct span text, uint32_t *octets)
{
	static const uint8_t masks[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
	uint32_t length = text.length == 0 ? 0 : (uint8_t)text.data[0] < 0x80 ? 1 : utf8_character(text), code;

	*octets = length;
	if (length == 0)
		return 0;
	code = (uint8_t)text.data[0] & masks[length];
	for (uint32_t i = 1; i < length; i++)
		code = code << 6 | ((uint8_t)text.data[i] & 0x3f);
	return code;
}

bool utf8_obeyed(uint32_t code)
{
	return code < 0x20 || (code >= 0x7f && code < 0xa0) || code == 0xad || code == 0x61c ||
	       (code >= 0x200b && code <= 0x200f) || (code >= 0x2028 && code <= 0x202e) ||
	       (code >= 0x2060 && code <= 0x206f) || code == 0xfeff || (code >= 0xfff9 && code <= 0xfffb) ||
	       (code >= 0xe0000 && code <= 0xe0fff);
}

static locale_t counting;

static void find_locale(void)
{
	counting = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
}

/* By the C library's own table, whatever the process's locale is; what draws on terminals counts by the same. */
int utf8_columns(uint32_t code)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	locale_t before;
	int columns;

	if (code >= 0x20 && code < 0x7f)
		return 1;
	(void)pthread_once(&once, find_locale);
	/* It is in the library itself since 2.35; without it all of them are thought to be narrow. */
	if (!counting)
		return 1;
	before = uselocale(counting);
	columns = wcwidth((wchar_t)code);
	uselocale(before);
	return columns;
}
