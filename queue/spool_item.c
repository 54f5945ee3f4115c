/*
 * queue/spool_item.c - the items that are known, by id.
 *
 * Compaction reads a segment from its beginning and asks of each record whom it belongs to; nothing else asks. Linear
 * hashing: with each item that comes or goes at most one bucket is split or joined, so that no append waits for a
 * million others to move. A bucket for each item, 8 octets, and one pointer in the item.
 */
#include <assert.h>
#include <stdlib.h>

#include "queue/spool_private.h"

enum { BUCKETS_MIN = 64 };

/* Of those in use now. */
static uint32_t bucket_of(const struct spool_index *index, const struct spool_id *id)
{
	uint32_t hash = spool_id_hash(id);
	uint32_t bucket = hash & (2 * index->half - 1);
	return bucket < index->used ? bucket : hash & (index->half - 1);
}

int spool_index_init(struct spool_index *index)
{
	index->buckets = calloc(BUCKETS_MIN, sizeof(struct spool_item *));
	index->capacity = index->used = BUCKETS_MIN;
	index->half = BUCKETS_MIN / 2;
	return index->buckets ? 0 : -ENOMEM;
}

void spool_index_free(struct spool_index *index)
{
	free(index->buckets);
}

static bool index_resize(struct spool_index *index, uint32_t capacity)
{
	struct spool_item **buckets = realloc(index->buckets, capacity * sizeof(struct spool_item *));
	if (!buckets)
		return false;
	index->buckets = buckets;
	index->capacity = capacity;
	return true;
}

/* Without memory the chains grow instead. */
static void index_split(struct spool_index *index)
{
	if (index->used == index->capacity &&
	    (index->capacity > UINT32_MAX / 4 || !index_resize(index, 2 * index->capacity)))
		return;
	if (index->used == 2 * index->half)
		index->half *= 2;
	uint32_t fresh = index->used++;
	index->buckets[fresh] = NULL;
	struct spool_item **link = &index->buckets[fresh - index->half], *item;
	while ((item = *link)) {
		if (bucket_of(index, &item->id) != fresh) {
			link = &item->next;
			continue;
		}
		*link = item->next;
		item->next = index->buckets[fresh];
		index->buckets[fresh] = item;
	}
}

static void index_join(struct spool_index *index)
{
	uint32_t last = --index->used;
	struct spool_item **link = &index->buckets[last - index->half];
	while (*link)
		link = &(*link)->next;
	*link = index->buckets[last];
	if (index->used == index->half)
		index->half /= 2;
	if (index->used >= BUCKETS_MIN && index->used <= index->capacity / 4)
		(void)index_resize(index, index->capacity / 2);
}

struct spool_item *spool_find(const struct spool *spool, const struct spool_id *id)
{
	struct spool_item *item = spool->index.buckets[bucket_of(&spool->index, id)];
	while (item && !spool_id_same(&item->id, id))
		item = item->next;
	return item;
}

static struct spool_item **item_link(struct spool *spool, struct spool_item *item)
{
	struct spool_item **link = &spool->index.buckets[bucket_of(&spool->index, &item->id)];
	while (*link && *link != item)
		link = &(*link)->next;
	return link;
}

void spool_item_know(struct spool *spool, struct spool_item *item)
{
	struct spool_index *index = &spool->index;
	struct spool_item **link = item_link(spool, item);
	if (*link)
		return;
	assert(!index->walking);
	item->next = NULL;
	*link = item;
	if (++index->items > index->used)
		index_split(index);
}

void spool_item_forget(struct spool *spool, struct spool_item *item)
{
	struct spool_index *index = &spool->index;
	struct spool_item **link = item_link(spool, item);
	if (!*link)
		return;
	*link = item->next;
	item->next = NULL;
	--index->items;
	if (!index->walking && index->used > BUCKETS_MIN && index->items < index->used / 2)
		index_join(index);
}

void spool_adopt(struct spool *spool, struct spool_item *item)
{
	item->move = 0;
	spool_item_know(spool, item);
}

void spool_items(struct spool *spool, void (*fn)(void *context, struct spool_item *item), void *context)
{
	struct spool_index *index = &spool->index;

	assert(!index->walking);
	index->walking = true;
	for (uint32_t i = 0; i < index->used; i++) {
		struct spool_item *next;
		for (struct spool_item *item = index->buckets[i]; item; item = next) {
			next = item->next;
			fn(context, item);
		}
	}
	index->walking = false;
}

uint32_t spool_items_of(struct spool *spool, uint32_t place, void (*fn)(void *context, struct spool_item *item),
			void *context)
{
	struct spool_index *index = &spool->index;

	if (place >= index->used)
		return 0;
	for (struct spool_item *item = index->buckets[place]; item; item = item->next)
		fn(context, item);
	return place + 1 < index->used ? place + 1 : 0;
}

/*
 * A bucket has the items whose hashes end in the same bits, so read from its last bit on a hash is a place in an order
 * in which each bucket is an interval, before and after it is split or joined: places never change, only borders.
 */
static uint32_t place_of(uint32_t hash)
{
	hash = (hash >> 1 & 0x55555555) | (hash & 0x55555555) << 1;
	hash = (hash >> 2 & 0x33333333) | (hash & 0x33333333) << 2;
	hash = (hash >> 4 & 0x0f0f0f0f) | (hash & 0x0f0f0f0f) << 4;
	return __builtin_bswap32(hash);
}

/* Where the interval of bucket `bucket` ends. */
static uint64_t bucket_end(const struct spool_index *index, uint32_t bucket)
{
	/* Those that are split already, and those that came of it, have one bit more. */
	bool split = bucket >= index->half || bucket + index->half < index->used;
	uint32_t size = split ? 2 * index->half : index->half;

	return place_of(bucket) + (UINT64_C(1) << 32) / size;
}

/* The least place in the bucket that is not before `place`; UINT64_MAX: none is. */
static uint64_t first_place(const struct spool_item *item, uint64_t place)
{
	uint64_t first = UINT64_MAX;

	for (; item; item = item->next) {
		uint64_t its = place_of(spool_id_hash(&item->id));
		if (its >= place && its < first)
			first = its;
	}
	return first;
}

uint64_t spool_items_from(struct spool *spool, uint64_t place, void (*fn)(void *context, struct spool_item *item),
			  void *context)
{
	struct spool_index *index = &spool->index;
	uint32_t hash = place_of((uint32_t)place);
	uint32_t bucket = hash & (2 * index->half - 1);
	struct spool_item *item, *next;
	uint64_t first;

	if (place >> 32)
		return 0;
	bucket = bucket < index->used ? bucket : hash & (index->half - 1);
	first = first_place(index->buckets[bucket], place);
	if (first == UINT64_MAX) {
		first = bucket_end(index, bucket);
		return first >> 32 ? 0 : first;
	}
	index->walking = true;
	for (item = index->buckets[bucket]; item; item = next) {
		next = item->next;
		if (place_of(spool_id_hash(&item->id)) == first)
			fn(context, item);
	}
	index->walking = false;
	return first + 1 > UINT32_MAX ? 0 : first + 1;
}
