/*
 * core/route/place.c - see place.h.
 */
#include "core/route/place.h"

#include "core/route/plan.h"
#include "core/shard/shard.h"

void place_lane_ready(struct shard *shard, unsigned lane, uint64_t ready_count)
{
	_Atomic(uint32_t) *shown = &shard->plan->lanes[lane].ready;
	uint64_t steps = ready_count / PLACE_READY_STEP;
	uint32_t value = steps > UINT32_MAX ? UINT32_MAX : (uint32_t)steps;

	/* Written rarely, so that the others' copies of the cache line stay good. */
	if (atomic_load_explicit(shown, memory_order_relaxed) != value)
		atomic_store_explicit(shown, value, memory_order_relaxed);
}

bool place_leave(uint64_t ready_home, uint64_t ready_there, uint32_t busy_home, uint32_t busy_there)
{
	return ready_home > ready_there + PLACE_READY ||
	       (busy_home >= PLACE_BUSY && busy_there + PLACE_BUSY_LESS <= busy_home);
}

static uint64_t ready_of(const struct plan *plan, unsigned lane)
{
	return (uint64_t)atomic_load_explicit(&plan->lanes[lane].ready, memory_order_relaxed) * PLACE_READY_STEP;
}

static uint32_t busy_of(const struct shard *shard, unsigned lane)
{
	return atomic_load_explicit(&shard->all[shard->plan->lanes[lane].owner]->load.busy, memory_order_relaxed);
}

unsigned place_choose(const struct shard *shard, unsigned destination, uint64_t hash)
{
	const struct plan *plan = shard->plan;
	const struct destination_plan *lanes = &plan->destinations[destination];
	unsigned there = lanes->first_lane + (unsigned)(hash % lanes->lanes);
	/* The lanes' owners are consecutive shards (plan.c). */
	unsigned first = plan->lanes[lanes->first_lane].owner;
	unsigned offset = (shard->index + shard->count - first) % shard->count;

	if (offset >= lanes->lanes)
		return there; /* this shard has none */
	unsigned home = lanes->first_lane + offset;
	if (home == there ||
	    !place_leave(ready_of(plan, home), ready_of(plan, there), busy_of(shard, home), busy_of(shard, there)))
		return home;
	return there;
}
