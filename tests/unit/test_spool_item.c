/*
 * tests/unit/test_spool_item.c - the order of items that stays while others come and go (spool_items_from()), against a
 * plain list.
 */
#include <stdlib.h>

#include "queue/spool_private.h"
#include "tests/unit/check.h"

enum { ITEMS = 3000, ROUNDS = 300 };

static struct spool spool;
static struct spool_item items[ITEMS];
static bool here[ITEMS], all_the_time[ITEMS];
static unsigned seen[ITEMS];
static uint64_t seed;

static uint64_t next_random(void)
{
	seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return seed >> 33;
}

static void come(unsigned i)
{
	spool_item_know(&spool, &items[i]);
	here[i] = true;
}

static void go(unsigned i)
{
	spool_item_forget(&spool, &items[i]);
	here[i] = all_the_time[i] = false;
}

static void on_item(void *context, struct spool_item *item)
{
	seen[item - items]++;
}

/* Many go, so that buckets are joined, or many come, so that they are split. */
static void change(bool grow)
{
	unsigned n = (unsigned)(next_random() % 40);

	while (n-- > 0) {
		unsigned i = (unsigned)(next_random() % ITEMS);
		if (here[i] && (!grow || next_random() % 4 == 0))
			go(i);
		else if (!here[i] && (grow || next_random() % 4 == 0))
			come(i);
	}
}

static void one_walk(unsigned changes_in, bool grow)
{
	uint64_t place = 0;
	unsigned i, left_out = 0, twice = 0;

	memcpy(all_the_time, here, sizeof(here));
	memset(seen, 0, sizeof(seen));
	do {
		place = spool_items_from(&spool, place, next_random() % 3 > 0, on_item, NULL);
		if (changes_in > 0 && next_random() % changes_in == 0)
			change(grow);
	} while (place != 0);
	for (i = 0; i < ITEMS; i++) {
		left_out += all_the_time[i] && seen[i] == 0;
		twice += seen[i] > 1;
	}
	CHECK_EQ(left_out, 0);
	CHECK_EQ(twice, 0);
}

static void test_each_once(void)
{
	unsigned i;

	CHECK_EQ(spool_index_init(&spool.index), 0);
	one_walk(0, false);
	for (i = 0; i < ITEMS; i++) {
		items[i].id = (struct spool_id){i, 7};
	}
	for (i = 0; i < ITEMS / 2; i++)
		come(2 * i);
	one_walk(0, false);
	for (i = 0; i < ROUNDS; i++) {
		seed = i + 1;
		one_walk(1 + i % 17, i / 10 % 2 == 0);
	}
	for (i = 0; i < ITEMS; i++) {
		if (here[i])
			go(i);
	}
	one_walk(3, true);
	spool_index_free(&spool.index);
}

static void end_it(void *context, struct spool_item *item)
{
	go((unsigned)(item - items));
}

/* Whoever is called may end the item. */
static void ended_meanwhile(bool many)
{
	uint64_t place = 0;
	unsigned i, left = 0;

	memset(&spool.index, 0, sizeof(spool.index));
	memset(here, 0, sizeof(here));
	CHECK_EQ(spool_index_init(&spool.index), 0);
	for (i = 0; i < ITEMS; i++)
		come(i);
	do
		place = spool_items_from(&spool, place, many, end_it, NULL);
	while (place != 0);
	for (i = 0; i < ITEMS; i++)
		left += here[i];
	CHECK_EQ(left, 0);
	spool_index_free(&spool.index);
}

static void test_ended_meanwhile(void)
{
	ended_meanwhile(false);
	ended_meanwhile(true);
}

/* Somebody who may ask has made a cursor up: it ends as any, having told nothing twice. */
static void test_cursors_made_up(void)
{
	static const uint64_t made_up[] = {1,
					   UINT32_MAX,
					   UINT64_C(1) << 32,
					   UINT64_C(26) << 32,
					   UINT64_C(27) << 32,
					   UINT64_MAX,
					   (UINT64_C(27) << 32) - 1,
					   (UINT64_C(2) << 32) - 1};
	unsigned i, k, twice = 0;

	memset(&spool.index, 0, sizeof(spool.index));
	CHECK_EQ(spool_index_init(&spool.index), 0);
	for (i = 0; i < ITEMS; i++)
		come(i);
	for (k = 0; k < sizeof(made_up) / sizeof(made_up[0]) + ROUNDS; k++) {
		uint64_t cursor = k < sizeof(made_up) / sizeof(made_up[0])
					  ? made_up[k]
					  : next_random() << 31 ^ (next_random() % 28) << 32 ^ next_random();
		/* Where rows of one place are asked for, they become as wide as buckets only where they may begin. */
		memset(seen, 0, sizeof(seen));
		for (unsigned steps = 0; cursor != 0 && steps < 100000; steps++)
			cursor = spool_items_from(&spool, cursor, k % 2 == 0, on_item, NULL);
		CHECK_EQ(cursor, 0);
		for (i = 0; i < ITEMS; i++)
			twice += seen[i] > 1;
	}
	CHECK_EQ(twice, 0);
	spool_index_free(&spool.index);
}

/* With `many` a walk comes to each bucket once, and to nothing else: what it costs is what there is. */
static void test_bucket_by_bucket(void)
{
	uint64_t cursor = 0;
	unsigned i, calls = 0, told = 0;

	memset(&spool.index, 0, sizeof(spool.index));
	CHECK_EQ(spool_index_init(&spool.index), 0);
	for (i = 0; i < ITEMS; i++)
		come(i);
	memset(seen, 0, sizeof(seen));
	do {
		cursor = spool_items_from(&spool, cursor, true, on_item, NULL);
		calls++;
	} while (cursor != 0);
	for (i = 0; i < ITEMS; i++)
		told += seen[i];
	CHECK_EQ(told, ITEMS);
	CHECK_EQ(calls, spool.index.used);
	spool_index_free(&spool.index);
}

int main(void)
{
	RUN(test_each_once);
	RUN(test_ended_meanwhile);
	RUN(test_cursors_made_up);
	RUN(test_bucket_by_bucket);
	return check_end();
}
