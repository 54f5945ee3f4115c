/*
 * core/agents/agent_thread.c - see agent_thread.h.
 */
#include "core/agents/agent_thread.h"

#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/ring.h"

bool agent_thread_wait(struct agent_thread *thread, int fd, uint64_t wait_ns)
{
	struct pollfd fds[2] = {{.fd = thread->bell, .events = POLLIN}, {.fd = fd, .events = POLLIN}};
	struct timespec wait = {.tv_sec = (time_t)(wait_ns / CLOCK_NS_PER_S),
				.tv_nsec = (long)(wait_ns % CLOCK_NS_PER_S)};
	uint64_t rung;

	if (ppoll(fds, fd >= 0 ? 2 : 1, &wait, NULL) <= 0)
		return false;
	if (fds[0].revents && read(thread->bell, &rung, sizeof(rung)) < 0 && errno != EAGAIN)
		return false;
	return fd >= 0 && fds[1].revents != 0;
}

static void *run(void *context)
{
	struct ring_config config = {.entries = 8, .completions = 16};
	struct agent_thread *thread = context;
	struct ring_problem problem;

	(void)prctl(PR_SET_NAME, thread->name);
	thread->result = ring_open(&thread->ring, &config, &problem);
	sem_post(&thread->started);
	if (thread->result < 0)
		return NULL;
	thread->run(thread);
	ring_close(thread->ring);
	return NULL;
}

int agent_thread_start(struct agent_thread *thread, const char *name, unsigned most,
		       void (*fn)(struct agent_thread *thread))
{
	int r;

	agent_init(&thread->agent, most);
	thread->asker_bell = (struct ring_op){.fn = NULL};
	atomic_init(&thread->stopping, false);
	thread->name = name;
	thread->run = fn;
	thread->bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (thread->bell < 0)
		return -errno;
	sem_init(&thread->started, 0, 0);
	r = -pthread_create(&thread->thread, NULL, run, thread);
	if (r == 0) {
		while (sem_wait(&thread->started) < 0)
			;
		r = thread->result;
		if (r < 0)
			(void)pthread_join(thread->thread, NULL);
	}
	sem_destroy(&thread->started);
	if (r < 0)
		close(thread->bell);
	return r;
}

void agent_thread_stop(struct agent_thread *thread)
{
	atomic_store_explicit(&thread->stopping, true, memory_order_release);
	agent_bell(&thread->agent);
	(void)pthread_join(thread->thread, NULL);
	close(thread->bell);
}
