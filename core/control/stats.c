/*
 * core/control/stats.c - GET /v1/stats: what was counted since the start, and what each destination is at. Counters are
 * read from here, so they are whole also where shards do not answer; the lanes of destinations each shard adds up.
 *
 * Of many destinations those are had that are asked for (`match`, `sort`, `limit`).
 */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/config/config.h"
#include "core/control/desk.h"
#include "core/control/facts.h"
#include "core/control/handlers.h"
#include "core/control/inquiry.h"
#include "core/control/limited.h"
#include "core/deliver/counts.h"
#include "core/deliver/deliverer.h"
#include "core/deliver/outbound.h"
#include "core/receive/receiver.h"
#include "core/relay/relay.h"
#include "core/route/plan.h"
#include "core/shard/shard.h"
#include "core/store/store.h"

enum { ANSWER_S = 2, LIMIT_MAX = 10000 };

struct stats {
	struct inquiry_part part;
	struct facts_destination *sums; /* owned; by the place of a destination, which is the same on all shards */
	size_t count;
	unsigned at; /* of deliverer_next() */
	bool began, whole;
};

/* ---- on a shard ------------------------------------------------------------------------------------------------- */

static enum visit_step look(struct shard *shard, struct visit *visit, uint64_t until_ns)
{
	struct stats *stats = container_of(inquiry_part_of(visit), struct stats, part);
	struct visit_slice slice = {.until_ns = until_ns};

	if (!stats->began) {
		stats->began = true;
		stats->at = deliverer_first(shard->deliverer);
		stats->sums = calloc(shard->plan->destination_room, sizeof(*stats->sums));
		stats->count = stats->sums ? shard->plan->destination_room : 0;
	}
	for (; stats->sums && stats->at < deliverer_end(shard->deliverer);
	     stats->at = deliverer_next(shard->deliverer, stats->at)) {
		if (shard->draining || !inquiry_wanted(&stats->part))
			return VISIT_DONE;
		if (visit_spent(&slice))
			return VISIT_MORE;
		facts_add_lane(stats->sums, stats->count, &shard->deliverer->outbound[stats->at]);
	}
	stats->whole = stats->sums != NULL;
	return VISIT_DONE;
}

static void release(struct inquiry_part *part)
{
	struct stats *stats = container_of(part, struct stats, part);

	for (size_t i = 0; i < stats->count; i++)
		free(stats->sums[i].name);
	free(stats->sums);
}

/* ---- the answer ------------------------------------------------------------------------------------------------- */

/* NULL: it has not answered, or not whole. */
static struct stats *answer_of(struct inquiry *inquiry, unsigned shard)
{
	struct inquiry_part *part = inquiry_part(inquiry, shard);
	struct stats *stats = part ? container_of(part, struct stats, part) : NULL;

	return stats && stats->whole ? stats : NULL;
}

/* What is asked of destinations. */
struct choice {
	const char *match;                            /* NULL: all */
	unsigned limit;                               /* UINT_MAX: all */
	int (*compare)(const void *a, const void *b); /* which one comes first */
};

struct row {
	struct facts_destination sum; /* its name is of a part */
	size_t place;                 /* in the configuration's order */
	uint64_t delivered, deferred, failed;
};

static int by_place(const void *a, const void *b)
{
	return ((const struct row *)a)->place < ((const struct row *)b)->place ? -1 : 1;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct row *)a)->sum.name, ((const struct row *)b)->sum.name);
}

static int descending(uint64_t one, uint64_t other)
{
	return one < other ? 1 : one > other ? -1 : 0;
}

static int by_connections(const void *a, const void *b)
{
	int r = descending(((const struct row *)a)->sum.connections, ((const struct row *)b)->sum.connections);

	return r ? r : by_name(a, b);
}

/* Of those without, who is busy comes first. */
static int by_waiting(const void *a, const void *b)
{
	const struct row *one = a, *other = b;
	int r = descending(one->sum.ready + one->sum.deferred, other->sum.ready + other->sum.deferred);

	return r ? r : by_connections(a, b);
}

/* Those whose mail cannot go come first, however little it is. */
static int by_trouble(const void *a, const void *b)
{
	const unsigned trouble =
		1u << LIMITED_SIGN_IN | 1u << LIMITED_SET_UP | 1u << LIMITED_DNS | 1u << LIMITED_BACK_OFF;
	const struct row *one = a, *other = b;
	int r = descending((one->sum.limited & trouble) != 0, (other->sum.limited & trouble) != 0);

	return r ? r : by_waiting(a, b);
}

