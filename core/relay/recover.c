/*
 * core/relay/recover.c - see recover.h.
 */
#include "core/relay/recover.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/disk.h"
#include "core/config/config.h"
#include "core/route/plan.h"
#include "core/route/route.h"
#include "core/shard/shard.h"
#include "core/store/intake.h"
#include "queue/envelope.h"
#include "queue/hash.h"
#include "queue/spool.h"
#include "queue/state.h"

/* A message that must change its spool. */
struct mover {
	struct spool_live live; /* with envelope and state copied */
	struct spool *from;
	struct shard *from_shard; /* NULL: its spool goes away */
	unsigned lane;
};

struct walk {
	struct relay *relay;
	struct recovery *recovery;
	struct log *log;
	struct shard *shard; /* whose spool is read; NULL: a spool without a shard */
	struct spool *orphan;
	struct mover *movers;
	size_t count, capacity;
	int error;
};

static void log_held(struct walk *walk, const struct spool_live *live, const char *why)
{
	char id[MESSAGE_ID_TEXT];
	struct log_event e;

	walk->recovery->held++;
	message_id_text(delivery_message_id(live->item.id), id);
	log_begin_at(&e, walk->log, LOG_LEVEL_ERROR, "held");
	log_string(&e, "id", id, sizeof(id));
	log_text(&e, "reason", why);
	log_end(&e);
}

/* Why it can only be held, or NULL. */
static const char *unreadable(const struct spool_live *live, struct envelope *envelope)
{
	struct queue_state state;
	int r = envelope_decode(live->envelope, live->envelope_length, envelope);

	if (r == 0 && live->state)
		r = queue_state_decode(live->state, live->state_length, live->state_wall_ns, &state);
	if (r == -ENOTSUP)
		return "a newer version of postrider wrote something about it that must be understood";
	if (r < 0)
		return "its envelope or its state in the spool cannot be read";
	return live->state && state.recipients != envelope->recipients ? "its state in the spool is not its own" : NULL;
}

/* The destination a recovered message was accepted for; where the configuration no longer has it, the one its first
 * recipient is routed to now. -1: none, it stays on disk untouched. */
static int destination_of(const struct config *config, const struct envelope *envelope)
{
	struct span name = envelope_destination(envelope, 0);
	int destination = route_destination(config, name.data, name.length);
	struct envelope_recipient recipient;
	struct envelope_cursor cursor;

	if (destination >= 0)
		return destination;
	envelope_first(envelope, &cursor);
	return envelope_next(&cursor, &recipient) ? route_find(config, recipient.address.data, recipient.address.length)
						  : -1;
}

/* A lane of the destination that `shard` owns if there is one, so that the message can stay where it is. */
static unsigned lane_of(const struct relay *relay, int destination, const struct spool_live *live,
			const struct shard *shard)
{
	const struct destination_plan *plan = &relay->plan.destinations[destination];
	uint64_t hash = queue_hash(&live->item.id, sizeof(live->item.id));
	unsigned i;

	for (i = 0; shard && i < plan->lanes; i++) {
		unsigned lane = plan->first_lane + (unsigned)((hash + i) % plan->lanes);
		if (relay->plan.lanes[lane].owner == shard->index)
			return lane;
	}
	return plan->first_lane + (unsigned)(hash % plan->lanes);
}

static void *copy(const void *data, size_t length)
{
	void *out = length ? malloc(length) : NULL;

	if (out)
		memcpy(out, data, length);
	return out;
}

static int remember_mover(struct walk *walk, const struct spool_live *live, unsigned lane)
{
	struct mover *mover;

	if (walk->count == walk->capacity) {
		size_t capacity = walk->capacity ? 2 * walk->capacity : 256;
		struct mover *movers = realloc(walk->movers, capacity * sizeof(*movers));
		if (!movers)
			return -ENOMEM;
		walk->movers = movers;
		walk->capacity = capacity;
	}
	mover = &walk->movers[walk->count];
	mover->live = *live;
	mover->live.envelope = copy(live->envelope, live->envelope_length);
	mover->live.state = live->state ? copy(live->state, live->state_length) : NULL;
	mover->from = walk->orphan;
	mover->from_shard = walk->shard;
	mover->lane = lane;
	if (!mover->live.envelope || (live->state && !mover->live.state))
		return -ENOMEM;
	walk->count++;
	return 0;
}

static void on_live(void *context, const struct spool_live *live)
{
	struct walk *walk = context;
	struct envelope envelope;
	const char *why = unreadable(live, &envelope);
	int destination = why ? -1 : destination_of(walk->relay->config, &envelope);
	unsigned lane;
	int r;

	walk->recovery->live++;
	if (walk->error)
		return;
	if (destination < 0) {
		log_held(walk, live, why ? why : "no destination in the configuration takes it");
		if (!walk->shard)
			walk->error = -ENOTSUP; /* its spool may not be removed */
		else
			walk->error = store_keep(walk->shard, live, false);
		return;
	}
	lane = lane_of(walk->relay, destination, live, walk->shard);
	if (walk->shard && walk->relay->plan.lanes[lane].owner == walk->shard->index)
		r = store_adopt(walk->shard, live, lane);
	else
		r = remember_mover(walk, live, lane);
	if (r < 0)
		walk->error = r;
}

