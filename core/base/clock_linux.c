/*
 * core/base/clock_linux.c - time from the kernel (through the vDSO, no system call but for the thread's).
 *
 * Both clocks always exist on Linux; a failure would be a wrong clock id and so our bug.
 */
#include "core/base/clock.h"

#include <assert.h>
#include <time.h>

static uint64_t clock_read_ns(clockid_t id)
{
	struct timespec now;
	int result = clock_gettime(id, &now);

	assert(result == 0);
	/* A machine whose wall clock is before 1970 is at its beginning for us. */
	if (now.tv_sec < 0)
		return 0;
	return (uint64_t)now.tv_sec * CLOCK_NS_PER_S + (uint64_t)now.tv_nsec;
}

uint64_t clock_monotonic_ns(void)
{
	return clock_read_ns(CLOCK_MONOTONIC);
}

uint64_t clock_wall_ns(void)
{
	return clock_read_ns(CLOCK_REALTIME);
}

uint64_t clock_thread_ns(void)
{
	return clock_read_ns(CLOCK_THREAD_CPUTIME_ID);
}
