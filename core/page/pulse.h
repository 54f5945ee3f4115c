/*
 * core/page/pulse.h - what all who look share: the newest numbers, those of a while ago, from which rates come, and a
 * ring with the last hour.
 *
 * Watchers (stream.h) wait for the next numbers, each in its own thread: what one of them does not take in time, it
 * misses, and nothing is kept for it.
 */
#ifndef POSTRIDER_PAGE_PULSE_H
#define POSTRIDER_PAGE_PULSE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct desk;

enum {
	PULSE_POINTS = 360,
	PULSE_POINT_S = 10,
	PULSE_RATE_S = 10,        /* rates are of so long a time at least, once there is one */
	PULSE_DESTINATIONS = 100, /* so many are known, those in trouble and the busiest */
	PULSE_WATCHERS = 6,
};

struct pulse;

/* NULL without memory, or threads. */
struct pulse *pulse_start(struct desk *desk);
void pulse_stop(struct pulse *pulse);

/* References of the caller's; pulse_view_free(). */
struct pulse_view {
	json_t *stats, *before; /* of /v1/stats; NULL: not known (yet) */
	json_t *summary;        /* of /v1/queue/summary */
	double seconds;         /* from `before` to `stats` */
	double summary_age_s;
};
void pulse_look(struct pulse *pulse, struct pulse_view *view);
void pulse_view_free(struct pulse_view *view);
/* What `key` has grown in a second; 0 where nothing is known. `destination`: NULL: of all. */
double pulse_rate(const struct pulse_view *view, const char *destination, const char *key);

/* {"t": [...], "in": [...], "out": [...], "queued": [...]}: of the last hour, oldest first; t in seconds since 1970.
 * NULL without memory. */
json_t *pulse_hour(struct pulse *pulse);

/* False: there are enough. */
bool pulse_watch(struct pulse *pulse);
void pulse_leave(struct pulse *pulse);
/* Waits for the numbers behind *seen, for a while; false: there are none yet. */
bool pulse_next(struct pulse *pulse, uint64_t *seen, struct pulse_view *view);

#endif
