/*
 * queue/spool_trail.h - where messages were before they were moved, as long as those segments are on the disk.
 *
 * Purpose
 *   A done record names every place with a record of its message. The item knows where it is; where it was is here: for
 *   each segment out of which something was moved, the ids. They go with the segment, all at once, and by then few are
 *   left of anybody's interest. An item that was never moved, as nearly all, is not looked for (spool_item.trailed).
 *
 * Failure
 *   -ENOMEM: nothing was added.
 */
#ifndef POSTRIDER_QUEUE_SPOOL_TRAIL_H
#define POSTRIDER_QUEUE_SPOOL_TRAIL_H

#include "queue/spool.h"

struct spool_track {
	struct spool_id id;
	uint32_t next; /* in its bucket */
};

/* What was moved out of one segment. */
struct spool_left {
	uint32_t segment;
	uint32_t count, capacity;
	uint32_t *buckets; /* as many as capacity */
	struct spool_track *tracks;
};

struct spool_trail {
	struct spool_left *left;
	unsigned count, capacity;
};

/* Once for each move. */
int spool_trail_add(struct spool_trail *trail, const struct spool_id *id, uint32_t segment);
/* The places of `id`, `max` at most; how many there are. */
unsigned spool_trail_get(const struct spool_trail *trail, const struct spool_id *id, uint32_t *segments, unsigned max);
/* What was in that segment is not on the disk any more. */
void spool_trail_forget(struct spool_trail *trail, uint32_t segment);
void spool_trail_free(struct spool_trail *trail);

#endif