static void report_fields(struct log_event *e, unsigned index, const struct spool_report *report)
{
	log_number(e, "spool", index);
	log_number(e, "segments", report->segments);
	log_number(e, "records", report->records);
	log_number(e, "live", report->live);
	log_number(e, "damaged_batches", report->damaged_batches);
	log_number(e, "damaged_records", report->damaged_records);
	log_number(e, "torn_octets", report->torn_octets);
}

static void log_spool(struct walk *walk, unsigned index, const struct spool_report *report)
{
	struct log_event e;

	walk->recovery->spools++;
	walk->recovery->damaged_records += report->damaged_records + report->damaged_batches;
	if (report->problem[0]) {
		log_begin_at(&e, walk->log, LOG_LEVEL_ERROR, "spool_damaged");
		report_fields(&e, index, report);
		log_text(&e, "problem", report->problem);
		log_end(&e);
		return;
	}
	log_begin(&e, walk->log, "spool");
	report_fields(&e, index, report);
	log_end(&e);
}

static int open_spool(struct walk *walk, unsigned index, int directory, struct spool **out)
{
	struct spool_settings settings;
	struct spool_report report = {0};
	int r;

	store_spool_settings(walk->relay->config, index, walk->relay->shard_count, &settings);
	settings.directory = directory;
	r = spool_open(out, &settings, on_live, walk, &report);
	if (r < 0) {
		if (!walk->shard && *out) {
			spool_close(*out);
			*out = NULL;
		}
		snprintf(walk->recovery->problem, sizeof(walk->recovery->problem),
			 "the spool shard-%03u cannot be opened: %s", index,
			 report.problem[0] ? report.problem : strerror(-r));
		return r;
	}
	log_spool(walk, index, &report);
	return walk->error;
}

/* ---- a changed number of shards ------------------------------------------------------------------------------- */

static int compare_ids(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct spool_id));
}

struct ids {
	struct spool_id *list;
	size_t count;
};

static void collect_id(void *context, struct mail *m)
{
	struct ids *ids = context;

	ids->list[ids->count++] = m->item.id;
}

/* Ids of every message that is in its right spool already, sorted. */
static struct spool_id *collect_ids(const struct relay *relay, size_t *count)
{
	struct spool_id *ids;
	size_t n = 0;
	unsigned i;

	for (i = 0; i < relay->shard_count; i++)
		n += relay->shards[i]->store->mails.in_use;
	ids = malloc((n + 1) * sizeof(*ids));
	if (!ids)
		return NULL;
	*count = 0;
	for (i = 0; i < relay->shard_count; i++) {
		struct ids at = {ids + *count, 0};
		store_mails(relay->shards[i], collect_id, &at);
		*count += at.count;
	}
	assert(*count <= n);
	qsort(ids, *count, sizeof(*ids), compare_ids);
	return ids;
}

static int move_one(struct walk *walk, struct mover *mover, const struct spool_id *ids, size_t id_count)
{
	struct relay *relay = walk->relay;
	struct shard *owner = relay->shards[relay->plan.lanes[mover->lane].owner];
	struct spool *from = mover->from_shard ? mover->from_shard->store->spool : mover->from;
	struct spool_live *live = &mover->live;
	int r = 0;

	if (mover->from_shard) {
		struct spool_live original = *live;
		/* The copy gets parts of its own. */
		live->item.parts = copy(original.item.parts, original.item.part_count * sizeof(struct spool_ref));
		if (original.item.part_count && !live->item.parts)
			return -ENOMEM;
		r = store_keep(mover->from_shard, &original, true);
		if (r < 0)
			return r;
	}
	if (bsearch(&live->item.id, ids, id_count, sizeof(*ids), compare_ids)) {
		free(live->item.parts);
		return 0;
	}
	r = spool_import(owner->store->spool, from, &live->item);
	live->spool = owner->store->spool;
	if (r == 0)
		r = store_adopt(owner, live, mover->lane);
	walk->recovery->moved++;
	return r;
}

static int move_all(struct walk *walk)
{
	struct relay *relay = walk->relay;
	size_t id_count = 0, m;
	struct spool_id *ids;
	unsigned i;
	int r = 0;

	if (walk->count == 0)
		return 0;
	ids = collect_ids(relay, &id_count);
	if (!ids)
		return -ENOMEM;
	for (m = 0; m < walk->count && r == 0; m++)
		r = move_one(walk, &walk->movers[m], ids, id_count);
	for (i = 0; i < relay->shard_count && r == 0; i++)
		r = spool_import_commit(relay->shards[i]->store->spool);
	free(ids);
	return r;
}

/* ---- the spool directory ------------------------------------------------------------------------------------ */

struct orphans {
	unsigned shard_count, count;
	unsigned index[999];
	struct spool *spools[999];
	int directories[999];
};

