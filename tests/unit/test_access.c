/*
 * tests/unit/test_access.c - core/control/access: pages of others that have a browser ask are refused.
 */
#include "core/control/access.h"

#include <string.h>

#include "tests/unit/check.h"

#define GOOD "127.0.0.1:6525"

static void test_rows(void)
{
	static const struct {
		const char *host, *origin, *site, *act;
		bool tls, acts, in;
	} rows[] = {
		{GOOD, NULL, NULL, NULL, false, false, true},
		{"127.0.0.1", NULL, NULL, NULL, false, false, true},
		{"localhost:6525", NULL, NULL, NULL, false, false, true},
		{"LocalHost", NULL, NULL, NULL, false, false, true},
		{"[::1]:6525", NULL, NULL, NULL, false, false, true},
		{"[::1]", NULL, NULL, NULL, false, false, true},
		{"Relay.Example.ORG:6525", NULL, NULL, NULL, false, false, true},
		{"192.0.2.1:6525", NULL, NULL, NULL, false, false, true},
		/* A name that leads here by others' wish. */
		{"evil.example:6525", NULL, NULL, NULL, false, false, false},
		{"127.0.0.1.evil.example", NULL, NULL, NULL, false, false, false},
		{"localhost.evil.example", NULL, NULL, NULL, false, false, false},
		{"relay.example.org.", NULL, NULL, NULL, false, false, false},
		{"2130706433", NULL, NULL, NULL, false, false, false},
		{"127.1", NULL, NULL, NULL, false, false, false},
		{"[localhost]", NULL, NULL, NULL, false, false, false},
		{"[::1", NULL, NULL, NULL, false, false, false},
		{"[::1]x", NULL, NULL, NULL, false, false, false},
		{"::1", NULL, NULL, NULL, false, false, false},
		{"localhost:", NULL, NULL, NULL, false, false, false},
		{"localhost:6525x", NULL, NULL, NULL, false, false, false},
		{"localhost:123456", NULL, NULL, NULL, false, false, false},
		{"user@localhost", NULL, NULL, NULL, false, false, false},
		{"", NULL, NULL, NULL, false, false, false},
		{NULL, NULL, NULL, NULL, false, false, false},
		/* Whose page asks. */
		{GOOD, "http://" GOOD, NULL, NULL, false, false, true},
		{GOOD, "https://" GOOD, NULL, NULL, true, false, true},
		{GOOD, "https://" GOOD, NULL, NULL, false, false, false},
		{GOOD, "http://" GOOD, NULL, NULL, true, false, false},
		{GOOD, "http://127.0.0.1:80", NULL, NULL, false, false, false},
		{GOOD, "http://evil.example", NULL, NULL, false, false, false},
		{GOOD, "http://" GOOD ".evil.example", NULL, NULL, false, false, false},
		{GOOD, "null", NULL, NULL, false, false, false},
		{GOOD, "", NULL, NULL, false, false, false},
		{GOOD, NULL, "same-origin", NULL, false, false, true},
		{GOOD, NULL, "none", NULL, false, false, true},
		{GOOD, NULL, "same-site", NULL, false, false, false},
		{GOOD, NULL, "cross-site", NULL, false, false, false},
		{GOOD, NULL, "", NULL, false, false, false},
		/* What changes something. */
		{GOOD, NULL, NULL, NULL, false, true, false},
		{GOOD, NULL, NULL, "yes", false, true, true},
		{GOOD, NULL, "cross-site", "yes", false, true, false},
		{"evil.example", NULL, NULL, "yes", false, true, false},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct access_facts facts = {.host = rows[i].host,
						   .origin = rows[i].origin,
						   .fetch_site = rows[i].site,
						   .act = rows[i].act,
						   .hostname = "relay.example.org",
						   .tls = rows[i].tls,
						   .acts = rows[i].acts};
		const char *problem = access_problem(&facts);
		if ((problem == NULL) != rows[i].in)
			printf("row %zu: %s\n", i, problem ? problem : "let in");
		CHECK_EQ(problem == NULL, rows[i].in);
	}
}

/* Any Host and none, but no page of others. */
static void test_proxy(void)
{
	static const struct {
		const char *host, *origin, *proxy;
		bool in;
	} rows[] = {
		{"status.example.org", NULL, "https://status.example.org", true},
		{"Status.Example.org", "https://status.example.org", "https://status.example.org", true},
		{GOOD, "https://status.example.org", "https://status.example.org", true},
		{GOOD, "http://" GOOD, "https://status.example.org", true},
		{"status.example.org:8443", "https://status.example.org:8443", "https://status.example.org:8443", true},
		{"status.example.org", NULL, NULL, false},
		{GOOD, "https://status.example.org", NULL, false},
		{"status.example.org", "http://status.example.org", "https://status.example.org", false},
		{"status.example.org", "https://evil.example", "https://status.example.org", false},
		{"status.example.org:8443", NULL, "https://status.example.org", false},
		{"evil.example", "https://status.example.org", "https://status.example.org", false},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct access_facts facts = {.host = rows[i].host,
						   .origin = rows[i].origin,
						   .hostname = "relay.example.org",
						   .proxy_origin = rows[i].proxy};
		if ((access_problem(&facts) == NULL) != rows[i].in)
			printf("row %zu\n", i);
		CHECK_EQ(access_problem(&facts) == NULL, rows[i].in);
	}
}

static void test_probes(void)
{
	struct access_facts facts = {.hostname = "relay.example.org", .anybody = true};

	CHECK(access_problem(&facts) == NULL);
	facts.origin = "http://evil.example";
	CHECK(access_problem(&facts) != NULL);
	facts.origin = "http://";
	CHECK(access_problem(&facts) != NULL);
	facts.origin = NULL;
	facts.host = "pool-member-7";
	CHECK(access_problem(&facts) == NULL);
	facts.fetch_site = "cross-site";
	CHECK(access_problem(&facts) != NULL);
}

/* Where programs have what they like: but no name that may be others'. */
static void test_host_alone(void)
{
	static const struct {
		const char *host;
		bool in;
	} rows[] = {
		{NULL, true},
		{"", true},
		{"x", true},
		{"docker", true},
		{"localhost", true},
		{"localhost:8080", true},
		{"127.0.0.1:8080", true},
		{"192.0.2.1", true},
		{"[::1]", true},
		{"[::ffff:192.0.2.1]:8080", true},
		{"Relay.example.org:8080", true},
		{"evil.example", false},
		{"evil.example:8080", false},
		{"evil.", false},
		{"127.0.0.1.evil.example", false},
		{"127.0.0.1:80.evil.example", false},
		{"[evil.example]", false},
		{"user@evil.example", false},
		{"relay.example.org.evil.example", false},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if ((access_host_problem(rows[i].host, "relay.example.org") == NULL) != rows[i].in)
			printf("row %zu\n", i);
		CHECK_EQ(access_host_problem(rows[i].host, "relay.example.org") == NULL, rows[i].in);
	}
}

static void test_long(void)
{
	char host[2000];
	struct access_facts facts = {.host = host, .hostname = "relay.example.org"};

	memset(host, 'a', sizeof(host));
	host[sizeof(host) - 1] = '\0';
	CHECK(access_problem(&facts) != NULL);
	host[0] = '[';
	CHECK(access_problem(&facts) != NULL);
}

int main(void)
{
	RUN(test_rows);
	RUN(test_probes);
	RUN(test_proxy);
	RUN(test_host_alone);
	RUN(test_long);
	return check_end();
}
