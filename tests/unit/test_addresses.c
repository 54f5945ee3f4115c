/*
 * tests/unit/test_addresses.c - which address of a host is tried next.
 */
#include "core/deliver/addresses.h"

#include "core/base/address_text.h"
#include "core/base/clock.h"
#include "tests/unit/check.h"

static const struct addresses_wish any = {.v4 = true, .v6 = true};

static struct ring_address at(const char *host)
{
	struct ring_address out;

	CHECK(address_text_numeric(host, 25, &out));
	return out;
}

static struct addresses with(unsigned count)
{
	static const char *const texts[] = {"2001:db8::1", "192.0.2.1", "192.0.2.2"};
	struct ring_address found[3];
	struct addresses a = {0};

	for (unsigned i = 0; i < count; i++)
		found[i] = at(texts[i]);
	addresses_update(&a, found, count);
	return a;
}

static int chosen(struct addresses *a, uint64_t now_ns, uint64_t *next_ns)
{
	struct host_address *one = addresses_choose(a, &any, now_ns, next_ns);

	if (!one)
		return -1;
	addresses_used(a, one);
	return (int)(one - a->list);
}

static void test_turns(void)
{
	struct addresses a = with(3);
	uint64_t next = UINT64_MAX;

	for (int i = 0; i < 9; i++)
		CHECK_EQ(chosen(&a, 1, &next), i % 3);
	CHECK(next == UINT64_MAX);
}

/* The one of last time, and the first at first; unless it has failed. */
static void test_again(void)
{
	static const struct addresses_wish again = {.v4 = true, .v6 = true, .again = true};
	struct addresses a = with(3);
	uint64_t next = UINT64_MAX;

	for (int i = 0; i < 3; i++) {
		CHECK(addresses_choose(&a, &again, 1, &next) == &a.list[0]);
		addresses_used(&a, &a.list[0]);
	}
	CHECK_EQ(chosen(&a, 1, &next), 1);
	CHECK(addresses_choose(&a, &again, 1, &next) == &a.list[1]);
	CHECK(addresses_failed(&a.list[1], 1, 2, 100));
	CHECK(addresses_choose(&a, &again, 3, &next) == &a.list[0]);
}

/* A dead one is tried after the others, and by itself when its time has come and the others are slow. */
static void test_dead(void)
{
	struct addresses a = with(3);
	uint64_t next = UINT64_MAX;

	a.list[0].failures = 1;
	a.list[0].blocked_until_ns = 100;
	CHECK_EQ(addresses_blocked_until_ns(&a, 50), 0);
	CHECK_EQ(chosen(&a, 50, &next), 1);
	CHECK_EQ(next, 100);
	CHECK_EQ(chosen(&a, 50, &next), 2);
	CHECK_EQ(chosen(&a, 50, &next), 1);
	CHECK_EQ(chosen(&a, 100, &next), 2);
	CHECK_EQ(chosen(&a, 100, &next), 1);
	a.list[1].slow = a.list[2].slow = 1;
	CHECK_EQ(chosen(&a, 100, &next), 0);
	a.list[0].slow = 1;
	next = UINT64_MAX;
	CHECK_EQ(chosen(&a, 100, &next), -1);
	CHECK(next == UINT64_MAX);
}

/* What was opened before it failed says nothing of whether it takes more. */
static void test_well(void)
{
	struct addresses a = with(1);
	uint64_t next = UINT64_MAX;

	CHECK(addresses_failed(&a.list[0], 90, 100, 50));
	/* All connections of that time end together. */
	CHECK(!addresses_failed(&a.list[0], 80, 101, 100));
	CHECK(!addresses_failed(&a.list[0], 99, 140, 100));
	addresses_well(&a.list[0], 90);
	addresses_well(&a.list[0], 100);
	CHECK_EQ(chosen(&a, 149, &next), -1);
	CHECK_EQ(next, 150);
	CHECK_EQ(chosen(&a, 150, &next), 0);
	CHECK_EQ(a.list[0].failures, 1);
	CHECK(addresses_failed(&a.list[0], 150, 160, 100));
	CHECK_EQ(a.list[0].failures, 2);
	CHECK_EQ(chosen(&a, 259, &next), -1);
	addresses_well(&a.list[0], 260);
	CHECK_EQ(a.list[0].failures, 0);
	CHECK_EQ(a.list[0].blocked_until_ns, 0);
	/* And where nothing failed it is well anyway. */
	addresses_well(&a.list[0], 10);
	CHECK_EQ(a.list[0].failures, 0);
}

