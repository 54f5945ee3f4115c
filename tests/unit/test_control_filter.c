/*
 * tests/unit/test_control_filter.c - core/control/filter: what a request may say of the messages it means.
 */
#include "core/control/filter.h"

#include "core/base/clock.h"
#include "tests/unit/check.h"

static void test_keys(void)
{
	static const struct {
		const char *key, *value;
		int taken;
	} rows[] = {
		{"to", "*@example.org", 1},
		{"from", "a@b", 1},
		{"client", "printers", 1},
		{"device", "Copier 3rd floor", 1},
		{"device", "", -22},
		{"destination", "office365", 1},
		{"error", "mailbox full", 1},
		{"to", "", -22},
		{"older", "90s", 1},
		{"older", "0s", -22},
		{"newer", "2w", 1},
		{"older", "1", -22},
		{"older", "h", -22},
		{"older", "1hh", -22},
		{"older", "-1h", -22},
		{"older", "99999999w", -22},
		{"older", "100000000s", -22},
		{"state", "ready", 1},
		{"state", "ready,held,failed", 1},
		{"state", "ready,", -22},
		{"state", ",ready", -22},
		{"state", "read", -22},
		{"state", "readyx", -22},
		{"attempts", "3", 1},
		{"attempts", "65536", -22},
		{"attempts", "", -22},
		{"attempts", "3x", -22},
		{"limit", "3", 0},
		{"", "", 0},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct filter filter = {0};
		struct filter_problem problem = {""};
		int taken = filter_take(&filter, rows[i].key, rows[i].value, &problem);
		if (taken != rows[i].taken)
			fprintf(stderr, "%s=%s\n", rows[i].key, rows[i].value);
		CHECK_EQ(taken, rows[i].taken);
		CHECK_EQ(problem.text[0] != '\0', taken < 0);
	}
}

static void test_values(void)
{
	struct filter filter = {0};
	struct filter_problem problem;
	char text[FILTER_TEXT_MAX + 1];

	CHECK_EQ(filter_take(&filter, "older", "4h", &problem), 1);
	CHECK_EQ(filter.older_ns, 4 * 3600 * CLOCK_NS_PER_S);
	CHECK_EQ(filter_take(&filter, "state", "deferred,held", &problem), 1);
	CHECK_EQ(filter.stands, 1u << STAND_DEFERRED | 1u << STAND_HELD);
	CHECK(!filter_reads(&filter));
	CHECK_EQ(filter_take(&filter, "error", "x", &problem), 1);
	CHECK(filter_reads(&filter));
	memset(text, 'a', sizeof(text));
	text[FILTER_TEXT_MAX] = '\0';
	CHECK_EQ(filter_take(&filter, "to", text, &problem), -22);
	text[FILTER_TEXT_MAX - 1] = '\0';
	CHECK_EQ(filter_take(&filter, "to", text, &problem), 1);
}

static void test_matches(void)
{
	static const struct {
		const char *pattern, *text;
		bool matches;
	} rows[] = {
		{"", "", true},
		{"", "a", false},
		{"*", "", true},
		{"*", "abc", true},
		{"*@Example.ORG", "Joe@exAMPLE.org", true},
		{"*@example.org", "joe@example.org.evil", false},
		{"joe@*", "joe@", true},
		{"a*b*c", "aXbYbc", true},
		{"a*b*c", "aXcYb", false},
		{"**a**", "a", true},
		{"*a*a*a*a*a*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false},
		{"a", "ab", false},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		CHECK_EQ(filter_matches(rows[i].pattern, span_text(rows[i].text)), rows[i].matches);
	CHECK(filter_has("BOX full", span_text("552 Mailbox FULL now")));
	CHECK(!filter_has("fuller", span_text("full")));
	CHECK(filter_has("l", span_text("full")));
}

int main(void)
{
	RUN(test_keys);
	RUN(test_values);
	RUN(test_matches);
	return check_end();
}
