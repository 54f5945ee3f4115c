/*
 * tests/unit/test_allowance.c - against a model that remembers everything: never one more in any window, and hardly
 * fewer.
 */
#include "core/base/allowance.h"

#include <pthread.h>
#include <stdlib.h>

#include "tests/unit/check.h"

#define WINDOW UINT64_C(60000000000)
#define PART (WINDOW / ALLOWANCE_PARTS)

static void test_whole_at_once(void)
{
	struct allowance a = {0};
	uint64_t when;

	CHECK_EQ(allowance_take(&a, 5 * PART, WINDOW, 30, 29), 0);
	CHECK_EQ(allowance_take(&a, 5 * PART + 7, WINDOW, 30, 1), 0);
	when = allowance_take(&a, 5 * PART + 8, WINDOW, 30, 1);
	CHECK(when >= 5 * PART + 7 + WINDOW && when <= 5 * PART + 7 + WINDOW + PART);
	CHECK(allowance_take(&a, when - 1, WINDOW, 30, 1) == when);
	CHECK_EQ(allowance_take(&a, when, WINDOW, 30, 30), 0);
}

static void test_partly_back(void)
{
	struct allowance a = {0};
	uint64_t when;

	CHECK_EQ(allowance_take(&a, 0, WINDOW, 10, 4), 0);
	CHECK_EQ(allowance_take(&a, 10 * PART, WINDOW, 10, 6), 0);
	when = allowance_take(&a, 20 * PART, WINDOW, 10, 4);
	CHECK_EQ(when, WINDOW + PART);
	CHECK_EQ(allowance_take(&a, 20 * PART, WINDOW, 10, 5), WINDOW + 11 * PART);
	CHECK_EQ(allowance_take(&a, when, WINDOW, 10, 4), 0);
	CHECK(allowance_take(&a, when, WINDOW, 10, 1) != 0);
}

static void test_more_than_all(void)
{
	struct allowance a = {0};

	CHECK_EQ(allowance_take(&a, 0, WINDOW, 10, 1000), 0);
	CHECK_EQ(allowance_take(&a, PART, WINDOW, 10, 1), WINDOW + PART);
	CHECK_EQ(allowance_take(&a, PART, WINDOW, 10, 1000), WINDOW + PART);
	CHECK_EQ(allowance_take(&a, WINDOW + PART, WINDOW, 10, UINT64_MAX), 0);
	CHECK(allowance_take(&a, WINDOW + 2 * PART, WINDOW, UINT64_MAX, 1) == 0);
}

static void test_give_back(void)
{
	struct allowance a = {0};

	CHECK_EQ(allowance_take(&a, 0, WINDOW, 10, 10), 0);
	allowance_give_back(&a, 0, WINDOW, 3);
	CHECK_EQ(allowance_take(&a, 1, WINDOW, 10, 3), 0);
	/* Too late: it has come back by itself. */
	CHECK_EQ(allowance_take(&a, 2 * WINDOW, WINDOW, 10, 10), 0);
	allowance_give_back(&a, 0, WINDOW, 10);
	CHECK(allowance_take(&a, 2 * WINDOW, WINDOW, 10, 1) != 0);
}

static void test_exhaust(void)
{
	struct allowance a = {0};

	CHECK_EQ(allowance_take(&a, 3 * PART, WINDOW, 10, 2), 0);
	allowance_exhaust(&a, 3 * PART, WINDOW, 10);
	CHECK_EQ(allowance_take(&a, 3 * PART, WINDOW, 10, 1), WINDOW + 4 * PART);
	CHECK_EQ(allowance_take(&a, WINDOW + 4 * PART, WINDOW, 10, 10), 0);
	/* What was spent long ago is no part of it. */
	allowance_exhaust(&a, 9 * WINDOW, WINDOW, 10);
	CHECK(allowance_take(&a, 9 * WINDOW + PART, WINDOW, 10, 1) > 9 * WINDOW + PART);
}

