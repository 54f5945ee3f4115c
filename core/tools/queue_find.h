/*
 * core/tools/queue_find.h - the messages that a command means: by ids, or by the filters of `queue list`, which are
 * looked up first. So it is known how many they are, and nothing is hit that comes later.
 */
#ifndef POSTRIDER_TOOLS_QUEUE_FIND_H
#define POSTRIDER_TOOLS_QUEUE_FIND_H

#include <jansson.h>

#include "core/tools/ask.h"
#include "core/tools/id_list.h"

/* As `queue list` has them, beside --destination. */
enum { QUEUE_FILTER_TO, QUEUE_FILTER_FROM, QUEUE_FILTERS = 9 };
extern const char *const queue_filters[QUEUE_FILTERS];

struct queue_find {
	const char *destination; /* NULL: any */
	const char *filters[QUEUE_FILTERS];
};

/* Adds to `ids` what fits, and to `missing` the shards that did not answer. 0, or the exit status after
 * saying why. */
int queue_find(const struct ask *ask, const struct queue_find *wanted, struct id_list *ids, json_t *missing);
/* An id as somebody has written it; those on standard input, the first word of each line, where it is `-`. 0, or the
 * exit status after saying why: nothing is done where one of them is none. */
int queue_find_id(struct id_list *ids, const char *text);
/* Each once. */
void queue_find_add_missing(json_t *missing, const json_t *answer);

#endif
