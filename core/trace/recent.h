/*
 * core/trace/recent.h - what went wrong lately, as groups of events that say the same: for who looks now, in memory.
 *
 * A group is an event, whom it is about, and its sentence: what a rule knows it to mean, else the reply, without the
 * numbers and names that next hops write into each one. There are RECENT_GROUPS at most; the one that was longest not
 * seen makes room. Of one second RECENT_LINES lines are looked at, so that a flood costs who writes the log nothing;
 * the rest is counted.
 *
 * recent_take() is for log_writer_tap(), recent_read() for any thread.
 */
#ifndef POSTRIDER_TRACE_RECENT_H
#define POSTRIDER_TRACE_RECENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/smtp/trace.h"

enum { RECENT_GROUPS = 128, RECENT_LINES = 1000, RECENT_TEXT_MAX = 400, RECENT_NAME_MAX = 120 };

struct recent;

/* Texts came from strangers, and are cut between characters. */
struct recent_group {
	uint64_t key; /* of what it is grouped by */
	uint64_t count, first_ms, last_ms, code;
	uint64_t order; /* in which they were seen last, whatever the clock was set to meanwhile */
	char event[32], level[8];
	char where[RECENT_NAME_MAX]; /* a destination; else a device, a client, an address; "": the relay itself */
	char say[RECENT_TEXT_MAX];   /* what it means and what to do; "": no rule knows it */
	char reply[RECENT_TEXT_MAX]; /* of the newest, or what happened instead */
	struct message_id id;        /* of the newest */
	bool has_id;
};

struct recent *recent_new(void); /* NULL without memory */
void recent_free(struct recent *recent);

/* Whole lines as core/base/log.c writes them. */
void recent_take(void *recent, const char *lines, size_t length);
/* The newest first, up to `room`; *left_out: lines that were not looked at. Returns how many. */
size_t recent_read(struct recent *recent, struct recent_group *out, size_t room, uint64_t *left_out);

#endif
