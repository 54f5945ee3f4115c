/*
 * core/relay/shard.c - see shard.h. The order of a turn:
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
#include "core/relay/shard.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/relay/accept.h"
#include "core/relay/attempt.h"
#include "core/relay/connection.h"
#include "core/relay/deliverer.h"
#include "core/relay/events.h"
#include "core/relay/outbound.h"
#include "core/relay/post.h"
#include "core/relay/receive.h"
#include "core/relay/receiver.h"
#include "core/relay/store.h"
#include "core/relay/submission.h"
#include "queue/state.h"

enum {
	RECEIVE_BUFFERS = 512, /* provided receive buffers */
	RECEIVE_BUFFER_SIZE = 16384,
	RING_ENTRIES = 1024,
	RING_COMPLETIONS = 16384,
	DRAIN_POLL_MS = 10,
	SPOOL_POLL_MS = 100,
	DISK_FULL_POLL_MS = 500,
	FULL_TELL_S = 60,
	DRAIN_HARD_MS = 10000,
	ABANDON_MS = 10000,
	HELD_PIECES_MAX = 32, /* of each session; a shortage of them would end sessions */
	SLABS_MIN = 8,
	SPOOL_WRITES = 2,
	/* A flush costs the same for one block as for many, and flushes wait for each other. */
	SPOOL_BESIDE_MIN = 48 << 10,
};

/* A shard and the parts that stand on it. */
struct whole {
	struct shard shard;
	struct store store;
	struct receiver receiver;
	struct deliverer deliverer;
	struct transport_shared transport;
};

/* ---- memory ------------------------------------------------------------------------------------------------- */

/* Limits are sums over who may hold a block; memory is taken from the system only as it is used. */
static void init_pools(struct shard *shard)
{
	const struct config *config = shard->config;
	size_t sessions = config->limits.connections + 256;
	size_t messages = 2 * sessions + 4096;
	size_t memory = config->spool.memory_max / shard->relay->shard_count;

	pool_init(&shard->receiver->sessions, sizeof(struct session), 64, sessions);
	pool_init(&shard->store->submissions, sizeof(struct submission), 32, messages);
	pool_init(&shard->store->transfers, sizeof(struct transfer), 64, messages * 2);
	pool_init(&shard->store->parts, sizeof(struct part), 16, 65536);
	pool_init(&shard->store->blocks, sizeof(struct block), 8, receive_blocks_max(memory));
	pool_init(&shard->receiver->lines, SMTP_COMMAND_LINE_MAX, 8, sessions);
	pool_init(&shard->receiver->names, 256, 64, sessions);
	pool_init(&shard->receiver->reply_buffers, REPLY_BUFFER_SIZE, 16, 2 * sessions);
	pool_init(&shard->store->deliveries, sizeof(struct delivery), 256, UINT32_MAX);
	pool_init(&shard->deliverer->connections, sizeof(struct connection), 8, 100000);
	pool_init(&shard->deliverer->attempts, sizeof(struct attempt), 64, 1u << 20);
	pool_init(&shard->deliverer->output_buffers, OUTPUT_BUFFER_SIZE, 4, 300000);
}

struct shard *shard_new(struct relay *relay, unsigned index, struct log *log)
{
	struct whole *whole = aligned_alloc(64, (sizeof(*whole) + 63) / 64 * 64);
	struct shard *shard;
	unsigned i;

