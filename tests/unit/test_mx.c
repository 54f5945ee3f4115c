/*
 * tests/unit/test_mx.c - core/deliver/mx.c: hosts that mail may go to, keys of sites, domains, forbidden addresses.
 */
#include "core/deliver/mx.h"

#include <stdio.h>
#include <string.h>

#include "core/base/address_text.h"
#include "tests/unit/check.h"

/* "10 a.lab, 20 b.lab" */
static unsigned list_of(const char *text, struct dns_exchanger *list)
{
	char one[DNS_NAME_MAX + 1];
	unsigned count = 0, preference;

	while (sscanf(text, " %u %253[^,]", &preference, one) == 2) {
		list[count].preference = (uint16_t)preference;
		memcpy(list[count++].name, one, sizeof(one));
		text = strchr(text, ',');
		if (!text)
			break;
		text++;
	}
	return count;
}

static void test_choose(void)
{
	static const struct {
		const char *list;
		bool ok;
		unsigned count;
	} table[] = {
		{"10 a.lab, 20 b.lab", true, 2},
		{"10 a.lab, 10 A.LAB, 20 a.lab, 30 b.lab", true, 2},
		{"10 relay.lab", false, 0},
		{"10 a.lab, 20 Relay.Lab, 20 b.lab, 30 c.lab", true, 1},
		{"10 a.lab, 20 b.lab, 20 relay.lab", true, 1}, /* those that are alike are as far */
		{"10 b.lab, 10 relay.lab", false, 0},
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct dns_exchanger list[DNS_EXCHANGERS_MAX];
		unsigned count = list_of(table[i].list, list);
		CHECK_EQ(mx_choose(list, &count, "relay.lab"), table[i].ok);
		CHECK_EQ(count, table[i].count);
	}
}

static void test_key(void)
{
	static const struct {
		const char *a, *b;
		bool same;
	} table[] = {
		{"10 a.lab, 20 b.lab", "5 A.lab, 7 B.LAB", true},
		{"10 a.lab, 10 b.lab", "1 b.lab, 1 a.lab", true},
		{"10 a.lab, 10 b.lab", "10 a.lab, 20 b.lab", false},
		{"10 a.lab, 20 b.lab", "10 b.lab, 20 a.lab", false},
		{"10 a.lab", "10 a.lab, 20 b.lab", false},
		{"10 a.lab, 20 c.lab, 20 b.lab", "0 a.lab, 1 b.lab, 1 c.lab", true},
	};
	struct dns_exchanger a[DNS_EXCHANGERS_MAX], b[DNS_EXCHANGERS_MAX];
	char x[MX_KEY_SIZE], y[MX_KEY_SIZE];
	unsigned i;

	for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		unsigned n = list_of(table[i].a, a), m = list_of(table[i].b, b);
		mx_key(a, n, 25, (struct mx_terms){.secure = true}, x);
		mx_key(b, m, 25, (struct mx_terms){.secure = true}, y);
		CHECK_EQ(strcmp(x, y) == 0, table[i].same);
		mx_key(a, n, 25, (struct mx_terms){.secure = false}, y);
		CHECK(strcmp(x, y) != 0);
		mx_key(a, n, 25, (struct mx_terms){.secure = true, .enforced = true}, y);
		CHECK(strcmp(x, y) != 0);
		mx_key(a, n, 26, (struct mx_terms){.secure = true}, y);
		CHECK(strcmp(x, y) != 0);
	}
	/* The largest there is has its place. */
	for (i = 0; i < DNS_EXCHANGERS_MAX; i++) {
		a[i].preference = (uint16_t)i;
		memset(a[i].name, 'a' + (int)i, DNS_NAME_MAX);
		a[i].name[DNS_NAME_MAX] = '\0';
	}
	mx_key(a, DNS_EXCHANGERS_MAX, 65535, (struct mx_terms){.secure = true}, x);
	CHECK_EQ(strlen(x), 7 + DNS_EXCHANGERS_MAX * (DNS_NAME_MAX + 1));
}

static void test_shuffle(void)
{
	struct dns_exchanger list[DNS_EXCHANGERS_MAX];
	unsigned firsts[3] = {0}, count = list_of("1 x.lab, 2 a.lab, 2 b.lab, 2 c.lab, 3 y.lab", list);
	struct random random;

	random_init(&random);
	for (unsigned i = 0; i < 3000; i++) {
		mx_shuffle(list, count, &random);
		CHECK_STR(list[0].name, "x.lab");
		CHECK_STR(list[4].name, "y.lab");
		firsts[list[1].name[0] - 'a']++;
	}
	for (unsigned i = 0; i < 3; i++)
		CHECK(firsts[i] > 800 && firsts[i] < 1200);
}

