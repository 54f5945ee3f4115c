/*
 * core/control/errors.c - GET /v1/errors: what went wrong lately, as groups that say the same (core/trace/recent.h).
 */
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/control/desk.h"
#include "core/control/handlers.h"
#include "core/relay/relay.h"
#include "core/smtp/trace.h"
#include "core/trace/recent.h"

static json_t *group_json(const struct recent_group *group)
{
	char id[MESSAGE_ID_TEXT];

	if (group->has_id)
		message_id_text(group->id, id);
	return json_pack("{so so so so so so sI so so so}", "event", request_text(span_text(group->event)), "level",
			 request_text(span_text(group->level)), "where", request_text(span_text(group->where)), "code",
			 group->code ? json_integer((json_int_t)group->code) : json_null(), "say",
			 request_text(span_text(group->say)), "reply", request_text(span_text(group->reply)), "count",
			 (json_int_t)group->count, "first", request_time(group->first_ms * CLOCK_NS_PER_MS), "last",
			 request_time(group->last_ms * CLOCK_NS_PER_MS), "id",
			 group->has_id ? json_stringn(id, sizeof(id)) : json_null());
}

void handle_errors(struct control_request *request)
{
	struct recent *recent = request->desk->relay->recent;
	struct recent_group *groups = calloc(RECENT_GROUPS, sizeof(*groups));
	json_t *list = json_array();
	uint64_t left_out = 0;
	size_t count = 0;

	if (!groups || !list) {
		free(groups);
		json_decref(list);
		request_answer(request, ANSWER_OK, NULL);
		return;
	}
	if (recent)
		count = recent_read(recent, groups, RECENT_GROUPS, &left_out);
	for (size_t i = 0; i < count; i++)
		json_array_append_new(list, group_json(&groups[i]));
	free(groups);
	request_answer(request, ANSWER_OK, json_pack("{so sI}", "errors", list, "left_out", (json_int_t)left_out));
}
