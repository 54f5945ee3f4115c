/*
 * tests/unit/test_dns_files.c - core/agents/dns_files.c: hosts(5), resolv.conf(5), the search list.
 */
#include "core/agents/dns_files.h"

#include <arpa/inet.h>

#include "tests/unit/check.h"

/* As text, with a space behind each. */
static const char *shown(const struct ring_address *list, unsigned count)
{
	static char text[512];
	size_t n = 0;

	text[0] = '\0';
	for (unsigned i = 0; i < count; i++) {
		char one[INET6_ADDRSTRLEN];
		const void *at = list[i].any.sa_family == AF_INET ? (const void *)&list[i].v4.sin_addr
								  : (const void *)&list[i].v6.sin6_addr;
		inet_ntop(list[i].any.sa_family, at, one, sizeof(one));
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s ", one);
	}
	return text;
}

static const char hosts[] = "# comment\n"
			    "127.0.0.1\tlocalhost\n"
			    "\n"
			    "  192.0.2.1 Mail.example.org  mail # the first\r\n"
			    "192.0.2.2 mail.example.org\n"
			    "192.0.2.3 xmail.example.org mail.example.orgx\n"
			    "2001:db8::1 mail.example.org six\n"
			    "192.0.2.4#mail.example.org\n"
			    "192.0.2.300 mail.example.org\n"
			    "fe80::1%eth0 mail.example.org\n"
			    "mail.example.org 192.0.2.5\n"
			    "192.0.2.6\n"
			    "192.0.2.7 last";

static void test_hosts(void)
{
	static const struct {
		const char *name, *found;
	} cases[] = {
		{"mail.example.org", "192.0.2.1 192.0.2.2 2001:db8::1 "},
		{"MAIL.EXAMPLE.ORG.", "192.0.2.1 192.0.2.2 2001:db8::1 "},
		{"mail", "192.0.2.1 "},
		{"six", "2001:db8::1 "},
		{"last", "192.0.2.7 "},
		{"first", ""},
		{"example.org", ""},
		{"comment", ""},
		{"192.0.2.5", ""},
		{"", ""},
		{".", ""},
	};
	struct ring_address out[4];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		CHECK_STR(shown(out, hosts_find(hosts, sizeof(hosts) - 1, cases[i].name, out, 4)), cases[i].found);
	CHECK_EQ(hosts_find(hosts, sizeof(hosts) - 1, "mail.example.org", out, 2), 2);
	CHECK_EQ(hosts_find("", 0, "mail", out, 4), 0);
}

static void test_loopback(void)
{
	struct ring_address out[4];

	CHECK_STR(shown(out, hosts_loopback("localhost", out, 4)), "::1 127.0.0.1 ");
	CHECK_STR(shown(out, hosts_loopback("LocalHost.", out, 4)), "::1 127.0.0.1 ");
	CHECK_STR(shown(out, hosts_loopback("mail.localhost", out, 1)), "::1 ");
	CHECK_EQ(hosts_loopback("notlocalhost", out, 4), 0);
	CHECK_EQ(hosts_loopback("localhost.example.org", out, 4), 0);
	CHECK_EQ(hosts_loopback("", out, 4), 0);
}

static void parse(const char *text, struct resolv_conf *out)
{
	resolv_conf_parse(text, strlen(text), out);
}

static void test_resolv_conf(void)
{
	struct resolv_conf conf;

	parse("", &conf);
	CHECK_EQ(conf.server_count, 0);
	CHECK_EQ(conf.search_count, 0);
	CHECK_EQ(conf.dots, 1);
	parse("; by hand\nnameserver 192.0.2.53\n nameserver\t2001:db8::53 # second\nnameserver fe80::1%eth0\n"
	      "nameserver mail.example.org\nnameserver\nnameservers 192.0.2.54\n"
	      "domain one.example\nsearch two.example three.example\noptions timeout:1 ndots:3 edns0\n",
	      &conf);
	CHECK_EQ(conf.server_count, 3);
	CHECK_STR(conf.servers[0], "192.0.2.53");
	CHECK_STR(conf.servers[1], "2001:db8::53");
	CHECK_STR(conf.servers[2], "fe80::1%eth0");
	CHECK_EQ(conf.search_count, 2);
	CHECK_STR(conf.search[1], "three.example");
	CHECK_EQ(conf.dots, 3);
	/* The last one counts; more than there is room for is left out. */
	parse("search a b\nsearch 1 2 3 4 5 6 7 8\nsearch .\noptions ndots:15 ndots:x ndots:\n", &conf);
	CHECK_EQ(conf.search_count, 0);
	CHECK_EQ(conf.dots, 1);
	parse("search 1 2 3 4 5 6 7 8\nnameserver 10.0.0.1\nnameserver 10.0.0.1\nnameserver 10.0.0.1\n"
	      "nameserver 10.0.0.1\nnameserver 10.0.0.1\nnameserver 10.0.0.1\nnameserver 10.0.0.1\n"
	      "nameserver 10.0.0.1\nnameserver 10.0.0.1",
	      &conf);
	CHECK_EQ(conf.search_count, DNS_SEARCH_MAX);
	CHECK_EQ(conf.server_count, DNS_SERVERS_MAX);
}

static void test_candidates(void)
{
	static const struct {
		const char *conf, *name, *candidates; /* in order, a space behind each */
	} cases[] = {
		{"", "mail", "mail "},
		{"", "mail.example.org", "mail.example.org "},
		{"search a.example b.example", "mail", "mail.a.example mail.b.example mail "},
		{"search a.example b.example", "mail.sub", "mail.sub mail.sub.a.example mail.sub.b.example "},
		{"search a.example b.example", "mail.", "mail. "},
		{"search a.example\noptions ndots:2", "mail.sub", "mail.sub.a.example mail.sub "},
		{"search a.example\noptions ndots:0", "mail", "mail mail.a.example "},
	};
	char long_name[DNS_NAME_SIZE], out[DNS_NAME_SIZE], all[512];
	struct resolv_conf conf;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		parse(cases[i].conf, &conf);
		all[0] = '\0';
		for (unsigned n = 0; resolv_conf_candidate(&conf, cases[i].name, n, out); n++) {
			strcat(all, out);
			strcat(all, " ");
		}
		CHECK_STR(all, cases[i].candidates);
	}
	/* What gets too long is left out, and the others follow. */
	memset(long_name, 'a', 250);
	long_name[250] = '\0';
	parse("search example.org", &conf);
	CHECK(resolv_conf_candidate(&conf, long_name, 0, out));
	CHECK_STR(out, "");
	CHECK(resolv_conf_candidate(&conf, long_name, 1, out));
	CHECK_STR(out, long_name);
	CHECK(!resolv_conf_candidate(&conf, long_name, 2, out));
}

int main(void)
{
	RUN(test_hosts);
	RUN(test_loopback);
	RUN(test_resolv_conf);
	RUN(test_candidates);
	return check_end();
}
