/*
 * core/control/lives.c - GET /v1/trace, /v1/trace/ID: what became of mail, from the trace (core/trace), also of what
 * has left. The file is the one of the newest configuration.
 *
 * The trace has texts of strangers, which may be no UTF-8; nothing here trusts them (request_text()).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/config/config.h"
#include "core/control/desk.h"
#include "core/control/filter.h"
#include "core/control/handlers.h"
#include "core/trace/search.h"

enum {
	LIMIT_USUAL = 100,
	LIMIT_MOST = 500,
	RECIPIENTS_SHOWN = 10,
	RECIPIENTS_MOST = 1000,
	STEPS_MOST = 1000,
	FIND_S = 10
};

/* ---- as JSON ---------------------------------------------------------------------------------------------------- */

/* What is not known is not said. */
static void set_text(json_t *json, const char *key, struct span text)
{
	if (text.data)
		json_object_set_new(json, key, request_text(text));
}

static void set_number(json_t *json, const char *key, int64_t number)
{
	if (number >= 0)
		json_object_set_new(json, key, json_integer(number));
}

static void on_message(void *context, const struct search_message *m)
{
	json_t *json = context;
	char id[MESSAGE_ID_TEXT];

	json_object_set_new(json, "time", request_time(m->ms * CLOCK_NS_PER_MS));
	if (m->has_id) {
		message_id_text(m->id, id);
		set_text(json, "id", (struct span){id, MESSAGE_ID_TEXT});
	}
	json_object_set_new(json, "kind", json_string(m->kind == FACT_OTHER ? "unknown" : fact_kind_name(m->kind)));
	set_text(json, "client", m->client);
	set_text(json, "device", m->device);
	set_text(json, "user", m->user);
	set_text(json, "peer", m->peer);
	set_text(json, "listener", m->listener);
	set_text(json, "sender", m->sender);
	set_text(json, "message_id", m->message_id);
	set_text(json, "destination", m->destination);
	set_number(json, "octets", m->octets);
	set_number(json, "recipient_count", m->recipients);
}

struct listing {
	json_t *list;
	size_t most;
};

static void on_recipient(void *context, const struct search_recipient *r)
{
	struct listing *listing = context;

	if (json_array_size(listing->list) < listing->most)
		json_array_append_new(listing->list,
				      json_pack("{so so ss}", "recipient", request_text(r->address), "destination",
						request_text(r->destination), "result", row_result_name(r->result)));
}

static void on_step(void *context, const struct search_step *step)
{
	struct listing *listing = context;
	json_t *json;

	if (json_array_size(listing->list) == listing->most)
		return;
	json = json_pack("{so ss}", "time", request_time(step->ms * CLOCK_NS_PER_MS), "event",
			 fact_kind_name(step->kind));
	if (step->result != ROW_RESULTS)
		json_object_set_new(json, "result", json_string(row_result_name(step->result)));
	set_text(json, "destination", step->destination);
	set_text(json, "host", step->host);
	set_text(json, "mailbox", step->mailbox);
	set_text(json, "tls", step->tls);
	set_text(json, "stage", step->stage);
	set_text(json, "reply", step->reply);
	set_text(json, "problem", step->problem);
	set_text(json,
		 step->kind == FACT_DEFERRED  ? "next"
		 : step->kind == FACT_ATTEMPT ? "instead_of"
					      : "about",
		 step->more);
	set_number(json, "code", step->code > 0 ? step->code : -1);
	set_number(json, "ms", step->duration_ms);
	set_number(json, "queued_ms", step->queued_ms);
	set_number(json, "attempt", step->attempt);
	set_number(json, "recipients", step->recipients);
	json_array_append_new(listing->list, json);
}

static enum trace_status add(struct search *search, int64_t number, bool whole, json_t *messages)
{
	struct listing recipients = {json_array(), whole ? RECIPIENTS_MOST : RECIPIENTS_SHOWN};
	struct listing steps = {json_array(), STEPS_MOST};
	json_t *one = json_object();
	enum trace_status status = search_message(search, number, on_message, one);

	if (status == TRACE_OK)
		status = search_recipients(search, number, on_recipient, &recipients);
	if (status == TRACE_OK && whole)
		status = search_steps(search, number, on_step, &steps);
	json_object_set_new(one, "recipients", recipients.list);
	if (whole)
		json_object_set_new(one, "steps", steps.list);
	else
		json_decref(steps.list);
	json_array_append_new(messages, one);
	return status;
}

/* ---- how long --------------------------------------------------------------------------------------------------- */

/* What is asked for may meet nowhere in all there is, which takes minutes where there is much. Nobody waits for so long
 * in a view, the process does not end meanwhile, and the file's log grows as long as somebody reads. */
