/* tests/unit/test_random.c - the fast generator's published values, its bounds, the kernel's octets. */
#include "core/base/random.h"

#include "tests/unit/check.h"

static void test_known_values(void)
{
	struct random r = {.state = 1234567};

	CHECK(random_u64(&r) == UINT64_C(6457827717110365317));
	CHECK(random_u64(&r) == UINT64_C(3203168211198807973));
	CHECK(random_u64(&r) == UINT64_C(9817491932198370423));
}

static void test_below(void)
{
	static const uint64_t bounds[] = {
		1, 2, 3, 10, 1000, UINT64_C(1) << 32, (UINT64_C(1) << 63) + 1, UINT64_MAX,
	};
	struct random r = {.state = 1};

	for (unsigned i = 0; i < sizeof(bounds) / sizeof(bounds[0]); i++) {
		bool below = true;
		for (int n = 0; n < 1000; n++)
			below &= random_below(&r, bounds[i]) < bounds[i];
		CHECK(below);
	}
}

/* 60,000 throws of a die: each face within five standard deviations of 10,000. The seed is fixed. */
static void test_below_is_even(void)
{
	struct random r = {.state = 42};
	int faces[6] = {0};

	for (int n = 0; n < 60000; n++)
		faces[random_below(&r, 6)]++;
	for (int i = 0; i < 6; i++)
		CHECK(faces[i] > 10000 - 457 && faces[i] < 10000 + 457);
}

/* With a bound of 3/4 of 2^64, taking the remainder would make the lower third twice as frequent. */
static void test_below_large_bound(void)
{
	struct random r = {.state = 7};
	uint64_t bound = UINT64_C(3) << 62;
	int lower = 0;

	for (int n = 0; n < 30000; n++)
		lower += random_below(&r, bound) < bound / 3;
	CHECK(lower > 10000 - 408 && lower < 10000 + 408);
}

static void test_bytes(void)
{
	uint8_t a[1000], b[1000];
	unsigned ones = 0;

	memset(a, 0, sizeof(a));
	memset(b, 0, sizeof(b));
	random_bytes(a, 0);
	CHECK_EQ(a[0], 0);
	random_bytes(a, sizeof(a));
	random_bytes(b, sizeof(b));
	CHECK(memcmp(a, b, sizeof(a)) != 0);
	for (size_t i = 0; i < sizeof(a); i++)
		ones += (unsigned)__builtin_popcount(a[i]);
	CHECK(ones > 3500 && ones < 4500); /* 11 standard deviations */
}

static void test_seeds_differ(void)
{
	struct random a, b;

	random_init(&a);
	random_init(&b);
	CHECK(a.state != b.state);
}

int main(void)
{
	RUN(test_known_values);
	RUN(test_below);
	RUN(test_below_is_even);
	RUN(test_below_large_bound);
	RUN(test_bytes);
	RUN(test_seeds_differ);
	return check_end();
}
