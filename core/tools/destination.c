/*
 * core/tools/destination.c - `postrider destination suspend|resume|list`.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/tools/ask.h"
#include "core/tools/queue_act.h"
#include "core/tools/table.h"
#include "core/tools/written.h"

struct wish {
	struct ask ask;
	const char *domain, *reason;
	json_int_t for_s;
};

static int usage(FILE *out, int status)
{
	fputs("usage: postrider destination suspend NAME [--for 2h] [--reason TEXT] [--domain DOMAIN]\n"
	      "       postrider destination resume NAME [--domain DOMAIN]\n"
	      "       postrider destination list\n"
	      "           [--config FILE | --socket PATH] [--json] [--utc]\n",
	      out);
	return status;
}

/* "90s", "15m", "2h", "3d"; 0: it is none. */
static json_int_t seconds_of(const char *text)
{
	static const char units[] = "smhd";
	static const json_int_t each[] = {1, 60, 3600, 86400};
	char *end;
	long number = strtol(text, &end, 10);
	const char *unit = *end ? strchr(units, *end) : NULL;

	if (end == text || number < 1 || number > 1000000 || !unit || end[1])
		return 0;
	return number * each[unit - units];
}

static int take_options(struct wish *w, int argc, char **argv)
{
	static const struct option options[] = {{"config", required_argument, NULL, 'c'},
						{"socket", required_argument, NULL, 's'},
						{"for", required_argument, NULL, 'f'},
						{"reason", required_argument, NULL, 'r'},
						{"domain", required_argument, NULL, 'd'},
						{"json", no_argument, NULL, 'j'},
						{"utc", no_argument, NULL, 'u'},
						{"help", no_argument, NULL, 'h'},
						{NULL, 0, NULL, 0}};
	int option;

	optind = 1;
	while ((option = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
		if (option == 'f' && (w->for_s = seconds_of(optarg)) == 0)
			return ASK_USAGE;
		else if (option == 'r')
			w->reason = optarg;
		else if (option == 'd')
			w->domain = optarg;
		else if (option != 'f' && !ask_option(&w->ask, option, optarg))
			return option == 'h' ? -1 : ASK_USAGE;
	}
	return 0;
}

static int act(struct wish *w, const char *verb, const char *name)
{
	json_t *body = json_pack("{ss* ss*}", "domain", w->domain, "reason", w->reason), *answer = NULL;
	struct ask_path path;
	int status;

	if (w->for_s)
		json_object_set_new(body, "for_s", json_integer(w->for_s));
	ask_path_begin(&path, "/v1/destinations");
	ask_path_segment(&path, name);
	ask_path_segment(&path, verb);
	status = ask_send(&w->ask, "POST", path.text, body, &answer);
	json_decref(body);
	if (status != 0)
		return status;
	if (json_array_size(json_object_get(answer, "missing")) > 0) {
		fputs("postrider: destination: a shard does not answer; it will follow when it does\n", stderr);
		status = ASK_PART;
	}
	if (w->ask.json) {
		written_json(stdout, answer);
		return status;
	}
	table_safe(stdout, name);
	if (w->domain) {
		fputs(", domain ", stdout);
		table_safe(stdout, w->domain);
	}
	printf(strcmp(verb, "suspend") == 0 ? " is suspended: nothing is begun there until it is resumed\n"
					    : " goes on\n");
	json_decref(answer);
	return status;
}

static const char *text(const json_t *json, const char *key)
{
	const char *value = json_string_value(json_object_get(json, key));

	return value && value[0] ? value : "-";
}

static int list(const struct ask *ask)
{
	char since[TABLE_TIME_SIZE], until[TABLE_TIME_SIZE];
	json_t *answer = NULL, *one;
	int status = ask_get(ask, "/v1/suspensions", &answer);
	size_t i;

	if (status != 0)
		return status;
	if (ask->json) {
		written_json(stdout, answer);
		return 0;
	}
	json_array_foreach(json_object_get(answer, "suspensions"), i, one)
	{
		table_cell(stdout, text(one, "destination"), 24, true);
		fputs("  ", stdout);
		table_cell(stdout, text(one, "domain"), 24, true);
		printf("  since %s until %s  by ", table_time(text(one, "since"), ask->utc, since),
		       table_time(text(one, "until"), ask->utc, until));
		table_safe(stdout, text(one, "who"));
		fputs(": ", stdout);
		table_safe(stdout, text(one, "reason"));
		fputc('\n', stdout);
	}
	json_decref(answer);
	return 0;
}

int destination_command(int argc, char **argv)
{
	struct wish w = {.ask = {.command = "destination"}};
	const char *verb = argc > 1 ? argv[1] : "";
	bool acts = strcmp(verb, "suspend") == 0 || strcmp(verb, "resume") == 0, lists = strcmp(verb, "list") == 0;
	int status;

	if (strcmp(verb, "--help") == 0)
		return usage(stdout, 0);
	if (!acts && !lists)
		return usage(stderr, ASK_USAGE);
	status = take_options(&w, argc - 1, argv + 1);
	if (status != 0)
		return status < 0 ? usage(stdout, 0) : usage(stderr, status);
	if (argc - 1 - optind != acts || (w.for_s && strcmp(verb, "suspend") != 0))
		return usage(stderr, ASK_USAGE);
	status = ask_open(&w.ask);
	if (status != 0)
		return status;
	return lists ? list(&w.ask) : act(&w, verb, argv[optind + 1]);
}
