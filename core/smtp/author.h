/*
 * core/smtp/author.h - the value of a From field (RFC 5322 3.4, 3.6.2; groups: RFC 6854): whom it names, and by what
 * name.
 *
 * Pure. It reads what is there rather than what should be: a comma in a name without quotes, a comment in the place of
 * a name, a word that is no address, quotes that do not end. What it finds are spans of the value as it is written, so
 * that encoded words, folds and 8-bit octets need not be understood to be kept.
 */
#ifndef POSTRIDER_SMTP_AUTHOR_H
#define POSTRIDER_SMTP_AUTHOR_H

#include <stdbool.h>

#include "core/smtp/span.h"

enum author_name {
	AUTHOR_NAMELESS,
	AUTHOR_PHRASE,  /* can stand before "<address>" as it is */
	AUTHOR_COMMENT, /* with its brackets, behind an address */
	AUTHOR_WORDS,   /* has to be quoted */
};

struct author {
	enum author_name kind;
	struct span name;    /* of the first author, or of the group; without white space around it */
	struct span address; /* the first "local@domain" */
	unsigned addresses;  /* how many there are of those, at most AUTHOR_ADDRESSES_MAX */
	bool well_formed; /* quotes, comments and angle brackets end: it can be written behind another field's name */
};

enum { AUTHOR_ADDRESSES_MAX = 65535 };

/* `value` is what stands behind the colon, folds and last line end included. */
void author_read(struct span value, struct author *out);
/* The same mailbox, as providers compare them: ASCII letters without case, in the local part as well. */
bool author_same(struct span a, struct span b);

#endif
