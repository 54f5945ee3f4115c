/*
 * core/deliver/steer.h - what an operator does to mail that is queued: hold, release, retry, delete.
 *
 *     hold     it goes nowhere before it is released. It does not expire, nobody is told that it is late, and when it
 *              is released its age goes on where it was
 *     release  it goes on, at once
 *     retry    what waits for its next attempt has it now; `now`: whatever is held against its hosts
 *     delete   it ends, without a word to anybody, or with a report to its sender that says why
 *
 * Hold, release and delete are records (record.h), and each is answered when that is durable: from then on, whatever
 * happens, nothing of what is deleted or held is begun. A retry is not on the disk: a start that comes before it finds
 * mail due as it was.
 *
 * An attempt that is under way is never cut off: its host may have taken the message, and what it answers would be
 * lost. Who is in one is answered IN_DELIVERY: no other attempt follows. He is held on the disk from then on; if the
 * host takes him he is delivered, else he stays held, or is deleted in the turn in which the attempt ends. If the
 * process dies before that, a start finds him held: he is not sent again, and may be deleted then.
 *
 * An order is for all of a message that waits, or for those recipients of it that one destination has. A mail of which
 * a report is being made is not ended by anybody else: then a state record says that nobody is left.
 */
#ifndef POSTRIDER_DELIVER_STEER_H
#define POSTRIDER_DELIVER_STEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/list.h"
#include "core/smtp/trace.h"

struct mail;
struct shard;
struct spool_ticket;

enum steer_kind { STEER_HOLD, STEER_RELEASE, STEER_RETRY, STEER_DELETE };

struct steer_order {
	enum steer_kind kind;
	int place;   /* of the destination whose recipients are meant; -1: all */
	bool report; /* DELETE: senders hear of it */
	bool now;    /* RETRY: hosts that are left alone are tried, too */
	/* Not owned. Who: as an event tells it. */
	const char *reason, *who;
};

/* Of several, which one message may have in spools of several shards, the last counts. */
enum steer_result {
	STEER_NOT_FOUND,
	STEER_AS_IT_WAS, /* there is nothing to do: it is held already, is not held, does not wait */
	STEER_DONE,
	STEER_IS_HELD,     /* RETRY: it is to be released first */
	STEER_IN_DELIVERY, /* some of it is: the order holds when that is over */
	STEER_BEING_DELETED,
	STEER_UNREADABLE, /* its record cannot be read: it can only be deleted, without a report */
	STEER_NO_ROOM,    /* the disk is full: nothing has changed */
	STEER_FAILED,     /* the spool, or memory: nothing has changed */
	STEER_AGAIN,      /* not now: in a later turn */
	STEER_RESULTS,
};

/* To one mail. Where a record was appended (*recorded) `ticket` is called when that is durable, or has failed; with
 * DELETE the mail may be gone. */
enum steer_result steer_mail(struct shard *shard, struct mail *m, const struct steer_order *order,
			     struct spool_ticket *ticket, bool *recorded);

/* To many, in slices with pauses, as visits have them (core/shard/visit.h); several jobs take turns, and one that has
 * to wait for room holds up no other. */
struct steer_job {
	struct list link; /* deliverer->steers */
	struct steer_order order;
	const struct message_id *ids; /* not owned */
	uint8_t *results;             /* not owned, zeroed: enum steer_result for each */
	size_t count;
	/* NULL: it is, to its end. False: nobody waits for it any more, and what was not begun is FAILED: what somebody
	 * was told that nothing is known of does not come to pass an hour later. */
	bool (*wanted)(const struct steer_job *job);
	void (*done)(struct steer_job *job); /* all have their results; it is the caller's again */
	void *context;
	/* private */
	struct shard *shard;
	size_t at;
	unsigned pending;
	bool stopped;
};
/* On the shard's thread. done() follows in a later turn, always. */
void steer_begin(struct shard *shard, struct steer_job *job);
/* Once per turn. */
void steer_run(struct shard *shard);
/* When the next turn is wanted for it; UINT64_MAX: none is, as where it waits for room. */
uint64_t steer_next_ns(const struct shard *shard);
/* It has something to do, now or when there is room. */
bool steer_waits(const struct shard *shard);

#endif
