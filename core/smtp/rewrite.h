/*
 * core/smtp/rewrite.h - another sender and other fields in the header of a message (RFC 5322): for next hops that take
 * mail only from the mailbox that signed in, and where a client's entry says what its messages are to be like.
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
 * Beside that fields can be removed by name, then added, and those that are missing are written: what is removed counts
 * as not there. A field that is written stands in the place of the one it is for, or at the end. Nothing that is handed
 * in here can begin another line: what is written is written without control characters.
 *
 * The header ends at the first empty line, or before the first line that is no field (fields.h): then an empty line is
 * put there, so that nobody reads on and finds another From.
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

/* What is done to fields beside the author's. */
struct rewrite_fields {
	char *const *removed; /* names; one that ends in "*": all that begin so */
	size_t removed_count;
	char *const *added; /* "Name: value" */
	size_t added_count;
	/* For a header that has none, or an empty one: what is to stand there. No data: it stays without. */
	struct span date, message_id;
	struct span author; /* the same: the address of who wrote it, where From has none that could be answered */
	bool recipients;    /* the same: "To: undisclosed-recipients:;", where there is neither To, Cc nor Bcc */
};

struct rewrite_terms {
	struct span address; /* the mailbox, of at most REWRITE_ADDRESS_MAX octets; validated. No data: From stays */
	struct span name;    /* UTF-8 without control characters, REWRITE_NAME_MAX at most; no data: the name is kept */
	struct span sender;  /* of the envelope: the author where the header names none; may be empty */
	bool reply_to_stays; /* who wrote it does not go into Reply-To */
	const struct rewrite_fields *fields; /* NULL: none */
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

/* The first address that From names; no data: none. */
struct span rewrite_author(const char *header, size_t length);

#endif
