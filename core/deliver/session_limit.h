/*
 * core/deliver/session_limit.h - how many messages a host takes on one connection, learned from how they end.
 *
 * Hosts that take a number of messages a session say so in three ways: 421 to the next MAIL and the connection closes
 * (RFC 5321 3.8), a close without a word, or 452 4.5.3 to every further MAIL on a connection that stays open. None of
 * that is about the message. The last says what it means; an end may have other reasons, so it is a suspicion first:
 *
 *     nothing --ended after N--> suspected N --again after N, or said--> known N --its time is over--> nothing
 *                                    |  ^                                             again after N: known at once
 *                                    |  +-- ended after M: suspected M
 *                                    +----- another connection took more: nothing
 *
 * Where N is suspected the message behind the Nth is sent alone, so that the answer is sure and nothing is in flight
 * behind it. Where it is known connections are replaced before. It is believed for a minute, and twice as long each
 * time it is found again, up to an hour.
 */
#ifndef POSTRIDER_DELIVER_SESSION_LIMIT_H
#define POSTRIDER_DELIVER_SESSION_LIMIT_H

#include <stdbool.h>
#include <stdint.h>

#include "core/smtp/reply.h"

enum { SESSION_LIMIT_FIRST_S = 60, SESSION_LIMIT_MAX_S = 3600 };

/* Zeroed: nothing learned. */
struct session_limit {
	unsigned messages; /* 0: none */
	unsigned times;    /* that it was found */
	bool known;        /* or only suspected */
	uint64_t until_ns;
};

/* A connection ended after `taken` (>= 1) messages; `said`: because of their number. */
void session_limit_learn(struct session_limit *l, unsigned taken, bool said, uint64_t now_ns);
/* A connection took more than what was suspected: it was something else. */
void session_limit_passed(struct session_limit *l, unsigned taken, uint64_t now_ns);
/* 0: nothing is suspected now. */
static inline unsigned session_limit_suspected(const struct session_limit *l, uint64_t now_ns)
{
	return l->messages == 0 || l->known || l->until_ns <= now_ns ? 0 : l->messages;
}
/* The lesser of what is configured and what is known now; 0: no limit. */
static inline unsigned session_limit_now(const struct session_limit *l, unsigned configured, uint64_t now_ns)
{
	if (l->messages == 0 || !l->known || l->until_ns <= now_ns)
		return configured;
	return configured == 0 || l->messages < configured ? l->messages : configured;
}
/* Does this reply to MAIL speak of the session, which has had `taken` messages, although it stays open? */
bool session_limit_told(const struct smtp_reply_parser *reply, unsigned taken);

#endif
