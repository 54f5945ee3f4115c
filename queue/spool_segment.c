/*
 * queue/spool_segment.c - segments in the log and out of it: tables, handles, limits, reuse, reclaim.
 *
 * Reuse
 *   A free file still carries the header and records of its last use, whose done records may lie in a later file.
 *   Those files may be overwritten or unlinked in any order only once a durable header says, in `oldest`, that
 *   none of them counts. Until then new files are preferred, while there is room for them.
 *
 * Failure
 *   Only the operating system's: negative errno. A file whose write failed is never used again.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "queue/spool_private.h"

void spool_name(char out[SEGMENT_NAME_SIZE], const struct spool_segment *segment)
{
	segment_name(out, segment->slot, spool_kind(segment));
}

struct spool_segment *spool_segment_new(void)
{
	struct spool_segment *segment = calloc(1, sizeof *segment);
	if (!segment)
		return NULL;
	segment->handle = -1;
	segment->cut = UINT32_MAX;
	list_init(&segment->items);
	return segment;
}

struct spool_segment *spool_segment_find(const struct spool *spool, uint32_t sequence)
{
	unsigned low = 0, high = spool->log_count;

	if (high > 0 && spool->log[high - 1]->sequence == sequence)
		return spool->log[high - 1];
	while (low < high) {
		unsigned middle = low + (high - low) / 2;
		if (spool->log[middle]->sequence == sequence)
			return spool->log[middle];
		if (spool->log[middle]->sequence < sequence)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

static int table_reserve(struct spool_segment ***table, unsigned *capacity, unsigned wanted)
{
	if (wanted <= *capacity)
		return 0;
	unsigned grown = wanted + wanted / 2 + 16;
	struct spool_segment **memory = realloc(*table, grown * sizeof *memory);
	if (!memory)
		return -ENOMEM;
	*table = memory;
	*capacity = grown;
	return 0;
}

int spool_segment_reserve(struct spool *spool)
{
	/* Each segment may end up in either table; the spare and the one being prepared are in none yet. */
	unsigned wanted = spool->log_count + spool->free_count + 3;
	int result = table_reserve(&spool->log, &spool->log_capacity, wanted);
	return result < 0 ? result : table_reserve(&spool->free, &spool->free_capacity, wanted);
}

void spool_log_append(struct spool *spool, struct spool_segment *segment)
{
	assert(spool->log_count < spool->log_capacity);
	assert(spool->log_count == 0 || spool->log[spool->log_count - 1]->sequence < segment->sequence);
	spool->log[spool->log_count++] = segment;
	spool->log_changed = true;
}

/* What compaction wrote it would write the same way again: of blocks and ends that are not full nothing is gained. */
void spool_segment_close(struct spool *spool)
{
	struct spool_segment *segment = spool->active;
	spool->log_changed = true;
	if (!segment || segment->appended == 0)
		return;
	uint64_t used = SPOOL_BLOCK + segment->appended;
	uint64_t rest = segment->size > used ? segment->size - used : 0;
	segment->lean = rest * segment->copied / segment->appended;
}

/* ---- handles ---- */

void spool_segment_rest(struct spool *spool, struct spool_segment *segment)
{
	if (segment->handle >= 0)
		segment_close(spool->store, segment->handle);
	segment->handle = -1;
}

int spool_segment_handle(struct spool *spool, struct spool_segment *segment)
{
	if (segment->handle >= 0)
		return segment->handle;

	struct spool_segment *first = NULL;
	unsigned open = 0;
	for (unsigned i = 0; i < spool->log_count; i++) {
		struct spool_segment *other = spool->log[i];
		if (other->handle < 0)
			continue;
		open++;
		if (other->uses == 0 && other != spool->active && (!first || other->opened < first->opened))
			first = other;
	}
	/* Beside those: the one written to, the spare, one being prepared, one set aside, lock and directory. */
	static_assert(SPOOL_OPEN_MAX + 8 <= SPOOL_FILES_MAX, "what the limit of open files is compared with");
	if (open >= SPOOL_OPEN_MAX && first)
		spool_segment_rest(spool, first);

	int handle = segment_open(spool->store, segment->slot, spool_kind(segment), false);
	if (handle >= 0) {
		segment->handle = handle;
		segment->opened = ++spool->opens;
	}
	return handle;
}

