/*
 * core/smtp/report_octets.c - see report_octets.h.
 */
#include "core/smtp/report_octets.h"

#include <stdio.h>
#include <string.h>

#include "core/smtp/utf8.h"

enum {
	FOLD = 76,       /* a line is folded where it can be */
	LINE_MOST = 900, /* and there in any case */
	QUOTED_MOST = 73 /* octets in front of "=" and another octet's three */
};

static void put_octet(struct report_octets *w, char c)
{
	if (w->length == w->room) {
		w->over = true;
		return;
	}
	w->out[w->length++] = c;
}

static void end_line(struct report_octets *w)
{
	put_octet(w, '\r');
	put_octet(w, '\n');
	w->column = 0;
}

/* One octet of what is written, which is no line end. */
static void put(struct report_octets *w, char c)
{
	static const char digits[] = "0123456789ABCDEF";
	uint8_t octet = (uint8_t)c;
	bool encode = w->quoted && (octet >= 127 || octet < ' ' || octet == '=');

	if (w->quoted && w->column >= QUOTED_MOST) {
		put_octet(w, '=');
		end_line(w);
	}
	if (!encode) {
		put_octet(w, c);
		w->column++;
		return;
	}
	put_octet(w, '=');
	put_octet(w, digits[octet >> 4]);
	put_octet(w, digits[octet & 15]);
	w->column += 3;
}

void report_put(struct report_octets *w, const char *text)
{
	for (; *text; text++) {
		if (*text == '\n')
			end_line(w);
		else
			put(w, *text);
	}
}

void report_put_number(struct report_octets *w, uint64_t number)
{
	char text[24];

	snprintf(text, sizeof(text), "%llu", (unsigned long long)number);
	report_put(w, text);
}

void report_put_raw(struct report_octets *w, const char *data, size_t length)
{
	if (length > w->room - w->length) {
		w->over = true;
		return;
	}
	memcpy(w->out + w->length, data, length);
	w->length += length;
}

void report_put_lines(struct report_octets *w, struct span text)
{
	for (uint32_t i = 0; i < text.length; i++) {
		char c = text.data[i], next = i + 1 < text.length ? text.data[i + 1] : '\n';
		if (c == '\r' && next == '\n')
			continue;
		if (c == '\n')
			end_line(w);
		else if (w->quoted && (c == ' ' || c == '\t') && (next == '\r' || next == '\n'))
			report_put_raw(w, c == ' ' ? "=20" : "=09", 3);
		else
			put(w, c);
	}
}

/* The octets of the character there that may stand as they are; 0: it has to be escaped. */
static uint32_t plain(struct span text, uint32_t at, bool wide)
{
	struct span rest = {text.data + at, text.length - at};
	uint32_t length, code = utf8_code(rest, &length);

	return utf8_obeyed(code) || (length > 1 && !wide) ? 0 : length;
}

/* Up to the next space: so many octets. */
static uint32_t word(struct span text, uint32_t at)
{
	uint32_t end = at;

	while (end < text.length && text.data[end] != ' ')
		end++;
	return end - at;
}

static void fold(struct report_octets *w, const char *indent)
{
	end_line(w);
	report_put(w, indent);
}

void report_put_text(struct report_octets *w, struct span text, bool wide, const char *indent)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < text.length; i += n) {
		/* A space at which the line ends is its end. */
		if (text.data[i] == ' ' && !w->quoted && w->column + 1 + word(text, i + 1) > FOLD &&
		    w->column > strlen(indent)) {
			fold(w, indent);
			n = 1;
			continue;
		}
		if (!w->quoted && w->column > LINE_MOST)
			fold(w, indent);
		n = plain(text, i, wide);
		for (uint32_t k = 0; k < n; k++)
			put(w, text.data[i + k]);
		if (n == 0) {
			char escaped[8];
			snprintf(escaped, sizeof(escaped), "\\x%02X", (unsigned)(uint8_t)text.data[i]);
			report_put(w, escaped);
			n = 1;
		}
	}
}

/* "5.1.1 ", which every line of a reply has (RFC 2034 4); the length 0: none. */
static struct span leading_code(struct span text)
{
	uint32_t n = 0, dots = 0;

	while (n < text.length && (text.data[n] == '.' || (text.data[n] >= '0' && text.data[n] <= '9')))
		dots += text.data[n++] == '.';
	return (struct span){text.data, dots == 2 && n < text.length && text.data[n] == ' ' ? n + 1 : 0};
}

static struct span without_blanks(struct span line)
{
	while (line.length > 0 && line.data[0] == ' ')
		line = (struct span){line.data + 1, line.length - 1};
	while (line.length > 0 && line.data[line.length - 1] == ' ')
		line.length--;
	return line;
}

void report_put_reply(struct report_octets *w, struct span text, bool wide, const char *indent)
{
	const struct span code = leading_code(text);
	bool first = true;

	while (text.length > 0) {
		const char *end = memchr(text.data, '\n', text.length);
		uint32_t length = end ? (uint32_t)(end - text.data) : text.length;
		struct span line = {text.data, length};
		text = (struct span){text.data + length + (end != NULL), text.length - length - (end != NULL)};
		if (!first && code.length > 0 && line.length >= code.length &&
		    memcmp(line.data, code.data, code.length) == 0)
			line = (struct span){line.data + code.length, line.length - code.length};
		line = without_blanks(line);
		if (line.length == 0)
			continue;
		/* The blank stands where the line may be folded. */
		if (!first && !w->quoted && w->column + 1 + word(line, 0) > FOLD)
			fold(w, indent);
		else if (!first)
			report_put(w, " ");
		report_put_text(w, line, wide, indent);
		first = false;
	}
}

void report_put_address(struct report_octets *w, struct span address, bool wide)
{
	for (uint32_t i = 0, n; i < address.length && w->column < LINE_MOST; i += n ? n : 1) {
		n = plain(address, i, wide);
		for (uint32_t k = 0; k < n; k++)
			put(w, address.data[i + k]);
		if (n == 0)
			put(w, '?');
	}
}

void report_put_address_xtext(struct report_octets *w, struct span address)
{
	for (uint32_t i = 0, n; i < address.length && w->column < LINE_MOST; i += n) {
		const uint8_t *c = (const uint8_t *)address.data + i;
		uint32_t point = *c;
		char escaped[16];

		n = plain(address, i, true);
		if (n == 0) {
			put(w, '?');
			n = 1;
			continue;
		}
		if (n == 1 && *c != '\\' && *c != '+' && *c != '=' && *c != ' ') {
			put(w, (char)*c);
			continue;
		}
		if (n > 1)
			point &= 0x7fu >> n;
		for (uint32_t k = 1; k < n; k++)
			point = point << 6 | (c[k] & 0x3fu);
		snprintf(escaped, sizeof(escaped), "\\x{%02X}", (unsigned)point);
		report_put(w, escaped);
	}
}