	if (!whole)
		return NULL;
	memset(whole, 0, sizeof(*whole));
	shard = &whole->shard;
	shard->store = &whole->store;
	shard->receiver = &whole->receiver;
	shard->deliverer = &whole->deliverer;
	shard->store->due = outbound_due;
	shard->transport = &whole->transport;
	shard->relay = relay;
	shard->config = relay->config;
	shard->index = index;
	shard->log = log;
	shard->receiving = true;
	list_init(&shard->posts_here);
	list_init(&shard->receiver->session_list);
	list_init(&shard->receiver->content_readers);
	list_init(&shard->receiver->memory_waiters);
	list_init(&shard->receiver->reply_waiters);
	list_init(&shard->store->intake);
	list_init(&shard->store->deliveries_all);
	list_init(&shard->deliverer->outbound_wake);
	list_init(&shard->store->settling);
	list_init(&shard->store->moved);
	init_pools(shard);
	shard->store->scratch = malloc(SPOOL_ENVELOPE_MAX);
	shard->overflow = calloc(relay->shard_count, sizeof(*shard->overflow));
	shard->doorbells = calloc(relay->shard_count, sizeof(*shard->doorbells));
	shard->ring_bell = calloc(relay->shard_count, sizeof(*shard->ring_bell));
	shard->deliverer->outbound = calloc(relay->lane_count + 1, sizeof(*shard->deliverer->outbound));
	shard->receiver->listeners = calloc(shard->config->listener_count + 1, sizeof(*shard->receiver->listeners));
	if (!shard->store->scratch || !shard->overflow || !shard->doorbells || !shard->ring_bell ||
	    !shard->deliverer->outbound || !shard->receiver->listeners)
		return NULL;
	for (i = 0; i < relay->shard_count; i++)
		list_init(&shard->overflow[i]);
	/* The lanes must be there for recovery; the rest of an outbound comes with the ring. */
	for (i = 0; i < relay->lane_count; i++) {
		if (relay->lanes[i].owner == index)
			lane_init(&shard->deliverer->outbound[i].lane);
	}
	return shard;
}

/* ---- queue -------------------------------------------------------------------------------------------------- */

void shard_spool_settings(const struct relay *relay, unsigned index, struct spool_settings *out)
{
	const struct config *config = relay->config;
	size_t slabs = config->spool.memory_max / relay->shard_count / 2 / SPOOL_SLAB;

	*out = (struct spool_settings){
		.shard = (uint16_t)index,
		.shards = (uint16_t)relay->shard_count,
		.segment_size = (uint32_t)config->spool.segment_size,
		.size_max = config->spool.size_max / relay->shard_count,
		.slabs = slabs < SLABS_MIN ? SLABS_MIN : (unsigned)slabs,
		.writes = SPOOL_WRITES,
		.beside_min = SPOOL_BESIDE_MIN,
	};
}

static int apply_state(struct delivery *d, const struct spool_live *live, uint64_t wall_ns, uint64_t *due_in_ns)
{
	struct queue_state state;
	struct state_cursor cursor;
	struct state_fate fate;
	unsigned number, count, at = 0, pending = 0;
	uint64_t due_wall_ns = 0;
	int r;

	*due_in_ns = 0;
	if (!live->state)
		return 0;
	/* Both were read before (recover.c). */
	r = queue_state_decode(live->state, live->state_length, live->state_wall_ns, &state);
	assert(r == 0 && state.recipients == d->recipients);
	d->statuses = malloc(state.recipients);
	if (!d->statuses)
		return -ENOMEM;
	state_first(&state, &cursor);
	while (state_next(&cursor, &number, &count)) {
		if (!state_fate(&state, number, &fate))
			assert(!"queue_state_decode() checked the map");
		memset(d->statuses + at, fate.status, count);
		at += count;
		if (fate.status != RECIPIENT_PENDING)
			continue;
		pending += count;
		d->attempts = fate.attempts;
		due_wall_ns = fate.due_wall_ns;
	}
	if (pending == state.recipients) {
		free(d->statuses);
		d->statuses = NULL;
	}
	if (pending == 0)
		d->next_place = DELIVERY_FAILED;
	if (due_wall_ns > wall_ns)
		*due_in_ns = due_wall_ns - wall_ns;
	return 0;
}

