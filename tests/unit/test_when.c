/*
 * test_when.c - points in time as people write them.
 */
#include "core/tools/when.h"

#include <stdlib.h>
#include <time.h>

#include "tests/unit/check.h"

/* 2026-03-29 10:30:00 UTC, the day on which the clocks of Europe went forward. */
#define NOW UINT64_C(1774780200000)

static void test_forms(void)
{
	static const struct {
		const char *text;
		bool utc;
		int64_t ms; /* -1: none */
	} table[] = {
		{"now", false, NOW},
		{"90s", false, NOW - 90000},
		{"2h", false, NOW - 7200000},
		{"3d", false, NOW - INT64_C(259200000)},
		{"1000000w", false, 0},
		{"today", true, INT64_C(1774742400000)},
		{"today", false, INT64_C(1774738800000)},
		{"yesterday", true, INT64_C(1774656000000)},
		{"yesterday", false, INT64_C(1774652400000)},
		{"2026-03-28", true, INT64_C(1774656000000)},
		{"2026-03-28", false, INT64_C(1774652400000)},
		{"2026-03-28T07:30", true, INT64_C(1774683000000)},
		{"2026-03-28 07:30:05", true, INT64_C(1774683005000)},
		{"2026-03-28T07:30:05Z", false, INT64_C(1774683005000)},
		{"", false, -1},
		{"2x", false, -1},
		{"-2h", false, -1},
		{"2026-03-28x", false, -1},
		{"2026-03-28T", false, -1},
		{"1960-01-01", false, -1},
		{"tomorrow", false, -1},
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		uint64_t ms = 0;
		bool fine = when_parse(table[i].text, NOW, table[i].utc, &ms);
		CHECK_EQ(fine ? (int64_t)ms : -1, table[i].ms);
	}
}

static void test_shown(void)
{
	char text[WHEN_SIZE];

	when_format(NOW, true, text);
	CHECK_STR(text, "2026-03-29 10:30:00Z");
	when_format(NOW, false, text);
	CHECK_STR(text, "2026-03-29 12:30:00");
}

int main(void)
{
	setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3", 1);
	tzset();
	RUN(test_forms);
	RUN(test_shown);
	return check_end();
}
