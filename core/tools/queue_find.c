/*
 * core/tools/queue_find.c - see queue_find.h.
 */
#include "core/tools/queue_find.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/tools/table.h"

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

static int no_memory(void)
{
	fputs("postrider: queue: there is no memory for so many ids\n", stderr);
	return ASK_SOFTWARE;
}

static int add_id(struct id_list *ids, const char *text)
{
	enum id_list_added added = id_list_add(ids, text);

	if (added == ID_LIST_NO_MEMORY)
		return no_memory();
	if (added != ID_LIST_NO_ID)
		return 0;
	fputs("postrider: queue: no id of a message, which has 26 letters and digits: ", stderr);
	table_safe(stderr, text);
	fputs("\n", stderr);
	return ASK_USAGE;
}

static int add_lines(struct id_list *ids)
{
	char *line = NULL;
	size_t size = 0;
	int status = 0;

	while (status == 0 && getline(&line, &size, stdin) >= 0) {
		char *at = line + strspn(line, " \t");
		at[strcspn(at, " \t\r\n")] = '\0';
		if (*at)
			status = add_id(ids, at);
	}
	free(line);
	return status;
}

int queue_find_id(struct id_list *ids, const char *text)
{
	return strcmp(text, "-") == 0 ? add_lines(ids) : add_id(ids, text);
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
static int add_page(struct id_list *ids, json_t *missing, const json_t *answer)
{
	json_t *one;
	size_t i;

	json_array_foreach(json_object_get(answer, "ids"), i, one)
	{
		if (json_is_string(one) && id_list_add(ids, json_string_value(one)) == ID_LIST_NO_MEMORY)
			return no_memory();
	}
	queue_find_add_missing(missing, answer);
	return 0;
}

int queue_find(const struct ask *ask, const struct queue_find *wanted, struct id_list *ids, json_t *missing)
{
	json_t *answer = NULL;
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
			status = add_page(ids, missing, answer);
			cursor = next && status == 0 ? strdup(next) : NULL;
			json_decref(answer);
		}
	} while (cursor);
	return status;
}
