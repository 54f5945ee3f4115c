/*
 * core/deliver/connection.h - the client side: one connection to a next hop.
 *
 *   CONNECTING -> [HANDSHAKE] -> TALKING -> [HANDSHAKE -> TALKING] -> READY -> QUITTING -> CLOSED
 *        |             |            |   \------------------------------------------/ |
 *        +-------------+------------+---------------------------------+--------------+----> CLOSED
 *
 * TALKING is the set-up (setup.h): greeting, EHLO, STARTTLS. READY is where attempts run (attempt.h).
 * Any octet behind the reply to STARTTLS, any reply without a command and any malformed reply ends the connection, and
 * nothing is ever pooled after that (STL-06, PAR-05, POL-02).
 */
#ifndef POSTRIDER_DELIVER_CONNECTION_H
#define POSTRIDER_DELIVER_CONNECTION_H

#include <string.h>

#include "core/agents/token.h"
#include "core/deliver/exchange.h"
#include "core/deliver/mailbox.h"
#include "core/deliver/outbound.h"
#include "core/deliver/setup.h"
#include "core/deliver/tls_level.h"
#include "core/deliver/window.h"
#include "core/smtp/reply.h"
#include "core/stream/transport.h"

enum connection_state {
	CONNECTION_CONNECTING,
	CONNECTION_HANDSHAKE,
	CONNECTION_TALKING,
	CONNECTION_READY,
	CONNECTION_QUITTING,
	CONNECTION_CLOSED,
};
extern const struct states connection_states;

struct connection;

/* Of who opens connections (outbound_grow.c). */
struct connection_handlers {
	/* The host has dealt with a message: the first of this connection. */
	void (*on_well)(struct connection *c);
	/* It ended, and that is the host's fault: it is to be left alone for a while. */
	void (*on_blamed)(struct connection *c, enum stage stage, const char *reason);
	/* Its login came to nothing, and nobody has to act on that: it is tried again. */
	void (*on_put_off)(struct connection *c, const char *reason);
	/* Its descriptor is closed: what it had of what there is only so much of may be another's. */
	void (*on_closed)(struct connection *c);
};

/* What each message looks at comes first: of a thousand connections none is in the processor's cache. */
struct connection {
	struct transport transport;
	struct outbound *outbound;
	struct host *host;
	struct mailbox *mailbox;  /* who signs in, and nobody else ever here; NULL: nobody */
	struct attempt *writing;  /* the first that is not fully written, or NULL */
	struct list attempts;     /* oldest first: the order of their replies */
	struct list link;         /* outbound->connections */
	struct list usable;       /* outbound->usable, but while it is parked */
	struct wheel_timer timer; /* fires at until_ns, or before */
	uint64_t until_ns;
	uint64_t opened_ns, idle_since_ns;
	uint64_t marks_used;       /* of the transport's marks: those of commands that were answered */
	uint64_t unwritten_octets; /* content of attempts that are not fully written */
	unsigned attempt_count;
	unsigned replies_due;   /* commands written and not answered */
	unsigned messages;      /* attempts begun on this connection */
	unsigned taken_back;    /* of these: given up for a fault of ours, by RSET */
	unsigned answered;      /* those that got their verdict here, other than 421 */
	unsigned careful_until; /* one message at a time while `answered` is less */
	enum exchange_mode mode;
	uint8_t state;      /* enum connection_state; connection_move() */
	bool across;        /* what follows a message is sent before its reply */
	bool retiring;      /* takes no more attempts */
	bool probe;         /* the host is held (hold.h): one message, until it gets through */
	bool mailbox_probe; /* that is held (mailbox.h): whether it is well again */
	bool reset_next;    /* RSET before the next attempt */
	bool stale;         /* it was idle for long, and no reply has come since */
	bool alone;         /* what it has in flight broke a connection before: nothing is sent beside it */
	struct window window;
	struct smtp_reply_parser parser;
	struct setup setup;
	const struct connection_handlers *handlers;
	unsigned seat;                 /* which of the mailboxes it is signed in as (match.h) */
	struct wheel_timer turn_timer; /* armed: it is parked */
	struct ring_address address;
	const struct config_source *source; /* where it comes from, of the destination's; NULL: the system chose */
	uint64_t setup_until_ns;            /* this step of the set-up */
	uint64_t promised_ns;               /* since then it is to be closed for others that wait for its slot */
	bool promised;                      /* it is */
	bool parted;                        /* QUIT was answered */
	bool proven;                        /* it reached READY */
	bool resuming;                      /* a ticket was offered */
	bool slow;                          /* its set-up takes long: others are opened beside it */
	bool ours;                          /* it ends by a fault of ours: the host is not to blame */
	struct account_turn turn;           /* of the mailbox, where that is limited */
	struct token_question asked;        /* for its token; out: this stays, whatever becomes of the connection */
	struct mailbox_set *asked_set;      /* held while it is out: its identity is there */
	struct token *token;                /* owned: what it signs in with, for when that ends before the connection */
	uint64_t first_ns;                  /* its login is the mailbox's first (mailbox.h), and not over */
	uint64_t door_ns;                   /* it is the one whose login is said (door.h), and not over */
	bool over;                          /* the transport has closed, and only the question is awaited */
	bool signed_out;                    /* its mailbox is to sign in anew, which was said already */
	bool empty_lines;                   /* it sends empty lines between its replies */
	bool left;                          /* QUIT was said because of what it had answered, and that was reported */
	bool fell_back;                     /* it ends for a lesson: the host is not blamed */
	bool none_behind; /* of what was sent behind the oldest attempt nothing can have been accepted */
	bool got_on;      /* it decided something before it ended: the host is not blamed */
	bool told;        /* by the next hop that this connection takes no more: nothing behind was accepted */
	char told_text[120];
	char tls_version[12], tls_cipher[40];
	bool tls_resumed;
	uint8_t ticket_proofs;    /* that were needed where the ticket is from that was offered */
	struct tls_need tls_need; /* what it is made for */
	struct tlsa_found *tlsa;  /* held: the TLSA records that its peer must match; NULL: none */
	struct tls_had tls_had;   /* and what it has, from the end of its handshake on */
	uint8_t tls_dane;         /* enum tls_dane_result, where there are records and certificates were shown */
	char tls_doubt[120];      /* why the peer's certificate is not verified; "": it is, or nobody looked */
};