int shard_adopt(struct shard *shard, const struct spool_live *live, unsigned lane)
{
	const struct config_retry *retry = &shard->config->retry;
	struct delivery *d = pool_acquire(&shard->store->deliveries);
	struct envelope envelope;
	uint64_t due_in_ns = 0;
	int r;

	if (!d)
		return -ENOMEM;
	memset(d, 0, sizeof(*d));
	list_init(&d->all);
	list_init(&d->link);
	d->item = live->item;
	d->accepted_wall_ns = live->wall_ns;
	d->content_length = live->content_length;
	d->lane = (uint16_t)lane;
	d->next_place = DELIVERY_READY;
	r = envelope_decode(live->envelope, live->envelope_length, &envelope);
	if (r == 0) {
		d->recipients = envelope.recipients;
		r = apply_state(d, live, clock_wall_ns(), &due_in_ns);
	}
	if (r < 0) {
		free(d->statuses);
		pool_release(&shard->store->deliveries, d);
		return r;
	}
	list_append(&shard->store->deliveries_all, &d->all);
	counter_add(&shard->store->counters.queued, 1);
	if (d->next_place == DELIVERY_FAILED) {
		d->place = DELIVERY_FAILED;
	} else if (due_in_ns > 0) {
		/* A clock that was set back must not make mail wait longer than the schedule ever would (SYS-06). */
		if (due_in_ns > retry->max_ns)
			due_in_ns = retry->max_ns;
		shard->store->due(shard, d, clock_monotonic_ns() + due_in_ns);
	} else {
		/* As mail that is due, the oldest first: a large queue does not stand in the way of what comes now. */
		uint64_t now_ns = clock_monotonic_ns(), wall_ns = clock_wall_ns();
		uint64_t age_ns = wall_ns > d->accepted_wall_ns ? wall_ns - d->accepted_wall_ns : 0;
		shard->store->due(shard, d, age_ns < now_ns ? now_ns - age_ns : STORE_DUE_NOW + 1);
	}
	return 0;
}

uint64_t shard_age_ns(const struct shard *shard, uint64_t accepted_wall_ns)
{
	uint64_t wall = clock_wall_ns();
	/* What the wall clock says now if it had run like the monotonic one. */
	uint64_t steady = shard->started_wall_ns + (shard->now_ns - shard->started_ns);

	if (wall > steady)
		wall = steady;
	return wall > accepted_wall_ns ? wall - accepted_wall_ns : 0;
}

void shard_forget(struct shard *shard, struct delivery *d)
{
	if (shard->store->compact_next == &d->all)
		shard->store->compact_next = d->all.next;
	list_remove(&d->all);
	counter_add(&shard->store->counters.left, 1);
	free(d->statuses);
	pool_release(&shard->store->deliveries, d);
}

/* The next live item with a record in `segment`, for the spool's compaction: goes once round the list of all. */
static struct spool_item *next_in_segment(void *context, uint32_t segment)
{
	enum { LOOK_MAX = 4096 }; /* per call, so that no turn takes long */
	struct shard *shard = context;
	unsigned looked;

	if (!shard->store->compact_next)
		shard->store->compact_next = shard->store->deliveries_all.next;
	for (looked = 0; looked < LOOK_MAX; looked++) {
		struct delivery *d;
		unsigned i;
		if (shard->store->compact_next == &shard->store->deliveries_all) {
			shard->store->compact_next = NULL;
			return NULL;
		}
		d = container_of(shard->store->compact_next, struct delivery, all);
		shard->store->compact_next = d->all.next;
		if (d->item.busy || d->item.moving)
			continue;
		if (d->item.message.segment == segment || d->item.state.segment == segment)
			return &d->item;
		for (i = 0; i < d->item.part_count; i++) {
			if (d->item.parts[i].segment == segment)
				return &d->item;
		}
	}
	return NULL;
}

/* ---- start and end ------------------------------------------------------------------------------------------ */

static void on_doorbell(void *context)
{
	/* It only ends the wait: the turn looks at the handoff rings anyway. */
}