/* ---- files ---- */

unsigned spool_segments_max(const struct spool *spool)
{
	uint64_t max = spool->settings.size_max / spool->settings.segment_size;
	return max < SPOOL_FREE_MAX ? SPOOL_FREE_MAX : max > 1u << 20 ? 1u << 20 : (unsigned)max;
}

/* Those that a write error or a start cut off are no whole ones: in their place compaction may have one. */
unsigned spool_segments_copies(const struct spool *spool)
{
	unsigned max = spool_segments_max(spool), cut = 0;

	for (unsigned i = 0; spool->log_count >= max && i < spool->log_count; i++) {
		const struct spool_segment *segment = spool->log[i];
		uint32_t size = segment == spool->active ? segment->size : segment->end;
		cut += size + SPOOL_SLAB < spool->settings.segment_size;
	}
	return max + cut;
}

static unsigned segments_total(const struct spool *spool)
{
	return spool->log_count + spool->free_count + (spool->spare != NULL) + (spool->preparing != NULL);
}

bool spool_size_max_reached(const struct spool *spool)
{
	return segments_total(spool) >= spool_segments_max(spool);
}

bool spool_no_room(int error)
{
	return error == -ENOSPC || error == -EDQUOT;
}

bool spool_disk_full(const struct spool *spool)
{
	return spool_no_room(spool->prepare_error) || spool->prepare_error == -EROFS;
}

static bool size_odd(const struct spool *spool, const struct spool_segment *segment)
{
	return segment->size != spool->settings.segment_size;
}

bool spool_segment_serves(const struct spool_segment *segment)
{
	return !segment->discard && segment->size >= SPOOL_FIRST_MIN;
}

bool spool_free_has(const struct spool *spool)
{
	for (unsigned i = 0; i < spool->free_count; i++)
		if (spool_segment_serves(spool->free[i]))
			return true;
	return false;
}

bool spool_segments_end(const struct spool *spool)
{
	if (spool_free_has(spool))
		return false;
	return spool->prepare_error < 0 || (!spool->preparing && spool_size_max_reached(spool));
}

bool spool_segment_last(const struct spool *spool)
{
	if (!spool->active)
		return spool_disk_full(spool);
	return !spool->spare && spool_segments_end(spool);
}

/*
 * The last places are kept for what makes room again: one for states and compaction, the very last for compaction only.
 * Done records may even pass size_max. So a full spool still drains.
 */
static bool size_max_refuses(const struct spool *spool, enum spool_need need)
{
	unsigned reserve = need == SPOOL_NEED_MESSAGE ? 2 : need == SPOOL_NEED_STATE ? 1 : 0;

	if (need == SPOOL_NEED_COPY)
		return spool->log_count >= spool_segments_copies(spool);
	return need != SPOOL_NEED_DONE && spool->log_count + 1 > spool_segments_max(spool) - reserve;
}

int spool_size_max_check(struct spool *spool, enum spool_need need)
{
	if (!size_max_refuses(spool, need))
		return 0;
	/* One that only looks full gets room: mail waits for that. */
	return need == SPOOL_NEED_MESSAGE && spool_compact_gains(spool) ? -EAGAIN : -ENOSPC;
}

bool spool_size_full(struct spool *spool)
{
	const struct spool_segment *active = spool->active;

	if (!active || spool_disk_full(spool))
		return false;
	if (spool_compact_gains(spool))
		return false;
	if (spool_size_max_reached(spool) && spool_segment_last(spool))
		return true;
	return active->end + SPOOL_SLAB > active->size && size_max_refuses(spool, SPOOL_NEED_MESSAGE);
}

void spool_segment_remove(struct spool *spool, struct spool_segment *segment)
{
	spool_segment_rest(spool, segment);
	/* One that cannot be had is found, and found dead, by the next recovery. */
	(void)segment_retire(spool->store, segment->slot, spool_kind(segment));
	free(segment);
}

/*
 * After an error. A header that is still wanted stays on the disk until a newer one has taken its place, whichever of
 * its two versions that may be: each says what counted when it was made.
 */
void spool_segment_abandon(struct spool *spool, struct spool_segment *segment)
{
	if (!segment->speaks) {
		spool_segment_remove(spool, segment);
		return;
	}
	segment->discard = true;
	spool_segment_retire(spool, segment);
}

