/*
 * core/page/pulse.c - see pulse.h.
 */
#include "core/page/pulse.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/base/clock.h"
#include "core/page/kept.h"
#include "core/page/shown.h"

enum { WAIT_MS = 500 };

struct point {
	int64_t wall_s;
	uint64_t ns, in, out, queued;
};

/* Numbers at a time; a reference. */
struct then {
	json_t *stats;
	uint64_t ns;
};

struct pulse {
	struct kept *stats, *summary;
	pthread_mutex_t lock; /* of all below; taken within that of `stats`, never the other way */
	pthread_cond_t change;
	uint64_t count;                /* of numbers that came */
	struct then now, before, next; /* `next` becomes `before` when it is old enough */
	struct point points[PULSE_POINTS];
	unsigned first, point_count;
	unsigned watchers;
};

/* ---- numbers as they come ------------------------------------------------------------------------------------- */

static void put_then(struct then *then, json_t *stats, uint64_t ns)
{
	json_t *old = then->stats;

	then->stats = json_incref(stats);
	then->ns = ns;
	json_decref(old);
}

static void add_point(struct pulse *pulse, const json_t *all, uint64_t now_ns)
{
	unsigned last = (pulse->first + pulse->point_count + PULSE_POINTS - 1) % PULSE_POINTS;
	struct point *point;

	if (pulse->point_count > 0 && now_ns - pulse->points[last].ns < PULSE_POINT_S * CLOCK_NS_PER_S)
		return;
	if (pulse->point_count == PULSE_POINTS)
		pulse->first = (pulse->first + 1) % PULSE_POINTS;
	else
		pulse->point_count++;
	point = &pulse->points[(pulse->first + pulse->point_count - 1) % PULSE_POINTS];
	*point = (struct point){.wall_s = (int64_t)(clock_wall_ns() / CLOCK_NS_PER_S),
				.ns = now_ns,
				.in = (uint64_t)shown_number(all, "accepted"),
				.out = (uint64_t)shown_number(all, "delivered"),
				.queued = (uint64_t)shown_number(all, "queued")};
}

static void take(void *context, json_t *stats, uint64_t now_ns)
{
	struct pulse *pulse = context;

	pthread_mutex_lock(&pulse->lock);
	if (!pulse->next.stats || now_ns - pulse->next.ns >= PULSE_RATE_S * CLOCK_NS_PER_S) {
		if (pulse->next.stats)
			put_then(&pulse->before, pulse->next.stats, pulse->next.ns);
		put_then(&pulse->next, stats, now_ns);
		if (!pulse->before.stats)
			put_then(&pulse->before, stats, now_ns);
	}
	put_then(&pulse->now, stats, now_ns);
	add_point(pulse, json_object_get(stats, "all"), now_ns);
	pulse->count++;
	pthread_cond_broadcast(&pulse->change);
	pthread_mutex_unlock(&pulse->lock);
}

/* ---- life ------------------------------------------------------------------------------------------------------- */

struct pulse *pulse_start(struct desk *desk)
{
	/* PULSE_DESTINATIONS */
	static const struct request_given most[] = {{"sort", "trouble"}, {"limit", "100"}, {NULL, NULL}};
	struct pulse *pulse = calloc(1, sizeof(*pulse));
	struct kept_settings stats = {.path = "/v1/stats",
				      .values = most,
				      .busy_ns = CLOCK_NS_PER_S,
				      .idle_ns = PULSE_POINT_S * CLOCK_NS_PER_S,
				      .taken = take,
				      .context = pulse};
	struct kept_settings summary = {.path = "/v1/queue/summary", .busy_ns = 2 * CLOCK_NS_PER_S};

	if (!pulse)
		return NULL;
	pthread_mutex_init(&pulse->lock, NULL);
	pthread_cond_init(&pulse->change, NULL);
	pulse->stats = kept_start(desk, &stats);
	pulse->summary = pulse->stats ? kept_start(desk, &summary) : NULL;
	if (pulse->summary)
		return pulse;
	pulse_stop(pulse);
	return NULL;
}

void pulse_stop(struct pulse *pulse)
{
	kept_stop(pulse->stats);
	kept_stop(pulse->summary);
	json_decref(pulse->now.stats);
	json_decref(pulse->before.stats);
	json_decref(pulse->next.stats);
	pthread_cond_destroy(&pulse->change);
	pthread_mutex_destroy(&pulse->lock);
	free(pulse);
}

/* ---- for who looks ---------------------------------------------------------------------------------------------- */