static int by_failures(const void *a, const void *b)
{
	const struct row *one = a, *other = b;
	int r = descending(one->deferred + one->failed, other->deferred + other->failed);

	return r ? r : by_name(a, b);
}

static int by_delivered(const void *a, const void *b)
{
	int r = descending(((const struct row *)a)->delivered, ((const struct row *)b)->delivered);

	return r ? r : by_name(a, b);
}

/* False: it was answered, as it has no meaning. */
static bool choose(struct control_request *request, struct choice *choice)
{
	static const struct {
		const char *name;
		int (*compare)(const void *a, const void *b);
	} sorts[] = {{"name", by_name},         {"waiting", by_waiting},
		     {"trouble", by_trouble},   {"connections", by_connections},
		     {"failures", by_failures}, {"delivered", by_delivered}};
	const char *sort = request_value(request, "sort");

	*choice = (struct choice){
		.match = request_value(request, "match"), .limit = UINT_MAX, .compare = sort ? NULL : by_place};
	if (!request_limit(request, LIMIT_MAX, &choice->limit))
		return false;
	for (size_t i = 0; sort && i < sizeof(sorts) / sizeof(sorts[0]); i++) {
		if (strcmp(sorts[i].name, sort) == 0)
			choice->compare = sorts[i].compare;
	}
	if (!choice->compare)
		request_fail(request, ANSWER_BAD,
			     "sort: write name, waiting, trouble, connections, failures or delivered");
	return choice->compare;
}

static uint64_t sum_of(const struct counts *counts, const struct counted *one, size_t offset)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < counts->shards; i++)
		sum += counter_get((const counter *)(const void *)((uint8_t *)counted_block(one, i) + offset));
	return sum;
}

/* All that fit, of all shards; malloc'd. NULL without memory. */
static struct row *rows_of(struct inquiry *inquiry, unsigned shards, const struct choice *choice, size_t *count,
			   json_t *missing)
{
	struct row *rows;
	size_t places = 0;

	for (unsigned i = 0; i < shards; i++) {
		const struct stats *stats = answer_of(inquiry, i);
		if (!stats)
			json_array_append_new(missing, json_integer(i));
		else if (stats->count > places)
			places = stats->count;
	}
	*count = 0;
	rows = calloc(places + 1, sizeof(*rows));
	for (size_t place = 0; rows && place < places; place++) {
		struct row *row = &rows[*count];
		*row = (struct row){.place = place};
		for (unsigned i = 0; i < shards; i++) {
			const struct stats *stats = answer_of(inquiry, i);
			if (!stats || place >= stats->count || !stats->sums[place].name)
				continue;
			row->sum.name = stats->sums[place].name;
			facts_add(&row->sum, &stats->sums[place]);
		}
		*count += row->sum.name && (!choice->match || strcasestr(row->sum.name, choice->match));
	}
	return rows;
}

/* What was counted of each by its name, which the rows are sorted by. */
static void take_counts(const struct counts *counts, struct row *rows, size_t count)
{
	const struct counted *one = NULL;

	while ((one = counts_next(counts, one))) {
		const struct row key = {.sum = {.name = one->name}};
		struct row *row = bsearch(&key, rows, count, sizeof(*rows), by_name);
		if (!row)
			continue;
		row->delivered = sum_of(counts, one, offsetof(struct destination_counts, delivered));
		row->deferred = sum_of(counts, one, offsetof(struct destination_counts, deferred));
		row->failed = sum_of(counts, one, offsetof(struct destination_counts, failed));
	}
}

static json_t *limited_json(const struct facts_destination *sum)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < LIMITED_COUNT; i++) {
		if (sum->limited & 1u << i)
			json_array_append_new(list, json_string(limited_names[i]));
	}
	if (sum->limited == 0 && sum->ready == 0 && sum->deferred > 0)
		json_array_append_new(list, json_string(limited_names[LIMITED_RETRY]));
	return list;
}

static json_t *row_json(const struct row *row)
{
	const struct facts_destination *sum = &row->sum;

	return json_pack("{so sI sI sI sI sI sI sI sI so}", "destination", request_text(span_text(sum->name)), "ready",
			 (json_int_t)sum->ready, "deferred", (json_int_t)sum->deferred, "connections",
			 (json_int_t)sum->connections, "connecting", (json_int_t)sum->connecting, "connect_failures",
			 (json_int_t)sum->connect_failures, "delivered", (json_int_t)row->delivered, "put_off",
			 (json_int_t)row->deferred, "failed", (json_int_t)row->failed, "limited", limited_json(sum));
}

