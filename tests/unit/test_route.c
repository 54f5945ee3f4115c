/*
 * tests/unit/test_route.c - which destination and which client group, and lanes whose shares of a
 * destination's connections add up to its limit exactly.
 */
#include <arpa/inet.h>
#include <stdlib.h>

#include "core/receive/client.h"
#include "core/receive/listeners.h"
#include "core/relay/relay.h"
#include "core/route/route.h"
#include "tests/unit/check.h"

/* ---- routes ---- */

/* The destination, or -1. */
static int find(const struct config *config, const char *address, size_t length)
{
	const struct config_route *route =
		route_find(config, &(struct route_question){.recipient = {address, (uint32_t)length}});

	return route ? (int)route->destination : -1;
}

static int route_one(char *pattern, const char *address)
{
	struct config_route route = {.recipient = pattern};
	struct config config = {.routes = &route, .route_count = 1};

	return find(&config, address, strlen(address));
}

static const struct {
	char *pattern;
	const char *address;
	bool matches;
} patterns[] = {
	{NULL, "a@example.org", true},
	{NULL, "postmaster", true},
	{"*", "a@example.org", true},
	{"*", "postmaster", true},
	{"*@example.org", "a@example.org", true},
	{"*@example.org", "a@EXAMPLE.Org", true},
	{"*@Example.ORG", "a@example.org", true},
	{"*@example.org", "\"a@b\"@example.org", true},
	{"*@example.org", "a@sub.example.org", false},
	{"*@example.org", "a@notexample.org", false},
	{"*@example.org", "a@example.org.evil.net", false},
	{"*@example.org", "a@example.or", false},
	{"*@example.org", "\"x@example.org\"@evil.net", false},
	{"*@example.org", "postmaster", false},
	{"*@*.example.org", "a@sub.example.org", true},
	{"*@*.example.org", "a@x.y.example.org", true},
	{"*@*.example.org", "a@SUB.Example.Org", true},
	{"*@*.example.org", "a@example.org", false},
	{"*@*.example.org", "a@.example.org", false},
	{"*@*.example.org", "a@xexample.org", false},
	{"*@*.example.org", "a@sub.example.org.evil", false},
	{"local@example.org", "local@example.org", true},
	{"local@example.org", "local@EXAMPLE.ORG", true},
	{"local@example.org", "Local@example.org", false},
	{"local@example.org", "loca@example.org", false},
	{"local@example.org", "locally@example.org", false},
	{"local@*.example.org", "local@a.example.org", true},
	{"local@*.example.org", "other@a.example.org", false},
	{"\"a@b\"@example.org", "\"a@b\"@example.org", true},
	{"*@[192.0.2.1]", "a@[192.0.2.1]", true},
	{"*@[192.0.2.1]", "a@[192.0.2.10]", false},
};

static void test_patterns(void)
{
	for (size_t i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++) {
		int found = route_one(patterns[i].pattern, patterns[i].address);
		if ((found == 0) != patterns[i].matches)
			fprintf(stderr, "%s against %s\n", patterns[i].address, patterns[i].pattern);
		CHECK_EQ(found, patterns[i].matches ? 0 : -1);
	}
}

/* The address is not NUL-terminated where it comes from. */
static void test_length_counts(void)
{
	char pattern[] = "*@example.org";
	struct config_route route = {.recipient = pattern};
	struct config config = {.routes = &route, .route_count = 1};

	CHECK_EQ(find(&config, "a@example.orgxxxx", 13), 0);
	CHECK_EQ(find(&config, "a@example.orgxxxx", 14), -1);
	CHECK_EQ(find(&config, "a@example.org", 12), -1);
	CHECK_EQ(find(&config, "", 0), -1);
}

static void test_first_match_wins(void)
{
	char exact[] = "vip@example.org", domain[] = "*@example.org";
	struct config_route routes[] = {{.recipient = exact, .destination = 2},
					{.recipient = domain, .destination = 1},
					{.recipient = exact, .destination = 5},
					{.recipient = NULL, .destination = 0}};
	struct config config = {.routes = routes, .route_count = 4};

	CHECK_EQ(find(&config, "vip@example.org", 15), 2);
	CHECK_EQ(find(&config, "any@example.org", 15), 1);
	CHECK_EQ(find(&config, "any@example.net", 15), 0);
	config.route_count = 3;
	CHECK_EQ(find(&config, "any@example.net", 15), -1);
	config.route_count = 0;
	CHECK_EQ(find(&config, "vip@example.org", 15), -1);
}

