/*
 * core/deliver/slots.c - see slots.h. All operations are sequentially consistent: who registers looks for a slot
 * afterwards, and who gives one back looks for who is registered afterwards, so one of them sees the other.
 */
#include "core/deliver/slots.h"

#include <assert.h>

static uint64_t bit(unsigned lane)
{
	assert(lane < SLOTS_LANES);
	return UINT64_C(1) << lane;
}

static unsigned count(uint64_t lanes)
{
	return (unsigned)__builtin_popcountll(lanes);
}

/* The first behind this one, itself last. */
static int next(uint64_t lanes, unsigned lane)
{
	unsigned by = (lane + 1) % SLOTS_LANES;
	uint64_t turned = by ? lanes >> by | lanes << (SLOTS_LANES - by) : lanes;

	return lanes ? (int)((by + (unsigned)__builtin_ctzll(turned)) % SLOTS_LANES) : SLOTS_NOBODY;
}

static bool take(struct slots *slots, unsigned most)
{
	uint32_t taken = atomic_load(&slots->taken);

	do {
		if (taken >= most)
			return false;
	} while (!atomic_compare_exchange_weak(&slots->taken, &taken, taken + 1));
	return true;
}

/* It has one: it waits no more, unless it says so again. */
static bool have(struct slots *slots, uint64_t me)
{
	atomic_fetch_or(&slots->holding, me);
	return true;
}

bool slots_take(struct slots *slots, unsigned lane, unsigned most, bool *first)
{
	const uint64_t me = bit(lane);
	bool waits = atomic_load(&slots->waiting) & me;

	*first = false;
	if (atomic_load(&slots->called) & me) {
		atomic_fetch_and(&slots->called, ~me);
		return have(slots, me);
	}
	if (!waits) {
		*first = true;
		if (atomic_load(&slots->waiting) == 0 && atomic_load(&slots->called) == 0 && take(slots, most))
			return have(slots, me);
		atomic_fetch_or(&slots->waiting, me);
	}
	/* Who waits need not be called where one is free and was kept for nobody. */
	if ((*first && atomic_load(&slots->waiting) != me) || (atomic_load(&slots->called) & ~me) != 0 ||
	    !take(slots, most))
		return false;
	/* If it was called in this moment it has two, and slots_leave() passes the other on. */
	atomic_fetch_and(&slots->waiting, ~me);
	return have(slots, me);
}

bool slots_take_spare(struct slots *slots, unsigned lane, unsigned most)
{
	if (atomic_load(&slots->waiting) != 0 || atomic_load(&slots->called) != 0 || !take(slots, most))
		return false;
	return have(slots, bit(lane));
}

/* The slot, which counts as taken, is kept for who waits. */
static int pass(struct slots *slots, unsigned lane)
{
	for (;;) {
		int to = next(atomic_load(&slots->waiting), lane);
		if (to == SLOTS_NOBODY)
			return to;
		if (atomic_fetch_and(&slots->waiting, ~bit((unsigned)to)) & bit((unsigned)to)) {
			atomic_fetch_or(&slots->called, bit((unsigned)to));
			return to;
		}
	}
}

static int release(struct slots *slots, unsigned lane, unsigned most)
{
	do {
		int to = atomic_load(&slots->taken) <= most ? pass(slots, lane) : SLOTS_NOBODY;
		if (to != SLOTS_NOBODY)
			return to;
		atomic_fetch_sub(&slots->taken, 1);
		/* Somebody may have registered since, and found none. */
	} while (atomic_load(&slots->waiting) != 0 && take(slots, most));
	return SLOTS_NOBODY;
}

static void had_last(struct slots *slots, unsigned lane, bool last)
{
	if (last)
		atomic_fetch_and(&slots->holding, ~bit(lane));
}

int slots_give_back(struct slots *slots, unsigned lane, unsigned most, bool last)
{
	had_last(slots, lane, last);
	return release(slots, lane, most);
}

void slots_put_back(struct slots *slots, unsigned lane, bool last)
{
	had_last(slots, lane, last);
	atomic_fetch_sub(&slots->taken, 1);
}

bool slots_wait(struct slots *slots, unsigned lane)
{
	return !(atomic_fetch_or(&slots->waiting, bit(lane)) & bit(lane));
}

int slots_leave(struct slots *slots, unsigned lane, unsigned most, bool last)
{
	const uint64_t me = bit(lane);

	atomic_fetch_and(&slots->waiting, ~me);
	if (!(atomic_fetch_and(&slots->called, ~me) & me))
		return SLOTS_NOBODY;
	return slots_give_back(slots, lane, most, last);
}

static unsigned wanted(const struct slots *slots, unsigned lane, unsigned most)
{
	struct slots *s = (struct slots *)(uintptr_t)slots;
	uint32_t taken = atomic_load_explicit(&s->taken, memory_order_relaxed);

	return count(atomic_load_explicit(&s->waiting, memory_order_relaxed) & ~bit(lane)) +
	       (taken > most ? taken - most : 0);
}

unsigned slots_pressed(const struct slots *slots, unsigned lane, unsigned most)
{
	struct slots *s = (struct slots *)(uintptr_t)slots;
	unsigned want = wanted(slots, lane, most), promised = want ? atomic_load(&s->promised) : 0;

	return want > promised ? want - promised : 0;
}

bool slots_promise(struct slots *slots, unsigned lane, unsigned most)
{
	uint32_t promised = atomic_load(&slots->promised);

	do {
		if (wanted(slots, lane, most) <= promised)
			return false;
	} while (!atomic_compare_exchange_weak(&slots->promised, &promised, promised + 1));
	return true;
}

void slots_promise_over(struct slots *slots)
{
	atomic_fetch_sub(&slots->promised, 1);
}

unsigned slots_share(const struct slots *slots, unsigned lane, bool *rotate)
{
	struct slots *s = (struct slots *)(uintptr_t)slots;
	uint64_t lanes = atomic_load(&s->holding) | atomic_load(&s->waiting) | atomic_load(&s->called) | bit(lane);
	unsigned each = atomic_load(&s->taken) / count(lanes);

	*rotate = each == 0;
	return each ? each : 1;
}
