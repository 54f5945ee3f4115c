/*
 * core/base/allowance.h - so many in any window of time, for any number of threads: all of it at once where nothing was
 * spent for as long as the window, and never more.
 *
 * What was spent is kept by slots, a sixtieth of the window each. A slot counts until the window has passed since its
 * end, so what was spent in it comes back up to a slot late and never early: in no window is more spent than allowed,
 * and at least sixty parts in sixty-one can be.
 *
 * One atomic operation grants, another notes in which slot. Slots carry the time they are of, so that whoever comes
 * late to one, or first to the next, takes nothing away from others.
 */
#ifndef POSTRIDER_BASE_ALLOWANCE_H
#define POSTRIDER_BASE_ALLOWANCE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum { ALLOWANCE_PARTS = 60, ALLOWANCE_SLOTS = ALLOWANCE_PARTS + 1 };
#define ALLOWANCE_MOST ((UINT64_C(1) << 36) - 1)

/* Zeroed: nothing was spent. */
struct allowance {
	_Atomic(uint64_t) spent; /* in all slots; may be more than they say for a moment, never less */
	_Atomic(uint64_t) slots[ALLOWANCE_SLOTS];
};

/*
 * `n` of `most` in `window_ns`. 0: granted. Else the time from when on it may be asked again: by then so many have come
 * back, if nobody else takes them. What is more than `most` by itself is granted alone, where nothing was spent.
 */
uint64_t allowance_take(struct allowance *a, uint64_t now_ns, uint64_t window_ns, uint64_t most, uint64_t n);
/* Would they be granted now? Takes nothing. */
bool allowance_has(struct allowance *a, uint64_t now_ns, uint64_t window_ns, uint64_t most, uint64_t n);
/* Taken at `then_ns`, and not used. */
void allowance_give_back(struct allowance *a, uint64_t then_ns, uint64_t window_ns, uint64_t n);
/* All of it counts as spent now: what was spent before nobody knows. */
void allowance_exhaust(struct allowance *a, uint64_t now_ns, uint64_t window_ns, uint64_t most);

#endif
