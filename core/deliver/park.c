/*
 * core/deliver/park.c - see park.h.
 */
#include "core/deliver/park.h"

#include "core/base/clock.h"
#include "core/deliver/deliverer.h"
#include "core/shard/shard.h"

void park(struct shard *shard, struct delivery *d)
{
	d->place = DELIVERY_HELD;
	d->due_ns = clock_wall_ns();
	/* The lane that it was lent to may be another's by the time it goes on. */
	if (d->home)
		d->lane = (uint16_t)(d->home - 1);
	d->home = 0;
	if (d->order == DELIVERY_DELETE)
		list_append(&shard->deliverer->deleting, &d->link);
	else
		d->order = DELIVERY_GO_ON;
}
