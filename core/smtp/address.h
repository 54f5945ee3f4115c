/*
 * core/smtp/address.h - mailbox syntax (RFC 5321 4.1.2) and textual network addresses.
 * The local part is opaque: it is checked and carried byte for byte, never rewritten (PAR-08, REL).
 */
#ifndef POSTRIDER_SMTP_ADDRESS_H
#define POSTRIDER_SMTP_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>

#include "core/smtp/span.h"
#include "core/smtp/syntax.h"

enum address_result { ADDRESS_OK, ADDRESS_SYNTAX, ADDRESS_EIGHT_BIT, ADDRESS_TOO_LONG };

struct address {
	struct span local;  /* as written, with quotes */
	struct span domain; /* as written; "" for <postmaster>; with brackets for a literal */
};

/* `text` is the mailbox without angle brackets and without a source route. "postmaster" alone is allowed.
 * Tolerant: a local part of any length and with dots anywhere, underscores in the domain. */
enum address_result address_parse(struct span text, enum smtp_syntax syntax, struct address *out);
/* The same with letters of all languages, in UTF-8, in local part and domain (RFC 6531 3.3). EIGHT_BIT: it is no UTF-8.
 * Whether the domain is one idna.h says. */
enum address_result address_parse_wide(struct span text, enum smtp_syntax syntax, struct address *out);
/* `text` is a whole local part, which a domain may be put behind. */
bool address_local_valid(struct span text, enum smtp_syntax syntax);
/* Domain of a mailbox or of a source route: LDH labels (tolerant: and underscores), or an address literal. */
bool address_domain_valid(struct span domain, enum smtp_syntax syntax);
/* Host name of an EHLO or HELO: LDH labels, or an address literal; underscores are let pass (devices). */
bool address_helo_valid(struct span name);

#endif