/* NULL without memory. */
static json_t *destinations_json(struct inquiry *inquiry, const struct relay *relay, const struct choice *choice,
				 json_t *missing, size_t *count)
{
	struct row *rows = rows_of(inquiry, relay->shard_count, choice, count, missing);
	json_t *list = rows ? json_array() : NULL;

	if (!rows)
		return NULL;
	qsort(rows, *count, sizeof(*rows), by_name);
	take_counts(&relay->deliverers.counts, rows, *count);
	qsort(rows, *count, sizeof(*rows), choice->compare);
	for (size_t i = 0; list && i < *count && i < choice->limit; i++)
		json_array_append_new(list, row_json(&rows[i]));
	free(rows);
	return list;
}

/* How long it took from 250 to the next hop's, of all destinations. */
static json_t *times_json(const struct counts *counts)
{
	uint64_t sums[HISTOGRAM_BOUNDS + 1] = {0};
	const struct counted *one = NULL;
	json_t *bounds = json_array(), *messages = json_array();

	while ((one = counts_next(counts, one))) {
		for (unsigned i = 0; i <= HISTOGRAM_BOUNDS; i++)
			sums[i] += sum_of(counts, one,
					  offsetof(struct destination_counts, all) +
						  offsetof(struct histogram, counts) + i * sizeof(counter));
	}
	for (unsigned i = 0; i <= HISTOGRAM_BOUNDS; i++) {
		if (i < HISTOGRAM_BOUNDS)
			json_array_append_new(bounds, json_integer((json_int_t)(histogram_bounds_us[i] / 1000)));
		json_array_append_new(messages, json_integer((json_int_t)sums[i]));
	}
	return json_pack("{so so}", "bounds_ms", bounds, "messages", messages);
}

static void add(json_t *all, const char *key, uint64_t value)
{
	json_object_set_new(all, key, json_integer(json_integer_value(json_object_get(all, key)) + (json_int_t)value));
}

static void add_shard(json_t *all, const struct shard *shard)
{
	const struct receiver_counters *in = &shard->receiver->counters;
	const struct store_counters *here = &shard->store->counters;
	const struct deliverer_counters *out = &shard->deliverer->counters;
	/* What has left is read first: read later it might count one that was not queued yet. */
	uint64_t left = counter_get(&here->left);

	add(all, "queued", counter_get(&here->queued) - left);
	add(all, "connections_in", counter_get(&in->connections_in));
	add(all, "sessions_refused", counter_get(&in->sessions_refused));
	add(all, "accepted", counter_get(&in->accepted));
	add(all, "accepted_octets", counter_get(&in->accepted_octets));
	add(all, "recipients", counter_get(&in->recipients));
	add(all, "refused", counter_get(&in->refused));
	add(all, "accept_failed", counter_get(&here->accept_failed));
	add(all, "connections_out", counter_get(&out->connections_out));
	add(all, "handshakes", counter_get(&out->handshakes));
	add(all, "resumed", counter_get(&out->resumed));
	add(all, "attempts", counter_get(&out->attempts));
	add(all, "delivered", counter_get(&out->delivered));
	add(all, "delivered_octets", counter_get(&out->delivered_octets));
	add(all, "deferred", counter_get(&out->deferred));
	add(all, "failed", counter_get(&out->failed));
	add(all, "maybe_duplicates", counter_get(&here->maybe_duplicates));
}

void handle_stats(struct control_request *request)
{
	static const struct inquiry_kind kind = {.size = sizeof(struct stats), .fn = look, .release = release};
	struct relay *relay = request->desk->relay;
	json_t *all, *missing, *list;
	struct inquiry *inquiry;
	struct choice choice;
	size_t count = 0;

	if (!choose(request, &choice))
		return;
	inquiry = inquiry_new(request->desk, &kind, NULL);
	all = json_object();
	missing = json_array();
	if (!inquiry || !all || !missing) {
		if (inquiry)
			inquiry_end(inquiry);
		json_decref(all);
		json_decref(missing);
		request_answer(request, ANSWER_OK, NULL);
		return;
	}
	inquiry_ask_all(inquiry);
	(void)inquiry_wait(inquiry, ANSWER_S * CLOCK_NS_PER_S);
	list = destinations_json(inquiry, relay, &choice, missing, &count);
	inquiry_end(inquiry);
	for (unsigned i = 0; i < relay->shard_count; i++)
		add_shard(all, relay->shards[i]);
	request_answer(request, ANSWER_OK,
		       json_pack("{so so so so sI so so}", "started", request_time(relay->shards[0]->started_wall_ns),
				 "at", request_time(clock_wall_ns()), "all", all, "destinations", list,
				 "destination_count", (json_int_t)count, "delivery_times",
				 times_json(&relay->deliverers.counts), "missing", missing));
}
