/*
 * core/tools/doctor_bundle.c - see doctor_bundle.h.
 */
#include "core/tools/doctor_bundle.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/agents/bundle.h"
#include "core/base/durable.h"
#include "core/tools/ask.h"
#include "core/tools/table.h"

enum { STATUS_UNAVAILABLE = 69, STATUS_FILE = 73, PROBLEM_SIZE = 1000 };

/* ---- what the process says -------------------------------------------------------------------------------------- */

static bool keep(void *context, const char *data, size_t length)
{
	return fwrite(data, 1, length, context) == length;
}

static void add_octets(struct bundle *bundle, const struct ask *ask, const char *name, const char *path)
{
	char *text = NULL;
	size_t length = 0;
	FILE *out = open_memstream(&text, &length);
	int status = out ? ask_octets(ask, path, keep, out) : -1;

	if (out && fclose(out) != 0)
		status = -1;
	bundle_add(bundle, name, status == 0 ? text : NULL, length);
	free(text);
}

static void add_part(struct bundle *bundle, const struct ask *ask, const struct bundle_part *part)
{
	json_t *answer = NULL;
	char *text = ask_get(ask, part->path, &answer) == 0 ? json_dumps(answer, JSON_INDENT(1)) : NULL;

	bundle_add(bundle, part->name, text, text ? strlen(text) : 0);
	free(text);
	json_decref(answer);
}

/* Where none runs, or it does not answer, that is what is known of it. */
static void add_process(struct bundle *bundle, const char *config)
{
	char problem[PROBLEM_SIZE] = "";
	struct ask ask = {.command = "doctor", .config = config, .problem = problem, .problem_size = sizeof(problem)};

	if (ask_open(&ask) != 0) {
		bundle_add(bundle, "process.txt", problem, strlen(problem));
		return;
	}
	for (const struct bundle_part *part = bundle_parts; part->path; part++)
		add_part(bundle, &ask, part);
	add_octets(bundle, &ask, "metrics.txt", "/metrics");
	add_octets(bundle, &ask, "events.jsonl", "/v1/events");
	if (problem[0])
		bundle_add(bundle, "process.txt", problem, strlen(problem));
}

/* ---- the file --------------------------------------------------------------------------------------------------- */

static int write_file(const char *file, const char *octets, size_t length)
{
	int fd = open(file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	int r = fd < 0 ? -errno : durable_write(fd, octets, length, 0);

	if (fd >= 0 && close(fd) < 0 && r == 0)
		r = -errno;
	/* Half of one is of no use. */
	if (fd >= 0 && r < 0)
		(void)unlink(file);
	return r;
}

int doctor_bundle(const char *file, const char *config, const char *found, size_t length)
{
	struct bundle *bundle = bundle_new();
	char *packed = NULL;
	size_t octets = 0;
	int r;

	if (bundle) {
		bundle_begin(bundle, config);
		bundle_add(bundle, "doctor.json", found, length);
		add_process(bundle, config);
		packed = bundle_end(bundle, &octets);
	}
	bundle_free(bundle);
	r = packed ? write_file(file, packed, octets) : -ENOMEM;
	free(packed);
	if (r < 0) {
		table_say("postrider: doctor: %s: %s", file, strerror(-r));
		return r == -ENOMEM ? STATUS_UNAVAILABLE : STATUS_FILE;
	}
	table_say("postrider: doctor: %s has %zu octets, and no secrets: look through it before you send it", file,
		  octets);
	return 0;
}
