/*
 * queue/envelope.h - what a message record's envelope holds, beyond what the spool itself must know: who sent the
 * message, and its recipients, each with the destination it was accepted for. queue/README.md has the octets of both
 * versions: 2 is written, 1 is read as well. Explicit lengths: nothing is delimited, so nothing can be injected
 * (RELIABILITY PAR-03).
 */
#ifndef POSTRIDER_QUEUE_ENVELOPE_H
#define POSTRIDER_QUEUE_ENVELOPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/span.h"
#include "queue/field.h"

enum {
	ENVELOPE_EIGHT_BIT = 1u << 0, /* the content has octets above 127, or BODY=8BITMIME was said */
	ENVELOPE_BODY_GIVEN = 1u << 1,
	ENVELOPE_TLS_FREE = 1u << 2, /* no domain's policy for TLS holds it up: it reports on that (RFC 8460 3) */
};
/* What has octets above 127 in a message that came by SMTPUTF8 (RFC 6531), and needs that to go on. */
enum {
	ENVELOPE_WIDE_ADDRESS = 1u << 0, /* its sender, or a recipient */
	ENVELOPE_WIDE_HEADER = 1u << 1,
};
/* What is returned with reports (RFC 3461 4.3); 0: the sender did not say. */
enum { ENVELOPE_RET_FULL = 1, ENVELOPE_RET_HEADERS = 2 };
/* What is reported of a recipient (RFC 3461 4.1), or'ed; 0: its sender did not say. */
enum {
	ENVELOPE_NOTIFY_NEVER = 1u << 0,
	ENVELOPE_NOTIFY_SUCCESS = 1u << 1,
	ENVELOPE_NOTIFY_FAILURE = 1u << 2,
	ENVELOPE_NOTIFY_DELAY = 1u << 3,
	/* Its sender does not know of it (an archive's copy): no host that it goes to is to write to him. */
	ENVELOPE_NOTIFY_UNKNOWN = 1u << 4,
};
enum {
	ENVELOPE_RECIPIENTS_MAX = 65535,
	ENVELOPE_DESTINATIONS_MAX = 65535,
	ENVELOPE_ENVID_MAX = 100,
	ENVELOPE_ORCPT_MAX = 500,
	/* What each recipient and destination takes beside its text. */
	ENVELOPE_RECIPIENT_OVERHEAD = FIELD_HEADER + 2,
	/* And what is said of a recipient's reports, beside ORCPT's text. */
	ENVELOPE_PARAMETERS_OVERHEAD = 2 * FIELD_HEADER + 1,
	ENVELOPE_DESTINATION_OVERHEAD = FIELD_HEADER,
	/* All else but sender and helo, at most. */
	ENVELOPE_OVERHEAD = 1024,
};

struct envelope {
	uint8_t version;
	uint8_t flags;
	uint8_t wide; /* ENVELOPE_WIDE_* */
	uint16_t recipients, destinations;
	uint8_t ret;            /* ENVELOPE_RET_* */
	bool require_tls;       /* only over TLS with a verified next hop that requires as much (RFC 8689) */
	bool parameters;        /* read: something is said of a recipient's reports */
	uint16_t reports;       /* read: what it reports, for envelope_report(); 0: it is no report */
	struct span owner;      /* who is told what becomes of it, in place of its sender; empty: he is */
	struct span device;     /* by its name in the inventory of then; empty: none */
	struct span envid;      /* xtext, as it came; empty: none */
	uint64_t not_before_ns; /* wall clock; 0: at once (RFC 4865) */
	struct span client, peer, helo, sender;
	const uint8_t *destination_data; /* for envelope_destination() */
	size_t destination_length;
	const uint8_t *recipient_data; /* for struct envelope_cursor */
	size_t recipient_length;
};

struct envelope_writer {
	struct field_writer fields;
	uint16_t recipients, destinations;
};

/* What a report says of one message: with that these recipients of it have been told of, so report and mark are one
 * record, and neither is there without the other. */
enum envelope_reported { ENVELOPE_REPORTED_END = 1, ENVELOPE_REPORTED_DELAY = 2 };
enum { ENVELOPE_REPORT_HEAD = 17, ENVELOPE_REPORTS_MAX = 4096 };
struct envelope_report {
	uint64_t high, low; /* its id in the spool */
	uint8_t what;       /* enum envelope_reported; others are a later version's */
	struct span
		recipients; /* a bit for each, from the lowest of the first octet on; cut behind the last that is set */
};

/* Of `fields`, all that is not read from data: flags, spans, and what its sender asked for; client, peer, helo and
 * device are cut after 255 octets (they are ours or validated, so they fit). Then the destinations, from 0, then the
 * recipients. */
void envelope_begin(struct envelope_writer *writer, uint8_t *out, size_t capacity, const struct envelope *fields);
/* Before the destinations. */
void envelope_add_report(struct envelope_writer *writer, const struct envelope_report *report);
void envelope_add_destination(struct envelope_writer *writer, struct span name);
void envelope_add_recipient(struct envelope_writer *writer, unsigned destination, struct span address);
/* Of the recipient added last: `orcpt` is xtext with its type, as it came, or empty. */
void envelope_add_parameters(struct envelope_writer *writer, unsigned notify, struct span orcpt);
/* The whole length, or 0 when it did not fit, or a recipient's destination is not there. */
size_t envelope_end(struct envelope_writer *writer);

/* 0, -EBADMSG, or -ENOTSUP: written by a later version, with something that must be understood and is not. Spans point
 * into `data`. */
int envelope_decode(const uint8_t *data, size_t length, struct envelope *out);

/* Of number `number`, from 0. False: there are not so many. */
bool envelope_report(const struct envelope *envelope, unsigned number, struct envelope_report *out);
static inline bool envelope_reports(const struct envelope_report *report, unsigned recipient)
{
	return recipient / 8 < report->recipients.length &&
	       ((uint8_t)report->recipients.data[recipient / 8] >> recipient % 8 & 1);
}

/* Of index `index`; empty where there is none. */
struct span envelope_destination(const struct envelope *envelope, unsigned index);

struct envelope_recipient {
	struct span address;
	uint16_t destination; /* index */
	uint8_t notify;       /* ENVELOPE_NOTIFY_* */
	uint32_t number;      /* of the recipients, from 0 */
	struct span orcpt;    /* as it came; empty: none */
};
struct envelope_cursor {
	struct field_reader reader;
	uint32_t number; /* of the next one */
	uint8_t version;
	bool parameters;
};
void envelope_first(const struct envelope *envelope, struct envelope_cursor *cursor);
bool envelope_next(struct envelope_cursor *cursor, struct envelope_recipient *recipient);

#endif
