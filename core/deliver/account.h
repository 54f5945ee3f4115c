/*
 * core/deliver/account.h - what is limited, counted for the lanes of all shards together: of a destination, a mailbox
 * or a host.
 *
 * Limits belong to whoever sets them, not to the lane that sends: so what was used is kept here, in atomics, and each
 * grant is one atomic operation. It is asked for when a message is about to be written. A lane that gets none keeps the
 * message where it is, which costs no attempt, and has a ticket for a time to come (core/base/bucket.h), or is told
 * when to ask again: it waits by a timer, and nobody polls. Tickets are given in the order in which lanes ask, so that
 * all get their turn.
 *
 * Whoever is limited counts when messages arrive, and we when they leave. So a minute is taken for a second longer than
 * it is: that much may messages be late, by our timers or by the network, and still no window of a minute has one too
 * many.
 *
 * Accounts that are used together (the mailboxes of a pool) begin at different times, each with its `phase`. Else all
 * would have their tickets in the same moment, and a message that comes right behind it waits for a whole interval.
 *
 * What was sent before the process started nobody knows. So the first message waits for one interval, and where a whole
 * minute's messages may leave at once, or its octets are limited, for a minute.
 *
 * Slowing down: what `slow` says of a next hop's refusal lowers the rate for a time, and when that is over it recovers
 * step by step, by half each time. Where there is no rate, it is what was sent lately that is lowered.
 */
#ifndef POSTRIDER_DELIVER_ACCOUNT_H
#define POSTRIDER_DELIVER_ACCOUNT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/base/allowance.h"
#include "core/base/bucket.h"
#include "core/base/clock.h"
#include "core/config/rates.h"

enum {
	ACCOUNT_SPARE_MS = 1000, /* by which a minute is taken to be longer */
	ACCOUNT_EARLY_MS = 100,  /* a ticket may be used so much before its time, so that a timer serves several */
	ACCOUNT_LATE_MS = 500,   /* and after it */
	ACCOUNT_SLOW_MOST = 64,  /* times slower, at most */
};

struct budget; /* budget.h */

/* Zeroed: nothing was used, nothing is slowed. */
struct account {
	struct bucket pace;
	_Atomic(uint64_t) returned;      /* a ticket that was not used, with others given out behind it; 0: none */
	_Atomic(uint32_t) phase;         /* of an interval, in 256ths: by so much later than others it begins */
	_Atomic(uint32_t) generation;    /* tickets of an earlier one are void */
	_Atomic(uint32_t) slow;          /* the rate is so many times less; 0 or 1: as it is */
	_Atomic(uint64_t) slow_until_ns; /* then it recovers by a step, and so on */
	_Atomic(uint64_t) slow_step_ns;
	_Atomic(uint64_t) slow_base_ns;      /* the interval that is stretched, where no limit gives one */
	struct allowance *messages, *octets; /* owned, of a minute; NULL: nothing has limited that yet */
	struct budget *day;                  /* recipients; NULL: there was no limit yet */
	_Atomic(uint64_t) tell_ns;           /* that it is spent is not told again before */
	struct config_limits limits;         /* as account_follow() was told; for who reloads only */
};

/* A lane's ticket. Zeroed: it has none. */
struct account_turn {
	uint64_t at_ns;
	uint64_t interval_ns; /* with which it was taken */
	uint32_t generation;
	bool held;
};

/* Memory for what these limits count: half a kilobyte each for bursts and for octets, which few have. 0 or -ENOMEM. */
int account_prepare(struct account *account, const struct config_limits *limits);
void account_deinit(struct account *account);
/* What is in force from now on, which it is prepared for. For one thread, before the shards go by it. */
void account_follow(struct account *account, const struct config_limits *limits, uint64_t now_ns);

/* Slowed at the moment. */
static inline bool account_slowed(const struct account *account)
{
	return atomic_load_explicit(&((struct account *)(uintptr_t)account)->slow, memory_order_relaxed) > 1;
}

/* Whether anything has to be asked: most have neither limit nor reason. */
static inline bool account_asks(const struct account *account, const struct config_limits *limits)
{
	return config_limited(limits) || account_slowed(account);
}

/* When the lane may send its next message, as far as the pace goes: it has a ticket for then. Now or earlier: at once.
 */
uint64_t account_when_ns(struct account *account, const struct config_limits *limits, struct account_turn *turn,
			 uint64_t now_ns);
/* A message of so many octets is about to be written. 0: it may be, and the lane's ticket is used. Else the time to ask
 * again. */
uint64_t account_take(struct account *account, const struct config_limits *limits, struct account_turn *turn,
		      uint64_t octets, uint64_t now_ns);
/* It was taken at `then_ns`, and not one octet of it was written. */
void account_give_back(struct account *account, const struct config_limits *limits, uint64_t octets, uint64_t then_ns);
/* The lane needs no ticket any more: whoever asks next has it, while it is good. */
void account_leave(struct account *account, struct account_turn *turn);

/* A next hop said that it is too much. `lately_ns`: the interval at which messages went out lately, 0: not known. What
 * is said of messages that were under way together counts once. True: it is slower now than before. */
bool account_slow(struct account *account, const struct config_limits *limits, unsigned by, uint64_t for_ns,
		  uint64_t lately_ns, uint64_t now_ns);
/* So many times slower than it may be; 1: not at all. Recovers where it is time. */
unsigned account_slowness(struct account *account, const struct config_limits *limits, uint64_t now_ns);

#endif
