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
		place = spool_items_from(&spool, place, on_item, NULL);
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
static void test_ended_meanwhile(void)
{
	uint64_t place = 0;
	unsigned i, left = 0;

	memset(&spool.index, 0, sizeof(spool.index));
	memset(here, 0, sizeof(here));
	CHECK_EQ(spool_index_init(&spool.index), 0);
	for (i = 0; i < ITEMS; i++)
		come(i);
	do
		place = spool_items_from(&spool, place, end_it, NULL);
	while (place != 0);
	for (i = 0; i < ITEMS; i++)
		left += here[i];
	CHECK_EQ(left, 0);
	spool_index_free(&spool.index);
}

int main(void)
{
	RUN(test_each_once);
	RUN(test_ended_meanwhile);
	return check_end();
}
