/*
 * core/route/plan.c - see plan.h.
 */
#include "core/route/plan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "queue/hash.h"

static unsigned lanes_of(const struct config_destination *destination, unsigned shards)
{
	return destination->connections < shards ? destination->connections : shards;
}

static void plan_lanes(struct plan *plan, const struct config *config, unsigned shard_count)
{
	unsigned next = 0, i;
	size_t d;

	for (d = 0; d < config->destination_count; d++) {
		const struct config_destination *destination = &config->destinations[d];
		unsigned lanes = lanes_of(destination, shard_count);
		/* The first lane's owner comes from the name, so that small destinations do not all live on shard 0. */
		uint64_t hash = queue_hash(destination->name, strlen(destination->name));

		plan->destinations[d] = (struct destination_plan){next, lanes};
		for (i = 0; i < lanes; i++) {
			struct lane_plan *lane = &plan->lanes[next++];
			lane->destination = (uint16_t)d;
			lane->owner = (uint16_t)((hash + i) % shard_count);
			lane->connections = destination->connections / lanes + (i < destination->connections % lanes);
		}
	}
}

int plan_init(struct plan *plan, const struct config *config, unsigned shard_count)
{
	size_t d;

	*plan = (struct plan){0};
	for (d = 0; d < config->destination_count; d++)
		plan->lane_count += lanes_of(&config->destinations[d], shard_count);
	plan->destinations = calloc(config->destination_count + 1, sizeof(*plan->destinations));
	plan->lanes = calloc(plan->lane_count + 1, sizeof(*plan->lanes));
	if (!plan->destinations || !plan->lanes)
		return -ENOMEM;
	plan_lanes(plan, config, shard_count);
	return 0;
}

void plan_deinit(struct plan *plan)
{
	free(plan->destinations);
	free(plan->lanes);
}
