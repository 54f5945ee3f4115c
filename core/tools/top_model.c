/*
 * core/tools/top_model.c - see top_model.h.
 */
#include "core/tools/top_model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { LIST_MAX = 10000 };

static const char *const rate_keys[TOP_RATES] = {"accepted", "delivered", "put_off", "failed"};

/* ---- answers ---------------------------------------------------------------------------------------------------- */

static uint64_t number(const json_t *json, const char *key)
{
	json_int_t value = json_integer_value(json_object_get(json, key));

	return value > 0 ? (uint64_t)value : 0;
}

static const char *text(const json_t *json, const char *key)
{
	const char *value = json_string_value(json_object_get(json, key));

	return value ? value : "";
}

static char *copy(const json_t *json, const char *key)
{
	return strdup(text(json, key));
}

/* RFC 3339, UTC; 0: there is none. */
static int64_t time_of(const json_t *json, const char *key)
{
	struct tm tm = {0};

	return strptime(text(json, key), "%Y-%m-%dT%H:%M:%S", &tm) ? (int64_t)timegm(&tm) : 0;
}

static size_t list_size(const json_t *list)
{
	size_t size = json_array_size(list);

	return size < LIST_MAX ? size : LIST_MAX;
}

/* ---- what there is ---------------------------------------------------------------------------------------------- */

void top_model_init(struct top_model *model)
{
	memset(model, 0, sizeof(*model));
}

static void free_destinations(struct top_destination *list, size_t count)
{
	for (size_t i = 0; list && i < count; i++) {
		free(list[i].name);
		free(list[i].limited);
	}
	free(list);
}

static void free_devices(struct top_device *list, size_t count)
{
	for (size_t i = 0; list && i < count; i++) {
		free(list[i].name);
		free(list[i].place);
		free(list[i].by);
		free(list[i].state);
		free(list[i].refusal);
	}
	free(list);
}

static void free_errors(struct top_error *list, size_t count)
{
	for (size_t i = 0; list && i < count; i++) {
		free(list[i].event);
		free(list[i].level);
		free(list[i].where);
		free(list[i].say);
		free(list[i].reply);
		free(list[i].id);
	}
	free(list);
}

void top_model_deinit(struct top_model *model)
{
	free_destinations(model->destinations, model->destination_count);
	free_devices(model->devices, model->device_count);
	free_errors(model->errors, model->error_count);
	memset(model, 0, sizeof(*model));
}

/* "back_off, limits" */
static char *limited_text(const json_t *list)
{
	char out[200] = "";
	size_t i, n = 0;
	json_t *one;

	json_array_foreach((json_t *)(uintptr_t)list, i, one)
	{
		const char *word = json_string_value(one);
		if (word && n + strlen(word) + 3 < sizeof(out))
			n += (size_t)sprintf(out + n, "%s%s", n ? ", " : "", word);
	}
	return strdup(out);
}

/* ---- rates ------------------------------------------------------------------------------------------------------ */

/* A count that went back is of another process. */
static double rate_of(uint64_t before, uint64_t now, double seconds)
{
	return seconds > 0 && now > before ? (double)(now - before) / seconds : 0;
}

static int by_name(const void *a, const void *b)
{
	return strcmp((*(struct top_destination *const *)a)->name, (*(struct top_destination *const *)b)->name);
}

/* Of each that was in the answer before, too. Without memory there are no rates. */
static void rate_destinations(const struct top_model *model, struct top_destination *list, size_t count, double seconds)
{
	struct top_destination **before = malloc((model->destination_count + 1) * sizeof(*before));

	if (!before)
		return;
	for (size_t i = 0; i < model->destination_count; i++)
		before[i] = &model->destinations[i];
	qsort(before, model->destination_count, sizeof(*before), by_name);
	for (size_t i = 0; i < count; i++) {
		const struct top_destination *one = &list[i];
		struct top_destination **found =
			bsearch(&one, before, model->destination_count, sizeof(*before), by_name);
		for (unsigned r = 0; found && r < TOP_RATES; r++)
			list[i].rates[r] = rate_of((*found)->counts[r], list[i].counts[r], seconds);
	}
	free(before);
}

