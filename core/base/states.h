/*
 * core/base/states.h - a state machine's table: its states' names, and which may follow which.
 *
 * The drawing in a machine's header is for readers, its table is what holds: one function of the machine moves its
 * state, by states_move(), and a move that the table does not have is our bug, whatever peer or disk brought it about.
 * A state may be left for itself only where its row says so.
 */
#ifndef POSTRIDER_BASE_STATES_H
#define POSTRIDER_BASE_STATES_H

#include <stdbool.h>
#include <stdint.h>

#define STATES_BIT(state) (1u << (state))

struct states_row {
	const char *name;
	uint32_t next; /* STATES_BIT() of each that may follow; 0: the last */
};

struct states {
	const char *machine;
	const struct states_row *rows; /* the first is where it begins */
	unsigned count;                /* at most 32 */
};

/* Says what was to become what, and ends the process. */
_Noreturn void states_wrong(const struct states *table, unsigned from, unsigned to);

static inline bool states_may(const struct states *table, unsigned from, unsigned to)
{
	return from < table->count && to < table->count && (table->rows[from].next & STATES_BIT(to)) != 0;
}

static inline void states_move(const struct states *table, uint8_t *state, unsigned next)
{
	if (!states_may(table, *state, next))
		states_wrong(table, *state, next);
	*state = (uint8_t)next;
}

const char *states_name(const struct states *table, unsigned state);

/* For tests: each state has a name, can be reached from the first, and leads to a last one. NULL, or what is wrong. */
const char *states_problem(const struct states *table);

#endif
