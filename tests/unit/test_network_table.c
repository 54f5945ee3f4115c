/*
 * tests/unit/test_network_table.c - core/config/network_table.h against the plain search it stands for.
 *
 * Random tables are made of few octets, so that networks nest, repeat and touch; each is asked about the ends of every
 * network and what lies beside them. A SEED as argument repeats one run.
 */
#include "core/config/network_table.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <time.h>

#include "core/base/random.h"
#include "tests/unit/check.h"

/* The rule itself: the first of the list that holds the address. */
static int32_t first_match(const struct network_entry *entries, size_t count, const struct ring_address *address)
{
	int32_t found = -1;

	for (size_t i = 0; i < count; i++) {
		if (network_contains(&entries[i].network, address) && (found < 0 || entries[i].number < found))
			found = entries[i].number;
	}
	return found;
}

static struct ring_address address_of(uint8_t family, const uint8_t *octets)
{
	char text[INET6_ADDRSTRLEN];
	struct ring_address address;

	inet_ntop(family, octets, text, sizeof(text));
	CHECK(address_text_numeric(text, 25, &address));
	return address;
}

static struct network_entry random_entry(struct random *random, int32_t number)
{
	static const uint8_t few[] = {0, 1, 0x7f, 0x80, 0xfe, 0xff};
	struct network_entry entry = {.number = number};
	unsigned bits, i;

	entry.network.family = random_below(random, 3) != 0 ? AF_INET : AF_INET6;
	bits = entry.network.family == AF_INET ? 32 : 128;
	entry.network.prefix = (uint8_t)random_below(random, bits + 1);
	for (i = 0; i < bits / 8; i++)
		entry.network.octets[i] = few[random_below(random, sizeof(few))];
	for (i = entry.network.prefix; i < bits; i++)
		entry.network.octets[i / 8] &= (uint8_t) ~(0x80 >> i % 8);
	return entry;
}

/* Adds `step` (1 or -1) to an address of `length` octets; round at the ends. */
static void move(uint8_t *octets, size_t length, int step)
{
	for (size_t i = length; i-- > 0;) {
		octets[i] = (uint8_t)(octets[i] + step);
		if (octets[i] != (step > 0 ? 0 : 0xff))
			return;
	}
}

/* The ends of a network and their neighbours outside get the answer of the plain search. */
static void check_ends(const struct network_table *table, const struct network_entry *entries, size_t count,
		       const struct network *network)
{
	size_t length = network->family == AF_INET ? 4 : 16;
	uint8_t first[16], last[16];

	memcpy(first, network->octets, sizeof(first));
	memcpy(last, network->octets, sizeof(last));
	for (size_t bit = network->prefix; bit < 8 * length; bit++)
		last[bit / 8] |= (uint8_t)(0x80 >> bit % 8);
	for (unsigned i = 0; i < 4; i++) {
		uint8_t octets[16];
		memcpy(octets, i < 2 ? first : last, sizeof(octets));
		if (i % 2 == 1)
			move(octets, length, i == 1 ? -1 : 1);
		struct ring_address address = address_of(network->family, octets);
		CHECK_EQ(network_table_find(table, &address), first_match(entries, count, &address));
	}
}

static uint64_t seed = 1;

static void test_random_tables(void)
{
	enum { TABLES = 3000, ENTRIES_MAX = 40 };
	struct random random = {.state = seed};

	for (unsigned t = 0; t < TABLES; t++) {
		struct network_entry entries[ENTRIES_MAX], sorted[ENTRIES_MAX];
		size_t count = random_below(&random, ENTRIES_MAX + 1);
		for (size_t i = 0; i < count; i++)
			entries[i] = random_entry(&random, (int32_t)random_below(&random, count));
		memcpy(sorted, entries, sizeof(sorted));
		struct network_table *table = network_table_new(sorted, count, NULL, NULL);
		CHECK(table != NULL);
		for (size_t i = 0; table && i < count; i++)
			check_ends(table, entries, count, &entries[i].network);
		network_table_free(table);
	}
}

static struct network_entry entry(const char *text, int32_t number)
{
	struct network_entry made = {.number = number};
	struct address_problem problem;

	CHECK_EQ(network_parse(text, &made.network, &problem), 0);
	return made;
}

static int32_t find(const struct network_table *table, const char *text)
{
	struct ring_address address;

	CHECK(address_text_numeric(text, 25, &address));
	return network_table_find(table, &address);
}

