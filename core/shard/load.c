/*
 * core/shard/load.c - see load.h.
 */
#include "core/shard/load.h"

#include "core/base/clock.h"
#include "core/shard/shard.h"

void load_turn(struct shard *shard)
{
	struct load *l = &shard->load;
	uint64_t elapsed = shard->now_ns - l->window_ns;

	if (elapsed < LOAD_WINDOW_NS)
		return;
	uint64_t thread = clock_thread_ns();
	uint64_t ran = thread - l->thread_ns;
	uint32_t now = ran >= elapsed ? 1000 : (uint32_t)(ran * 1000 / elapsed);
	uint32_t before = atomic_load_explicit(&l->busy, memory_order_relaxed);

	/* A long sleep says all by itself; what was before it is no longer of interest. */
	if (elapsed < 4 * LOAD_WINDOW_NS)
		now = (3 * before + now) / 4;
	atomic_store_explicit(&l->busy, now, memory_order_relaxed);
	l->window_ns = shard->now_ns;
	l->thread_ns = thread;
}

static uint32_t connections_of(const struct shard *shard, unsigned of)
{
	return atomic_load_explicit(&shard->all[of]->load.connections, memory_order_relaxed);
}

unsigned load_connection(const struct shard *shard)
{
	unsigned fewest = 0;

	for (unsigned i = 1; i < shard->count; i++) {
		if (connections_of(shard, i) < connections_of(shard, fewest))
			fewest = i;
	}
	for (unsigned chosen = 0; chosen < shard->count; chosen++) {
		const struct load *l = &shard->all[chosen]->load;
		if (atomic_load_explicit(&l->busy, memory_order_relaxed) < LOAD_SPARE &&
		    connections_of(shard, chosen) < connections_of(shard, fewest) + LOAD_CONNECTIONS)
			return chosen;
	}
	return fewest;
}

void load_connection_came(struct shard *shard)
{
	atomic_fetch_add_explicit(&shard->load.connections, 1, memory_order_relaxed);
}

void load_connection_gone(struct shard *shard)
{
	atomic_fetch_sub_explicit(&shard->load.connections, 1, memory_order_relaxed);
}
