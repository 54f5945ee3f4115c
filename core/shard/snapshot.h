/*
 * core/shard/snapshot.h - a configuration compiled, as one thing that never changes: what shards and sessions go by.
 *
 * A reload makes another one, and each shard takes it between two turns (core/relay/reload.h). A session keeps the one
 * it began with, so it is counted: for each shard by that shard alone, so that no two threads count at the same place.
 * A shard that has taken a newer one for its next sessions is done with the old one when the last session of it has
 * gone; when all are, whoever made it frees it.
 */
#ifndef POSTRIDER_SHARD_SNAPSHOT_H
#define POSTRIDER_SHARD_SNAPSHOT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct config;
struct counted;
struct device_record;
struct dns;
struct fair_terms;
struct inbound_tls;
struct mailbox_set;
struct quota;
struct suppression;
struct tls_context;
struct verifiers;

/* A cache line for each shard. */
struct snapshot_users {
	_Alignas(64) unsigned count;
};

struct snapshot {
	struct snapshot *older; /* of whoever made it */
	const struct config *config;
	bool owns_config;
	bool *unused; /* owned, per destination: gone, and none of the older snapshots there still are has it */
	struct tls_context **tls;    /* owned, per destination; NULL: no TLS */
	struct inbound_tls *inbound; /* owned: of listeners (core/receive/inbound_tls.h) */
	struct fair_terms *terms;    /* owned: of clients that are not as others, sorted (queue/fair.h) */
	size_t terms_count;
	uint32_t *listeners;                     /* owned, per listener: its serial number (core/receive/listeners.h) */
	struct counted **listener_counts;        /* owned, per listener: where it is counted (counts.h) */
	struct dns *dns;                         /* who is asked for names; NULL as long as every host is numeric */
	struct verifiers *verifiers;             /* who compares passwords; NULL: nobody signs in here */
	struct suppression *suppression;         /* who is sent nothing; NULL: there is no list */
	struct mailbox_set **mailboxes;          /* owned, per destination; NULL: nobody signs in there */
	struct device_record **devices;          /* owned, per device of the inventory; NULL: nothing is noted */
	struct quota **quotas;                   /* owned, per client; NULL where none has a limit of its own */
	_Atomic(unsigned) prepared, taken, done; /* shards whose lanes go by it; whose new sessions do; that are done */
	struct snapshot_users *users;            /* owned, per shard */
};

/* Where it is counted what this client (-1: nobody) has, or NULL: nowhere. */
static inline struct quota *snapshot_client(const struct snapshot *snapshot, int client)
{
	return client >= 0 && snapshot->quotas ? snapshot->quotas[client] : NULL;
}

/* On the thread of the shard. */
static inline void snapshot_hold(struct snapshot *snapshot, unsigned shard)
{
	snapshot->users[shard].count++;
}

static inline void snapshot_release(struct snapshot *snapshot, unsigned shard)
{
	if (--snapshot->users[shard].count == 0)
		atomic_fetch_add_explicit(&snapshot->done, 1, memory_order_release);
}

#endif
