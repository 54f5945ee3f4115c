/*
 * core/route/plan.h - which lanes each destination has, and which shard owns each.
 *
 * Made at the start and read by all shards; but for the figures of place.h, and `vacant`, nothing in it changes, except
 * that destinations may be added behind the others, in the room left for them, before any shard hears of them.
 */
#ifndef POSTRIDER_ROUTE_PLAN_H
#define POSTRIDER_ROUTE_PLAN_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/config/config.h"

/* One lane of a destination. */
struct lane_plan {
	uint16_t destination;    /* index in the configuration */
	uint16_t owner;          /* shard */
	_Atomic(uint32_t) ready; /* how many wait, in PLACE_READY_STEP; written by the owner (place.h) */
};

struct destination_plan {
	unsigned first_lane, lanes; /* in plan.lanes */
	_Atomic(uint32_t) vacant;   /* lanes to which nothing refers: of one that is gone. Counted by their owners */
};

struct plan {
	struct destination_plan *destinations; /* owned, as is `lanes` */
	struct lane_plan *lanes;
	unsigned lane_count; /* only for who plans: shards go by what they know */
	unsigned lane_room;
	size_t destination_count, destination_room;
};

enum {
	PLAN_ROOM = 2048,   /* destinations beside those of the start; fewer where there are many shards */
	PLAN_LANES = 32767, /* for which there is room in any case */
};

/* A destination whose mailboxes send as different senders has one lane, of which each connection can be had. Others
 * have one lane per shard, or one per allowed connection if those are fewer when it is planned, so that
 * its lanes do not have to take turns with connections (slots.h) but where there are fewer later. The lanes of one that
 * has a fallback stand on the shards of the fallback's. 0 or -ENOMEM. */
int plan_init(struct plan *plan, const struct config *config, unsigned shard_count);
void plan_deinit(struct plan *plan);
/* Adds the destinations that the configuration has behind those planned for. There is room for them. */
void plan_extend(struct plan *plan, const struct config *config, unsigned shard_count);
/* Takes back what plan_extend() has added behind so many destinations; no shard has heard of it. */
void plan_shrink(struct plan *plan, size_t destinations);
/* Nothing refers to the lanes of `place`, and there are as many as the destination would have elsewhere. */
bool plan_fits(const struct plan *plan, size_t place, const struct config *config, size_t destination,
	       unsigned shard_count);
/* Each shard that has a lane of the destination has one of the other. */
bool plan_may_take_over(const struct plan *plan, size_t destination, size_t fallback);
/* It is a lane of its destination still: what plan_trim() leaves between others' is none, and never vacant. */
static inline bool plan_has_lane(const struct plan *plan, unsigned lane)
{
	const struct destination_plan *its = &plan->destinations[plan->lanes[lane].destination];

	return lane - its->first_lane < its->lanes;
}
/* Fewer lanes for a destination, before any shard hears of them: nothing may be in the others. */
void plan_trim(struct plan *plan, size_t destination, unsigned lanes);

#endif
