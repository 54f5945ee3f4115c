/*
 * core/relay/shard.h - one shard: one thread, one ring, one spool, its sessions, lanes and connections.
 *
 * Nothing here is touched by another thread, except through the handoff rings (queue/handoff.h), the counters,
 * and `stop`. shard_turn() is the whole loop body; the real program calls it from a thread until it says it is done,
 * the simulation calls the turns of several shards in seeded order.
 *
 * Start, in order: shard_new() (memory), relay_recover() (recover.h: blocking, the spools), shard_start() (on the
 * shard's own thread: ring, listeners), accept_start() once every shard has started (accept.h), shard_turn()...,
 * shard_free().
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
#include "core/relay/balance.h"
#include "core/relay/relay.h"
#include "core/relay/watchdog.h"
#include "queue/spool.h"

/* The parts that stand on a shard; each is known to its own room (store.h, receiver.h, deliverer.h, transport.h). */
struct store;
struct receiver;
struct deliverer;
struct transport_shared;
struct delivery;

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

/* The observer's notes (watch.h). */
struct shard_watch {
	struct watchdog dog;
	uint64_t moved_nothing[RING_KINDS];
};

struct shard {
	struct relay *relay;
	const struct config *config;
	unsigned index;
	struct ring *ring;
	struct wheel wheel;
	uint64_t now_ns; /* monotonic, of this turn */
	struct random random;
	struct log *log;
	struct store *store;
	struct receiver *receiver;
	struct deliverer *deliverer;
	struct transport_shared *transport;
	struct shard_counters counters;
	struct balance balance;

	struct list posts_here;     /* posts to itself */
	struct list *overflow;      /* per shard: posts that found the handoff ring full */
	struct doorbell *doorbells; /* per shard */
	bool *ring_bell;            /* per shard: something was pushed this turn */

	uint64_t started_ns, started_wall_ns;
	struct wheel_timer stats_timer;

	/* Drain: set by anyone, seen at the next turn. */
	_Atomic(bool) stop;
	bool draining, receiving;
	uint64_t drain_deadline_ns;

	_Atomic(uint8_t) step;    /* enum shard_step, for the observer */
	struct shard_watch watch; /* only the observer's */
};

/* NULL without memory. */
struct shard *shard_new(struct relay *relay, unsigned index, struct log *log);
void shard_spool_settings(const struct relay *relay, unsigned index, struct spool_settings *out);
/* Puts a recovered message into a lane of this shard. Takes over live->item. 0 or -errno. */
int shard_adopt(struct shard *shard, const struct spool_live *live, unsigned lane);
/* 0 or -errno with *problem. */
int shard_start(struct shard *shard, struct ring_problem *problem);
/* Runs one turn, waiting at most until something happens. 0 to go on, 1 when drained, or a negative errno (fatal). */
int shard_turn(struct shard *shard);
/* Until when the next turn may wait if nothing happens; 0: there is something to do now. */
uint64_t shard_deadline_ns(const struct shard *shard);
/* For a shard that started but will not run: waits until its disk writes have ended, so that it can be freed. */
void shard_abandon(struct shard *shard);
void shard_stop(struct shard *shard); /* any thread; ring its doorbell too */
void shard_free(struct shard *shard);

/* How old mail accepted at that wall time is, not counting what the wall clock has jumped ahead since shard_start(). */
uint64_t shard_age_ns(const struct shard *shard, uint64_t accepted_wall_ns);

/* One delivery leaves the queue. */
void shard_forget(struct shard *shard, struct delivery *d);

#endif
