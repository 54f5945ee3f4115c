/*
 * core/trace/fact.h - one line of the events' stream (docs/events.md) as the facts that are kept of mail.
 *
 * What is not about mail, its clients or its next hops is FACT_OTHER, and fields that nobody keeps are passed over, so
 * a newer event is read by an older program and the other way round. Text is as it was before it became JSON: it came
 * from strangers and may hold anything but a NUL; where it is not UTF-8 it has a replacement character. Whoever shows
 * it makes it safe for what it is shown on.
 *
 * Spans point into the line, or into the fact: both stay as they are while it is read.
 */
#ifndef POSTRIDER_TRACE_FACT_H
#define POSTRIDER_TRACE_FACT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/span.h"
#include "core/smtp/trace.h"

enum fact_kind {
	FACT_OTHER,
	FACT_ACCEPTED,
	FACT_ATTEMPT,
	FACT_DEFERRED,
	FACT_EXPIRED,
	FACT_HELD,
	FACT_DAMAGED,
	FACT_REPORT,
	FACT_UNREPORTED,
	FACT_REFUSED,
	FACT_NOT_STORED,
	FACT_SIGN_IN_REFUSED,
	FACT_HANDSHAKE_FAILED,
	FACT_SESSION,
	FACT_HOST_FAILED,
	FACT_LOST, /* events that never became lines */
	FACT_KINDS
};

enum fact_text {
	FACT_CLIENT,
	FACT_DEVICE,
	FACT_USER,
	FACT_PEER,
	FACT_LISTENER,
	FACT_SENDER,
	FACT_RECIPIENT,
	FACT_DESTINATION,
	FACT_MESSAGE_ID,
	FACT_RESULT,
	FACT_HOST,
	FACT_ADDRESS,
	FACT_MAILBOX,
	FACT_SOURCE,
	FACT_INSTEAD_OF,
	FACT_TLS,
	FACT_CIPHER,
	FACT_PROOF,
	FACT_STAGE,
	FACT_REPLY,
	FACT_PROBLEM,
	FACT_REASON,
	FACT_MECHANISM,
	FACT_HELO,
	FACT_COMMAND,
	FACT_ERROR,
	FACT_ABOUT,
	FACT_TO,
	FACT_SORT, /* "kind" */
	FACT_NEXT,
	FACT_LEVEL,
	FACT_TEXTS
};

enum fact_number {
	FACT_RECIPIENTS,
	FACT_OCTETS,
	FACT_MS,
	FACT_QUEUED_MS,
	FACT_TRY, /* "attempt" */
	FACT_ATTEMPTS,
	FACT_CODE,
	FACT_MORE,
	FACT_COUNT,
	FACT_UNTOLD,
	FACT_VERIFIED,
	FACT_PID,
	FACT_MESSAGES,
	FACT_ERRORS,
	FACT_COMMANDS,
	FACT_NUMBERS
};

enum { FACT_RESULTS_MAX = 32, FACT_ROOM = 8192 };

/* Of one recipient. */
struct fact_result {
	struct span recipient, result, reply;
	uint64_t code; /* 0: no reply of its own */
};

struct fact {
	enum fact_kind kind;
	uint64_t time_ms; /* since 1970 */
	bool has_id;
	struct message_id id;
	struct span text[FACT_TEXTS]; /* no data: not there */
	uint64_t number[FACT_NUMBERS];
	uint32_t numbers; /* a bit for each that was there */
	unsigned result_count;
	struct fact_result results[FACT_RESULTS_MAX];
	size_t used;
	char room[FACT_ROOM];
};

/* False: it is no event: no JSON object, or without a name or a time. `line` without its end; what stands before the
 * first brace, as a journal may put there, is passed over. */
bool fact_parse(const char *line, size_t length, struct fact *fact);

/* "accepted"; the event's name. */
const char *fact_kind_name(enum fact_kind kind);

static inline bool fact_has(const struct fact *fact, enum fact_text which)
{
	return fact->text[which].data != NULL;
}

/* RFC 3339, UTC, whole seconds or with a fraction. False: it is none, or before 1970. */
bool fact_time_parse(const char *text, size_t length, uint64_t *ms);

#endif
