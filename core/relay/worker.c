/*
 * core/relay/worker.c - see worker.h. The order of a turn:
 *
 *     ring: completions run (receive, deliver, spool tickets)
 *     timers due
 *     posts from other shards and to itself, what waited for room in the spool, records that did
 *     what was appended leaves with one write, and answers to clients leave, at once: disk and clients work while
 *     the rest is done
 *     lanes that were woken: attempts start and are written
 *     everything written leaves with one send per connection
 *     doorbells
 */
#include "core/relay/worker.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/config/config.h"
#include "core/deliver/notify.h"
#include "core/deliver/outbound.h"
#include "core/deliver/steer.h"
#include "core/deliver/tls_clerk.h"
#include "core/receive/listen.h"
#include "core/receive/session.h"
#include "core/relay/reload.h"
#include "core/relay/stats.h"
#include "core/shard/load.h"
#include "core/shard/post.h"
#include "core/shard/shard.h"
#include "core/store/intake.h"
#include "core/store/record.h"

enum {
	RECEIVE_BUFFERS = 512, /* provided receive buffers */
	RECEIVE_BUFFER_SIZE = 16384,
	RING_ENTRIES = 1024,
	RING_COMPLETIONS = 16384,
	DRAIN_POLL_MS = 10,
	RELOAD_POLL_MS = 5,
	SPOOL_POLL_MS = 100,
	DISK_FULL_POLL_MS = 500,
	DRAIN_HARD_MS = 10000,
	ABANDON_MS = 10000,
	HELD_PIECES_MAX = 32, /* of each session; a shortage of them would end sessions */
};

/* ---- start -------------------------------------------------------------------------------------------------- */

struct worker *worker_new(struct relay *relay, unsigned index, struct log *log)
{
	struct worker *worker = aligned_alloc(64, (sizeof(*worker) + 63) / 64 * 64);
	/* Limits are sums over who may hold a block; memory is taken from the system only as it is used. */
	size_t sessions = relay->config->limits.connections + 256;
	struct shard *shard;

	if (!worker)
		return NULL;
	memset(worker, 0, sizeof(*worker));
	shard = &worker->shard;
	shard->store = &worker->store;
	shard->receiver = &worker->receiver;
	shard->deliverer = &worker->deliverer;
	shard->asker = &worker->asker;
	shard->transport = &worker->transport;
	worker->relay = relay;
	shard->config = relay->config;
	shard->snapshot = relay->snapshot;
	atomic_init(&shard->next, relay->snapshot);
	shard->plan = &relay->plan;
	shard->index = index;
	shard->count = relay->shard_count;
	shard->all = relay->shards;
	shard->handoffs = relay->handoffs;
	shard->log = log;
	worker->receiving = true;
	visits_init(&shard->visits);
	receiver_take(shard, relay->snapshot);
	if (post_init(shard) < 0 || store_init(shard, sessions, outbound_due, notify_owing) < 0 ||
	    receiver_init(shard, &relay->receivers, sessions) < 0 || deliverer_init(shard, &relay->deliverers) < 0)
		return NULL;
	return worker;
}

/* When the configuration says, from now on. */
static void tell_stats(struct worker *worker)
{
	struct shard *shard = &worker->shard;

	if (shard->config->stats_interval_ns)
		wheel_arm(&shard->wheel, &worker->stats_timer, shard->now_ns + shard->config->stats_interval_ns);
	else
		wheel_disarm(&shard->wheel, &worker->stats_timer);
}

static void on_stats(struct wheel_timer *timer)
{
	struct worker *worker = container_of(timer, struct worker, stats_timer);
	struct shard *shard = &worker->shard;

	stats_tell(shard);
	tell_stats(worker);
}

