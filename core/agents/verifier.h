/*
 * core/agents/verifier.h - whether a password is a user's: an agent, as a verification takes 80 ms and 16 MiB.
 *
 * Two threads with a queue each: one for those who have signed in lately from where they are, one for everybody
 * else. So however many strangers guess, who is known waits for none of them. A full queue answers -EBUSY at once.
 *
 * Two implementations, chosen by the linker: verifier.c over libcrypt (password.h), and the simulation's actor.
 */
#ifndef POSTRIDER_AGENTS_VERIFIER_H
#define POSTRIDER_AGENTS_VERIFIER_H

#include "core/agents/agent.h"

enum {
	VERIFIER_STRANGERS_MAX = 64, /* questions at a time: some 5 s of work */
	VERIFIER_KNOWN_MAX = 512,
	VERIFIER_TIMEOUT_MS = 15000, /* a sane deadline */
};

struct verifiers; /* the agent */

struct verifier_question {
	struct question question; /* given: fn and deadline */
	/* Given; both stay until the question is back. The password is wiped by who asks. */
	const char *password, *hash;

	/* The answer is question.result: 0: it matches; -EACCES: it does not; -EBUSY, -ETIMEDOUT, -ECANCELED (nobody
	 * wants to know) as any agent's: it was not looked at. */
};

/* NULL with errno set. */
struct verifiers *verifiers_start(void);
/* Waits for no answer; nothing comes back any more. */
void verifiers_stop(struct verifiers *verifiers);
void verifier_ask(struct verifiers *verifiers, struct asker *asker, struct verifier_question *question, bool known);

#endif
