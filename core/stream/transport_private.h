/*
 * core/stream/transport_private.h - shared between transport.c and transport_secure.c.
 */
#ifndef POSTRIDER_STREAM_TRANSPORT_PRIVATE_H
#define POSTRIDER_STREAM_TRANSPORT_PRIVATE_H

#include "core/stream/transport.h"

/* It is being torn down: nobody hears of anything any more. */
static inline bool transport_closing(const struct transport *t)
{
	return t->state >= TRANSPORT_STOPPING;
}
void transport_release_buffer(struct transport *t, uint8_t **buffer);
/* Keeps octets that the owner has not taken, in front of all that is kept. False without memory. */
bool transport_hold_plain(struct transport *t, const uint8_t *octets, size_t length);
/* It has output that no send carries yet. */
void transport_mark_dirty(struct transport *t);

/* transport_secure.c */

/* Runs TLS over ciphertext just fed. Returns 0, or the result for on_end; 1: closed in order. */
int transport_secure_pump(struct transport *t);
/* Seals what is staged into records. Returns false when the collecting buffer has no room. */
bool transport_secure_seal(struct transport *t);
/* All or nothing. */
bool transport_secure_write(struct transport *t, const uint8_t *data, size_t length);
/* close_notify into the buffer that is collected, which is empty. False: there is none to say. */
bool transport_secure_notify(struct transport *t);
/* The last words of TLS, where they can be said at once. */
void transport_secure_goodbye(struct transport *t);

#endif