int worker_start(struct worker *worker, struct ring_problem *problem)
{
	struct shard *shard = &worker->shard;
	struct ring_config config = {.entries = RING_ENTRIES,
				     .completions = RING_COMPLETIONS,
				     .buffers = RECEIVE_BUFFERS,
				     .buffer_size = RECEIVE_BUFFER_SIZE,
				     .now_ns = &shard->now_ns};
	uint32_t salt;
	int r;

	r = ring_open(&shard->ring, &config, problem);
	if (r < 0)
		return r;
	asker_init(shard->asker, shard->ring);
	shard_clock_start(shard);
	wheel_init(&shard->wheel, shard->now_ns);
	random_init(&shard->random);
	refusals_init(&shard->receiver->refusals, random_u64(&(struct random){shard->random.state}));
	refusals_init_quiet(&shard->receiver->quiet, shard->receiver->refusals.salt);
	random_bytes(&salt, sizeof(salt));
	message_id_source_init(&shard->store->ids, (uint16_t)shard->index, salt);
	transport_shared_init(shard->transport, shard->ring, &shard->wheel, &shard->now_ns, RECEIVE_BUFFERS,
			      HELD_PIECES_MAX * shard->receiver->sessions.limit);
	wheel_timer_init(&worker->stats_timer, on_stats);
	tell_stats(worker);
	post_start(shard);
	r = store_start(shard, problem);
	if (r < 0)
		return r;
	r = deliverer_start(shard);
	if (r < 0) {
		snprintf(problem->text, sizeof(problem->text), "%s", strerror(-r));
		return r;
	}
	return accept_listen(shard, problem);
}

/* ---- end ---------------------------------------------------------------------------------------------------- */

static void begin_drain(struct worker *worker)
{
	struct shard *shard = &worker->shard;

	shard->draining = true;
	worker->drain_deadline_ns = shard->now_ns + shard->config->timeouts.drain_ns;
	accept_stop(shard);
	spool_rest(shard->store->spool);
}

/* One look per turn while draining: 1 when there is nothing left to wait for. */
static int drain(struct worker *worker)
{
	struct shard *shard = &worker->shard;
	struct relay *relay = worker->relay;
	bool hard = shard->now_ns > worker->drain_deadline_ns || atomic_load(&relay->hurry);

	/* A shard that failed never answers what it was lent. What was not answered was not promised. */
	if (shard->now_ns > worker->drain_deadline_ns + DRAIN_HARD_MS * CLOCK_NS_PER_MS)
		return -ETIMEDOUT;

	receive_drain(shard, hard);
	outbound_drain(shard, hard);
	notify_drain(shard, hard);
	tls_clerk_drain(shard);
	if (worker->receiving && receive_idle(shard) && notify_idle(shard) && shard->store->submissions.in_use == 0 &&
	    (post_sent(shard) || hard)) {
		worker->receiving = false;
		atomic_fetch_sub(&relay->receiving, 1);
	}
	/* Other shards may still need this one to store their messages. */
	if (atomic_load(&relay->receiving) > 0 || !list_empty(&shard->store->intake))
		return 0;
	/* What they sent before they said so, a connection above all, is taken in one more turn. */
	if (!worker->others_done) {
		worker->others_done = true;
		return 0;
	}
	/* A connection that was accepted meanwhile is told so; it has brought nothing. Done records that a full disk
	 * does not take must not hold up the stop for ever. */
	return receive_idle(shard) && outbound_idle(shard) && store_idle(shard, hard) && post_idle(shard) &&
	       accept_stopped(shard) && visits_idle(&shard->visits);
}

/* ---- turn --------------------------------------------------------------------------------------------------- */

