/*
 * core/tools/queue_find.h - the messages that a command means: by ids, or by the filters of `queue list`, which are
 * looked up first. So it is known how many they are, and nothing is hit that comes later.
 */
#ifndef POSTRIDER_TOOLS_QUEUE_FIND_H
#define POSTRIDER_TOOLS_QUEUE_FIND_H

#include <jansson.h>

#include "core/tools/ask.h"

/* As `queue list` has them, beside --destination. */
enum { QUEUE_FILTER_TO, QUEUE_FILTER_FROM, QUEUE_FILTERS = 9 };
extern const char *const queue_filters[QUEUE_FILTERS];

struct queue_find {
	const char *destination; /* NULL: any */
	const char *filters[QUEUE_FILTERS];
};

/* Adds to `ids` what fits, each once, and to `missing` the shards that did not answer. 0, or the exit status after
 * saying why. */
int queue_find(const struct ask *ask, const struct queue_find *wanted, json_t *ids, json_t *missing);
/* Ids on standard input, the first word of each line. */
void queue_find_lines(json_t *ids);
/* Each once. */
void queue_find_add_missing(json_t *missing, const json_t *answer);

#endif
