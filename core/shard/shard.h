/*
 * core/shard/shard.h - one shard: one thread with its ring, clock, timers and log, and by name the parts that stand on
 * it, each of which is known to its own room alone (plan.h, store.h, receiver.h, deliverer.h, transport.h).
 *
 * Nothing here is touched by another thread, except through the handoff rings (post.h), the counters, and `stop`.
 */
#ifndef POSTRIDER_RELAY_SHARD_H
#define POSTRIDER_RELAY_SHARD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/base/counter.h"
#include "core/base/list.h"
#include "core/base/log.h"
#include "core/base/random.h"
#include "core/base/ring.h"
#include "core/base/ring_pulse.h"
#include "core/base/wheel.h"
#include "core/shard/load.h"
#include "core/shard/visit.h"
#include "queue/handoff.h"

struct config;
struct plan;
struct snapshot;
struct store;
struct receiver;
struct deliverer;
struct transport_shared;
struct asker;

struct shard_counters {
	counter handoffs, handoff_full;
};

struct doorbell {
	struct ring_op op;
	struct shard *shard; /* whose it is */
};

/* What a turn is at. */
enum shard_step {
	SHARD_RING, /* submits, waits, or runs the callbacks of completions (ring_pulse.h says which) */
	SHARD_TIMERS,
	SHARD_ITEMS,  /* from other shards */
	SHARD_SETTLE, /* what waited for room in the spool or for memory; the drain */
	SHARD_COMMIT, /* the batch, answers to clients */
	SHARD_LANES,
	SHARD_SEND, /* to next hops, doorbells to shards */
	SHARD_ENDED,
	SHARD_STEPS,
};

struct shard {
	const struct config *config;     /* of `snapshot` */
	struct snapshot *snapshot;       /* what its lanes go by */
	_Atomic(struct snapshot *) next; /* to be taken at the next turn; set by who reloads */
	struct plan *plan;
	unsigned index, count; /* one of so many */
	struct shard **all;    /* not owned, as are the rings between them: from * count + to */
	struct handoff *handoffs;
	struct ring *ring;
	struct wheel wheel;
	uint64_t now_ns; /* monotonic, of this turn */
	struct random random;
	struct log *log;
	struct store *store;
	struct receiver *receiver;
	struct deliverer *deliverer;
	struct transport_shared *transport;
	struct asker *asker; /* what it asks of agents (agent.h) */
	struct shard_counters counters;
	struct load load;
	struct visits visits; /* by threads beside the shards */

	struct list posts_here;     /* posts to itself */
	struct list *overflow;      /* per shard: posts that found the handoff ring full */
	struct doorbell *doorbells; /* per shard */
	bool *ring_bell;            /* per shard: something was pushed this turn */

	uint64_t started_ns, started_wall_ns;

	/* Drain: set by anyone, seen at the next turn. */
	_Atomic(bool) stop;
	bool draining;

	_Atomic(uint8_t) step; /* enum shard_step, for who looks whether it gets on */
};

/* Now is when it starts. */
void shard_clock_start(struct shard *shard);
/* How old mail accepted at that wall time is, not counting what the wall clock has jumped ahead since the start. */
uint64_t shard_age_ns(const struct shard *shard, uint64_t accepted_wall_ns);
/* Since then, of this turn. */
uint64_t shard_ms_since(const struct shard *shard, uint64_t then_ns);
void shard_stop(struct shard *shard); /* any thread; ring its doorbell too */

#endif
