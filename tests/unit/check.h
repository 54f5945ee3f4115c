/*
 * tests/unit/check.h - the unit tests' small frame.
 *
 *     static void test_empty(void) { CHECK(f() == 0); CHECK_EQ(n, 3); CHECK_STR(s, "x"); }
 *     int main(void) { RUN(test_empty); return check_end(); }
 *
 * A failed check prints file, line and values, and the program ends with 1 after running the rest. A case that cannot
 * be tried here says why by CHECK_LEFT_OUT() and returns: it is no passed one, but a NOTE above the sum of tests/run.
 */
#ifndef POSTRIDER_TESTS_CHECK_H
#define POSTRIDER_TESTS_CHECK_H

#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static int check_failures;
static int check_cases;
static const char *check_left_out;

#define CHECK_LEFT_OUT(why) (check_left_out = (why))

#define CHECK(condition)                                                                                               \
	do {                                                                                                           \
		if (!(condition)) {                                                                                    \
			check_failures++;                                                                              \
			fprintf(stderr, "%s:%d: failed: %s\n", __FILE__, __LINE__, #condition);                        \
		}                                                                                                      \
	} while (0)

#define CHECK_EQ(actual, expected)                                                                                     \
	do {                                                                                                           \
		long long check_a = (long long)(actual), check_b = (long long)(expected);                              \
		if (check_a != check_b) {                                                                              \
			check_failures++;                                                                              \
			fprintf(stderr, "%s:%d: %s is %lld, expected %lld\n", __FILE__, __LINE__, #actual, check_a,    \
				check_b);                                                                              \
		}                                                                                                      \
	} while (0)

#define CHECK_STR(actual, expected)                                                                                    \
	do {                                                                                                           \
		const char *check_a = (actual), *check_b = (expected);                                                 \
		if (strcmp(check_a, check_b) != 0) {                                                                   \
			check_failures++;                                                                              \
			fprintf(stderr, "%s:%d: %s is \"%s\", expected \"%s\"\n", __FILE__, __LINE__, #actual,         \
				check_a, check_b);                                                                     \
		}                                                                                                      \
	} while (0)

#define RUN(test)                                                                                                      \
	do {                                                                                                           \
		int check_before = check_failures;                                                                     \
		check_cases++;                                                                                         \
		check_left_out = NULL;                                                                                 \
		test();                                                                                                \
		if (check_left_out && check_failures == check_before)                                                  \
			printf("NOTE %s was NOT tried: %s\n", #test, check_left_out);                                  \
		else                                                                                                   \
			printf("%s %s\n", check_failures == check_before ? "ok" : "FAILED", #test);                    \
	} while (0)

static inline int check_end(void)
{
	check_left_out = NULL;
	printf("%d cases, %d failed checks\n", check_cases, check_failures);
	return check_failures ? 1 : 0;
}

#endif
