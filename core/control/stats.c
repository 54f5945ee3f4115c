/*
 * core/control/stats.c - GET /v1/stats: what was counted since the start, and what each destination is at. Counters are
 * read from here, so they are whole also where shards do not answer; the lanes of destinations each shard adds up.
 */
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/config/config.h"
#include "core/control/desk.h"
#include "core/control/facts.h"
#include "core/control/handlers.h"
#include "core/control/inquiry.h"
#include "core/deliver/deliverer.h"
#include "core/deliver/outbound.h"
#include "core/receive/receiver.h"
#include "core/relay/relay.h"
#include "core/route/plan.h"
#include "core/shard/shard.h"
#include "core/store/store.h"

enum { ANSWER_S = 2 };

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

static json_t *destinations_json(struct inquiry *inquiry, unsigned shards, json_t *missing)
{
	json_t *list = json_array();
	size_t places = 0;

	for (unsigned i = 0; i < shards; i++) {
		const struct stats *stats = answer_of(inquiry, i);
		if (!stats)
			json_array_append_new(missing, json_integer(i));
		else if (stats->count > places)
			places = stats->count;
	}
	for (size_t place = 0; place < places; place++) {
		struct facts_destination all = {0};
		for (unsigned i = 0; i < shards; i++) {
			const struct stats *stats = answer_of(inquiry, i);
			if (!stats || place >= stats->count || !stats->sums[place].name)
				continue;
			all.name = stats->sums[place].name;
			facts_add(&all, &stats->sums[place]);
		}
		if (all.name)
			json_array_append_new(
				list, json_pack("{so sI sI sI sI sI}", "destination", request_text(span_text(all.name)),
						"ready", (json_int_t)all.ready, "deferred", (json_int_t)all.deferred,
						"connections", (json_int_t)all.connections, "connecting",
						(json_int_t)all.connecting, "connect_failures",
						(json_int_t)all.connect_failures));
	}
	return list;
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
	struct inquiry *inquiry = inquiry_new(request->desk, &kind, NULL);
	struct relay *relay = request->desk->relay;
	json_t *all = json_object(), *missing = json_array(), *list;

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
	list = destinations_json(inquiry, relay->shard_count, missing);
	inquiry_end(inquiry);
	for (unsigned i = 0; i < relay->shard_count; i++)
		add_shard(all, relay->shards[i]);
	request_answer(request, ANSWER_OK,
		       json_pack("{so so so so so}", "started", request_time(relay->shards[0]->started_wall_ns), "at",
				 request_time(clock_wall_ns()), "all", all, "destinations", list, "missing", missing));
}
