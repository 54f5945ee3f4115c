/*
 * core/relay/worker.h - a shard with the parts that stand on it, and its turn.
 *
 * worker_turn() is the whole loop body; the real program calls it from a thread until it says it is done, the
 * simulation calls the turns of several workers in seeded order.
 *
 * Start, in order: worker_new() (memory), relay_recover() (recover.h: blocking, the spools), worker_start() (on the
 * shard's own thread: ring, listeners), accept_start() once every shard has started (listen.h), worker_turn()...,
 * worker_free().
 */
#ifndef POSTRIDER_RELAY_WORKER_H
#define POSTRIDER_RELAY_WORKER_H

#include <stdbool.h>
#include <stdint.h>

#include "core/agents/agent.h"
#include "core/deliver/deliverer.h"
#include "core/receive/receiver.h"
#include "core/relay/relay.h"
#include "core/relay/watchdog.h"
#include "core/shard/shard.h"
#include "core/store/store.h"
#include "core/stream/transport.h"

/* The observer's notes (watch.h). */
struct worker_watch {
	struct watchdog dog;
	uint64_t moved_nothing[RING_KINDS];
};

struct worker {
	struct shard shard;
	struct store store;
	struct receiver receiver;
	struct deliverer deliverer;
	struct transport_shared transport;
	struct asker asker;
	struct relay *relay;
	struct wheel_timer stats_timer;
	bool receiving;   /* draining: it has sessions or messages with an owner */
	bool others_done; /* draining: in the turn before no shard was receiving any more */
	uint64_t drain_deadline_ns;
	struct worker_watch watch; /* only the observer's */
};

/* NULL without memory. */
struct worker *worker_new(struct relay *relay, unsigned index, struct log *log);
/* 0 or -errno with *problem. */
int worker_start(struct worker *worker, struct ring_problem *problem);
/* Runs one turn, waiting at most until something happens. 0 to go on, 1 when drained, or a negative errno (fatal). */
int worker_turn(struct worker *worker);
/* Until when the next turn may wait if nothing happens; 0: there is something to do now. */
uint64_t worker_deadline_ns(const struct worker *worker);
/* For one that started but will not run: waits until its disk writes have ended, so that it can be freed. */
void worker_abandon(struct worker *worker);
void worker_free(struct worker *worker);

#endif
