/*
 * core/deliver/verdict.h - the only place that decides what a fact means: for the recipient (sent, deferred, held,
 * failed), for the host, and which sentence the operator reads. Protocol code reports what happened; it never decides.
 *
 * Pure functions over one table of rules (verdict_rules.c), first match wins; a destination's own rules are asked
 * before the built-in ones. What no rule names is decided by the reply's first digit (RFC 5321 4.2.1).
 */
#ifndef POSTRIDER_DELIVER_VERDICT_H
#define POSTRIDER_DELIVER_VERDICT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/span.h"

/*
 * From the best to the worst. HOLD: refused for what this relay is or how it is set up, or its account. No message can
 * mend that, so none fails by it, none expires, and no attempt is counted; an operator is told what to do.
 */
enum verdict { VERDICT_SENT, VERDICT_DEFER, VERDICT_HOLD, VERDICT_FAIL };

/* What an attempt came to for one recipient. ACCEPTED: the recipient was, and the message has no verdict yet. */
enum attempt_result { ATTEMPT_NONE, ATTEMPT_ACCEPTED, ATTEMPT_SENT, ATTEMPT_DEFER, ATTEMPT_HOLD, ATTEMPT_FAIL };

enum stage {
	STAGE_CONNECT,
	STAGE_TLS,
	STAGE_GREETING,
	STAGE_EHLO,
	STAGE_STARTTLS,
	STAGE_MAIL,
	STAGE_RCPT,
	STAGE_DATA,
	STAGE_CONTENT,
	STAGE_QUIT,
	STAGE_AUTH, /* between STARTTLS and MAIL; here, because a spool has these numbers (queue/state.h) */
};
enum { STAGE_COUNT = STAGE_AUTH + 1 };
const char *stage_name(enum stage stage);
/* From MAIL to the content: a reply may be about the message. Before there is none, and behind it is done. */
static inline bool stage_has_message(enum stage stage)
{
	return stage >= STAGE_MAIL && stage <= STAGE_CONTENT;
}

/*
 * What a rule says is to be done. Each has a verdict for the recipient beside it (ruling.verdict), which is right by
 * itself: who knows nothing of an action does what the verdict says, and loses nothing by it.
 *
 *   SENT, DEFER, FAIL  the verdict and nothing else.
 *   HOLD               the verdict HOLD: mail waits, the operator is told.
 *   SLOW               DEFER, and what `scope` names takes `slow_by` times less for `slow_s` seconds.
 *   SIGN_IN            DEFER, and a token or session that was not accepted is fetched anew before the next try.
 *   LEAVE_MAILBOX      DEFER, and this mailbox is left out for `slow_s` seconds (0: until it is tried again by its own
 *                      back-off); the others go on.
 *   OTHER_PATH         DEFER, and the destination's fallback takes the message, where there is one.
 *
 * Not carried out yet, so that mail is deferred and nothing else happens: SLOW, SIGN_IN, LEAVE_MAILBOX, OTHER_PATH. Who
 * implements one strikes it off here.
 */
enum verdict_action {
	ACTION_SENT,
	ACTION_DEFER,
	ACTION_FAIL,
	ACTION_HOLD,
	ACTION_SLOW,
	ACTION_SIGN_IN,
	ACTION_LEAVE_MAILBOX,
	ACTION_OTHER_PATH,
};
enum { ACTION_COUNT = ACTION_OTHER_PATH + 1 };
/* As a rule writes it. */
const char *action_name(enum verdict_action action);
/* What becomes of the recipient by it. */
enum verdict action_verdict(enum verdict_action action);

/*
 * Whom a HOLD or SLOW concerns. SCOPE_HOST: every message alike; the host takes none until a probe gets through.
 * SCOPE_MESSAGE: it may be this message's sender, or this recipient's domain; others go on, until so many in a row were
 * refused that it must be the host (hold.h). SCOPE_MAILBOX: the account by which it was sent, where the destination has
 * one, else the host. SCOPE_DESTINATION: all its hosts and mailboxes.
 */
enum verdict_scope { SCOPE_MESSAGE, SCOPE_HOST, SCOPE_MAILBOX, SCOPE_DESTINATION };

/* What is wrong, in one word: an alarm is told once for each destination and reason. */
enum verdict_reason {
	REASON_NONE,
	REASON_CLIENT,       /* this relay's address, name or certificate is not known there */
	REASON_BLOCKED,      /* its address is on a block list */
	REASON_EHLO,         /* the name in EHLO */
	REASON_TLS,          /* TLS wanted, refused, or too old */
	REASON_CREDENTIALS,  /* authentication wanted, refused or no longer supported */
	REASON_SENDER,       /* the sender may not be used by this relay or account */
	REASON_RELAY,        /* relaying to this recipient is not allowed */
	REASON_ACCOUNT,      /* the account is suspended, blocked or not paid for */
	REASON_NOT_ACCEPTED, /* the host takes no mail from here, and does not say why */
};
enum { REASON_COUNT = REASON_NOT_ACCEPTED + 1 };
const char *reason_name(enum verdict_reason reason);

/* What a next hop said, and when. */
struct verdict_fact {
	enum stage stage;
	unsigned code; /* 0: no reply */
	struct span text;
};