/* The host has failed only when all have. */
static void test_all_dead(void)
{
	struct addresses a = with(3);
	uint64_t next = 1000;

	for (unsigned i = 0; i < 3; i++) {
		CHECK_EQ(addresses_blocked_until_ns(&a, 50), 0);
		a.list[i].blocked_until_ns = 300 - 50 * i;
	}
	CHECK_EQ(addresses_blocked_until_ns(&a, 50), 200);
	CHECK_EQ(chosen(&a, 50, &next), -1);
	CHECK_EQ(next, 200);
	CHECK_EQ(chosen(&a, 200, &next), 2);
}

/* What was learned stays with an address that is still there; its order follows the resolver. */
static void test_update(void)
{
	struct ring_address found[] = {at("192.0.2.9"), at("192.0.2.1"), at("192.0.2.9")}, gone = at("2001:db8::1");
	struct addresses a = with(2);
	uint64_t next = UINT64_MAX;

	a.list[1].failures = 3;
	a.list[1].blocked_until_ns = 500;
	addresses_update(&a, found, 3);
	CHECK_EQ(a.count, 2);
	CHECK(addresses_find(&a, &gone) == NULL);
	CHECK(addresses_find(&a, &found[1]) == &a.list[1]);
	CHECK_EQ(a.list[1].failures, 3);
	CHECK_EQ(a.list[0].failures, 0);
	CHECK_EQ(chosen(&a, 50, &next), 0);
	CHECK_EQ(next, 500);
}

/* One of a family that does not answer: the other family is next, and not another address of the same. */
static void test_families(void)
{
	struct ring_address found[] = {at("2001:db8::1"), at("2001:db8::2"), at("192.0.2.1"), at("192.0.2.2")};
	const struct addresses_wish v4_first = {.first = AF_INET, .v4 = true, .v6 = true}, v6_only = {.v6 = true};
	struct addresses a = {0};
	uint64_t next = UINT64_MAX;

	addresses_update(&a, found, 4);
	CHECK(addresses_choose(&a, &any, 1, &next) == &a.list[0]);
	a.list[0].slow = 1;
	CHECK(addresses_another(&a, &any, &found[0], 1));
	CHECK(addresses_choose(&a, &any, 1, &next) == &a.list[2]);
	a.list[2].slow = 1;
	CHECK(addresses_choose(&a, &any, 1, &next) == &a.list[1]);
	CHECK(addresses_choose(&a, &v6_only, 1, &next) == &a.list[1]);
	a.list[0].slow = a.list[2].slow = 0;

	/* Preferred ones come first although they failed, as soon as they may be tried again. */
	CHECK(addresses_choose(&a, &v4_first, 1, &next) == &a.list[2]);
	a.list[2].failures = a.list[3].failures = 3;
	CHECK(addresses_choose(&a, &v4_first, 1, &next) == &a.list[2]);
	CHECK(addresses_choose(&a, &any, 1, &next) == &a.list[0]);
	a.list[2].blocked_until_ns = a.list[3].blocked_until_ns = 9;
	CHECK(addresses_choose(&a, &v4_first, 1, &next) == &a.list[0]);
	CHECK(addresses_choose(&a, &v4_first, 9, &next) == &a.list[2]);
	/* Where one of them is waited for it is the other family's turn. */
	a.list[2].slow = 1;
	CHECK(addresses_choose(&a, &v4_first, 9, &next) == &a.list[0]);

	CHECK(addresses_any(&a, &v6_only));
	CHECK(addresses_another(&a, &v6_only, &found[0], 1));
	a.list[1].blocked_until_ns = 5;
	CHECK(!addresses_another(&a, &v6_only, &found[0], 1));
	CHECK(addresses_another(&a, &v6_only, &found[0], 5));
	addresses_update(&a, &found[2], 2);
	CHECK(!addresses_any(&a, &v6_only));
	CHECK(addresses_choose(&a, &v6_only, 9, &next) == NULL);
}

static void test_backoff(void)
{
	struct random random = {1};

	for (unsigned failures = 0; failures < 40; failures++) {
		uint64_t full = failures < 9 ? (UINT64_C(1000) << failures) : 300000;
		uint64_t found = addresses_backoff_ns(failures, &random) / CLOCK_NS_PER_MS;
		full = full > 300000 ? 300000 : full;
		CHECK(found >= full * 3 / 4 - 1 && found <= full * 5 / 4);
	}
}

int main(void)
{
	RUN(test_turns);
	RUN(test_again);
	RUN(test_dead);
	RUN(test_well);
	RUN(test_all_dead);
	RUN(test_update);
	RUN(test_families);
	RUN(test_backoff);
	return check_end();
}