/* Up to four years. */
static void test_pauses(void)
{
	for (uint64_t pause = 1; pause < UINT64_C(1) << 27; pause = pause * 3 + 1) {
		struct allowance a = {0};
		CHECK_EQ(allowance_take(&a, 0, WINDOW, 5, 5), 0);
		CHECK_EQ(allowance_take(&a, (ALLOWANCE_SLOTS + pause) * PART, WINDOW, 5, 5), 0);
	}
}

/* ---- a model ----------------------------------------------------------------------------------------------------- */

enum { STEPS = 20000 };

static uint64_t times[STEPS];
static unsigned amounts[STEPS];

static void test_model(void)
{
	struct allowance a = {0};
	uint64_t now = 12345, total = 0;
	unsigned first = 0, count = 0, most = 997;
	uint64_t in_window = 0;

	srandom(1);
	while (count < STEPS) {
		unsigned n = 1 + (unsigned)random() % 10;
		uint64_t when;
		while (first < count && times[first] + WINDOW <= now)
			in_window -= amounts[first++];
		when = allowance_take(&a, now, WINDOW, most, n);
		if (when == 0) {
			in_window += n;
			total += n;
			CHECK(in_window <= most);
			times[count] = now;
			amounts[count++] = n;
			now += (uint64_t)random() % (PART / 2);
		} else {
			CHECK(when > now && in_window + n > most - most / 2);
			now = when;
		}
	}
	/* Of what could have been spent. */
	CHECK(total * 100 >= 97 * (now / WINDOW) * most);
}

/* ---- many threads ------------------------------------------------------------------------------------------------ */

enum { THREADS = 4, TAKES = 100000, SHARED_MOST = 1000 };

static struct allowance shared;
static _Atomic(uint64_t) clock_ns = PART, granted;

static void *take_many(void *context)
{
	(void)context;
	for (unsigned i = 0; i < TAKES; i++) {
		uint64_t now = atomic_fetch_add(&clock_ns, PART / 1000);
		if (allowance_take(&shared, now, WINDOW, SHARED_MOST, 1) == 0) {
			if (i % 8 == 0)
				allowance_give_back(&shared, now, WINDOW, 1);
			else if (atomic_load(&clock_ns) - now < PART) /* one that slept has an old time */
				atomic_fetch_add(&granted, 1);
		}
	}
	return NULL;
}

static void test_threads(void)
{
	pthread_t threads[THREADS];
	uint64_t windows, sum = 0;

	for (unsigned t = 0; t < THREADS; t++)
		pthread_create(&threads[t], NULL, take_many, NULL);
	for (unsigned t = 0; t < THREADS; t++)
		pthread_join(threads[t], NULL);
	windows = clock_ns / WINDOW + 1;
	CHECK(granted <= windows * SHARED_MOST);
	CHECK(granted >= (windows - 1) * SHARED_MOST / 10 * 9);
	/* No slot and no sum has run away. */
	for (unsigned i = 0; i < ALLOWANCE_SLOTS; i++)
		sum += shared.slots[i] & ALLOWANCE_MOST;
	CHECK_EQ(shared.spent, sum);
	CHECK(sum <= SHARED_MOST);
}

static void test_has(void)
{
	struct allowance a = {.spent = 0};

	CHECK(allowance_has(&a, PART, WINDOW, 10, 10));
	CHECK(allowance_has(&a, PART, WINDOW, 10, 50)); /* alone */
	CHECK_EQ(allowance_take(&a, PART, WINDOW, 10, 9), 0);
	CHECK(allowance_has(&a, PART, WINDOW, 10, 1));
	CHECK(!allowance_has(&a, PART, WINDOW, 10, 2));
	CHECK(!allowance_has(&a, WINDOW, WINDOW, 10, 2));
	CHECK(allowance_has(&a, WINDOW + 3 * PART, WINDOW, 10, 10));
}

int main(void)
{
	RUN(test_whole_at_once);
	RUN(test_partly_back);
	RUN(test_more_than_all);
	RUN(test_give_back);
	RUN(test_exhaust);
	RUN(test_has);
	RUN(test_pauses);
	RUN(test_model);
	RUN(test_threads);
	return check_end();
}