static void push_history(struct top_model *model)
{
	if (model->samples == TOP_HISTORY) {
		for (unsigned r = 0; r < TOP_RATES; r++)
			memmove(model->history[r], model->history[r] + 1, (TOP_HISTORY - 1) * sizeof(double));
		model->samples--;
	}
	for (unsigned r = 0; r < TOP_RATES; r++)
		model->history[r][model->samples] = model->rates[r];
	model->samples++;
}

static void take_rates(struct top_model *model, const json_t *all, double now)
{
	static const char *const keys[TOP_RATES] = {"accepted", "delivered", "deferred", "failed"};
	double seconds = model->counted && !model->restarted ? now - model->at : 0;

	for (unsigned r = 0; r < TOP_RATES; r++) {
		uint64_t count = number(all, keys[r]);
		model->rates[r] = rate_of(model->counts[r], count, seconds);
		model->counts[r] = count;
	}
	if (seconds > 0)
		push_history(model);
	model->between = seconds > 0 ? seconds : 0;
	model->at = now;
	model->counted = true;
}

static void take_times(struct top_model *model, const json_t *times, double now)
{
	const json_t *bounds = json_object_get(times, "bounds_ms"), *messages = json_object_get(times, "messages");

	if (model->restarted)
		model->past_count = 0;
	model->bound_count = 0;
	for (size_t i = 0; i < json_array_size(bounds) && i < TOP_TIMES - 1; i++)
		model->bounds_ms[model->bound_count++] = (uint64_t)json_integer_value(json_array_get(bounds, i));
	model->times = (struct top_times){.at = now};
	for (size_t i = 0; i < json_array_size(messages) && i < TOP_TIMES; i++) {
		json_int_t count = json_integer_value(json_array_get(messages, i));
		model->times.counts[i] = count > 0 ? (uint64_t)count : 0;
	}
	/* One a second is enough for a minute. */
	if (model->past_count > 0 && now - model->past[model->past_count - 1].at < 1)
		return;
	if (model->past_count == TOP_PAST)
		memmove(model->past, model->past + 1, (size_t)(--model->past_count) * sizeof(model->past[0]));
	model->past[model->past_count++] = model->times;
}

uint64_t top_model_times(const struct top_model *model, uint64_t counts[TOP_TIMES], bool *since_start)
{
	const struct top_times *before = NULL;
	uint64_t sum = 0;

	for (unsigned i = 0; i < model->past_count && !before; i++) {
		if (model->times.at - model->past[i].at <= TOP_WINDOW_S)
			before = &model->past[i];
	}
	for (unsigned i = 0; i < TOP_TIMES; i++) {
		uint64_t then = before ? before->counts[i] : 0;
		counts[i] = model->times.counts[i] > then ? model->times.counts[i] - then : 0;
		sum += counts[i];
	}
	*since_start = sum == 0;
	for (unsigned i = 0; sum == 0 && i < TOP_TIMES; i++)
		counts[i] = model->times.counts[i];
	for (unsigned i = 0; *since_start && i < TOP_TIMES; i++)
		sum += counts[i];
	return sum;
}

/* ---- lists ------------------------------------------------------------------------------------------------------ */

/* False: no memory, and nothing has changed. */
static bool take_destinations(struct top_model *model, const json_t *stats)
{
	const json_t *list = json_object_get(stats, "destinations"), *json;
	size_t count = list_size(list);
	struct top_destination *next = calloc(count + 1, sizeof(*next));
	bool whole = next;

	for (size_t i = 0; whole && i < count; i++) {
		json = json_array_get(list, i);
		next[i] = (struct top_destination){.name = copy(json, "destination"),
						   .limited = limited_text(json_object_get(json, "limited")),
						   .ready = number(json, "ready"),
						   .deferred = number(json, "deferred"),
						   .connections = number(json, "connections")};
		for (unsigned r = TOP_DELIVERED; r < TOP_RATES; r++)
			next[i].counts[r] = number(json, rate_keys[r]);
		whole = next[i].name && next[i].limited;
	}
	if (!whole) {
		free_destinations(next, count);
		return false;
	}
	rate_destinations(model, next, count, model->between);
	free_destinations(model->destinations, model->destination_count);
	model->destinations = next;
	model->destination_count = count;
	model->destination_all = number(stats, "destination_count");
	return true;
}