/* All that a route asks must fit; what is not known fits none that asks for it. */
static void test_criteria(void)
{
	char own[] = "*@contoso.com", nobody[] = "<>", no[] = "no";
	struct config_route routes[] = {{.sender = nobody, .destination = 1},
					{.sender = own, .client = 2, .destination = 2},
					{.listener = 1, .size = 1000, .refuse = no},
					{.listener = 1, .recipient = own, .destination = 3},
					{.size = 5000, .destination = 4},
					{.destination = 5}};
	struct config config = {.routes = routes, .route_count = 6};
	static const struct {
		const char *recipient, *sender;
		size_t client, listener;
		uint64_t size;
		unsigned route;
	} cases[] = {
		{"a@b", "", 0, 0, 0, 0},
		{"a@b", "", 2, 1, 9000, 0},
		{"a@b", "x@contoso.com", 2, 0, 0, 1},
		{"a@b", "x@CONTOSO.com", 2, 1, 9000, 1},
		{"a@b", "x@contoso.com", 1, 0, 0, 5},
		{"a@b", "x@contoso.com", 0, 0, 0, 5},
		{"a@b", "<>", 0, 0, 0, 5},
		{"a@b", "x@y", 1, 1, 1001, 2},
		{"a@contoso.com", "x@y", 1, 1, 1000, 3},
		{"a@contoso.com", "x@y", 1, 1, UINT64_MAX, 2},
		{"a@contoso.com", "x@y", 1, 2, 5001, 4},
		{"a@contoso.com", "x@y", 1, 2, 5000, 5},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct route_question question = {span_text(cases[i].recipient), span_text(cases[i].sender),
							cases[i].client, cases[i].listener, cases[i].size};
		const struct config_route *found = route_find(&config, &question);
		CHECK(found == &routes[cases[i].route]);
	}
}

/* ---- clients ---- */

static struct network network(const char *text)
{
	struct address_problem problem;
	struct network out;

	CHECK_EQ(network_parse(text, &out, &problem), 0);
	return out;
}

static int client_of(const struct config *config, const char *host)
{
	struct ring_address address;

	CHECK(address_text_numeric(host, 40000, &address));
	return client_find(config, &(struct client_question){.address = &address});
}

static struct network_entry entry(const char *text, int32_t client)
{
	return (struct network_entry){.network = network(text), .number = client};
}

static void test_clients(void)
{
	struct network_entry entries[] = {entry("10.20.0.0/16", 0), entry("192.0.2.7", 0), entry("10.0.0.0/8", 1),
					  entry("2001:db8::/32", 1)};
	struct config_client clients[2] = {{.network_count = 2}, {.network_count = 2}};
	struct config config = {.clients = clients, .client_count = 2};

	config.index = client_index_new(&config, entries, 4, NULL, NULL);
	CHECK_EQ(client_of(&config, "10.20.255.255"), 0);
	CHECK_EQ(client_of(&config, "192.0.2.7"), 0);
	CHECK_EQ(client_of(&config, "10.21.0.0"), 1);
	CHECK_EQ(client_of(&config, "2001:db8::1"), 1);
	CHECK_EQ(client_of(&config, "192.0.2.8"), -1);
	CHECK_EQ(client_of(&config, "127.0.0.1"), -1);
	CHECK_EQ(client_of(&config, "2001:db9::1"), -1);
	/* The same peer over an IPv6 socket is the same client (REL-02). */
	CHECK_EQ(client_of(&config, "::ffff:10.20.0.1"), 0);
	CHECK_EQ(client_of(&config, "::ffff:192.0.2.8"), -1);
	client_index_free(config.index);
}

static void test_destination_names(void)
{
	struct config_destination destinations[] = {{.name = (char[]){"office"}}, {.name = (char[]){"office365"}}};
	struct config config = {.destinations = destinations, .destination_count = 2};

	CHECK_EQ(route_destination(&config, "office", 6), 0);
	CHECK_EQ(route_destination(&config, "office365", 9), 1);
	CHECK_EQ(route_destination(&config, "office365", 6), 0);
	CHECK_EQ(route_destination(&config, "office365", 8), -1);
	CHECK_EQ(route_destination(&config, "Office", 6), -1);
	CHECK_EQ(route_destination(&config, "", 0), -1);
}

