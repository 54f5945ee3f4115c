/*
 * tests/sim/actor_meter.h - what a next hop counts of those who send to it: how much came in any window of time.
 *
 * It remembers everything, so it is as strict as a provider can be.
 */
#ifndef POSTRIDER_SIM_ACTOR_METER_H
#define POSTRIDER_SIM_ACTOR_METER_H

#include <stddef.h>
#include <stdint.h>

/* Zeroed but for the first two. */
struct actor_meter {
	uint64_t window_ns;
	uint64_t most; /* in any window; 0: not metered */
	struct actor_meter_entry {
		uint64_t at_ns, amount;
	} * entries;
	size_t count, capacity, first; /* `first`: of the window */
	uint64_t in_window, peak, total;
	unsigned over; /* times it was more than allowed */
};

void actor_meter_add(struct actor_meter *meter, uint64_t amount);
/* What came from then on, until `to_ns`. */
uint64_t actor_meter_between(const struct actor_meter *meter, uint64_t from_ns, uint64_t to_ns);
void actor_meter_free(struct actor_meter *meter);

#endif