static void on_doorbell_sent(struct ring_op *op, int result, uint32_t flags)
{
	struct doorbell *bell = container_of(op, struct doorbell, op);

	/* Not heard, because the target is overwhelmed: there may be no other push to ring for, so ring again (P15). */
	if (result == -EOVERFLOW || result == -EAGAIN)
		bell->shard->ring_bell[bell - bell->shard->doorbells] = true;
}

static void on_stats(struct wheel_timer *timer)
{
	struct shard *shard = container_of(timer, struct shard, stats_timer);

	event_stats(shard);
	wheel_arm(&shard->wheel, timer, shard->now_ns + shard->config->stats_interval_ns);
}

/* What another shard has a copy of ends here, as soon as the spool has room to say so. */
static void finish_moved(struct shard *shard)
{
	while (!list_empty(&shard->store->moved)) {
		struct moved_item *moved = container_of(shard->store->moved.next, struct moved_item, link);
		/* A spool that has failed keeps the item: the next start drops one of the two. */
		if (spool_done(shard->store->spool, &moved->item, NULL) == -EAGAIN)
			return;
		list_remove(&moved->link);
		spool_item_free(&moved->item);
		free(moved);
	}
}

int shard_start(struct shard *shard, struct ring_problem *problem)
{
	struct relay *relay = shard->relay;
	struct ring_config config = {.entries = RING_ENTRIES,
				     .completions = RING_COMPLETIONS,
				     .buffers = RECEIVE_BUFFERS,
				     .buffer_size = RECEIVE_BUFFER_SIZE,
				     .now_ns = &shard->now_ns};
	uint32_t salt;
	unsigned i;
	int r;

	r = ring_open(&shard->ring, &config, problem);
	if (r < 0)
		return r;
	shard->now_ns = clock_monotonic_ns();
	shard->started_ns = shard->now_ns;
	shard->started_wall_ns = clock_wall_ns();
	wheel_init(&shard->wheel, shard->now_ns);
	random_init(&shard->random);
	refusals_init(&shard->receiver->refusals, random_u64(&(struct random){shard->random.state}));
	random_bytes(&salt, sizeof(salt));
	message_id_source_init(&shard->store->ids, (uint16_t)shard->index, salt);
	transport_shared_init(shard->transport, shard->ring, &shard->wheel, &shard->now_ns, RECEIVE_BUFFERS,
			      HELD_PIECES_MAX * shard->receiver->sessions.limit);
	wheel_timer_init(&shard->stats_timer, on_stats);
	if (shard->config->stats_interval_ns)
		wheel_arm(&shard->wheel, &shard->stats_timer, shard->now_ns + shard->config->stats_interval_ns);
	ring_on_doorbell(shard->ring, on_doorbell, shard);
	for (i = 0; i < relay->shard_count; i++)
		shard->doorbells[i] = (struct doorbell){.op.fn = on_doorbell_sent, .shard = shard};
	r = spool_start(shard->store->spool, shard->ring);
	if (r < 0) {
		snprintf(problem->text, sizeof(problem->text), "the spool cannot be written: %s", strerror(-r));
		return r;
	}
	spool_on_compact(shard->store->spool, next_in_segment, shard);
	for (i = 0; i < relay->lane_count; i++) {
		if (relay->lanes[i].owner != shard->index)
			continue;
		r = outbound_init(&shard->deliverer->outbound[i], shard, i);
		if (r < 0) {
			snprintf(problem->text, sizeof(problem->text), "%s", strerror(-r));
			return r;
		}
		outbound_wake(shard, i); /* for what recovery queued */
	}
	return accept_listen(shard, problem);
}

void shard_stop(struct shard *shard)
{
	atomic_store(&shard->stop, true);
}

static void begin_drain(struct shard *shard)
{
	shard->draining = true;
	shard->drain_deadline_ns = shard->now_ns + shard->config->timeouts.drain_ns;
	accept_stop(shard);
}

