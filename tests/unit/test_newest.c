/*
 * test_newest.c - the newest events in memory: whole lines, in their order, however many came.
 */
#include "core/trace/newest.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/check.h"

static void take(struct newest *newest, const char *text)
{
	newest_take(newest, text, strlen(text));
}

static void test_few(void)
{
	struct newest *newest = newest_new();
	size_t length = 1;
	char *text = newest_read(newest, &length);

	CHECK_EQ(length, 0);
	CHECK(strcmp(text, "") == 0);
	free(text);
	take(newest, "one\ntwo\n");
	take(newest, "three\n");
	text = newest_read(newest, &length);
	CHECK(strcmp(text, "one\ntwo\nthree\n") == 0);
	CHECK_EQ(length, 14);
	free(text);
	newest_free(newest);
}

/* Lines of all lengths, some times around: what is there begins and ends whole, has no gap, and ends with the last. */
static void test_around(void)
{
	struct newest *newest = newest_new();
	unsigned last = 0;

	for (unsigned round = 0; round < 400; round++) {
		char line[4096], *text, *at;
		size_t length;
		unsigned first, expected;
		for (unsigned i = 0; i < 20; i++) {
			int n;
			last++;
			n = snprintf(line, sizeof(line), "%u %*s\n", last, (int)(last * 37 % 600), "");
			newest_take(newest, line, (size_t)n);
		}
		text = newest_read(newest, &length);
		CHECK(length > 0 && length <= NEWEST_OCTETS && text[length - 1] == '\n');
		CHECK(sscanf(text, "%u ", &first) == 1);
		expected = first;
		for (at = text; *at; at = strchr(at, '\n') + 1, expected++)
			CHECK_EQ(strtoul(at, NULL, 10), expected);
		CHECK_EQ(expected, last + 1);
		/* What was left out is what there was no room for. */
		CHECK(first == 1 || length > NEWEST_OCTETS - 700);
		free(text);
	}
	newest_free(newest);
}

/* More at once than there is room for, and exactly as much. */
static void test_much_at_once(void)
{
	struct newest *newest = newest_new();
	char *much = malloc(2 * NEWEST_OCTETS), *text;
	size_t length;

	for (size_t i = 0; i < 2 * NEWEST_OCTETS; i += 8)
		memcpy(much + i, "1234567\n", 8);
	newest_take(newest, much, 2 * NEWEST_OCTETS);
	text = newest_read(newest, &length);
	CHECK_EQ(length, NEWEST_OCTETS - 8);
	free(text);
	newest_take(newest, much, NEWEST_OCTETS);
	text = newest_read(newest, &length);
	CHECK_EQ(length, NEWEST_OCTETS - 8);
	CHECK(memcmp(text, much, length) == 0);
	free(text);
	free(much);
	newest_free(newest);
}

int main(void)
{
	RUN(test_few);
	RUN(test_around);
	RUN(test_much_at_once);
	return check_end();
}
