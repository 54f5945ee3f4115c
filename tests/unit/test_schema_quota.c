/*
 * tests/unit/test_schema_quota.c - limits of a second and a minute, of a session, of clients, addresses and all.
 */
#include <stdio.h>
#include <string.h>

#include "core/config/config.h"
#include "tests/unit/check.h"
#include "tests/unit/config_problems.h"

static struct config_problems problems;

static struct config *parse(const char *client, const char *more)
{
	char text[1000];

	snprintf(text, sizeof(text),
		 "hostname: relay.example.org\n"
		 "%s\n"
		 "listeners: [{ name: a, address: \"127.0.0.1:25\" }]\n"
		 "clients: [{ name: a, networks: [127.0.0.1]%s }, { name: b, networks: [127.0.0.2] }]\n"
		 "destinations: [{ name: next, hosts: [\"127.0.0.1:25\"], tls: { mode: none } }]\n"
		 "routes: [{ destination: next }]\n",
		 more, client);
	return config_parse("t.yaml", text, strlen(text), &problems);
}

static void check_quota(const struct config_quota *quota, unsigned connections, unsigned messages, unsigned recipients,
			uint64_t octets)
{
	CHECK_EQ(quota->connections_per_second, connections);
	CHECK_EQ(quota->messages_per_minute, messages);
	CHECK_EQ(quota->recipients_per_minute, recipients);
	CHECK_EQ(quota->octets_per_minute, octets);
}

static void test_values(void)
{
	struct config *c =
		parse(", limits: { connections: 10, connections_per_second: 3, messages_per_minute: 60, "
		      "recipients_per_minute: 600, octets_per_minute: 1MiB }",
		      "limits: { connections_per_second: 5, messages_per_minute: 6, "
		      "recipients_per_minute: 7, octets_per_minute: 8KiB, "
		      "octets_per_second_min: 2KiB, "
		      "address: { messages_per_minute: 9, octets_per_minute: 1KiB, errors_per_minute: 30 } }\n"
		      "timeouts: { session: 2d }");

	CHECK_STR(config_problems_first(&problems), "");
	if (!c)
		return;
	CHECK_EQ(c->clients[0].connections_max, 10);
	check_quota(&c->clients[0].terms->quota, 3, 60, 600, 1 << 20);
	CHECK(!c->clients[0].terms->narrows);
	CHECK(!c->clients[1].terms);
	check_quota(&c->limits.quota, 5, 6, 7, 8192);
	check_quota(&c->limits.address, 0, 9, 0, 1024);
	CHECK_EQ(c->limits.address.errors_per_minute, 30);
	CHECK_EQ(c->limits.octets_per_second_min, 2048);
	CHECK_EQ(c->timeouts.session_ns, UINT64_C(172800000000000));
	config_free(c);
}

static void test_defaults(void)
{
	struct config *c = parse("", "");

	CHECK_STR(config_problems_first(&problems), "");
	if (!c)
		return;
	CHECK(!config_quota_any(&c->limits.quota));
	CHECK(!config_quota_any(&c->limits.address));
	CHECK_EQ(c->limits.octets_per_second_min, 500);
	CHECK_EQ(c->timeouts.session_ns, 0);
	config_free(c);
}

/* What an address may do wrong is a limit of its own; and no minimum is none. */
static void test_errors_alone(void)
{
	struct config *c = parse("", "limits: { octets_per_second_min: 0, address: { errors_per_minute: 1 } }");

	CHECK_STR(config_problems_first(&problems), "");
	if (!c)
		return;
	CHECK(config_quota_any(&c->limits.address));
	CHECK_EQ(c->limits.octets_per_second_min, 0);
	config_free(c);
}

static void test_problems(void)
{
	static const struct {
		const char *client, *more, *problem;
	} table[] = {
		{", limits: { messages_per_minute: -1 }", "", "messages_per_minute: "},
		{", limits: { octets_per_minute: 5 }", "", "octets_per_minute: "},
		{", limits: { messages_per_hour: 5 }", "", "unknown key \"messages_per_hour\""},
		{"", "limits: { connections_per_second: 100001 }", "connections_per_second: "},
		{"", "limits: { address: { connections: 1 } }", "unknown key \"connections\""},
		/* One of many would shut out all. */
		{"", "limits: { errors_per_minute: 1 }", "unknown key \"errors_per_minute\""},
		{", limits: { errors_per_minute: 1 }", "", "unknown key \"errors_per_minute\""},
		{"", "limits: { octets_per_second_min: 500 }", "octets_per_second_min: "},
		{"", "limits: { octets_per_second_min: 2MiB }", "octets_per_second_min: "},
		{"", "timeouts: { session: 31d }", "session: "},
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct config *c = parse(table[i].client, table[i].more);
		CHECK(c == NULL);
		if (!strstr(config_problems_first(&problems), table[i].problem))
			CHECK_STR(config_problems_first(&problems), table[i].problem);
		config_free(c);
	}
}

int main(void)
{
	RUN(test_values);
	RUN(test_defaults);
	RUN(test_errors_alone);
	RUN(test_problems);
	return check_end();
}