/* Listeners are closed and no doorbell is under way: the ring may be closed. */
static bool ops_done(const struct shard *shard)
{
	size_t i;

	for (i = 0; i < shard->relay->shard_count; i++) {
		if (shard->doorbells[i].op.in_flight)
			return false;
	}
	return accept_stopped(shard);
}

/* One look per turn while draining: 1 when there is nothing left to wait for. */
static int drain(struct shard *shard)
{
	struct relay *relay = shard->relay;
	bool hard = shard->now_ns > shard->drain_deadline_ns || atomic_load(&relay->hurry);

	/* A shard that failed never answers what it was lent. What was not answered was not promised. */
	if (shard->now_ns > shard->drain_deadline_ns + DRAIN_HARD_MS * CLOCK_NS_PER_MS)
		return -ETIMEDOUT;

	receive_drain(shard, hard);
	outbound_drain(shard, hard);
	if (shard->receiving && receive_idle(shard) && shard->store->submissions.in_use == 0) {
		shard->receiving = false;
		atomic_fetch_sub(&relay->receiving, 1);
	}
	/* Other shards may still need this one to store their messages. */
	if (atomic_load(&relay->receiving) > 0 || !list_empty(&shard->store->intake))
		return 0;
	/* Done records that a full disk does not take must not hold up the stop for ever. */
	return outbound_idle(shard, hard) && (hard || list_empty(&shard->store->moved)) &&
	       spool_idle(shard->store->spool) && ops_done(shard);
}

uint64_t shard_deadline_ns(const struct shard *shard)
{
	uint64_t deadline = wheel_next_ns(&shard->wheel);

	if (shard->draining && deadline > shard->now_ns + DRAIN_POLL_MS * CLOCK_NS_PER_MS)
		deadline = shard->now_ns + DRAIN_POLL_MS * CLOCK_NS_PER_MS;
	/* What waits for room in the spool is looked at again soon, even if nothing else happens. */
	if ((!list_empty(&shard->store->settling) || !list_empty(&shard->store->intake) ||
	     !list_empty(&shard->store->moved) || !list_empty(&shard->receiver->memory_waiters)) &&
	    deadline > shard->now_ns + SPOOL_POLL_MS * CLOCK_NS_PER_MS)
		deadline = shard->now_ns + SPOOL_POLL_MS * CLOCK_NS_PER_MS;
	if (deadline > shard->now_ns + DISK_FULL_POLL_MS * CLOCK_NS_PER_MS && spool_disk_full(shard->store->spool))
		deadline = shard->now_ns + DISK_FULL_POLL_MS * CLOCK_NS_PER_MS;
	if (!list_empty(&shard->deliverer->outbound_wake) || !list_empty(&shard->posts_here) ||
	    spool_flush_wanted(shard->store->spool))
		return 0;
	return deadline;
}

/* The operator hears of it at once, and then from time to time. */
static void watch_full(struct shard *shard, struct store_full *full, bool now, void (*tell)(struct shard *),
		       void (*tell_ok)(struct shard *))
{
	if (!now) {
		if (full->since_ns)
			tell_ok(shard);
		full->since_ns = 0;
		return;
	}
	if (shard->now_ns < full->next_ns)
		return;
	if (!full->since_ns)
		full->since_ns = shard->now_ns;
	full->next_ns = shard->now_ns + FULL_TELL_S * CLOCK_NS_PER_S;
	tell(shard);
}

static void watch_room(struct shard *shard)
{
	watch_full(shard, &shard->store->disk_full, spool_disk_full(shard->store->spool), event_disk_full,
		   event_disk_ok);
	watch_full(shard, &shard->store->size_full, spool_size_full(shard->store->spool), event_spool_full,
		   event_spool_ok);
}

/* Where a turn that does not end has got to. */
static void at_step(struct shard *shard, enum shard_step step)
{
	atomic_store_explicit(&shard->step, (uint8_t)step, memory_order_relaxed);
}

