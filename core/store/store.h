/*
 * core/store/store.h - what a shard has of mail that is durable or on its way there: its spool, the mail that
 * lies in it, submissions of its clients, and what waits for room.
 *
 * It belongs to the shard it stands on (shard->store) and to no other thread, but for the counters, which any may read.
 * What it has lent to another shard (submission.h) that one reads.
 */
#ifndef POSTRIDER_STORE_STORE_H
#define POSTRIDER_STORE_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/counter.h"
#include "core/base/list.h"
#include "core/base/pool.h"
#include "core/base/ring.h"
#include "core/smtp/trace.h"
#include "core/store/mail.h"
#include "queue/spool.h"

enum { BLOCK_SIZE = 16384 }; /* content memory of messages being received */

/* Why the spool takes no new mail, as the operator was told. */
struct store_full {
	uint64_t next_ns;  /* not to be told again before */
	uint64_t since_ns; /* 0: it has room */
};

struct store_counters {
	counter accept_failed, maybe_duplicates;
	counter queued, left; /* queued - left: are here now */
};

struct config;
struct envelope_report;
struct shard;

/* The delivery is to be tried at `due_ns`, or as soon as may be, as new mail is, where that is STORE_DUE_NOW. It is on
 * no list, and from now on whoever delivers says where it stands, until it comes back with an outcome. */
enum { STORE_DUE_NOW = 0 };
typedef void store_due_fn(struct shard *shard, struct delivery *d, uint64_t due_ns);
/* The mail owes somebody a report (mail_owes()), and that is on its way to the disk. */
typedef void store_owing_fn(struct shard *shard, const struct mail *m);

struct store {
	struct store_counters counters;
	store_due_fn *due; /* whose mail it is from there */
	store_owing_fn *owing;
	struct spool *spool;
	struct message_id_source ids;
	struct pool submissions, transfers, parts, blocks; /* on their way from this shard's clients */
	struct pool mails;
	unsigned part_most;   /* of the numbers of parts that it has had (intake.h) */
	uint8_t *scratch;     /* owned, SPOOL_ENVELOPE_MAX octets: an envelope or a state being encoded */
	struct list intake;   /* posts waiting to be appended to the spool */
	struct list settling; /* deliveries whose record waits for room in the spool */
	struct list ended;    /* first deliveries of mail that recovery found to have ended: at the start */
	bool spool_failure_reported;
	struct store_full disk_full, size_full;
};

/* Memory only, for so many sessions. 0 or -ENOMEM. */
int store_init(struct shard *shard, size_t sessions, store_due_fn *due, store_owing_fn *owing);
/* After the ring has been closed to all others. */
void store_deinit(struct shard *shard);
void store_spool_settings(const struct config *config, unsigned index, unsigned count, struct spool_settings *out);
/* Puts a recovered message into lanes of this shard. Takes over live->item. 0 or -errno; then the item is the caller's
 * again. *out is `dirty` where its state must be noted. */
int store_adopt(struct shard *shard, const struct spool_live *live, mail_lane_fn *lane_of, const void *context,
		struct mail **out);
/* The same for another copy of a message that it has. Does not take over live->item. */
int store_merge(struct shard *shard, struct mail *m, const struct spool_live *live, mail_lane_fn *lane_of,
		const void *context);
/* Appends its state, before the spool runs. 0 or -errno. */
int store_note(struct shard *shard, struct mail *m);
/* The same of one that is `leaving`, when those who left are durable where they are now; where nobody else is left in
 * it, it ends, and is gone. */
int store_leave(struct shard *shard, struct mail *m);
/* Recovered mail of which a report speaks that was found, too: who is in it has been told, as far as that is not known
 * already. Appends its state where something has changed, before the spool runs. 0 or -errno. */
int store_reported(struct shard *shard, struct mail *m, const struct envelope_report *report);
/* The same for one that cannot be read: it stays in the spool as it is. */
int store_keep(struct shard *shard, const struct spool_live *live);
/* Its mail with this id, recovered so far; NULL: none. */
const struct mail *store_find(const struct shard *shard, const struct spool_id *id);
/* Its mail with that part of the message. Parts from 0 to store->part_most may be here. */
const struct mail *store_find_part(const struct shard *shard, struct message_id id, unsigned part);
/* A mail has this id from now on: what it is a part of is found. */
void store_note_part(struct shard *shard, struct spool_id id);
/* Calls fn for all mail that the spool knows, also what is on its way into it; fn may end it. */
void store_mails(const struct shard *shard, void (*fn)(void *context, struct mail *m), void *context);
/* The spool writes from now on. 0 or -errno with *problem. */
int store_start(struct shard *shard, struct ring_problem *problem);
/* Once per turn: what recovery found to have ended does so on the disk, as soon as there is room to say so. */
void store_run(struct shard *shard);
/* Something waits for room in the spool: it is looked at again soon, even if nothing else happens. */
bool store_waits(const struct shard *shard);
/* Everything is written; `hard`: what found no room does not count. */
bool store_idle(const struct shard *shard, bool hard);
/* Once per turn: the operator hears of a spool that is full at once, and then from time to time. */
void store_watch(struct shard *shard);
/* It leaves the queue. */
void store_forget(struct shard *shard, struct mail *m);

#endif
