/*
 * test_recent.c - what went wrong lately, in groups that say the same, with the lines that core/base/log.c writes.
 */
#include "core/trace/recent.h"

#include <stdlib.h>

#include "tests/unit/check.h"

static struct recent *recent;
static struct recent_group groups[RECENT_GROUPS];
static uint64_t left_out;

static void begin(void)
{
	recent_free(recent);
	recent = recent_new();
}

static void line_at(const char *time, const char *event, const char *level, const char *rest)
{
	char text[2048];
	int n = snprintf(text, sizeof(text),
			 "{\"time\":\"2026-03-01T%s.113Z\",\"event\":\"%s\",\"level\":\"%s\",\"shard\":1%s}\n", time,
			 event, level, rest);

	recent_take(recent, text, (size_t)n);
}

static void line(const char *event, const char *level, const char *rest)
{
	line_at("07:12:09", event, level, rest);
}

static size_t all(void)
{
	return recent_read(recent, groups, RECENT_GROUPS, &left_out);
}

static void test_which_lines(void)
{
	static const struct {
		const char *event, *level, *rest;
		bool wanted;
	} table[] = {
		{"attempt", "info", ",\"result\":\"delivered\"", false},
		{"attempt", "notice", ",\"result\":\"deferred\",\"reply\":\"busy\"", true},
		{"attempt", "notice", ",\"result\":\"interrupted\"", false},
		{"attempt", "notice", ",\"result\":\"other_path\"", false},
		{"attempt", "warning", ",\"result\":\"failed\"", true},
		{"attempt", "warning", ",\"result\":\"partial\"", true},
		{"deferred", "notice", ",\"reply\":\"busy\"", false},
		{"refused", "notice", ",\"reply\":\"550 5.7.1 no\"", true},
		{"session", "notice", "", false},
		{"control", "notice", "", false},
		{"reloaded", "notice", "", false},
		{"reload_refused", "error", ",\"problem\":\"x\"", true},
		{"certificate_ends", "warning", "", true},
		{"ready", "info", "", false},
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		begin();
		line(table[i].event, table[i].level, table[i].rest);
		CHECK_EQ(all(), table[i].wanted);
		if (table[i].wanted)
			CHECK_STR(groups[0].event, table[i].event);
	}
	begin();
	recent_take(recent, "", 0);
	recent_take(recent, "x\n{}\n\n", 6);
	recent_take(recent, "{\"time\":\"2026-03-01T07:12:09.113Z\",\"event\":\"refused", 51);
	recent_take(recent, "{\"time\":\"2026-03-01T07:12:09.113Z\",\"event\":\"refused\n", 52);
	CHECK_EQ(all(), 0);
}

static void test_what_is_a_group(void)
{
	static const struct {
		const char *one, *other;
		bool same;
	} table[] = {
		{"4.2.1 mailbox busy", "4.2.1 mailbox busy", true},
		{"4.2.1 mailbox busy", "4.2.1 mailbox full", false},
		{"5.7.1 refused [DB5PR04.outlook.com 2026-03-01]", "5.7.1 refused [AM0PR08.outlook.com 2026-04-11]",
		 true},
		{"5.1.1 <a@example.org> unknown", "5.1.1 <b@example.org> unknown", true},
		{"5.1.1 unknown", "5.1.2 unknown", false},
		{"queued as 4YkQ2r1bzz", "queued as 7FfQ9r8cxx", true},
		{"", "", true},
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		char rest[512];
		begin();
		snprintf(rest, sizeof(rest), ",\"result\":\"deferred\",\"destination\":\"o365\",\"reply\":\"%s\"",
			 table[i].one);
		line("attempt", "notice", rest);
		snprintf(rest, sizeof(rest), ",\"result\":\"deferred\",\"destination\":\"o365\",\"reply\":\"%s\"",
			 table[i].other);
		line_at("07:12:10", "attempt", "notice", rest);
		CHECK_EQ(all(), table[i].same ? 1 : 2);
		CHECK_EQ(groups[0].count, table[i].same ? 2 : 1);
		CHECK_STR(groups[0].reply, table[i].other);
		CHECK_EQ(groups[0].last_ms - groups[0].first_ms, table[i].same ? 1000 : 0);
	}
	/* What a rule knows it to mean is the sentence, whatever the reply says. */
	begin();
	line("attempt", "notice",
	     ",\"result\":\"failed\",\"code\":550,\"reply\":\"x\",\"problem\":\"The mailbox is full.\"");
	line("attempt", "notice",
	     ",\"result\":\"failed\",\"code\":550,\"reply\":\"y\",\"problem\":\"The mailbox is full.\"");
	CHECK_EQ(all(), 1);
	CHECK_STR(groups[0].say, "The mailbox is full.");
	CHECK_STR(groups[0].reply, "y");
	CHECK_EQ(groups[0].code, 550);
	line("attempt", "notice",
	     ",\"result\":\"failed\",\"code\":450,\"reply\":\"y\",\"problem\":\"The mailbox is full.\"");
	CHECK_EQ(all(), 2);
}