uint64_t worker_deadline_ns(const struct worker *worker)
{
	const struct shard *shard = &worker->shard;
	uint64_t deadline = wheel_next_ns(&shard->wheel);

	if (shard->draining && deadline > shard->now_ns + DRAIN_POLL_MS * CLOCK_NS_PER_MS)
		deadline = shard->now_ns + DRAIN_POLL_MS * CLOCK_NS_PER_MS;
	/* What waits for room in the spool is looked at again soon, even if nothing else happens. */
	if ((store_waits(shard) || steer_waits(shard) || !list_empty(&shard->receiver->memory_waiters)) &&
	    deadline > shard->now_ns + SPOOL_POLL_MS * CLOCK_NS_PER_MS)
		deadline = shard->now_ns + SPOOL_POLL_MS * CLOCK_NS_PER_MS;
	/* Others have not taken the snapshot yet. */
	if (shard->receiver->snapshot != shard->snapshot && deadline > shard->now_ns + RELOAD_POLL_MS * CLOCK_NS_PER_MS)
		deadline = shard->now_ns + RELOAD_POLL_MS * CLOCK_NS_PER_MS;
	if (deadline > shard->now_ns + DISK_FULL_POLL_MS * CLOCK_NS_PER_MS && spool_segment_error(shard->store->spool))
		deadline = shard->now_ns + DISK_FULL_POLL_MS * CLOCK_NS_PER_MS;
	if (deadline > spool_wake_ns(shard->store->spool))
		deadline = spool_wake_ns(shard->store->spool);
	if (deadline > visits_next_ns(&shard->visits))
		deadline = visits_next_ns(&shard->visits);
	if (deadline > steer_next_ns(shard))
		deadline = steer_next_ns(shard);
	if (handshakes_waiting(&shard->receiver->handshakes) || !list_empty(&shard->deliverer->outbound_wake) ||
	    !list_empty(&shard->posts_here) || notify_due(shard) || asker_due(shard->asker) ||
	    turns_due(&shard->deliverer->turns) || spool_flush_wanted(shard->store->spool))
		return 0;
	return deadline;
}

/* Where a turn that does not end has got to. */
static void at_step(struct shard *shard, enum shard_step step)
{
	atomic_store_explicit(&shard->step, (uint8_t)step, memory_order_relaxed);
}

static int turn(struct worker *worker)
{
	struct shard *shard = &worker->shard;
	int r = ring_turn(shard->ring, worker_deadline_ns(worker));

	if (r < 0)
		return r;
	at_step(shard, SHARD_TIMERS);
	if (reload_step(shard))
		tell_stats(worker);
	load_turn(shard);
	wheel_advance(&shard->wheel, shard->now_ns);
	if (atomic_load_explicit(&shard->stop, memory_order_acquire) && !shard->draining)
		begin_drain(worker);
	at_step(shard, SHARD_ITEMS);
	post_collect(shard);
	asker_take(shard->asker);
	intake_run(shard);
	at_step(shard, SHARD_SETTLE);
	store_run(shard);
	record_run(shard);
	steer_run(shard);
	notify_run(shard);
	receive_run(shard);
	/* Into this batch, too. */
	post_collect_own(shard);
	/* When all is done nothing may be started any more: the spool would still be preparing its next segment. */
	if (shard->draining && (r = drain(worker)) != 0)
		return r;
	at_step(shard, SHARD_COMMIT);
	spool_flush(shard->store->spool);
	transport_shared_answer(shard->transport);
	ring_submit(shard->ring);
	/* Nobody's commit or answer waits for these. */
	receive_run_handshakes(shard);
	at_step(shard, SHARD_LANES);
	outbound_run(shard);
	at_step(shard, SHARD_SEND);
	transport_shared_flush(shard->transport);
	transport_shared_rearm(shard->transport);
	store_watch(shard);
	/* When all has left that others wait for. */
	visits_run(shard);
	post_publish(shard);
	at_step(shard, SHARD_RING);
	return 0;
}

int worker_turn(struct worker *worker)
{
	int r = turn(worker);

	if (r != 0)
		at_step(&worker->shard, SHARD_ENDED);
	return r;
}

void worker_abandon(struct worker *worker)
{
	uint64_t give_up = clock_monotonic_ns() + ABANDON_MS * CLOCK_NS_PER_MS;
	struct shard *shard = &worker->shard;

	while (shard->ring && !spool_idle(shard->store->spool) && clock_monotonic_ns() < give_up) {
		if (ring_turn(shard->ring, clock_monotonic_ns() + DRAIN_POLL_MS * CLOCK_NS_PER_MS) < 0)
			return;
	}
}

void worker_free(struct worker *worker)
{
	struct shard *shard;

	if (!worker)
		return;
	shard = &worker->shard;
	store_deinit(shard);
	if (shard->ring) {
		transport_shared_deinit(shard->transport);
		ring_close(shard->ring);
	}
	receiver_deinit(shard);
	deliverer_deinit(shard);
	post_deinit(shard);
	free(worker);
}
