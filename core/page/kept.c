/*
 * core/page/kept.c - see kept.h.
 */
#include "core/page/kept.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>

#include "core/base/clock.h"
#include "core/control/desk.h"
#include "core/control/within.h"

struct kept {
	struct desk *desk;
	struct kept_settings settings;
	pthread_t thread;
	pthread_mutex_t lock; /* of all below */
	pthread_cond_t change;
	json_t *answer;
	uint64_t answer_ns; /* when it came */
	uint64_t asked_ns;  /* when the last question ended, whatever its answer */
	uint64_t looked_ns;
	bool wanted, stopping;
};

static struct timespec at(uint64_t monotonic_ns)
{
	return (struct timespec){.tv_sec = (time_t)(monotonic_ns / CLOCK_NS_PER_S),
				 .tv_nsec = (long)(monotonic_ns % CLOCK_NS_PER_S)};
}

/* Between two questions; UINT64_MAX: there is no other. With the lock. */
static uint64_t rest(const struct kept *kept, uint64_t now_ns)
{
	const struct kept_settings *s = &kept->settings;
	bool looked = kept->looked_ns && now_ns - kept->looked_ns < KEPT_LOOKED_S * CLOCK_NS_PER_S;

	if (kept->wanted)
		return 0;
	if (looked)
		return s->busy_ns;
	return s->idle_ns ? s->idle_ns : UINT64_MAX;
}

/* Until it is to be asked for. False: it stops. With the lock. */
static bool sleep_until_wanted(struct kept *kept, uint64_t pause_ns)
{
	while (!kept->stopping) {
		uint64_t now_ns = clock_monotonic_ns(), rest_ns = rest(kept, now_ns), next_ns;
		struct timespec until;
		if (rest_ns == UINT64_MAX) {
			pthread_cond_wait(&kept->change, &kept->lock);
			continue;
		}
		next_ns = kept->asked_ns + (pause_ns > rest_ns ? pause_ns : rest_ns);
		if (next_ns <= now_ns)
			return true;
		until = at(next_ns);
		(void)pthread_cond_clockwait(&kept->change, &kept->lock, CLOCK_MONOTONIC, &until);
	}
	return false;
}

static void take(struct kept *kept, json_t *answer, unsigned status, uint64_t now_ns)
{
	if (answer && status == ANSWER_OK) {
		if (kept->settings.taken)
			kept->settings.taken(kept->settings.context, answer, now_ns);
		json_decref(kept->answer);
		kept->answer = json_incref(answer);
		kept->answer_ns = now_ns;
	}
	kept->asked_ns = now_ns;
	kept->wanted = false;
	pthread_cond_broadcast(&kept->change);
}

static void *run(void *context)
{
	struct kept *kept = context;
	const struct control_request asker = {.desk = kept->desk, .role = CONTROL_VIEW};
	uint64_t pause_ns = 0;

	pthread_mutex_lock(&kept->lock);
	while (sleep_until_wanted(kept, pause_ns)) {
		uint64_t began_ns = clock_monotonic_ns(), now_ns;
		unsigned status;
		json_t *answer;
		pthread_mutex_unlock(&kept->lock);
		answer = within_ask(&asker, "GET", kept->settings.path, kept->settings.values, NULL, &status);
		now_ns = clock_monotonic_ns();
		pthread_mutex_lock(&kept->lock);
		pause_ns = KEPT_PAUSE * (now_ns - began_ns);
		take(kept, answer, status, now_ns);
		json_decref(answer);
	}
	pthread_mutex_unlock(&kept->lock);
	return NULL;
}

struct kept *kept_start(struct desk *desk, const struct kept_settings *settings)
{
	struct kept *kept = calloc(1, sizeof(*kept));

	if (!kept)
		return NULL;
	kept->desk = desk;
	kept->settings = *settings;
	pthread_mutex_init(&kept->lock, NULL);
	pthread_cond_init(&kept->change, NULL);
	if (pthread_create(&kept->thread, NULL, run, kept) == 0)
		return kept;
	pthread_cond_destroy(&kept->change);
	pthread_mutex_destroy(&kept->lock);
	free(kept);
	return NULL;
}

void kept_stop(struct kept *kept)
{
	if (!kept)
		return;
	pthread_mutex_lock(&kept->lock);
	kept->stopping = true;
	pthread_cond_broadcast(&kept->change);
	pthread_mutex_unlock(&kept->lock);
	pthread_join(kept->thread, NULL);
	json_decref(kept->answer);
	pthread_cond_destroy(&kept->change);
	pthread_mutex_destroy(&kept->lock);
	free(kept);
}

void kept_look(struct kept *kept)
{
	pthread_mutex_lock(&kept->lock);
	kept->looked_ns = clock_monotonic_ns();
	pthread_cond_broadcast(&kept->change);
	pthread_mutex_unlock(&kept->lock);
}

/* There is none that came within so long. With the lock: an answer is never from after now. */
static bool older(const struct kept *kept, uint64_t than_ns)
{
	return !kept->answer || clock_monotonic_ns() - kept->answer_ns > than_ns;
}

json_t *kept_get(struct kept *kept, uint64_t fresh_ns, uint64_t *age_ns)
{
	uint64_t now_ns = clock_monotonic_ns();
	struct timespec until = at(now_ns + KEPT_WAIT_MS * CLOCK_NS_PER_MS);
	json_t *answer;

	pthread_mutex_lock(&kept->lock);
	kept->looked_ns = now_ns;
	if (older(kept, fresh_ns)) {
		kept->wanted = true;
		pthread_cond_broadcast(&kept->change);
		while (older(kept, KEPT_STALE * fresh_ns) && kept->wanted && !kept->stopping &&
		       pthread_cond_clockwait(&kept->change, &kept->lock, CLOCK_MONOTONIC, &until) == 0)
			;
	}
	answer = json_incref(kept->answer);
	*age_ns = answer ? clock_monotonic_ns() - kept->answer_ns : 0;
	pthread_mutex_unlock(&kept->lock);
	return answer;
}
