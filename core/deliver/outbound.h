/*
 * core/deliver/outbound.h - a lane's way out: which delivery goes next, over which connection, to which host.
 *
 * One outbound per lane, on the shard that owns the lane. It keeps the lane's connections (each has a slot of the
 * destination's, so limits hold exactly over all shards), fills the window of one before using the next, opens another
 * only when the backlog stays, and leaves hosts that refuse alone for a while, longer each time.
 */
#ifndef POSTRIDER_DELIVER_OUTBOUND_H
#define POSTRIDER_DELIVER_OUTBOUND_H

#include "core/config/config.h"
#include "core/deliver/account.h"
#include "core/deliver/addresses.h"
#include "core/deliver/deliverer.h"
#include "core/deliver/exchangers.h"
#include "core/deliver/fallback.h"
#include "core/deliver/mailbox.h"
#include "core/deliver/match.h"
#include "core/deliver/names.h"
#include "core/deliver/outcome.h"
#include "core/deliver/session_limit.h"
#include "core/deliver/slots.h"
#include "core/deliver/sts_watch.h"
#include "core/deliver/tls_level.h"
#include "core/deliver/tlsa.h"
#include "core/deliver/verdict.h"
#include "core/shard/post.h"
#include "core/shard/shard.h"
#include "core/store/store.h"
#include "queue/envelope.h"
#include "queue/lane.h"
#include "tls/tls.h"

enum {
	OUTBOUND_GROW_MS = 20,     /* while a backlog stays: one more connection in so much time */
	OUTBOUND_LOADING_MAX = 64, /* messages being read back from disk at a time */
	OUTBOUND_TURN = 256 << 10, /* octets of content that count as a message more (fair.h) */
};

/* What some mail needs of a connection, and not every connection has (suits.h). */
enum { OUTBOUND_NEEDS_STRICT_TLS, OUTBOUND_NEEDS_EIGHT_BIT, OUTBOUND_NEEDS };

struct destination_counts;
struct domains;
struct site_preset;
struct lane_site;

/* What each message looks at comes first: of a thousand hosts none is in the processor's cache. */
struct host {
	struct hold_host *hold; /* in its lane's `holds` */
	unsigned failures;      /* in a row, of all its addresses */
	unsigned window;        /* learned by earlier connections; 0: nothing (window.h) */
	struct session_limit session_limit;
	/* It refused RSET, or closed where one came: one message at a time, a refused one ends the connection. */
	uint64_t no_reset_until_ns, reset_suspected_until_ns;
	struct lessons lessons; /* what it was found not to bear */
	const struct config_host *config;
	unsigned held_in_row;      /* different messages refused with HOLD since one was taken */
	struct config_host own;    /* what `config` points to */
	bool gone;                 /* its destination has it no more: no connection is opened to it */
	uint64_t failed_ns;        /* the first of them */
	uint64_t blocked_until_ns; /* all its addresses are, or it has none */
	struct addresses addresses;
	struct name name;
	struct tls_found tls_found;
	struct tlsa tlsa;
	struct tls_ticket *ticket;
	struct tls_need ticket_need; /* what the ticket's connection was made for */
	struct tls_need tls_needed;  /* what the last connection had to have */
	uint64_t tls_ns, proven_ns;  /* when it last spoke TLS, and gave a proof; 0: never */
	bool tls_lost, proof_lost;   /* since then it did not, and that was told */
	struct account_turn turn;    /* where the host is slowed (hold->account) */
	bool probing;                /* this lane's connection is the probe */
	bool cautious;     /* a connection broke before anything was answered: one message at a time (connection.c) */
	uint64_t setup_ns; /* what the last set-up took */
	uint64_t no_tickets_until_ns;            /* a handshake failed where one was offered */
	uint64_t lacks_until_ns[OUTBOUND_NEEDS]; /* a connection to it could not carry mail that needs this (suits.h) */
	uint64_t ehlo_until_ns; /* EHLO was answered, or HELO did not do either: it is not EHLO that it minds */
};