static void test_first_match_not_longest(void)
{
	struct network_entry entries[] = {entry("10.1.0.0/16", 2),    entry("10.0.0.0/8", 1), entry("10.2.0.0/16", 0),
					  entry("2001:db8::/32", 4),  entry("::/0", 5),       entry("0.0.0.0/0", 3),
					  entry("2001:db8::1/128", 6)};
	struct network_table *table = network_table_new(entries, sizeof(entries) / sizeof(entries[0]), NULL, NULL);

	CHECK_EQ(find(table, "10.1.2.3"), 1);
	CHECK_EQ(find(table, "10.2.0.0"), 0);
	CHECK_EQ(find(table, "10.2.255.255"), 0);
	CHECK_EQ(find(table, "10.3.0.0"), 1);
	CHECK_EQ(find(table, "0.0.0.0"), 3);
	CHECK_EQ(find(table, "255.255.255.255"), 3);
	CHECK_EQ(find(table, "::ffff:10.2.0.1"), 0);
	CHECK_EQ(find(table, "2001:db8::1"), 4);
	CHECK_EQ(find(table, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"), 5);
	network_table_free(table);
}

static void test_empty(void)
{
	struct network_table *table = network_table_new(NULL, 0, NULL, NULL);
	struct ring_address unknown = {.length = 2};

	CHECK_EQ(find(table, "10.0.0.1"), -1);
	CHECK_EQ(find(table, "::1"), -1);
	CHECK_EQ(network_table_find(table, &unknown), -1);
	network_table_free(table);
}

static void count_unused(void *context, const struct network_entry *unused, const struct network_entry *by)
{
	int32_t *pairs = context;

	CHECK(by->number < unused->number);
	pairs[unused->number] = by->number;
}

static void test_unused_are_told(void)
{
	struct network_entry entries[] = {entry("10.0.0.0/8", 0), entry("10.1.0.0/16", 1), entry("192.0.2.0/24", 3),
					  entry("192.0.2.1", 2),  entry("192.0.2.1", 4),   entry("10.0.0.0/8", 5),
					  entry("10.9.0.0/16", 0)};
	int32_t by[] = {-1, -1, -1, -1, -1, -1};
	struct network_table *table =
		network_table_new(entries, sizeof(entries) / sizeof(entries[0]), count_unused, by);

	CHECK_EQ(by[0], -1);
	CHECK_EQ(by[1], 0);
	CHECK_EQ(by[2], -1);
	CHECK_EQ(by[3], -1);
	CHECK_EQ(by[4], 2);
	CHECK_EQ(by[5], 0);
	network_table_free(table);
}

static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Figures for people; only the memory is a promise. */
static void test_many(void)
{
	enum { MANY = 100000, LOOKUPS = 1000000 };
	struct network_entry *entries = calloc(MANY, sizeof(*entries));
	struct random random = {.state = seed};
	double start = seconds(), made, found;
	int64_t sum = 0;

	for (uint32_t i = 0; i < MANY; i++) {
		/* Every second address: no two share a place. */
		uint32_t address = htonl(0x0a000000 + 2 * i);
		entries[i] = (struct network_entry){.network = {.family = AF_INET, .prefix = 32}, .number = (int32_t)i};
		memcpy(entries[i].network.octets, &address, sizeof(address));
	}
	struct network_table *table = network_table_new(entries, MANY, NULL, NULL);
	made = seconds();
	for (unsigned i = 0; i < LOOKUPS; i++) {
		uint32_t which = (uint32_t)random_below(&random, MANY);
		struct ring_address address = {.length = sizeof(address.v4)};
		address.v4.sin_family = AF_INET;
		address.v4.sin_addr.s_addr = htonl(0x0a000000 + 2 * which);
		int32_t answer = network_table_find(table, &address);
		CHECK_EQ(answer, which);
		sum += answer;
	}
	found = seconds();
	printf("%d networks: %zu octets, made in %.0f ms, %.0f ns a search (%lld)\n", MANY, network_table_octets(table),
	       (made - start) * 1e3, (found - made) * 1e9 / LOOKUPS, (long long)sum);
	CHECK(network_table_octets(table) <= 17 * MANY);
	network_table_free(table);
	free(entries);
}

int main(int argc, char **argv)
{
	if (argc > 1)
		seed = strtoull(argv[1], NULL, 0);
	RUN(test_random_tables);
	RUN(test_first_match_not_longest);
	RUN(test_empty);
	RUN(test_unused_are_told);
	RUN(test_many);
	return check_end();
}
