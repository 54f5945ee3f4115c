/*
 * core/tools/ask_reload.c - see ask_reload.h.
 */
#include "core/tools/ask_reload.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/running.h"
#include "core/config/config.h"
#include "core/tools/ask.h"
#include "core/tools/table.h"
#include "core/tools/usage.h"
#include "core/tools/written.h"

enum { EXIT_USAGE = 64, EXIT_IO = 74, EXIT_CONFIG = 78, RELOAD_ANSWER_S = 60 };

static int reload_problem(const char *path, const char *why)
{
	fprintf(stderr, "postrider: %s: %s\n", path, why);
	return EXIT_IO;
}

/* As /v1/reload has it. `refusal`: NULL: it was taken. */
static int answered(const char *refusal, bool json)
{
	if (json)
		written_json(stdout, json_pack("{sb so}", "taken", !refusal, "problem",
					       refusal ? written_text(span_text(refusal)) : json_null()));
	if (refusal && !json) {
		table_safe(stderr, refusal);
		fputc('\n', stderr);
	}
	return refusal ? EXIT_CONFIG : 0;
}

/* The process is found by the spool that it has locked, and says there what became of it (running.h). */
static int reload_of(const struct config *config, bool json)
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
		if (r == 0 && running_answered(&before, &after))
			return answered(after.refusal[0] ? after.refusal : NULL, json);
		(void)usleep(10000);
	}
	return reload_problem(path, "no answer: look at its events");
}

static int reload_by(const char *socket, bool json)
{
	struct ask ask = {.command = "reload", .socket = socket};
	json_t *answer = NULL, *body = json_object();
	int status = ask_open(&ask);

	if (status == 0)
		status = ask_send(&ask, "POST", "/v1/reload", body, &answer);
	if (status == 0)
		status = answered(json_is_true(json_object_get(answer, "taken")) ? NULL : ask_text(answer, "problem"),
				  json);
	json_decref(answer);
	json_decref(body);
	return status;
}

int reload_command(int argc, char **argv)
{
	static const struct option options[] = {{"config", required_argument, NULL, 'c'},
						{"socket", required_argument, NULL, 's'},
						{"json", no_argument, NULL, 'j'},
						{"help", no_argument, NULL, 'h'},
						{NULL, 0, NULL, 0}};
	static struct config_problems problems;
	const char *file = NULL, *socket = NULL;
	struct config *config;
	bool json = false;
	int option, status;

	optind = 1;
	while ((option = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
		if (option == 'c')
			file = optarg;
		else if (option == 's')
			socket = optarg;
		else if (option == 'j')
			json = true;
		else
			return option == 'h' ? usage(stdout, 0) : usage(stderr, EXIT_USAGE);
	}
	if (optind != argc || (file && socket))
		return usage(stderr, EXIT_USAGE);
	if (!file)
		return reload_by(socket, json);
	/* What systemd hands to the service (LoadCredential=) its other commands are told of, and may not look at. */
	(void)unsetenv("CREDENTIALS_DIRECTORY");
	config = config_load(file, &problems);
	config_problems_print(&problems);
	if (!config)
		return json ? answered(config_problems_first(&problems), json) : EXIT_CONFIG;
	status = reload_of(config, json);
	config_free(config);
	return status;
}
