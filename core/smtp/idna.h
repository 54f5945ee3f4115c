/*
 * core/smtp/idna.h - domains with letters of all languages, as names that everybody knows (A-labels, RFC 5890).
 *
 * Asked only where a domain has octets above 127: it allocates, and takes microseconds.
 */
#ifndef POSTRIDER_SMTP_IDNA_H
#define POSTRIDER_SMTP_IDNA_H

#include "core/smtp/command.h"
#include "core/smtp/span.h"

enum idna_result {
	IDNA_OK,
	IDNA_NONE,  /* it is no domain, or too long as one */
	IDNA_LOCAL, /* the local part has octets above 127 as well: nothing replaces those */
	IDNA_NO_MEMORY,
};

/* A mailbox whose domain may be in UTF-8, with that domain in A-labels. *ascii lies in `room`, or is `address` itself,
 * where it has no octet above 127. LOCAL: *ascii is the mailbox with A-labels all the same. */
enum idna_result idna_address(struct span address, char room[SMTP_PATH_MAX], struct span *ascii);

#endif
