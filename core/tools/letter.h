/*
 * core/tools/letter.h - a message as programs write it to sendmail(8), made what SMTP carries: lines end in CRLF, and
 * go on in the next one where they are longer than SMTP lets them be; the header is complete, and Bcc is gone.
 *
 * Pure. A CR that ends no line, and a NUL, become a blank: so nothing that a program was made to write into a field
 * begins another one.
 */
#ifndef POSTRIDER_TOOLS_LETTER_H
#define POSTRIDER_TOOLS_LETTER_H

#include <stdbool.h>
#include <stddef.h>

#include "core/base/span.h"

struct letter_wishes {
	bool dots;                            /* a line that is "." ends it */
	const char *from, *date, *message_id; /* values of fields that are not there; NULL: none is added */
};

struct letter {
	char *text; /* owned: all of it */
	size_t length;
	/* Values of fields that say whom it is for, one behind the other, each ended by a NUL: those of Resent- fields
	 * alone where there are any. Owned. */
	char *recipients;
	size_t recipients_length;
	bool eight_bit;
};

/* False: no memory. */
bool letter_make(const char *in, size_t length, const struct letter_wishes *wishes, struct letter *out);
void letter_free(struct letter *letter);

/* The addresses of a list (RFC 5322 3.4), also in groups and as other programs write them: without names, comments,
 * white space and routes. `list` may be NULL without a length. `address` is good until fn returns. False: fn has said
 * so. */
typedef bool letter_address_fn(void *context, const char *address);
bool letter_addresses(const char *list, size_t length, letter_address_fn *fn, void *context);

#endif
