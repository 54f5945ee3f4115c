/*
 * core/base/allowance.c - see allowance.h. A slot is a word: of which stretch of time it is, by the low bits of its
 * number, and what was spent in it.
 */
#include "core/base/allowance.h"

enum { COUNT_BITS = 36, STAMP_BITS = 28 };
#define COUNT_MASK ALLOWANCE_MOST
#define STAMP_MASK ((UINT64_C(1) << STAMP_BITS) - 1)

static uint64_t slot_of(uint64_t ns, uint64_t window_ns)
{
	/* From 1, so that a slot that was never used is not the first one's. */
	return ns / (window_ns / ALLOWANCE_PARTS) + 1;
}

static uint64_t word_of(uint64_t slot, uint64_t count)
{
	return (slot & STAMP_MASK) << COUNT_BITS | count;
}

static uint64_t count_of(uint64_t word)
{
	return word & COUNT_MASK;
}

/* By how many slots the word is older than `slot`; negative: it is of a later one. */
static int64_t age_of(uint64_t word, uint64_t slot)
{
	uint64_t age = ((slot & STAMP_MASK) - (word >> COUNT_BITS)) & STAMP_MASK;

	return age > STAMP_MASK / 2 ? (int64_t)age - (int64_t)STAMP_MASK - 1 : (int64_t)age;
}

static bool change(_Atomic(uint64_t) *word, uint64_t *from, uint64_t to)
{
	return atomic_compare_exchange_weak_explicit(word, from, to, memory_order_acq_rel, memory_order_relaxed);
}

/* What was spent a window ago comes back. */
static void expire(struct allowance *a, uint64_t slot)
{
	unsigned i;

	for (i = 0; i < ALLOWANCE_SLOTS; i++) {
		uint64_t word = atomic_load_explicit(&a->slots[i], memory_order_relaxed);
		while (count_of(word) > 0 && age_of(word, slot) >= ALLOWANCE_SLOTS) {
			if (!change(&a->slots[i], &word, word & ~COUNT_MASK))
				continue;
			atomic_fetch_sub_explicit(&a->spent, count_of(word), memory_order_acq_rel);
			break;
		}
	}
}

/* Into the slot of now. One that somebody with a later clock has begun counts longer, which does no harm. */
static void note(struct allowance *a, uint64_t slot, uint64_t n)
{
	_Atomic(uint64_t) *at = &a->slots[slot % ALLOWANCE_SLOTS];
	uint64_t word = atomic_load_explicit(at, memory_order_relaxed), old;

	do {
		old = age_of(word, slot) > 0 || word == 0 ? count_of(word) : 0;
	} while (!change(at, &word, age_of(word, slot) > 0 || word == 0 ? word_of(slot, n) : word + n));
	if (old > 0)
		atomic_fetch_sub_explicit(&a->spent, old, memory_order_acq_rel);
}

/* When so many will have come back. */
static uint64_t when_ns(const struct allowance *a, uint64_t slot, uint64_t window_ns, uint64_t needed)
{
	uint64_t part_ns = window_ns / ALLOWANCE_PARTS, sum = 0;
	int64_t age;

	for (age = ALLOWANCE_PARTS; age > 0 && sum < needed; age--) {
		const _Atomic(uint64_t) *at = &a->slots[(slot - (uint64_t)age) % ALLOWANCE_SLOTS];
		uint64_t word = atomic_load_explicit((_Atomic(uint64_t) *)(uintptr_t)at, memory_order_relaxed);
		if (slot > (uint64_t)age && age_of(word, slot) == age)
			sum += count_of(word);
		if (sum >= needed)
			break;
	}
	return (slot - 1 + (uint64_t)(ALLOWANCE_SLOTS - age)) * part_ns;
}

static bool fits(uint64_t spent, uint64_t most, uint64_t n)
{
	return spent == 0 || (spent <= most && n <= most - spent);
}

uint64_t allowance_take(struct allowance *a, uint64_t now_ns, uint64_t window_ns, uint64_t most, uint64_t n)
{
	uint64_t slot = slot_of(now_ns, window_ns), spent;

	n = n > ALLOWANCE_MOST / 2 ? ALLOWANCE_MOST / 2 : n;
	spent = atomic_load_explicit(&a->spent, memory_order_relaxed);
	if (!fits(spent, most, n)) {
		expire(a, slot);
		spent = atomic_load_explicit(&a->spent, memory_order_relaxed);
	}
	do {
		if (!fits(spent, most, n))
			return when_ns(a, slot, window_ns, n > most ? spent : spent + n - most);
	} while (!change(&a->spent, &spent, spent + n));
	note(a, slot, n);
	return 0;
}

bool allowance_has(struct allowance *a, uint64_t now_ns, uint64_t window_ns, uint64_t most, uint64_t n)
{
	n = n > ALLOWANCE_MOST / 2 ? ALLOWANCE_MOST / 2 : n;
	if (fits(atomic_load_explicit(&a->spent, memory_order_relaxed), most, n))
		return true;
	expire(a, slot_of(now_ns, window_ns));
	return fits(atomic_load_explicit(&a->spent, memory_order_relaxed), most, n);
}

void allowance_give_back(struct allowance *a, uint64_t then_ns, uint64_t window_ns, uint64_t n)
{
	uint64_t slot = slot_of(then_ns, window_ns);
	_Atomic(uint64_t) *at = &a->slots[slot % ALLOWANCE_SLOTS];
	uint64_t word = atomic_load_explicit(at, memory_order_relaxed);

	n = n > ALLOWANCE_MOST / 2 ? ALLOWANCE_MOST / 2 : n;
	do {
		if (age_of(word, slot) != 0 || count_of(word) < n)
			return; /* it has come back by itself */
	} while (!change(at, &word, word - n));
	atomic_fetch_sub_explicit(&a->spent, n, memory_order_acq_rel);
}

void allowance_exhaust(struct allowance *a, uint64_t now_ns, uint64_t window_ns, uint64_t most)
{
	atomic_fetch_add_explicit(&a->spent, most, memory_order_acq_rel);
	note(a, slot_of(now_ns, window_ns), most);
}
