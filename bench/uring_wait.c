/*
 * uring_wait.c - a wait in the ring that valgrind can see: loaded before liburing (LD_PRELOAD), it takes the place of
 * the one call in which a shard waits. Valgrind lets no other thread run while one is in io_uring_enter(), so beside a
 * shard that has nothing to do all else would stand still. For bench/watched.
 */
#include <errno.h>
#include <liburing.h>
#include <stdint.h>
#include <time.h>

enum { PAUSE_NS = 200000 };

static int64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

int io_uring_submit_and_wait_timeout(struct io_uring *ring, struct io_uring_cqe **cqe, unsigned wait_nr,
				     struct __kernel_timespec *ts, sigset_t *sigmask)
{
	int64_t until = ts ? now_ns() + (int64_t)ts->tv_sec * 1000000000 + (int64_t)ts->tv_nsec : INT64_MAX;
	int r = io_uring_submit_and_get_events(ring);

	(void)wait_nr;
	(void)sigmask;
	*cqe = NULL;
	while (r >= 0 && io_uring_cq_ready(ring) == 0) {
		if (now_ns() >= until)
			return -ETIME;
		(void)nanosleep(&(struct timespec){.tv_nsec = PAUSE_NS}, NULL);
		(void)io_uring_get_events(ring);
	}
	return r;
}
