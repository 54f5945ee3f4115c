/*
 * core/smtp/authorship.c - see authorship.h. A field is written out as people would see it, then read for addresses.
 */
#include "core/smtp/authorship.h"

#include <string.h>
#include <strings.h>

#include "core/smtp/base64.h"
#include "core/smtp/fields.h"

enum { SHOWN_MAX = 4096, WORD_MAX = 512 };

/* A field as it is shown. An "@" that is half of another character is left out. */
struct shown {
	char text[SHOWN_MAX];
	uint32_t length;
	bool unreadable; /* it has more, or in characters that are not known */
};

static void show(struct shown *shown, char c)
{
	if (shown->length == SHOWN_MAX)
		shown->unreadable = true;
	else
		shown->text[shown->length++] = c;
}

/* ---- encoded words ------------------------------------------------------------------------------------------- */

struct word {
	struct span charset, text;
	char encoding;
	uint32_t length; /* all of it */
};

static bool begins(struct span text, const char *beginning)
{
	return text.length >= strlen(beginning) && strncasecmp(text.data, beginning, strlen(beginning)) == 0;
}

/* RFC 2047 2, and longer ones, which many readers take. */
static bool word_at(const char *text, uint32_t length, struct word *out)
{
	uint32_t at = 2, mark;

	if (length < 8 || text[0] != '=' || text[1] != '?')
		return false;
	while (at < length && text[at] != '?' && text[at] > ' ')
		at++;
	if (at + 3 > length || text[at] != '?' || text[at + 2] != '?')
		return false;
	out->charset = (struct span){text + 2, at - 2};
	out->encoding = (char)(text[at + 1] | 0x20);
	mark = at + 3;
	for (at = mark; at + 1 < length && text[at] != '\n'; at++) {
		if (text[at] != '?' || text[at + 1] != '=')
			continue;
		out->text = (struct span){text + mark, at - mark};
		out->length = at + 2;
		return out->encoding == 'q' || out->encoding == 'b';
	}
	return false;
}

static int hex(char c)
{
	const char *digits = "0123456789ABCDEF", *found = c ? strchr(digits, c >= 'a' ? c - 0x20 : c) : NULL;

	return found ? (int)(found - digits) : -1;
}

static uint32_t decode_q(struct span text, char *out)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < text.length; i++) {
		int high = i + 2 < text.length ? hex(text.data[i + 1]) : -1;
		int low = i + 2 < text.length ? hex(text.data[i + 2]) : -1;
		bool coded = text.data[i] == '=' && high >= 0 && low >= 0;
		out[n++] = coded ? (char)(high << 4 | low) : text.data[i] == '_' ? ' ' : text.data[i];
		i += coded ? 2 : 0;
	}
	return n;
}

/* In these no octet below 128 is part of another character. */
static bool single_octets(struct span charset)
{
	return begins(charset, "utf-8") || begins(charset, "us-ascii") || begins(charset, "iso-8859") ||
	       begins(charset, "windows-125") || begins(charset, "koi8");
}

/* And in these any may be. */
static bool hides(struct span charset)
{
	return begins(charset, "utf-7") || begins(charset, "utf-16") || begins(charset, "utf-32") ||
	       begins(charset, "unicode") || begins(charset, "ucs") || begins(charset, "csu") ||
	       begins(charset, "hz-") || begins(charset, "ibm") || begins(charset, "ebcdic");
}

/* ISO-2022: between ESC $ and ESC ( are characters of two octets each. */
static void show_decoded(struct shown *shown, struct span charset, const char *text, uint32_t length)
{
	bool single = single_octets(charset), wide = false;

	for (uint32_t i = 0; i < length; i++) {
		if (text[i] == 27 && i + 1 < length && begins(charset, "iso-2022"))
			wide = text[i + 1] == '$';
		if (text[i] == '@' && (wide || (!single && i > 0 && (unsigned char)text[i - 1] >= 128)))
			continue;
		show(shown, text[i]);
	}
}

static void show_word(struct shown *shown, const struct word *word)
{
	char text[WORD_MAX];
	ssize_t length;

	if (word->text.length > WORD_MAX || hides(word->charset)) {
		shown->unreadable = true;
		return;
	}
	if (word->encoding == 'q')
		length = decode_q(word->text, text);
	else
		length = word->text.length ? base64_decode(word->text.data, word->text.length, (uint8_t *)text) : 0;
	if (length < 0)
		shown->unreadable = true;
	else
		show_decoded(shown, word->charset, text, (uint32_t)length);
}

/* ---- a field ------------------------------------------------------------------------------------------------- */

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Between encoded words space is not shown (RFC 2047 6.2). */
static void show_field(struct shown *shown, struct span value)
{
	uint32_t at = 0, behind = 0; /* where the space behind a word begins; 0: there was none */
	struct word word;

	shown->length = 0;
	shown->unreadable = false;
	while (at < value.length) {
		uint32_t space = at;
		while (space < value.length && is_space(value.data[space]))
			space++;
		if (word_at(value.data + space, value.length - space, &word)) {
			if (space > at && behind != at)
				show(shown, ' ');
			show_word(shown, &word);
			at = behind = space + word.length;
			continue;
		}
		show(shown, space > at ? ' ' : value.data[at]);
		at = space > at ? space : at + 1;
	}
}

static bool in_address(char c)
{
	return (unsigned char)c > ' ' && c != 127 && !strchr("<>()[]\\,;:\"@", c);
}

static enum authorship read_addresses(const struct shown *shown, authorship_fn *allowed, const void *context,
				      unsigned *addresses)
{
	*addresses = 0;
	for (uint32_t i = 0; i < shown->length; i++) {
		uint32_t from = i, end = i + 1;

		if (shown->text[i] != '@')
			continue;
		while (from > 0 && in_address(shown->text[from - 1]))
			from--;
		while (end < shown->length && in_address(shown->text[end]))
			end++;
		/* 'a@example.org' */
		while (end > i + 1 && (shown->text[end - 1] == '\'' || shown->text[end - 1] == '.')) {
			end--;
			from += shown->text[end] == '\'' && from < i && shown->text[from] == '\'';
		}
		if (from == i || end == i + 1)
			return AUTHORSHIP_UNREADABLE;
		if (!allowed(context, (struct span){shown->text + from, end - from}))
			return AUTHORSHIP_FOREIGN;
		++*addresses;
	}
	return shown->unreadable ? AUTHORSHIP_UNREADABLE : AUTHORSHIP_GOOD;
}

enum authorship authorship_check(const char *header, size_t length, authorship_fn *allowed, const void *context)
{
	unsigned authors = 0, senders = 0, addresses, named = 0;
	struct header_field f;
	struct shown shown;

	for (size_t at = 0; at < length; at = f.end) {
		enum authorship result;
		f = field_read(header, length, at);
		if (f.kind != FIELD_FROM && f.kind != FIELD_SENDER)
			continue;
		authors += f.kind == FIELD_FROM;
		senders += f.kind == FIELD_SENDER;
		show_field(&shown, field_value(header, &f));
		result = read_addresses(&shown, allowed, context, &addresses);
		if (result != AUTHORSHIP_GOOD)
			return result;
		named += f.kind == FIELD_FROM ? addresses : 0;
	}
	if (authors > 1 || senders > 1)
		return AUTHORSHIP_SEVERAL;
	return named > 0 ? AUTHORSHIP_GOOD : AUTHORSHIP_NONE;
}
