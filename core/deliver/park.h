/*
 * core/deliver/park.h - deliveries that are not to go on, since an operator said so while they were away (steer.h).
 *
 * An order to hold or to delete is on the disk as a hold before it is confirmed. What stands in a lane leaves it at
 * once; what has an attempt, or waits for its record, has the order noted (`delivery.order`) and is parked when it
 * comes back, from wherever that is: it stands in no lane then. So whoever is about to put a delivery into a lane, or
 * to give it to a connection, asks here first.
 */
#ifndef POSTRIDER_DELIVER_PARK_H
#define POSTRIDER_DELIVER_PARK_H

#include <stdbool.h>

#include "queue/lane.h"

struct shard;

static inline bool parks(const struct delivery *d)
{
	return d->order != DELIVERY_GO_ON;
}

/* It is on no list, and HELD from now on; one that is to be deleted is so in the next turn. */
void park(struct shard *shard, struct delivery *d);

#endif
