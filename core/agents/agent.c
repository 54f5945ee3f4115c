/*
 * core/agents/agent.c - see agent.h.
 */
#include "core/agents/agent.h"

#include <assert.h>
#include <errno.h>
#include <stddef.h>

/* Whether it was empty. Release: whoever takes the stack sees what was written into the question. */
static bool push(_Atomic(struct question *) *stack, struct question *question)
{
	struct question *first = atomic_load_explicit(stack, memory_order_relaxed);

	do {
		question->next = first;
	} while (!atomic_compare_exchange_weak_explicit(stack, &first, question, memory_order_release,
							memory_order_relaxed));
	return first == NULL;
}

/* All of it, the oldest first. */
static struct question *take(_Atomic(struct question *) *stack)
{
	struct question *newest = atomic_exchange_explicit(stack, NULL, memory_order_acquire), *oldest = NULL;

	while (newest) {
		struct question *next = newest->next;
		newest->next = oldest;
		oldest = newest;
		newest = next;
	}
	return oldest;
}

void agent_init(struct agent *agent, unsigned most)
{
	atomic_init(&agent->questions, NULL);
	atomic_init(&agent->out, 0);
	agent->most = most;
}

void asker_init(struct asker *asker, struct ring *ring)
{
	atomic_init(&asker->answers, NULL);
	asker->ring = ring;
	asker->out = 0;
}

void agent_ask(struct agent *agent, struct asker *asker, struct question *question)
{
	assert(!question_out(question));
	assert(question->fn);
	question->asker = asker;
	question->result = 0;
	atomic_store_explicit(&question->state, QUESTION_ASKED, memory_order_relaxed);
	asker->out++;
	if (atomic_fetch_add_explicit(&agent->out, 1, memory_order_relaxed) >= agent->most) {
		atomic_fetch_sub_explicit(&agent->out, 1, memory_order_relaxed);
		question->result = -EBUSY;
		push(&asker->answers, question); /* this thread is awake: asker_due() */
		return;
	}
	if (push(&agent->questions, question))
		agent_bell(agent);
}

struct question *agent_take(struct agent *agent)
{
	return take(&agent->questions);
}

void agent_answer(struct agent *agent, struct question *question, int result)
{
	struct asker *asker = question->asker;

	question->result = result;
	/* From here on it may be gone. */
	if (push(&asker->answers, question))
		agent_asker_bell(agent, asker);
	/* Last: where nothing is out an agent may be stopped, and then it rings no more. */
	atomic_fetch_sub_explicit(&agent->out, 1, memory_order_relaxed);
}

void asker_take(struct asker *asker)
{
	struct question *question, *next;

	if (!asker_due(asker))
		return;
	for (question = take(&asker->answers); question; question = next) {
		next = question->next;
		assert(question_out(question) && asker->out > 0);
		asker->out--;
		/* fn learns that it was given up from whoever gave it up; it may ask again. */
		atomic_store_explicit(&question->state, QUESTION_IDLE, memory_order_relaxed);
		question->fn(question);
	}
}

bool asker_due(const struct asker *asker)
{
	return atomic_load_explicit(&asker->answers, memory_order_relaxed) != NULL;
}

void question_give_up(struct question *question)
{
	assert(question_out(question));
	atomic_store_explicit(&question->state, QUESTION_GIVEN_UP, memory_order_relaxed);
}
