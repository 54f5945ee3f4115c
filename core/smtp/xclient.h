/*
 * core/smtp/xclient.h - what stands behind the command XCLIENT: a proxy says whose session it brings (Postfix's
 * XCLIENT_README).
 *
 *     XCLIENT 1*( SP attribute "=" xtext )      attributes: NAME ADDR PORT PROTO HELO LOGIN DESTADDR DESTPORT
 *
 * Pure. Attributes and the two words for "not known" are the same in either case. Each may be there once. NAME, PORT,
 * DESTADDR and DESTPORT are checked and of no further use here.
 */
#ifndef POSTRIDER_SMTP_XCLIENT_H
#define POSTRIDER_SMTP_XCLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/ring.h"
#include "core/smtp/span.h"

#define XCLIENT_ATTRIBUTES "NAME ADDR PORT PROTO HELO LOGIN DESTADDR DESTPORT"

enum { XCLIENT_TEXT_MAX = 255 };

enum xclient_said {
	XCLIENT_NOTHING, /* the attribute is not there: what was before stays */
	XCLIENT_UNKNOWN, /* [UNAVAILABLE], and for the moment [TEMPUNAVAIL] */
	XCLIENT_SAID,
};

struct xclient {
	uint8_t address_said, helo_said, login_said, protocol_said; /* enum xclient_said */
	struct ring_address address;                                /* port 0 */
	bool esmtp;
	uint8_t helo_length, login_length;
	char helo[XCLIENT_TEXT_MAX], login[XCLIENT_TEXT_MAX]; /* decoded: ASCII that is printed, and spaces */
};

/* `argument`: what follows the command and a space. False: it is wrong somewhere. */
bool xclient_parse(struct span argument, struct xclient *out);

#endif
