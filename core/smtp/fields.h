/*
 * core/smtp/fields.h - the header of a message as the fields that it is made of (RFC 5322 2.2).
 *
 * Pure. It ends at the first empty line, or before the first line that is no field; a line "From copier Fri Nov ..."
 * is none, but the header goes on behind it, as files of mail have it at the start of messages.
 */
#ifndef POSTRIDER_SMTP_FIELDS_H
#define POSTRIDER_SMTP_FIELDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/span.h"

enum field_kind {
	FIELD_OTHER,
	FIELD_FROM,
	FIELD_REPLY_TO,
	FIELD_SENDER,
	FIELD_RETURN_PATH,
	FIELD_SIGNATURE, /* DKIM-Signature */
	FIELD_DATE,
	FIELD_MESSAGE_ID,
	FIELD_RECIPIENTS, /* To, Cc, Bcc */
};

struct header_field {
	enum field_kind kind;
	struct span name; /* empty: it has none */
	size_t value;     /* where it begins, behind the colon */
	size_t end;       /* behind its last line */
};

/* Where the header ends, before the empty line or the first line of what is none. `whole`: nothing follows what is
 * here. False: it may go on behind `length`. */
bool fields_end(const char *content, size_t length, bool whole, size_t *end);
/* The field at `at` of a header that ends at `length`. */
struct header_field field_read(const char *header, size_t length, size_t at);
/* What it says, without white space around it. */
struct span field_value(const char *header, const struct header_field *f);

/*
 * The same for a header that comes in pieces, however they are cut, of which none is kept: true, once it has ended in
 * what has come so far. Zeroed at the start.
 */
struct fields_watch {
	uint64_t octets; /* so many were looked at; no more, once it has ended */
	uint8_t state, mbox;
	bool began; /* a line of it is there */
};
bool fields_watch(struct fields_watch *watch, const char *data, size_t length);

#endif
