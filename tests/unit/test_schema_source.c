/*
 * tests/unit/test_schema_source.c - `source_addresses` and `prefer` of a destination: what is taken, what is said else.
 */
#include <stdio.h>
#include <string.h>

#include "core/config/config.h"
#include "tests/unit/check.h"
#include "tests/unit/config_problems.h"

static struct config *parse(const char *says, struct config_problems *problems)
{
	char text[1000];

	snprintf(text, sizeof(text),
		 HOST LISTENERS CLIENTS "destinations:\n  - { name: next, tls: { mode: none }, %s }\n" ROUTES, says);
	return config_parse("t.yaml", text, strlen(text), problems);
}

static void test_taken(void)
{
	struct config_problems problems;
	struct config *c =
		parse("hosts: [\"192.0.2.9:25\", \"mx.example.org:25\"], prefer: ipv4, source_addresses: [192.0.2.1, "
		      "\"2001:db8::1\", { address: 192.0.2.2, hostname: out2.example.org }]",
		      &problems);

	CHECK(c != NULL);
	if (!c)
		return;
	const struct config_destination *d = &c->destinations[0];
	CHECK_EQ(d->sources.count, 3);
	CHECK_STR(d->sources.list[0].text, "192.0.2.1");
	CHECK(d->sources.list[0].hostname == NULL);
	CHECK_EQ(d->sources.list[1].address.any.sa_family, AF_INET6);
	CHECK_STR(d->sources.list[2].hostname, "out2.example.org");
	CHECK_EQ(d->prefer, CONFIG_PREFER_IPV4);
	config_free(c);
}

static void test_refused(void)
{
	static const struct {
		const char *says, *problem;
	} table[] = {
		{"hosts: [\"a:25\"], source_addresses: [eth0]",
		 "source_addresses: \"eth0\" is no address: write one of this machine's, such as 192.0.2.1 or "
		 "\"2001:db8::1\""},
		{"hosts: [\"a:25\"], source_addresses: [\"192.0.2.1:25\"]",
		 "source_addresses: \"192.0.2.1:25\" is no address: write one of this machine's, such as 192.0.2.1 or "
		 "\"2001:db8::1\""},
		{"hosts: [\"a:25\"], source_addresses: [192.0.2.1, 192.0.2.1]",
		 "source_addresses: 192.0.2.1 is there twice"},
		{"hosts: [\"a:25\"], source_addresses: [\"2001:db8::1\", { address: \"2001:DB8:0::1\" }]",
		 "source_addresses: 2001:DB8:0::1 is there twice"},
		{"hosts: [\"a:25\"], source_addresses: [{ hostname: a.example.org }]",
		 "the key \"address\" is missing: write address: 192.0.2.1"},
		{"hosts: [\"a:25\"], source_addresses: [{ address: 192.0.2.1, hostname: relay }]",
		 "hostname: \"relay\" is no fully qualified name: write one as in relay.example.org"},
		{"hosts: [\"a:25\"], source_addresses: []",
		 "source_addresses: the list is empty: write at least one, as in [192.0.2.1]"},
		{"hosts: [\"[2001:db8::9]:25\"], source_addresses: [192.0.2.1]",
		 "hosts: \"[2001:db8::9]:25\" cannot be reached from any of source_addresses: add one that is IPv6"},
		{"hosts: [\"a:25\"], prefer: v4", "prefer: unknown value \"v4\": write one of ipv4, ipv6"},
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct config_problems problems;
		struct config *c = parse(table[i].says, &problems);
		const char *first = config_problems_first(&problems), *at = strstr(first, table[i].problem);
		CHECK(c == NULL);
		/* Behind "t.yaml:5:57: ". */
		CHECK_STR(at ? at : first, table[i].problem);
		config_free(c);
	}
}

int main(void)
{
	RUN(test_taken);
	RUN(test_refused);
	return check_end();
}
