/*
 * core/smtp/report.h - a delivery status notification as a message: facts in, octets out.
 *
 * RFC 3464 (delivery status), RFC 6522 (multipart/report), RFC 6533 (where the one who is told has an address with
 * letters of all languages). Three parts: what people read, what programs read, and the header of the message it is
 * about, or all of it. What people read begins with a sentence for who sent the message; what was said by whom is
 * below. Whatever comes from outside is escaped where it could end a line, hide or turn round what is beside it
 * (LOP-03). All of it is ASCII, unless the whole message is returned or the addressee himself needs UTF-8.
 *
 * Pure: no clock, no memory of its own.
 */
#ifndef POSTRIDER_SMTP_REPORT_H
#define POSTRIDER_SMTP_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/smtp/span.h"
#include "core/smtp/trace.h"

enum {
	/* Of a whole report: it fits a record of the spool with its Received field to come. */
	REPORT_ROOM = 240u << 10,
	/* What is returned. Of a longer header the beginning is, of a longer message the header. */
	REPORT_HEADER_MAX = 24u << 10,
	REPORT_CONTENT_MAX = 96u << 10,
	/* Of the recipients in one report; who does not fit is the next one's. */
	REPORT_RECIPIENTS_MAX = 200,
	REPORT_LINES_MAX = 500, /* of a digest */
};

enum report_action { REPORT_FAILED, REPORT_DELAYED, REPORT_RELAYED };

struct report_recipient {
	enum report_action action;
	struct span address;
	struct span orcpt; /* as it came: type, ";", xtext; empty: none */
	unsigned code;     /* of the last reply; 0: none */
	struct span text;  /* the reply, or a reason of our own; untrusted */
	const char *stage; /* at which it was said; NULL: not known */
	const char *say;   /* the verdict's sentence for people; NULL: the status says it */
	unsigned attempts;
};

struct report_facts {
	struct span hostname, from, to; /* `to`: who is told */
	struct message_id id;           /* the report's own */
	uint64_t wall_ns;
	/* The message it is about. */
	struct message_id about;
	uint64_t arrived_wall_ns;
	uint64_t until_wall_ns; /* REPORT_DELAYED: it is tried until then */
	struct span sender;     /* the envelope's; told where somebody else is told */
	struct span client;     /* by whose entry in the configuration it came; likewise */
	struct span envid;      /* xtext, as it came; empty: none */
	struct span header;     /* its header, as far as it is at hand, without the empty line */
	struct span content;    /* all of it, where that was asked for; empty: the header is returned */
	const struct report_recipient *recipients;
	unsigned recipient_count;
};

struct report {
	size_t length;
	unsigned recipients; /* so many of them are in it, from the first; at least one */
	bool eight_bit;      /* it has octets above 127 */
	bool wide;           /* in its header or delivery status: it needs SMTPUTF8 */
};

/* `out` has REPORT_ROOM octets. */
void report_write(const struct report_facts *facts, char *out, struct report *report);

/* One line of a digest: a message of which nobody was told apart. */
struct report_line {
	struct message_id about;
	uint64_t arrived_wall_ns;
	struct span sender, recipient; /* the first one's address */
	unsigned others;               /* recipients beside it */
	unsigned code;
	struct span text;
};
struct report_digest {
	struct span hostname, from, to;
	struct message_id id;
	uint64_t wall_ns;
	const struct report_line *lines;
	unsigned line_count;
	unsigned messages; /* that it is about: those without a line are only counted */
};
/* What failed and was too much to be told one by one. The same room; `report->recipients` are lines. */
void report_write_digest(const struct report_digest *digest, char *out, struct report *report);

/* The status as RFC 3463 has it, by what was said: the enhanced code of the text where it fits, else by the code. No
 * reply, or one for now, at the end means that the time is up. */
uint32_t report_status(enum report_action action, unsigned code, struct span text);
/* What it means for who sent the message. */
const char *report_sentence(enum report_action action, uint32_t status);

#endif
