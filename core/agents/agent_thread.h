/*
 * core/agents/agent_thread.h - an agent's thread: how it sleeps, is woken, and wakes who asked.
 *
 * The thread polls a descriptor that agent_ask() makes readable, beside those of what it does itself. It has a small
 * ring of its own only to ring doorbells.
 */
#ifndef POSTRIDER_AGENTS_AGENT_THREAD_H
#define POSTRIDER_AGENTS_AGENT_THREAD_H

#include <pthread.h>
#include <semaphore.h>

#include "core/agents/agent.h"
#include "core/base/ring.h"

struct agent_thread {
	struct agent agent;
	pthread_t thread;
	const char *name;
	void (*run)(struct agent_thread *thread); /* until agent_thread_stopping() */
	struct ring *ring;                        /* made and used by the thread alone */
	int bell;                                 /* eventfd */
	struct ring_op asker_bell;                /* of one who asked; the kernel may keep it when a turn fails */
	int asker_bell_result;
	sem_t started; /* then `result` is known */
	int result;
	_Atomic(bool) stopping;
};

/* 0 or -errno. `name`: at most 15 octets; `most` questions at a time. */
int agent_thread_start(struct agent_thread *thread, const char *name, unsigned most,
		       void (*run)(struct agent_thread *thread));
/* Waits for `run` to return. No asker runs any more; what was asked and is not back never comes back. */
void agent_thread_stop(struct agent_thread *thread);

/* For `run`. */
static inline bool agent_thread_stopping(const struct agent_thread *thread)
{
	return atomic_load_explicit(&thread->stopping, memory_order_acquire);
}
/* Sleeps until the bell rings, `fd` (-1: none) can be read, or for so long. True: `fd` can. */
bool agent_thread_wait(struct agent_thread *thread, int fd, uint64_t wait_ns);

#endif
