/*
 * core/deliver/deliverer.h - what a shard has for next hops: the lanes it owns, their connections, and what is tried.
 *
 * It belongs to the shard it stands on (shard->deliverer) and to no other thread, but for the counters, which any may
 * read.
 */
#ifndef POSTRIDER_DELIVER_DELIVERER_H
#define POSTRIDER_DELIVER_DELIVERER_H

#include <stdbool.h>
#include <stddef.h>

#include "core/base/counter.h"
#include "core/base/list.h"
#include "core/base/pool.h"
#include "core/deliver/site.h"
#include "core/deliver/suspend.h"
#include "core/deliver/turns.h"
#include "core/shard/counts.h"

enum { OUTPUT_BUFFER_SIZE = 65536 }; /* output block of a connection */

struct account;
struct config;
struct dead_sources;
struct dns;
struct hold_destination;
struct mailbox_home;
struct mailbox_set;
struct notifier;
struct notify_limits;
struct outbound; /* outbound.h */
struct shard;
struct slots;
struct sts;
struct snapshot;
struct tls_clerk;
struct tls_reports;
struct tokens;

/* What the deliverers of all shards share. */
struct deliverers {
	struct hold_destination *holds;  /* owned, per destination; its atomics are shared (hold.h) */
	struct account *accounts;        /* owned, per destination: what all its lanes have used (account.h) */
	struct slots *slots;             /* owned, per destination: its connections (slots.h) */
	struct notify_limits *reports;   /* owned: how many each address has had (notify.h) */
	struct mailbox_home *mailboxes;  /* owned, per destination; only for who makes snapshots (mailbox.h) */
	struct counts counts;            /* of destinations (core/deliver/counts.h) */
	struct counted **counted;        /* owned, per destination: which of those is its */
	int limits;                      /* the directory of day budgets; 0: not open */
	size_t room;                     /* destinations */
	struct sites sites;              /* of those with `mx: true` */
	struct suspensions suspensions;  /* what an operator has suspended */
	struct sts *sts;                 /* NULL as long as nobody holds to MTA-STS policies; set as the next */
	struct tls_reports *tls_reports; /* NULL as long as nothing is reported about TLS; set as the next */
	struct tokens *tokens;           /* NULL as long as nobody signs in by one; set before a snapshot wants it */
	struct dns *dns;                 /* only for who makes snapshots: what the next one goes by */
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
	unsigned lane_count;       /* those it knows of */
	/* Behind all lanes that the plan has room for, those of sites: so many numbers were used, of so many. */
	unsigned site_first, site_count, site_room;
	struct list sites_free;            /* struct outbound, by `wake`: of these, those that are not in use */
	uint64_t sites_short_ns;           /* when one more was wanted the last time; 0: never */
	struct list outbound_wake;         /* lanes with something to do this turn */
	struct list deleting;              /* struct delivery, HELD: an operator had them deleted (park.h) */
	uint64_t deleting_ns;              /* not before: some could not be */
	struct list steers;                /* struct steer_job: what operators have asked for (steer.h) */
	uint64_t steers_ns;                /* not before */
	struct dead_sources *dead_sources; /* owned: addresses that this machine does not have; NULL: none yet */
	struct notifier *notifier;         /* owned (notify.h) */
	struct tls_clerk *tls_clerk;       /* owned (tls_clerk.h) */
	struct turns turns;                /* of those who convert content */
};

/* The number behind `i`, from 0, of a lane that there may be here; deliverer_end(): none. */
static inline unsigned deliverer_next(const struct deliverer *deliverer, unsigned i)
{
	return i + 1 == deliverer->lane_count ? deliverer->site_first : i + 1;
}
static inline unsigned deliverer_first(const struct deliverer *deliverer)
{
	return deliverer->lane_count > 0 ? 0 : deliverer->site_first;
}
static inline unsigned deliverer_end(const struct deliverer *deliverer)
{
	return deliverer->site_first + deliverer->site_count;
}

/* For at most so many destinations. 0 or -errno: day budgets have files. */
int deliverers_init(struct deliverers *shared, const struct config *config, size_t room, unsigned shard_count);
/* All limits are the snapshot's from now on: when nothing of it can be refused any more, before shards go by it. */
void deliverers_follow(struct deliverers *shared, const struct config *config, struct mailbox_set *const *sets);
void deliverers_deinit(struct deliverers *shared);
/* Places for hosts that this configuration has and the one before had not; nothing that shards look at changes. 0,
 * -errno of memory or of a budget's file, or -EXFULL: more hosts than a destination has room for. */
int deliverers_extend(struct deliverers *shared, const struct config *config);
/* What was learned at a place that becomes another's, and nothing refers to it: see outbound_vacate(). */
void deliverers_forget(struct deliverers *shared, size_t destination);
/* The same for the mailboxes of a snapshot: what their limits need. 0 or -errno, as before. */
int deliverers_extend_mailboxes(struct deliverers *shared, const struct config *config,
				struct mailbox_set *const *sets);
/* The plan has other lanes by now. Before the shard runs. */
void deliverer_lanes(struct shard *shard);
/* Memory only. 0 or -ENOMEM. */
int deliverer_init(struct shard *shard, struct deliverers *shared);
/* On the shard's own thread: connections may be opened from now on. 0 or -ENOMEM. */
int deliverer_start(struct shard *shard);
/* All lanes of this shard go by the snapshot from now on. False: no memory, to be tried again. */
bool deliverer_take(struct shard *shard, struct snapshot *snapshot);
void deliverer_deinit(struct shard *shard);

#endif
