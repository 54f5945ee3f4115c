/*
 * core/control/look.h - looking at the mail of a shard: a visit that goes through all of it, or from a place on, in the
 * order of spool_items_from(), and finds what a filter means.
 *
 * From memory first: destination, age, state and attempts are known there; then, where the filter or the answer wants
 * more, the envelope and the last state are read from the spool by the shard's own ring, LOOK_READINGS at a time. So
 * what is not wanted is not read, and reading waits for nobody. It ends when it has as many as it may, at its time, or
 * behind the last; `place` says where to go on, 0: all were looked at.
 *
 * A message that is here all the time comes exactly once, over all pages; one that comes or goes meanwhile once at
 * most. One that was sent to destinations on several shards is in the spool of each, with the recipients of that one.
 */
#ifndef POSTRIDER_CONTROL_LOOK_H
#define POSTRIDER_CONTROL_LOOK_H

#include "core/control/filter.h"
#include "core/control/inquiry.h"
#include "core/smtp/trace.h"
#include "queue/spool.h"

enum {
	LOOK_READINGS = 32,
	LOOK_OCTETS = 4 << 20, /* that rows of one answer may take, about */
	LOOK_HEADER_MAX = 64 << 10,
	LOOK_AGES = 8,
};
/* The upper ends of the ages that a summary counts by, in seconds; the last has none. */
extern const unsigned look_ages_s[LOOK_AGES - 1];

enum look_want {
	LOOK_COUNT, /* by destination, age and state */
	LOOK_IDS,   /* rows with no more than facts from memory; only what the filter wants is read */
	LOOK_ROWS,  /* with envelope and state */
	LOOK_WHOLE, /* and header, of one by its id */
};

struct look_question {
	struct filter filter;
	enum look_want want;
	struct message_id id; /* WHOLE */
	uint64_t place;       /* to begin at; 0: the beginning */
	unsigned limit;       /* rows */
	uint64_t until_ns;    /* monotonic */
	/* For rows, of who asks: memory that is taken on one thread and given back on another has a lock, and a shard
	 * would wait for a thread that has no processor just now. Owned; NULL: none. Of one shard at a time. */
	uint8_t *room;
	size_t room_size;
};
/* For `rows` of them; without memory, or where it is short, the shard takes what it needs. */
void look_make_room(struct look_question *q, unsigned rows);

/* What a summary has of a destination. */
struct look_count {
	uint64_t messages, octets, ages[LOOK_AGES], stands[STANDS], oldest_wall_ns;
	uint64_t age_sum_s;
	uint64_t last; /* private: which message was counted here last, by `looked` */
	char *name;    /* owned, when the look is over; NULL: of none, as of what is kept */
};

struct look_row {
	struct look_row *next;
	struct message_id id; /* as its client was told; each owner's part has the same */
	uint64_t accepted_wall_ns, content_length;
	uint64_t due_wall_ns; /* the next time; 0: none is waited for */
	uint16_t recipients, attempts;
	uint8_t part; /* an owner's, from 0 (core/store/intake.h) */
	enum stand stand;
	int error; /* its envelope cannot be read: -EBADMSG, or the disk's */
	/* In `data`, one behind the other. The state is what memory has, but where that has no replies and the disk
	 * does: then it is the disk's. */
	size_t envelope_length, state_length, header_length;
	uint8_t data[];
};

struct look_reading;
struct look {
	struct inquiry_part part;
	/* The answer. */
	uint64_t place;
	uint64_t looked, left_out; /* `left_out`: could not be read, or not for want of memory */
	bool cut;                  /* its time was over before the last */
	struct look_row *rows, **last;
	unsigned row_count;
	struct look_count *counts;
	size_t count_count;
	/* private */
	struct look_reading *readings; /* LOOK_READINGS */
	unsigned reading;
	size_t octets, room_used;
	uint64_t wall_ns;
	int destination; /* the filter's, in this slice; -1: any; -2: there is none of that name */
	bool began, scanned;
};

extern const struct inquiry_kind look_kind;
struct mail;
/* The first part of the message that is here, from *part on, which becomes its number; NULL: there is none. */
const struct mail *look_find(const struct shard *shard, struct message_id id, unsigned *part);
visit_fn look_step;
/* What an answer has; once more is nothing. Before another shard is asked with the same room. */
void look_release(struct inquiry_part *part);

#endif
