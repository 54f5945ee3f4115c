/*
 * core/deliver/attempt.h - one attempt at one delivery on one connection: its content is loaded, what its exchange says
 * is written, what replies mean is carried out, and at its end the delivery is settled.
 *
 * What is said and what replies mean is in exchange.h. This is what stands between that and the world: the spool's
 * views, the connection's buffers, what a host has taught.
 */
#ifndef POSTRIDER_DELIVER_ATTEMPT_H
#define POSTRIDER_DELIVER_ATTEMPT_H

#include "core/deliver/converting.h"
#include "core/deliver/exchange.h"
#include "core/deliver/narrow.h"
#include "core/deliver/outcome.h"
#include "core/deliver/results.h"
#include "core/deliver/rewriting.h"
#include "queue/envelope.h"
#include "queue/spool.h"

enum { ATTEMPT_RESULTS_INLINE = 16 };

struct attempt;
struct connection;
struct delivery;
struct outbound;

/* Of who starts attempts (outbound.c). */
struct attempt_handlers {
	/* Its content is in memory: it may go to a connection. Now, or later. */
	void (*on_loaded)(struct attempt *a);
	/* What had to be read from disk is there, or cannot be had; what became of the attempt was told before. */
	void (*on_read)(struct outbound *o, bool expiring);
	/* The delivery leaves its attempt, which goes after that. */
	void (*on_over)(struct outbound *o, struct delivery *d, const struct outcome *outcome);
};

struct attempt {
	struct list link; /* connection->attempts, or outbound->loaded */
	struct outbound *outbound;
	const struct attempt_handlers *handlers;
	struct connection *connection;
	void (*on_part)(struct attempt *a); /* the connection's: a part that was read is there, write on */
	struct delivery *delivery;
	struct spool_view view; /* the message record */
	struct spool_view part; /* the part being sent */
	uint16_t part_index;    /* which that is */
	bool view_held, part_held, part_loading, orphan;
	bool prepared; /* whether its content is to be looked at is known, and what it is rewritten to has begun */
	bool started;
	bool elsewhere;      /* turned away: it goes on to another host */
	bool taught;         /* it has cost one of the message's rounds (fallback.h) */
	bool host_held;      /* refused for what this relay is, and the host takes no more (hold.h) */
	bool feeds;          /* recipients that nobody knows come into the suppression list (suppress.h) */
	bool expiring;       /* loaded only so that its recipients can be named */
	const char *target;  /* without a connection: the domain that it was meant for, as an event tells it */
	const char *damage;  /* our fault: why its content cannot be sent */
	int damage_error;    /* negative errno; -EBADMSG also where the content is not what was accepted */
	uint64_t granted_ns; /* when limits let it go; 0: there are none */
	unsigned granted;    /* recipients of the day's */
	uint64_t started_ns;
	struct rewriting *rewriting;   /* owned; NULL: it goes as it is */
	struct narrow *narrow;         /* owned; NULL: its envelope is said as it is */
	struct converting *converting; /* owned; NULL: its content is not looked at */
	int64_t growth;                /* octets by which its content is longer than what is stored */
	bool converted;
	struct envelope envelope;
	struct results told;
	uint8_t *results; /* enum attempt_result per recipient */
	uint8_t results_inline[ATTEMPT_RESULTS_INLINE];
	/* RECIPIENT_PENDING for those that stand in the delivery; behind the results, or inline. */
	uint8_t statuses_inline[ATTEMPT_RESULTS_INLINE];
	struct exchange exchange;
};

/*
 * Takes the delivery (ACTIVE) and starts to load its content. `expiring`: it has grown too old while no host could be
 * reached, and is loaded only so that its end is told with its recipients. Without memory the delivery is untouched.
 */
enum attempt_started { ATTEMPT_NO_MEMORY, ATTEMPT_LOADED, ATTEMPT_READING /* on_read() follows */ };
enum attempt_started attempt_start(struct outbound *o, struct delivery *d, bool expiring,
				   const struct attempt_handlers *handlers);
/* In one transaction: what is left of the day's goes now, the others when they may. At least 1. */
unsigned attempt_most_recipients(const struct outbound *o);
/* For one in outbound->loaded: its delivery, ACTIVE, without it. */
struct delivery *attempt_undo(struct attempt *a);
/* The same: it is in that lane's `loaded` instead. False: it covers more recipients than that would have it. */
bool attempt_hand_on(struct attempt *a, struct outbound *to);
/* The same: it is over, as one that nobody can be asked to take. */
void attempt_give_up(struct attempt *a, const char *reason);
/* The same: it may not, or cannot, go over this connection. It is judged as if the next hop had refused it by `code`;
 * `why` begins with an enhanced code. */
void attempt_refuse(struct attempt *a, struct connection *c, unsigned code, const char *why);
/* The same where nobody is to be asked: for a domain whose mail is refused here. */
void attempt_reject(struct attempt *a, const char *domain, unsigned code, const char *why);
/* Before it goes to that connection: it is larger than the host takes (RFC 1870 6.1). Written to `why`. */
enum { ATTEMPT_WHY = 160 };
bool attempt_too_large(const struct attempt *a, const struct connection *c, char why[ATTEMPT_WHY]);
/* Before it goes to that connection: how it is said there, where that is not as it came. NULL, or why it cannot be. */
const char *attempt_narrow(struct attempt *a, const struct connection *c);
/* For one in outbound->loaded that no connection will take: its delivery is where it was. */
void attempt_give_back(struct attempt *a);
/* All of o->loaded: they stand in their lane as they stood there before. */
void attempt_give_back_loaded(struct outbound *o);
/* The same where an operator has said meanwhile that it is not to go on (park.h); else false. */
bool attempt_parked(struct attempt *a);
/* Writes on. WAITS: for room, a reply, a part from disk or its turn: on_part() then. DAMAGED: the connection has to
 * end, by our fault; `damage` says why. TURNED_AWAY: nothing of it is said: attempt_turn_away(). */
enum attempt_wrote { ATTEMPT_WRITTEN, ATTEMPT_WAITS, ATTEMPT_DAMAGED, ATTEMPT_TURNED_AWAY };
enum attempt_wrote attempt_write(struct attempt *a);
/* Ends it. It has its verdict, or is damaged, and has used nothing of what is limited. */
void attempt_turn_away(struct attempt *a);
/* Ends it: settles the delivery and frees the attempt. `reason` where the connection was lost. */
void attempt_finish(struct attempt *a);
void attempt_abandon(struct attempt *a, enum stage stage, const char *reason);

#endif
