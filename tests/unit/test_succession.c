/*
 * tests/unit/test_succession.c - core/config/succession: what may change in a running process, and where things stand.
 */
#include "core/config/succession.h"

#include "tests/unit/check.h"

#define TOP "hostname: relay.example.org\nshards: 2\n"
#define SPOOL "spool: { directory: /tmp/s, size_max: 2GiB, segment_size: 8MiB }\n"
#define LISTENERS "listeners: [{ name: lan, address: \"127.0.0.1:25\" }]\n"
#define CLIENTS "clients: [{ name: all, networks: [127.0.0.0/8] }]\n"
#define ONE(name) "  - { name: " name ", hosts: [\"mail.example.org:25\"], tls: { mode: none } }\n"
#define FEW(name, n)                                                                                                   \
	"  - { name: " name ", hosts: [\"192.0.2.1:25\"], tls: { mode: none }, limits: { connections: " n " } }\n"
#define ROUTE(name) "routes: [{ destination: " name " }]\n"
#define BASE TOP SPOOL LISTENERS CLIENTS "destinations:\n" ONE("a") ONE("b") ROUTE("a")

static struct config *parse(const char *text)
{
	static struct config_problems problems;
	struct config *config = config_parse("t.yaml", text, strlen(text), &problems);

	CHECK_STR(config_problems_first(&problems), "");
	return config;
}

static const struct config_bounds bounds = {.connections = 10000, .destinations = 4};

/* What may not follow BASE, and what is said; NULL: it may. */
static void test_what_may_change(void)
{
	static const struct {
		const char *text, *problem;
	} rows[] = {
		{BASE, NULL},
		{TOP "spool: { directory: /tmp/t, size_max: 2GiB, segment_size: 8MiB }\n" LISTENERS CLIENTS
		     "destinations:\n" ONE("a") ROUTE("a"),
		 "t.yaml:1:1: spool.directory cannot change while postrider runs: restart it"},
		{TOP "spool: { directory: /tmp/s, size_max: 3GiB, segment_size: 8MiB }\n" LISTENERS CLIENTS
		     "destinations:\n" ONE("a") ROUTE("a"),
		 "t.yaml:1:1: the sizes below spool cannot change while postrider runs: restart it"},
		{BASE "control: { socket: /run/postrider/control.sock }\n",
		 "t.yaml:1:1: control cannot change while postrider runs: restart it"},
		{BASE "control: { socket: /run/postrider/control.sock, http: { address: \"127.0.0.1:6525\" } }\n",
		 "t.yaml:1:1: control cannot change while postrider runs: restart it"},
		{BASE "user: nobody\n", "t.yaml:1:1: user cannot change while postrider runs: restart it"},
		{BASE "hardening: { seccomp: false }\n",
		 "t.yaml:1:1: hardening cannot change while postrider runs: restart it"},
		{BASE "hardening: { directories: [/srv] }\n",
		 "t.yaml:1:1: hardening cannot change while postrider runs: restart it"},
		{"hostname: relay.example.org\nshards: 3\n" SPOOL LISTENERS CLIENTS "destinations:\n" ONE("a")
			 ROUTE("a"),
		 "t.yaml:1:1: shards cannot change from 2 to 3 while postrider runs: restart it"},
		{TOP SPOOL "listeners: [{ name: lan, address: \"127.0.0.1:26\" }]\n" CLIENTS "destinations:\n" ONE("a")
			 ROUTE("a"),
		 NULL},
		{TOP SPOOL LISTENERS CLIENTS "dns: { servers: [192.0.2.53] }\ndestinations:\n" ONE("a") ROUTE("a"),
		 NULL},
		{TOP SPOOL LISTENERS CLIENTS "limits: { connections: 10001 }\ndestinations:\n" ONE("a") ROUTE("a"),
		 "t.yaml:1:1: limits.connections cannot be more than the 10000 that this process was started with: "
		 "restart it"},
		{TOP SPOOL LISTENERS CLIENTS "limits: { connections: 5 }\ndestinations:\n" ONE("a") ROUTE("a"), NULL},
		{TOP SPOOL LISTENERS CLIENTS "destinations:\n" FEW("a", "1") ROUTE("a"), NULL},
		{TOP SPOOL LISTENERS CLIENTS "destinations:\n" FEW("a", "2") FEW("new", "1") ROUTE("a"), NULL},
		{TOP SPOOL LISTENERS CLIENTS "destinations:\n" ONE("c") ONE("d") ONE("e") ROUTE("c"),
		 "t.yaml:1:1: there would be 5 destinations, those that are gone included, and this process has room "
		 "for "
		 "4: restart it"},
		{"hostname: other.example.org\nshards: 2\n" SPOOL LISTENERS
		 "clients: [{ name: x, networks: [10.0.0.0/8] }]\ntimeouts: { reply: 1m }\n"
		 "retry: { first: 1s, factor: 2, max: 1m, expire: 1d }\nlog: { sessions: false }\n"
		 "destinations:\n" ONE("a") ROUTE("a"),
		 NULL},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct config *running = parse(BASE), *next = parse(rows[i].text);
		struct config_problems problems;
		size_t before = next->destination_count;
		bool ok;

		config_problems_init(&problems);
		ok = config_succeed(next, running, &bounds, &problems);
		CHECK_EQ(ok, rows[i].problem == NULL);
		CHECK_STR(config_problems_first(&problems), rows[i].problem ? rows[i].problem : "");
		/* Nothing half done. */
		if (!ok)
			CHECK_EQ(next->destination_count, before);
		config_free(next);
		config_free(running);
	}
}

