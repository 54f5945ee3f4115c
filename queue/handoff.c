/*
 * queue/handoff.c - lock-free single-producer single-consumer ring of pointers.
 *
 * Ownership
 *   The ring owns its slots; an item belongs to the producer until push() answered true, and to the consumer
 *   once pop() returned it. Items still inside at handoff_deinit() are the caller's to have taken.
 *
 * Invariants
 *   Cursors count without bound and wrap at 2^32: 0 <= head - tail <= mask + 1. A slot is written by
 *   the producer only while it lies outside of [tail, head), and read by the consumer only inside.
 *
 * Failure
 *   init: -ENOMEM. push: false when full. pop: NULL when empty.
 */
#include "queue/handoff.h"

#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>

int handoff_init(struct handoff *handoff, uint32_t capacity)
{
	assert(capacity > 0 && capacity <= UINT32_C(1) << 31);
	assert((capacity & (capacity - 1)) == 0);

	atomic_init(&handoff->head, 0);
	atomic_init(&handoff->tail, 0);
	handoff->tail_seen = 0;
	handoff->head_seen = 0;
	handoff->mask = capacity - 1;
	handoff->slots = calloc(capacity, sizeof(handoff->slots[0]));
	return handoff->slots == NULL ? -ENOMEM : 0;
}

void handoff_deinit(struct handoff *handoff)
{
	free(handoff->slots);
	handoff->slots = NULL;
}

bool handoff_push(struct handoff *handoff, void *item)
{
	uint32_t head = atomic_load_explicit(&handoff->head, memory_order_relaxed);

	assert(item != NULL);
	if (head - handoff->tail_seen > handoff->mask) {
		/* Acquire: the consumer has read the slot before we overwrite it. */
		handoff->tail_seen = atomic_load_explicit(&handoff->tail, memory_order_acquire);
		assert(head - handoff->tail_seen <= handoff->mask + 1);
		if (head - handoff->tail_seen > handoff->mask)
			return false;
	}
	handoff->slots[head & handoff->mask] = item;
	atomic_store_explicit(&handoff->head, head + 1, memory_order_release);
	return true;
}

void *handoff_pop(struct handoff *handoff)
{
	uint32_t tail = atomic_load_explicit(&handoff->tail, memory_order_relaxed);

	if (tail == handoff->head_seen) {
		handoff->head_seen = atomic_load_explicit(&handoff->head, memory_order_acquire);
		if (tail == handoff->head_seen)
			return NULL;
	}
	void *item = handoff->slots[tail & handoff->mask];
	atomic_store_explicit(&handoff->tail, tail + 1, memory_order_release);
	return item;
}

/* From either side, or a third: a true answer may be old before it is used. */
bool handoff_empty(struct handoff *handoff)
{
	uint32_t tail = atomic_load_explicit(&handoff->tail, memory_order_relaxed);

	return atomic_load_explicit(&handoff->head, memory_order_acquire) == tail;
}
