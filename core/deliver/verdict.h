/*
 * core/deliver/verdict.h - the only place that decides what a fact means: for the recipient (sent, deferred, held,
 * failed), for the host, and which sentence the operator reads. Protocol code reports what happened; it never decides.
 *
 * Pure functions over one table of rules (core/config/verdict_rule.h), first match wins; a destination's own rules are
 * asked before the built-in ones. What no rule names is decided by the reply's first digit (RFC 5321 4.2.1).
 */
#ifndef POSTRIDER_DELIVER_VERDICT_H
#define POSTRIDER_DELIVER_VERDICT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/span.h"
#include "core/config/verdict_rule.h"

/*
 * From the best to the worst. HOLD: refused for what this relay is or how it is set up, or its account. No message can
 * mend that, so none fails by it, none expires, and no attempt is counted; an operator is told what to do.
 */
enum verdict { VERDICT_SENT, VERDICT_DEFER, VERDICT_HOLD, VERDICT_FAIL };

/* What an attempt came to for one recipient. ACCEPTED: the recipient was, and the message has no verdict yet. */
enum attempt_result {
	ATTEMPT_NONE,
	ATTEMPT_ACCEPTED,
	ATTEMPT_SENT,
	ATTEMPT_DEFER,
	ATTEMPT_HOLD,
	ATTEMPT_FAIL,
	ATTEMPT_OTHER_PATH, /* not here: by the destination's fallback, at once */
	ATTEMPT_WITHHELD    /* FAIL, without having been asked: it cannot be said to a host without SMTPUTF8 */
};

/* What becomes of the recipient by it. */
enum verdict action_verdict(enum verdict_action action);

/* What a next hop said, and when. */
struct verdict_fact {
	enum stage stage;
	unsigned code; /* 0: no reply */
	struct span text;
};
/* What a rule may ask for, and there is not. */
enum {
	VERDICT_LACKS_LOGIN = 1 << 0, /* nobody signs in: SIGN_IN */
	VERDICT_LACKS_PATH = 1 << 1,  /* the destination has no fallback: OTHER_PATH */
	VERDICT_LACKS_HOLD = 1 << 2,  /* it is one of many hosts of strangers: nobody would mend what one refuses */
};

struct ruling {
	enum verdict verdict;       /* what becomes of the recipient */
	enum verdict_action action; /* and what is to be done beside that */
	bool known;                 /* by a rule, not by the first digit alone */
	enum verdict_scope scope;
	enum verdict_reason reason;
	uint16_t slow_by;
	uint32_t slow_s;
	/* What people read (struct verdict_sentence); NULL where there is nothing to say. Of the rules' life. */
	const char *say, *tell, *check, *document;
	/* One transaction does not take so many recipients: if it took some, this one goes in another, at once. */
	bool too_many;
};

/* `own` is asked before the built-in rules; NULL: none. */
struct ruling verdict_judge(const struct verdict_fact *fact, const struct verdict_rules *own);
/* Where nobody said when: by the first stage at which a rule knows it, which is then the fact's. */
struct ruling verdict_judge_unstaged(struct verdict_fact *fact, const struct verdict_rules *own);
/* The stage of that name. False: there is none. */
bool verdict_stage(const char *name, enum stage *stage);
/* "sent", "defer", "hold", "fail". */
const char *verdict_name(enum verdict verdict);
/* `lacks`: VERDICT_LACKS_*, of where it was said. */
struct ruling verdict_judge_lacking(const struct verdict_fact *fact, const struct verdict_rules *own, unsigned lacks);
/* The same for a reply, without rules of one's own, where nobody signs in and there is no other path. Replies before
 * MAIL speak of the host or of our set-up, not of the message: they never fail a message for good. */
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
	unsigned crowd; /* of its recipients that were taken, where it ended at the next one; else 0 */
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
	unsigned at_most; /* so many recipients at a time from now on, or it might always end there; 0: any number */
};
struct verdict_ending verdict_cut(const struct verdict_cut *cut);

/* A connection that ended. */
struct verdict_gone {
	bool ready;     /* it was set up */
	bool lesson;    /* it ends for something the host does not bear, and that is known from now on */
	bool got_on;    /* a message had its verdict, or recipients were refused for good, before it ended */
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

/* What a connection that the next hop closed in the middle of its work, without a word, says of the host's habits. */
struct verdict_silence {
	bool told;      /* it had said before that it ends */
	bool stale;     /* it had been idle before that work */
	bool begun;     /* MAIL of the message whose turn it was had been answered */
	bool reset;     /* the reply that was next was that to RSET */
	unsigned taken; /* messages it has had answered */
};
enum verdict_habit {
	HABIT_NONE,    /* it says nothing: the message or the network may be why */
	HABIT_IDLE,    /* what is idle for as long is ended: those beside it have met the same */
	HABIT_NUMBER,  /* it takes so many messages on a connection, perhaps */
	HABIT_NO_RSET, /* the same; and if its number was not known, it may be RSET that it does not bear */
};
enum verdict_habit verdict_silence(const struct verdict_silence *silence);

/* ---- the message's own time ---- */

/*
 * Older than the schedule allows, and at least two attempts (or failed connections); and a process that has been up,
 * and its destination not held, for as long as the mail may get, an hour at most. So neither a jumping clock, nor a
 * wrong one at the start, nor a set-up that was wrong for a week ends a message (RELIABILITY SYS-06). What was held by
 * itself is old by our fault: it is tried more often before. So many attempts are enough at any age, which no clock has
 * to do with.
 */
struct verdict_age {
	uint64_t age_ns;    /* by the wall clock, less what the clock has jumped since the process started */
	uint64_t uptime_ns; /* of the process, and of a destination that is not held */
	uint64_t expire_ns; /* retry.expire */
	unsigned tried;
	unsigned tried_max; /* retry.attempts; 0: its age alone counts */
	unsigned holds;     /* times it was held by itself */
	bool beside;        /* somebody in it was held this time: nobody in it expires */
};
bool verdict_expired(const struct verdict_age *age);

/* It waits. `unknown`: answers to it that were lost, this one included. */
struct verdict_pause {
	bool longest; /* it may be delivered as often as it was sent, so it is sent as seldom as mail ever is */
	bool news;    /* and that begins now */
};
struct verdict_pause verdict_pause(enum outcome_kind kind, unsigned unknown);

/* Content or record could not be had: `error` is a negative errno. */
struct verdict_fault {
	bool damaged;     /* the disk's, which time does not mend; else it was memory or descriptors that lacked */
	unsigned again_s; /* looked at again, in case it was the way to the disk */
};
struct verdict_fault verdict_fault(int error);

#endif
