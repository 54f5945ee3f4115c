/*
 * test_trace_fact.c - a line of the events' stream as facts.
 */
#include "core/trace/fact.h"

#include "tests/unit/check.h"

static struct fact fact;

static bool parse(const char *line)
{
	return fact_parse(line, strlen(line), &fact);
}

static bool text_is(enum fact_text which, const char *expected)
{
	struct span text = fact.text[which];

	return text.data && text.length == strlen(expected) && memcmp(text.data, expected, text.length) == 0;
}

#define HEAD "{\"time\":\"2026-03-01T07:12:09.113Z\",\"event\":"

static void test_an_accepted_message(void)
{
	CHECK(parse(HEAD "\"accepted\",\"level\":\"info\",\"shard\":1,\"id\":\"01KJK3V3N3ZJ2K8WQX5T7Y0ABC\","
			 "\"peer\":\"10.2.0.7\",\"client\":\"copiers\",\"sender\":\"\",\"recipients\":2,"
			 "\"octets\":812,\"recipient\":\"a@example.net\",\"rewritten\":true}"));
	CHECK_EQ(fact.kind, FACT_ACCEPTED);
	CHECK_EQ(fact.time_ms, INT64_C(1772349129113));
	CHECK(fact.has_id);
	CHECK(text_is(FACT_CLIENT, "copiers"));
	CHECK(text_is(FACT_SENDER, ""));
	CHECK(!fact_has(&fact, FACT_DEVICE));
	CHECK_EQ(fact.number[FACT_RECIPIENTS], 2);
	CHECK_EQ(fact.number[FACT_OCTETS], 812);
}

static void test_each_recipient_has_its_result(void)
{
	CHECK(parse(HEAD "\"attempt\",\"results\":[{\"recipient\":\"a@x\",\"result\":\"failed\",\"code\":550,"
			 "\"reply\":\"no\\nsuch\",\"new\":[{}]},{\"recipient\":\"b@x\",\"result\":\"delivered\"},7,{}],"
			 "\"more\":3}"));
	CHECK_EQ(fact.result_count, 3);
	CHECK_EQ(fact.results[0].code, 550);
	CHECK_EQ(fact.results[0].reply.length, strlen("no\nsuch"));
	CHECK_EQ(fact.results[1].code, 0);
	CHECK_EQ(fact.number[FACT_MORE], 3);
}

static void test_escapes_become_what_they_were(void)
{
	static const struct {
		const char *json, *text;
	} table[] = {{"a\\u0007b", "a\ab"},
		     {"\\ud83d\\ude00", "\xf0\x9f\x98\x80"},
		     {"\\ud83d", "\xef\xbf\xbd"},
		     {"\\udc00x", "\xef\xbf\xbdx"},
		     {"\\u0000", "\xef\xbf\xbd"},
		     {"\\\"\\\\\\/\\b\\f\\n\\r\\t", "\"\\/\b\f\n\r\t"},
		     {"\\u00e9\\u20ac", "\xc3\xa9\xe2\x82\xac"}};
	char line[256];

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		snprintf(line, sizeof(line), HEAD "\"refused\",\"reply\":\"%s\"}", table[i].json);
		CHECK(parse(line));
		CHECK(text_is(FACT_REPLY, table[i].text));
	}
}

static void test_what_is_no_event(void)
{
	static const char *const lines[] = {
		"",
		"{",
		"{}",
		"[]",
		"text",
		HEAD "\"accepted\"",
		HEAD "\"accepted\"} x",
		HEAD "\"acc\\x\"}",
		HEAD "\"a\nb\"}",
		HEAD "7}",
		HEAD "\"x\",}",
		HEAD "\"x\",\"reply\":}",
		HEAD "\"x\",\"reply\":\"\\u12\"}",
		HEAD "\"x\",\"results\":[{]}",
		HEAD "\"x\",\"deep\":[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]}",
		"{\"event\":\"accepted\"}",
		"{\"time\":\"yesterday\",\"event\":\"accepted\"}",
	};

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		CHECK(!parse(lines[i]));
}

static void test_what_is_not_known_is_passed_over(void)
{
	CHECK(parse("relay postrider[7]: " HEAD "\"newer\",\"list\":[1,{\"a\":\"}\"}],\"octets\":-1,\"code\":1e3,"
		    "\"ms\":99999999999999999999,\"sender\":7,\"recipients\":\"many\"} "));
	CHECK_EQ(fact.kind, FACT_OTHER);
	CHECK_EQ(fact.numbers, 0);
	CHECK(!fact_has(&fact, FACT_SENDER));
}

static void test_text_without_end_is_cut_where_the_room_is_full(void)
{
	static char line[3 * FACT_ROOM];
	size_t n = (size_t)snprintf(line, sizeof(line), HEAD "\"refused\",\"reply\":\"");

	for (int i = 0; i < 2 * FACT_ROOM / 2; i++) {
		line[n++] = '\\';
		line[n++] = 'n';
	}
	memcpy(line + n, "\",\"sender\":\"\\n\"}", 17);
	CHECK(parse(line));
	CHECK(fact.text[FACT_REPLY].length <= FACT_ROOM);
	CHECK(fact.text[FACT_SENDER].length <= 1);
}

static void test_times(void)
{
	static const struct {
		const char *text;
		int64_t ms; /* -1: none */
	} table[] = {{"1970-01-01T00:00:00Z", 0},
		     {"2000-02-29T12:00:00.5Z", INT64_C(951825600500)},
		     {"2026-11-28T00:00:00.123456789Z", INT64_C(1795824000123)},
		     {"2026-13-28T00:00:00Z", -1},
		     {"1969-12-31T23:59:59Z", -1},
		     {"2026-11-28T00:00:00", -1},
		     {"2026-11-28T00:00:00.Z", -1},
		     {"2026-11-28T00:00:00+00:00Z", -1}};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		uint64_t ms = 0;
		bool fine = fact_time_parse(table[i].text, strlen(table[i].text), &ms);
		CHECK_EQ(fine ? (int64_t)ms : -1, table[i].ms);
	}
}

int main(void)
{
	RUN(test_an_accepted_message);
	RUN(test_each_recipient_has_its_result);
	RUN(test_escapes_become_what_they_were);
	RUN(test_what_is_no_event);
	RUN(test_what_is_not_known_is_passed_over);
	RUN(test_text_without_end_is_cut_where_the_room_is_full);
	RUN(test_times);
	return check_end();
}
