/*
 * core/smtp/xtext.h - how values stand in parameters (RFC 3461 4): ASCII that is printed, but for "+" and "=", and any
 * octet as "+" with two digits, of which A to F are capitals; small ones are taken, too, as Exchange writes them.
 *
 * What is kept and passed on is the text as it came. It is decoded to be judged: a line end or another control
 * character, raw or encoded, makes a value wrong (PAR-02, PAR-03), so it reaches no log, no queue and no next hop.
 */
#ifndef POSTRIDER_SMTP_XTEXT_H
#define POSTRIDER_SMTP_XTEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "core/smtp/span.h"

/* xtext that says nothing but ASCII that is printed, and spaces. Nothing at all is not. */
bool xtext_valid(struct span text);
/* The same, decoded into `out`, of which *length octets are used. False also where they do not fit. */
bool xtext_decode(struct span text, char *out, size_t room, size_t *length);

#endif
