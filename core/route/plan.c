/*
 * core/route/plan.c - see plan.h.
 */
#include "core/route/plan.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "queue/hash.h"

static unsigned lanes_of(const struct config_destination *destination, unsigned shards)
{
	unsigned connections = config_connections(destination);

	/* Lanes would hold the connections of mailboxes that others have mail for. */
	if (destination->sender == CONFIG_SENDER_MATCH)
		return 1;
	/* Connections are counted for each site. */
	if (destination->mx)
		return shards;
	return connections < shards ? connections : shards;
}

/* The last of its fallbacks, or itself. */
static const struct config_destination *last_of(const struct config *config,
						const struct config_destination *destination)
{
	while (destination->fallback > 0)
		destination = &config->destinations[destination->fallback - 1];
	return destination;
}

/* A shard that has one of its lanes has one of its fallback as well. */
static unsigned lanes_with_fallback(const struct config *config, const struct config_destination *destination,
				    unsigned shards)
{
	unsigned lanes = lanes_of(destination, shards);

	while (destination->fallback > 0) {
		destination = &config->destinations[destination->fallback - 1];
		lanes = lanes_of(destination, shards) < lanes ? lanes_of(destination, shards) : lanes;
	}
	return lanes;
}

/* It takes over for one that was planned for before. */
static bool takes_over(const struct plan *plan, const struct config *config, size_t destination)
{
	size_t d;

	for (d = 0; d < plan->destination_count; d++) {
		if (config->destinations[d].fallback == destination + 1)
			return true;
	}
	return false;
}

void plan_extend(struct plan *plan, const struct config *config, unsigned shard_count)
{
	unsigned i;

	for (; plan->destination_count < config->destination_count; plan->destination_count++) {
		size_t d = plan->destination_count;
		const struct config_destination *destination = &config->destinations[d];
		const struct config_destination *last = last_of(config, destination);
		unsigned lanes = lanes_with_fallback(config, destination, shard_count), first = plan->lane_count;
		/* The first lane's owner comes from the name, so that small destinations do not all live on shard 0. */
		uint64_t hash = queue_hash(last->name, strlen(last->name));

		if (takes_over(plan, config, d))
			lanes = shard_count;
		plan->destinations[d] = (struct destination_plan){.first_lane = first, .lanes = lanes};
		for (i = 0; i < lanes; i++) {
			struct lane_plan *lane = &plan->lanes[first + i];
			lane->destination = (uint16_t)d;
			lane->owner = (uint16_t)((hash + i) % shard_count);
		}
		plan->lane_count += lanes;
	}
}

static bool is_fallback(const struct config *config, size_t destination)
{
	size_t d;

	for (d = 0; d < config->destination_count; d++) {
		if (config->destinations[d].fallback == destination + 1)
			return true;
	}
	return false;
}

bool plan_fits(const struct plan *plan, size_t place, const struct config *config, size_t destination,
	       unsigned shard_count)
{
	struct destination_plan *there = &plan->destinations[place];
	unsigned lanes = lanes_with_fallback(config, &config->destinations[destination], shard_count);

	if (atomic_load_explicit(&there->vacant, memory_order_acquire) < there->lanes)
		return false;
	if (is_fallback(config, destination))
		lanes = shard_count;
	/* The lanes of two that belong together stand on the same shards: that is sure where they stand on all. */
	return there->lanes == lanes && (config->destinations[destination].fallback == 0 || lanes == shard_count);
}

void plan_shrink(struct plan *plan, size_t destinations)
{
	if (destinations == plan->destination_count)
		return;
	plan->lane_count = plan->destinations[destinations].first_lane;
	plan->destination_count = destinations;
}

static bool has_lane(const struct plan *plan, size_t destination, uint16_t owner)
{
	const struct destination_plan *lanes = &plan->destinations[destination];
	unsigned i;

	for (i = lanes->first_lane; i < lanes->first_lane + lanes->lanes; i++) {
		if (plan->lanes[i].owner == owner)
			return true;
	}
	return false;
}

bool plan_may_take_over(const struct plan *plan, size_t destination, size_t fallback)
{
	const struct destination_plan *lanes = &plan->destinations[destination];
	unsigned i;

	for (i = lanes->first_lane; i < lanes->first_lane + lanes->lanes; i++) {
		if (!has_lane(plan, fallback, plan->lanes[i].owner))
			return false;
	}
	return true;
}

void plan_trim(struct plan *plan, size_t destination, unsigned lanes)
{
	struct destination_plan *trimmed = &plan->destinations[destination];

	/* Between others' they stay, and nobody is in them. */
	if (destination + 1 == plan->destination_count)
		plan->lane_count = trimmed->first_lane + lanes;
	trimmed->lanes = lanes;
}

int plan_init(struct plan *plan, const struct config *config, unsigned shard_count)
{
	size_t d;

	*plan = (struct plan){0};
	for (d = 0; d < config->destination_count; d++)
		plan->lane_room += lanes_of(&config->destinations[d], shard_count);
	/* A delivery knows its lane by 16 bits, and half of them are for lanes of sites. */
	plan->destination_room = config->destination_count;
	while (plan->destination_room < config->destination_count + PLAN_ROOM &&
	       plan->lane_room + shard_count <= PLAN_LANES) {
		plan->destination_room++;
		plan->lane_room += shard_count;
	}
	plan->destinations = calloc(plan->destination_room + 1, sizeof(*plan->destinations));
	plan->lanes = calloc(plan->lane_room + 1, sizeof(*plan->lanes));
	if (!plan->destinations || !plan->lanes)
		return -ENOMEM;
	plan_extend(plan, config, shard_count);
	return 0;
}

void plan_deinit(struct plan *plan)
{
	free(plan->destinations);
	free(plan->lanes);
}
