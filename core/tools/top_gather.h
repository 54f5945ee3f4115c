/*
 * core/tools/top_gather.h - who asks the relay for `postrider top`: a thread, so that one that does not answer keeps no
 * key waiting.
 *
 * An answer is gathered every so often: four requests (top_model.h), of which each is bounded by what is asked for.
 */
#ifndef POSTRIDER_TOOLS_TOP_GATHER_H
#define POSTRIDER_TOOLS_TOP_GATHER_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/tools/ask.h"
#include "core/tools/top_model.h"

struct top_question {
	const char *sort;             /* of destinations, a literal */
	char match[64];               /* "": all */
	size_t destinations, devices; /* at most */
};

/* What came: four answers, owned, or a problem. */
struct top_gathered {
	json_t *status, *stats, *devices, *errors; /* NULL where there is a problem */
	char problem[256];
	int exit_status; /* of ask.h; 0: there are answers */
	double at;       /* seconds of a clock that only goes forward */
	int64_t wall_s;
};

/* Now, on this thread. */
void top_gather(const struct ask *ask, const struct top_question *question, struct top_gathered *out);
void top_gathered_free(struct top_gathered *gathered);
/* False: no memory. */
bool top_gathered_take(struct top_gathered *gathered, struct top_model *model);

struct top_gatherer;
/* NULL: there is no thread. `ask` stays the caller's. */
struct top_gatherer *top_gatherer_start(const struct ask *ask, double interval_s, const struct top_question *question);
/* From the next one on; `now`: and that at once. */
void top_gatherer_ask(struct top_gatherer *gatherer, const struct top_question *question, bool now);
/* The newest that was not taken yet; false: there is none. */
bool top_gatherer_take(struct top_gatherer *gatherer, struct top_gathered *out);
/* Where the thread waits for an answer it is left to it, as the process ends. */
void top_gatherer_stop(struct top_gatherer *gatherer);

#endif
