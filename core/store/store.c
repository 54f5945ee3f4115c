/*
 * core/store/store.c - see store.h.
 */
#include "core/store/store.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/config/config.h"
#include "core/events/events.h"
#include "core/shard/shard.h"
#include "core/store/record.h"
#include "core/store/submission.h"
#include "queue/envelope.h"
#include "queue/state.h"

enum {
	FULL_TELL_S = 60,
	SLABS_MIN = 8,
	SPOOL_WRITES = 2,
	/* A flush costs the same for one block as for many, and flushes wait for each other. */
	SPOOL_BESIDE_MIN = 48 << 10,
	/* Of the memory: three eighths for content that is received; half is the spool's. */
	MEMORY_SHARES = 8,
	BLOCKS_SHARES = 3,
	BLOCKS_MIN = 32,
};

/* ---- memory ------------------------------------------------------------------------------------------------- */

static size_t blocks_max(size_t memory)
{
	size_t blocks = memory / MEMORY_SHARES * BLOCKS_SHARES / BLOCK_SIZE;

	return blocks < BLOCKS_MIN ? BLOCKS_MIN : blocks;
}

int store_init(struct shard *shard, size_t sessions, store_due_fn *due)
{
	struct store *store = shard->store;
	size_t messages = 2 * sessions + 4096;

	store->due = due;
	list_init(&store->intake);
	list_init(&store->settling);
	list_init(&store->moved);
	pool_init(&store->submissions, sizeof(struct submission), 32, messages);
	pool_init(&store->transfers, sizeof(struct transfer), 64, messages * 2);
	pool_init(&store->parts, sizeof(struct part), 16, 65536);
	pool_init(&store->blocks, sizeof(struct block), 8, blocks_max(shard->config->spool.memory_max / shard->count));
	pool_init(&store->deliveries, sizeof(struct delivery), 256, UINT32_MAX);
	store->scratch = malloc(SPOOL_ENVELOPE_MAX);
	return store->scratch ? 0 : -ENOMEM;
}

static void give_up(void *context, struct delivery *d)
{
	struct shard *shard = context;

	spool_drop(shard->store->spool, &d->item);
	store_forget(shard, d);
}

void store_deinit(struct shard *shard)
{
	struct store *store = shard->store;

	store_deliveries(shard, give_up, shard);
	if (store->spool)
		spool_close(store->spool);
	pool_deinit(&store->submissions);
	pool_deinit(&store->transfers);
	pool_deinit(&store->parts);
	pool_deinit(&store->blocks);
	pool_deinit(&store->deliveries);
	free(store->scratch);
}

/* ---- recovery ----------------------------------------------------------------------------------------------- */

void store_spool_settings(const struct config *config, unsigned index, unsigned count, struct spool_settings *out)
{
	size_t slabs = config->spool.memory_max / count / 2 / SPOOL_SLAB;

	*out = (struct spool_settings){
		.shard = (uint16_t)index,
		.shards = (uint16_t)count,
		.segment_size = (uint32_t)config->spool.segment_size,
		.size_max = config->spool.size_max / count,
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

int store_adopt(struct shard *shard, const struct spool_live *live, unsigned lane)
{
	const struct config_retry *retry = &shard->config->retry;
	struct delivery *d = pool_acquire(&shard->store->deliveries);
	struct envelope envelope;
	uint64_t due_in_ns = 0;
	int r;

	if (!d)
		return -ENOMEM;
	memset(d, 0, sizeof(*d));
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
	spool_adopt(live->spool, &d->item);
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

int store_keep(struct shard *shard, const struct spool_live *live, bool moved)
{
	struct delivery *d = pool_acquire(&shard->store->deliveries);

	if (!d)
		return -ENOMEM;
	memset(d, 0, sizeof(*d));
	list_init(&d->link);
	d->item = live->item;
	d->place = DELIVERY_KEPT;
	if (moved)
		list_append(&shard->store->moved, &d->link);
	spool_adopt(live->spool, &d->item);
	return 0;
}

/* ---- life --------------------------------------------------------------------------------------------------- */

void store_forget(struct shard *shard, struct delivery *d)
{
	counter_add(&shard->store->counters.left, 1);
	free(d->statuses);
	pool_release(&shard->store->deliveries, d);
}

struct deliveries_walk {
	void (*fn)(void *context, struct delivery *d);
	void *context;
};

static void on_item(void *context, struct spool_item *item)
{
	const struct deliveries_walk *walk = context;

	walk->fn(walk->context, container_of(item, struct delivery, item));
}

void store_deliveries(const struct shard *shard, void (*fn)(void *context, struct delivery *d), void *context)
{
	struct deliveries_walk walk = {fn, context};

	if (shard->store->spool)
		spool_items(shard->store->spool, on_item, &walk);
}

static void on_damage(void *context, const char *file, unsigned messages)
{
	event_segment_damaged(context, file, messages);
}

int store_start(struct shard *shard, struct ring_problem *problem)
{
	int r = spool_start(shard->store->spool, shard->ring);

	if (r < 0) {
		snprintf(problem->text, sizeof(problem->text), "the spool cannot be written: %s", strerror(-r));
		return r;
	}
	spool_on_damage(shard->store->spool, on_damage, shard);
	return 0;
}

/* What another shard has a copy of ends here, as soon as the spool has room to say so. */
static void finish_moved(struct shard *shard)
{
	while (!list_empty(&shard->store->moved)) {
		struct delivery *d = container_of(shard->store->moved.next, struct delivery, link);
		int r = spool_done(shard->store->spool, &d->item, NULL);
		if (r == -EAGAIN)
			return;
		list_remove(&d->link);
		/* A spool that has failed keeps the record: the next start drops one of the two. */
		if (r < 0)
			spool_drop(shard->store->spool, &d->item);
		pool_release(&shard->store->deliveries, d);
	}
}

void store_run(struct shard *shard)
{
	finish_moved(shard);
	if (!list_empty(&shard->store->settling))
		record_run(shard);
}

bool store_waits(const struct shard *shard)
{
	const struct store *store = shard->store;

	return !list_empty(&store->settling) || !list_empty(&store->intake) || !list_empty(&store->moved);
}

bool store_idle(const struct shard *shard, bool hard)
{
	const struct store *store = shard->store;

	return (hard || (list_empty(&store->settling) && list_empty(&store->moved))) && spool_idle(store->spool);
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

void store_watch(struct shard *shard)
{
	watch_full(shard, &shard->store->disk_full, spool_disk_full(shard->store->spool), event_disk_full,
		   event_disk_ok);
	watch_full(shard, &shard->store->size_full, spool_size_full(shard->store->spool), event_spool_full,
		   event_spool_ok);
}