void spool_segment_retire(struct spool *spool, struct spool_segment *segment)
{
	spool_segment_rest(spool, segment);
	if (segment->damaged) {
		free(segment); /* the file stays for the operator */
		return;
	}
	assert(spool->free_count < spool->free_capacity);
	spool->free[spool->free_count++] = segment;
}

static struct spool_segment *free_take(struct spool *spool, unsigned i)
{
	struct spool_segment *segment = spool->free[i];
	spool->free_count--;
	memmove(spool->free + i, spool->free + i + 1, (spool->free_count - i) * sizeof *spool->free);
	return segment;
}

/* A durable header says that nothing in it counts. */
static bool segment_disowned(const struct spool *spool, const struct spool_segment *segment)
{
	return segment->sequence < spool->oldest_durable || (segment->blank && spool->begun);
}

struct spool_segment *spool_segment_recycle(struct spool *spool, bool any)
{
	for (unsigned i = 0; i < spool->free_count; i++) {
		struct spool_segment *segment = spool->free[i];
		bool disowned = segment_disowned(spool, segment);
		/* Nothing in a blank one is missed; if its header says what counts, the new one says the same. */
		if (!spool_segment_serves(segment) ||
		    (!any && (size_odd(spool, segment) || (!disowned && !segment->blank))))
			continue;
		segment->blank = false;
		segment->speaks = !disowned;
		return free_take(spool, i);
	}
	return NULL;
}

static void free_trim(struct spool *spool)
{
	unsigned keep = 0;
	for (unsigned i = 0; i < spool->free_count; i++)
		keep += !spool->free[i]->discard && !size_odd(spool, spool->free[i]);
	for (unsigned i = 0; i < spool->free_count;) {
		struct spool_segment *segment = spool->free[i];
		bool useless = segment->discard || size_odd(spool, segment);
		if ((!useless && keep <= SPOOL_FREE_MAX) || !segment_disowned(spool, segment)) {
			i++;
			continue;
		}
		keep -= !useless;
		spool_segment_remove(spool, free_take(spool, i));
	}
}

/*
 * On a full disk no header can be had that disowns what is of no use. The oldest file of all may go nevertheless: what
 * its records ended, or its header cut off, was older still, and is gone. Each must be gone for good before the next.
 */
static void free_trim_oldest(struct spool *spool)
{
	for (;;) {
		unsigned first = 0;
		for (unsigned i = 1; i < spool->free_count; i++)
			if (spool->free[i]->sequence < spool->free[first]->sequence)
				first = i;
		if (spool->free_count == 0 || spool_segment_serves(spool->free[first]) ||
		    (spool->log_count && spool->log[0]->sequence < spool->free[first]->sequence))
			return;
		spool_segment_remove(spool, free_take(spool, first));
		if (segment_store_sync_now(spool->store) < 0)
			return;
	}
}

/* An item may be listed where a record of it was that is dead. */
static bool nobody_left(struct spool *spool, struct spool_segment *segment)
{
	struct list all, *link;

	if (list_empty(&segment->items))
		return true;
	list_init(&all);
	while ((link = list_take_first(&segment->items)))
		list_append(&all, link);
	while ((link = list_take_first(&all))) {
		struct spool_item *item = container_of(link, struct spool_item, link);
		spool_moved_resolve(spool, &item->state, true);
		spool_item_list(spool, item);
	}
	return list_empty(&segment->items);
}

void spool_reclaim(struct spool *spool)
{
	if (spool->durable_batch < spool->barrier_batch)
		return; /* records that a failure took are not all back yet */
	unsigned count = 0;
	while (count < spool->log_count) {
		struct spool_segment *segment = spool->log[count];
		if (segment == spool->active || segment->live || segment->uses ||
		    segment->last_batch > spool->durable_batch || !nobody_left(spool, segment))
			break;
		spool_segment_retire(spool, segment);
		spool->stats.segments_recycled++;
		count++;
	}
	if (count > 0)
		spool->log_changed = true;
	spool->log_count -= count;
	memmove(spool->log, spool->log + count, spool->log_count * sizeof *spool->log);
	free_trim(spool);
	if (spool_no_room(spool->prepare_error))
		free_trim_oldest(spool);
}
