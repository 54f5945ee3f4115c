/*
 * core/base/rounds.c - see rounds.h.
 */
#include "core/base/rounds.h"

#include <time.h>

#include "core/base/clock.h"

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
