/*
 * core/tools/state.c - see state.h.
 */
#include "core/tools/state.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/tools/ask.h"
#include "core/tools/table.h"
#include "core/tools/written.h"

static int usage(FILE *out, int status)
{
	fputs("usage: postrider status [--config FILE | --socket PATH] [--json] [--utc]\n"
	      "       postrider stats [--config FILE | --socket PATH] [--json] [--utc]\n"
	      "       postrider why DESTINATION [--config FILE | --socket PATH] [--json] [--utc]\n",
	      out);
	return status;
}

/* What is counted is right also where a shard does not answer. */
static void print_status(const struct ask *ask, const json_t *answer)
{
	char started[TABLE_TIME_SIZE], age[TABLE_AGE_SIZE];
	const json_t *shards = json_object_get(answer, "shards"), *shard;
	size_t i;

	printf("postrider ");
	table_safe(stdout, ask_text(answer, "version"));
	printf(" is ");
	table_safe(stdout, ask_text(answer, "state"));
	printf(", process %" JSON_INTEGER_FORMAT ", since %s (%s)\n", ask_number(answer, "pid"),
	       table_time(ask_text(answer, "started"), ask->utc, started),
	       table_age(ask_number(answer, "uptime_s"), age));
	printf("queued     %" JSON_INTEGER_FORMAT " messages\n", ask_number(answer, "queued"));
	printf("accepted   %" JSON_INTEGER_FORMAT " messages\n", ask_number(answer, "accepted"));
	printf("recipients %" JSON_INTEGER_FORMAT " delivered, %" JSON_INTEGER_FORMAT
	       " failed; deferred %" JSON_INTEGER_FORMAT " times\n",
	       ask_number(answer, "delivered"), ask_number(answer, "failed"), ask_number(answer, "deferred"));
	printf("sessions   %" JSON_INTEGER_FORMAT "\n", ask_number(answer, "sessions"));
	json_array_foreach((json_t *)(uintptr_t)shards, i, shard)
	{
		if (json_is_true(json_object_get(shard, "answers")))
			continue;
		printf("shard %" JSON_INTEGER_FORMAT
		       " does not answer: look for shard_stuck in the events, and at the load of the machine\n",
		       ask_number(shard, "shard"));
	}
}

/* Whether all shards have answered. */
static bool whole(const json_t *answer)
{
	const json_t *shard;
	size_t i;

	json_array_foreach((json_t *)(uintptr_t)json_object_get(answer, "shards"), i, shard)
	{
		if (!json_is_true(json_object_get(shard, "answers")))
			return false;
	}
	return json_array_size(json_object_get(answer, "missing")) == 0;
}

/* How an answer is written for people. */
typedef void print_fn(const struct ask *ask, const json_t *answer);

/* Asks, and writes what was answered. The exit status: 75 where a shard does not answer, for programs as for people. */
static int answered(struct ask *ask, const struct ask_path *path, print_fn *print)
{
	json_t *answer = NULL;
	int status;

	if (path->full) {
		fprintf(stderr, "postrider: %s: no destination has so long a name\n", ask->command);
		return ASK_USAGE;
	}
	status = ask_open(ask);
	if (status == 0)
		status = ask_get(ask, path->text, &answer);
	if (status != 0)
		return status;
	status = whole(answer) ? ASK_DONE : ASK_PART;
	if (ask->json) {
		written_json(stdout, answer);
		return status;
	}
	print(ask, answer);
	json_decref(answer);
	return status;
}

int status_command(int argc, char **argv)
{
	struct ask ask = {.command = "status"};
	struct ask_path path;
	int status;

	if (!ask_options(&ask, argc, argv, 0, &status))
		return usage(status ? stderr : stdout, status);
	ask_path_begin(&path, "/v1/status");
	return answered(&ask, &path, print_status);
}

static void print_missing(const struct ask *ask, const json_t *answer)
{
	const json_t *one;
	size_t i;

	json_array_foreach((json_t *)(uintptr_t)json_object_get(answer, "missing"), i, one)
		fprintf(stderr, "postrider: %s: shard %" JSON_INTEGER_FORMAT " does not answer\n", ask->command,
			json_integer_value(one));
}

static void print_stats(const struct ask *ask, const json_t *answer)
{
	const json_t *one;
	json_t *value;
	char started[TABLE_TIME_SIZE];
	const char *name;
	size_t i;

	printf("since %s\n", table_time(ask_text(answer, "started"), ask->utc, started));
	json_object_foreach(json_object_get(answer, "all"), name, value)
	{
		printf("  ");
		table_cell(stdout, name, 18, true);
		printf(" %14" JSON_INTEGER_FORMAT "\n", json_integer_value(value));
	}
	printf("%-26s %10s %10s %11s %10s %10s\n", "DESTINATION", "READY", "DEFERRED", "CONNECTIONS", "CONNECTING",
	       "FAILURES");
	json_array_foreach(json_object_get(answer, "destinations"), i, one)
	{
		table_cell(stdout, ask_text(one, "destination"), 26, true);
		printf(" %10" JSON_INTEGER_FORMAT " %10" JSON_INTEGER_FORMAT " %11" JSON_INTEGER_FORMAT
		       " %10" JSON_INTEGER_FORMAT " %10" JSON_INTEGER_FORMAT "\n",
		       ask_number(one, "ready"), ask_number(one, "deferred"), ask_number(one, "connections"),
		       ask_number(one, "connecting"), ask_number(one, "connect_failures"));
	}
	print_missing(ask, answer);
}

int stats_command(int argc, char **argv)
{
	struct ask ask = {.command = "stats"};
	struct ask_path path;
	int status;

	if (!ask_options(&ask, argc, argv, 0, &status))
		return usage(status ? stderr : stdout, status);
	ask_path_begin(&path, "/v1/stats");
	return answered(&ask, &path, print_stats);
}

static void print_why(const struct ask *ask, const json_t *answer)
{
	const json_t *one;
	char until[TABLE_TIME_SIZE];
	size_t i;

	table_safe(stdout, ask_text(answer, "destination"));
	printf(": %" JSON_INTEGER_FORMAT " ready, %" JSON_INTEGER_FORMAT
	       " wait for their next attempt, %" JSON_INTEGER_FORMAT " connections (%" JSON_INTEGER_FORMAT
	       " of them are being opened)\n",
	       ask_number(answer, "ready"), ask_number(answer, "deferred"), ask_number(answer, "connections"),
	       ask_number(answer, "connecting"));
	json_array_foreach(json_object_get(answer, "limited"), i, one)
	{
		printf("  %-12s", ask_text(one, "by"));
		table_safe(stdout, ask_text(one, "say"));
		if (json_is_string(json_object_get(one, "until")))
			printf(" (until %s)", table_time(ask_text(one, "until"), ask->utc, until));
		printf("\n");
	}
	printf("  %-12s", "ceiling");
	table_safe(stdout, ask_text(answer, "ceiling"));
	printf("\n");
	print_missing(ask, answer);
}

int why_command(int argc, char **argv)
{
	struct ask ask = {.command = "why"};
	struct ask_path path;
	int status;

	if (!ask_options(&ask, argc, argv, 1, &status))
		return usage(status ? stderr : stdout, status);
	ask_path_begin(&path, "/v1/destinations");
	ask_path_segment(&path, argv[optind]);
	ask_path_segment(&path, "why");
	return answered(&ask, &path, print_why);
}
