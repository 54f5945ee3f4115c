/*
 * core/receive/peers.h - how many connections each address has open, over all shards (limits.connections_per_client).
 *
 * An IPv6 peer counts by its /64, the smallest network one site has. The table has locked stripes: it is touched when a
 * connection opens and closes, never for a message, and only where the limit is configured.
 */
#ifndef POSTRIDER_RECEIVE_PEERS_H
#define POSTRIDER_RECEIVE_PEERS_H

#include <stdbool.h>
#include <stddef.h>

#include "core/base/ring.h"

struct peers;

struct peers *peers_new(void); /* NULL without memory */
void peers_free(struct peers *peers);
/* Counts one more; false if that makes more than `max` (it is counted all the same) or without memory (it is not: then
 * *counted is false and peers_leave() must not be called). */
bool peers_enter(struct peers *peers, const struct ring_address *address, unsigned max, bool *counted);
void peers_leave(struct peers *peers, const struct ring_address *address);

#endif
