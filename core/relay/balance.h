/*
 * core/relay/balance.h - which shard serves a connection, and which lane of its destination a message takes.
 *
 * Connections: the first shard that has time to spare, so that a load that one can bear is not spread over all: each
 * turn and each commit then does more at once, which costs less and waits for fewer flushes. A shard that is busy, or
 * has BALANCE_CONNECTIONS more than another, gets no further ones; so a flood that comes before anybody is busy
 * spreads.
 *
 * Messages: the shard's own lane, unless another has it easier. A message that is stored and delivered by the
 * shard that received it costs no doorbell, no second turn and no cold
 * cache. So that one busy shard does not keep what others could do, the message's hash names a second lane, and the
 * message goes there when
 *
 *   - clearly less waits in that lane: its share of the destination's connections would go unused otherwise, or
 *   - this shard's thread is nearly always running and that lane's is not: one bulk sender's connection.
 *
 * Both are figures that each shard publishes now and then; being stale makes a choice worse, never wrong.
 */
#ifndef POSTRIDER_RELAY_BALANCE_H
#define POSTRIDER_RELAY_BALANCE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum {
	BALANCE_READY = 256,         /* this many deliveries more may wait at home */
	BALANCE_READY_STEP = 64,     /* how exactly a lane's figure is kept */
	BALANCE_BUSY = 850,          /* per mille of the time: a shard that has none to spare */
	BALANCE_BUSY_LESS = 250,     /* per mille by which another must be less busy to be worth the way */
	BALANCE_WINDOW_NS = 4000000, /* how often a shard looks how busy it is */
	BALANCE_SPARE = 600,         /* per mille: a shard less busy takes further connections */
	BALANCE_CONNECTIONS = 64,    /* so many more than another a shard may have */
};

struct relay;
struct shard;

/* A shard's figures. The atomics are read by every shard, the rest belongs to the owner. */
struct balance {
	_Atomic(uint32_t) busy;        /* per mille, a running mean */
	_Atomic(uint32_t) connections; /* inbound */
	uint64_t window_ns, thread_ns;
};

/* Once per turn. */
void balance_turn(struct shard *shard);
/* The shard for a new connection. Who gives it one counts it there, on any thread; the owner counts it off. */
unsigned balance_connection(const struct relay *relay);
void balance_connection_came(struct shard *shard);
void balance_connection_gone(struct shard *shard);
/* After a lane's ready list has changed. */
void balance_lane_ready(struct shard *shard, unsigned lane, uint64_t ready_count);
/* The decision alone: true when the message should leave home. */
bool balance_leave(uint64_t ready_home, uint64_t ready_there, uint32_t busy_home, uint32_t busy_there);
/* The lane for a new message to the destination; `hash` is the message's. */
unsigned balance_choose(const struct shard *shard, unsigned destination, uint64_t hash);

#endif
