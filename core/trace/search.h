/*
 * core/trace/search.h - looking into the trace's file, while it is written or not; nothing in it is changed.
 *
 * Who has one key of what he looks for waits for milliseconds, whatever the file's size (row.h), who has several no
 * longer than for the rarest; without any the newest rows are read backwards. Text in answers came from strangers, and
 * is the reader's until his function returns.
 */
#ifndef POSTRIDER_TRACE_SEARCH_H
#define POSTRIDER_TRACE_SEARCH_H

#include <stdbool.h>
#include <stdint.h>

#include "core/trace/file.h"
#include "core/trace/row.h"

struct search;

struct search_filter {
	const char *client, *device, *sender, *recipient, *destination; /* NULL: any */
	bool has_id;
	struct message_id id;
	uint64_t since_ms, until_ms; /* when it was accepted or refused; both included */
	enum row_result result;      /* of one of its recipients now; ROW_RESULTS: any */
	unsigned limit;              /* the newest of them */
};

/* -1: not known. */
struct search_message {
	int64_t number;
	uint64_t ms;
	bool has_id;
	struct message_id id;
	enum fact_kind kind; /* FACT_OTHER: it was accepted, but that is not in the trace */
	struct span client, device, user, peer, listener, sender, message_id, destination;
	int64_t recipients, octets;
};

struct search_recipient {
	struct span address, destination;
	enum row_result result;
};

struct search_step {
	uint64_t ms;
	enum fact_kind kind;
	enum row_result result; /* ROW_RESULTS: none */
	struct span destination, host, mailbox, tls, stage, reply, problem;
	struct span more; /* deferred: when it is due; attempt: instead of which destination; report: its kind */
	int64_t code, duration_ms, queued_ms, attempt, recipients;
};

struct search_gap {
	uint64_t from_ms, until_ms, count;
	struct span why;
};

/* *search is NULL unless TRACE_OK. */
enum trace_status search_open(const char *path, struct search **search, char problem[TRACE_PROBLEM_SIZE]);
void search_close(struct search *search); /* NULL is allowed */
const char *search_problem(const struct search *search);
/* Asked each 0.1 ms or so while something is looked for: other than 0: it ends there, and is TRACE_CANNOT or finds
 * less. */
typedef int search_over_fn(void *context);
void search_end_where(struct search *search, search_over_fn *fn, void *context);

/* The numbers of what fits, the newest first; at most filter->limit. */
enum trace_status search_find(struct search *search, const struct search_filter *filter, int64_t *numbers,
			      unsigned *count);

typedef void search_message_fn(void *context, const struct search_message *message);
typedef void search_recipient_fn(void *context, const struct search_recipient *recipient);
typedef void search_step_fn(void *context, const struct search_step *step);
typedef void search_gap_fn(void *context, const struct search_gap *gap);
enum trace_status search_message(struct search *search, int64_t number, search_message_fn *fn, void *context);
enum trace_status search_recipients(struct search *search, int64_t number, search_recipient_fn *fn, void *context);
/* In their order of time. */
enum trace_status search_steps(struct search *search, int64_t number, search_step_fn *fn, void *context);
/* What was left out in that time. */
enum trace_status search_gaps(struct search *search, uint64_t since_ms, uint64_t until_ms, search_gap_fn *fn,
			      void *context);

/* A table of a report: each row has so many numbers behind a text. */
enum search_table {
	SEARCH_VOLUME,       /* "" : messages accepted, octets, recipients, refused */
	SEARCH_DESTINATIONS, /* destination: recipients, delivered, deferred, failed, held, queued */
	SEARCH_ERRORS,       /* the host's words or what they mean: attempts */
	SEARCH_SLOWEST,      /* "": milliseconds from accepted to delivered, the message's number */
	SEARCH_CLIENTS,      /* client: messages, octets, refused */
	SEARCH_DEVICES,      /* device: messages, octets, refused, time of the last */
	SEARCH_TABLES
};
enum { SEARCH_NUMBERS = 6 };
typedef void search_row_fn(void *context, struct span text, const int64_t numbers[SEARCH_NUMBERS]);
enum trace_status search_table(struct search *search, enum search_table table, uint64_t since_ms, uint64_t until_ms,
			       unsigned limit, search_row_fn *fn, void *context);

#endif
