/*
 * core/stream/transport_private.h - shared between transport.c, transport_secure.c and transport_held.c.
 */
#ifndef POSTRIDER_STREAM_TRANSPORT_PRIVATE_H
#define POSTRIDER_STREAM_TRANSPORT_PRIVATE_H

#include "core/stream/transport.h"

/* It is being torn down: nobody hears of anything any more. */
static inline bool transport_closing(const struct transport *t)
{
	return t->state >= TRANSPORT_STOPPING;
}

static inline void transport_release_buffer(struct transport *t, uint8_t **buffer)
{
	if (*buffer)
		pool_release(t->buffers, *buffer);
	*buffer = NULL;
}

/* It has output that no send carries yet. */
static inline void transport_mark_dirty(struct transport *t)
{
	if (!list_linked(&t->dirty))
		list_append(t->accepted ? &t->shared->answers : &t->shared->dirty, &t->dirty);
}

/* transport_held.c */

struct transport_held {
	struct list link;
	uint32_t flags; /* names the provided buffer */
	uint32_t offset, length;
	uint8_t *copy; /* the octets, where the buffer was given back because they are scarce; malloc'd */
	bool plain;    /* TLS has been over them */
};

void transport_held_free(struct transport *t, struct transport_held *held);
void transport_held_drop(struct transport *t);
/* Keeps octets that the owner has not taken, in front of all that is kept. False without memory. */
bool transport_hold_plain(struct transport *t, const uint8_t *octets, size_t length);

/* transport_secure.c */

/* Runs TLS over ciphertext just fed. Returns 0, or the result for on_end; 1: closed in order. */
int transport_secure_pump(struct transport *t);
/* Seals what is staged into records. Returns false when the collecting buffer has no room. */
bool transport_secure_seal(struct transport *t);
/* All or nothing; there is room for it. */
bool transport_secure_write(struct transport *t, const uint8_t *data, size_t length);
/* close_notify into the buffer that is collected, which is empty. False: there is none to say. */
bool transport_secure_notify(struct transport *t);
/* The last words of TLS, where they can be said at once. */
void transport_secure_goodbye(struct transport *t);

#endif
