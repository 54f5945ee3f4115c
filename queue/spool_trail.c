/* queue/spool_trail.c - see spool_trail.h. */
#include "queue/spool_trail.h"

#include <stdlib.h>
#include <string.h>

#include "queue/spool_format.h"

enum { NONE = UINT32_MAX, FIRST = 64 };

static uint32_t *bucket_of(const struct spool_trail *trail, const struct spool_id *id)
{
	return &trail->buckets[(uint32_t)spool_hash(id, sizeof *id, 0) & (trail->capacity - 1)];
}

static void chain(struct spool_trail *trail)
{
	memset(trail->buckets, 0xff, trail->capacity * sizeof *trail->buckets);
	for (uint32_t i = 0; i < trail->count; i++) {
		uint32_t *bucket = bucket_of(trail, &trail->tracks[i].id);
		trail->tracks[i].next = *bucket;
		*bucket = i;
	}
}

static int grow(struct spool_trail *trail)
{
	uint32_t capacity = trail->capacity ? 2 * trail->capacity : FIRST;
	struct spool_track *tracks = realloc(trail->tracks, capacity * sizeof *tracks);
	if (!tracks)
		return -ENOMEM;
	trail->tracks = tracks;
	uint32_t *buckets = realloc(trail->buckets, capacity * sizeof *buckets);
	if (!buckets)
		return -ENOMEM;
	trail->buckets = buckets;
	trail->capacity = capacity;
	chain(trail);
	return 0;
}

int spool_trail_add(struct spool_trail *trail, const struct spool_id *id, uint32_t segment)
{
	if (trail->count == trail->capacity && grow(trail) < 0)
		return -ENOMEM;
	uint32_t *bucket = bucket_of(trail, id);
	trail->tracks[trail->count] = (struct spool_track){*id, segment, *bucket};
	*bucket = trail->count++;
	return 0;
}

static bool same(const struct spool_id *a, const struct spool_id *b)
{
	return a->high == b->high && a->low == b->low;
}

unsigned spool_trail_get(const struct spool_trail *trail, const struct spool_id *id, uint32_t *segments, unsigned max)
{
	unsigned count = 0;
	if (trail->count == 0)
		return 0;
	for (uint32_t i = *bucket_of(trail, id); i != NONE; i = trail->tracks[i].next) {
		if (!same(&trail->tracks[i].id, id))
			continue;
		if (count < max)
			segments[count] = trail->tracks[i].segment;
		count++;
	}
	return count;
}

/* The last one takes its place. */
static void track_drop(struct spool_trail *trail, uint32_t at)
{
	uint32_t *link = bucket_of(trail, &trail->tracks[at].id), last = --trail->count;
	while (*link != at)
		link = &trail->tracks[*link].next;
	*link = trail->tracks[at].next;
	if (at == last)
		return;
	link = bucket_of(trail, &trail->tracks[last].id);
	while (*link != last)
		link = &trail->tracks[*link].next;
	*link = at;
	trail->tracks[at] = trail->tracks[last];
}

void spool_trail_forget(struct spool_trail *trail, const struct spool_id *id)
{
	uint32_t i = trail->count ? *bucket_of(trail, id) : NONE;
	while (i != NONE) {
		if (same(&trail->tracks[i].id, id)) {
			track_drop(trail, i);
			i = *bucket_of(trail, id);
		} else {
			i = trail->tracks[i].next;
		}
	}
}

void spool_trail_forget_segment(struct spool_trail *trail, uint32_t segment)
{
	uint32_t kept = 0;
	for (uint32_t i = 0; i < trail->count; i++)
		if (trail->tracks[i].segment != segment)
			trail->tracks[kept++] = trail->tracks[i];
	if (kept == trail->count)
		return;
	trail->count = kept;
	if (kept == 0)
		spool_trail_free(trail);
	else
		chain(trail);
}

void spool_trail_free(struct spool_trail *trail)
{
	free(trail->tracks);
	free(trail->buckets);
	*trail = (struct spool_trail){0};
}
