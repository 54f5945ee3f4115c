/*
 * core/deliver/hold.h - mail that a next hop refuses for what this relay is or how it is set up (VERDICT_HOLD).
 *
 *     a host:   WELL --refused, and it concerns every message--> HELD --a probe got through--> WELL
 *                 \--so many different messages in a row were--> /
 *
 * A host that is held takes no mail but one message from time to time, over a connection of its own: the probe. So a
 * wrong certificate costs a refusal a minute, whatever waits behind it, and a mended one is noticed within that minute:
 * the rest follows at once. Each probe takes another message, so that one that is itself the trouble holds nobody up.
 * A refusal that may be about the message (its sender, its recipient's domain) delays only that message, longer each
 * time; when one of these gets through, the others are tried at once, too.
 *
 * What is held does not fail, does not expire, and has no attempt counted, those before included: the fault is ours,
 * and the hours it took to mend are not the mail's. The operator hears of it once for each destination and reason, and
 * every hour while it lasts. What becomes of mail that waited longer than retry.expire is then decided as if its time
 * began anew (an hour at most, see struct verdict_age).
 *
 * The state of a host is shared by the lanes of all shards: a few atomics, read where a connection is chosen and
 * written when something is refused. So the probe is one for the process, and what one lane finds out all follow.
 */
#ifndef POSTRIDER_DELIVER_HOLD_H
#define POSTRIDER_DELIVER_HOLD_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/deliver/account.h"
#include "core/deliver/verdict.h"

struct config_destination;
struct outbound;
struct host;
struct delivery;

enum {
	HOLD_ROW = 8,               /* different messages refused in a row: it is the host */
	HOLD_PROBE_FIRST_MS = 1000, /* until the first probe; doubles for each that is refused */
	HOLD_PROBE_MAX_MS = 60000,
	HOLD_POLL_MS = 1000,     /* lanes look for what others found out */
	HOLD_RELEASE_MS = 60000, /* messages held one by one are tried together once in this time at most */
	HOLD_TELL_S = 3600,
};

/* One host of a destination, for all shards. Monotonic times; 0: none. */
struct hold_host {
	_Atomic(uint64_t) probe_ns; /* the host is held, and not probed before; 0: it is well */
	_Atomic(uint64_t) since_ns;
	_Atomic(uint32_t) refused; /* probes in a row */
	_Atomic(uint32_t) stage;   /* where it refuses */
	struct account account;    /* where it said that it is too much (account.h) */
	/* Under the destination's lock. */
	char *name;          /* owned: as the configuration writes the host; NULL: a free place */
	unsigned users;      /* hosts of lanes */
	unsigned generation; /* of the configuration that had it last */
};

/* Hosts that a destination may have beside those that it came with, at a time: by reloads, and named by the DNS. */
enum { HOLD_HOSTS_ROOM = 16, HOLD_EXCHANGERS_ROOM = 64 };

struct hold_destination {
	struct hold_host *hosts; /* owned */
	size_t room;
	pthread_mutex_t lock; /* where hosts come and go, which is with a configuration or an answer of the DNS */
	unsigned generation;
	_Atomic(uint64_t) tell_ns[REASON_COUNT]; /* told, and not to be told again before; 0: not told */
	_Atomic(uint64_t) released_ns;
	_Atomic(uint32_t) releases; /* how often held mail was let go */
	_Atomic(uint32_t) away;     /* lanes whose mail takes the other path (path.h) */
};

/* Places for the hosts of a configuration that is about to come; once for each. What neither it nor a lane has gives
 * its place to others. 0, -ENOMEM, or -EXFULL. */
int hold_extend(struct hold_destination *destination, const struct config_destination *config);
/* With so many places; hold_extend() makes those of a destination. 0 or -ENOMEM. */
int hold_make(struct hold_destination *destination, size_t room);
void hold_deinit(struct hold_destination *destination);
/* The one of that name, for one host of a lane, until that gives it back. From any thread. NULL: no memory, or no room.
 */
struct hold_host *hold_host_take(struct hold_destination *destination, const char *name);
void hold_host_give_back(struct hold_destination *destination, struct hold_host *host);

static inline bool hold_in_force(const struct hold_host *host)
{
	return atomic_load_explicit(&host->probe_ns, memory_order_relaxed) != 0;
}

/* May a connection be opened to the host? HOLD_PROBE: one, for one message; nobody else is told so until the next is
 * due. HOLD_WAIT: not before *next_ns, which is only ever lowered. */
enum hold_claim { HOLD_NONE, HOLD_WAIT, HOLD_PROBE };
enum hold_claim hold_claim(struct hold_host *host, uint64_t now_ns, uint64_t *next_ns);

/* Where it is held, the next probe is due. */
void hold_probe_now(struct hold_host *host, uint64_t now_ns);

/* A refusal with a ruling to HOLD. `d`: the message it was said to; NULL: none, or it was counted before. True: the
 * host is held now, and takes no other message for the time being. */
bool hold_refused(struct outbound *o, struct host *host, const struct delivery *d, const struct verdict_fact *fact,
		  const struct ruling *ruling);
/* The host dealt with a message: it was sent (`sent`), or its fate was decided at `stage`. */
void hold_passed(struct outbound *o, struct host *host, const struct delivery *d, enum stage stage, bool sent);

/* What kept all mail of the destination from going anywhere is over: its time begins anew. */
void hold_released(struct outbound *o);
/* Mail of this lane goes nowhere now because hosts, or all that could sign in there, are held, or by an operator. */
bool hold_stops(const struct outbound *o);
/* For verdict_expired(): how long mail of this lane has been free to go. */
uint64_t hold_uptime_ns(const struct outbound *o);
/* Once per dispatch: what was held one by one becomes due when something was let go elsewhere. */
void hold_follow(struct outbound *o, uint64_t *next_ns);

#endif
