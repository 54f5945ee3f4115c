/*
 * core/agents/agent.c - see agent.h.
 */
#include "core/agents/agent.h"

#include <assert.h>
#include <errno.h>
#include <stddef.h>

#include "core/base/list.h"

/* All of it, the oldest first. */
static struct question *take(struct stack *stack)
{
	struct stack_link *newest = stack_take(stack);
	struct question *oldest = NULL;

	while (newest) {
		struct question *question = container_of(newest, struct question, link);
		newest = newest->next;
		question->next = oldest;
		oldest = question;
	}
	return oldest;
}

void agent_init(struct agent *agent, unsigned most)
{
	stack_init(&agent->questions);
	atomic_init(&agent->out, 0);
	agent->most = most;
}

void asker_init(struct asker *asker, struct ring *ring)
{
	stack_init(&asker->answers);
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
		stack_push(&asker->answers, &question->link); /* this thread is awake: asker_due() */
		return;
	}
	if (stack_push(&agent->questions, &question->link))
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
	if (stack_push(&asker->answers, &question->link))
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
	return !stack_empty(&asker->answers);
}

void question_give_up(struct question *question)
{
	assert(question_out(question));
	atomic_store_explicit(&question->state, QUESTION_GIVEN_UP, memory_order_relaxed);
}
