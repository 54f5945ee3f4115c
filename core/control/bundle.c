/*
 * core/control/bundle.c - see bundle.h; and GET /v1/events.
 */
#include "core/control/bundle.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/agents/bundle.h"
#include "core/config/config.h"
#include "core/control/checkup.h"
#include "core/control/desk.h"
#include "core/control/handlers.h"
#include "core/control/within.h"
#include "core/relay/relay.h"
#include "core/trace/newest.h"

static void add_json(struct bundle *bundle, const char *name, json_t *json)
{
	char *text = json ? json_dumps(json, JSON_INDENT(1)) : NULL;

	bundle_add(bundle, name, text, text ? strlen(text) : 0);
	free(text);
	json_decref(json);
}

static void add_metrics(struct bundle *bundle, const struct control_request *request)
{
	json_t *metrics = within_get(request, "/metrics", NULL);
	const char *text = json_string_value(json_object_get(metrics, "text"));

	bundle_add(bundle, "metrics.txt", text, text ? strlen(text) : 0);
	json_decref(metrics);
}

static void add_events(struct bundle *bundle, struct newest *newest)
{
	size_t length = 0;
	char *text = newest ? newest_read(newest, &length) : NULL;

	bundle_add(bundle, "events.jsonl", text, length);
	free(text);
}

static char *make(const struct control_request *request, size_t *length)
{
	struct relay *relay = request->desk->relay;
	struct bundle *bundle = bundle_new();
	char *packed;

	if (!bundle)
		return NULL;
	/* The file may be another one by now, or broken: events and errors have words of what is in force. */
	bundle_hide(bundle, desk_config_take(request->desk));
	desk_config_return(request->desk);
	bundle_begin(bundle, relay->config->file);
	add_json(bundle, "doctor.json", checkup_json(request->desk->checkup));
	for (const struct bundle_part *part = bundle_parts; part->path; part++)
		add_json(bundle, part->name, within_get(request, part->path, NULL));
	add_metrics(bundle, request);
	add_events(bundle, relay->newest);
	packed = bundle_end(bundle, length);
	bundle_free(bundle);
	return packed;
}

void control_bundle_answer(struct control_request *request)
{
	static pthread_mutex_t one = PTHREAD_MUTEX_INITIALIZER;
	char name[BUNDLE_NAME], field[BUNDLE_NAME + 40], *packed;
	size_t length = 0;

	if (pthread_mutex_trylock(&one) != 0) {
		request_fail(request, ANSWER_TOO_MANY, "one is being made: ask again when that is there");
		return;
	}
	packed = make(request, &length);
	pthread_mutex_unlock(&one);
	request_take_text(request, ANSWER_OK, "application/gzip", packed, length);
	bundle_name(name);
	snprintf(field, sizeof(field), "attachment; filename=\"%s\"", name);
	request_add(request, "Content-Disposition", field);
}

void handle_bundle(struct control_request *request)
{
	control_bundle_answer(request);
}

void handle_events(struct control_request *request)
{
	struct newest *newest = request->desk->relay->newest;
	size_t length = 0;
	char *text = newest ? newest_read(newest, &length) : NULL;

	request_take_text(request, ANSWER_OK, "application/x-ndjson", text, length);
}
