/*
 * core/tools/incidents.c - see incidents.h.
 */
#include "core/tools/incidents.h"

#include <getopt.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "core/tools/ask.h"
#include "core/tools/table.h"
#include "core/tools/usage.h"
#include "core/tools/written.h"

/* False: *status is what is to be answered. */
static bool take_options(struct ask *ask, int argc, char **argv, int *status)
{
	static const struct option options[] = {
		{"config", required_argument, NULL, 'c'}, {"socket", required_argument, NULL, 's'},
		{"json", no_argument, NULL, 'j'},         {"utc", no_argument, NULL, 'u'},
		{"help", no_argument, NULL, 'h'},         {NULL, 0, NULL, 0}};
	int option;

	*status = ASK_USAGE;
	optind = 1;
	while ((option = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
		if (option == 'c')
			ask->config = optarg;
		else if (option == 's')
			ask->socket = optarg;
		else if (option == 'j')
			ask->json = true;
		else if (option == 'u')
			ask->utc = true;
		else {
			*status = option == 'h' ? 0 : ASK_USAGE;
			return false;
		}
	}
	return optind == argc;
}

static void print_line(const char *label, const char *text)
{
	printf("  %-8s", label);
	table_safe(stdout, text);
	printf("\n");
}

static void print_one(const struct ask *ask, const json_t *one)
{
	char since[TABLE_TIME_SIZE];

	table_safe(stdout, ask_text(one, "kind"));
	printf(": ");
	table_safe(stdout, ask_text(one, "subject"));
	printf("\n");
	print_line("what", ask_text(one, "title"));
	print_line("seen", ask_text(one, "problem"));
	print_line("fix", ask_text(one, "fix"));
	printf("  %-8s%s", "since", table_time(ask_text(one, "since"), ask->utc, since));
	if (json_is_true(json_object_get(one, "calming")))
		printf(", well just now: it is over when it stays so");
	printf("\n");
}

static int print(const struct ask *ask, const json_t *answer)
{
	const json_t *list = json_object_get(answer, "incidents"), *one;
	size_t i;

	if (!json_is_true(json_object_get(answer, "watched")))
		printf("nobody watches for incidents\n");
	else if (json_array_size(list) == 0)
		printf("no incident is open\n");
	json_array_foreach((json_t *)(uintptr_t)list, i, one) print_one(ask, one);
	if (ask_number(answer, "left_out") > 0)
		printf("and more, for which there was no room: incident_opened in the events has none of these\n");
	return json_array_size(list) == 0 ? ASK_DONE : ASK_NOT;
}

int incidents_command(int argc, char **argv)
{
	struct ask ask = {.command = "incidents"};
	json_t *answer = NULL;
	int status;

	if (!take_options(&ask, argc, argv, &status))
		return usage(status ? stderr : stdout, status);
	status = ask_open(&ask);
	if (status == 0)
		status = ask_get(&ask, "/v1/incidents", &answer);
	if (status != 0)
		return status;
	status = json_array_size(json_object_get(answer, "incidents")) == 0 ? ASK_DONE : ASK_NOT;
	if (ask.json) {
		written_json(stdout, answer);
		return status;
	}
	status = print(&ask, answer);
	json_decref(answer);
	return status;
}
