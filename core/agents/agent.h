/*
 * core/agents/agent.h - how a shard asks somebody who may take his time, and gets the answer in a later turn.
 *
 * An agent is a thread beside the shards for what may wait: names, and later password hashes, tokens, policies. Who
 * asks embeds a `struct question` in what needs the answer, hands it over and goes on:
 *
 *     IDLE -- agent_ask() --> ASKED -- asker_take(): fn() --> IDLE
 *                               | question_give_up()            ^
 *                               v                               |
 *                            GIVEN_UP -- asker_take(): fn() ----+
 *
 * A question comes back exactly once for each time it was asked, on the thread that asked, never from inside
 * agent_ask(): with an answer, with -ETIMEDOUT at its deadline, or at once with -EBUSY where the agent has as many as
 * it takes. Giving up only says that nobody wants to know any more; it comes back so when the agent looks next. Until
 * then the agent owns the question: what embeds it must stay (so: stop, give up, wait until it is back, free). The
 * exception is the end of the process: once an agent has been closed, nothing comes back (agent_thread.h).
 *
 * No lock: questions and answers lie on stacks that one side pushes to and the other takes as a whole. Bells are rung
 * only for the first on a stack. How a bell is rung is the seam: agent_bell.c does it for real, the simulation by
 * itself.
 */
#ifndef POSTRIDER_AGENTS_AGENT_H
#define POSTRIDER_AGENTS_AGENT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/base/stack.h"

struct ring;
struct question;

typedef void question_fn(struct question *question);

enum question_state { QUESTION_IDLE, QUESTION_ASKED, QUESTION_GIVEN_UP };

struct question {
	union {
		struct stack_link link; /* on its way */
		struct question *next;  /* of whoever has it */
	};
	struct asker *asker;
	question_fn *fn;        /* given by who asks, as is the deadline */
	uint64_t deadline_ns;   /* monotonic */
	_Atomic(uint8_t) state; /* changed by the asker only, except that the agent looks whether it was given up */
	int result;             /* when it is back: 0, or a negative errno */
};

/* One for each thread that asks. */
struct asker {
	struct stack answers; /* struct question */
	struct ring *ring;    /* whose doorbell says that there are any */
	unsigned out;         /* asked and not back yet */
};

struct agent {
	struct stack questions; /* struct question */
	_Atomic(unsigned) out;  /* asked and not answered yet, by anybody */
	unsigned most;          /* of them */
};

void agent_init(struct agent *agent, unsigned most);
/* The question is IDLE, its fn and deadline are set. */
void agent_ask(struct agent *agent, struct asker *asker, struct question *question);

void asker_init(struct asker *asker, struct ring *ring);
/* Once a turn: runs fn of all that came back. */
void asker_take(struct asker *asker);
/* Something has come back already, so the next turn must not wait. */
bool asker_due(const struct asker *asker);

/* ASKED. */
void question_give_up(struct question *question);
static inline bool question_out(const struct question *question)
{
	return atomic_load_explicit(&question->state, memory_order_relaxed) != QUESTION_IDLE;
}
static inline bool question_given_up(const struct question *question)
{
	return atomic_load_explicit(&question->state, memory_order_relaxed) == QUESTION_GIVEN_UP;
}

/* On the agent's thread: all that was asked since, the oldest first, linked by `next`; NULL: nothing. */
struct question *agent_take(struct agent *agent);
/* Gives one back, with what its fields say. */
void agent_answer(struct agent *agent, struct question *question, int result);

/* The seam: makes the agent, or who asked, look soon. May be called although nobody sleeps. */
void agent_bell(struct agent *agent);
void agent_asker_bell(struct agent *agent, struct asker *asker);

#endif