static void test_several_recipients(void)
{
	begin();
	line("attempt", "warning",
	     ",\"id\":\"01KJK3V3N3ZJ2K8WQX5T7Y0ABC\",\"destination\":\"d\",\"result\":\"partial\",\"code\":250,"
	     "\"reply\":\"ok\","
	     "\"results\":[{\"recipient\":\"a@x\",\"result\":\"failed\",\"code\":550,\"reply\":\"no such user\"}]");
	CHECK_EQ(all(), 1);
	CHECK_EQ(groups[0].code, 550);
	CHECK_STR(groups[0].reply, "no such user");
	CHECK_STR(groups[0].where, "d");
	CHECK(groups[0].has_id);
}

static void test_a_character_is_not_cut(void)
{
	char rest[1200];
	size_t n = (size_t)snprintf(rest, sizeof(rest), ",\"reply\":\"x");

	for (int i = 0; i < 300; i++)
		n += (size_t)snprintf(rest + n, sizeof(rest) - n, "\u00e9");
	snprintf(rest + n, sizeof(rest) - n, "\"");
	begin();
	line("refused", "notice", rest);
	CHECK_EQ(all(), 1);
	n = strlen(groups[0].reply);
	CHECK_EQ(n % 2, 1);
	CHECK(n > RECENT_TEXT_MAX - 4 && n < RECENT_TEXT_MAX);
}

static void test_many_groups_and_a_flood(void)
{
	char rest[64], time[9];

	begin();
	for (int i = 0; i < RECENT_GROUPS + 10; i++) {
		snprintf(rest, sizeof(rest), ",\"destination\":\"d%d\",\"reason\":\"x\"", i);
		snprintf(time, sizeof(time), "%02d:%02d:00", 1 + i / 60, i % 60);
		line_at(time, "host_failed", "warning", rest);
	}
	CHECK_EQ(all(), RECENT_GROUPS);
	/* The newest first; those that were not seen for longest are gone. */
	CHECK_STR(groups[0].where, "d137");
	CHECK_STR(groups[RECENT_GROUPS - 1].where, "d10");
	CHECK_EQ(left_out, 0);
	/* The clock is set back: what comes now is the newest all the same, and has a place of its own. */
	line_at("00:00:01", "host_failed", "warning", ",\"destination\":\"back1\"");
	line_at("00:00:02", "host_failed", "warning", ",\"destination\":\"back2\"");
	CHECK_EQ(all(), RECENT_GROUPS);
	CHECK_STR(groups[0].where, "back2");
	CHECK_STR(groups[1].where, "back1");
	begin();
	for (int i = 0; i < RECENT_LINES + 7; i++)
		line("host_failed", "warning", ",\"destination\":\"d\"");
	CHECK_EQ(all(), 1);
	CHECK_EQ(groups[0].count, RECENT_LINES);
	CHECK_EQ(left_out, 7);
	line_at("07:12:10", "host_failed", "warning", ",\"destination\":\"d\"");
	(void)all();
	CHECK_EQ(groups[0].count, RECENT_LINES + 1);
	CHECK_EQ(recent_read(recent, groups, 0, &left_out), 0);
}

int main(void)
{
	RUN(test_which_lines);
	RUN(test_what_is_a_group);
	RUN(test_several_recipients);
	RUN(test_a_character_is_not_cut);
	RUN(test_many_groups_and_a_flood);
	recent_free(recent);
	return check_end();
}
