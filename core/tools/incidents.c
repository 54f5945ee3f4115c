/*
 * core/tools/incidents.c - see incidents.h.
 */
#include "core/tools/incidents.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "core/tools/ask.h"
#include "core/tools/table.h"
#include "core/tools/usage.h"
#include "core/tools/written.h"

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

static void print(const struct ask *ask, const json_t *answer)
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
}

int incidents_command(int argc, char **argv)
{
	struct ask ask = {.command = "incidents"};
	json_t *answer = NULL;
	int status;

	if (!ask_options(&ask, argc, argv, 0, &status))
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
	print(&ask, answer);
	json_decref(answer);
	return status;
}
