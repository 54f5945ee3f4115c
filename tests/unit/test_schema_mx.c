/*
 * tests/unit/test_schema_mx.c - `mx_of` and `hosts_end_with` of a destination: what is taken, and what is said else;
 * and which destination is no weaker a fallback than another.
 */
#include <stdio.h>
#include <string.h>

#include "core/config/config.h"
#include "tests/unit/check.h"
#include "tests/unit/config_problems.h"

/* The domain whose MX are the hosts, and how these may be called. */
static void test_mx_of(void)
{
	static const struct {
		const char *says, *problem; /* the first error or warning, or "" */
		const char *domain;
		uint16_t port;
		unsigned ends;
	} table[] = {
		{"mx_of: contoso.com, hosts_end_with: [.example.net, .a.example.org]", "", "contoso.com", 25, 2},
		{"mx_of: \"contoso.com:2525\", tls: { mode: required }", "", "contoso.com", 2525, 0},
		{"mx_of: contoso.com, tls: { server_name: mail.example.org }", "", "contoso.com", 25, 0},
		{"mx_of: contoso.com",
		 "t.yaml:5:23: warning: mx_of: TLS verifies whatever host the DNS answers: say how its hosts are "
		 "called, "
		 "as in hosts_end_with: [.mail.protection.outlook.com]",
		 "contoso.com", 25, 0},
		{"mx_of: 192.0.2.1", "t.yaml:5:23: mx_of: \"192.0.2.1\" is no domain: write one as in contoso.com",
		 NULL, 0, 0},
		{"mx_of: \"[2001:db8::1]:25\"",
		 "t.yaml:5:23: mx_of: \"[2001:db8::1]:25\" is no domain: write one as in contoso.com", NULL, 0, 0},
		{"mx_of: \"a b\"", "t.yaml:5:23: mx_of: \"a b\" is no domain: write one as in contoso.com", NULL, 0, 0},
		{"mx_of: contoso.com, hosts: [\"a.example.org:25\"]",
		 "t.yaml:5:43: mx_of: the hosts are given already: remove \"hosts\", or this", NULL, 0, 0},
		{"hosts: [\"a.example.org:25\"], hosts_end_with: [.example.org]",
		 "t.yaml:5:61: hosts_end_with: without effect here: it is for mx_of", NULL, 0, 0},
		{"mx_of: contoso.com, hosts_end_with: [example.org]",
		 "t.yaml:5:53: hosts_end_with: \"example.org\" is no end of host names: write one as in "
		 ".mail.protection.outlook.com",
		 NULL, 0, 0},
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct config_problems problems;
		char text[1000];
		struct config *c;

		snprintf(text, sizeof(text),
			 "hostname: relay.example.org\n"
			 "listeners: [{ name: a, address: \"127.0.0.1:25\" }]\n"
			 "clients: [{ name: c, networks: [127.0.0.0/8] }]\n"
			 "destinations:\n  - { name: d, %s }\nroutes: [{ destination: d }]\n",
			 table[i].says);
		c = config_parse("t.yaml", text, strlen(text), &problems);
		CHECK_STR(config_problems_first(&problems), table[i].problem);
		CHECK((c != NULL) == (table[i].domain != NULL));
		if (c) {
			CHECK_STR(c->destinations[0].mx_of, table[i].domain);
			CHECK_EQ(c->destinations[0].mx_port, table[i].port);
			CHECK_EQ(c->destinations[0].mx_ends.count, table[i].ends);
			CHECK_EQ(c->destinations[0].host_count, 0);
			CHECK(!c->destinations[0].tls_implicit);
		}
		config_free(c);
	}
}

/* What a fallback must prove where the destination proves something; refused ones are told word for word in
 * test_config.c. */
static void test_fallbacks(void)
{
	static const struct {
		const char *first, *second;
		bool taken;
	} table[] = {
		{"hosts: [\"a:25\"]", "hosts: [\"b:25\"]", true},
		{"hosts: [\"a:25\"]", "hosts: [\"b:25\"], tls: { fingerprints: [\"sha256:" DIGITS "\"] }", true},
		{"hosts: [\"a:25\"], tls: { fingerprints: [\"sha256:" DIGITS "\"] }",
		 "hosts: [\"b:25\"], tls: { fingerprints: [\"sha256:" DIGITS "\"] }", true},
		{"hosts: [\"a:25\"], tls: { fingerprints: [\"sha256:" DIGITS "\"] }",
		 "hosts: [\"b:25\"], tls: { ca_file: /etc/passwd }", true},
		{"hosts: [\"a:25\"], tls: { fingerprints: [\"sha256:" DIGITS "\"] }", "hosts: [\"b:25\"]", false},
		{"hosts: [\"a:25\"], tls: { fingerprints: [\"sha256:" DIGITS "\"] }",
		 "hosts: [\"b:25\"], tls: { mode: dane }", false},
		{"hosts: [\"a:25\"], tls: { ca_file: /etc/passwd }", "hosts: [\"b:25\"]", false},
		/* Without a proof here none is asked for there. */
		{"hosts: [\"a:25\"], tls: { mode: required }", "hosts: [\"b:25\"]", true},
		{"hosts: [\"a:25\"]", "mx_of: b.example", false},
		{"hosts: [\"a:25\"]", "mx_of: b.example, hosts_end_with: [.example]", true},
		{"hosts: [\"a:25\"]", "mx_of: b.example, tls: { server_name: b.example }", true},
		{"hosts: [\"a:25\"]", "mx_of: b.example, tls: { mta_sts: true }", true},
		{"hosts: [\"a:25\"]", "mx_of: b.example, tls: { mode: dane }", true},
		{"mx_of: a.example", "mx_of: b.example", true},
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct config_problems problems;
		char text[1000];
		struct config *c;

		snprintf(text, sizeof(text),
			 "hostname: relay.example.org\ndns: { dnssec: validate }\n"
			 "listeners: [{ name: a, address: \"127.0.0.1:25\" }]\n"
			 "clients: [{ name: c, networks: [127.0.0.0/8] }]\n"
			 "destinations:\n  - { name: d, %s, fallback: e }\n  - { name: e, %s }\n"
			 "routes: [{ destination: d }]\n",
			 table[i].first, table[i].second);
		c = config_parse("t.yaml", text, strlen(text), &problems);
		CHECK_EQ(c != NULL, table[i].taken);
		if (!c != !table[i].taken)
			printf("row %zu: %s\n", i, config_problems_first(&problems));
		config_free(c);
	}
}

int main(void)
{
	RUN(test_mx_of);
	RUN(test_fallbacks);
	return check_end();
}
