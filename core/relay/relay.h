/*
 * core/relay/relay.h - what all shards of the process share: the configuration, the table of lanes, and a few counters.
 *
 * Everything here is written before the shards run and read-only afterwards, but for the atomics named so.
 */
#ifndef POSTRIDER_RELAY_RELAY_H
#define POSTRIDER_RELAY_RELAY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/config/config.h"
#include "core/relay/hold.h"
#include "queue/handoff.h"

struct shard;
struct resolver;
struct peers;

/* One lane of a destination. */
struct lane_plan {
	uint16_t destination;    /* index in the configuration */
	uint16_t owner;          /* shard */
	_Atomic(uint32_t) ready; /* how many wait, in BALANCE_READY_STEP; written by the owner (balance.h) */
	unsigned connections;    /* this lane's share of the destination's limit, >= 1 */
};

struct destination_plan {
	unsigned first_lane, lanes; /* in relay.lanes */
};

struct relay {
	const struct config *config;
	unsigned shard_count;
	struct shard **shards;
	struct destination_plan *destinations;
	struct lane_plan *lanes;
	unsigned lane_count;
	struct hold_destination *holds; /* per destination; its atomics are shared (hold.h) */
	struct handoff *handoffs;       /* from * shard_count + to */
	struct ring_address *listeners; /* bound addresses, the port known after the first shard has bound */
	struct tls_context **tls;       /* per destination, shared where the policy is the same (tls_policy.h) */
	struct resolver *resolver;
	struct peers *peers;                   /* NULL where limits.connections_per_client is not set */
	_Atomic(unsigned) connections_in;      /* inbound, whole process */
	_Atomic(unsigned) *client_connections; /* per configured client group */
	uint64_t watch_next_ns;                /* watch.h; the observer's, as is `stuck` */
	unsigned stuck;
	_Atomic(bool) hurry;         /* a second SIGTERM: do not wait for the drain deadline */
	_Atomic(unsigned) receiving; /* drain: shards that have sessions or messages with an owner */
};

/* 0 or -ENOMEM. Plans lanes: a destination has one lane per shard, or one per allowed connection if those are fewer;
 * connection limits are shared out, so they hold exactly without any lock. */
int relay_init(struct relay *relay, const struct config *config, unsigned shard_count);
void relay_deinit(struct relay *relay);

/* Destination for a mailbox ("local@domain"), or -1: none. First match wins. */
int relay_route(const struct config *config, const char *address, size_t length);
/* Client group of an address, or -1: may not relay. First match wins. */
int relay_client(const struct config *config, const struct ring_address *address);
/* The destination of that name, or -1 (it may have gone from the configuration since the mail was accepted). */
int relay_destination(const struct config *config, const char *name, size_t length);

#endif
