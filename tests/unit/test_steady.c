/*
 * test_steady.c - wall clocks that go on as they should, drift, are set by years, and back again.
 */
#include "core/base/steady.h"

#include "tests/unit/check.h"

#define HOUR UINT64_C(3600000000000)
#define NOW UINT64_C(1795824000000000000)
#define YEARS (10 * 365 * 24 * HOUR)

static const struct {
	uint64_t wall_ns, monotonic_ns;
	bool steady;
} looks[] = {
	{NOW, 5, false},
	{NOW + HOUR / 2, HOUR / 2, false},
	{NOW + HOUR - 1, HOUR + 4, false},
	{NOW + HOUR, HOUR + 5, true},
	/* By minutes it is put right. */
	{NOW + 2 * HOUR + HOUR / 20, 2 * HOUR, true},
	{NOW + 3 * HOUR - HOUR / 60, 3 * HOUR, true},
	/* Years ahead, and there it stays: they are believed in the end. */
	{NOW + 3 * HOUR + YEARS, 3 * HOUR + 1, false},
	{NOW + 4 * HOUR + YEARS, 4 * HOUR, false},
	{NOW + 4 * HOUR + YEARS, 4 * HOUR + 1, true},
	/* Back again, and before 1970. */
	{NOW + 5 * HOUR, 5 * HOUR, false},
	{NOW + 6 * HOUR, 6 * HOUR, true},
	{0, 6 * HOUR + 1, false},
	{HOUR, 7 * HOUR + 1, true},
};

static void test_clocks(void)
{
	struct steady steady = {.since_ns = 0};

	for (size_t i = 0; i < sizeof(looks) / sizeof(looks[0]); i++)
		CHECK_EQ(steady_look(&steady, looks[i].wall_ns, looks[i].monotonic_ns, HOUR), looks[i].steady);
}

int main(void)
{
	RUN(test_clocks);
	return check_end();
}
