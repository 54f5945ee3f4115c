/*
 * tests/unit/test_dns_records.c - core/agents/dns_records.c: which question follows which on the way to a host's TLSA
 * records (RFC 7672 2.1.3, 2.2.2, 2.2.3; RELIABILITY DANE-01), and what of the answers is kept.
 */
#include "core/agents/dns_records.h"

#include <stdio.h>
#include <string.h>

#include "tests/unit/check.h"

/* An answer for "mx.example.org" in words: "-" none yet, "x" failed, "0" no data, "1" data; "s" proven; "=NAME" an
 * alias that leads there. */
static struct dns_records_fact fact_of(const char *text, char canonical[64])
{
	struct dns_records_fact fact = {.answered = text[0] != '-', .failed = text[0] == 'x', .data = text[0] == '1'};
	const char *alias = strchr(text, '=');

	snprintf(canonical, 64, "%s", alias ? alias + 1 : "");
	fact.canonical = canonical;
	fact.secure = strcspn(text, "s") < strcspn(text, "=") && strchr(text, 's');
	return fact;
}

static const char *go_name(enum dns_records_go go)
{
	static const char *const names[] = {"wait", "ask", "found", "nothing", "failed"};

	return names[go];
}

/* Runs the answers of `script`, "A AAAA | NEXT | ..." ; writes what was asked and how it ended. */
static void run(const char *script, enum dns_records_kind kind, char *out, size_t size)
{
	static struct dns_records_question q;
	struct dns_records_search search;
	enum dns_records_go go;
	char copy[200], canonical[2][64], *rest, *answers;
	size_t n = 0;

	memset(&q, 0, sizeof(q));
	q.base.name = kind == DNS_RECORDS_TLSA ? "mx.example.org" : "_mta-sts.example.org";
	q.base.port = 25;
	q.kind = kind;
	snprintf(copy, sizeof(copy), "%s", script);
	go = dns_records_begin(&search, &q);
	for (answers = strtok_r(copy, "|", &rest); answers; answers = strtok_r(NULL, "|", &rest)) {
		struct dns_records_fact facts[2];
		char first[64] = "", second[64] = "-";
		static const char *const types[] = {"addresses", "alias", "data"};
		if (go == DNS_RECORDS_ASK)
			n += (size_t)snprintf(out + n, size - n, "%s %s; ", types[search.ask], search.name);
		sscanf(answers, "%63s %63s", first, second);
		facts[0] = fact_of(first, canonical[0]);
		facts[1] = fact_of(second, canonical[1]);
		go = dns_records_go_on(&search, &q, facts);
	}
	snprintf(out + n, size - n, "%s%s%s", go_name(go),
		 go == DNS_RECORDS_FOUND && kind == DNS_RECORDS_TLSA ? " " : "",
		 go == DNS_RECORDS_FOUND && kind == DNS_RECORDS_TLSA ? q.at : "");
}

#define START "addresses mx.example.org; "
#define TLSA "data _25._tcp.mx.example.org; "
#define OTHER "data _25._tcp.host.example.net; "

static void test_search(void)
{
	static const struct {
		const char *script, *expected;
	} table[] = {
		/* Proven addresses, of either kind; what of them comes first is enough. */
		{"1s 1s | 1s", START TLSA "found mx.example.org"},
		{"1s -  | 1s", START TLSA "found mx.example.org"},
		{"- 1s  | 1s", START TLSA "found mx.example.org"},
		{"0s 1s | 1s", START TLSA "found mx.example.org"},
		{"x 1s  | 1s", START TLSA "found mx.example.org"},
		{"1s 1s | 0s", START TLSA "nothing"}, /* proven that there are none */
		{"1s 1s | 0", START TLSA "nothing"},
		{"1s 1s | 1", START TLSA "nothing"}, /* there, and not proven: as if it was not */
		{"1s 1s | x", START TLSA "failed"},  /* SERVFAIL or bogus: the host is not to be used */
		{"1s 1s | -", START TLSA "wait"},
		/* Addresses that nobody signed: TLSA is not even asked for. */
		{"1 1", START "nothing"},
		{"1 -", START "nothing"},
		{"- 1", START "nothing"},
		/* None. */
		{"0s 0s", START "nothing"},
		{"0 0", START "nothing"},
		{"0s x", START "failed"},
		{"x x", START "failed"},
		{"x -", START "wait"},
		{"0s -", START "wait"},
		{"- -", START "wait"},
		/* An alias, proven to its end: first the name it leads to, then its own. */
		{"1s=host.example.net. 1s=host.example.net. | 1s", START OTHER "found host.example.net"},
		{"1s=host.example.net - | 0s | 1s", START OTHER TLSA "found mx.example.org"},
		{"1s=host.example.net - | 0s | 0s", START OTHER TLSA "nothing"},
		{"1s=host.example.net - | 1 | 1s", START OTHER TLSA "found mx.example.org"},
		{"1s=host.example.net - | x", START OTHER "failed"},
		{"1s=host.example.net - | 0s | x", START OTHER TLSA "failed"},
		/* The same name with a dot, or in other letters, is no alias. */
		{"1s=mx.example.org. - | 0s", START TLSA "nothing"},
		{"1s=MX.Example.ORG. - | 0s", START TLSA "nothing"},
		/* Where it leads is not proven; that it is an alias may be. */
		{"1=host.example.net - | 1s | 1s", START "alias mx.example.org; " TLSA "found mx.example.org"},
		{"1=host.example.net - | 1s | 0s", START "alias mx.example.org; " TLSA "nothing"},
		{"1=host.example.net - | 1", START "alias mx.example.org; nothing"},
		{"1=host.example.net - | 0", START "alias mx.example.org; nothing"},
		{"1=host.example.net - | x", START "alias mx.example.org; failed"},
	};
	char out[400];

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		int before = check_failures;
		run(table[i].script, DNS_RECORDS_TLSA, out, sizeof(out));
		CHECK_STR(out, table[i].expected);
		if (check_failures != before)
			fprintf(stderr, "  %s\n", table[i].script);
	}
}

