/*
 * core/page/html.c - see html.h.
 */
#include "core/page/html.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/smtp/utf8.h"

enum { ROOM_FIRST = 16 << 10 };

/* As it is: of the program's own, or escaped already. */
static void raw(struct html *html, const char *data, size_t length)
{
	if (html->failed || length > HTML_MAX - html->length) {
		html->failed = true;
		return;
	}
	if (html->length + length + 1 > html->room) {
		size_t room = html->room ? html->room : ROOM_FIRST;
		char *more;
		while (html->length + length + 1 > room)
			room *= 2;
		more = realloc(html->data, room);
		if (!more) {
			html->failed = true;
			return;
		}
		html->data = more;
		html->room = room;
	}
	memcpy(html->data + html->length, data, length);
	html->length += length;
	html->data[html->length] = '\0';
}

static const char *entity(char c)
{
	switch (c) {
	case '&':
		return "&amp;";
	case '<':
		return "&lt;";
	case '>':
		return "&gt;";
	case '"':
		return "&quot;";
	case '\'':
		return "&#39;";
	case '`':
		return "&#96;";
	default:
		return NULL;
	}
}

/* Of one character; *octets: how many it has. */
static void character(struct html *html, struct span text, uint32_t *octets)
{
	uint32_t code = utf8_code(text, octets);
	const char *instead;

	if (*octets == 0) {
		*octets = 1;
		raw(html, "\xef\xbf\xbd", 3);
		return;
	}
	instead = code < 0x80 ? entity((char)code) : NULL;
	if (instead)
		raw(html, instead, strlen(instead));
	else if (code == '\n' || code == '\t')
		raw(html, code == '\n' ? "\n" : "\t", 1);
	else if (code == '\r' && text.length > 1 && text.data[1] == '\n')
		return; /* of a line's end one is enough */
	else if (utf8_obeyed(code))
		raw(html, "\xef\xbf\xbd", 3);
	else
		raw(html, text.data, *octets);
}

void html_text(struct html *html, struct span text)
{
	bool cut = text.length > HTML_TEXT_MAX;
	uint32_t octets;

	if (cut)
		text.length = HTML_TEXT_MAX;
	while (text.length > 0 && !html->failed) {
		/* A character that the cut goes through is left out. */
		if (cut && text.length < 4 && (unsigned char)text.data[0] >= 0xc0)
			break;
		character(html, text, &octets);
		text.data += octets;
		text.length -= octets;
	}
	if (cut)
		raw(html, "\xe2\x80\xa6", 3);
}

void html_value(struct html *html, const char *value)
{
	static const char unreserved[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
	char octet[4];

	for (; value && *value; value++) {
		if (strchr(unreserved, *value)) {
			raw(html, value, 1);
		} else {
			snprintf(octet, sizeof(octet), "%%%02X", (unsigned)(unsigned char)*value);
			raw(html, octet, 3);
		}
	}
}

static void text_of(struct html *html, const char *text)
{
	size_t length = text ? strlen(text) : 0;

	html_text(html, (struct span){text, length > UINT32_MAX ? UINT32_MAX : (uint32_t)length});
}

/* One conversion, behind its %; answers how many characters it has. */
static size_t convert(struct html *html, const char *format, va_list *arguments)
{
	char number[32];
	int length;

	switch (format[0]) {
	case 's':
		text_of(html, va_arg(*arguments, const char *));
		return 1;
	case '%':
		raw(html, "%", 1);
		return 1;
	case 'd':
		length = snprintf(number, sizeof(number), "%d", va_arg(*arguments, int));
		break;
	case 'u':
		length = snprintf(number, sizeof(number), "%u", va_arg(*arguments, unsigned));
		break;
	case 'z':
		assert(format[1] == 'u');
		length = snprintf(number, sizeof(number), "%zu", va_arg(*arguments, size_t));
		raw(html, number, (size_t)length);
		return 2;
	default:
		assert(strncmp(format, "lld", 3) == 0 || strncmp(format, "llu", 3) == 0);
		if (format[2] == 'd')
			length = snprintf(number, sizeof(number), "%lld", va_arg(*arguments, long long));
		else
			length = snprintf(number, sizeof(number), "%llu", va_arg(*arguments, unsigned long long));
		raw(html, number, (size_t)length);
		return 3;
	}
	raw(html, number, (size_t)length);
	return 1;
}

void html_put(struct html *html, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	while (*format) {
		size_t length = strcspn(format, "%");
		raw(html, format, length);
		format += length;
		if (*format == '%')
			format += 1 + convert(html, format + 1, &arguments);
	}
	va_end(arguments);
}

char *html_take(struct html *html, size_t *length)
{
	char *data = html->failed ? NULL : html->data;

	if (!data)
		free(html->data);
	*length = html->length;
	*html = (struct html){.data = NULL};
	return data;
}

void html_free(struct html *html)
{
	free(html->data);
	*html = (struct html){.data = NULL};
}
