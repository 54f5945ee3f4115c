/*
 * core/config/verdict_rule.h - what a rule about a next hop's replies is: when, and what is to be done then.
 *
 * The built-in rules (dist/verdicts.yaml), those of a preset and those of the configuration have this one form. What
 * they mean core/deliver/verdict.h decides; nothing here knows a reply.
 */
#ifndef POSTRIDER_CONFIG_VERDICT_RULE_H
#define POSTRIDER_CONFIG_VERDICT_RULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

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
 *   SIGN_IN            DEFER, and the mailbox signs in anew before the next try, with a fresh token: once. Where that
 *                      is refused as well the mailbox is held.
 *   LEAVE_MAILBOX      DEFER, and this mailbox is left out for `slow_s` seconds (0: until it is tried again by its own
 *                      back-off); the others go on.
 *   OTHER_PATH         DEFER, and the destination's fallback takes the message at once.
 *
 * Where nobody signs in, or there is no fallback, those two are DEFER for 4yz and HOLD for 5yz.
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

/* An enhanced status code (RFC 3463) as one number, as core/smtp/enhanced.h has it. */
#define VERDICT_ENHANCED(class, subject, detail)                                                                       \
	((uint32_t)(class) << 20 | (uint32_t)(subject) << 10 | (uint32_t)(detail))
#define STAGE_BIT(stage) (1u << (stage))

struct verdict_range {
	uint32_t low, high;
};
/* "*" stands for any octets; case and line ends do not count. */
struct verdict_pattern {
	const char *text;
	uint64_t
		pairs; /* verdict_pairs() of what stands between its stars: a text without these need not be compared */
};
/* What people read. */
struct verdict_sentence {
	const char *name;
	const char *say;      /* to the operator: what is wrong, and what to do */
	const char *tell;     /* to whoever sent the mail */
	const char *check;    /* to the operator: what to look at */
	const char *document; /* where it is described */
};

/* Conditions that are 0 or NULL fit all; of several codes or texts any. */
struct verdict_rule {
	uint16_t stages;  /* STAGE_BIT() */
	uint16_t slow_by; /* SLOW: at least 2 */
	uint32_t slow_s;  /* SLOW, LEAVE_MAILBOX */
	const struct verdict_range *codes, *enhanced;
	const struct verdict_pattern *texts;
	size_t code_count, enhanced_count, text_count;
	enum verdict_action action;
	enum verdict_scope scope; /* of a HOLD or SLOW */
	enum verdict_reason reason;
	bool too_many;                           /* of a DEFER at RCPT: see struct ruling (core/deliver/verdict.h) */
	struct verdict_sentence own;             /* what it has of its own */
	const struct verdict_sentence *sentence; /* what it has not; NULL: that of its reason */
	unsigned line;                           /* in its file */
	bool preset;                             /* which is a preset */
};
/* First match wins. */
struct verdict_rules {
	const struct verdict_rule *rules;
	size_t count;
	const struct verdict_rules *next; /* borrowed; asked when none of these fits */
};

/* Made of dist/verdicts.yaml at build time. */
extern const struct verdict_rules verdict_builtin;
extern const struct verdict_sentence verdict_sentences[];
extern const size_t verdict_sentence_count;
/* NULL: there is none of that name. */
const struct verdict_sentence *verdict_sentence(const char *name);

/* A letter as patterns are compared. */
static inline char verdict_fold(char c)
{
	if (c == '\t' || c == '\n')
		return ' ';
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}
/* Which pairs of neighbours occur, folded, in a number: one set is part of the other where a text is part of it. A star
 * of a pattern has no neighbours. */
uint64_t verdict_pairs(const char *text, size_t length, bool pattern);

#endif
