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

#endif
