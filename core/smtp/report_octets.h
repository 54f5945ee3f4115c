/*
 * core/smtp/report_octets.h - writes the lines of a report: nothing that comes from outside ends one, or hides or turns
 * round what is beside it (LOP-03), and no line is longer than SMTP bears (RFC 5321 4.5.3.1.6).
 *
 * Never writes behind its room; `over` says that something did not fit.
 */
#ifndef POSTRIDER_SMTP_REPORT_OCTETS_H
#define POSTRIDER_SMTP_REPORT_OCTETS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/smtp/span.h"

struct report_octets {
	char *out;
	size_t room, length;
	bool over;
	bool quoted; /* what is written goes as quoted-printable (RFC 2045 6.7) */
	unsigned column;
};

/* ASCII of ours; "\n" ends a line. */
void report_put(struct report_octets *w, const char *text);
void report_put_number(struct report_octets *w, uint64_t number);
/* As it is, however it is written otherwise. */
void report_put_raw(struct report_octets *w, const char *data, size_t length);
/* As quoted-printable where that is on: lines of theirs, whose ends may be CRLF or LF. */
void report_put_lines(struct report_octets *w, struct span text);
/* Text from outside in a line that began before: what does not fit is folded, with `indent` in front. `wide`: letters
 * of all languages stay; else only ASCII does. */
void report_put_text(struct report_octets *w, struct span text, bool wide, const char *indent);
/* The same of a reply, whose lines are joined by "\n": as the one sentence that they are, and with the code that each
 * of them begins with only once. */
void report_put_reply(struct report_octets *w, struct span text, bool wide, const char *indent);
/* An address, which was checked when it came; what was not is cut and escaped. */
void report_put_address(struct report_octets *w, struct span address, bool wide);
/* utf-8-addr-xtext (RFC 6533 3): for who takes no UTF-8. */
void report_put_address_xtext(struct report_octets *w, struct span address);

#endif
