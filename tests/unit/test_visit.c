/*
 * tests/unit/test_visit.c - what a slice may look at before it is over (core/shard/visit.h), in things and not in time.
 */
#include "core/shard/visit.h"

#include "tests/unit/check.h"

static unsigned things(uint64_t until_ns, unsigned cost)
{
	struct visit_slice slice = {.until_ns = until_ns};
	unsigned n = 0;

	while (!visit_spent(&slice)) {
		n++;
		if (cost > 0)
			visit_cost(&slice, cost);
	}
	return n;
}

/* Where its time is over the clock is asked after so many, each of which counts as what it costs. */
static void test_time_is_over(void)
{
	CHECK_EQ(things(0, 0), VISIT_LOOK - 1);
	CHECK_EQ(things(0, 1), VISIT_LOOK / 2);
	CHECK_EQ(things(0, VISIT_LOOK), 1);
	CHECK_EQ(things(0, UINT32_MAX), 1);
}

/* And whatever a clock says. */
static void test_most(void)
{
	CHECK_EQ(things(UINT64_MAX, 0), VISIT_ITEMS);
	CHECK_EQ(things(UINT64_MAX, 1), VISIT_ITEMS / 2);
	CHECK_EQ(things(UINT64_MAX, VISIT_ITEMS), 1);
	CHECK_EQ(things(UINT64_MAX, UINT32_MAX), 1);
}

int main(void)
{
	RUN(test_time_is_over);
	RUN(test_most);
	return check_end();
}
