/*
 * core/tools/queue_find.c - see queue_find.h.
 */
#include "core/tools/queue_find.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PAGE = 10000 };

const char *const queue_filters[QUEUE_FILTERS] = {[QUEUE_FILTER_TO] = "to",
						  [QUEUE_FILTER_FROM] = "from",
						  "client",
						  "device",
						  "older",
						  "newer",
						  "state",
						  "attempts",
						  "error"};

void queue_find_lines(json_t *ids)
{
	char *line = NULL;
	size_t size = 0;

	while (getline(&line, &size, stdin) >= 0) {
		char *at = line + strspn(line, " \t");
		at[strcspn(at, " \t\r\n")] = '\0';
		if (*at)
			json_array_append_new(ids, json_string(at));
	}
	free(line);
}

void queue_find_add_missing(json_t *missing, const json_t *answer)
{
	json_t *one;
	size_t i, k;

	json_array_foreach(json_object_get(answer, "missing"), i, one)
	{
		for (k = 0; k < json_array_size(missing); k++) {
			if (json_equal(json_array_get(missing, k), one))
				break;
		}
		if (k == json_array_size(missing))
			json_array_append(missing, one);
	}
}

/* A message that several shards have comes from each. */
static void add_page(json_t *ids, json_t *missing, json_t *seen, const json_t *answer)
{
	json_t *one;
	size_t i;

	json_array_foreach(json_object_get(answer, "ids"), i, one)
	{
		if (!json_is_string(one) || json_object_get(seen, json_string_value(one)))
			continue;
		json_object_set_new(seen, json_string_value(one), json_true());
		json_array_append(ids, one);
	}
	queue_find_add_missing(missing, answer);
}

int queue_find(const struct ask *ask, const struct queue_find *wanted, json_t *ids, json_t *missing)
{
	json_t *seen = json_object(), *answer = NULL;
	char *cursor = NULL, limit[16];
	struct ask_path path;
	int status;

	do {
		ask_path_begin(&path, "/v1/queue/ids");
		ask_path_value(&path, "destination", wanted->destination);
		for (size_t i = 0; i < QUEUE_FILTERS; i++)
			ask_path_value(&path, queue_filters[i], wanted->filters[i]);
		snprintf(limit, sizeof(limit), "%d", PAGE);
		ask_path_value(&path, "limit", limit);
		ask_path_value(&path, "cursor", cursor);
		status = ask_get(ask, path.text, &answer);
		free(cursor);
		cursor = NULL;
		if (status == 0) {
			const char *next = json_string_value(json_object_get(answer, "next"));
			add_page(ids, missing, seen, answer);
			cursor = next ? strdup(next) : NULL;
			json_decref(answer);
		}
	} while (cursor);
	json_decref(seen);
	return status;
}
