/*
 * queue/spool_trail.h - places that messages were moved from before the last, and that are still on the disk.
 *
 * Purpose
 *   A done record names every place with a record of its message. Two are in the item; where it was moved more often
 *   than old segments left the disk, the others are here. Few items have one, and none for long.
 *
 * Failure
 *   -ENOMEM: nothing was added.
 */
#ifndef POSTRIDER_QUEUE_SPOOL_TRAIL_H
#define POSTRIDER_QUEUE_SPOOL_TRAIL_H

#include "queue/spool.h"

struct spool_track {
	struct spool_id id;
	uint32_t segment;
	uint32_t next;
};

struct spool_trail {
	struct spool_track *tracks;
	uint32_t count, capacity;
	uint32_t *buckets; /* as many as capacity */
};

int spool_trail_add(struct spool_trail *trail, const struct spool_id *id, uint32_t segment);
/* The places of `id`, `max` at most; how many there are. */
unsigned spool_trail_get(const struct spool_trail *trail, const struct spool_id *id, uint32_t *segments, unsigned max);
void spool_trail_forget(struct spool_trail *trail, const struct spool_id *id);
void spool_trail_forget_segment(struct spool_trail *trail, uint32_t segment);
void spool_trail_free(struct spool_trail *trail);

#endif
