/*
 * core/control/status.c - GET /v1/status: does it run, and how much is there? From counters that any thread may read,
 * so it answers also where shards do not; each is asked beside that whether it does.
 */
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/ring.h"
#include "core/control/desk.h"
#include "core/control/handlers.h"
#include "core/control/inquiry.h"
#include "core/deliver/deliverer.h"
#include "core/receive/receiver.h"
#include "core/relay/confinement.h"
#include "core/relay/relay.h"
#include "core/shard/shard.h"
#include "core/store/store.h"

enum { ANSWER_MS = 500 };

static enum visit_step be_there(struct shard *shard, struct visit *visit, uint64_t until_ns)
{
	return VISIT_DONE;
}

static json_t *shard_json(const struct shard *shard, bool answers)
{
	/* What has left is read first: read later it might count one that was not queued yet. */
	uint64_t left = counter_get(&shard->store->counters.left);

	return json_pack("{sI sb sI sI sI sI sI}", "shard", (json_int_t)shard->index, "answers", answers, "queued",
			 (json_int_t)(counter_get(&shard->store->counters.queued) - left), "accepted",
			 (json_int_t)counter_get(&shard->receiver->counters.accepted), "delivered",
			 (json_int_t)counter_get(&shard->deliverer->counters.delivered), "deferred",
			 (json_int_t)counter_get(&shard->deliverer->counters.deferred), "failed",
			 (json_int_t)counter_get(&shard->deliverer->counters.failed));
}

static json_int_t sum(json_t *shards, const char *key)
{
	json_int_t all = 0;
	json_t *one;
	size_t i;

	json_array_foreach(shards, i, one) all += json_integer_value(json_object_get(one, key));
	return all;
}

void handle_status(struct control_request *request)
{
	static const struct inquiry_kind kind = {.size = sizeof(struct inquiry_part), .fn = be_there};
	struct inquiry *inquiry = inquiry_new(request->desk, &kind, NULL);
	struct relay *relay = request->desk->relay;
	json_t *shards = json_array();
	struct event_confined confined = confinement_facts(ring_restricted(request->desk->relay->shards[0]->ring));
	uint64_t started_ns = relay->shards[0]->started_ns;

	if (!inquiry || !shards) {
		json_decref(shards);
		request_answer(request, ANSWER_OK, NULL);
		return;
	}
	inquiry_ask_all(inquiry);
	(void)inquiry_wait(inquiry, ANSWER_MS * CLOCK_NS_PER_MS);
	for (unsigned i = 0; i < relay->shard_count; i++)
		json_array_append_new(shards, shard_json(relay->shards[i], inquiry_part(inquiry, i) != NULL));
	inquiry_end(inquiry);
	request_answer(
		request, ANSWER_OK,
		json_pack("{ss sI ss so sI sI sI sI sI sI sI so s{ss ss ss sI}}", "version", POSTRIDER_VERSION, "pid",
			  (json_int_t)getpid(), "state", atomic_load(&relay->shards[0]->stop) ? "draining" : "running",
			  "started", request_time(relay->shards[0]->started_wall_ns), "uptime_s",
			  (json_int_t)((clock_monotonic_ns() - started_ns) / CLOCK_NS_PER_S), "queued",
			  sum(shards, "queued"), "accepted", sum(shards, "accepted"), "delivered",
			  sum(shards, "delivered"), "deferred", sum(shards, "deferred"), "failed",
			  sum(shards, "failed"), "sessions",
			  (json_int_t)atomic_load_explicit(&relay->receivers.connections, memory_order_relaxed),
			  "shards", shards, "confined", "seccomp", confined.seccomp, "landlock", confined.landlock,
			  "ring", confined.ring ? "on" : "lacking", "user", (json_int_t)confined.user));
}
