/*
 * queue/handoff.h - lock-free single-producer single-consumer ring of pointers, one per ordered pair of shards.
 *
 * push() publishes with release, pop() takes with acquire: everything the producer wrote before the push is
 * visible after the pop. Each side caches the other's cursor, so in the common case neither touches the
 * other's cache line. A full ring refuses: the producer keeps the item and tries again next turn.
 */
#ifndef POSTRIDER_QUEUE_HANDOFF_H
#define POSTRIDER_QUEUE_HANDOFF_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum { HANDOFF_CACHE_LINE = 64 };

struct handoff {
	_Alignas(HANDOFF_CACHE_LINE) _Atomic(uint32_t) head; /* written by the producer */
	uint32_t tail_seen;                                  /* producer's copy of tail */
	_Alignas(HANDOFF_CACHE_LINE) _Atomic(uint32_t) tail; /* written by the consumer */
	uint32_t head_seen;                                  /* consumer's copy of head */
	_Alignas(HANDOFF_CACHE_LINE) uint32_t mask;
	void **slots;
};

/* `capacity`: power of two. 0 or -ENOMEM. */
int handoff_init(struct handoff *handoff, uint32_t capacity);
void handoff_deinit(struct handoff *handoff);
bool handoff_push(struct handoff *handoff, void *item);
void *handoff_pop(struct handoff *handoff); /* NULL: empty */
bool handoff_empty(struct handoff *handoff);

#endif