/* All that is in the way is said at once. */
static void test_all_reasons(void)
{
	struct config *running = parse(BASE);
	struct config *next = parse("hostname: relay.example.org\nshards: 1\n" SPOOL
				    "listeners: [{ name: wan, address: \"127.0.0.1:25\" }]\n" CLIENTS
				    "limits: { connections: 10001 }\ndestinations:\n" ONE("a") ROUTE("a"));
	struct config_problems problems;

	config_problems_init(&problems);
	CHECK(!config_succeed(next, running, &bounds, &problems));
	CHECK_EQ(problems.errors, 2);
	config_free(next);
	config_free(running);
}

static void check_place(const struct config *config, size_t i, const char *name, bool gone)
{
	CHECK_STR(config->destinations[i].name, name);
	CHECK_EQ(config->destinations[i].gone, gone);
	CHECK_EQ(config->destinations[i].host_count, gone ? 0 : 1);
}

/* A destination keeps its place over any number of changes, also while it is gone; routes follow. */
static void test_places(void)
{
	static const struct config_bounds room = {.connections = 10000, .destinations = 100};
	struct config *first = parse(BASE);
	struct config *second = parse(TOP SPOOL LISTENERS CLIENTS "destinations:\n" ONE("c") ONE("b") ROUTE("c"));
	struct config *third = parse(TOP SPOOL LISTENERS CLIENTS "destinations:\n" ONE("d") ONE("a") ROUTE("a"));
	struct config_problems problems;

	config_problems_init(&problems);
	CHECK(config_succeed(second, first, &room, &problems));
	CHECK_EQ(second->destination_count, 3);
	check_place(second, 0, "a", true);
	check_place(second, 1, "b", false);
	check_place(second, 2, "c", false);
	CHECK_EQ(second->routes[0].destination, 2);
	CHECK(config_succeed(third, second, &room, &problems));
	CHECK_EQ(third->destination_count, 4);
	check_place(third, 0, "a", false);
	check_place(third, 1, "b", true);
	check_place(third, 2, "c", true);
	check_place(third, 3, "d", false);
	CHECK_EQ(third->routes[0].destination, 0);
	CHECK_EQ(config_add_gone(third, "lost and more", 4), 4);
	check_place(third, 4, "lost", true);
	config_free(first);
	config_free(second);
	config_free(third);
}

/* The first one may have the place of "b", and no other. */
static bool free_for(const void *context, const struct config *next, size_t destination, size_t place)
{
	return destination == *(const size_t *)context && place == 1;
}

/* The place of one that is gone, where nothing refers to it any more, becomes another's; its own name has it before. */
static void test_places_again(void)
{
	size_t who = 0;
	struct config_bounds room = {.connections = 10000, .destinations = 3, .free_for = free_for, .context = &who};
	struct config *first = parse(BASE);
	struct config *second = parse(TOP SPOOL LISTENERS CLIENTS "destinations:\n" ONE("a") ROUTE("a"));
	struct config *third =
		parse(TOP SPOOL LISTENERS CLIENTS "destinations:\n" ONE("c") ONE("a") ONE("d") ROUTE("c"));
	struct config *fourth = parse(TOP SPOOL LISTENERS CLIENTS "destinations:\n" ONE("e") ONE("c") ROUTE("e"));
	struct config *fifth = parse(TOP SPOOL LISTENERS CLIENTS "destinations:\n" ONE("b") ONE("a") ROUTE("a"));
	struct config_problems problems;

	config_problems_init(&problems);
	CHECK(config_succeed(second, first, &room, &problems));
	check_place(second, 1, "b", true);
	CHECK(config_succeed(third, second, &room, &problems));
	CHECK_EQ(third->destination_count, 3);
	check_place(third, 0, "a", false);
	check_place(third, 1, "c", false);
	check_place(third, 2, "d", false);
	CHECK_EQ(third->routes[0].destination, 1);
	/* One that is there is not taken. */
	CHECK(!config_succeed(fourth, third, &room, &problems));
	CHECK_EQ(problems.errors, 1);
	config_problems_init(&problems);
	CHECK(config_succeed(fifth, second, &room, &problems));
	check_place(fifth, 1, "b", false);
	config_free(first);
	config_free(second);
	config_free(third);
	config_free(fourth);
	config_free(fifth);
}

int main(void)
{
	RUN(test_what_may_change);
	RUN(test_all_reasons);
	RUN(test_places);
	RUN(test_places_again);
	return check_end();
}
