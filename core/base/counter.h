/*
 * core/base/counter.h - counters written by one thread and read by any: plain stores on the writer's side, no locked
 * instructions, no torn or reordered-into-nonsense reads on the other.
 */
#ifndef POSTRIDER_BASE_COUNTER_H
#define POSTRIDER_BASE_COUNTER_H

#include <stdatomic.h>
#include <stdint.h>

typedef _Atomic(uint64_t) counter;

static inline void counter_add(counter *c, uint64_t n)
{
	atomic_store_explicit(c, atomic_load_explicit(c, memory_order_relaxed) + n, memory_order_relaxed);
}

static inline void counter_set(counter *c, uint64_t n)
{
	atomic_store_explicit(c, n, memory_order_relaxed);
}

static inline uint64_t counter_get(const counter *c)
{
	return atomic_load_explicit((counter *)(uintptr_t)c, memory_order_relaxed);
}

#endif
