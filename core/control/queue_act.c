/*
 * core/control/queue_act.c - POST /v1/queue/hold, release, retry, delete: orders for messages by their ids
 * (core/deliver/steer.h), to all shards, as any may have some of a message.
 */
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/config/config.h"
#include "core/control/desk.h"
#include "core/control/handlers.h"
#include "core/control/inquiry.h"
#include "core/control/steering.h"
#include "core/deliver/steer.h"
#include "core/relay/relay.h"
#include "core/route/route.h"
#include "core/shard/shard.h"

enum { IDS_MAX = 10000, ANSWER_S = 60 };

static const char *const result_names[STEER_RESULTS] = {
	[STEER_NOT_FOUND] = "not_found",   [STEER_AS_IT_WAS] = "as_it_was",     [STEER_DONE] = "done",
	[STEER_IS_HELD] = "is_held",       [STEER_IN_DELIVERY] = "in_delivery", [STEER_BEING_DELETED] = "being_deleted",
	[STEER_UNREADABLE] = "unreadable", [STEER_NO_ROOM] = "no_room",         [STEER_FAILED] = "failed",
	[STEER_AGAIN] = "failed",
};

/* The question: it is there until all shards are done, whoever waits. */
struct acts {
	struct steer_order order;
	struct message_id *ids; /* owned */
	size_t count;
	char destination[STEERING_NAME_MAX + 1]; /* "": all of each message */
	char reason[STEERING_REASON_MAX + 1], who[STEERING_WHO];
};

struct act_part {
	struct inquiry_part part;
	struct steer_job job;
	uint8_t *results; /* owned */
	bool begun, over, failed;
};

static void on_done(struct steer_job *job)
{
	struct act_part *part = job->context;

	part->over = true;
	visit_wake(&job->shard->visits, &part->part.visit);
}

static bool wanted(const struct steer_job *job)
{
	const struct act_part *part = job->context;

	return inquiry_wanted(&part->part);
}

static enum visit_step begin(struct shard *shard, struct act_part *part)
{
	const struct acts *acts = inquiry_question(&part->part);
	int place = -1;

	if (!inquiry_wanted(&part->part))
		return VISIT_DONE;
	if (acts->destination[0])
		place = route_destination(shard->config, acts->destination, strlen(acts->destination));
	part->results = calloc(acts->count, 1);
	part->failed = !part->results || (acts->destination[0] && place < 0);
	if (part->failed)
		return VISIT_DONE;
	part->job = (struct steer_job){
		.order = acts->order,
		.ids = acts->ids,
		.results = part->results,
		.count = acts->count,
		.wanted = wanted,
		.done = on_done,
		.context = part,
	};
	part->job.order.place = place;
	part->begun = true;
	steer_begin(shard, &part->job);
	return VISIT_WAITS;
}

static enum visit_step visit(struct shard *shard, struct visit *visit, uint64_t until_ns)
{
	struct act_part *part = (struct act_part *)inquiry_part_of(visit);

	if (!part->begun)
		return begin(shard, part);
	return part->over ? VISIT_DONE : VISIT_WAITS;
}

static void release(struct inquiry_part *part)
{
	free(((struct act_part *)part)->results);
}

static void forget(void *question)
{
	struct acts *acts = question;

	free(acts->ids);
	free(acts);
}

/* ---- the request ------------------------------------------------------------------------------------------------ */

static bool take_ids(struct control_request *request, const json_t *body, struct acts *acts)
{
	const json_t *list = json_object_get(body, "ids"), *one;
	size_t i;

	if (!json_is_array(list) || json_array_size(list) == 0 || json_array_size(list) > IDS_MAX) {
		request_fail(request, ANSWER_BAD, "\"ids\" is to be a list of 1 to %d ids of messages", IDS_MAX);
		return false;
	}
	acts->ids = calloc(json_array_size(list), sizeof(*acts->ids));
	if (!acts->ids) {
		request_answer(request, ANSWER_UNAVAILABLE, NULL);
		return false;
	}
	json_array_foreach((json_t *)(uintptr_t)list, i, one)
	{
		const char *text = json_string_value(one);
		if (text && message_id_parse(text, json_string_length(one), &acts->ids[i]) == 0)
			continue;
		request_fail(request, ANSWER_BAD, "\"%.60s\" is no id of a message", text ? text : "");
		return false;
	}
	acts->count = json_array_size(list);
	return true;
}

