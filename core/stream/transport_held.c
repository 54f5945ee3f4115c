/*
 * core/stream/transport_held.c - what a transport keeps of input that its owner does not take.
 */
#include <stdlib.h>
#include <string.h>

#include "core/stream/transport_private.h"

void transport_held_free(struct transport *t, struct transport_held *held)
{
	t->held_octets -= held->length;
	t->shared->held_octets -= held->length;
	if (held->copy)
		free(held->copy);
	else
		ring_buffer_release(t->shared->ring, held->flags);
	pool_release(&t->shared->held, held);
}

void transport_held_drop(struct transport *t)
{
	struct list *link;

	while ((link = list_take_first(&t->held)) != NULL) {
		transport_held_free(t, container_of(link, struct transport_held, link));
	}
}

bool transport_hold_plain(struct transport *t, const uint8_t *octets, size_t length)
{
	struct transport_held *held = pool_acquire(&t->shared->held);

	if (!held)
		return false;
	*held = (struct transport_held){.length = (uint32_t)length, .copy = malloc(length), .plain = true};
	list_init(&held->link);
	if (!held->copy) {
		pool_release(&t->shared->held, held);
		return false;
	}
	memcpy(held->copy, octets, length);
	list_prepend(&t->held, &held->link);
	t->held_octets += (uint32_t)length;
	t->shared->held_octets += length;
	t->paused = true;
	return true;
}