struct bound {
	const struct desk *desk;
	uint64_t end_ns;
	bool over;
};

static int is_over(void *context)
{
	struct bound *bound = context;

	bound->over |= clock_monotonic_ns() > bound->end_ns || desk_stops(bound->desk);
	return bound->over;
}

/* ---- requests --------------------------------------------------------------------------------------------------- */

/* NULL: it was answered why not. */
static struct search *open_trace(struct control_request *request)
{
	const struct config *config = desk_config_take(request->desk);
	bool kept = config->trace.detail != CONFIG_TRACE_OFF && config->trace.file;
	char problem[TRACE_PROBLEM_SIZE] = "out of memory", *file = kept ? strdup(config->trace.file) : NULL;
	struct search *search;
	bool opened;

	desk_config_return(request->desk);
	if (!kept) {
		request_fail(request, ANSWER_CONFLICT,
			     "this process keeps no trace: write trace: { detail: auto } in the configuration");
		return NULL;
	}
	opened = file && search_open(file, &search, problem) == TRACE_OK;
	free(file);
	if (opened)
		return search;
	request_fail(request, ANSWER_UNAVAILABLE, "the trace cannot be read: %s", problem);
	return NULL;
}

static void answer(struct control_request *request, const struct search_filter *filter, bool whole)
{
	struct search *search = open_trace(request);
	struct bound bound = {request->desk, clock_monotonic_ns() + FIND_S * CLOCK_NS_PER_S, false};
	unsigned count = filter->limit;
	int64_t *numbers = search ? calloc(count, sizeof(*numbers)) : NULL;
	json_t *messages = json_array();
	enum trace_status status;

	if (!search || !numbers) {
		search_close(search);
		json_decref(messages);
		return; /* answered, or 503 follows by itself */
	}
	search_end_where(search, is_over, &bound);
	status = search_find(search, filter, numbers, &count);
	for (unsigned i = 0; i < count && status == TRACE_OK; i++)
		status = add(search, numbers[i], whole, messages);
	free(numbers);
	if (bound.over)
		request_fail(request, ANSWER_UNAVAILABLE,
			     "it was not found within %d s: say more of what you look for (to, from, client, device, "
			     "since), or run postrider trace, which takes its time",
			     FIND_S);
	else if (status != TRACE_OK)
		request_fail(request, ANSWER_UNAVAILABLE, "the trace cannot be read: %s", search_problem(search));
	else if (whole && json_array_size(messages) == 0)
		request_fail(request, ANSWER_NOT_FOUND, "nothing of %s is in the trace", request->argument);
	else
		request_answer(request, ANSWER_OK, json_pack("{sO}", "messages", messages));
	json_decref(messages);
	search_close(search);
}

/* False: it was answered. */
static bool take_bounds(struct control_request *request, struct search_filter *filter)
{
	const char *since = request_value(request, "since"), *result = request_value(request, "result");
	uint64_t now_ms = clock_wall_ns() / CLOCK_NS_PER_MS, ns = 0;

	if (!request_limit(request, LIMIT_MOST, &filter->limit))
		return false;
	if (since && !filter_duration(since, &ns)) {
		request_fail(request, ANSWER_BAD, "since: write how long ago, as in 90s, 15m, 4h, 2d");
		return false;
	}
	if (since && now_ms > ns / CLOCK_NS_PER_MS)
		filter->since_ms = now_ms - ns / CLOCK_NS_PER_MS;
	if (result)
		filter->result = row_result_of(span_text(result));
	if (result && filter->result == ROW_RESULTS) {
		request_fail(request, ANSWER_BAD,
			     "result: write queued, delivered, deferred, failed, held, expired or refused");
		return false;
	}
	return true;
}

void handle_trace(struct control_request *request)
{
	struct search_filter filter = {
		.client = request_value(request, "client"),
		.device = request_value(request, "device"),
		.sender = request_value(request, "from"),
		.recipient = request_value(request, "to"),
		.destination = request_value(request, "destination"),
		.until_ms = INT64_MAX >> ROW_TIME_SHIFT,
		.result = ROW_RESULTS,
		.limit = LIMIT_USUAL,
	};

	if (take_bounds(request, &filter))
		answer(request, &filter, false);
}

void handle_trace_one(struct control_request *request)
{
	struct search_filter filter = {
		.has_id = true, .until_ms = INT64_MAX >> ROW_TIME_SHIFT, .result = ROW_RESULTS, .limit = 4};

	if (message_id_parse(request->argument, strlen(request->argument), &filter.id) < 0)
		request_fail(request, ANSWER_BAD, "\"%.80s\" is no id of a message: it has 26 letters and digits",
			     request->argument);
	else
		answer(request, &filter, true);
}
