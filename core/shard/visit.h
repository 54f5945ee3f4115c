/*
 * core/shard/visit.h - what a thread beside the shards wants to know of one, or have done there, in slices of its
 * turns.
 *
 *     AWAY --visit_begin(), any thread--> HERE --fn() until VISIT_DONE, on the shard's thread--> over() --> AWAY
 *
 * Mail does not feel it: all visits of a shard together have VISIT_SLICE_NS, and then none before VISIT_PAUSES times
 * what they took has passed, so that they have a tenth of its time; and a visit looks at no more than VISIT_ITEMS
 * things for one call, whatever a clock says. A visit that waits, for the disk above all, is called again after
 * visit_wake(). The shard never waits for who sent it.
 *
 * Who sends a visit may give up waiting, but the visit is the shard's until over(): a shard that is stuck keeps it, and
 * one that has ended for good. So its memory is given back there, or when no shard runs any more.
 */
#ifndef POSTRIDER_SHARD_VISIT_H
#define POSTRIDER_SHARD_VISIT_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/counter.h"
#include "core/base/list.h"
#include "core/base/stack.h"

enum {
	VISIT_SLICE_NS = 100000,
	VISIT_PAUSES = 10,
	VISIT_PAUSE_LEAST_NS = 100000, /* a turn has its price, too */
	VISIT_PAUSE_MOST_NS = 5000000, /* a slice took longer where the machine had no processor for it */
	VISIT_ITEMS = 2048,
	VISIT_READ_OCTETS =
		256 << 10, /* that are read for all of them at a time, and what is begun before they are that many */
	VISIT_LOOK = 32,   /* so many things at most between two looks at the clock */
};

struct shard;
struct visit;

enum visit_step {
	VISIT_DONE,
	VISIT_MORE,  /* its slice is over */
	VISIT_WAITS, /* until visit_wake() */
};

/* On the shard's thread. Ends when the clock says `until_ns`, looking now and then (visit_spent()). While the shard
 * drains it only finishes what is under way. */
typedef enum visit_step visit_fn(struct shard *shard, struct visit *visit, uint64_t until_ns);

struct visit {
	struct stack_link way; /* here */
	struct list link;      /* of those that are here, while it does not wait */
	visit_fn *fn;
	void (*over)(struct visit *visit); /* last, on the shard's thread: it may be gone when this returns */
};

/* Of a shard. */
struct visits {
	struct stack came; /* struct visit, by `way` */
	struct list here;
	unsigned count; /* here or waiting */
	uint64_t next_ns;
	size_t reading;               /* octets that are on their way from the spool for them */
	counter spent_ns, longest_ns; /* of the thread's processor time: all slices; the longest of them */
};

void visits_init(struct visits *visits);
/* From any thread; the visit's fn and over are set. True: the shard is to be woken. */
bool visit_begin(struct visits *visits, struct visit *visit);
/* On the shard's thread, where it has answered VISIT_WAITS, or is about to. */
void visit_wake(struct visits *visits, struct visit *visit);
/* Once per turn. */
void visits_run(struct shard *shard);
/* When the next turn is wanted for them; UINT64_MAX: none is. */
uint64_t visits_next_ns(const struct visits *visits);
/* None is here. */
static inline bool visits_idle(const struct visits *visits)
{
	return visits->count == 0;
}

/* A slice that begins now, also of what else a shard is asked for, in slices of its own (core/deliver/steer.h). */
struct visit_turn {
	uint64_t began_ns, cpu_ns, until_ns;
};
struct visit_turn visit_turn_begin(uint64_t now_ns);
/* It is over, and what it took is counted. When the next one may begin. */
uint64_t visit_turn_end(struct visits *visits, const struct visit_turn *turn);

/* How much of a call is used. */
struct visit_slice {
	uint64_t until_ns;
	unsigned items, seen; /* `seen`: how many they were when the clock was asked last */
};
/* One more thing is about to be looked at. True: not in this slice. */
bool visit_spent(struct visit_slice *slice);
/* What was looked at cost as much as `more` others do, beside itself. */
void visit_cost(struct visit_slice *slice, unsigned more);

#endif
