/*
 * core/route/place.h - which lane of its destination a message takes.
 *
 * The shard's own, unless another has it easier. A message that is stored and delivered by the shard that received it
 * costs no doorbell, no second turn and no cold cache. So that one busy shard does not keep what others could do, the
 * message's hash names a second lane, and the message goes there when
 *
 *   - clearly less waits in that lane: its share of the destination's connections would go unused otherwise, or
 *   - this shard's thread is nearly always running and that lane's is not: one bulk sender's connection.
 *
 * Both are figures that each shard publishes now and then; being stale makes a choice worse, never wrong.
 */
#ifndef POSTRIDER_ROUTE_PLACE_H
#define POSTRIDER_ROUTE_PLACE_H

#include <stdbool.h>
#include <stdint.h>

enum {
	PLACE_READY = 256,     /* this many deliveries more may wait at home */
	PLACE_READY_STEP = 64, /* how exactly a lane's figure is kept */
	PLACE_BUSY = 850,      /* per mille of the time: a shard that has none to spare */
	PLACE_BUSY_LESS = 250, /* per mille by which another must be less busy to be worth the way */
};

struct shard;

/* After a lane's ready list has changed. */
void place_lane_ready(struct shard *shard, unsigned lane, uint64_t ready_count);
/* The decision alone: true when the message should leave home. */
bool place_leave(uint64_t ready_home, uint64_t ready_there, uint32_t busy_home, uint32_t busy_there);
/* The lane for a new message to the destination; `hash` is the message's. */
unsigned place_choose(const struct shard *shard, unsigned destination, uint64_t hash);

#endif
