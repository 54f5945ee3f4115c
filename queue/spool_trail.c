/* queue/spool_trail.c - see spool_trail.h. */
#include "queue/spool_trail.h"

#include <stdlib.h>
#include <string.h>

#include "queue/spool_format.h"

enum { NONE = UINT32_MAX, FIRST = 64, SEGMENTS_FIRST = 8 };

/* ---- of one segment ---- */

static void chain(struct spool_left *left)
{
	memset(left->buckets, 0xff, left->capacity * sizeof *left->buckets);
	for (uint32_t i = 0; i < left->count; i++) {
		uint32_t *bucket = &left->buckets[spool_id_hash(&left->tracks[i].id) & (left->capacity - 1)];
		left->tracks[i].next = *bucket;
		*bucket = i;
	}
}

static int left_grow(struct spool_left *left)
{
	uint32_t capacity = left->capacity ? 2 * left->capacity : FIRST;
	struct spool_track *tracks = realloc(left->tracks, capacity * sizeof *tracks);
	if (!tracks)
		return -ENOMEM;
	left->tracks = tracks;
	uint32_t *buckets = realloc(left->buckets, capacity * sizeof *buckets);
	if (!buckets)
		return -ENOMEM;
	left->buckets = buckets;
	left->capacity = capacity;
	chain(left);
	return 0;
}

static bool left_has(const struct spool_left *left, const struct spool_id *id, uint32_t hash)
{
	uint32_t i = left->count ? left->buckets[hash & (left->capacity - 1)] : NONE;
	while (i != NONE && !spool_id_same(&left->tracks[i].id, id))
		i = left->tracks[i].next;
	return i != NONE;
}

static void left_free(struct spool_left *left)
{
	free(left->tracks);
	free(left->buckets);
}

/* ---- of all ---- */

/* Compaction takes one segment after the other. */
static struct spool_left *left_of(struct spool_trail *trail, uint32_t segment)
{
	for (unsigned i = trail->count; i-- > 0;)
		if (trail->left[i].segment == segment)
			return &trail->left[i];
	if (trail->count == trail->capacity) {
		unsigned capacity = trail->capacity ? 2 * trail->capacity : SEGMENTS_FIRST;
		struct spool_left *grown = realloc(trail->left, capacity * sizeof *grown);
		if (!grown)
			return NULL;
		trail->left = grown;
		trail->capacity = capacity;
	}
	struct spool_left *left = &trail->left[trail->count++];
	*left = (struct spool_left){.segment = segment};
	return left;
}

int spool_trail_add(struct spool_trail *trail, const struct spool_id *id, uint32_t segment)
{
	struct spool_left *left = left_of(trail, segment);
	if (!left || (left->count == left->capacity && left_grow(left) < 0))
		return -ENOMEM;
	uint32_t *bucket = &left->buckets[spool_id_hash(id) & (left->capacity - 1)];
	left->tracks[left->count] = (struct spool_track){*id, *bucket};
	*bucket = left->count++;
	return 0;
}

unsigned spool_trail_get(const struct spool_trail *trail, const struct spool_id *id, uint32_t *segments, unsigned max)
{
	uint32_t hash = trail->count ? spool_id_hash(id) : 0;
	unsigned count = 0;
	for (unsigned i = 0; i < trail->count; i++) {
		if (!left_has(&trail->left[i], id, hash))
			continue;
		if (count < max)
			segments[count] = trail->left[i].segment;
		count++;
	}
	return count;
}

void spool_trail_forget(struct spool_trail *trail, uint32_t segment)
{
	for (unsigned i = 0; i < trail->count; i++)
		if (trail->left[i].segment == segment) {
			left_free(&trail->left[i]);
			trail->left[i] = trail->left[--trail->count];
			break;
		}
	if (trail->count == 0)
		spool_trail_free(trail);
}

void spool_trail_free(struct spool_trail *trail)
{
	for (unsigned i = 0; i < trail->count; i++)
		left_free(&trail->left[i]);
	free(trail->left);
	*trail = (struct spool_trail){0};
}
