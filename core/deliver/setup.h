/*
 * core/deliver/setup.h - what is said to a next hop before the first message: greeting, EHLO, STARTTLS, EHLO, AUTH.
 *
 *     GREETING ---> EHLO ---> [STARTTLS -> HANDSHAKE -> EHLO] ---> [AUTH] ---> READY
 *         ^ \          \---> HELO, where it knows no EHLO and TLS is not asked for ---/
 *         |  \-------------> HELO at once, where another connection has found that EHLO is not borne
 *         HANDSHAKE, where TLS comes first
 *     STARTTLS ---> READY, where it is refused, and TLS is only used where it can be had
 *
 * An engine without I/O: a reply goes in, what to do next comes out. What TLS is demanded is decided before a single
 * command that names a sender or a recipient: where it is, nothing goes on in clear (RELIABILITY I6, STL-07). Where
 * somebody is to sign in, AUTH is said behind TLS and nowhere else, whatever else the terms say, and nothing before it.
 */
#ifndef POSTRIDER_DELIVER_SETUP_H
#define POSTRIDER_DELIVER_SETUP_H

#include <stdbool.h>
#include <stddef.h>

#include "core/base/states.h"
#include "core/deliver/verdict.h"
#include "core/smtp/reply.h"
#include "core/smtp/sasl.h"

enum setup_step { SETUP_GREETING, SETUP_HANDSHAKE, SETUP_EHLO, SETUP_HELO, SETUP_STARTTLS, SETUP_AUTH, SETUP_READY };
extern const struct states setup_steps;

struct setup_terms {
	const char *hostname;                /* the caller's */
	bool tls;                            /* nothing is said without, but what leads there */
	bool tls_if_offered;                 /* where it is not, or refused, nothing is missed */
	bool implicit;                       /* TLS comes before the greeting */
	bool helo;                           /* EHLO is not borne: HELO at once, where it may do */
	unsigned ignored;                    /* CONFIG_*: what the operator knows the host not to bear */
	uint8_t mechanisms[SASL_MECHANISMS]; /* enum sasl_mechanism, in the order in which they are tried */
	unsigned mechanism_count;            /* 0: nobody signs in */
};

struct setup {
	struct setup_terms terms;
	uint8_t step;
	bool secured;
	bool helo;                         /* HELO was said last, and not EHLO */
	bool tls_refused;                  /* STARTTLS was said, and the next hop goes on without */
	uint8_t mechanisms_tried;          /* of the terms': in order, those that are behind us */
	struct smtp_extensions extensions; /* of the last EHLO */
	struct sasl sasl;
};

enum setup_go {
	SETUP_LISTEN, /* for the greeting */
	SETUP_SAY,    /* `line`, then listen for the reply */
	SETUP_SECURE, /* make the TLS handshake, then setup_secured() */
	SETUP_LOGIN,  /* the login is needed: setup_login() */
	SETUP_DONE,   /* READY */
	SETUP_REFUSE, /* `why`, by the reply; leave with QUIT */
	SETUP_BREAK,  /* `why`; end at once */
};
enum { SETUP_LINE_MAX = SASL_LINE_MAX };
struct setup_next {
	char line[SETUP_LINE_MAX]; /* of SETUP_AUTH: has a secret in it, and is for the caller to wipe */
	size_t length;
	const char *why;
	bool by_reply; /* it is the reply that says no, and not what it lacks */
	bool helo;     /* of a refusal: a connection that says HELO at once may do */
	enum stage stage;
};

/* The socket is connected. */
enum setup_go setup_begin(struct setup *s, const struct setup_terms *terms);
enum setup_go setup_secured(struct setup *s, struct setup_next *next);
/* Behind SETUP_LOGIN. The host it is said to is filled in by the caller. */
enum setup_go setup_login(struct setup *s, const struct sasl_login *login, struct setup_next *next);
/* `behind`: octets of input after the reply. */
enum setup_go setup_reply(struct setup *s, const struct smtp_reply_parser *reply, size_t behind,
			  struct setup_next *next);
/* Where the lines of the reply that is awaited are collected, or NULL: for smtp_reply_start(). */
struct smtp_extensions *setup_collects(struct setup *s);
enum stage setup_stage(const struct setup *s);
/* The next hop has ended the connection where EHLO was to be answered: one that says HELO at once may do. */
bool setup_helo_may_do(const struct setup *s);
/* Whether it was HELO at once that was to be answered. */
bool setup_said_helo(const struct setup *s);

#endif
