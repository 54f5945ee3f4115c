/*
 * tests/sim/actor_nexthop.h - a simulated SMTP server that takes messages and notes them in the ledger.
 *
 * It answers in order, after seeded delays, and misbehaves at the rates given. What it refuses for good it notes as
 * failed, what it takes it checks against the ledger: content, and that the recipient belongs to the message. A next
 * hop that takes a message and loses the connection before its reply has arrived has taken it: the relay will send it
 * again, and the ledger counts the duplicate.
 */
#ifndef POSTRIDER_SIM_ACTOR_NEXTHOP_H
#define POSTRIDER_SIM_ACTOR_NEXTHOP_H

#include "tests/sim/actor_ledger.h"
#include "tests/sim/actor_meter.h"
#include "tests/sim/world.h"

/* How a session that has had `messages_max` ends. */
enum actor_session_end {
	ACTOR_END_TOLD,    /* 421 behind the last 250, and closes */
	ACTOR_END_AT_MAIL, /* 421 to the next MAIL, and closes */
	ACTOR_END_CLOSE,   /* closes at the next command */
	ACTOR_END_RESET,   /* resets the connection at the next command */
	ACTOR_END_REFUSE,  /* 452 4.5.3 to every further MAIL, and stays */
	ACTOR_ENDS,
};

/* Who may sign in, at all next hops that share it, and what each may do then. Rates are per million. */
enum { ACTOR_MAILBOXES = 8 };
struct actor_logins {
	unsigned count;           /* the users m0@pool.example and so on, each with the password "secret" */
	unsigned connections_max; /* of each, signed in at a time; 0: no limit */
	uint32_t locked;          /* bits: of these every login is refused */
	uint32_t refused, later;  /* 535 although the password is right; 454 */
	uint32_t closed, silent;  /* closes instead of a reply; says nothing */
	unsigned tries, right;    /* logins that were said, and that were accepted */
	unsigned wrong;           /* with another password */
	unsigned over;            /* times that one had more connections than it may */
	/* By XOAUTH2, what a token is worth; NULL: PLAIN. With `challenge` a reason in JSON comes before a refusal. */
	bool (*token_good)(const char *text, uint64_t length);
	bool challenge;
	struct {
		char accepted[32], token[32]; /* the last with which it was let in; refused for what it is */
		uint64_t refused_ns;
		bool lost; /* it had been let in with that */
	} known[ACTOR_MAILBOXES];
	char seen[32]; /* the newest token, and when it was seen first */
	uint64_t seen_ns;
	unsigned bad_tokens, stale;    /* said that are not good; by one who knew */
	unsigned senders;              /* c0.example and so on: clients send from them; 0: it does not matter */
	uint32_t may[ACTOR_MAILBOXES]; /* bits: of these each may send */
	unsigned foreign;              /* messages from others */
	unsigned connections[ACTOR_MAILBOXES];
	struct actor_meter messages[ACTOR_MAILBOXES], recipients[ACTOR_MAILBOXES];
	struct actor_meter failures; /* of logins, in any window of time */
};

/* How it stands with STARTTLS. */
enum actor_tls {
	ACTOR_TLS_NONE, /* and it is not counted who comes in clear */
	ACTOR_TLS_OFFERED,
	ACTOR_TLS_GONE,    /* not offered */
	ACTOR_TLS_REFUSED, /* 454 */
	ACTOR_TLS_BROKEN,  /* 220, and then no TLS */
	ACTOR_TLS_CLOSES,  /* 220, and then it closes */
	ACTOR_TLS_SILENT,  /* 220, and then nothing */
	ACTOR_TLS_STATES,
};

/* Rates are per million. */
struct actor_nexthop_config {
	uint64_t still_from_ns, still_until_ns; /* no MAIL is to come in that time */
	const char *still_domain;               /* nor RCPT for this one, from domain_from_ns on; NULL: none */
	uint64_t domain_from_ns;
	struct ring_address address;
	struct ledger *ledger;
	bool pipelining, chunking, size;     /* offered in the EHLO reply */
	bool dsn;                            /* the same; what is asked for must be what the client asked for */
	uint64_t delay_min_ns, delay_max_ns; /* before replies leave */
	uint64_t greeting_ns, hello_ns;      /* before those do, besides */
	unsigned messages_max;               /* on a connection; 0: no limit */
	enum actor_session_end session_end;
	unsigned connections_max;  /* at once, then 421 in the greeting; 0: no limit */
	unsigned connections_most; /* more at once are a violation; 0: no limit */
	uint32_t greeting_refused; /* 421, or 554 */
	uint32_t mail_deferred, mail_refused;
	uint32_t rcpt_deferred, rcpt_refused; /* 451, 550 */
	uint32_t data_deferred;               /* 451 instead of 354, or for the first chunk */
	uint32_t end_deferred, end_refused;   /* in place of the final 250 */
	uint32_t close_rate;                  /* at a command: closes without a reply */
	uint32_t close_after_end;             /* takes the message, then closes instead of replying */
	const char *setup_refused;            /* the reply to who the client is, whole; NULL: it may send */
	enum actor_setup_stage {
		ACTOR_SETUP_GREETING,
		ACTOR_SETUP_EHLO,
		ACTOR_SETUP_MAIL,
		ACTOR_SETUP_RCPT,
		ACTOR_SETUP_END,
	} setup_stage;
	unsigned setup_each;            /* of so many messages one; 0: all. From MAIL on */
	uint32_t close_in_content;      /* resets the connection while content arrives */
	bool rset_refused, rset_closes; /* 503 to RSET; closes at it */
	bool one_at_a_time;             /* 503 to a RCPT that came before an earlier reply was read */
	bool hello_closes;              /* 421 behind the reply to EHLO, and closes */
	const char *ehlo_refused;       /* says this to EHLO, whole, and closes, but bears HELO; "": closes at once */
	uint64_t idle_death_ns;         /* a command after so long without any: reset; 0: never */
	unsigned resets_in_content;     /* so many connections are reset in the content of their third message */
	uint32_t poison;                /* this message's content resets the connection: its sequence; 0: none */
	/* Offers STARTTLS (sim_tls.h) and AUTH PLAIN, and takes mail from nobody else; NULL: neither. */
	struct actor_logins *logins;
	enum actor_tls tls; /* where nobody signs in */
	/* What clients send to all next hops that share it; NULL: not counted. Not owned. */
	struct actor_meter *messages_meter, *hour_meter, *octets_meter, *recipients_meter;
};

struct actor_nexthop;
struct actor_nexthop *actor_nexthop_start(const struct actor_nexthop_config *config);
/* May be changed while it runs. */
struct actor_nexthop_config *actor_nexthop_config(struct actor_nexthop *nexthop);
/* Closes the door; sessions go on. */
void actor_nexthop_stop(struct actor_nexthop *nexthop);

struct actor_nexthop_stats {
	uint64_t connections, connections_now, connections_peak, connections_held, messages, recipients, commands;
	uint64_t setup_refusals;
	uint64_t helos;
	uint64_t starttls, in_clear, secured; /* times it was said; messages begun; where `tls` is not NONE */
	uint64_t pipelined;                   /* commands that arrived while an earlier reply was still owed */
	uint64_t violations;                  /* of the protocol, by the client: see `problem` */
	char problem[256];
};
void actor_nexthop_stats(const struct actor_nexthop *nexthop, struct actor_nexthop_stats *out);
void actor_nexthop_free(struct actor_nexthop *nexthop); /* once the world has no more events for it */

#endif
