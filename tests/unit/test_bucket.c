/*
 * tests/unit/test_bucket.c - tickets: never more in a window than allowed, none lost, by however many threads.
 */
#include "core/base/bucket.h"

#include <pthread.h>
#include <stdlib.h>

#include "tests/unit/check.h"

#define SECOND UINT64_C(1000000000)

static const struct {
	uint64_t window, most, interval;
} intervals[] = {
	{60 * SECOND, 30, 2 * SECOND}, {60 * SECOND, 7, 8571428572},      {60 * SECOND, 60000000000, 1},
	{60 * SECOND, UINT64_MAX, 1},  {3600 * SECOND, 1, 3600 * SECOND}, {60 * SECOND, 0, BUCKET_FAR_NS},
};

static void test_interval(void)
{
	for (size_t i = 0; i < sizeof(intervals) / sizeof(intervals[0]); i++)
		CHECK_EQ(bucket_interval_ns(intervals[i].window, intervals[i].most), intervals[i].interval);
}

static void test_exact(void)
{
	struct bucket b = {0};

	CHECK_EQ(bucket_take(&b, 100, 10), 100);
	CHECK_EQ(bucket_take(&b, 100, 10), 110);
	CHECK_EQ(bucket_take(&b, 105, 10), 120);
	/* What nobody asked for is gone. */
	CHECK_EQ(bucket_take(&b, 500, 10), 500);
	CHECK_EQ(bucket_when_ns(&b, 500), 510);
	/* Another rate from here on. */
	CHECK_EQ(bucket_take(&b, 500, 100), 510);
	CHECK_EQ(bucket_take(&b, 500, 1), 610);
}

/* The clock of another thread is behind, or far behind; and ahead. */
static void test_clock(void)
{
	struct bucket b = {0};

	CHECK_EQ(bucket_take(&b, 1000, 10), 1000);
	CHECK_EQ(bucket_take(&b, 990, 10), 1010);
	CHECK_EQ(bucket_take(&b, 0, 10), 1020);
	CHECK_EQ(bucket_take(&b, 1000000, 10), 1000000);
	CHECK_EQ(bucket_take(&b, 1000, 10), 1000010);
}

static void test_overflow(void)
{
	struct bucket b = {0};

	CHECK_EQ(bucket_take(&b, 5, UINT64_MAX), 5);
	CHECK(bucket_take(&b, 5, UINT64_MAX) == BUCKET_FAR_NS);
	CHECK(bucket_take(&b, 5, 1) == BUCKET_FAR_NS);
	CHECK(bucket_take(&b, UINT64_MAX, 10) == UINT64_MAX);
	CHECK(bucket_after(BUCKET_FAR_NS - 1, 1) == BUCKET_FAR_NS && bucket_after(0, 7) == 7);
}

static void test_late(void)
{
	struct bucket b = {0};
	uint64_t mine = bucket_take(&b, 100, 10);

	CHECK(bucket_late(&b, mine, 150, 10));
	CHECK_EQ(bucket_when_ns(&b, 150), 160);
	mine = bucket_take(&b, 150, 10);
	CHECK_EQ(mine, 160);
	CHECK_EQ(bucket_take(&b, 150, 10), 170);
	CHECK(!bucket_late(&b, mine, 300, 10));
}

static void test_give_back(void)
{
	struct bucket b = {0};
	uint64_t first = bucket_take(&b, 100, 10), second = bucket_take(&b, 100, 10);

	CHECK(!bucket_give_back(&b, first, 10));
	CHECK(bucket_give_back(&b, second, 10));
	CHECK(bucket_give_back(&b, first, 10));
	CHECK_EQ(bucket_take(&b, 100, 10), 100);
	bucket_not_before(&b, 50);
	CHECK_EQ(bucket_take(&b, 100, 10), 110);
	bucket_not_before(&b, 200);
	CHECK_EQ(bucket_take(&b, 100, 10), 200);
	bucket_restart(&b, 105);
	CHECK_EQ(bucket_take(&b, 100, 10), 105);
}

/* ---- many threads ------------------------------------------------------------------------------------------------ */

enum { THREADS = 4, TAKES = 20000, TOTAL = THREADS * TAKES };

static struct bucket shared;

static void *take_many(void *context)
{
	uint64_t *times = context;

	for (unsigned i = 0; i < TAKES; i++)
		times[i] = bucket_take(&shared, 1000 + i % 7, 3);
	return NULL;
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static void test_threads(void)
{
	uint64_t *times = calloc(TOTAL, sizeof(*times));
	pthread_t threads[THREADS];
	unsigned close = 0;

	for (unsigned t = 0; t < THREADS; t++)
		pthread_create(&threads[t], NULL, take_many, times + (size_t)t * TAKES);
	for (unsigned t = 0; t < THREADS; t++)
		pthread_join(threads[t], NULL);
	qsort(times, TOTAL, sizeof(*times), compare);
	for (unsigned i = 1; i < TOTAL; i++)
		close += times[i] - times[i - 1] < 3;
	CHECK_EQ(close, 0);
	/* And none is left out, but for the first few, where clocks differed. */
	CHECK(times[TOTAL - 1] <= 1006 + 3 * (TOTAL + 2));
	free(times);
}

int main(void)
{
	RUN(test_interval);
	RUN(test_exact);
	RUN(test_clock);
	RUN(test_overflow);
	RUN(test_late);
	RUN(test_give_back);
	RUN(test_threads);
	return check_end();
}
