/*
 * tests/unit/test_sources.c - which of this machine's addresses a connection comes from.
 */
#include "core/deliver/sources.h"

#include <stdlib.h>

#include "core/base/address_text.h"
#include "core/base/clock.h"
#include "tests/unit/check.h"

enum { V4 = 4, ALL = 6, SITES = 10000 };

static struct config_source list[ALL];
static struct config_sources sources = {list, ALL};

static void open_list(void)
{
	static const char *const texts[ALL] = {"192.0.2.1", "192.0.2.2",   "192.0.2.3",
					       "192.0.2.4", "2001:db8::1", "2001:db8::2"};

	for (unsigned i = 0; i < ALL; i++)
		CHECK(address_text_numeric(texts[i], 0, &list[i].address));
}

static int chosen(const struct config_sources *from, uint64_t site, const struct dead_sources *dead, uint64_t now_ns,
		  uint64_t *next_ns)
{
	const struct config_source *source = sources_choose(from, AF_INET, site, dead, now_ns, next_ns);

	return source ? (int)(source->address.v4.sin_addr.s_addr >> 24) : -1;
}

/* Each has its share of the sites; who comes or goes moves no others than those that it gets or had. */
static void test_stable(void)
{
	struct dead_sources *dead = NULL;
	struct config_source other[V4] = {list[3], list[1], list[0], list[2]};
	const struct config_sources turned = {other, V4}, fewer = {other, V4 - 1}; /* without .3 */
	unsigned had[V4 + 1] = {0};
	uint64_t next = UINT64_MAX;

	for (uint64_t site = 0; site < SITES; site++) {
		int now = chosen(&sources, site, dead, 1, &next);
		CHECK(now >= 1 && now <= V4);
		had[now]++;
		CHECK_EQ(chosen(&turned, site, dead, 1, &next), now);
		if (now != 3)
			CHECK_EQ(chosen(&fewer, site, dead, 1, &next), now);
	}
	for (unsigned i = 1; i <= V4; i++)
		CHECK(had[i] > SITES / V4 * 9 / 10 && had[i] < SITES / V4 * 11 / 10);
	CHECK_EQ(sources_choose(&sources, AF_INET6, 7, dead, 1, &next)->address.any.sa_family, AF_INET6);
	CHECK(next == UINT64_MAX);
}

static bool failed(struct dead_sources **dead, const struct config_source *source, uint64_t now_ns)
{
	bool news;

	CHECK(sources_failed(dead, source, now_ns, &news));
	return news;
}

/* One that is not there is left alone for its time, and the same one stands in for it. */
static void test_dead(void)
{
	struct dead_sources *dead = NULL;
	uint64_t next = UINT64_MAX, until_ns = 5 + SOURCE_PAUSE_MS * CLOCK_NS_PER_MS;
	int first = chosen(&sources, 7, dead, 1, &next), second;

	CHECK(failed(&dead, &list[first - 1], 5));
	CHECK(!failed(&dead, &list[first - 1], 5));
	second = chosen(&sources, 7, dead, 6, &next);
	CHECK(second > 0 && second != first);
	CHECK_EQ(next, until_ns);
	CHECK_EQ(chosen(&sources, 7, dead, until_ns - 1, &next), second);
	CHECK_EQ(chosen(&sources, 7, dead, until_ns, &next), first);
	CHECK_EQ(sources_well(dead, &list[first - 1]), 5);
	CHECK_EQ(sources_well(dead, &list[first - 1]), 0);
	CHECK_EQ(chosen(&sources, 7, dead, 6, &next), first);
	for (unsigned i = 0; i < V4; i++)
		CHECK(failed(&dead, &list[i], 10));
	next = UINT64_MAX;
	CHECK_EQ(chosen(&sources, 7, dead, 11, &next), -1);
	CHECK_EQ(next, until_ns + 5);
	CHECK(sources_choose(&sources, AF_INET6, 7, dead, 11, &next) != NULL);
	free(dead);
}

/* More than there is room for to remember: each is told, none is lost sight of for long. */
static void test_many_dead(void)
{
	struct dead_sources *dead = NULL;
	struct config_source one = list[0];

	for (unsigned i = 0; i < 3 * SOURCES_DEAD_MAX; i++) {
		one.address.v4.sin_addr.s_addr = i + 1;
		CHECK(failed(&dead, &one, 5));
		CHECK(dead->count <= SOURCES_DEAD_MAX);
	}
	free(dead);
}

/* Other destinations have lost so many that there is no room for more: who asks for the next one until there is none
 * comes to an end, and so does a shard. */
static void test_all_dead_beside_many(void)
{
	for (unsigned others = SOURCES_DEAD_MAX - V4; others <= 2 * SOURCES_DEAD_MAX; others++) {
		struct dead_sources *dead = NULL;
		const struct config_source *source;
		struct config_source one = list[0];
		uint64_t next = UINT64_MAX;
		unsigned asked = 0;

		for (unsigned i = 0; i < others; i++) {
			one.address.v4.sin_addr.s_addr = i + 1;
			CHECK(failed(&dead, &one, 5));
		}
		while (asked < 1000 && (source = sources_choose(&sources, AF_INET, 7, dead, 6, &next)) != NULL) {
			(void)failed(&dead, source, 6);
			asked++;
		}
		CHECK(asked >= V4 && asked <= SOURCES_DEAD_MAX);
		free(dead);
	}
}

static void test_wish(void)
{
	const struct config_sources none = {NULL, 0}, v4 = {list, V4};
	struct addresses_wish wish = sources_wish(&none, CONFIG_PREFER_IPV6);

	CHECK(wish.v4 && wish.v6 && wish.first == AF_INET6);
	wish = sources_wish(&v4, CONFIG_PREFER_NEITHER);
	CHECK(wish.v4 && !wish.v6 && wish.first == AF_UNSPEC);
	wish = sources_wish(&sources, CONFIG_PREFER_IPV4);
	CHECK(wish.v4 && wish.v6 && wish.first == AF_INET);
	CHECK(sources_find(&v4, &list[2].address) == &list[2]);
	CHECK(sources_find(&v4, &list[4].address) == NULL);
}

int main(void)
{
	open_list();
	RUN(test_stable);
	RUN(test_dead);
	RUN(test_many_dead);
	RUN(test_all_dead_beside_many);
	RUN(test_wish);
	return check_end();
}
