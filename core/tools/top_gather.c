/*
 * core/tools/top_gather.c - see top_gather.h.
 */
#include "core/tools/top_gather.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { ANSWER_S = 10 };

static double seconds(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

void top_gathered_free(struct top_gathered *gathered)
{
	json_decref(gathered->status);
	json_decref(gathered->stats);
	json_decref(gathered->devices);
	json_decref(gathered->errors);
	memset(gathered, 0, sizeof(*gathered));
}

static void list_path(struct ask_path *path, const char *what, const char *sort, const char *match, size_t limit)
{
	char text[24];

	ask_path_begin(path, what);
	snprintf(text, sizeof(text), "%zu", limit);
	ask_path_value(path, "sort", sort);
	ask_path_value(path, "limit", text);
	ask_path_value(path, "match", match[0] ? match : NULL);
}

/* Which socket it is who sits there knows, and a row is short. */
static void without_path(const struct ask *ask, char problem[256])
{
	size_t length = strlen(ask->path);

	if (length > 0 && strncmp(problem, ask->path, length) == 0 && strncmp(problem + length, ": ", 2) == 0)
		memmove(problem, problem + length + 2, strlen(problem + length + 2) + 1);
}

void top_gather(const struct ask *ask, const struct top_question *question, struct top_gathered *out)
{
	struct ask_path stats, devices;
	struct ask quiet = *ask;

	memset(out, 0, sizeof(*out));
	quiet.problem = out->problem;
	quiet.problem_size = sizeof(out->problem);
	quiet.answer_s = ANSWER_S;
	list_path(&stats, "/v1/stats", question->sort, question->match, question->destinations);
	list_path(&devices, "/v1/devices", "state", question->match, question->devices);
	out->exit_status = ask_get(&quiet, "/v1/status", &out->status);
	if (out->exit_status == 0)
		out->exit_status = ask_get(&quiet, stats.text, &out->stats);
	out->at = seconds(CLOCK_MONOTONIC);
	if (out->exit_status == 0)
		out->exit_status = ask_get(&quiet, devices.text, &out->devices);
	if (out->exit_status == 0)
		out->exit_status = ask_get(&quiet, "/v1/errors", &out->errors);
	/* One that runs since before an upgrade of the package. */
	if (out->exit_status == ASK_NOT || out->exit_status == ASK_USAGE)
		snprintf(out->problem, sizeof(out->problem),
			 "the process that runs is of an older version: restart it, for `top` to know what to ask");
	without_path(ask, out->problem);
	out->wall_s = (int64_t)seconds(CLOCK_REALTIME);
}

bool top_gathered_take(struct top_gathered *gathered, struct top_model *model)
{
	const struct top_answers answers = {gathered->status, gathered->stats, gathered->devices, gathered->errors};

	if (gathered->exit_status == 0)
		return top_model_take(model, &answers, gathered->at, gathered->wall_s);
	top_model_lost(model, gathered->problem);
	return true;
}

/* ---- the thread ------------------------------------------------------------------------------------------------- */

struct top_gatherer {
	struct ask ask;
	double interval_s;
	pthread_t thread;
	pthread_mutex_t lock; /* of what follows */
	pthread_cond_t wake;
	struct top_question question;
	struct top_gathered newest;
	bool has, now, asking, stopping;
};

/* Until it is time for another answer. Under the lock. */
static void pause_until(struct top_gatherer *g, double until)
{
	struct timespec at = {.tv_sec = (time_t)until, .tv_nsec = (long)((until - (double)(time_t)until) * 1e9)};
	int r = 0;

	while (!g->stopping && !g->now && r == 0)
		r = pthread_cond_timedwait(&g->wake, &g->lock, &at);
	g->now = false;
}

static void *run(void *context)
{
	struct top_gatherer *g = context;

	pthread_mutex_lock(&g->lock);
	while (!g->stopping) {
		double began = seconds(CLOCK_MONOTONIC), next;
		struct top_question question = g->question;
		struct top_gathered out;

		g->asking = true;
		pthread_mutex_unlock(&g->lock);
		top_gather(&g->ask, &question, &out);
		pthread_mutex_lock(&g->lock);
		g->asking = false;
		if (g->has)
			top_gathered_free(&g->newest);
		g->newest = out;
		g->has = true;
		/* A relay that takes long is left alone for as long. */
		next = seconds(CLOCK_MONOTONIC);
		next += next - began > g->interval_s ? next - began : g->interval_s - (next - began);
		pause_until(g, next);
	}
	pthread_mutex_unlock(&g->lock);
	return NULL;
}

static void free_gatherer(struct top_gatherer *g)
{
	if (g->has)
		top_gathered_free(&g->newest);
	pthread_cond_destroy(&g->wake);
	pthread_mutex_destroy(&g->lock);
	free(g);
}

/* Signals are the terminal's thread's. */
static int launch(struct top_gatherer *g)
{
	sigset_t all, before;
	int r;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	r = pthread_create(&g->thread, NULL, run, g);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return r;
}

struct top_gatherer *top_gatherer_start(const struct ask *ask, double interval_s, const struct top_question *question)
{
	struct top_gatherer *g = calloc(1, sizeof(*g));
	pthread_condattr_t monotonic;

	if (!g)
		return NULL;
	g->ask = *ask;
	g->interval_s = interval_s;
	g->question = *question;
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_mutex_init(&g->lock, NULL);
	pthread_cond_init(&g->wake, &monotonic);
	pthread_condattr_destroy(&monotonic);
	if (launch(g) == 0)
		return g;
	free_gatherer(g);
	return NULL;
}

void top_gatherer_ask(struct top_gatherer *g, const struct top_question *question, bool now)
{
	pthread_mutex_lock(&g->lock);
	g->question = *question;
	g->now |= now;
	pthread_cond_signal(&g->wake);
	pthread_mutex_unlock(&g->lock);
}

bool top_gatherer_take(struct top_gatherer *g, struct top_gathered *out)
{
	bool has;

	pthread_mutex_lock(&g->lock);
	has = g->has;
	if (has)
		*out = g->newest;
	g->has = false;
	pthread_mutex_unlock(&g->lock);
	return has;
}

void top_gatherer_stop(struct top_gatherer *g)
{
	bool asking;

	pthread_mutex_lock(&g->lock);
	g->stopping = true;
	asking = g->asking;
	pthread_cond_signal(&g->wake);
	pthread_mutex_unlock(&g->lock);
	if (asking)
		return;
	pthread_join(g->thread, NULL);
	free_gatherer(g);
}
