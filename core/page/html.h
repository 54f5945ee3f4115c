/*
 * core/page/html.h - writing HTML: what a page consists of stands in formats of the program, and whatever comes into
 * it by a value is escaped, by one function. There is no way to write a value as it is.
 *
 * Values are of others: senders, subjects, replies. Beside what means something to HTML, what a reader would obey
 * without seeing it (utf8_obeyed(): controls, marks that turn the direction, what has no width) and what is no UTF-8
 * becomes U+FFFD, and the text is cut behind HTML_TEXT_MAX octets. So it is safe as text and in quoted attributes.
 * Addresses of links are made by html_value(), which leaves nothing but what RFC 3986 calls unreserved.
 */
#ifndef POSTRIDER_PAGE_HTML_H
#define POSTRIDER_PAGE_HTML_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/span.h"

enum { HTML_TEXT_MAX = 2000, HTML_MAX = 8 << 20 };

/* Begins as zeros. */
struct html {
	char *data; /* owned; what is written so far, NUL-terminated; NULL: nothing */
	size_t length, room;
	bool failed; /* no memory, or more than HTML_MAX */
};

/* `format` is HTML, and stands in the program. It may have %s: a text, escaped (NULL: nothing), %d, %u, %lld, %llu,
 * %zu: numbers, and %%. */
__attribute__((format(printf, 2, 3))) void html_put(struct html *html, const char *format, ...);
/* Escaped, as %s. */
void html_text(struct html *html, struct span text);
/* Of a query or a path, percent-encoded (RFC 3986 2.1): no more than the octets need. */
void html_value(struct html *html, const char *value);
/* The text is the caller's; NULL where it failed. */
char *html_take(struct html *html, size_t *length);
void html_free(struct html *html);

#endif
