/*
 * tests/sim/actor_meter.c - see actor_meter.h.
 */
#include "tests/sim/actor_meter.h"

#include "tests/sim/world.h"

void actor_meter_add(struct actor_meter *meter, uint64_t amount)
{
	uint64_t now_ns = world_now_ns();

	if (meter->most == 0)
		return;
	if (meter->count == meter->capacity) {
		meter->capacity = meter->capacity ? 2 * meter->capacity : 1024;
		meter->entries = world_realloc(meter->entries, meter->capacity * sizeof(*meter->entries));
	}
	meter->entries[meter->count++] = (struct actor_meter_entry){now_ns, amount};
	meter->total += amount;
	meter->in_window += amount;
	while (meter->entries[meter->first].at_ns + meter->window_ns <= now_ns)
		meter->in_window -= meter->entries[meter->first++].amount;
	meter->peak = meter->in_window > meter->peak ? meter->in_window : meter->peak;
	meter->over += meter->in_window > meter->most;
}

uint64_t actor_meter_between(const struct actor_meter *meter, uint64_t from_ns, uint64_t to_ns)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < meter->count; i++) {
		if (meter->entries[i].at_ns >= from_ns && meter->entries[i].at_ns < to_ns)
			sum += meter->entries[i].amount;
	}
	return sum;
}

void actor_meter_free(struct actor_meter *meter)
{
	world_release(meter->entries);
	meter->entries = NULL;
}
