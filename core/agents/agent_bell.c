/*
 * core/agents/agent_bell.c - how an agent's thread is woken, and who asked it: the real side of agent.h's seam.
 */
#include <errno.h>
#include <time.h>
#include <unistd.h>

#include "core/agents/agent_thread.h"
#include "core/base/list.h"
#include "core/base/ring.h"

enum { BELL_TRIES = 1000, BELL_WAIT_NS = 1000000 };

void agent_bell(struct agent *agent)
{
	uint64_t one = 1;
	ssize_t n;

	/* Fails only where it rings already. */
	do
		n = write(container_of(agent, struct agent_thread, agent)->bell, &one, sizeof(one));
	while (n < 0 && errno == EINTR);
}

static void on_bell(struct ring_op *op, int result, uint32_t flags)
{
	container_of(op, struct agent_thread, asker_bell)->asker_bell_result = result;
}

/* False: the ring fails, and the kernel may still have the bell. */
static bool bell_is_back(struct agent_thread *thread)
{
	while (thread->asker_bell.in_flight) {
		if (ring_turn(thread->ring, UINT64_MAX) < 0)
			return false;
	}
	return true;
}

void agent_asker_bell(struct agent *agent, struct asker *asker)
{
	struct agent_thread *thread = container_of(agent, struct agent_thread, agent);
	struct timespec pause = {.tv_nsec = BELL_WAIT_NS};

	if (!bell_is_back(thread))
		return;
	thread->asker_bell.fn = on_bell;
	/* A ring that is overwhelmed does not hear it, and would look only when its next timer is due. */
	for (unsigned i = 0; i < BELL_TRIES && !agent_thread_stopping(thread); i++) {
		ring_doorbell(thread->ring, &thread->asker_bell, asker->ring);
		if (!bell_is_back(thread))
			return;
		if (thread->asker_bell_result != -EOVERFLOW && thread->asker_bell_result != -EAGAIN)
			return;
		nanosleep(&pause, NULL);
	}
}