/* Content that may wait to be written on one connection: what is waiting is held in memory. */
enum { CONNECTION_BACKLOG_MAX = 256 << 10 };
/* Unused for so long, its far end may have forgotten it. */
enum { CONNECTION_STALE_MS = 1000 };
/* Its set-up should not be waited for alone after this time. */
uint64_t connection_slow_ns(const struct connection *c);
/* A set-up that takes longer than this is waited for, but not waited for alone. */
enum { CONNECTION_SLOW_MS = 5000 };
/* The same where nobody answers at this address, and the host has another: RFC 8305 5; more where it is known to be far
 * away, up to the most. */
enum { CONNECTION_QUICK_MS = 250, CONNECTION_QUICK_MOST_MS = 2000 };
/* Where no other may be opened beside it, it gives way after so long without an answer: SYN and its first repetition
 * (RFC 6298 2.1) have had a second each. */
enum { CONNECTION_SILENT_MS = 2000 };
/* It is parked until a time that others are parked for too, and at most so long. */
enum { CONNECTION_PARK_STEP_MS = 16, CONNECTION_PARK_MS = 1000 };
/* The next hop has answered QUIT, and closes within this time; or it is closed without that. */
enum { CONNECTION_END_MS = 500 };
/* Others wait for what has said QUIT. */
enum { CONNECTION_HURRY_MS = 2000 };
/* So many messages go one at a time where it is to be found out what ends connections. */
enum { CONNECTION_CAREFUL = 64 };
/* A connection that ended at RSET may have done so for another reason. */
enum { RESET_SUSPECTED_S = 60 };

/* Opens one, for a mailbox or NULL, that count it already; NULL when memory or descriptors are short. */
struct connection *connection_open(struct outbound *o, struct host *host, const struct ring_address *address,
				   struct mailbox *mailbox, const struct connection_handlers *handlers);
/* What a connection to this host must have. */
struct tls_need connection_tls_need(const struct outbound *o, const struct host *host);
/* It has had as many messages as this host takes on one connection, or as are configured. */
bool connection_at_limit(const struct connection *c);
/* How many messages it may still take at so many a second, UINT64_MAX: no limit; *share: a new one in its place. */
uint64_t connection_left(const struct connection *c, uint64_t rate, uint64_t *share);
/* RSET is not to be sent here. */
static inline bool connection_no_reset(const struct connection *c)
{
	uint64_t now_ns = c->outbound->shard->now_ns;

	return c->host->no_reset_until_ns > now_ns || c->host->reset_suspected_until_ns > now_ns;
}
/* Host or mailbox take nothing now, but one message for a probe. */
bool connection_stopped(const struct connection *c);
/* What is missing for what rules may ask for: VERDICT_LACKS_*. */
static inline uint8_t connection_lacks(const struct connection *c)
{
	return (uint8_t)((c->mailbox ? 0 : VERDICT_LACKS_LOGIN) | (c->outbound->other ? 0 : VERDICT_LACKS_PATH) |
			 (c->outbound->mx ? VERDICT_LACKS_HOLD : 0));
}
/* The address of the mailbox that signed in here; empty: nobody did, or its name is no address. */
static inline struct span connection_identity(const struct connection *c)
{
	return c->mailbox && strchr(c->mailbox->user, '@') ? span_text(c->mailbox->user) : (struct span){NULL, 0};
}
/* What TLS it has. Where it was resumed, proven is what was when its ticket was given. */
static inline struct tls_had connection_tls_had(const struct connection *c)
{
	return c->transport.secured && c->setup.secured ? c->tls_had : (struct tls_had){.encrypted = false};
}
/* It is not the turn of its mailbox before that: it is not looked at until about then. */
void connection_park(struct connection *c, uint64_t until_ns);
void connection_unpark(struct connection *c);
/* It was not let send a message that another mailbox may be let send: others that have room get the next one. Else the
 * last message of all, for which every connection has room, would come back to this one for ever. */
void connection_behind_others(struct connection *c);
static inline bool connection_parked(const struct connection *c)
{
	return !list_linked(&c->usable);
}
/* Room in its window for another attempt now. */
bool connection_has_room(const struct connection *c);
void connection_add(struct connection *c, struct attempt *a);
/* Writes as much as the mode and the buffers allow. */
void connection_write(struct connection *c);
/* Those that nothing was written of go elsewhere; the others are heard to their end. */
void connection_start_no_more(struct connection *c);
void connection_retire(struct connection *c);
/* Both, as we have decided: nothing more is begun on it, and one in the making is no failure of the next hop's. Not for
 * one that is closing. */
void connection_withdraw(struct connection *c);
/* It is still being set up, and another way is to be tried. */
void connection_give_way(struct connection *c);
void connection_kill(struct connection *c, enum stage stage, const char *reason);
/* The same for one that can still be talked to: its end is told and settled now, then it is left with QUIT. */
void connection_leave(struct connection *c, enum stage stage, const char *reason);

#endif
