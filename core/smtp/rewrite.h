/*
 * core/smtp/rewrite.h - another sender in the header of a message (RFC 5322), for next hops that take mail only from
 * the mailbox that signed in.
 *
 *     From: Copier 3rd floor <copier@printers.local>        From: Copier 3rd floor <scan@contoso.com>
 *     Sender: root@copier                              ->   Reply-To: Copier 3rd floor <copier@printers.local>
 *     To: ...                                               To: ...
 *
 * Pure: no memory of its own, no allocation, and the body is not looked at. The name stays as it is written (encoded
 * words, folds, 8-bit octets), or is set. Several From fields become one. Who wrote the message goes into Reply-To
 * where there is none, or an empty one. Sender and Return-Path go: providers compare them, too, and Sender is for a
 * mailbox other than the author's (3.6.2). All else stays octet for octet, DKIM-Signature included: a signature that
 * covers From no longer verifies, which is the same as none (RFC 6376 6.1), and `signed` says so.
 *
 * The header ends at the first empty line, or before the first line that is no field: then an empty line is put there,
 * so that nobody reads on and finds another From.
 */
#ifndef POSTRIDER_SMTP_REWRITE_H
#define POSTRIDER_SMTP_REWRITE_H

#include <stdbool.h>
#include <stddef.h>

#include "core/smtp/span.h"

enum {
	REWRITE_ADDRESS_MAX = 320,
	REWRITE_NAME_MAX = 200, /* octets of a name that is set */
};

struct rewrite_terms {
	struct span address; /* the mailbox, of at most REWRITE_ADDRESS_MAX octets; validated */
	struct span name;    /* UTF-8 without control characters, REWRITE_NAME_MAX at most; no data: the name is kept */
	struct span sender;  /* of the envelope: the author where the header names none; may be empty */
};

struct rewrite_facts {
	bool changed;      /* the header is not what it was */
	bool from_changed; /* its author is another one */
	bool signed_;      /* it has a DKIM-Signature */
};

/* The room that rewrite_header() needs at most. */
size_t rewrite_room(const struct rewrite_terms *terms, size_t length);
/* `header` is all that fields_end() found; `empty_line`: one follows. Returns the length written to `out`. */
size_t rewrite_header(const struct rewrite_terms *terms, const char *header, size_t length, bool empty_line, char *out,
		      struct rewrite_facts *facts);

#endif
