/*
 * core/events/delivering.h - events of next hops and of what is tried there. What an operator can search for is decided
 * here, from facts; who calls decides whether it is told (log.sessions, log.messages).
 */
#ifndef POSTRIDER_EVENTS_DELIVERING_H
#define POSTRIDER_EVENTS_DELIVERING_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/log.h"
#include "core/base/ring.h"
#include "core/base/span.h"
#include "core/smtp/trace.h"

enum { EVENT_RECIPIENTS_MAX = 32 }; /* named in an event */

/* A host of a destination. */
struct event_host {
	const char *destination, *host;
};

/* What was said, or what happened, and at what. */
struct event_reply {
	const char *stage;
	unsigned code; /* 0: nothing was said */
	struct span text;
	const char *problem; /* what it means and what to do; NULL: nothing is known */
};

struct event_tls {
	const char *version; /* "": none */
	const char *cipher;
	bool verified;
	const char *proof; /* how; "": not */
};

struct event_connection {
	struct event_host at;
	const char *mailbox; /* NULL: nobody signs in */
	const char *source;  /* the address it comes from; NULL: the system chose */
	struct event_tls tls;
	bool resumed;
	const char *policy, *unverified; /* what it was made for; why not verified, "": nothing to say */
	uint64_t messages, octets_in, octets_out, ms;
	const char *stage, *reason;
};
void event_connection(struct log *log, const struct event_connection *c);

/* An address of a host, or all that it has; `address` may be NULL in event_host_failed(). */
struct event_failed {
	struct event_host at;
	const struct ring_address *address;
	const char *stage, *reason;
	uint64_t failures, again_ms;
};
void event_address_failed(struct log *log, const struct event_failed *f);
void event_host_failed(struct log *log, const struct event_failed *f, uint64_t waiting);
/* It takes messages again. */
void event_exchangers(struct log *log, const char *destination, const char *domain, const char *hosts);
void event_exchangers_failed(struct log *log, const char *destination, const char *domain, const char *problem,
			     bool kept, uint64_t again_ms, uint64_t waiting);
void event_domain_failed(struct log *log, const char *destination, const char *domain, const char *problem, bool kept,
			 uint64_t again_ms);
struct event_sts_policy {
	const char *destination, *domain, *mode, *id;
	uint64_t hosts, max_age_s;
	uint64_t end_s; /* seconds since 1970 */
};
void event_sts_policy(struct log *log, const struct event_sts_policy *p);
void event_sts_failed(struct log *log, const char *destination, const char *domain, const char *problem, bool in_force);
void event_exchanger_refused(struct log *log, const char *destination, const char *domain, const char *host);
void event_host_ok(struct log *log, struct event_host at, uint64_t failures, uint64_t ms, uint64_t waiting);
/* What this relay is, or its set-up, is refused; and accepted again. */
void event_setup_refused(struct log *log, struct event_host at, const char *reason, const char *problem,
			 const struct event_reply *reply, bool all, uint64_t waiting);
/* `ms`: 0 where the host was not held. */
void event_setup_accepted(struct log *log, struct event_host at, uint64_t ms, uint64_t waiting);
/* The recipients of a day. */
void event_budget_spent(struct log *log, const char *destination, const char *whose, uint64_t allowed,
			const char *problem, uint64_t wait_s, uint64_t waiting);
void event_budget_unwritten(struct log *log, const char *destination, const char *reason, uint64_t waiting);
/* It said that it is too much. `mailbox`: whom it said it to; "": nobody signs in. */
void event_slowed(struct log *log, struct event_host at, const char *mailbox, const char *scope, uint64_t times,
		  uint64_t for_s, const struct event_reply *reply, uint64_t waiting);
/* Who signs in is refused, and what to do; or refused for now; and accepted again. */
struct event_mailbox {
	struct event_host at;
	const char *mailbox, *mechanism, *challenge; /* "": none */
	const char *reason, *problem;
	struct event_reply reply;
	uint64_t again_ms, waiting;
};
void event_mailbox_refused(struct log *log, const struct event_mailbox *m);
void event_mailbox_deferred(struct log *log, const struct event_mailbox *m);
void event_mailbox_accepted(struct log *log, struct event_host at, const char *mailbox, uint64_t ms, uint64_t waiting);
/* From now on and for a while this host is dealt with without something that it offers: what it answered. */
void event_fallback(struct log *log, struct event_host at, const char *without, const struct event_reply *reply,
		    uint64_t for_s);

/* It spoke TLS ("tls"), or proved who it is ("proof"), so long ago, and does not now. `in_clear`: mail may go
 * without. */
void event_tls_lost(struct log *log, struct event_host at, const char *what, const char *reason, uint64_t ms,
		    bool in_clear);

/* What is said of one recipient. */
struct event_recipient {
	struct span address;
	const char *result;
	unsigned code; /* 0: it had no reply of its own */
	struct span reply;
};
struct event_recipients {
	unsigned all;   /* of whom something could be said; 0: nothing is */
	unsigned count; /* of these, those in `list`, the most important first */
	bool single;    /* the message has only the one in `list`, whose result is the attempt's */
	struct event_recipient list[EVENT_RECIPIENTS_MAX];
};

/* Mail goes to the destination's fallback, and by its own path again. */
void event_path_changed(struct log *log, const char *destination, const char *to, const char *why, const char *problem,
			uint64_t waiting);
void event_path_restored(struct log *log, const char *destination, const char *from, uint64_t ms);

struct event_attempt {
	struct message_id id;
	const char *instead_of; /* the destination that it belongs to, where that is another one; NULL */
	const char *result;
	struct event_host at;
	const char *mailbox; /* NULL: nobody signs in */
	const char *source;  /* as of a connection */
	struct event_tls tls;
	uint64_t recipients, octets, attempt, ms, queued_ms;
	bool undeclared_8bit, converted;
	bool rewritten, signature_broken;
	struct event_reply reply;
};
void event_attempt(struct log *log, const struct event_attempt *a, const struct event_recipients *recipients);
/* Once for each message and reason. */
void event_deferred(struct log *log, struct message_id id, const char *destination, uint64_t attempts,
		    uint64_t next_wall_ns, uint64_t answers_lost, const struct event_reply *reply);
void event_expired(struct log *log, struct message_id id, const char *destination, uint64_t attempts,
		   const struct event_reply *reply, const struct event_recipients *recipients);
/* `sender` without data: the envelope cannot be read. */
void event_damaged(struct log *log, struct message_id id, const char *destination, uint64_t recipient_count,
		   const char *reason, struct span sender, const struct event_recipients *recipients);
/* What may pass by itself: no memory, no descriptors. */
void event_unreadable(struct log *log, struct message_id id, const char *destination, uint64_t recipient_count,
		      const char *reason);

#endif
