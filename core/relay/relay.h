/*
 * core/relay/relay.h - what all shards of the process share: the configuration, the plan of lanes, what the sides of
 * all shards have together, and a few counters.
 *
 * Everything here is written before the shards run and read-only afterwards, but for the atomics named so.
 */
#ifndef POSTRIDER_RELAY_RELAY_H
#define POSTRIDER_RELAY_RELAY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/config/config.h"
#include "core/deliver/deliverer.h"
#include "core/receive/receiver.h"
#include "core/route/plan.h"
#include "queue/handoff.h"

struct client_counts;
struct line_ring;
struct newest;
struct recent;
struct shard;
struct snapshot;
struct webhook;

struct relay {
	struct config *config; /* what it was started with: what cannot change is there */
	unsigned shard_count;
	struct snapshot *snapshot;           /* the newest (reload.h), and those before it */
	struct client_counts *client_counts; /* owned (client_counts.h) */
	struct shard **shards;
	struct handoff *handoffs; /* from * shard_count + to */
	struct plan plan;
	struct receivers receivers;
	struct deliverers deliverers;
	struct newest *newest;  /* events as they were written; the same */
	struct recent *recent;  /* what went wrong lately; of who starts agents. NULL: nobody may ask */
	uint64_t watch_next_ns; /* watch.h; the observer's, as is `stuck` */
	_Atomic(unsigned) stuck;
	_Atomic(bool) ready;              /* all listeners accept, and nothing drains */
	_Atomic(int64_t) certificate_end; /* of those that are watched, the first, seconds since 1970; 0: none is */
	_Atomic(bool) hurry;              /* a second SIGTERM: do not wait for the drain deadline */
	/* Events for who watches for incidents; NULL: nobody does. */
	_Atomic(struct line_ring *) incident_lines;
	_Atomic(struct webhook *) webhook; /* NULL: nobody is posted to; stays once there is one */
	_Atomic(unsigned) receiving;       /* drain: shards that have sessions or messages with an owner */
};

/* 0 or -errno. The configuration stays the caller's; recovery adds places for what is gone from it (reload.h). */
int relay_init(struct relay *relay, struct config *config, unsigned shard_count);
void relay_deinit(struct relay *relay);

#endif
