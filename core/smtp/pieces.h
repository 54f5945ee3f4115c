/*
 * core/smtp/pieces.h - a text that is taken apart from its beginning: lists of NAME=VALUE in records of the DNS,
 * and lines of policies (RFC 8461, RFC 8460). Nothing is copied.
 */
#ifndef POSTRIDER_SMTP_PIECES_H
#define POSTRIDER_SMTP_PIECES_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct text {
	const char *at;
	size_t length;
};

static inline bool text_blank(char c)
{
	return c == ' ' || c == '\t';
}

static inline void text_skip_blanks(struct text *in)
{
	while (in->length > 0 && text_blank(in->at[0])) {
		in->at++;
		in->length--;
	}
}

static inline void text_drop_blanks(struct text *in)
{
	while (in->length > 0 && text_blank(in->at[in->length - 1]))
		in->length--;
}

static inline struct text text_trim(struct text in)
{
	text_skip_blanks(&in);
	text_drop_blanks(&in);
	return in;
}

static inline bool text_is(struct text text, const char *word)
{
	return text.length == strlen(word) && memcmp(text.at, word, text.length) == 0;
}

/* Up to the separator, which is taken as well; without one: all of it. */
static inline struct text text_take_until(struct text *in, char separator)
{
	const char *end = in->length > 0 ? memchr(in->at, separator, in->length) : NULL;
	struct text part = {in->at, end ? (size_t)(end - in->at) : in->length};
	size_t taken = part.length + (end ? 1 : 0);

	in->at += taken;
	in->length -= taken;
	return part;
}

#endif
