/*
 * core/shard/load.h - how busy each shard is, and which of them serves a new connection.
 *
 * The first shard that has time to spare, so that a load that one can bear is not spread over all: each turn and each
 * commit then does more at once, which costs less and waits for fewer flushes. A shard that is busy, or has
 * LOAD_CONNECTIONS more than another, gets no further ones; so a flood that comes before anybody is busy spreads.
 *
 * The figures are published now and then; being stale makes a choice worse, never wrong.
 */
#ifndef POSTRIDER_SHARD_LOAD_H
#define POSTRIDER_SHARD_LOAD_H

#include <stdatomic.h>
#include <stdint.h>

enum {
	LOAD_WINDOW_NS = 4000000, /* how often a shard looks how busy it is */
	LOAD_SPARE = 600,         /* per mille: a shard less busy takes further connections */
	LOAD_CONNECTIONS = 64,    /* so many more than another a shard may have */
};

struct shard;

/* A shard's figures. The atomics are read by every shard, the rest belongs to the owner. */
struct load {
	_Atomic(uint32_t) busy;        /* per mille, a running mean */
	_Atomic(uint32_t) connections; /* inbound */
	uint64_t window_ns, thread_ns;
};

/* Once per turn. */
void load_turn(struct shard *shard);
/* The shard for a new connection. Who gives it one counts it there, on any thread; the owner counts it off. */
unsigned load_connection(const struct shard *shard);
void load_connection_came(struct shard *shard);
void load_connection_gone(struct shard *shard);

#endif
