/*
 * core/smtp/address.h - mailbox syntax (RFC 5321 4.1.2) and textual network addresses.
 * The local part is opaque: it is checked and carried byte for byte, never rewritten (PAR-08, REL).
 */
#ifndef POSTRIDER_SMTP_ADDRESS_H
#define POSTRIDER_SMTP_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>

#include "core/smtp/span.h"

enum address_result { ADDRESS_OK, ADDRESS_SYNTAX, ADDRESS_EIGHT_BIT, ADDRESS_TOO_LONG };

struct address {
	struct span local;  /* as written, with quotes */
	struct span domain; /* as written; "" for <postmaster>; with brackets for a literal */
};

/* `text` is the mailbox without angle brackets and without a source route. "postmaster" alone is allowed. */
enum address_result address_parse(struct span text, struct address *out);
/* Domain of a mailbox or of a source route: strict LDH labels, or an address literal. */
bool address_domain_valid(struct span domain);
/* Host name of an EHLO or HELO: LDH labels, or an address literal; underscores are let pass (devices). */
bool address_helo_valid(struct span name);

#endif
