/*
 * core/shard/shard.c - see shard.h.
 */
#include "core/shard/shard.h"

#include "core/base/clock.h"

void shard_clock_start(struct shard *shard)
{
	shard->now_ns = clock_monotonic_ns();
	shard->started_ns = shard->now_ns;
	shard->started_wall_ns = clock_wall_ns();
}

uint64_t shard_age_ns(const struct shard *shard, uint64_t accepted_wall_ns)
{
	uint64_t wall = clock_wall_ns();
	/* What the wall clock says now if it had run like the monotonic one. */
	uint64_t steady = shard->started_wall_ns + (shard->now_ns - shard->started_ns);

	if (wall > steady)
		wall = steady;
	return wall > accepted_wall_ns ? wall - accepted_wall_ns : 0;
}

uint64_t shard_ms_since(const struct shard *shard, uint64_t then_ns)
{
	return shard->now_ns > then_ns ? (shard->now_ns - then_ns) / CLOCK_NS_PER_MS : 0;
}

void shard_stop(struct shard *shard)
{
	atomic_store(&shard->stop, true);
}
