/*
 * tests/unit/test_site.c - core/deliver/site.c: what the lanes of all shards share, while configurations come and go.
 */
#include "core/deliver/site.h"

#include "core/base/clock.h"
#include "tests/unit/check.h"

#define S CLOCK_NS_PER_S

/* A site that is made while limits are on their way has memory for them when they come. */
static void test_made_meanwhile(void)
{
	struct config_destination old_destination = {.name = "internet"}, new_destination = {.name = "internet"};
	struct config old = {.destinations = &old_destination, .destination_count = 1};
	struct config new = {.destinations = &new_destination, .destination_count = 1};
	struct sites sites = {0};
	struct site *before, *between, *refused;

	new_destination.limits =
		(struct config_limits){CONFIG_PACING_BURST, .messages_per_minute = 10, .octets_per_minute = 1000};
	CHECK(sites_init(&sites, &old) == 0);
	before = site_take(&sites, 0, "before", S);
	CHECK(before && !before->account.messages && !before->account.octets);
	CHECK(sites_prepare(&sites, &new) == 0);
	between = site_take(&sites, 0, "between", S);
	CHECK(between && between->account.messages && between->account.octets);
	sites_follow(&sites, &new, 2 * S);
	CHECK(before->account.messages && before->account.limits.octets_per_minute == 1000);
	CHECK_EQ(between->account.limits.octets_per_minute, 1000);
	/* A configuration that never came does no harm. */
	CHECK(sites_prepare(&sites, &old) == 0);
	refused = site_take(&sites, 0, "refused", 3 * S);
	CHECK(refused && refused->account.messages && refused->account.octets);
	CHECK_EQ(sites_count(&sites), 3);
	sites_deinit(&sites);
}

/* The same key is the same site, for as long as somebody uses it or it is limited. */
static void test_uses(void)
{
	struct config_destination destination = {.name = "internet"};
	struct config config = {.destinations = &destination, .destination_count = 1};
	struct sites sites = {0};
	struct site *site;

	CHECK(sites_init(&sites, &config) == 0);
	site = site_take(&sites, 0, "a", S);
	CHECK(site && site_take(&sites, 0, "a", S) == site);
	site_give_back(&sites, site, 2 * S);
	CHECK_EQ(sites_count(&sites), 1);
	site_give_back(&sites, site, 2 * S);
	CHECK_EQ(sites_count(&sites), 0);
	sites_deinit(&sites);
}

int main(void)
{
	RUN(test_made_meanwhile);
	RUN(test_uses);
	return check_end();
}
