/*
 * core/smtp/trace.h - message ids and the Received header (RFC 5321 4.4), built from validated atoms only (LOP-04).
 */
#ifndef POSTRIDER_SMTP_TRACE_H
#define POSTRIDER_SMTP_TRACE_H

#include <stddef.h>
#include <stdint.h>

#include "core/smtp/span.h"

enum { MESSAGE_ID_TEXT = 26, TRACE_MAX = 1024 };

/*
 * Time-ordered, also as text, and unique across restarts and shards: `high` is the wall clock in nanoseconds,
 * `low` is shard (16 bits), counter (16) and start-up salt (32). Ids of one source only grow, whatever the
 * clock does.
 */
struct message_id {
	uint64_t high, low;
};

struct message_id_source {
	uint64_t last_time;
	uint16_t shard;
	uint16_t counter;
	uint32_t salt; /* random at start */
};
void message_id_source_init(struct message_id_source *source, uint16_t shard, uint32_t salt);
struct message_id message_id_next(struct message_id_source *source, uint64_t wall_ns);
/* 26 characters of Crockford base32, no NUL. */
void message_id_text(struct message_id id, char out[MESSAGE_ID_TEXT]);
/* 0, or -1 if it is no id. */
int message_id_parse(const char *text, size_t length, struct message_id *out);

struct trace {
	struct span helo;     /* as given by the client, already validated by address_helo_valid() */
	struct span peer;     /* textual IP address, "192.0.2.1" or "2001:db8::1" */
	struct span hostname; /* ours */
	const char *protocol; /* "SMTP", "ESMTP", "ESMTPS", ... (RFC 3848) */
	struct message_id id;
	uint64_t wall_ns; /* rendered in UTC, "+0000" */
};
/* Writes "Received: from ... ; date\r\n", folded below 78 where it can be; returns its length (<= TRACE_MAX).
 * out has room for TRACE_MAX. */
size_t trace_received(const struct trace *trace, char *out);
/* How many of the Received fields of a header such a relay wrote, of that name: LOP-01. In whatever lines they are by
 * now. `content` may go on behind the header. */
unsigned trace_own(const char *content, size_t length, struct span hostname);

/* date-time of RFC 5322 3.3, in UTC: "Mon, 23 Nov 2026 21:16:46 +0000"; no NUL. */
enum { TRACE_DATE = 31 };
void trace_date(uint64_t wall_ns, char out[TRACE_DATE]);

#endif
