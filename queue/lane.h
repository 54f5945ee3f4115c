/*
 * queue/lane.h - deliveries and the order in which they are due.
 *
 * A delivery is recipients of a message in one lane, due together (core/store/mail.h); a lane is one ordered stream of
 * a destination's mail, owned by one shard, whose thread alone touches it. A delivery is in exactly one place, which
 * its `place` names:
 *
 *     READY  in its client's line: to be sent as soon as a connection has room; new mail, first in first out, clients
 *            in turns (fair.h)
 *     WAITING in the lane's heap: deferred until due_ns, then sent from there
 *     SORTED ready, and put where it waits for somebody: its mailboxes, its domain (core/deliver)
 *     ACTIVE with a connection (core/deliver)
 *     HELD   in no lane: an operator holds it, since due_ns
 *     KEPT   in no lane: no destination takes it
 *     NONE   not yet or no longer queued
 */
#ifndef POSTRIDER_QUEUE_LANE_H
#define POSTRIDER_QUEUE_LANE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/list.h"
#include "core/base/random.h"
#include "queue/fair.h"

enum delivery_place {
	DELIVERY_NONE,
	DELIVERY_READY,
	DELIVERY_WAITING,
	DELIVERY_SORTED,
	DELIVERY_ACTIVE,
	DELIVERY_HELD,
	DELIVERY_KEPT,
};

/* What an operator has said of it, while it could not be done at once (core/deliver/steer.h). */
enum delivery_order { DELIVERY_GO_ON, DELIVERY_HOLD, DELIVERY_DELETE };

struct delivery {
	union {
		struct list link; /* in the lane's ready list, or a connection's */
		size_t heap_at;   /* WAITING */
	};
	uint64_t due_ns;   /* WAITING: monotonic; HELD: since when, by the wall clock */
	uint16_t lane;     /* index */
	uint16_t attempts; /* that its recipients have behind them */
	uint16_t home;     /* number of its own lane, from 1, while it is on loan (core/deliver/path.h); 0: it is not */
	uint16_t told;     /* the reason of the last deferral that was told (core/deliver/settle.c); 0: none */
	uint8_t place : 3; /* enum delivery_place */
	uint8_t next_place : 3;   /* where it goes once its record is there (core/deliver/settle.c); NONE: it is over */
	bool extra : 1, live : 1; /* core/store/mail.h */
	uint8_t fallbacks : 7; /* times it went again at once because a command was refused (core/deliver/fallback.h) */
	uint8_t unaltered : 1; /* its content goes as it is, or not at all, as was found (core/deliver/suits.h) */
	uint8_t holds; /* attempts refused for what this relay is, by messages of its kind only (core/deliver/hold.h) */
	/* Of this process: a restart tries anew, which costs one more attempt at most and no record on disk. */
	uint8_t broken;    /* connections that ended in its turn, by no fault that is known; stays at 255 */
	uint8_t unknown;   /* times its answer was lost behind its end; stays at 255 */
	uint8_t aside : 6; /* so many fallbacks on from its own lane it may go, and no nearer (core/deliver/path.h) */
	uint8_t order : 2; /* enum delivery_order */
	uint16_t client;   /* who sent it, for fair.h */
};

/* What is there is told by one line of the processor's cache, `ready.count` being the last of it. */
struct lane {
	struct delivery **heap; /* by due_ns, earliest first */
	size_t heap_count, heap_capacity;
	bool due_next; /* whose turn it is, where there is mail of both kinds */
	struct fair ready;
};

void lane_init(struct lane *lane);
void lane_deinit(struct lane *lane);
void lane_ready(struct lane *lane, struct delivery *d);       /* to the end of its line */
void lane_ready_first(struct lane *lane, struct delivery *d); /* was next anyway, could not be sent */
/* 0, or -ENOMEM: then the delivery is READY instead. */
int lane_defer(struct lane *lane, struct delivery *d, uint64_t due_ns);
/* The next of those that are ready, and the first that is due; they stay where they are. NULL: none. */
struct delivery *lane_first_ready(const struct lane *lane);
struct delivery *lane_first_due(const struct lane *lane, uint64_t now_ns);
/* One of those two leaves the lane, now ACTIVE; or the head of any client's line. */
void lane_remove(struct lane *lane, struct delivery *d);
/* One that is READY or WAITING in it leaves from wherever it stands, now NONE. Nobody's turn is used. */
void lane_withdraw(struct lane *lane, struct delivery *d);
/* The next one to send, now ACTIVE, or NULL. Ready and due mail take turns, so that neither a backlog that is tried
 * again keeps fresh mail waiting nor the other way round. */
struct delivery *lane_take(struct lane *lane, uint64_t now_ns);
/* It is the turn of what has not been tried yet: of a host that is probed each message is to be another one. */
void lane_prefer_ready(struct lane *lane);
/* Would lane_take() have one? */
bool lane_has(const struct lane *lane, uint64_t now_ns);
/* Those waiting of which `chosen` is true become due now. Goes through all that wait. */
void lane_make_due(struct lane *lane, bool (*chosen)(const struct delivery *d), uint64_t now_ns);
uint64_t lane_next_due_ns(const struct lane *lane); /* UINT64_MAX: nothing waits */

struct retry_schedule {
	uint64_t first_ns, max_ns, expire_ns;
	double factor;
};
/* After `attempts` (>= 1) failed ones: first * factor^(attempts-1), at most max, within 20 % either way. */
uint64_t retry_delay_ns(const struct retry_schedule *schedule, unsigned attempts, struct random *random);

#endif