/* What is zero or NULL in a rule fits all. */
struct verdict_rule {
	uint16_t stages;              /* STAGE_BIT() */
	uint16_t code_low, code_high; /* both 0: any; code_high 0: code_low alone */
	uint32_t enhanced;            /* SMTP_ENHANCED() */
	uint32_t enhanced_high;       /* 0: `enhanced` alone */
	const char *text;             /* "*" stands for any octets; case and line ends do not count */
	enum verdict_action action;
	enum verdict_scope scope; /* of a HOLD or SLOW */
	enum verdict_reason reason;
	uint16_t slow_by; /* SLOW: at least 2 */
	uint32_t slow_s;  /* SLOW, LEAVE_MAILBOX */
	const char *say;  /* what to do, for the operator; NULL: the reason's own sentence */
	bool too_many;    /* of a DEFER at RCPT: see struct ruling */
};
#define STAGE_BIT(stage) (1u << (stage))
struct verdict_rules {
	const struct verdict_rule *rules;
	size_t count;
};
extern const struct verdict_rules verdict_builtin;

struct ruling {
	enum verdict verdict;       /* what becomes of the recipient */
	enum verdict_action action; /* and what is to be done beside that */
	enum verdict_scope scope;
	enum verdict_reason reason;
	uint16_t slow_by;
	uint32_t slow_s;
	const char *say; /* NULL where there is nothing to do for the operator */
	/* One transaction does not take so many recipients: if it took some, this one goes in another, at once. */
	bool too_many;
};

/* `own` is asked before the built-in rules; NULL: none. */
struct ruling verdict_judge(const struct verdict_fact *fact, const struct verdict_rules *own);
/* The same for a reply, without rules of one's own. Replies before MAIL speak of the host or of our set-up, not of the
 * message: they never fail a message for good. */
struct ruling verdict_reply(enum stage stage, unsigned code, struct span text);

/* `pattern` against all of the text, as in a rule. */
bool verdict_text_matches(const char *pattern, struct span text);

/* ---- causes that are no reply ---- */

enum outcome_kind {
	OUTCOME_ANSWERED, /* every recipient tried has a result */
	OUTCOME_LOST,     /* the connection ended before: nothing is known to have been accepted */
	OUTCOME_UNKNOWN,  /* the end of the content may have reached the next hop: possibly a duplicate later (P12) */
	OUTCOME_UNTRIED,  /* the connection ended before its turn, or between two messages: not its fault */
	OUTCOME_DAMAGED,  /* its content cannot be read back, which is our fault: held */
};

/* A message whose connection ended before it had its verdict, or was told that it ends. */
struct verdict_cut {
	bool command;     /* a command was refused, or its reply lost, and not the message */
	bool next;        /* its reply was the next to come */
	bool begun;       /* a command of it was written */
	bool end_written; /* and all of its content */
	bool unread;    /* the host cannot have accepted it: it said that it takes no more, or knows no such command */
	bool between;   /* nothing of it was answered yet, but RSET */
	bool refused;   /* recipients were refused for good before the host said that it takes no more */
	bool ours;      /* the connection ends by us: shutting down, or a fault of ours */
	unsigned taken; /* messages the connection has had answered */
	unsigned broken, unknown; /* connections that ended in its turn before, and answers to it that were lost */
};
/*
 * Where a connection ends between two messages that says nothing of the one that was next: limits, shutdowns and idle
 * connections that died. It does not go round in circles, because such a connection has taken a message before; one
 * that took none is blamed on the message and on the host alike.
 */
struct verdict_ending {
	enum outcome_kind kind; /* ANSWERED: those refused stay so, the others go on at once, and are fewer each time */
	bool again;             /* at once, and no attempt is counted */
	bool broken, unknown;   /* it counts as one of those */
};
struct verdict_ending verdict_cut(const struct verdict_cut *cut);

/* A connection that ended. */
struct verdict_gone {
	bool ready;     /* it was set up */
	bool lesson;    /* it ends for something the host does not bear, and that is known from now on */
	bool got_on;    /* recipients were refused for good before it ended */
	bool ours;      /* by us: shutting down, or a fault of ours */
	bool unused;    /* as soon as it was ready, and of itself, while mail waited for it */
	bool ticket;    /* by TLS, where a ticket was offered */
	unsigned asked; /* messages it was given, less those that were taken back for a fault of ours */
	unsigned taken; /* and those it has had answered */
};
struct verdict_blame {
	bool host;    /* leave this address alone for a while */
	bool ticket;  /* it was the ticket: the next connection goes without, and it is not the host's failure */
	bool careful; /* one message at a time until something is answered */
	bool known;   /* `careful` is news */
};
struct verdict_blame verdict_gone(const struct verdict_gone *gone);

/*
 * Older than the schedule allows: `age_ns` by the wall clock, less what the clock has jumped since the process started;
 * and at least two attempts (or failed connections); and a process that has been up, and its destination not held, for
 * as long as the mail may get, an hour at most. So neither a jumping clock, nor a wrong one at the start, nor a set-up
 * that was wrong for a week ends a message (RELIABILITY SYS-06).
 */
bool verdict_expired(uint64_t age_ns, uint64_t uptime_ns, uint64_t expire_ns, unsigned attempts_seen);

#endif
