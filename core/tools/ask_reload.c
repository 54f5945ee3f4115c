/*
 * core/tools/ask_reload.c - see ask_reload.h.
 */
#include "core/tools/ask_reload.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/base/running.h"
#include "core/config/config.h"
#include "core/tools/ask.h"
#include "core/tools/table.h"

enum { EXIT_IO = 74, EXIT_CONFIG = 78, RELOAD_ANSWER_S = 60 };

static int reload_problem(const char *path, const char *why)
{
	fprintf(stderr, "postrider: %s: %s\n", path, why);
	return EXIT_IO;
}

/* The process is found by the spool that it has locked, and says there what became of it (running.h). */
int ask_reload(const struct config *config)
{
	struct running before, after;
	char path[4096 + 8];
	unsigned looks;
	int r;

	snprintf(path, sizeof(path), "%.4096s/lock", config->spool.directory);
	r = running_read(path, &before);
	if (r == -ESRCH || r == -ENOENT)
		return reload_problem(path, "no process of postrider has this spool");
	if (r == 0 && kill(before.pid, SIGHUP) < 0)
		r = -errno;
	if (r < 0)
		return reload_problem(path, r == -EBADMSG ? "its process is just starting, try again" : strerror(-r));
	for (looks = 0; looks < RELOAD_ANSWER_S * 100; looks++) {
		r = running_read(path, &after);
		if (r == -ESRCH || (r == 0 && after.pid != before.pid))
			return reload_problem(path, "the process has ended");
		if (r == 0 && running_answered(&before, &after)) {
			if (after.refusal[0])
				fprintf(stderr, "%s\n", after.refusal);
			return after.refusal[0] ? EXIT_CONFIG : 0;
		}
		(void)usleep(10000);
	}
	return reload_problem(path, "no answer: look at its events");
}

int ask_reload_by(const char *socket)
{
	struct ask ask = {.command = "reload", .socket = socket};
	json_t *answer = NULL, *body = json_object();
	int status = ask_open(&ask);

	if (status == 0)
		status = ask_send(&ask, "POST", "/v1/reload", body, &answer);
	if (status == 0 && !json_is_true(json_object_get(answer, "taken"))) {
		table_safe(stderr, ask_text(answer, "problem"));
		fputc('\n', stderr);
		status = EXIT_CONFIG;
	}
	json_decref(answer);
	json_decref(body);
	return status;
}
