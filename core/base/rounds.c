/*
 * core/base/rounds.c - see rounds.h.
 */
#include "core/base/rounds.h"

#include <time.h>

#include "core/base/clock.h"

enum { WRITE_LEAST_S = 10, WRITE_MOST_S = 60, WRITE_SHARE = 50 };

bool rounds_start(struct rounds *rounds, void *(*run)(void *context), void *context)
{
	pthread_condattr_t attributes;
	bool ok;

	rounds->stopping = false;
	if (pthread_mutex_init(&rounds->lock, NULL) != 0)
		return false;
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	ok = pthread_cond_init(&rounds->stop, &attributes) == 0;
	pthread_condattr_destroy(&attributes);
	if (ok && pthread_create(&rounds->thread, NULL, run, context) == 0)
		return true;
	if (ok)
		pthread_cond_destroy(&rounds->stop);
	pthread_mutex_destroy(&rounds->lock);
	return false;
}

void rounds_stop(struct rounds *rounds)
{
	pthread_mutex_lock(&rounds->lock);
	rounds->stopping = true;
	pthread_cond_signal(&rounds->stop);
	pthread_mutex_unlock(&rounds->lock);
	pthread_join(rounds->thread, NULL);
	pthread_cond_destroy(&rounds->stop);
	pthread_mutex_destroy(&rounds->lock);
}

bool rounds_sleep(struct rounds *rounds, uint64_t wait_ns)
{
	uint64_t until_ns = clock_monotonic_ns() + wait_ns;
	struct timespec until = {.tv_sec = (time_t)(until_ns / CLOCK_NS_PER_S),
				 .tv_nsec = (long)(until_ns % CLOCK_NS_PER_S)};

	while (!rounds->stopping && pthread_cond_timedwait(&rounds->stop, &rounds->lock, &until) == 0)
		;
	return rounds->stopping;
}

uint64_t rounds_next_write_ns(uint64_t began_ns, uint64_t ended_ns)
{
	uint64_t pause_ns = (ended_ns - began_ns) * WRITE_SHARE;

	if (pause_ns < WRITE_LEAST_S * CLOCK_NS_PER_S)
		pause_ns = WRITE_LEAST_S * CLOCK_NS_PER_S;
	return ended_ns + (pause_ns < WRITE_MOST_S * CLOCK_NS_PER_S ? pause_ns : WRITE_MOST_S * CLOCK_NS_PER_S);
}
