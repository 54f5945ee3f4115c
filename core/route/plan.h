/*
 * core/route/plan.h - which lanes each destination has, which shard owns each, and its share of the connections.
 *
 * Made at the start and read by all shards; but for the figures of place.h nothing in it changes.
 */
#ifndef POSTRIDER_ROUTE_PLAN_H
#define POSTRIDER_ROUTE_PLAN_H

#include <stdatomic.h>
#include <stdint.h>

#include "core/config/config.h"

/* One lane of a destination. */
struct lane_plan {
	uint16_t destination;    /* index in the configuration */
	uint16_t owner;          /* shard */
	_Atomic(uint32_t) ready; /* how many wait, in PLACE_READY_STEP; written by the owner (place.h) */
	unsigned connections;    /* this lane's share of the destination's limit, >= 1 */
};

struct destination_plan {
	unsigned first_lane, lanes; /* in plan.lanes */
};

struct plan {
	struct destination_plan *destinations; /* owned, as is `lanes` */
	struct lane_plan *lanes;
	unsigned lane_count;
};

/* A destination has one lane per shard, or one per allowed connection if those are fewer; connection limits are shared
 * out, so they hold exactly without any lock. 0 or -ENOMEM. */
int plan_init(struct plan *plan, const struct config *config, unsigned shard_count);
void plan_deinit(struct plan *plan);

#endif
