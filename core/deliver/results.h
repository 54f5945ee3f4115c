/*
 * core/deliver/results.h - what each recipient of an attempt was told, for the events that say so.
 *
 * The envelope leaves memory when the content has been written, long before the last reply is in. So the addresses are
 * kept: a copy of a few dozen octets for a message to one recipient, and one allocation where there are several. The
 * reply that decided for all is the attempt's own; those that single recipients got at RCPT are kept up to
 * RESULTS_REFUSED_MAX. What finds no memory, or no room in the event, is counted but not named. Addresses are kept only
 * where log.messages is on.
 */
#ifndef POSTRIDER_DELIVER_RESULTS_H
#define POSTRIDER_DELIVER_RESULTS_H

#include <stdint.h>

#include "core/events/delivering.h"
#include "core/smtp/reply.h"

struct outcome;
struct attempt;
struct mail;

enum {
	RESULTS_NAMES_INLINE = 96,
	RESULTS_NAMES_MAX = 65536, /* octets of addresses kept */
	RESULTS_REFUSED_MAX = 16,
	RESULTS_SHOWN_MAX = 120, /* octets of a single recipient's reply that an event has; his report has all */
};

struct results_refused {
	uint16_t index, code, length;
	char text[SMTP_REPLY_TEXT_MAX];
};

struct results {
	uint8_t *names; /* as in the envelope; names_inline, or malloc'd and owned; NULL: not kept */
	uint32_t names_length;
	uint16_t refused_count;
	struct results_refused *refused; /* malloc'd, owned */
	uint8_t names_inline[RESULTS_NAMES_INLINE];
};

/* Before the view of its envelope is given back. */
void results_keep(struct attempt *a);
/* The recipient got a reply of its own. */
void results_refused(struct attempt *a, unsigned index, const struct smtp_reply_parser *reply);
/* Where it is known. */
bool results_address(const struct attempt *a, unsigned index, struct span *address);
/* NULL: it got none, or there were too many. */
const struct results_refused *results_refused_at(const struct attempt *a, unsigned index);
void results_free(struct attempt *a);

/* Each that was tried, those not delivered first. */
void results_told(const struct attempt *a, const struct outcome *outcome, struct event_recipients *out);
/* The next hop knows nothing of reports: what is asked for of them is this relay's to do (RFC 3461 5.2.2). */
bool results_ours(const struct attempt *a);
/* Of those delivered there so many asked to hear of that (NOTIFY=SUCCESS). `m`: the mail, where they are marked as owed
 * a report; NULL: they are only counted. */
unsigned results_to_report(const struct attempt *a, const struct outcome *outcome, struct mail *m);
/* All that are still pending, with one result: they are given up, or held. NULL: nobody is known. */
void results_pending(const struct attempt *a, const char *result, struct event_recipients *out);

#endif
