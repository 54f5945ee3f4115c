/*
 * core/control/checkup.c - see checkup.h; and GET and POST /v1/doctor.
 */
#include "core/control/checkup.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "core/agents/program.h"
#include "core/base/clock.h"
#include "core/control/handlers.h"
#include "core/relay/relay.h"

struct checkup {
	struct desk *desk;
	pthread_mutex_t lock; /* of all below */
	pthread_t thread;
	bool started; /* there is one to join */
	bool runs;
	uint64_t began_ns; /* wall clock; of the one that runs, or ran last */
	json_t *last;      /* what the last one found; NULL: none has ended */
};

static bool stops(void *desk)
{
	return desk_stops(desk);
}

/* ---- what it says ----------------------------------------------------------------------------------------------- */

/* A line for each target; one that was begun when it was ended is no JSON, and left out. */
static json_t *targets_of(const char *text)
{
	json_t *list = json_array();

	while (*text) {
		size_t length = strcspn(text, "\n");
		json_t *one = json_loadb(text, length, JSON_REJECT_DUPLICATES, NULL);
		if (json_is_object(one))
			json_array_append_new(list, one);
		else
			json_decref(one);
		text += length + (text[length] == '\n');
	}
	return list;
}

static void say_problem(const struct program_run *run, char *out, size_t size)
{
	size_t length = strlen(run->error);

	out[0] = '\0';
	while (length > 0 && run->error[length - 1] == '\n')
		length--;
	if (run->late)
		snprintf(out, size, "it was ended after %d s: what comes behind was not looked at", CHECKUP_S);
	else if (run->too_much)
		snprintf(out, size, "it said more than %d octets, and was ended", CHECKUP_OCTETS_MAX);
	else if (WIFSIGNALED(run->status))
		snprintf(out, size, "it was ended by signal %d", WTERMSIG(run->status));
	else if (WEXITSTATUS(run->status) > 1)
		snprintf(out, size, "%.*s", (int)length, length ? run->error : "");
	if (!run->late && !WIFSIGNALED(run->status) && WEXITSTATUS(run->status) > 1 && !out[0])
		snprintf(out, size, "it ended with status %d", WEXITSTATUS(run->status));
}

static json_t *result_of(int r, const struct program_run *run, uint64_t began_ns)
{
	bool ended = r == 0 && !run->late && !run->too_much && WIFEXITED(run->status);
	char problem[sizeof(run->error) + 100];

	if (r < 0)
		snprintf(problem, sizeof(problem), "it cannot be started: %s", program_why_not(r));
	else
		say_problem(run, problem, sizeof(problem));
	return json_pack("{so so sb so so}", "began", request_time(began_ns), "ended", request_time(clock_wall_ns()),
			 "ok", (int)(ended && WEXITSTATUS(run->status) == 0), "problem",
			 problem[0] ? request_text(span_text(problem)) : json_null(), "targets",
			 r == 0 ? targets_of(run->output) : json_array());
}

/* ---- its thread ------------------------------------------------------------------------------------------------- */

static void *run(void *context)
{
	struct checkup *checkup = context;
	struct program_run program;
	json_t *result, *old;
	int r;

	r = program_run_doctor(&program, checkup->desk->relay->config,
			       clock_monotonic_ns() + CHECKUP_S * CLOCK_NS_PER_S, CHECKUP_OCTETS_MAX, stops,
			       checkup->desk);
	result = result_of(r, &program, checkup->began_ns);
	if (r == 0)
		program_run_free(&program);
	pthread_mutex_lock(&checkup->lock);
	old = checkup->last;
	checkup->last = result;
	checkup->runs = false;
	pthread_mutex_unlock(&checkup->lock);
	json_decref(old);
	return NULL;
}

struct checkup *checkup_new(struct desk *desk)
{
	struct checkup *checkup = calloc(1, sizeof(*checkup));

	if (!checkup)
		return NULL;
	checkup->desk = desk;
	pthread_mutex_init(&checkup->lock, NULL);
	return checkup;
}

void checkup_free(struct checkup *checkup)
{
	if (!checkup)
		return;
	if (checkup->started)
		pthread_join(checkup->thread, NULL);
	json_decref(checkup->last);
	pthread_mutex_destroy(&checkup->lock);
	free(checkup);
}

/* 0; -EBUSY: one runs already; -EAGAIN: no thread can be started. */
static int start(struct checkup *checkup)
{
	int r = 0;

	pthread_mutex_lock(&checkup->lock);
	if (checkup->runs || desk_stops(checkup->desk)) {
		r = -EBUSY;
	} else {
		/* It has said all, and has nothing left to do but to return. */
		if (checkup->started)
			pthread_join(checkup->thread, NULL);
		checkup->began_ns = clock_wall_ns();
		checkup->started = pthread_create(&checkup->thread, NULL, run, checkup) == 0;
		checkup->runs = checkup->started;
		r = checkup->started ? 0 : -EAGAIN;
	}
	pthread_mutex_unlock(&checkup->lock);
	return r;
}

json_t *checkup_json(struct checkup *checkup)
{
	json_t *json;

	pthread_mutex_lock(&checkup->lock);
	json = json_pack("{sb so sO?}", "runs", (int)checkup->runs, "since",
			 checkup->runs ? request_time(checkup->began_ns) : json_null(), "last", checkup->last);
	pthread_mutex_unlock(&checkup->lock);
	return json;
}

/* ---- requests --------------------------------------------------------------------------------------------------- */

void handle_doctor(struct control_request *request)
{
	request_answer(request, ANSWER_OK, checkup_json(request->desk->checkup));
}

void handle_doctor_run(struct control_request *request)
{
	int r = start(request->desk->checkup);

	if (r == -EBUSY)
		request_fail(request, ANSWER_CONFLICT, "it runs already: its end is told by GET /v1/doctor");
	else if (r < 0)
		request_fail(request, ANSWER_UNAVAILABLE, "it cannot be started: %s", strerror(-r));
	else
		request_answer(request, ANSWER_OK, checkup_json(request->desk->checkup));
}