static bool take_flag(struct control_request *request, const json_t *body, const char *key, bool *out)
{
	const json_t *value = json_object_get(body, key);

	*out = json_is_true(value);
	if (!value || json_is_boolean(value))
		return true;
	request_fail(request, ANSWER_BAD, "\"%s\" is to be true or false", key);
	return false;
}

static bool take(struct control_request *request, const json_t *body, enum steer_kind kind, struct acts *acts)
{
	const char *destination, *reason;

	if (!steering_text(request, body, "destination", STEERING_NAME_MAX, &destination) ||
	    !steering_text(request, body, "reason", STEERING_REASON_MAX, &reason) ||
	    !take_flag(request, body, "now", &acts->order.now) ||
	    !take_flag(request, body, "report", &acts->order.report) || !take_ids(request, body, acts))
		return false;
	if (acts->order.report && reason[0] == '\0') {
		request_fail(request, ANSWER_BAD, "\"report\" wants a \"reason\": the sender reads it");
		return false;
	}
	acts->order.kind = kind;
	strcpy(acts->destination, destination);
	strcpy(acts->reason, reason);
	steering_who(request, acts->who);
	acts->order.reason = acts->reason;
	acts->order.who = acts->who;
	return true;
}

/* What became of each, over all shards; of those that do not answer nothing is known. */
static void answer(struct control_request *request, struct inquiry *inquiry, const struct acts *acts, unsigned shards)
{
	json_t *results = json_array(), *missing = json_array();
	char id[MESSAGE_ID_TEXT + 1] = "";
	bool failed = false;

	for (unsigned s = 0; s < shards; s++) {
		const struct act_part *part = (const struct act_part *)inquiry_part(inquiry, s);
		if (!part)
			json_array_append_new(missing, json_integer(s));
		failed = failed || (part && part->failed);
	}
	for (size_t i = 0; i < acts->count && !failed; i++) {
		enum steer_result result = STEER_NOT_FOUND;
		for (unsigned s = 0; s < shards; s++) {
			const struct act_part *part = (const struct act_part *)inquiry_part(inquiry, s);
			if (part && part->results && part->results[i] > result)
				result = (enum steer_result)part->results[i];
		}
		message_id_text(acts->ids[i], id);
		json_array_append_new(results, json_pack("{ss ss}", "id", id, "result", result_names[result]));
	}
	if (!failed) {
		request_answer(request, ANSWER_OK, json_pack("{so so}", "results", results, "missing", missing));
		return;
	}
	json_decref(results);
	json_decref(missing);
	if (acts->destination[0])
		request_fail(request, ANSWER_NOT_FOUND, "there is no destination %.60s", acts->destination);
	else
		request_answer(request, ANSWER_UNAVAILABLE, NULL);
}

static void act(struct control_request *request, enum steer_kind kind, const char *const *keys)
{
	static const struct inquiry_kind asked = {
		.size = sizeof(struct act_part), .fn = visit, .release = release, .forget = forget};
	struct acts *acts = calloc(1, sizeof(*acts));
	json_t *body = acts ? steering_body(request, keys) : NULL;
	struct inquiry *inquiry = NULL;

	if (body && take(request, body, kind, acts))
		inquiry = inquiry_new(request->desk, &asked, acts);
	json_decref(body);
	if (!inquiry) {
		/* Answered, or 503 follows by itself. */
		if (acts)
			forget(acts);
		return;
	}
	inquiry_ask_all(inquiry);
	(void)inquiry_wait(inquiry, ANSWER_S * CLOCK_NS_PER_S);
	answer(request, inquiry, acts, request->desk->relay->shard_count);
	inquiry_end(inquiry);
}

void handle_queue_hold(struct control_request *request)
{
	static const char *const keys[] = {"ids", "destination", "reason", NULL};

	act(request, STEER_HOLD, keys);
}

void handle_queue_release(struct control_request *request)
{
	static const char *const keys[] = {"ids", "destination", "reason", NULL};

	act(request, STEER_RELEASE, keys);
}

void handle_queue_retry(struct control_request *request)
{
	static const char *const keys[] = {"ids", "destination", "reason", "now", NULL};

	act(request, STEER_RETRY, keys);
}

void handle_queue_delete(struct control_request *request)
{
	static const char *const keys[] = {"ids", "destination", "reason", "report", NULL};

	act(request, STEER_DELETE, keys);
}
