/*
 * queue/spool_item.c - the items that are known, by id.
 *
 * Compaction reads a segment from its beginning and asks of each record whom it belongs to; who looks at the queue, or
 * steers it, goes through all of them, some at a time. Linear hashing: with each item that comes or goes at most one
 * bucket is split or joined, so that no append waits for a million others to move. A bucket for each item, 8 octets,
 * and one pointer in the item.
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

void spool_items(struct spool *spool, spool_item_fn *fn, void *context)
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

uint32_t spool_items_of(struct spool *spool, uint32_t place, spool_item_fn *fn, void *context)
{
	struct spool_index *index = &spool->index;

	if (place >= index->used)
		return 0;
	for (struct spool_item *item = index->buckets[place]; item; item = item->next)
		fn(context, item);
	return place + 1 < index->used ? place + 1 : 0;
}

/* ---- a walk ------------------------------------------------------------------------------------------------------ */

/*
 * A bucket has the items whose hashes end in the same bits, so read from its last bit on a hash is a place in an order
 * in which each bucket is an interval, before and after it is split or joined: places never change, only borders.
 *
 * Neighbours in this order are half of all buckets apart in memory, and a walk along it would wait for each of them,
 * and for its items, since no cache keeps what lies at distances of powers of two. So it goes in rows: the last bits of
 * a hash are its column, the others, read backwards, its place in the column; a row is an interval of places, as wide
 * as a bucket is when the walk comes to it, in one column after the other, and its buckets are neighbours in memory.
 * Items are anywhere in any order: those of some columns are asked for together, and all of them waited for once.
 *
 * A cursor has the width of its row, the column, and the place: whatever is split or joined meanwhile, the rows before
 * it have been, and those behind it have not.
 */
enum {
	COLUMN_BITS = 6,
	COLUMNS = 1 << COLUMN_BITS,
	PLACE_BITS = 32 - COLUMN_BITS,
	AHEAD = 16,     /* columns */
	LINE = 64,      /* octets that come at once */
	ITEM_LINES = 3, /* of an item, and of what it is part of */
};

static_assert((int)COLUMNS == (int)BUCKETS_MIN, "all items of a bucket are in one column");

static uint32_t reversed(uint32_t hash)
{
	hash = (hash >> 1 & 0x55555555) | (hash & 0x55555555) << 1;
	hash = (hash >> 2 & 0x33333333) | (hash & 0x33333333) << 2;
	hash = (hash >> 4 & 0x0f0f0f0f) | (hash & 0x0f0f0f0f) << 4;
	return __builtin_bswap32(hash);
}

static uint32_t place_of(uint32_t hash)
{
	return reversed(hash) & ((1u << PLACE_BITS) - 1);
}

struct row {
	unsigned width_bits;
	uint32_t begin, end; /* places */
};

static struct row row_at(uint32_t place, unsigned width_bits)
{
	uint32_t begin = place >> width_bits << width_bits;

	return (struct row){width_bits, begin, begin + (1u << width_bits)};
}

/* As wide as a bucket that is not split, and beginning where the one before it has ended. */
static struct row next_row(const struct spool_index *index, uint32_t place)
{
	unsigned bits = 32 - (unsigned)__builtin_ctz(index->half);

	if (bits > PLACE_BITS)
		bits = PLACE_BITS;
	if (place > 0 && bits > (unsigned)__builtin_ctz(place))
		bits = (unsigned)__builtin_ctz(place);
	return row_at(place, bits);
}

/* 0: there is nothing behind it. */
static uint64_t cursor_of(const struct spool_index *index, const struct row *row, unsigned column, uint32_t place)
{
	struct row next = *row;

	if (place >= row->end) {
		column++;
		place = row->begin;
	}
	if (column == COLUMNS) {
		if (row->end >> PLACE_BITS)
			return 0;
		next = next_row(index, row->end);
		column = 0;
		place = next.begin;
	}
	return (uint64_t)next.width_bits << 32 | (uint64_t)column << PLACE_BITS | place;
}

/* The bucket that has them. */
static uint32_t bucket_at(const struct spool_index *index, unsigned column, uint32_t place)
{
	uint32_t hash = reversed(place) | column;
	uint32_t bucket = hash & (2 * index->half - 1);

	return bucket < index->used ? bucket : hash & (index->half - 1);
}

