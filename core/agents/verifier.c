/*
 * core/agents/verifier.c - see verifier.h.
 */
#include "core/agents/verifier.h"

#include <errno.h>
#include <stdlib.h>

#include "core/agents/agent_thread.h"
#include "core/agents/password.h"
#include "core/base/clock.h"
#include "core/base/list.h"

enum { IDLE_S = 3600 };

struct verifier {
	struct agent_thread thread;
	struct password_desk *desk;
};

struct verifiers {
	struct verifier strangers, known;
};

static int answer(struct verifier *verifier, const struct verifier_question *question)
{
	if (question_given_up(&question->question))
		return -ECANCELED;
	if (clock_monotonic_ns() >= question->question.deadline_ns)
		return -ETIMEDOUT;
	return password_matches(verifier->desk, question->password, question->hash) ? 0 : -EACCES;
}

static void run(struct agent_thread *thread)
{
	struct verifier *verifier = container_of(thread, struct verifier, thread);
	struct question *question, *next;

	while (!agent_thread_stopping(thread)) {
		for (question = agent_take(&thread->agent); question && !agent_thread_stopping(thread);
		     question = next) {
			next = question->next;
			agent_answer(&thread->agent, question,
				     answer(verifier, container_of(question, struct verifier_question, question)));
		}
		if (!agent_thread_stopping(thread))
			(void)agent_thread_wait(thread, -1, IDLE_S * CLOCK_NS_PER_S);
	}
}

static int start(struct verifier *verifier, const char *name, unsigned most)
{
	int r;

	verifier->desk = password_desk_new();
	if (!verifier->desk)
		return -errno;
	r = agent_thread_start(&verifier->thread, name, most, run);
	if (r < 0)
		password_desk_free(verifier->desk);
	return r;
}

static void stop(struct verifier *verifier)
{
	agent_thread_stop(&verifier->thread);
	password_desk_free(verifier->desk);
}

struct verifiers *verifiers_start(void)
{
	struct verifiers *verifiers = calloc(1, sizeof(*verifiers));
	int r = verifiers ? start(&verifiers->strangers, "verify", VERIFIER_STRANGERS_MAX) : -ENOMEM;

	if (r == 0) {
		r = start(&verifiers->known, "verify-known", VERIFIER_KNOWN_MAX);
		if (r == 0)
			return verifiers;
		stop(&verifiers->strangers);
	}
	free(verifiers);
	errno = -r;
	return NULL;
}

void verifiers_stop(struct verifiers *verifiers)
{
	if (!verifiers)
		return;
	stop(&verifiers->strangers);
	stop(&verifiers->known);
	free(verifiers);
}

void verifier_ask(struct verifiers *verifiers, struct asker *asker, struct verifier_question *question, bool known)
{
	agent_ask(known ? &verifiers->known.thread.agent : &verifiers->strangers.thread.agent, asker,
		  &question->question);
}
