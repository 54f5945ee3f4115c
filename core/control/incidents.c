/*
 * core/control/incidents.c - GET /v1/incidents: what is wrong now, since when, and what to do about it.
 */
#include <stdlib.h>

#include "core/base/clock.h"
#include "core/control/desk.h"
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
