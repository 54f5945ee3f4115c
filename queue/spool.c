/*
 * queue/spool.c - a spool's memory and its ends: new, start, idle, close, import, destroy, figures.
 *
 * Before spool_start() everything blocks; that is how messages move between spools when the number of shards
 * has changed.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/pages.h"
#include "queue/spool_private.h"

static void *aligned_new(size_t size)
{
	void *memory;
	return posix_memalign(&memory, SPOOL_BLOCK, size) ? NULL : memory;
}

static void settings_check(const struct spool_settings *s)
{
	assert(s->slabs >= 4);
	assert(s->writes >= 1 && s->writes <= SPOOL_WRITES_MAX);
	assert(s->segment_size % SPOOL_SLAB == 0);
	assert(s->segment_size >= 4 * SPOOL_SLAB);
}

int spool_new(struct spool **out, const struct spool_settings *settings)
{
	settings_check(settings);
	struct spool *spool = calloc(1, sizeof *spool);
	if (!spool)
		return -ENOMEM;
	spool->settings = *settings;
	spool->next_batch = 1;
	spool->next_sequence = spool->next_slot = 1;
	spool->slab_current = settings->slabs;
	list_init(&spool->fail_tickets);
	list_init(&spool->kept_tickets);
	list_init(&spool->views_late);
	/* Each batch that waits to be written filled up its slab; besides there are those begun and the open one. */
	spool->batches_capacity = settings->slabs + SPOOL_WINDOW * settings->writes + 2;
	spool->batches = calloc(spool->batches_capacity, sizeof *spool->batches);
	spool->slabs = calloc(settings->slabs, sizeof *spool->slabs);
	spool->slab_memory = pages_new((size_t)settings->slabs * SPOOL_SLAB);
	spool->header_block = aligned_new(SPOOL_BLOCK);
	bool memory = spool->batches && spool->slabs && spool->slab_memory && spool->header_block &&
		      spool_index_init(&spool->index) == 0;
	int result = memory ? segment_store_open(&spool->store, settings->directory) : -ENOMEM;
	if (result < 0) {
		spool_free(spool);
		return result;
	}
	for (unsigned i = 0; i < settings->slabs; i++)
		spool->slabs[i].memory = spool->slab_memory + (size_t)i * SPOOL_SLAB;
	*out = spool;
	return 0;
}

static void segment_free(struct spool *spool, struct spool_segment *segment)
{
	if (segment)
		spool_segment_rest(spool, segment);
	spool_segment_free(segment);
}

void spool_free(struct spool *spool)
{
	for (unsigned i = 0; i < spool->log_count; i++)
		segment_free(spool, spool->log[i]);
	for (unsigned i = 0; i < spool->free_count; i++)
		segment_free(spool, spool->free[i]);
	segment_free(spool, spool->spare);
	segment_free(spool, spool->preparing);
	free(spool->slab_memory);
	free(spool->slabs);
	free(spool->batches);
	free(spool->header_block);
	segment_store_close(spool->store);
	free(spool->log);
	free(spool->free);
	free(spool->saved);
	free(spool->moved);
	spool_compact_free(spool);
	spool_index_free(&spool->index);
	spool_trail_free(&spool->trail);
	free(spool);
}

int spool_start(struct spool *spool, struct ring *ring)
{
	int result = spool_import_commit(spool);
	if (result == 0 && !spool->active)
		result = spool_segment_first(spool);
	/* With a full disk the mail that lies on it must still go out. */
	if (result < 0 && (spool->active || spool->failed || !spool_disk_full(spool)))
		return result;
	spool->ring = ring;
	spool->log_least = spool->log_count;
	spool->prepare_op.fn = spool_prepare_on_step;
	spool->trim_op.fn = spool_trim_on_sync;
	spool_prepare(spool);
	return 0;
}

bool spool_idle(const struct spool *spool)
{
	/* On a full disk these might wait for ever; the next start repeats what they were to end. */
	bool saved = spool->saved && !(spool_disk_full(spool) && spool_segment_last(spool));
	return spool->in_flight == 0 && spool->batch_count == 0 && !spool->preparing && !spool->trimming &&
	       spool->reads == 0 && !spool->cut && !saved && !spool_compact_loading(spool);
}

void spool_close(struct spool *spool)
{
	assert(spool->in_flight == 0);
	assert(!spool->preparing && !spool->trimming);
	assert(spool->reads == 0);
	assert(!spool_compact_loading(spool));
	spool_free(spool);
}

void spool_stats(const struct spool *spool, struct spool_stats *out)
{
	*out = spool->stats;
	out->segments = spool->log_count;
	out->segments_free = spool->free_count + (spool->spare != NULL);
	out->live = spool->live;
	out->failed = spool->failed;
}

/* ---- import ---- */