static void find_orphan(void *context, const char *name)
{
	struct orphans *orphans = context;
	unsigned index;
	char rest;

	if (sscanf(name, "shard-%3u%c", &index, &rest) == 1 && index >= orphans->shard_count &&
	    orphans->count < sizeof(orphans->index) / sizeof(orphans->index[0]))
		orphans->index[orphans->count++] = index;
}

static int open_all(struct walk *walk, struct orphans *orphans, int directory)
{
	struct relay *relay = walk->relay;
	char name[32];
	unsigned i;
	int r;

	for (i = 0; i < relay->shard_count; i++) {
		int d;
		snprintf(name, sizeof(name), "shard-%03u", i);
		d = disk_subdirectory_open(directory, name, true);
		if (d < 0)
			return d;
		walk->recovery->spool_directories[walk->recovery->spool_count++] = d;
		walk->shard = relay->shards[i];
		r = open_spool(walk, i, d, &relay->shards[i]->store->spool);
		if (r < 0)
			return r;
	}
	walk->shard = NULL;
	for (i = 0; i < orphans->count; i++) {
		snprintf(name, sizeof(name), "shard-%03u", orphans->index[i]);
		orphans->directories[i] = disk_subdirectory_open(directory, name, false);
		if (orphans->directories[i] < 0)
			return orphans->directories[i];
		size_t before = walk->count;
		r = open_spool(walk, orphans->index[i], orphans->directories[i], &orphans->spools[i]);
		for (; before < walk->count; before++)
			walk->movers[before].from = orphans->spools[i];
		if (r < 0)
			return r;
	}
	return 0;
}

static int remove_orphans(struct orphans *orphans, int directory)
{
	char name[32];
	unsigned i;
	int r = 0;

	for (i = 0; i < orphans->count && r == 0; i++) {
		snprintf(name, sizeof(name), "shard-%03u", orphans->index[i]);
		r = spool_destroy(orphans->spools[i]);
		orphans->spools[i] = NULL;
		disk_close(orphans->directories[i]);
		/* Files that are not ours to remove (what was set aside as damaged) keep their directory. */
		if (r == 0)
			(void)disk_remove_directory(directory, name);
	}
	return r;
}

static int recover(struct walk *walk, int directory)
{
	struct orphans *orphans = calloc(1, sizeof(*orphans));
	size_t m;
	int r;

	if (!orphans)
		return -ENOMEM;
	walk->recovery->spool_directories = calloc(walk->relay->shard_count, sizeof(int));
	if (!walk->recovery->spool_directories) {
		free(orphans);
		return -ENOMEM;
	}
	orphans->shard_count = walk->relay->shard_count;
	r = disk_list(directory, find_orphan, orphans);
	if (r == 0)
		r = open_all(walk, orphans, directory);
	if (r == 0)
		r = move_all(walk);
	if (r == 0)
		r = remove_orphans(orphans, directory);
	for (m = 0; m < walk->count; m++) {
		free((void *)(uintptr_t)walk->movers[m].live.envelope);
		free((void *)(uintptr_t)walk->movers[m].live.state);
	}
	free(walk->movers);
	free(orphans);
	return r;
}

int relay_recover(struct relay *relay, struct log *log, struct recovery *recovery)
{
	const char *path = relay->config->spool.directory;
	struct walk walk = {.relay = relay, .recovery = recovery, .log = log};
	int r;

	memset(recovery, 0, sizeof(*recovery));
	recovery->lock = -1;
	recovery->directory = disk_directory_open(path, true);
	if (recovery->directory < 0) {
		snprintf(recovery->problem, sizeof(recovery->problem), "the spool directory %s cannot be opened: %s",
			 path, strerror(-recovery->directory));
		return recovery->directory;
	}
	recovery->lock = disk_lock(recovery->directory);
	if (recovery->lock < 0) {
		if (recovery->lock == -EWOULDBLOCK)
			snprintf(recovery->problem, sizeof(recovery->problem),
				 "the spool directory %s is in use by another postrider: stop that one, or give this "
				 "one a "
				 "directory of its own (spool.directory)",
				 path);
		else
			snprintf(recovery->problem, sizeof(recovery->problem),
				 "the spool directory %s cannot be locked: %s", path, strerror(-recovery->lock));
		return recovery->lock;
	}
	r = recover(&walk, recovery->directory);
	if (r < 0 && !recovery->problem[0])
		snprintf(recovery->problem, sizeof(recovery->problem), "the spool in %s cannot be recovered: %s%s",
			 path, strerror(-r),
			 r == -ENOTSUP
				 ? " (a spool of a shard that is no more holds mail that cannot be moved, see event "
				   "held; run with the former number of shards, or add the destination again)"
				 : "");
	return r;
}

void relay_recover_release(struct recovery *recovery)
{
	while (recovery->spool_count > 0)
		disk_close(recovery->spool_directories[--recovery->spool_count]);
	free(recovery->spool_directories);
	recovery->spool_directories = NULL;
	if (recovery->lock >= 0)
		disk_close(recovery->lock);
	if (recovery->directory >= 0)
		disk_close(recovery->directory);
}
