/*
 * tests/unit/test_page_kept.c - core/page/kept: an answer that is asked for by a thread of its own. Who answers is the
 * test.
 */
#include "core/page/kept.h"

#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <time.h>

#include "core/base/clock.h"
#include "core/control/within.h"
#include "tests/unit/check.h"

#define REST_NS (20 * CLOCK_NS_PER_MS)

static _Atomic(unsigned) asked;
static _Atomic(bool) fails;

json_t *within_ask(const struct control_request *outer, const char *method, const char *path,
		   const struct request_given *values, json_t *body, unsigned *status)
{
	unsigned number = atomic_fetch_add(&asked, 1) + 1;

	*status = atomic_load(&fails) ? ANSWER_UNAVAILABLE : ANSWER_OK;
	return *status == ANSWER_OK ? json_pack("{si}", "number", (int)number) : json_pack("{ss}", "error", "no");
}

static void wait_for(unsigned questions)
{
	while (atomic_load(&asked) < questions)
		sched_yield();
}

static struct kept *start(uint64_t busy_ns, uint64_t idle_ns)
{
	const struct kept_settings settings = {.path = "/v1/stats", .busy_ns = busy_ns, .idle_ns = idle_ns};

	atomic_store(&asked, 0);
	return kept_start(NULL, &settings);
}

static json_int_t number_of(struct kept *kept, uint64_t fresh_ns)
{
	uint64_t age_ns;
	json_t *answer = kept_get(kept, fresh_ns, &age_ns);
	json_int_t number = json_integer_value(json_object_get(answer, "number"));

	json_decref(answer);
	return number;
}

/* However long there is no answer, it is asked for no more often than else, and the last one stays. */
static void failing(bool from_the_start)
{
	const struct timespec pause = {.tv_nsec = 10 * (long)REST_NS};
	uint64_t began_ns;
	struct kept *kept;
	unsigned first;

	atomic_store(&fails, from_the_start);
	kept = start(REST_NS, REST_NS);
	wait_for(1);
	if (!from_the_start) {
		while (number_of(kept, UINT64_MAX / KEPT_STALE) == 0)
			;
		atomic_store(&fails, true);
	}
	began_ns = clock_monotonic_ns();
	first = atomic_load(&asked);
	wait_for(first + 3);
	(void)nanosleep(&pause, NULL);
	CHECK(atomic_load(&asked) - first <= (clock_monotonic_ns() - began_ns) / REST_NS + 2);
	CHECK_EQ(number_of(kept, UINT64_MAX / KEPT_STALE) > 0, !from_the_start);
	atomic_store(&fails, false);
	wait_for(atomic_load(&asked) + 2);
	while (number_of(kept, UINT64_MAX / KEPT_STALE) <= (json_int_t)first)
		;
	kept_stop(kept);
}

static void test_failing_later(void)
{
	failing(false);
}

static void test_failing_always(void)
{
	failing(true);
}

/* Nobody has looked: never. Then once, and again when somebody wants it newer. */
static void test_wanted(void)
{
	const struct timespec pause = {.tv_nsec = 5 * (long)REST_NS};
	struct kept *kept;

	atomic_store(&fails, false);
	kept = start(3600 * CLOCK_NS_PER_S, 0);
	(void)nanosleep(&pause, NULL);
	CHECK_EQ(atomic_load(&asked), 0);
	while (number_of(kept, UINT64_MAX / KEPT_STALE) == 0)
		;
	CHECK_EQ(number_of(kept, UINT64_MAX / KEPT_STALE), 1);
	CHECK_EQ(atomic_load(&asked), 1);
	while (number_of(kept, 0) == 1)
		;
	CHECK(atomic_load(&asked) >= 2);
	kept_stop(kept);
}

int main(void)
{
	RUN(test_failing_later);
	RUN(test_failing_always);
	RUN(test_wanted);
	return check_end();
}