static bool take_devices(struct top_model *model, const json_t *answer)
{
	const json_t *list = json_object_get(answer, "devices"), *json;
	size_t count = list_size(list);
	struct top_device *next = calloc(count + 1, sizeof(*next));
	bool whole = next;

	for (size_t i = 0; whole && i < count; i++) {
		json = json_array_get(list, i);
		next[i] = (struct top_device){.name = copy(json, "name"),
					      .place = copy(json, "place"),
					      .by = copy(json, "by"),
					      .state = copy(json, "state"),
					      .refusal = copy(json, "last_refusal"),
					      .messages = number(json, "messages"),
					      .refusals = number(json, "refusals"),
					      .seen_s = time_of(json, "last_seen")};
		whole = next[i].name && next[i].place && next[i].by && next[i].state && next[i].refusal;
	}
	if (!whole) {
		free_devices(next, count);
		return false;
	}
	free_devices(model->devices, model->device_count);
	model->devices = next;
	model->device_count = count;
	model->device_all = number(answer, "device_count");
	model->device_fitting = number(answer, "fitting");
	model->device_silent = number(json_object_get(answer, "states"), "silent");
	return true;
}

static bool take_errors(struct top_model *model, const json_t *answer)
{
	const json_t *list = json_object_get(answer, "errors"), *json;
	size_t count = list_size(list);
	struct top_error *next = calloc(count + 1, sizeof(*next));
	bool whole = next;

	for (size_t i = 0; whole && i < count; i++) {
		json = json_array_get(list, i);
		next[i] = (struct top_error){.event = copy(json, "event"),
					     .level = copy(json, "level"),
					     .where = copy(json, "where"),
					     .say = copy(json, "say"),
					     .reply = copy(json, "reply"),
					     .id = copy(json, "id"),
					     .code = number(json, "code"),
					     .count = number(json, "count"),
					     .first_s = time_of(json, "first"),
					     .last_s = time_of(json, "last")};
		whole = next[i].event && next[i].level && next[i].where && next[i].say && next[i].reply && next[i].id;
	}
	if (!whole) {
		free_errors(next, count);
		return false;
	}
	free_errors(model->errors, model->error_count);
	model->errors = next;
	model->error_count = count;
	model->errors_left_out = number(answer, "left_out");
	return true;
}

/* ---- all of it -------------------------------------------------------------------------------------------------- */

void top_model_lost(struct top_model *model, const char *problem)
{
	snprintf(model->problem, sizeof(model->problem), "%s", problem[0] ? problem : "it does not answer");
	/* What comes next is compared with nothing: how long nothing was done is not known. */
	model->counted = false;
	model->between = 0;
}

bool top_model_take(struct top_model *model, const struct top_answers *answers, double now, int64_t wall_s)
{
	const char *started = text(answers->stats, "started");

	model->restarted = model->known && strcmp(model->started, started) != 0;
	take_rates(model, json_object_get(answers->stats, "all"), now);
	take_times(model, json_object_get(answers->stats, "delivery_times"), now);
	if (!take_destinations(model, answers->stats) || !take_devices(model, answers->devices) ||
	    !take_errors(model, answers->errors)) {
		top_model_lost(model, "there is no memory for what it answers");
		return false;
	}
	snprintf(model->version, sizeof(model->version), "%s", text(answers->status, "version"));
	snprintf(model->state, sizeof(model->state), "%s", text(answers->status, "state"));
	snprintf(model->started, sizeof(model->started), "%s", started);
	model->uptime_s = number(answers->status, "uptime_s");
	model->queued = number(answers->status, "queued");
	model->sessions = number(answers->status, "sessions");
	model->missing = (unsigned)list_size(json_object_get(answers->stats, "missing"));
	model->problem[0] = '\0';
	model->answered_s = wall_s;
	model->known = true;
	return true;
}

