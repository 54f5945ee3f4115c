/*
 * core/base/states.c - see states.h.
 */
#include "core/base/states.h"

#include <assert.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

const char *states_name(const struct states *table, unsigned state)
{
	return state < table->count ? table->rows[state].name : "no state";
}

void states_wrong(const struct states *table, unsigned from, unsigned to)
{
	fprintf(stderr, "%s: from %s (%u) to %s (%u) is no move\n", table->machine, states_name(table, from), from,
		states_name(table, to), to);
	abort();
}

/* All that can be reached from `set`, itself included. */
static uint32_t reach(const struct states *table, uint32_t set)
{
	uint32_t before;

	do {
		before = set;
		for (unsigned i = 0; i < table->count; i++) {
			if (set & STATES_BIT(i))
				set |= table->rows[i].next;
		}
	} while (set != before);
	return set;
}

const char *states_problem(const struct states *table)
{
	uint32_t all, last = 0;

	assert(table->count > 0 && table->count <= 32);
	all = table->count == 32 ? UINT32_MAX : STATES_BIT(table->count) - 1;
	for (unsigned i = 0; i < table->count; i++) {
		if (!table->rows[i].name)
			return "a state has no name";
		if (table->rows[i].next & ~all)
			return "a state leads to one that is not there";
		if (table->rows[i].next == 0)
			last |= STATES_BIT(i);
	}
	if (reach(table, STATES_BIT(0)) != all)
		return "a state cannot be reached";
	for (unsigned i = 0; i < table->count; i++) {
		if (!(reach(table, STATES_BIT(i)) & last))
			return "a state leads to no end";
	}
	return NULL;
}
