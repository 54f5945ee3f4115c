/*
 * core/config/network_table.c - see network_table.h.
 */
#include "core/config/network_table.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* An address as a number, with its first bit on top: of IPv4 the upper 32 bits. */
typedef unsigned __int128 address_key;

enum { KEY_BITS = 128, V4_SHIFT = 96, NESTED_MAX = 129 };

/* One family's places: from starts[i] to the next one the answer is numbers[i]. */
struct places {
	uint8_t family;
	size_t count;
	union {
		uint32_t *v4;
		address_key *v6;
	} starts;
	int32_t *numbers;
};

struct network_table {
	struct places v4, v6;
};

static address_key key_of(const uint8_t *octets, size_t length)
{
	address_key key = 0;

	for (size_t i = 0; i < length; i++)
		key |= (address_key)octets[i] << (KEY_BITS - 8 - 8 * i);
	return key;
}

/* The last address of a network. Of IPv4 the bits below the upper 32 are ones, and the next key begins with the next
 * address all the same. */
static address_key last_of(const struct network_entry *entry)
{
	address_key beyond = ~(address_key)0;

	if (entry->network.prefix > 0)
		beyond = entry->network.prefix < KEY_BITS ? beyond >> entry->network.prefix : 0;
	return key_of(entry->network.octets, 16) | beyond;
}

/* By family, then by place; of networks that begin together the larger first, and of equal ones the smaller number. */
static int compare(const void *left, const void *right)
{
	const struct network_entry *a = left, *b = right;
	int order = memcmp(a->network.octets, b->network.octets, sizeof(a->network.octets));

	if (a->network.family != b->network.family)
		return a->network.family < b->network.family ? -1 : 1;
	if (order != 0)
		return order;
	if (a->network.prefix != b->network.prefix)
		return a->network.prefix < b->network.prefix ? -1 : 1;
	return a->number < b->number ? -1 : a->number > b->number;
}

static size_t start_size(const struct places *places)
{
	return places->family == AF_INET ? sizeof(*places->starts.v4) : sizeof(*places->starts.v6);
}

static address_key start_at(const struct places *places, size_t i)
{
	return places->family == AF_INET ? (address_key)places->starts.v4[i] << V4_SHIFT : places->starts.v6[i];
}

/* From `key` on the answer is `number`. Keys come in order; a later call for the same key is the one that holds. */
static void change(struct places *places, address_key key, int32_t number)
{
	if (places->count > 0 && start_at(places, places->count - 1) == key)
		places->count--;
	if ((places->count > 0 ? places->numbers[places->count - 1] : -1) == number)
		return;
	if (places->family == AF_INET)
		places->starts.v4[places->count] = (uint32_t)(key >> V4_SHIFT);
	else
		places->starts.v6[places->count] = key;
	places->numbers[places->count++] = number;
}

/* The networks that hold the place the sweep has come to, the innermost last. */
struct nested {
	unsigned depth;
	struct {
		address_key last;
		const struct network_entry *best; /* the smallest number so far, from outside to here */
	} open[NESTED_MAX + 1];
};

/* Closes what ends before `key`; with `all` everything. */
static void close_before(struct places *places, struct nested *nested, address_key key, bool all)
{
	while (nested->depth > 0 && (all || nested->open[nested->depth - 1].last < key)) {
		address_key last = nested->open[--nested->depth].last;
		if (last != ~(address_key)0)
			change(places, last + 1, nested->depth > 0 ? nested->open[nested->depth - 1].best->number : -1);
	}
}

static void sweep(struct places *places, const struct network_entry *entries, size_t count, network_unused_fn *unused,
		  void *context)
{
	struct nested nested = {0};

	for (size_t i = 0; i < count; i++) {
		const struct network_entry *entry = &entries[i], *best = entry;
		address_key key = key_of(entry->network.octets, 16);
		close_before(places, &nested, key, false);
		if (nested.depth > 0 && nested.open[nested.depth - 1].best->number <= entry->number) {
			best = nested.open[nested.depth - 1].best;
			if (unused && best->number < entry->number)
				unused(context, entry, best);
		}
		/* The same network again changes nothing and need not be remembered: so the depth is bounded. */
		if (i > 0 && entries[i - 1].network.prefix == entry->network.prefix &&
		    memcmp(entries[i - 1].network.octets, entry->network.octets, 16) == 0)
			continue;
		assert(nested.depth < NESTED_MAX);
		nested.open[nested.depth].last = last_of(entry);
		nested.open[nested.depth++].best = best;
		change(places, key, best->number);
	}
	close_before(places, &nested, 0, true);
}

/* False without memory. */
static bool build(struct places *places, uint8_t family, const struct network_entry *entries, size_t count,
		  network_unused_fn *unused, void *context)
{
	void *starts;
	int32_t *numbers;

	places->family = family;
	if (count == 0)
		return true;
	places->numbers = calloc(2 * count, sizeof(*places->numbers));
	starts = calloc(2 * count, start_size(places));
	memcpy(&places->starts, &starts, sizeof(starts));
	if (!places->numbers || !starts)
		return false;
	sweep(places, entries, count, unused, context);
	/* Neighbours share a place: give back what was not needed. It cannot grow, so a failure is no harm. */
	starts = realloc(starts, places->count * start_size(places));
	if (starts)
		memcpy(&places->starts, &starts, sizeof(starts));
	numbers = realloc(places->numbers, places->count * sizeof(*numbers));
	if (numbers)
		places->numbers = numbers;
	return true;
}

struct network_table *network_table_new(struct network_entry *entries, size_t count, network_unused_fn *unused,
					void *context)
{
	struct network_table *table = calloc(1, sizeof(*table));
	size_t v4 = 0;

	static_assert(AF_INET < AF_INET6, "compare() puts IPv4 first");
	if (!table)
		return NULL;
	if (count > 0)
		qsort(entries, count, sizeof(*entries), compare);
	while (v4 < count && entries[v4].network.family == AF_INET)
		v4++;
	if (!build(&table->v4, AF_INET, entries, v4, unused, context) ||
	    !build(&table->v6, AF_INET6, count > 0 ? entries + v4 : NULL, count - v4, unused, context)) {
		network_table_free(table);
		return NULL;
	}
	return table;
}

void network_table_free(struct network_table *table)
{
	if (!table)
		return;
	free(table->v4.starts.v4);
	free(table->v4.numbers);
	free(table->v6.starts.v6);
	free(table->v6.numbers);
	free(table);
}

static int32_t find(const struct places *places, address_key key)
{
	size_t low = 0, high = places->count;

	/* The last place that does not lie behind the address. */
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (start_at(places, middle) <= key)
			low = middle + 1;
		else
			high = middle;
	}
	return low > 0 ? places->numbers[low - 1] : -1;
}

int32_t network_table_find(const struct network_table *table, const struct ring_address *address)
{
	uint8_t octets[16];
	size_t length = address_text_octets(address, octets);

	if (length == 4)
		return find(&table->v4, key_of(octets, 4));
	return length == 16 ? find(&table->v6, key_of(octets, 16)) : -1;
}

static size_t octets_of(const struct places *places)
{
	return places->count * (start_size(places) + sizeof(*places->numbers));
}

size_t network_table_octets(const struct network_table *table)
{
	return sizeof(*table) + octets_of(&table->v4) + octets_of(&table->v6);
}
