/*
 * core/relay/confinement.c - see confinement.h.
 */
#include "core/relay/confinement.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/ring.h"
#include "core/config/config.h"
#include "core/confine/beside.h"
#include "core/confine/calls.h"
#include "core/confine/identity.h"
#include "core/confine/paths.h"
#include "core/events/confining.h"
#include "core/relay/logs.h"

static enum calls_state calls;
static enum paths_state paths;

/* What a search of the trace cannot sort in memory goes to where the trace is: /var/tmp is no longer ours. */
static void sort_beside_trace(const struct config *config)
{
	char directory[PATH_MAX];
	const char *slash = config->trace.file ? strrchr(config->trace.file, '/') : NULL;

	if (!slash || slash == config->trace.file || config->trace.detail == CONFIG_TRACE_OFF)
		return;
	snprintf(directory, sizeof(directory), "%.*s", (int)(slash - config->trace.file), config->trace.file);
	(void)setenv("SQLITE_TMPDIR", directory, 1);
}

int confinement_begin(const struct config *config, struct logs *logs, char *problem, size_t size)
{
	struct ring_problem ring;
	int told, r = identity_take(config, problem, size);

	if (r < 0)
		return r;
	r = beside_begin(config);
	if (r < 0) {
		snprintf(problem, size, "the process beside the relay cannot be started: %s", strerror(-r));
		return r;
	}
	paths_make(config);
	logs_keep(logs, config);
	paths = paths_hold(config);
	if (paths == PATHS_HELD)
		sort_beside_trace(config);
	calls = calls_hold(config->hardening.seccomp, beside_is_there(), &told);
	beside_watch(told);
	/* As who we are now, and by the calls that are left. */
	r = ring_probe(&ring);
	if (r < 0)
		snprintf(problem, size, "%s", ring.text);
	return r;
}

struct event_confined confinement_facts(bool ring)
{
	static const char *const of_paths[] = {[PATHS_OFF] = "off", [PATHS_LACKING] = "lacking", [PATHS_HELD] = "on"};
	static const char *const of_calls[] = {[CALLS_OFF] = "off", [CALLS_LACKING] = "lacking", [CALLS_HELD] = "on"};

	return (struct event_confined){
		.seccomp = of_calls[calls], .landlock = of_paths[paths], .ring = ring, .user = (uint32_t)geteuid()};
}

void confinement_tell(struct log *log, bool ring)
{
	struct event_confined facts = confinement_facts(ring);

	const struct paths_missing *missing;
	size_t count;

	event_confined(log, &facts);
	missing = paths_missing(&count);
	for (size_t i = 0; i < count; i++)
		event_directory_missing(log, missing[i].directory, missing[i].error, paths == PATHS_HELD);
	if (identity_is_root())
		event_runs_as_root(log);
}

void confinement_sweep(struct log *log)
{
	static bool ended, silent;
	struct beside_refusal refusal;
	char name[64];

	while (beside_refused(&refusal)) {
		struct event_call_refused facts = {.call = name,
						   .number = (uint64_t)refusal.number,
						   .thread = (uint64_t)refusal.thread,
						   .first = refusal.arguments[0],
						   .second = refusal.arguments[1],
						   .third = refusal.arguments[2]};
		calls_name(refusal.number, name, sizeof(name));
		event_call_refused(log, &facts);
	}
	if (silent != beside_is_silent()) {
		silent = !silent;
		if (silent)
			event_beside_silent(log, beside_number());
		else
			event_beside_answers(log);
	}
	if (!ended && beside_has_ended()) {
		ended = true;
		event_beside_ended(log);
	}
}

const char *confinement_refuses(const struct config *next)
{
	static char text[5000];
	const char *what = beside_lacks(next);

	if (what) {
		snprintf(text, sizeof(text),
			 "oauth.command: %s was not in the configuration that this process was started with, and it "
			 "starts no other programs: restart it",
			 what);
		return text;
	}
	what = paths_not_writable(next);
	if (what) {
		snprintf(text, sizeof(text),
			 "%s cannot be written by this process, which has given up all but the directories of its "
			 "start (Landlock): restart it",
			 what);
		return text;
	}
	return NULL;
}
