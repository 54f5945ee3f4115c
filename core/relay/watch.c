/*
 * core/relay/watch.c - see watch.h.
 */
#include "core/relay/watch.h"

#include "core/base/clock.h"
#include "core/base/ring_pulse.h"
#include "core/events/running.h"
#include "core/relay/watchdog.h"
#include "core/relay/worker.h"
#include "core/shard/shard.h"

/* What it does now, if it hangs; what came of which nothing moved, if it spins: the most frequent kind since the last
 * time. */
static enum ring_kind kind_of(struct worker *worker, const struct ring_pulse *pulse, enum watchdog_state state)
{
	enum ring_kind kind = (enum ring_kind)atomic_load_explicit(&pulse->kind, memory_order_relaxed);
	uint64_t most = 0;
	unsigned i;

	for (i = 0; i < RING_KINDS; i++) {
		uint64_t count = counter_get(&pulse->moved_nothing[i]);
		if (state == WATCHDOG_SPINS && count - worker->watch.moved_nothing[i] > most) {
			most = count - worker->watch.moved_nothing[i];
			kind = (enum ring_kind)i;
		}
		worker->watch.moved_nothing[i] = count;
	}
	return kind;
}

static void tell_stuck(struct log *log, const struct shard *shard, const struct watchdog_report *report,
		       enum ring_kind kind)
{
	static const char *const steps[SHARD_STEPS] = {
		[SHARD_RING] = "ring",     [SHARD_TIMERS] = "timers", [SHARD_ITEMS] = "items",
		[SHARD_SETTLE] = "settle", [SHARD_COMMIT] = "commit", [SHARD_LANES] = "lanes",
		[SHARD_SEND] = "send",     [SHARD_ENDED] = "ended",
	};
	const struct ring_pulse *pulse = ring_pulse(shard->ring);
	struct event_stuck facts = {
		.shard = shard->index,
		.how = report->state == WATCHDOG_HANGS ? "hangs" : "spins",
		.step = steps[atomic_load_explicit(&shard->step, memory_order_relaxed)],
		.operation = ring_kind_name(kind),
		.ms = report->ms,
		.turns = counter_get(&pulse->turns),
		.empty_turns = counter_get(&pulse->empty_turns),
	};

	event_shard_stuck(log, &facts);
}

static bool look(struct shard *shard, uint64_t now_ns, struct log *log)
{
	struct worker *worker = container_of(shard, struct worker, shard);
	const struct ring_pulse *pulse = ring_pulse(shard->ring);
	struct watchdog_sample sample = {
		.now_ns = now_ns,
		.waits_until_ns = atomic_load_explicit(&pulse->waits_until_ns, memory_order_relaxed),
		.turns = counter_get(&pulse->turns),
		.empty_turns = counter_get(&pulse->empty_turns),
	};
	struct watchdog_report report;
	enum ring_kind kind;

	/* A thread that has ended makes no turns, and none are missed. */
	if (atomic_load_explicit(&shard->step, memory_order_relaxed) == SHARD_ENDED)
		sample.waits_until_ns = UINT64_MAX;
	report = watchdog_look(&worker->watch.dog, &sample);
	kind = kind_of(worker, pulse, report.state);
	if (report.tell && report.state == WATCHDOG_WELL)
		event_shard_runs_again(log, shard->index, report.ms);
	else if (report.tell)
		tell_stuck(log, shard, &report, kind);
	return worker->watch.dog.state != WATCHDOG_WELL;
}

unsigned watch_shards(struct relay *relay, uint64_t now_ns, struct log *log)
{
	unsigned i, stuck = 0;

	if (now_ns < relay->watch_next_ns)
		return relay->stuck;
	relay->watch_next_ns = now_ns + WATCHDOG_LOOK_MS * CLOCK_NS_PER_MS;
	for (i = 0; i < relay->shard_count; i++)
		stuck += look(relay->shards[i], now_ns, log);
	relay->stuck = stuck;
	return stuck;
}
