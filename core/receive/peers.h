/*
 * core/receive/peers.h - what each address has and has had: connections that are open, over all shards, and what it
 * took of a second's or minute's limits.
 *
 * An IPv6 peer counts by its /64, the smallest network one site has. The table has locked stripes: it is touched when a
 * connection opens and closes, never for a message, and only where limits of addresses are configured. What a session
 * takes it notes at its own address's place without a lock.
 *
 * An address is remembered behind its last connection until nothing of what it took counts any more, or a device that
 * connects for each message would have no limit. So that whoever has millions of addresses cannot have millions of
 * places, each stripe remembers so many only, and forgets first the longest gone of those that may not relay: strangers
 * push out strangers.
 *
 * A place is four words (core/base/bucket.h explains the kind): what an address may have in a minute it may have at
 * once, and is then given it back evenly, so never twice as much in any one minute. Exact would be half a kilobyte for
 * each address and kind; limits of clients are.
 */
#ifndef POSTRIDER_RECEIVE_PEERS_H
#define POSTRIDER_RECEIVE_PEERS_H

#include <stdbool.h>
#include <stddef.h>

#include "core/base/ring.h"
#include "core/shard/quota.h"

enum { PEERS_STRIPES = 4096, PEERS_REMEMBERED = 32 /* of each stripe, without a connection */ };

struct peer;
struct peers;

struct peers *peers_new(uint64_t salt); /* NULL without memory */
void peers_free(struct peers *peers);
/* Counts one more, and says how many that makes. NULL without memory: it is not counted. */
struct peer *peers_enter(struct peers *peers, const struct ring_address *address, uint64_t now_ns, unsigned *open);
/* `client`: it may relay. */
void peers_leave(struct peers *peers, struct peer *peer, bool client, uint64_t now_ns);

/* As in quota.h, of one address that has a connection. */
bool peers_take(struct peer *peer, enum quota_kind kind, uint64_t now_ns, uint64_t most, uint64_t n);
bool peers_has(const struct peer *peer, enum quota_kind kind, uint64_t now_ns, uint64_t most, uint64_t n);
void peers_give_back(struct peer *peer, enum quota_kind kind, uint64_t most, uint64_t n);

/* Places that there are, for tests. */
size_t peers_count(struct peers *peers);

#endif