/* As with hosts, what each message looks at comes first. */
struct outbound {
	/* What other shards touch at any time, also when the lane was a site's and is gone: it is never cleared. */
	_Alignas(64) struct post knock; /* by another shard: it is to look */
	_Atomic(bool) knocked;          /* `knock` is on its way, and not this shard's */
	struct shard *shard;            /* NULL: there is no such lane here */
	unsigned index;                 /* of the lane */
	unsigned place;                 /* of its destination, in configuration and plan */
	unsigned number;                /* of this one among the lanes of all shards that share what is limited */
	struct list wake;               /* in shard->deliverer->outbound_wake */
	const struct config_destination *destination;
	struct lane_site *mx; /* owned: it is the lane of a site (outbound_site.h); NULL: a destination's */
	struct destination_counts *counts; /* the destination's, of this shard */
	const struct site_preset *preset;  /* what this site's provider bears; NULL: nothing is known, or heeded */
	struct slots *slots;               /* the destination's, for all shards */
	struct account *account;           /* the destination's, for all shards */
	struct hold_destination *holds;    /* the same */
	struct mailbox_set *mailboxes;     /* the snapshot's; NULL: nobody signs in */
	struct exchangers *exchangers;     /* owned; where they come from, or did once; NULL: from the configuration */
	struct list usable;                /* connections: those that do not wait for the turn of their mailbox */
	struct list loaded;                /* attempts whose content is in memory, without a connection */
	unsigned most;                     /* connections of all its lanes together */
	unsigned slots_held;               /* one for each connection until its descriptor is closed */
	unsigned slots_promised;           /* of these: on their way back, for others that wait */
	unsigned connection_count, connecting;
	unsigned loading;
	unsigned crowd; /* a host ended its connections at one recipient more than so many (verdict_cut()) */
	uint32_t releases_seen;
	bool slot_wanted;   /* this dispatch found none */
	uint8_t wanted;     /* a bit for each of OUTBOUND_NEEDS_*: the next connection is better one that has these */
	bool budget_waits;  /* another lane writes the day's budget, and knocks */
	bool holds_waiting; /* deliveries that are held one by one wait for their time (hold.h) */
	bool suspended;     /* by an operator, when it was looked at last (suspend.h) */
	bool lent_to;       /* mail of other lanes may be here */
	bool away;          /* mail takes the other path */
	struct list connections; /* struct connection */
	/* Messages given to connections: so many since then, and in a second (outbound_succeed()). */
	uint64_t rate_since_ns, rate_count, rate;
	uint64_t needs_due_ns; /* when to look again at what hosts with connections need of TLS */
	/* Owned. First those of the destination, in its order; behind them those that have gone from it, which stay: a
	 * connection may still be theirs, and they may come back. */
	struct host **hosts;
	size_t host_count;        /* of the destination */
	uint64_t crowd_until_ns;  /* `crowd` holds */
	struct wheel_timer timer; /* backoff over, deferred mail due, time to grow */
	/* Whether mail waits is told by where these two meet: matching.waiting, lane.heap_count, lane.ready.count. */
	struct matching matching; /* where not every mailbox may send as everybody */
	struct lane lane;
	/* What few messages look at, or none. */
	struct outbound *other; /* the lane of its destination's fallback, of this shard; NULL: none (path.h) */
	uint64_t site;          /* whom its hosts serve, by a hash that is the same after a restart (sources.h) */
	struct account_turn turn;
	struct budget *budget_writing; /* by this lane; NULL: none */
	uint64_t budget_retry_ns;      /* it failed, and is not tried before */
	uint64_t overdue_ns;           /* when to look again for what has waited too long for its turn */
	size_t host_total;
	struct domains *domains;   /* owned: its destination sends to the MX of each domain, or did once; else NULL */
	struct sts_watch *sts;     /* owned; NULL: nothing was asked of a policy yet */
	struct tls_context *tls;   /* the snapshot's; NULL without TLS */
	struct dns *dns;           /* the snapshot's; NULL: no host is a name */
	unsigned mailbox_turn;     /* whose turn it is to have another connection */
	uint64_t grown_ns;         /* when the last connection was opened */
	uint64_t look_ns;          /* for a mailbox that may have another one, not before */
	uint64_t away_ns;          /* since when */
	uint64_t limited_until_ns; /* by its limits nothing goes before */
	enum stage failure_stage;  /* the last failure of a host, as an event tells it */
	char failure[200];
	unsigned failures_seen; /* connections that failed since this process started */
	bool unused;            /* nothing is under way here for a destination that is gone; for deliverer.c */
	bool vacant;            /* nor does anything refer to it: it is counted in the plan */
};

/* `o` is zeroed but for its lane, which recovery may have filled. 0 or -ENOMEM. */
int outbound_init(struct outbound *o, struct shard *shard, unsigned index, const struct snapshot *snapshot);
/* The same for the lane of a site, whose `mx` it owns only when that went well. */
int outbound_init_site(struct outbound *o, struct shard *shard, unsigned index, struct lane_site *mx);
/* The destination is what this snapshot says. Connections to hosts that it has no more, or under another policy for
 * TLS, take no more messages. False: no memory, nothing has changed. */
bool outbound_take(struct outbound *o, const struct snapshot *snapshot);
void outbound_deinit(struct outbound *o);
/* No connection, nothing asked, read or waited for. */
bool outbound_quiet(const struct outbound *o);
/* Of a destination that is gone: no connection, nothing asked, read or waited for. */
bool outbound_unused(const struct outbound *o);
/* Nor does any delivery refer to it: what was learned of the destination is forgotten, and the place may be another's,
 * as outbound_take() finds then. */
void outbound_vacate(struct outbound *o);
/* There is something to do for this lane at the end of the turn. */
static inline void outbound_wake(struct shard *shard, unsigned lane)
{
	struct outbound *o = &shard->deliverer->outbound[lane];

	if (!list_linked(&o->wake))
		list_append(&shard->deliverer->outbound_wake, &o->wake);
}
/* The store's callback (store.h): the delivery takes its place in its lane. */
void outbound_due(struct shard *shard, struct delivery *d, uint64_t due_ns);
/* Once per turn: dispatches everything that was woken. */
void outbound_run(struct shard *shard);
/* Hosts of the lane that are left alone may be tried at once, and one that is held is probed. */
void outbound_try_now(struct outbound *o);
/* An operator has suspended the destination, or resumed it, or a domain of it ("": all): lanes look at that at once. */
void outbound_look(struct shard *shard, const char *destination, const char *domain);
/* Drain: starts nothing more; connections close when their attempts have ended. */
void outbound_drain(struct shard *shard, bool hard);
bool outbound_idle(const struct shard *shard);
/* So many messages wait in its lane; before the shard runs, too. */
static inline size_t outbound_waiting(const struct outbound *o)
{
	return o->lane.ready.count + o->matching.waiting + o->lane.heap_count;
}
/* Something is to be sent now, or being read for it. */
static inline bool outbound_has_mail(const struct outbound *o)
{
	return lane_has(&o->lane, o->shard->now_ns) || !list_empty(&o->loaded) || o->loading > 0 ||
	       o->matching.waiting > 0;
}
/* The lane of a site has nothing to send, and nobody waits for what it has: what its connections are done with is no
 * reason to look at it. */
static inline bool outbound_rests(const struct outbound *o)
{
	return o->mx && !outbound_has_mail(o) && slots_pressed(o->slots, o->number, o->most) == 0;
}

#endif
