/*
 * core/control/incidents.c - GET /v1/incidents: what is wrong now, since when, and what to do about it;
 * GET /v1/incidents/over: what was, from when to when.
 */
#include <stdlib.h>

#include "core/base/clock.h"
#include "core/control/desk.h"
#include "core/control/filter.h"
#include "core/control/handlers.h"
#include "core/control/incident_watch.h"

static json_t *incident_json(const struct incident *one)
{
	return json_pack("{ss so ss so ss so sb sI}", "kind", incident_name(one->kind), "subject",
			 request_text(span_text(one->subject)), "title", incident_title(one->kind), "problem",
			 request_text(span_text(one->problem)), "fix", incident_fix(one->kind), "since",
			 request_time(one->opened_wall_ms * CLOCK_NS_PER_MS), "calming", one->state == INCIDENT_CALMING,
			 "again", (json_int_t)one->again);
}

void handle_incidents(struct control_request *request)
{
	struct incident *open = malloc(INCIDENTS_MAX * sizeof(*open));
	json_t *list = open ? json_array() : NULL;
	uint64_t left_out;
	size_t count = open ? incident_watch_open(request->desk->incidents, open, INCIDENTS_MAX, &left_out) : 0;

	for (size_t i = 0; list && i < count; i++)
		json_array_append_new(list, incident_json(&open[i]));
	request_answer(request, ANSWER_OK,
		       list ? json_pack("{sb so sI}", "watched", incident_watch_on(request->desk->incidents),
					"incidents", list, "left_out", (json_int_t)left_out)
			    : NULL);
	free(open);
}

static json_t *note_json(const struct incident_note *note)
{
	const struct incident *one = &note->incident;
	uint64_t ms = note->closed_wall_ms > one->opened_wall_ms ? note->closed_wall_ms - one->opened_wall_ms : 0;

	return json_pack("{ss so ss so so so sI sI}", "kind", incident_name(one->kind), "subject",
			 request_text(span_text(one->subject)), "title", incident_title(one->kind), "problem",
			 request_text(span_text(one->problem)), "since",
			 request_time(one->opened_wall_ms * CLOCK_NS_PER_MS), "until",
			 request_time(note->closed_wall_ms * CLOCK_NS_PER_MS), "ms", (json_int_t)ms, "again",
			 (json_int_t)one->again);
}

void handle_incidents_over(struct control_request *request)
{
	const char *since = request_value(request, "since");
	uint64_t now_ms = clock_wall_ns() / CLOCK_NS_PER_MS, ns = 0, since_ms = 0, forgotten;
	struct incident_note *over;
	json_t *list;
	size_t count;

	if (since && !filter_duration(since, &ns)) {
		request_fail(request, ANSWER_BAD, "since: write how long ago, as in 90s, 15m, 4h, 2d");
		return;
	}
	if (since && now_ms > ns / CLOCK_NS_PER_MS)
		since_ms = now_ms - ns / CLOCK_NS_PER_MS;
	over = malloc(INCIDENT_PAST_MAX * sizeof(*over));
	list = over ? json_array() : NULL;
	count = over ? incident_watch_over(request->desk->incidents, since_ms, over, &forgotten) : 0;
	for (size_t i = 0; list && i < count; i++)
		json_array_append_new(list, note_json(&over[i]));
	request_answer(request, ANSWER_OK,
		       list ? json_pack("{sb so sI}", "watched", incident_watch_on(request->desk->incidents), "over",
					list, "forgotten", (json_int_t)forgotten)
			    : NULL);
	free(over);
}