/* Where the interval of bucket `bucket` ends. */
static uint32_t bucket_end(const struct spool_index *index, uint32_t bucket)
{
	/* Those that are split already, and those that came of it, have one bit more. */
	bool split = bucket >= index->half || bucket + index->half < index->used;
	uint64_t size = split ? 2 * (uint64_t)index->half : index->half;

	return place_of(bucket) + (uint32_t)((UINT64_C(1) << 32) / size);
}

/* A prefetch of an address whose page is not at hand is dropped by some processors: what is read comes, and nobody
 * waits for it here. */
static void fetch(const struct spool_item *const *items, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		(void)*(const volatile uint16_t *)&items[i]->part_count;
	for (unsigned i = 0; i < count; i++) {
		for (unsigned line = 1; line < ITEM_LINES; line++)
			__builtin_prefetch((const char *)items[i] + (size_t)line * LINE);
	}
}

/* The first item of each bucket, then those behind them. */
static void fetch_ahead(const struct spool_index *index, const struct row *row, unsigned column)
{
	const struct spool_item *items[2 * AHEAD];
	uint32_t half = 1u << row->width_bits >> 1;
	unsigned count = 0, more = 0;

	for (unsigned i = 0; i < AHEAD; i++) {
		uint32_t one = bucket_at(index, column + i, row->begin);
		uint32_t other = bucket_at(index, column + i, row->begin + half);
		if (index->buckets[one])
			items[count++] = index->buckets[one];
		if (other != one && index->buckets[other])
			items[count++] = index->buckets[other];
	}
	fetch(items, count);
	for (unsigned i = 0; i < count; i++) {
		if (items[i]->next)
			items[more++] = items[i]->next;
	}
	fetch(items, more);
}

/* The least place in the bucket from `place` on and before `end`; `end`: there is none. */
static uint32_t first_place(const struct spool_item *item, uint32_t place, uint32_t end)
{
	for (; item; item = item->next) {
		uint32_t its = place_of(spool_id_hash(&item->id));
		if (its >= place && its < end)
			end = its;
	}
	return end;
}

/* Those of a bucket at one place; `all`: at any. */
static void tell(struct spool_item *item, uint32_t place, bool all, spool_item_fn *fn, void *context)
{
	struct spool_item *next;

	for (; item; item = next) {
		next = item->next;
		if (all || place_of(spool_id_hash(&item->id)) == place)
			fn(context, item);
	}
}

/* What is in the column from `place` on, before `end`: of the next bucket with `many`, of one place without. Where to
 * go on. */
static uint32_t tell_next(const struct spool_index *index, unsigned column, uint32_t place, uint32_t end, bool many,
			  spool_item_fn *fn, void *context)
{
	uint32_t bucket = bucket_at(index, column, place), its_end = bucket_end(index, bucket), first;

	if (many && place_of(bucket) == place && its_end <= end) {
		tell(index->buckets[bucket], 0, true, fn, context);
		return its_end;
	}
	end = its_end < end ? its_end : end;
	first = first_place(index->buckets[bucket], place, end);
	if (first == end)
		return end;
	tell(index->buckets[bucket], first, false, fn, context);
	return first + 1;
}

uint64_t spool_items_from(struct spool *spool, uint64_t cursor, bool many, spool_item_fn *fn, void *context)
{
	struct spool_index *index = &spool->index;
	uint32_t place = (uint32_t)cursor & ((1u << PLACE_BITS) - 1);
	unsigned column = (uint32_t)cursor >> PLACE_BITS;
	struct row row;

	if (cursor == 0)
		row = next_row(index, 0);
	else if (cursor >> 32 == 0 || cursor >> 32 > PLACE_BITS)
		return 0;
	else
		row = row_at(place, (unsigned)(cursor >> 32));
	if (place == row.begin && column % AHEAD == 0)
		fetch_ahead(index, &row, column);
	index->walking = true;
	place = tell_next(index, column, place, row.end, many, fn, context);
	index->walking = false;
	return cursor_of(index, &row, column, place);
}