/* ---- lanes ---- */

/* One destination's lanes: they follow each other, belong to it, and none has to do without a connection. */
static void check_destination(const struct relay *relay, size_t d, unsigned first)
{
	const struct config_destination *destination = &relay->config->destinations[d];
	const struct destination_plan *plan = &relay->plan.destinations[d];
	bool owned[CONFIG_SHARDS_MAX] = {false};

	CHECK_EQ(plan->first_lane, first);
	CHECK_EQ(plan->lanes,
		 destination->connections < relay->shard_count ? destination->connections : relay->shard_count);
	for (unsigned i = 0; i < plan->lanes; i++) {
		const struct lane_plan *lane = &relay->plan.lanes[plan->first_lane + i];
		CHECK_EQ(lane->destination, d);
		CHECK(lane->owner < relay->shard_count);
		CHECK(!owned[lane->owner]); /* at most one lane of a destination on a shard */
		owned[lane->owner] = true;
	}
}

static void test_lanes_of_limits(void)
{
	static const unsigned limits[] = {1, 2, 3, 4, 5, 7, 8, 15, 20, 63, 64, 65, 100, 1000};
	enum { COUNT = sizeof(limits) / sizeof(limits[0]) };
	struct config_destination destinations[COUNT] = {0};
	struct config_listener listeners[2] = {{.name = (char[]){"lan"}, .address = {.length = 16}},
					       {.name = (char[]){"other"}, .address = {.length = 28}}};
	struct config config = {.destinations = destinations,
				.destination_count = COUNT,
				.listeners = listeners,
				.listener_count = 2,
				.spool.directory = "/nowhere"};
	char names[COUNT][16];

	for (size_t d = 0; d < COUNT; d++) {
		snprintf(names[d], sizeof(names[d]), "next-hop-%zu", d);
		destinations[d].name = names[d];
		destinations[d].connections = limits[d];
	}
	for (unsigned shards = 1; shards <= CONFIG_SHARDS_MAX; shards += shards < 10 ? 1 : 9) {
		struct relay relay;
		unsigned first = 0;
		CHECK_EQ(relay_init(&relay, &config, shards), 0);
		for (size_t d = 0; d < COUNT; d++) {
			check_destination(&relay, d, first);
			first += relay.plan.destinations[d].lanes;
		}
		CHECK_EQ(relay.plan.lane_count, first);
		CHECK_EQ(listeners_address(&relay.receivers, relay.snapshot, 1)->length, 28);
		CHECK_EQ(atomic_load(&relay.receiving), shards);
		for (unsigned i = 0; i < shards * shards; i++)
			CHECK(handoff_empty(&relay.handoffs[i]) &&
			      (uintptr_t)&relay.handoffs[i] % HANDOFF_CACHE_LINE == 0);
		relay_deinit(&relay);
	}
}

/* Destinations with one connection do not all land on the same shard. */
static void test_owners_spread(void)
{
	enum { COUNT = 64, SHARDS = 4 };
	struct config_destination destinations[COUNT] = {0};
	struct config config = {
		.destinations = destinations, .destination_count = COUNT, .spool.directory = "/nowhere"};
	char names[COUNT][16];
	unsigned owned[SHARDS] = {0};
	struct relay relay, again;

	for (size_t d = 0; d < COUNT; d++) {
		snprintf(names[d], sizeof(names[d]), "customer-%zu", d);
		destinations[d] = (struct config_destination){.name = names[d], .connections = 1};
	}
	CHECK_EQ(relay_init(&relay, &config, SHARDS), 0);
	CHECK_EQ(relay_init(&again, &config, SHARDS), 0);
	for (unsigned i = 0; i < relay.plan.lane_count; i++) {
		owned[relay.plan.lanes[i].owner]++;
		/* The same at every start: mail on disk stays with its shard. */
		CHECK_EQ(relay.plan.lanes[i].owner, again.plan.lanes[i].owner);
	}
	for (unsigned s = 0; s < SHARDS; s++)
		CHECK(owned[s] >= 5);
	relay_deinit(&relay);
	relay_deinit(&again);
}

