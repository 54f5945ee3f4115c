/*
 * core/smtp/repair.h - content as old devices send it, made what RFC 5321 2.3.8 and 4.5.3.1.6 ask for. For clients of
 * which the operator has said so, and for nobody else.
 *
 *   REPAIR_ENDINGS   a bare LF and CR CR LF become CRLF. A CR without LF is still a fault, as NUL is.
 *   REPAIR_WRAP      a line goes on in the next one: behind a blank from REPAIR_SOFT octets on, anywhere but inside a
 *                    character of UTF-8 at REPAIR_HARD. In the header the next line begins with a blank (RFC 5322
 *                    2.2.3); nothing is removed.
 *
 * What is repaired goes on in CRLF and nothing else, so nobody behind can take a line's end for something that it is
 * not (SMG-01, SMG-02). Where data ends is another question: repair_content() gets what content_scan_data() has found
 * to be content, which ends at CRLF.CRLF alone. repair_lines() finds the end itself, for a device of which it is known
 * that it ends its lines otherwise: a line is what LF ends, CRs before that are no part of it, and a line that is "."
 * ends the data; the first dot of any other line is one that was stuffed.
 *
 * Pure; what is made does not depend on how the stream was cut.
 */
#ifndef POSTRIDER_SMTP_REPAIR_H
#define POSTRIDER_SMTP_REPAIR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/smtp/content.h"

enum {
	REPAIR_ENDINGS = 1u << 0,
	REPAIR_WRAP = 1u << 1,
	REPAIR_SOFT = 900,
	REPAIR_HARD = 998, /* RFC 5321 4.5.3.1.6, without CRLF */
};

struct repair {
	uint8_t what;  /* REPAIR_*; 0: nothing is to be done */
	uint8_t frame; /* of repair_lines() */
	bool held;     /* a CR, or several */
	bool in_header;
	bool blank;   /* the last octet is one */
	bool bare_cr; /* a CR without LF was seen */
	uint16_t column;
};

void repair_init(struct repair *repair, unsigned what);

/* So much room is enough for `length` octets. */
static inline size_t repair_room(size_t length)
{
	return 3 * length + 8;
}
/* Returns how many octets were written. */
size_t repair_content(struct repair *repair, const uint8_t *in, size_t length, uint8_t *out);
/* As content_scan_data(): `capacity` is at least repair_room(1). Line ends are repaired, whatever `what` says. */
enum content_result repair_lines(struct repair *repair, const uint8_t *in, size_t length, size_t *consumed,
				 uint8_t *out, size_t capacity, size_t *written);

#endif
