/*
 * core/trace/row.h - the form of the trace's file (SQLite), for who writes and who reads it.
 *
 *     message    one row for each message, and for each refusal that a client heard
 *     recipient  one for each recipient that an event named, and how its mail stands
 *     step       one for each thing that happened to it: attempts with the host's words, deferrals, reports
 *     key        where to look for somebody
 *     name       texts that come again and again, once
 *     gap        what was left out, when, and why
 *
 * A message's number is its time: milliseconds in front, then 20 bits of its id. So the table of messages is its own
 * index by time and by id, new rows go to the end, and what is too old is cut off at the front.
 *
 * A key is a hash of the kind of thing and the thing, below the period (four and a half hours) in which it was seen. So
 * as long as it is written it fits the cache, however many rows there are, and goes whole when it is old; who looks for
 * somebody asks each period once. A recipient's key has its message's number. Those of clients, devices, senders,
 * destinations and results say only in which quarter of a second there is one: whoever sends many has few rows, and
 * whoever looks reads that quarter. Whose mail is still to be done is in an index, which has these alone.
 */
#ifndef POSTRIDER_TRACE_ROW_H
#define POSTRIDER_TRACE_ROW_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/span.h"
#include "core/smtp/trace.h"

enum {
	ROW_APPLICATION = 0x50725472,
	ROW_VERSION = 1,
	ROW_TIME_SHIFT = 20,   /* of a number: so many bits of the id */
	ROW_BUCKET_SHIFT = 28, /* 256 ms */
	ROW_PERIOD_SHIFT = 44, /* 2^24 ms */
	ROW_PROBES = 16        /* messages of one millisecond with the same 20 bits stand behind each other */
};

/* How mail stands, or what an attempt came to. Kept as these numbers: append only. */
enum row_result {
	ROW_QUEUED,
	ROW_DELIVERED,
	ROW_DEFERRED,
	ROW_FAILED,
	ROW_HELD,
	ROW_EXPIRED,
	ROW_UNKNOWN,
	ROW_PARTIAL,
	ROW_OTHER_PATH,
	ROW_INTERRUPTED,
	ROW_REFUSED,
	ROW_RESULTS
};

/* "delivered" */
const char *row_result_name(enum row_result result);
/* ROW_RESULTS: there is none of that name. */
enum row_result row_result_of(struct span name);

enum row_key { ROW_KEY_CLIENT, ROW_KEY_DEVICE, ROW_KEY_SENDER, ROW_KEY_RECIPIENT, ROW_KEY_DESTINATION, ROW_KEY_RESULT };
/* 48 bits; letters of ASCII by their small ones. */
int64_t row_hash(enum row_key kind, struct span text);

/* The first number that a message of that id may have. */
int64_t row_number(struct message_id id);
/* The first number of that millisecond. */
int64_t row_number_at(uint64_t ms);
static inline uint64_t row_ms(int64_t number)
{
	return (uint64_t)number >> ROW_TIME_SHIFT;
}

static inline bool row_is_unfinished(enum row_result result)
{
	return result == ROW_QUEUED || result == ROW_DEFERRED || result == ROW_HELD;
}

extern const char row_schema[];
/* The index of recipients whose mail is still to be done: few at any time, however long the trace is. It changes
 * nothing of what is in the file, so versions that know nothing of it keep it as well. Where it is not there yet, or in
 * the words of before, all recipients are read once. */
extern const char row_unfinished[];

#endif
