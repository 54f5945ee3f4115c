/*
 * core/relay/balance.c - see balance.h.
 */
#include "core/relay/balance.h"

#include "core/base/clock.h"
#include "core/relay/shard.h"

void balance_turn(struct shard *shard)
{
	struct balance *b = &shard->balance;
	uint64_t elapsed = shard->now_ns - b->window_ns;

	if (elapsed < BALANCE_WINDOW_NS)
		return;
	uint64_t thread = clock_thread_ns();
	uint64_t ran = thread - b->thread_ns;
	uint32_t now = ran >= elapsed ? 1000 : (uint32_t)(ran * 1000 / elapsed);
	uint32_t before = atomic_load_explicit(&b->busy, memory_order_relaxed);

	/* A long sleep says all by itself; what was before it is no longer of interest. */
	if (elapsed < 4 * BALANCE_WINDOW_NS)
		now = (3 * before + now) / 4;
	atomic_store_explicit(&b->busy, now, memory_order_relaxed);
	b->window_ns = shard->now_ns;
	b->thread_ns = thread;
}

static uint32_t connections_of(const struct relay *relay, unsigned shard)
{
	return atomic_load_explicit(&relay->shards[shard]->balance.connections, memory_order_relaxed);
}

unsigned balance_connection(const struct relay *relay)
{
	unsigned fewest = 0;

	for (unsigned i = 1; i < relay->shard_count; i++) {
		if (connections_of(relay, i) < connections_of(relay, fewest))
			fewest = i;
	}
	for (unsigned chosen = 0; chosen < relay->shard_count; chosen++) {
		const struct balance *b = &relay->shards[chosen]->balance;
		if (atomic_load_explicit(&b->busy, memory_order_relaxed) < BALANCE_SPARE &&
		    connections_of(relay, chosen) < connections_of(relay, fewest) + BALANCE_CONNECTIONS)
			return chosen;
	}
	return fewest;
}

void balance_connection_came(struct shard *shard)
{
	atomic_fetch_add_explicit(&shard->balance.connections, 1, memory_order_relaxed);
}

void balance_connection_gone(struct shard *shard)
{
	atomic_fetch_sub_explicit(&shard->balance.connections, 1, memory_order_relaxed);
}

void balance_lane_ready(struct shard *shard, unsigned lane, uint64_t ready_count)
{
	_Atomic(uint32_t) *shown = &shard->relay->lanes[lane].ready;
	uint64_t steps = ready_count / BALANCE_READY_STEP;
	uint32_t value = steps > UINT32_MAX ? UINT32_MAX : (uint32_t)steps;

	/* Written rarely, so that the others' copies of the cache line stay good. */
	if (atomic_load_explicit(shown, memory_order_relaxed) != value)
		atomic_store_explicit(shown, value, memory_order_relaxed);
}

bool balance_leave(uint64_t ready_home, uint64_t ready_there, uint32_t busy_home, uint32_t busy_there)
{
	return ready_home > ready_there + BALANCE_READY ||
	       (busy_home >= BALANCE_BUSY && busy_there + BALANCE_BUSY_LESS <= busy_home);
}

static uint64_t ready_of(const struct relay *relay, unsigned lane)
{
	return (uint64_t)atomic_load_explicit(&relay->lanes[lane].ready, memory_order_relaxed) * BALANCE_READY_STEP;
}

static uint32_t busy_of(const struct relay *relay, unsigned lane)
{
	return atomic_load_explicit(&relay->shards[relay->lanes[lane].owner]->balance.busy, memory_order_relaxed);
}

unsigned balance_choose(const struct shard *shard, unsigned destination, uint64_t hash)
{
	const struct relay *relay = shard->relay;
	const struct destination_plan *plan = &relay->destinations[destination];
	unsigned there = plan->first_lane + (unsigned)(hash % plan->lanes);
	/* The lanes' owners are consecutive shards (relay.c). */
	unsigned first = relay->lanes[plan->first_lane].owner;
	unsigned offset = (shard->index + relay->shard_count - first) % relay->shard_count;

	if (offset >= plan->lanes)
		return there; /* this shard has none */
	unsigned home = plan->first_lane + offset;
	if (home == there ||
	    !balance_leave(ready_of(relay, home), ready_of(relay, there), busy_of(relay, home), busy_of(relay, there)))
		return home;
	return there;
}
