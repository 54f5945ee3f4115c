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
#include "core/events/running.h"
#include "core/shard/shard.h"
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

int store_init(struct shard *shard, size_t sessions, store_due_fn *due, store_owing_fn *owing)
{
	struct store *store = shard->store;
	size_t messages = 2 * sessions + 4096;

	store->due = due;
	store->owing = owing;
	list_init(&store->intake);
	list_init(&store->settling);
	list_init(&store->ended);
	pool_init(&store->submissions, sizeof(struct submission), 32, messages);
	pool_init(&store->transfers, sizeof(struct transfer), 64, messages * 2);
	pool_init(&store->parts, sizeof(struct part), 16, 65536);
	pool_init(&store->blocks, sizeof(struct block), 8, blocks_max(shard->config->spool.memory_max / shard->count));
	pool_init(&store->mails, sizeof(struct mail), 256, UINT32_MAX);
	store->scratch = malloc(SPOOL_ENVELOPE_MAX);
	return store->scratch ? 0 : -ENOMEM;
}

static void give_up(void *context, struct mail *m)
{
	struct shard *shard = context;

	spool_drop(shard->store->spool, &m->item);
	store_forget(shard, m);
}

void store_deinit(struct shard *shard)
{
	struct store *store = shard->store;

	store_mails(shard, give_up, shard);
	if (store->spool)
		spool_close(store->spool);
	pool_deinit(&store->submissions);
	pool_deinit(&store->transfers);
	pool_deinit(&store->parts);
	pool_deinit(&store->blocks);
	pool_deinit(&store->mails);
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

static int restore(struct shard *shard, struct mail *m, const struct spool_live *live, mail_lane_fn *lane_of,
		   const void *context)
{
	const struct mail_clock clock = {clock_monotonic_ns(), clock_wall_ns(), shard->config->retry.max_ns};
	struct envelope envelope;
	struct queue_state state;
	int r;

	/* Both were read before (recover.c). */
	r = envelope_decode(live->envelope, live->envelope_length, &envelope);
	assert(r == 0);
	if (live->state) {
		r = queue_state_decode(live->state, live->state_length, live->state_wall_ns, &state);
		assert(r == 0 && state.recipients == envelope.recipients);
	}
	m->item = live->item;
	m->accepted_wall_ns = live->wall_ns;
	m->content_length = live->content_length;
	return mail_restore(m, &envelope, live->state ? &state : NULL, lane_of, context, &clock);
}

static void hand_over(struct shard *shard, struct mail *m)
{
	struct delivery *d = NULL;

	while ((d = mail_next(m, d))) {
		if (d->place == DELIVERY_NONE)
			shard->store->due(shard, d, d->due_ns);
	}
}

/* Nobody is left to be tried, and nobody to be told: all have gone elsewhere, or a crash came between two records. */
static bool ended(const struct mail *m)
{
	return m->live == 0 && !mail_owes(m);
}

static void queue(struct shard *shard, struct mail *m)
{
	if (ended(m)) {
		m->dirty = false;
		list_append(&shard->store->ended, &m->first.link);
		return;
	}
	counter_add(&shard->store->counters.queued, 1);
	hand_over(shard, m);
}

int store_adopt(struct shard *shard, const struct spool_live *live, mail_lane_fn *lane_of, const void *context,
		struct mail **out)
{
	struct mail *m = pool_acquire(&shard->store->mails);
	int r;

	if (!m)
		return -ENOMEM;
	r = restore(shard, m, live, lane_of, context);
	if (r < 0) {
		mail_deinit(m);
		pool_release(&shard->store->mails, m);
		return r;
	}
	*out = m;
	store_note_part(shard, m->item.id);
	spool_adopt(live->spool, &m->item);
	queue(shard, m);
	return 0;
}

int store_merge(struct shard *shard, struct mail *m, const struct spool_live *live, mail_lane_fn *lane_of,
		const void *context)
{
	bool was_ended = ended(m);
	struct mail other;
	int r = restore(shard, &other, live, lane_of, context);

	/* Its place in the line is the first delivery's. */
	if (was_ended)
		list_remove(&m->first.link);
	if (r == 0)
		r = mail_take_over(m, &other);
	mail_deinit(&other);
	if (was_ended)
		queue(shard, m);
	else
		hand_over(shard, m);
	return r;
}

/* It is what it was reported as, and that is news. */
static bool news(const struct mail *m, unsigned i, unsigned what)
{
	if (what == ENVELOPE_REPORTED_END)
		return mail_owes_of(m, i);
	return what == ENVELOPE_REPORTED_DELAY && mail_status(m, i) == RECIPIENT_PENDING &&
	       !(mail_marks(m, i) & STATE_MARK_DELAY);
}

static int note(struct shard *shard, struct mail *m)
{
	uint64_t wall_ns = clock_wall_ns();
	size_t length = mail_encode(m, NULL, clock_monotonic_ns(), wall_ns, shard->store->scratch);

	m->dirty = false;
	return spool_append_state(shard->store->spool, &m->item, wall_ns, shard->store->scratch, length, NULL);
}

int store_reported(struct shard *shard, struct mail *m, const struct envelope_report *report)
{
	unsigned mark = report->what == ENVELOPE_REPORTED_END ? STATE_MARK_TOLD : STATE_MARK_DELAY, i;
	bool changed = false, was_ended = ended(m);

	for (i = 0; i < m->recipients; i++) {
		if (!envelope_reports(report, i) || !news(m, i, report->what))
			continue;
		if (mail_tell_apart(m) < 0)
			return -ENOMEM;
		mail_mark(m, i, mark);
		changed = true;
	}
	if (!was_ended && ended(m)) {
		counter_add(&shard->store->counters.left, 1);
		list_append(&shard->store->ended, &m->first.link);
	}
	return changed ? note(shard, m) : 0;
}

int store_note(struct shard *shard, struct mail *m)
{
	/* Its record ends as soon as the shard runs, or in store_leave(). */
	return ended(m) ? 0 : note(shard, m);
}

/* Ends one of store->ended. */
static int finish(struct shard *shard, struct mail *m)
{
	int r = spool_done(shard->store->spool, &m->item, NULL);

	if (r == -EAGAIN)
		return r;
	list_remove(&m->first.link);
	/* A spool that has failed keeps the record: the next start finds it once more. */
	if (r < 0)
		spool_drop(shard->store->spool, &m->item);
	mail_deinit(m);
	pool_release(&shard->store->mails, m);
	return r;
}

int store_leave(struct shard *shard, struct mail *m)
{
	m->leaving = false;
	return ended(m) ? finish(shard, m) : note(shard, m);
}

int store_keep(struct shard *shard, const struct spool_live *live)
{
	struct mail *m = pool_acquire(&shard->store->mails);

	if (!m)
		return -ENOMEM;
	mail_init(m, 0, MAIL_NO_LANE);
	m->item = live->item;
	m->first.place = DELIVERY_KEPT;
	store_note_part(shard, m->item.id);
	spool_adopt(live->spool, &m->item);
	return 0;
}

/* ---- life --------------------------------------------------------------------------------------------------- */

void store_forget(struct shard *shard, struct mail *m)
{
	counter_add(&shard->store->counters.left, 1);
	mail_deinit(m);
	pool_release(&shard->store->mails, m);
}

const struct mail *store_find(const struct shard *shard, const struct spool_id *id)
{
	const struct spool_item *item = shard->store->spool ? spool_find(shard->store->spool, id) : NULL;

	return item ? container_of(item, struct mail, item) : NULL;
}

const struct mail *store_find_part(const struct shard *shard, struct message_id id, unsigned part)
{
	const struct spool_id its = delivery_part_id(id, part);

	return store_find(shard, &its);
}

void store_note_part(struct shard *shard, struct spool_id id)
{
	unsigned part = delivery_part(id);

	if (part > shard->store->part_most)
		shard->store->part_most = part;
}

struct mails_walk {
	void (*fn)(void *context, struct mail *m);
	void *context;
};

static void on_item(void *context, struct spool_item *item)
{
	const struct mails_walk *walk = context;

	walk->fn(walk->context, container_of(item, struct mail, item));
}

void store_mails(const struct shard *shard, void (*fn)(void *context, struct mail *m), void *context)
{
	struct mails_walk walk = {fn, context};

	if (shard->store->spool)
		spool_items(shard->store->spool, on_item, &walk);
}

static void on_damage(void *context, const char *file, unsigned messages)
{
	struct shard *shard = context;

	event_segment_damaged(shard->log, file, messages);
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

void store_run(struct shard *shard)
{
	struct list *ended = &shard->store->ended;

	while (!list_empty(ended) && finish(shard, container_of(ended->next, struct mail, first.link)) != -EAGAIN)
		;
}

bool store_waits(const struct shard *shard)
{
	const struct store *store = shard->store;

	return !list_empty(&store->settling) || !list_empty(&store->intake) || !list_empty(&store->ended);
}

bool store_idle(const struct shard *shard, bool hard)
{
	const struct store *store = shard->store;

	return (hard || (list_empty(&store->settling) && list_empty(&store->ended))) && spool_idle(store->spool);
}

/* The operator hears of it at once, and then from time to time: true where it is to be told now. */
static bool watch_full(struct shard *shard, struct store_full *full)
{
	if (shard->now_ns < full->next_ns)
		return false;
	if (!full->since_ns)
		full->since_ns = shard->now_ns;
	full->next_ns = shard->now_ns + FULL_TELL_S * CLOCK_NS_PER_S;
	return true;
}

void store_watch(struct shard *shard)
{
	struct store *store = shard->store;

	int error = spool_segment_error(store->spool);
	if (error == 0) {
		if (store->disk_full.since_ns)
			event_disk_ok(shard->log, shard_ms_since(shard, store->disk_full.since_ns));
		store->disk_full.since_ns = 0;
	} else if (watch_full(shard, &store->disk_full)) {
		if (spool_disk_full(store->spool))
			event_disk_full(shard->log);
		else
			event_disk_error(shard->log, error);
	}
	if (!spool_size_full(store->spool)) {
		if (store->size_full.since_ns)
			event_spool_ok(shard->log, shard_ms_since(shard, store->size_full.since_ns));
		store->size_full.since_ns = 0;
	} else if (watch_full(shard, &store->size_full)) {
		event_spool_full(shard->log, shard->config->spool.size_max, store->mails.in_use);
	}
}
