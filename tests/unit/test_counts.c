/*
 * tests/unit/test_counts.c - core/shard/counts: what is counted by name goes on where it was; core/base/histogram.
 */
#include "core/shard/counts.h"

#include <stdio.h>
#include <string.h>

#include "core/base/histogram.h"
#include "tests/unit/check.h"

struct block {
	uint64_t a, b;
};

static void test_names(void)
{
	struct counts counts;
	struct counted *one, *other;

	counts_init(&counts, sizeof(struct block), 3);
	CHECK(counts_next(&counts, NULL) == NULL);
	one = counts_get(&counts, "lan");
	other = counts_get(&counts, "submission");
	CHECK(one && other && one != other);
	/* Each shard's is its own, on its own cache lines. */
	for (unsigned i = 0; i < 3; i++)
		CHECK_EQ((uintptr_t)counted_block(one, i) % COUNTS_LINE, 0);
	((struct block *)counted_block(one, 2))->a = 7;
	CHECK_EQ(((struct block *)counted_block(one, 1))->a, 0);
	/* Gone for a while, and back: it goes on from there. */
	CHECK(counts_get(&counts, "lan") == one);
	CHECK_EQ(((struct block *)counted_block(counts_get(&counts, "lan"), 2))->a, 7);
	/* In the order in which they came. */
	CHECK(counts_next(&counts, NULL) == one);
	CHECK(counts_next(&counts, one) == other);
	CHECK(counts_next(&counts, other) == NULL);
	counts_deinit(&counts);
}

static void test_bound(void)
{
	struct counts counts;
	struct counted *others, *counted = NULL;
	char name[32];
	unsigned n = 0;

	counts_init(&counts, sizeof(struct block), 1);
	for (unsigned i = 0; i < COUNTS_NAMES; i++) {
		snprintf(name, sizeof(name), "destination%u", i);
		CHECK(counts_get(&counts, name) != NULL);
	}
	others = counts_get(&counts, "one more");
	CHECK(others && strcmp(others->name, COUNTS_OTHERS) == 0);
	CHECK(counts_get(&counts, "another one") == others);
	/* Those that are known stay what they are. */
	CHECK(strcmp(counts_get(&counts, "destination17")->name, "destination17") == 0);
	while ((counted = counts_next(&counts, counted)))
		n++;
	CHECK_EQ(n, COUNTS_NAMES + 1);
	counts_deinit(&counts);
}

static void test_histogram(void)
{
	static const struct {
		uint64_t ns;
		unsigned place;
	} rows[] = {
		{0, 0},
		{1000000, 0},
		{1000999, 0}, /* microseconds are what it knows */
		{1001000, 1},
		{5000000, 1},
		{86400000000000, HISTOGRAM_BOUNDS - 1},
		{86400000001000, HISTOGRAM_BOUNDS},
		{UINT64_MAX, HISTOGRAM_BOUNDS},
	};

	for (unsigned i = 1; i < HISTOGRAM_BOUNDS; i++)
		CHECK(histogram_bounds_us[i] > histogram_bounds_us[i - 1]);
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct histogram h = {0};
		histogram_add(&h, rows[i].ns);
		CHECK_EQ(counter_get(&h.counts[rows[i].place]), 1);
		CHECK_EQ(counter_get(&h.sum_us), rows[i].ns / 1000);
	}
}

int main(void)
{
	RUN(test_names);
	RUN(test_bound);
	RUN(test_histogram);
	return check_end();
}