static void fill(struct pulse *pulse, struct pulse_view *view)
{
	view->stats = json_incref(pulse->now.stats);
	view->before = json_incref(pulse->before.stats);
	view->seconds = (double)(pulse->now.ns - pulse->before.ns) / (double)CLOCK_NS_PER_S;
}

void pulse_look(struct pulse *pulse, struct pulse_view *view)
{
	uint64_t age_ns;

	*view = (struct pulse_view){.seconds = 0};
	json_decref(kept_get(pulse->stats, CLOCK_NS_PER_S, &age_ns));
	view->summary = kept_get(pulse->summary, 3 * CLOCK_NS_PER_S, &age_ns);
	view->summary_age_s = (double)age_ns / (double)CLOCK_NS_PER_S;
	pthread_mutex_lock(&pulse->lock);
	fill(pulse, view);
	pthread_mutex_unlock(&pulse->lock);
}

void pulse_view_free(struct pulse_view *view)
{
	json_decref(view->stats);
	json_decref(view->before);
	json_decref(view->summary);
	*view = (struct pulse_view){.seconds = 0};
}

static const json_t *part_of(const json_t *stats, const char *destination)
{
	const json_t *list = json_object_get(stats, "destinations"), *one;
	size_t i;

	if (!destination)
		return json_object_get(stats, "all");
	json_array_foreach((json_t *)(uintptr_t)list, i, one)
	{
		if (strcmp(shown_text(one, "destination"), destination) == 0)
			return one;
	}
	return NULL;
}

double pulse_rate(const struct pulse_view *view, const char *destination, const char *key)
{
	const json_t *now = part_of(view->stats, destination), *before = part_of(view->before, destination);
	json_int_t grown = shown_number(now, key) - shown_number(before, key);

	return now && before && view->seconds > 0 && grown > 0 ? (double)grown / view->seconds : 0;
}

static double per_second(uint64_t now, uint64_t before, uint64_t ns)
{
	return now > before && ns > 0 ? (double)(now - before) * (double)CLOCK_NS_PER_S / (double)ns : 0;
}

json_t *pulse_hour(struct pulse *pulse)
{
	json_t *t = json_array(), *in = json_array(), *out = json_array(), *queued = json_array();

	pthread_mutex_lock(&pulse->lock);
	for (unsigned i = 1; i < pulse->point_count; i++) {
		const struct point *before = &pulse->points[(pulse->first + i - 1) % PULSE_POINTS],
				   *one = &pulse->points[(pulse->first + i) % PULSE_POINTS];
		uint64_t ns = one->ns - before->ns;
		json_array_append_new(t, json_integer(one->wall_s));
		json_array_append_new(in, json_real(per_second(one->in, before->in, ns)));
		json_array_append_new(out, json_real(per_second(one->out, before->out, ns)));
		json_array_append_new(queued, json_integer((json_int_t)one->queued));
	}
	pthread_mutex_unlock(&pulse->lock);
	return json_pack("{so so so so}", "t", t, "in", in, "out", out, "queued", queued);
}

/* ---- watchers --------------------------------------------------------------------------------------------------- */

bool pulse_watch(struct pulse *pulse)
{
	bool room;

	pthread_mutex_lock(&pulse->lock);
	room = pulse->watchers < PULSE_WATCHERS;
	pulse->watchers += room;
	pthread_mutex_unlock(&pulse->lock);
	return room;
}

void pulse_leave(struct pulse *pulse)
{
	pthread_mutex_lock(&pulse->lock);
	pulse->watchers--;
	pthread_mutex_unlock(&pulse->lock);
}

bool pulse_next(struct pulse *pulse, uint64_t *seen, struct pulse_view *view)
{
	uint64_t end_ns = clock_monotonic_ns() + WAIT_MS * CLOCK_NS_PER_MS;
	struct timespec until = {.tv_sec = (time_t)(end_ns / CLOCK_NS_PER_S),
				 .tv_nsec = (long)(end_ns % CLOCK_NS_PER_S)};
	bool there;

	kept_look(pulse->stats);
	*view = (struct pulse_view){.seconds = 0};
	pthread_mutex_lock(&pulse->lock);
	while (pulse->count <= *seen &&
	       pthread_cond_clockwait(&pulse->change, &pulse->lock, CLOCK_MONOTONIC, &until) == 0)
		;
	there = pulse->count > *seen;
	*seen = pulse->count;
	if (there)
		fill(pulse, view);
	pthread_mutex_unlock(&pulse->lock);
	return there;
}
