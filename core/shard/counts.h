/*
 * core/shard/counts.h - what is counted for whatever has a name in the configuration: a listener, a destination.
 *
 * Each name has a block of counters for each shard, which that shard alone writes and any thread may read. A block is
 * there from the first configuration that has the name until the process ends, also while no configuration has it: so
 * no count ever goes back, whatever a reload takes away and brings again, and what points to a block may go on doing
 * so.
 *
 * There are COUNTS_NAMES of them at most, whatever reloads bring: what comes beyond is counted together, as
 * COUNTS_OTHERS.
 */
#ifndef POSTRIDER_SHARD_COUNTS_H
#define POSTRIDER_SHARD_COUNTS_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

enum { COUNTS_NAMES = 4096, COUNTS_LINE = 64 };
#define COUNTS_OTHERS "(others)"

/* One name. */
struct counted {
	_Atomic(struct counted *) next; /* in the order in which they came */
	char *name;                     /* owned */
	uint8_t *blocks;                /* owned; per shard, each on cache lines of its own */
	size_t stride;
};

/* All of a kind. */
struct counts {
	_Atomic(struct counted *) first;
	/* Of who makes snapshots alone. */
	struct counted *last, *others;
	void *tree; /* tsearch(3), by name */
	unsigned names, shards;
	size_t stride;
};

/* `size`: octets of a block, which are zeroed at first. */
void counts_init(struct counts *counts, size_t size, unsigned shards);
void counts_deinit(struct counts *counts);
/* For who makes snapshots. NULL without memory. */
struct counted *counts_get(struct counts *counts, const char *name);

static inline void *counted_block(const struct counted *counted, unsigned shard)
{
	return counted->blocks + shard * counted->stride;
}

/* All that there are, from any thread: counted = counts_next(counts, NULL), until NULL. */
static inline struct counted *counts_next(const struct counts *counts, const struct counted *counted)
{
	const _Atomic(struct counted *) *next = counted ? &counted->next : &counts->first;

	return atomic_load_explicit((_Atomic(struct counted *) *)(uintptr_t)next, memory_order_acquire);
}

#endif
