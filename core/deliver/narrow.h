/*
 * core/deliver/narrow.h - an envelope with letters of all languages, for a next hop that does not offer SMTPUTF8 (RFC
 * 6531).
 *
 * Domains become A-labels, which mean the same (RFC 5890). Nothing replaces such letters in a local part or in the
 * header: who has them in his address cannot be told of this message, and nobody can where the sender's local part or
 * the header has them. A null sender or one in ASCII for the message would make it another's (RFC 6530 2).
 *
 * Made only for a message that needs it, and for such a host; held as long as its attempt.
 */
#ifndef POSTRIDER_DELIVER_NARROW_H
#define POSTRIDER_DELIVER_NARROW_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/span.h"
#include "queue/envelope.h"

struct narrow;

/* What they are told who cannot be told to the host. */
extern const char narrow_refusal[73];

/* `sender`: what MAIL would say. NULL: no memory. Borrows nothing. */
struct narrow *narrow_new(const struct envelope *envelope, struct span sender);
void narrow_free(struct narrow *narrow);
/* What MAIL says instead. */
struct span narrow_sender(const struct narrow *narrow);
/* What RCPT says instead of the recipient's address; false: nothing. */
bool narrow_recipient(const struct narrow *narrow, unsigned index, struct span *address);

#endif