static void test_text_records(void)
{
	char out[400];

	run("1s", DNS_RECORDS_TEXT, out, sizeof(out));
	CHECK_STR(out, "data _mta-sts.example.org; found");
	run("1", DNS_RECORDS_TEXT, out, sizeof(out));
	CHECK_STR(out, "data _mta-sts.example.org; found");
	run("0", DNS_RECORDS_TEXT, out, sizeof(out));
	CHECK_STR(out, "data _mta-sts.example.org; nothing");
	run("x", DNS_RECORDS_TEXT, out, sizeof(out));
	CHECK_STR(out, "data _mta-sts.example.org; failed");
	run("-", DNS_RECORDS_TEXT, out, sizeof(out));
	CHECK_STR(out, "data _mta-sts.example.org; wait");
}

/* Names that would be too long with the port in front have no records, and nothing is cut. */
static void test_long_names(void)
{
	static struct dns_records_question q;
	struct dns_records_search search;
	struct dns_records_fact facts[2] = {{.answered = true, .data = true, .secure = true}};
	char name[DNS_NAME_MAX + 1];

	memset(name, 'a', sizeof(name) - 1);
	for (size_t i = 60; i < sizeof(name) - 1; i += 60)
		name[i] = '.';
	for (size_t n = 200; n < sizeof(name); n++) {
		char one[DNS_NAME_MAX + 1];
		snprintf(one, sizeof(one), "%.*s", (int)n, name);
		memset(&q, 0, sizeof(q));
		q.base.name = one;
		q.base.port = 25;
		CHECK_EQ(dns_records_begin(&search, &q), DNS_RECORDS_ASK);
		CHECK_EQ(dns_records_go_on(&search, &q, facts),
			 n + strlen("_25._tcp.") <= DNS_NAME_MAX ? DNS_RECORDS_ASK : DNS_RECORDS_NOTHING);
	}
}

static void test_blocks(void)
{
	static struct dns_records_question q;
	static uint8_t large[DNS_RECORDS_OCTETS];
	const uint8_t *data;
	size_t at = 0, length;

	CHECK(dns_records_add_text(&q, "\3abc\0\2de", 8));
	CHECK(dns_records_add_text(&q, "", 0));
	CHECK(!dns_records_add_text(&q, "\4abc", 4)); /* a string that is cut */
	CHECK(dns_records_add(&q, "\3\1\1", 3));
	CHECK_EQ(q.count, 3);
	CHECK(dns_records_next(&q, &at, &data, &length) && length == 5 && memcmp(data, "abcde", 5) == 0);
	CHECK(dns_records_next(&q, &at, &data, &length) && length == 0);
	CHECK(dns_records_next(&q, &at, &data, &length) && length == 3 && memcmp(data, "\3\1\1", 3) == 0);
	CHECK(!dns_records_next(&q, &at, &data, &length));
	CHECK(!q.too_many);
	/* Too much is not cut: it is an answer that cannot be used. */
	CHECK(!dns_records_add(&q, large, sizeof(large)));
	CHECK(q.too_many);
	memset(&q, 0, sizeof(q));
	for (unsigned i = 0; i < DNS_RECORDS_MAX; i++)
		CHECK(dns_records_add(&q, "x", 1));
	CHECK(!q.too_many && !dns_records_add(&q, "x", 1) && q.too_many);
	memset(&q, 0, sizeof(q));
	CHECK(dns_records_add(&q, large, sizeof(large) - 2) && q.length == sizeof(large));
	CHECK(!dns_records_add(&q, "", 0));
	struct dns_records_search search;
	struct dns_records_fact facts[2] = {{.answered = true, .data = true, .secure = true}};
	q.base.name = "x";
	CHECK_EQ(dns_records_begin(&search, &q), DNS_RECORDS_ASK);
	CHECK(!q.too_many && q.length == 0);
	q.kind = DNS_RECORDS_TEXT;
	CHECK_EQ(dns_records_begin(&search, &q), DNS_RECORDS_ASK);
	q.too_many = true;
	CHECK_EQ(dns_records_go_on(&search, &q, facts), DNS_RECORDS_FAILED);
}

int main(void)
{
	RUN(test_search);
	RUN(test_text_records);
	RUN(test_long_names);
	RUN(test_blocks);
	return check_end();
}
