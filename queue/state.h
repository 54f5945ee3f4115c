/*
 * queue/state.h - what a state record holds: of each recipient of a message its status, attempts, due time and last
 * reply. queue/README.md has the octets of both versions: 2 is written, 1 is read as well.
 *
 * Recipients that share status, attempts, due time and reply share a fate; the map says who has which, in the order of
 * the envelope. So a state is small where recipients have little to tell apart, however many they are.
 */
#ifndef POSTRIDER_QUEUE_STATE_H
#define POSTRIDER_QUEUE_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/span.h"
#include "queue/field.h"

/* ELSEWHERE: another spool has it, since the number of shards changed. */
enum recipient_status { RECIPIENT_PENDING, RECIPIENT_DELIVERED, RECIPIENT_FAILED, RECIPIENT_ELSEWHERE };

/* What has been reported of a recipient, or'ed. DELAY: that it is late. TOLD: how it ended, or nobody is to hear of
 * that. OWED: it was delivered, and its sender asked to hear of it, which nobody else will tell. And HELD: it is
 * pending, and an operator does not let it go. */
enum {
	STATE_MARK_DELAY = 1u << 0,
	STATE_MARK_TOLD = 1u << 1,
	STATE_MARK_OWED = 1u << 2,
	STATE_MARK_HELD = 1u << 3,
	STATE_MARKS = 15,
};

enum {
	STATE_REPLY_MAX = 512, /* octets of a reply that are kept */
	STATE_REPLIES_MAX = 128,
	STATE_FATES_MAX = 4096,
	STATE_STAGE_NONE = 255,
	/* The largest there is: every recipient's fate another one than that of the recipient before. */
	STATE_SIZE_MAX = 1 + STATE_REPLIES_MAX * (FIELD_HEADER + 4 + STATE_REPLY_MAX) +
			 STATE_FATES_MAX * (FIELD_HEADER + 16 + FIELD_HEADER + 1) + 65536 * 4 + 6 * FIELD_HEADER + 8,
};

struct state_reply {
	uint16_t code; /* 0: none, the text is a reason of our own */
	uint8_t stage; /* core/deliver's enum stage; STATE_STAGE_NONE: not known */
	struct span text;
};

struct state_fate {
	uint8_t status; /* enum recipient_status */
	uint16_t attempts;
	uint16_t reply;       /* number of the reply, from 1; 0: none */
	uint64_t due_wall_ns; /* PENDING: not before, or HELD since; 0: at once */
	uint8_t marks;        /* STATE_MARK_* */
};

/* ---- writing: replies and fates in any order, each before it is used, then the map ---- */

struct state_writer {
	struct field_writer fields;
	uint16_t replies, fates;
	/* The map field that is being written: the run that grows, and where the field begins; 0: none does. */
	size_t map_at;
	uint32_t run;
	uint16_t run_fate;
};

void state_begin(struct state_writer *writer, uint8_t *out, size_t capacity);
/* It is as old as the time since then, by the wall clock. */
void state_add_age(struct state_writer *writer, uint64_t from_wall_ns);
/* Returns its number; 0: there are STATE_REPLIES_MAX already. */
unsigned state_add_reply(struct state_writer *writer, const struct state_reply *reply);
/* Returns its number, from 0. There are at most STATE_FATES_MAX. */
unsigned state_add_fate(struct state_writer *writer, const struct state_fate *fate);
/* The next `count` recipients. */
void state_add(struct state_writer *writer, unsigned fate, unsigned count);
/* The whole length, or 0 when it did not fit. */
size_t state_end(struct state_writer *writer);

/* ---- reading ---- */

struct queue_state {
	uint8_t version;
	uint32_t recipients; /* that the map covers */
	uint16_t fates, replies;
	struct field_reader all;
	uint64_t age_from_wall_ns; /* 0: it is as old as its record */
	/* version 1 */
	uint64_t due_wall_ns;
	uint16_t attempts;
	const uint8_t *statuses;
	struct span reply;
};

/* 0, -EBADMSG, or -ENOTSUP: written by a later version, with something that must be understood and is not. `wall_ns`
 * of the record. Spans point into `data`. */
int queue_state_decode(const uint8_t *data, size_t length, uint64_t wall_ns, struct queue_state *out);
/* False: there is none of that number. */
bool state_fate(const struct queue_state *state, unsigned number, struct state_fate *out);
bool state_reply(const struct queue_state *state, unsigned number, struct state_reply *out);

struct state_cursor {
	const struct queue_state *state;
	struct field_reader reader;
	const uint8_t *pair, *pairs_end;
	uint32_t next; /* version 1 */
};
void state_first(const struct queue_state *state, struct state_cursor *cursor);
/* So many of the next recipients have this fate. */
bool state_next(struct state_cursor *cursor, unsigned *fate, unsigned *count);

#endif