/* ---- for programs ----------------------------------------------------------------------------------------------- */

static json_t *rates_json(const double rates[TOP_RATES], unsigned from)
{
	json_t *json = json_object();

	for (unsigned r = from; r < TOP_RATES; r++)
		json_object_set_new(json, rate_keys[r], json_real(rates[r]));
	return json;
}

static json_t *time_json(int64_t seconds)
{
	char out[40];
	time_t then = (time_t)seconds;
	struct tm tm;

	if (seconds == 0 || !gmtime_r(&then, &tm))
		return json_null();
	(void)strftime(out, sizeof(out), "%Y-%m-%dT%H:%M:%SZ", &tm);
	return json_string(out);
}

static json_t *destinations_json(const struct top_model *model)
{
	json_t *list = json_array();

	for (size_t i = 0; i < model->destination_count; i++) {
		const struct top_destination *one = &model->destinations[i];
		json_array_append_new(list,
				      json_pack("{ss ss sI sI sI so}", "destination", one->name, "limited",
						one->limited, "ready", (json_int_t)one->ready, "deferred",
						(json_int_t)one->deferred, "connections", (json_int_t)one->connections,
						"rates", rates_json(one->rates, TOP_DELIVERED)));
	}
	return list;
}

static json_t *devices_json(const struct top_model *model)
{
	json_t *list = json_array();

	for (size_t i = 0; i < model->device_count; i++) {
		const struct top_device *one = &model->devices[i];
		json_array_append_new(list, json_pack("{ss ss ss ss ss sI sI so}", "name", one->name, "place",
						      one->place, "by", one->by, "state", one->state, "last_refusal",
						      one->refusal, "messages", (json_int_t)one->messages, "refusals",
						      (json_int_t)one->refusals, "last_seen", time_json(one->seen_s)));
	}
	return list;
}

static json_t *errors_json(const struct top_model *model)
{
	json_t *list = json_array();

	for (size_t i = 0; i < model->error_count; i++) {
		const struct top_error *one = &model->errors[i];
		json_array_append_new(list, json_pack("{ss ss ss ss ss ss sI sI so so}", "event", one->event, "level",
						      one->level, "where", one->where, "say", one->say, "reply",
						      one->reply, "id", one->id, "code", (json_int_t)one->code, "count",
						      (json_int_t)one->count, "first", time_json(one->first_s), "last",
						      time_json(one->last_s)));
	}
	return list;
}

static json_t *times_json(const struct top_model *model)
{
	json_t *bounds = json_array(), *messages = json_array();

	for (unsigned i = 0; i < model->bound_count; i++)
		json_array_append_new(bounds, json_integer((json_int_t)model->bounds_ms[i]));
	for (unsigned i = 0; i <= model->bound_count; i++)
		json_array_append_new(messages, json_integer((json_int_t)model->times.counts[i]));
	return json_pack("{so so}", "bounds_ms", bounds, "messages", messages);
}

json_t *top_model_json(const struct top_model *model)
{
	return json_pack("{ss ss so so sI sI sI sI sf so so sI so sI sI so sI so}", "version", model->version, "state",
			 model->state, "at", time_json(model->answered_s), "started",
			 model->started[0] ? json_string(model->started) : json_null(), "uptime_s",
			 (json_int_t)model->uptime_s, "queued", (json_int_t)model->queued, "sessions",
			 (json_int_t)model->sessions, "missing_shards", (json_int_t)model->missing, "interval_s",
			 model->between, "rates", rates_json(model->rates, TOP_ACCEPTED), "destinations",
			 destinations_json(model), "destination_count", (json_int_t)model->destination_all, "devices",
			 devices_json(model), "device_count", (json_int_t)model->device_all, "devices_silent",
			 (json_int_t)model->device_silent, "errors", errors_json(model), "errors_left_out",
			 (json_int_t)model->errors_left_out, "delivery_times", times_json(model));
}