static int turn(struct shard *shard)
{
	int r = ring_turn(shard->ring, shard_deadline_ns(shard));

	if (r < 0)
		return r;
	at_step(shard, SHARD_TIMERS);
	balance_turn(shard);
	wheel_advance(&shard->wheel, shard->now_ns);
	if (atomic_load_explicit(&shard->stop, memory_order_acquire) && !shard->draining)
		begin_drain(shard);
	at_step(shard, SHARD_ITEMS);
	post_collect(shard);
	intake_run(shard);
	at_step(shard, SHARD_SETTLE);
	finish_moved(shard);
	if (!list_empty(&shard->store->settling))
		settle_run(shard);
	receive_run(shard);
	/* Into this batch, too. */
	post_collect_own(shard);
	/* When all is done nothing may be started any more: the spool would still be preparing its next segment. */
	if (shard->draining && (r = drain(shard)) != 0)
		return r;
	at_step(shard, SHARD_COMMIT);
	spool_flush(shard->store->spool);
	transport_shared_answer(shard->transport);
	ring_submit(shard->ring);
	at_step(shard, SHARD_LANES);
	outbound_run(shard);
	at_step(shard, SHARD_SEND);
	transport_shared_flush(shard->transport);
	transport_shared_rearm(shard->transport);
	watch_room(shard);
	post_publish(shard);
	at_step(shard, SHARD_RING);
	return 0;
}

int shard_turn(struct shard *shard)
{
	int r = turn(shard);

	if (r != 0)
		at_step(shard, SHARD_ENDED);
	return r;
}

void shard_abandon(struct shard *shard)
{
	uint64_t give_up = clock_monotonic_ns() + ABANDON_MS * CLOCK_NS_PER_MS;

	while (shard->ring && !spool_idle(shard->store->spool) && clock_monotonic_ns() < give_up) {
		if (ring_turn(shard->ring, clock_monotonic_ns() + DRAIN_POLL_MS * CLOCK_NS_PER_MS) < 0)
			return;
	}
}

void shard_free(struct shard *shard)
{
	unsigned i;

	if (!shard)
		return;
	for (i = 0; i < shard->relay->lane_count; i++) {
		if (shard->deliverer->outbound[i].shard)
			outbound_deinit(&shard->deliverer->outbound[i]);
	}
	while (!list_empty(&shard->store->moved)) {
		struct moved_item *moved = container_of(shard->store->moved.next, struct moved_item, link);
		list_remove(&moved->link);
		spool_item_free(&moved->item);
		free(moved);
	}
	while (!list_empty(&shard->store->deliveries_all)) {
		struct delivery *d = container_of(shard->store->deliveries_all.next, struct delivery, all);
		spool_item_free(&d->item);
		shard_forget(shard, d);
	}
	if (shard->store->spool)
		spool_close(shard->store->spool);
	if (shard->ring) {
		transport_shared_deinit(shard->transport);
		ring_close(shard->ring);
	}
	pool_deinit(&shard->receiver->sessions);
	pool_deinit(&shard->store->submissions);
	pool_deinit(&shard->store->transfers);
	pool_deinit(&shard->store->parts);
	pool_deinit(&shard->store->blocks);
	pool_deinit(&shard->receiver->lines);
	pool_deinit(&shard->receiver->names);
	pool_deinit(&shard->receiver->reply_buffers);
	pool_deinit(&shard->store->deliveries);
	pool_deinit(&shard->deliverer->connections);
	pool_deinit(&shard->deliverer->attempts);
	pool_deinit(&shard->deliverer->output_buffers);
	free(shard->store->scratch);
	free(shard->overflow);
	free(shard->doorbells);
	free(shard->ring_bell);
	free(shard->deliverer->outbound);
	free(shard->receiver->listeners);
	free(container_of(shard, struct whole, shard));
}