/* A reload may make one destination take over for another where each shard finds a lane of it. */
static void test_other_paths(void)
{
	enum { SHARDS = 4 };
	struct config_destination destinations[4] = {{.name = "all", .connections = 20},
						     {.name = "one", .connections = 1},
						     {.name = "other", .connections = 7},
						     {.name = "new", .connections = 1}};
	struct config config = {.destinations = destinations, .destination_count = 3};
	struct plan plan;

	CHECK_EQ(plan_init(&plan, &config, SHARDS), 0);
	CHECK(plan_may_take_over(&plan, 0, 2) && plan_may_take_over(&plan, 1, 0));
	CHECK(!plan_may_take_over(&plan, 0, 1));
	/* One that is new, for one that was there before. */
	config.destination_count = 4;
	destinations[0].fallback = 4;
	plan_extend(&plan, &config, SHARDS);
	CHECK(plan_may_take_over(&plan, 0, 3));
	CHECK_EQ(plan.destinations[3].lanes, SHARDS);
	/* And taken back, as the reload is refused; the next one is another. */
	plan_shrink(&plan, 3);
	destinations[0].fallback = 0;
	plan_extend(&plan, &config, SHARDS);
	CHECK_EQ(plan.destinations[3].lanes, 1);
	CHECK_EQ(plan.lane_count, 4 + 1 + 4 + 1);
	plan_deinit(&plan);
}

/* ---- mailboxes that may send as a sender ---- */

static const struct {
	const char *sender, *fits; /* a letter for each mailbox */
} matches[] = {
	{"scan@example.org", "a"},
	{"SCAN@Example.org", "a"},
	{"copier@example.org", "a"},
	{"Copier@EXAMPLE.org", "a"},
	{"bulk@example.org", "b"},
	{"news@example.org", "bc"},
	{"x@lists.example.org", "c"},
	{"x@a.lists.example.org", "d"},
	{"stranger@example.org", "d"},
	{"*@lists.example.org", "c"},
	{"*", "d"},
	{"<>", "d"},
	{"scan", "d"},
	{"", "c"},
};

static const char *fitting(const struct config_destination *destination, const char *sender)
{
	static char found[8];
	uint8_t members[ROUTE_MEMBERS(8)];
	size_t n = 0;
	bool any = route_mailboxes(destination, (struct span){sender, (uint32_t)strlen(sender)}, members);

	for (size_t i = 0; i < destination->mailbox_count; i++) {
		if (members[i / 8] >> i % 8 & 1)
			found[n++] = (char)('a' + i);
	}
	found[n] = '\0';
	CHECK_EQ(any, n > 0);
	return found;
}

static void test_mailboxes(void)
{
	char *a[] = {"copier@example.org"}, *b[] = {"news@example.org"};
	char *c[] = {"*@lists.example.org", "NEWS@example.org", "<>"}, *d[] = {"*"};
	struct config_mailbox mailboxes[] = {
		{.user = "scan@example.org", .senders = a, .sender_count = 1},
		{.user = "bulk@example.org", .senders = b, .sender_count = 1},
		{.user = "relay", .senders = c, .sender_count = 3},
		{.user = "rest@example.org", .senders = d, .sender_count = 1},
	};
	struct config_destination destination = {.mailboxes = mailboxes, .mailbox_count = 4};

	for (size_t i = 0; i < sizeof(matches) / sizeof(matches[0]); i++)
		CHECK_STR(fitting(&destination, matches[i].sender), matches[i].fits);
	/* Nobody takes the rest; reports go by any. */
	destination.mailbox_count = 2;
	CHECK_STR(fitting(&destination, "stranger@example.org"), "");
	CHECK_STR(fitting(&destination, ""), "ab");
	/* Or by who takes the rest. */
	mailboxes[1] = mailboxes[3];
	CHECK_STR(fitting(&destination, ""), "b");
}

int main(void)
{
	RUN(test_mailboxes);
	RUN(test_patterns);
	RUN(test_length_counts);
	RUN(test_first_match_wins);
	RUN(test_criteria);
	RUN(test_clients);
	RUN(test_destination_names);
	RUN(test_lanes_of_limits);
	RUN(test_owners_spread);
	RUN(test_other_paths);
	return check_end();
}
