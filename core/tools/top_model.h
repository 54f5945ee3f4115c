/*
 * core/tools/top_model.h - what `postrider top` knows of the relay: made of answers of the control socket
 * (docs/control.md), with rates and their history. Pure: it asks nobody and draws nothing.
 *
 * Texts are as they came, from strangers; who draws them makes them safe (top_screen.h).
 */
#ifndef POSTRIDER_TOOLS_TOP_MODEL_H
#define POSTRIDER_TOOLS_TOP_MODEL_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TOP_HISTORY = 240, TOP_TIMES = 16, TOP_PAST = 64, TOP_WINDOW_S = 60 };

enum top_rate { TOP_ACCEPTED, TOP_DELIVERED, TOP_PUT_OFF, TOP_FAILED, TOP_RATES };

struct top_destination {
	char *name, *limited; /* owned; "back_off, limits"; "": nothing */
	uint64_t ready, deferred, connections, counts[TOP_RATES];
	double rates[TOP_RATES]; /* a second */
};

struct top_device {
	char *name, *place, *by, *state, *refusal; /* owned */
	uint64_t messages, refusals;
	int64_t seen_s; /* since 1970; 0: never */
};

struct top_error {
	char *event, *level, *where, *say, *reply, *id; /* owned; "" without */
	uint64_t code, count;
	int64_t first_s, last_s;
};

/* How many messages took up to each bound, as they were counted at a time. */
struct top_times {
	double at;
	uint64_t counts[TOP_TIMES];
};

struct top_model {
	bool known;         /* an answer has come */
	char problem[256];  /* why none comes now; "": one has */
	int64_t answered_s; /* the last one, since 1970; 0: never */
	bool restarted;     /* between the last two answers */
	char version[32], state[16], started[40];
	uint64_t uptime_s, queued, sessions;
	unsigned missing; /* shards that did not answer */

	bool counted;   /* there is something to take rates from */
	double at;      /* of the last answer, seconds of a clock that only goes forward */
	double between; /* it and the one before; 0: there was none */
	uint64_t counts[TOP_RATES];
	double rates[TOP_RATES], history[TOP_RATES][TOP_HISTORY]; /* the newest at samples - 1 */
	unsigned samples;

	unsigned bound_count;
	uint64_t bounds_ms[TOP_TIMES];
	struct top_times times, past[TOP_PAST]; /* the newest at past_count - 1 */
	unsigned past_count;

	struct top_destination *destinations; /* owned */
	struct top_device *devices;           /* owned */
	struct top_error *errors;             /* owned */
	size_t destination_count, destination_all, device_count, device_fitting, device_all, device_silent, error_count;
	uint64_t errors_left_out;
};

/* GET /v1/status, /v1/stats, /v1/devices, /v1/errors; borrowed. */
struct top_answers {
	const json_t *status, *stats, *devices, *errors;
};

void top_model_init(struct top_model *model);
void top_model_deinit(struct top_model *model);
/* What was answered at `now`, seconds of a clock that only goes forward, and `wall_s`. What is not as documented is 0
 * or "". False: no memory; then it is as if nobody had answered. */
bool top_model_take(struct top_model *model, const struct top_answers *answers, double now, int64_t wall_s);
/* Nobody answered, for this reason. */
void top_model_lost(struct top_model *model, const char *problem);

/* Of the last minute, or since the relay's start where it was none (*since_start). Returns the sum. */
uint64_t top_model_times(const struct top_model *model, uint64_t counts[TOP_TIMES], bool *since_start);
/* All of it, as --once --json writes it (dist/top.schema.json). NULL without memory. */
json_t *top_model_json(const struct top_model *model);

#endif
