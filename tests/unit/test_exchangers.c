/*
 * tests/unit/test_exchangers.c - core/deliver/exchangers.c: which of a domain's hosts are tried, and in which order.
 */
#include "core/deliver/exchangers.h"

#include <string.h>

#include "tests/unit/check.h"

static const struct dns_exchanger list[] = {
	{5, "a.example.net"}, {10, "b.example.net"}, {10, "c.EXAMPLE.net"}, {10, "d.other.org"},
	{20, "example.net"},  {20, "xexample.net"},  {20, "e.example.net"},
};
enum { COUNT = sizeof(list) / sizeof(list[0]), ROUNDS = 400 };

static void test_order(void)
{
	char *words[] = {".example.net"};
	struct config_words ends = {words, 1}, none = {NULL, 0};
	unsigned firsts[COUNT] = {0}, seen[COUNT] = {0}, n, i, round;
	uint8_t order[DNS_EXCHANGERS_MAX];
	struct random random;
	uint32_t refused;

	random_init(&random);
	for (round = 0; round < ROUNDS; round++) {
		n = exchangers_order(list, COUNT, &ends, &random, order, &refused);
		CHECK_EQ(n, 4);
		CHECK_EQ(refused, 1u << 3 | 1u << 4 | 1u << 5);
		CHECK_EQ(order[0], 0);
		CHECK(order[1] + order[2] == 1 + 2 && order[3] == 6);
		firsts[order[1]]++;
		n = exchangers_order(list, COUNT, &none, &random, order, &refused);
		CHECK(n == COUNT && refused == 0);
		for (i = 1; i < n; i++)
			CHECK(list[order[i - 1]].preference <= list[order[i]].preference);
		seen[order[4]]++;
	}
	/* Those alike are first about as often. */
	CHECK(firsts[1] > ROUNDS / 4 && firsts[2] > ROUNDS / 4);
	for (i = 4; i < COUNT; i++)
		CHECK(seen[i] > ROUNDS / 6);
	CHECK_EQ(exchangers_order(list, 0, &none, &random, order, &refused), 0);
}

int main(void)
{
	RUN(test_order);
	return check_end();
}