static void test_domain(void)
{
	static const struct {
		const char *address, *domain; /* NULL: none */
	} table[] = {
		{"a@Example.ORG", "example.org"},
		{"a@example.org.", "example.org"},
		{"\"a@b\"@c.lab", "c.lab"},
		{"a@[192.0.2.1]", NULL},
		{"a@[IPv6:::1]", NULL},
		{"a@b\303\274cher.lab", "xn--bcher-kva.lab"},
		{"\303\244@b\303\274cher.lab", "xn--bcher-kva.lab"},
		{"a@", NULL},
		{"a@x..y", NULL},
		{"a@.x", NULL},
		{"a@aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffggg.lab",
		 "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffggg.lab"},
		{"a@aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffgggg.lab", NULL},
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		char name[MX_NAME_SIZE] = "";
		CHECK_EQ(mx_domain(span_text(table[i].address), name), table[i].domain != NULL);
		if (table[i].domain)
			CHECK_STR(name, table[i].domain);
	}
}

static void test_forbidden(void)
{
	static const struct {
		const char *address;
		bool forbidden;
	} table[] = {
		{"192.0.2.1", false},
		{"8.8.8.8", false},
		{"0.1.2.3", true},
		{"10.0.0.1", true},
		{"11.0.0.1", false},
		{"100.64.0.1", true},
		{"100.128.0.1", false},
		{"127.0.0.1", true},
		{"169.254.1.1", true},
		{"172.15.0.1", false},
		{"172.16.0.1", true},
		{"172.31.255.255", true},
		{"172.32.0.1", false},
		{"192.168.1.1", true},
		{"192.169.1.1", false},
		{"198.18.0.1", true},
		{"198.20.0.1", false},
		{"224.0.0.1", true},
		{"255.255.255.255", true},
		{"::1", true},
		{"::", true},
		{"fe80::1", true},
		{"fc00::1", true},
		{"fd12::1", true},
		{"ff02::1", true},
		{"2001:db8::1", false},
		{"::ffff:10.0.0.1", true},
		{"::ffff:8.8.8.8", false},
		{"64:ff9b::a00:1", true},
		{"64:ff9b:1::808:808", true},
		{"64:ff9b::808:808", false},
		{"2002:a00:1::1", true},
		{"2002:808:808::1", false},
		{"::8.8.8.8", true},
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct ring_address address;
		CHECK(address_text_numeric(table[i].address, 25, &address));
		CHECK_EQ(mx_forbidden(&address) != NULL, table[i].forbidden);
	}
}

static void test_listens_at(void)
{
	static const struct {
		const char *listener, *address;
		bool there;
	} table[] = {
		{"192.0.2.1:25", "192.0.2.1:25", true},
		{"192.0.2.1:25", "192.0.2.1:26", false},
		{"192.0.2.1:25", "192.0.2.2:25", false},
		{"192.0.2.1:25", "[::ffff:192.0.2.1]:25", true},
		{"192.0.2.1:25", "[::ffff:192.0.2.2]:25", false},
		{"[::ffff:192.0.2.1]:25", "192.0.2.1:25", true},
		{"[::ffff:192.0.2.1]:25", "[::ffff:192.0.2.1]:25", true},
		{"0.0.0.0:25", "192.0.2.1:25", true},
		{"0.0.0.0:25", "[::ffff:192.0.2.1]:25", true},
		{"0.0.0.0:25", "[2001:db8::1]:25", false},
		{"0.0.0.0:25", "192.0.2.1:587", false},
		{"[::]:25", "[2001:db8::1]:25", true},
		{"[::]:25", "192.0.2.1:25", false}, /* IPV6_V6ONLY: it may be another server's */
		{"[::]:25", "[::ffff:192.0.2.1]:25", false},
		{"[2001:db8::1]:25", "[2001:db8::1]:25", true},
		{"[2001:db8::1]:25", "[2001:db8::2]:25", false},
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct ring_address listener, address;
		struct address_problem problem;
		CHECK(address_text_parse(table[i].listener, &listener, &problem) == 0);
		CHECK(address_text_parse(table[i].address, &address, &problem) == 0);
		CHECK_EQ(mx_listens_at(&listener, &address), table[i].there);
	}
}

int main(void)
{
	RUN(test_choose);
	RUN(test_key);
	RUN(test_shuffle);
	RUN(test_domain);
	RUN(test_forbidden);
	RUN(test_listens_at);
	return check_end();
}
