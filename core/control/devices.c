/*
 * core/control/devices.c - GET /v1/devices: the inventory, and what was seen of each device (device_keeper.h).
 *
 * The keeper's lock is held while all of them are looked at; shards never take it. Of however many there are, `limit`
 * rows are in memory at a time: the best so far, in their order.
 */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "core/agents/device_keeper.h"
#include "core/base/clock.h"
#include "core/config/device_table.h"
#include "core/control/desk.h"
#include "core/control/handlers.h"
#include "core/relay/relay.h"

enum { LIMIT_USUAL = 100, LIMIT_MAX = 1000 };

enum sort { SORT_STATE, SORT_NAME, SORT_LAST, SORT_MESSAGES, SORT_REFUSALS, SORTS };

static const char *const sort_names[SORTS] = {"state", "name", "last", "messages", "refusals"};

/* The worst first. */
enum state { STATE_SILENT, STATE_REFUSED, STATE_NEVER, STATE_OK, STATES };

static const char *const state_names[STATES] = {"silent", "refused", "never seen", "ok"};

struct row {
	char *name, *place; /* owned */
	char by[320];
	enum state state;
	struct device_facts facts;
};

struct choice {
	const char *match; /* NULL: all */
	enum sort sort;
	unsigned limit;
	struct row **rows; /* owned; the best so far, in their order */
	size_t count, all, fitting, states[STATES];
	bool no_memory;
};

static enum state state_of(const struct device_facts *facts)
{
	if (facts->last_s == 0)
		return STATE_NEVER;
	if (facts->rhythm.silent)
		return STATE_SILENT;
	return facts->refused_s > facts->mail_s ? STATE_REFUSED : STATE_OK;
}

static int descending(uint64_t one, uint64_t other)
{
	return one < other ? 1 : one > other ? -1 : 0;
}

static int compare(enum sort sort, const struct row *one, const struct row *other)
{
	int r = 0;

	if (sort == SORT_STATE)
		r = (int)one->state - (int)other->state;
	else if (sort == SORT_MESSAGES)
		r = descending(one->facts.messages, other->facts.messages);
	else if (sort == SORT_REFUSALS)
		r = descending(one->facts.refusals, other->facts.refusals);
	if (r == 0 && sort != SORT_NAME)
		r = descending(one->facts.last_s, other->facts.last_s);
	return r ? r : strcasecmp(one->name, other->name);
}

static void row_free(struct row *row)
{
	if (!row)
		return;
	free(row->name);
	free(row->place);
	free(row);
}

static struct row *row_new(const struct row *of)
{
	struct row *row = malloc(sizeof(*row));

	if (!row)
		return NULL;
	*row = *of;
	row->name = strdup(of->name);
	row->place = strdup(of->place);
	if (row->name && row->place)
		return row;
	row_free(row);
	return NULL;
}

/* Where it belongs among the rows; their count: behind all. */
static size_t place_of(const struct choice *choice, const struct row *row)
{
	size_t from = 0, until = choice->count;

	while (from < until) {
		size_t middle = (from + until) / 2;
		if (compare(choice->sort, choice->rows[middle], row) <= 0)
			from = middle + 1;
		else
			until = middle;
	}
	return from;
}

static void take(struct choice *choice, const struct row *row)
{
	size_t at = place_of(choice, row);
	struct row *copy;

	if (at >= choice->limit)
		return;
	copy = row_new(row);
	if (!copy) {
		choice->no_memory = true;
		return;
	}
	if (choice->count == choice->limit)
		row_free(choice->rows[--choice->count]);
	memmove(choice->rows + at + 1, choice->rows + at, (choice->count - at) * sizeof(*choice->rows));
	choice->rows[at] = copy;
	choice->count++;
}

static void on_device(void *context, const struct device *device, const struct device_facts *facts)
{
	struct choice *choice = context;
	struct row row = {.name = (char *)(uintptr_t)device->name,
			  .place = (char *)(uintptr_t)device->place,
			  .state = state_of(facts),
			  .facts = *facts};

	choice->all++;
	choice->states[row.state]++;
	if (device->family != 0)
		(void)inet_ntop(device->family, device->octets, row.by, sizeof(row.by));
	else
		snprintf(row.by, sizeof(row.by), "%s", device->user);
	if (choice->match && !strcasestr(device->name, choice->match) && !strcasestr(device->place, choice->match) &&
	    !strcasestr(row.by, choice->match))
		return;
	choice->fitting++;
	take(choice, &row);
}

/* ---- the answer ------------------------------------------------------------------------------------------------- */

static json_t *time_json(uint32_t seconds)
{
	return request_time(seconds * CLOCK_NS_PER_S);
}

static json_t *row_json(const struct row *row)
{
	const struct device_facts *facts = &row->facts;

	return json_pack("{so so so ss so so sI sI sI so so}", "name", request_text(span_text(row->name)), "place",
			 request_text(span_text(row->place)), "by", request_text(span_text(row->by)), "state",
			 state_names[row->state], "last_seen", time_json(facts->last_s), "last_message",
			 time_json(facts->mail_s), "messages", (json_int_t)facts->messages, "octets",
			 (json_int_t)facts->octets, "refusals", (json_int_t)facts->refusals, "last_refusal",
			 facts->refusal[0] ? request_text(span_text(facts->refusal)) : json_null(), "refused_at",
			 time_json(facts->refused_s));
}

/* False: it was answered, as it has no meaning. */
static bool choose(struct control_request *request, struct choice *choice)
{
	const char *sort = request_value(request, "sort");
	unsigned i = 0;

	*choice = (struct choice){.match = request_value(request, "match"), .limit = LIMIT_USUAL};
	if (!request_limit(request, LIMIT_MAX, &choice->limit))
		return false;
	while (sort && i < SORTS && strcmp(sort_names[i], sort) != 0)
		i++;
	if (i == SORTS) {
		request_fail(request, ANSWER_BAD, "sort: write state, name, last, messages or refusals");
		return false;
	}
	choice->sort = (enum sort)i;
	return true;
}

static json_t *answer_json(const struct choice *choice)
{
	json_t *list = json_array(), *states = json_object();

	for (size_t i = 0; i < choice->count; i++)
		json_array_append_new(list, row_json(choice->rows[i]));
	for (unsigned i = 0; i < STATES; i++)
		json_object_set_new(states, state_names[i], json_integer((json_int_t)choice->states[i]));
	return json_pack("{so sI sI so}", "devices", list, "device_count", (json_int_t)choice->all, "fitting",
			 (json_int_t)choice->fitting, "states", states);
}

void handle_devices(struct control_request *request)
{
	struct device_keeper *keeper = request->desk->relay->receivers.devices;
	struct choice choice;

	if (!choose(request, &choice))
		return;
	choice.rows = calloc((size_t)choice.limit + 1, sizeof(*choice.rows));
	if (choice.rows && keeper)
		device_keeper_walk(keeper, on_device, &choice);
	request_answer(request, ANSWER_OK, choice.rows && !choice.no_memory ? answer_json(&choice) : NULL);
	for (size_t i = 0; i < choice.count; i++)
		row_free(choice.rows[i]);
	free(choice.rows);
}