static int import_record(struct spool *to, struct spool *from, enum spool_type type, const struct spool_ref *ref,
			 const struct spool_item *item, struct spool_ref *copy)
{
	struct spool_view view = {0};
	struct spool_record_header header;
	int result = spool_view_now(from, &view, ref);
	if (result == 0) {
		const struct spool_segment *segment = spool_segment_find(from, view.ref.segment);
		result = spool_record_decode(view.record, view.ref.length, segment->seed, view.ref.offset, &header);
	}
	if (result == 0 && header.type != type)
		result = -EBADMSG;
	if (result == 0) {
		struct iovec content = {(void *)(uintptr_t)view.content, view.content_length};
		struct spool_append append = {
			.type = type,
			.id = item->id,
			.wall_ns = header.wall_ns,
			.parts = item->parts,
			.part_count = type == SPOOL_MESSAGE ? item->part_count : 0,
			.envelope = view.envelope,
			.envelope_length = view.envelope_length,
			.content = &content,
			.content_count = 1,
		};
		result = spool_settle_now(to);
		if (result == 0)
			result = spool_append(to, &append, SPOOL_NEED_DONE, copy, NULL);
	}
	spool_view_release(&view);
	return result;
}

/* Copies into *copy, whose parts are allocated. */
static int import_item(struct spool *to, struct spool *from, const struct spool_item *item, struct spool_item *copy)
{
	int result = 0;
	for (unsigned i = 0; result == 0 && i < item->part_count; i++) {
		result = import_record(to, from, SPOOL_PART, &item->parts[i], item, &copy->parts[i]);
		copy->part_count = (uint16_t)(i + (result == 0));
	}
	if (result == 0)
		result = import_record(to, from, SPOOL_MESSAGE, &item->message, copy, &copy->message);
	if (result == 0 && item->state.segment)
		result = import_record(to, from, SPOOL_STATE, &item->state, copy, &copy->state);
	return result;
}

int spool_import(struct spool *to, struct spool *from, struct spool_item *item)
{
	struct spool_item copy = {.id = item->id};

	assert(!to->ring && !from->ring && to != from);
	if (to->failed)
		return -EIO;
	if (item->part_count) {
		copy.parts = malloc(item->part_count * sizeof *copy.parts);
		if (!copy.parts)
			return -ENOMEM;
	}
	int result = import_item(to, from, item, &copy);
	if (result < 0) {
		spool_refs_drop(to, copy.parts, copy.part_count);
		spool_refs_drop(to, &copy.message, 1);
		free(copy.parts);
		return result;
	}
	to->live++;
	free(item->parts);
	*item = copy;
	return 0;
}

int spool_import_commit(struct spool *to)
{
	assert(!to->ring);
	if (to->open)
		spool_seal(to);
	return spool_settle_now(to);
}

/* ---- destroy ---- */

struct slots {
	struct slot {
		uint32_t number;
		enum segment_kind kind;
	} * list;
	size_t count, capacity;
	bool short_of_memory;
};

static void slots_add(void *context, uint32_t slot, enum segment_kind kind)
{
	struct slots *slots = context;
	if (slots->count == slots->capacity) {
		size_t capacity = slots->capacity * 2 + 64;
		struct slot *list = realloc(slots->list, capacity * sizeof *list);
		if (!list) {
			slots->short_of_memory = true;
			return;
		}
		slots->list = list;
		slots->capacity = capacity;
	}
	slots->list[slots->count++] = (struct slot){.number = slot, .kind = kind};
}

/* One small segment that disowns all others: from its sync on nothing in this store is live. */
static int tombstone_write(struct spool *spool, uint32_t slot)
{
	struct spool_segment_header header = {
		.shard = spool->settings.shard,
		.shards = spool->settings.shards,
		.sequence = spool->next_sequence,
		.oldest = spool->next_sequence,
	};
	int handle = segment_make(spool->store, slot, SPOOL_BLOCK);
	if (handle < 0)
		return handle;
	spool_segment_encode(spool->header_block, &header);
	int result = segment_write_now(spool->store, handle, spool->header_block, SPOOL_BLOCK, 0);
	if (result == 0)
		result = segment_sync_now(spool->store, handle);
	segment_close(spool->store, handle);
	return result < 0 ? result : segment_store_sync_now(spool->store);
}

static int slots_remove(struct segment_store *store, const struct slots *slots, uint32_t last)
{
	for (size_t i = 0; i < slots->count; i++) {
		const struct slot *slot = &slots->list[i];
		int result = 0;
		if (slot->kind == SEGMENT_LOG && slot->number != last)
			result = segment_retire(store, slot->number, SEGMENT_LOG);
		else if (slot->kind == SEGMENT_DAMAGED)
			result = segment_set_aside(store, slot->number, SEGMENT_DAMAGED, SEGMENT_KEPT);
		if (result < 0)
			return result;
	}
	int result = segment_store_sync_now(store);
	return result < 0 ? result : segment_retire(store, last, SEGMENT_LOG);
}

int spool_destroy(struct spool *spool)
{
	const uint32_t last = spool->next_slot;
	struct slots slots = {0};

	assert(!spool->ring);
	for (unsigned i = 0; i < spool->log_count; i++)
		spool_segment_rest(spool, spool->log[i]);
	int result = segment_list(spool->store, slots_add, &slots);
	if (result >= 0)
		result = slots.short_of_memory ? -ENOMEM : tombstone_write(spool, last);
	if (result >= 0)
		result = slots_remove(spool->store, &slots, last);
	if (result >= 0)
		result = segment_store_sync_now(spool->store);
	free(slots.list);
	if (result >= 0)
		spool_free(spool);
	return result < 0 ? result : 0;
}
