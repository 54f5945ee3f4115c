/*
 * core/deliver/fallback.h - replies that say "not this command" or that answer another one, and what they teach.
 *
 * What a host offers in EHLO it does not always bear: gateways pass on the offer of the server behind them and do not
 * know BDAT, scanners lose commands that come together, servers refuse what follows a message before its reply. Such a
 * reply is no verdict on the message (RFC 5321 4.2.4). It teaches a lesson, which is kept for a while and then tried
 * anew, and the message goes again at once without what the host does not bear:
 *
 *     NO_CHUNKING     DATA instead of BDAT
 *     NO_PIPELINING   one command at a time (then with DATA)
 *     ALONE           nothing behind the end of a message before its reply
 *     RESET           RSET before each message
 *     PLAIN_MAIL      MAIL without parameters
 *     NO_DSN          MAIL and RCPT without those of reports
 *     NAMED           no mail without a sender where it has one
 *     HELO            HELO instead of EHLO (setup.h)
 *     CLEAR           no TLS, where that is meant to be used only where it can be had (tls_level.h)
 *
 * Pure functions; a table in the tests.
 */
#ifndef POSTRIDER_DELIVER_FALLBACK_H
#define POSTRIDER_DELIVER_FALLBACK_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/clock.h"
#include "core/base/span.h"

enum lesson {
	LESSON_NONE,
	LESSON_NO_CHUNKING,
	LESSON_NO_PIPELINING,
	LESSON_ALONE,
	LESSON_RESET,
	LESSON_PLAIN_MAIL,
	LESSON_NO_DSN,
	LESSON_NAMED,
	LESSON_HELO, /* taught before any message, as those behind it */
	LESSON_CLEAR,
};
enum { LESSON_COUNT = LESSON_CLEAR + 1, LESSON_MESSAGE_COUNT = LESSON_HELO };
#define LESSON_NS (3600 * CLOCK_NS_PER_S)
/* Whoever can break a handshake has taught it: it is soon tried again. */
#define LESSON_CLEAR_NS (600 * CLOCK_NS_PER_S)
/* How long it is kept. */
uint64_t lesson_life_ns(enum lesson lesson);

/* Of one host; zeroed it has taught nothing. */
struct lessons {
	uint64_t last_ns; /* then none is in force: most hosts teach nothing, and no more than this is looked at */
	uint64_t until_ns[LESSON_COUNT];
};
void lesson_learn(struct lessons *lessons, enum lesson lesson, uint64_t now_ns);
void lesson_forget(struct lessons *lessons, enum lesson lesson);
static inline bool lesson_in_force(const struct lessons *lessons, enum lesson lesson, uint64_t now_ns)
{
	return lessons->last_ns > now_ns && lessons->until_ns[lesson] > now_ns;
}
/* For the operator: what is done without. */
const char *lesson_name(enum lesson lesson);

/* What a reply answers. END is that of DATA's content. */
enum fallback_command { FALLBACK_RSET, FALLBACK_MAIL, FALLBACK_RCPT, FALLBACK_DATA, FALLBACK_BDAT, FALLBACK_END };

struct fallback_fact {
	enum fallback_command command;
	bool pipelined;  /* others were sent with it, before its reply */
	bool parameters; /* of MAIL */
	bool wishes;     /* parameters of some RCPT */
	bool unnamed;    /* MAIL had no sender, though the message has one */
	bool behind;     /* it was sent before an earlier message had been answered */
	bool later;      /* it is not the connection's first message, and no RSET was sent before it */
	bool enhanced;   /* the host offers ENHANCEDSTATUSCODES */
	unsigned code;
	struct span text;
};

/* What the reply teaches; LESSON_NONE: it is a verdict. */
enum lesson fallback_lesson(const struct fallback_fact *fact);
/* A yes that is the answer to another command, by its enhanced code. Only where commands were pipelined: one at a time
 * they cannot be taken for each other, and then a server may say what it likes. */
bool fallback_misfit(const struct fallback_fact *fact);

#endif
