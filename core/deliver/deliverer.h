/*
 * core/deliver/deliverer.h - what a shard has for next hops: the lanes it owns, their connections, and what is tried.
 *
 * It belongs to the shard it stands on (shard->deliverer) and to no other thread, but for the counters, which any may
 * read.
 */
#ifndef POSTRIDER_DELIVER_DELIVERER_H
#define POSTRIDER_DELIVER_DELIVERER_H

#include "core/base/counter.h"
#include "core/base/list.h"
#include "core/base/pool.h"

enum { OUTPUT_BUFFER_SIZE = 65536 }; /* output block of a connection */

struct config;
struct dns;
struct hold_destination;
struct outbound; /* outbound.h */
struct shard;
struct tls_context;

/* What the deliverers of all shards share. */
struct deliverers {
	struct hold_destination *holds; /* owned, per destination; its atomics are shared (hold.h) */
	struct tls_context **tls;       /* owned, per destination, shared where the policy is the same (tls_policy.h) */
	struct dns *dns;                /* NULL where every host is numeric */
};

struct deliverer_counters {
	counter delivered, deferred, failed, attempts, delivered_octets;
	counter connections_out, handshakes, resumed;
};

struct deliverer {
	struct deliverers *shared;
	struct deliverer_counters counters;
	struct pool connections, attempts, output_buffers;
	struct outbound *outbound; /* owned, by lane; those of other shards are unused (their shard is NULL) */
	struct list outbound_wake; /* lanes with something to do this turn */
};

/* 0 or -ENOMEM. */
int deliverers_init(struct deliverers *shared, const struct config *config);
void deliverers_deinit(struct deliverers *shared, const struct config *config);
/* Memory only. 0 or -ENOMEM. */
int deliverer_init(struct shard *shard, struct deliverers *shared);
/* On the shard's own thread: connections may be opened from now on. 0 or -ENOMEM. */
int deliverer_start(struct shard *shard);
void deliverer_deinit(struct shard *shard);

#endif
