/*
 * tests/unit/test_dns_exchangers.c - core/agents/dns_exchangers.c: the data of MX records, and their order.
 */
#include "core/agents/dns_exchangers.h"

#include <stdio.h>
#include <string.h>

#include "tests/unit/check.h"

static void test_parse(void)
{
	static const struct {
		const char *data;
		size_t length;
		bool ok;
		uint16_t preference;
		const char *name;
	} table[] = {
		{"\0\12\4mail\7example\3org", 20, true, 10, "mail.example.org"},
		{"\377\377\1a", 5, true, 65535, "a"},
		{"\0\0", 3, true, 0, ""},
		{"", 0, false, 0, ""},
		{"\0", 1, false, 0, ""},
		{"\0\12", 2, false, 0, ""},
		{"\0\12\4mail", 7, false, 0, ""},                /* no end */
		{"\0\12\4mai", 6, false, 0, ""},                 /* a label that is cut */
		{"\0\12\1a\0x", 6, false, 0, ""},                /* something behind it */
		{"\0\12\300\14", 4, false, 0, ""},               /* compressed */
		{"\0\12\100aaaaaaaaaaaaaaaa", 19, false, 0, ""}, /* no such kind of label */
		{"\0\12\3a.b", 7, false, 0, ""},                 /* a dot within one */
		{"\0\12\3a\r\n", 7, false, 0, ""},
		{"\0\12\3a\0b", 7, false, 0, ""},
		{"\0\12\2\303\244", 6, false, 0, ""},
		{"\0\12\5_a-B9", 9, true, 10, "_a-b9"},
	};
	struct dns_exchanger one;
	uint8_t longest[300] = {0, 1};
	size_t n = 2, i;

	for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		bool ok = dns_exchanger_parse(table[i].data, table[i].length, &one);
		CHECK_EQ(ok, table[i].ok);
		if (ok && table[i].ok) {
			CHECK_EQ(one.preference, table[i].preference);
			CHECK_STR(one.name, table[i].name);
		}
	}
	/* 255 octets on the wire are 253 in text; one more is none. */
	for (i = 0; i < 4; i++) {
		longest[n++] = i < 3 ? 63 : 61;
		memset(longest + n, 'a', 63);
		n += i < 3 ? 63 : 61;
	}
	longest[n] = 0;
	CHECK(dns_exchanger_parse(longest, n + 1, &one) && strlen(one.name) == DNS_NAME_MAX);
	longest[2 + 3 * 64] = 62;
	longest[n++] = 'a';
	longest[n] = 0;
	CHECK(!dns_exchanger_parse(longest, n + 1, &one));
}

static void test_order(void)
{
	static struct dns_exchangers_question q;
	struct dns_exchanger one;
	unsigned i;

	/* What came first of those alike stays first. */
	for (i = 0; i < 5; i++) {
		one.preference = i % 2 ? 10 : 20;
		snprintf(one.name, sizeof(one.name), "h%u", i);
		dns_exchangers_add(&q, &one);
	}
	CHECK_EQ(q.count, 5);
	CHECK_STR(q.list[0].name, "h1");
	CHECK_STR(q.list[1].name, "h3");
	CHECK_STR(q.list[2].name, "h0");
	CHECK_STR(q.list[4].name, "h4");
	/* Of too many the best stay. */
	for (i = 0; i < 40; i++) {
		one.preference = (uint16_t)(1000 - i);
		snprintf(one.name, sizeof(one.name), "m%u", i);
		dns_exchangers_add(&q, &one);
	}
	CHECK_EQ(q.count, DNS_EXCHANGERS_MAX);
	CHECK_STR(q.list[5].name, "m39");
	CHECK_STR(q.list[DNS_EXCHANGERS_MAX - 1].name, "m29");
	for (i = 1; i < q.count; i++)
		CHECK(q.list[i - 1].preference <= q.list[i].preference);
}

int main(void)
{
	RUN(test_parse);
	RUN(test_order);
	return check_end();
}
