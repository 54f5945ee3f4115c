/*
 * core/tools/trace_source.c - see trace_source.h.
 */
#include "core/tools/trace_source.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/config/config.h"
#include "core/tools/table.h"
#include "core/tools/when.h"

static int open_file(const char *command, const char *file, struct search **search)
{
	char problem[TRACE_PROBLEM_SIZE];

	if (search_open(file, search, problem) == TRACE_OK)
		return 0;
	fprintf(stderr, "postrider: %s: %s: %s%s\n", command, file, problem,
		access(file, F_OK) < 0 && errno == ENOENT ? ": the relay makes it when it runs with a trace" : "");
	return TRACE_NO_FILE;
}

int trace_source_open(const char *command, const char *config_file, const char *file, struct search **search)
{
	static struct config_problems problems;
	struct config *config;
	int status;

	if (file)
		return open_file(command, file, search);
	config = config_load(config_file, &problems);
	if (!config) {
		for (unsigned i = 0; i < problems.count; i++)
			fprintf(stderr, "%s\n", problems.list[i].text);
		return TRACE_NO_CONFIG;
	}
	if (!config->trace.file) {
		fprintf(stderr, "postrider: %s: %s keeps no trace\n", command, config_file);
		status = TRACE_NO_CONFIG;
	} else {
		status = open_file(command, config->trace.file, search);
	}
	config_free(config);
	return status;
}

void trace_source_gap(const struct search_gap *gap, bool utc)
{
	char from[WHEN_SIZE], until[WHEN_SIZE];

	when_format(gap->from_ms, utc, from);
	when_format(gap->until_ms, utc, until);
	table_say("left out from %s to %s: %" PRIu64 " (%.*s)", from, until, gap->count, (int)gap->why.length,
		  gap->why.data ? gap->why.data : "");
}

bool trace_source_time(const char *command, const char *text, bool utc, uint64_t *ms)
{
	if (when_parse(text, (uint64_t)time(NULL) * 1000, utc, ms))
		return true;
	table_say("postrider: %s: \"%.40s\" is no time: " WHEN_FORMS, command, text);
	return false;
}
