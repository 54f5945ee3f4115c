/*
 * core/config/network_table.h - which of many networks an address belongs to, at a cost that does not grow with them.
 *
 * Entries are networks with a number each, and an address's answer is the smallest number among the networks that
 * hold it: where numbers follow the order of a list, that is "first match wins". Two networks are disjoint or one lies
 * in the other, so the numbers that count change only where a network begins or ends: a table is the sorted list of
 * these places, at most two for each network, and an answer a binary search. IPv4 takes 8 octets a place, IPv6 20.
 *
 * As everywhere (address_text.h) ::ffff:192.0.2.1 is the IPv4 address, and no IPv4 address is in an IPv6 network.
 * Immutable once made: any thread may search.
 */
#ifndef POSTRIDER_CONFIG_NETWORK_TABLE_H
#define POSTRIDER_CONFIG_NETWORK_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/address_text.h"

struct network_entry {
	struct network network;
	int32_t number; /* >= 0 */
	/* Where it is written, for messages; not looked at here. Lines and columns from 1. */
	uint32_t line, column;
	bool in_file; /* of the client's file of networks */
};

struct network_table;

/* Told for each entry that no address is ever answered from: one with a smaller number covers it. */
typedef void network_unused_fn(void *context, const struct network_entry *unused, const struct network_entry *by);

/* Sorts the entries on the way. `unused` may be NULL. NULL without memory. */
struct network_table *network_table_new(struct network_entry *entries, size_t count, network_unused_fn *unused,
					void *context);
void network_table_free(struct network_table *table); /* NULL is allowed */

/* The smallest number of a network that holds the address, or -1. */
int32_t network_table_find(const struct network_table *table, const struct ring_address *address);
/* The memory it takes. */
size_t network_table_octets(const struct network_table *table);

#endif
