/*
 * queue/spool_segment.c - segments in the log and out of it: handles, reuse, reclaim.
 *
 * Reuse
 *   A free file still carries the header and records of its last use, and there may be others with records that its
 *   done records end. It left the log because nothing needs it (spool_pin.c), or because it was the oldest. In the
 *   latter case it may be overwritten, as the new header disowns what is older, but not be unlinked before a durable
 *   header disowns it. Until then new files are preferred, while there is room for them.
 *
 * Failure
 *   Only the operating system's: negative errno. A file whose write failed is never used again.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "queue/spool_private.h"

enum { LEAN_PADDING = 16, LEAN_END = 8 }; /* one part of so many */

void spool_name(char out[SEGMENT_NAME_SIZE], const struct spool_segment *segment)
{
	segment_name(out, segment->slot, spool_kind(segment));
}

/*
 * What compaction wrote it would write the same way again: of blocks and ends that are not full nothing is gained. But
 * not more than whole batches would leave: where copies came a few at a time, or a run ended early, they gain again.
 */
void spool_segment_close(struct spool *spool)
{
	struct spool_segment *segment = spool->active;
	spool->log_changed = true;
	if (!segment || segment->appended == 0)
		return;
	uint64_t padding = segment->padding, most = segment->copied / LEAN_PADDING;
	uint64_t end = segment->size > segment->end ? segment->size - segment->end : 0;
	if (end > segment->size / LEAN_END)
		end = segment->size / LEAN_END;
	segment->lean = (padding < most ? padding : most) + end * segment->copied / segment->appended;
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

static bool size_odd(const struct spool *spool, const struct spool_segment *segment)
{
	return segment->size != spool->settings.segment_size;
}

void spool_segment_remove(struct spool *spool, struct spool_segment *segment)
{
	spool_segment_rest(spool, segment);
	/* One that cannot be had is found, and found dead, by the next recovery. */
	(void)segment_retire(spool->store, segment->slot, spool_kind(segment));
	spool_segment_free(segment);
}

/* After an error. What was used before stays until it may go, whichever of two headers its file has now. */
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

/* ---- reuse ---- */

/* A durable header says that nothing in it counts. */
static bool segment_disowned(const struct spool *spool, const struct spool_segment *segment)
{
	return segment->sequence < spool->oldest_durable || (segment->blank && spool->begun);
}

/* May it be gone before any other? */
static bool segment_expendable(const struct spool *spool, const struct spool_segment *segment)
{
	return segment_disowned(spool, segment) || !spool_pinned(spool, segment);
}

struct spool_segment *spool_segment_recycle(struct spool *spool, bool any)
{
	unsigned best = spool->free_count;

	for (unsigned i = 0; i < spool->free_count; i++) {
		const struct spool_segment *segment = spool->free[i];
		/* Nothing in a blank one is missed; if its header says what counts, the new one says the same. */
		if (!spool_segment_serves(segment) ||
		    (!any && (size_odd(spool, segment) || (!segment->blank && !segment_expendable(spool, segment)))))
			continue;
		if (best == spool->free_count || segment->sequence < spool->free[best]->sequence)
			best = i;
	}
	if (best == spool->free_count)
		return NULL;
	struct spool_segment *segment = free_take(spool, best);
	segment->blank = false;
	segment->speaks = true;
	return segment;
}

/* ---- out of the store ---- */

/* The store is being synced, or there was an error a moment ago. Asked in every turn. */
static bool trim_waits(const struct spool *spool)
{
	return spool->trimming || (spool->trim_retry_ns && clock_monotonic_ns() < spool->trim_retry_ns);
}

static void free_end(struct spool *spool, unsigned i)
{
	struct spool_segment *segment = free_take(spool, i);
	spool_pin_release(spool, segment);
	spool_segment_free(segment);
}

/* A header that will stay says all that any header ever said of what does not count. */
static bool disowned_for_good(const struct spool *spool)
{
	const struct spool_segment *active = spool->active, *spare = spool->spare;
	return (active && active->said >= spool->oldest_durable) || (spare && spare->said >= spool->oldest_durable);
}

/* Unlinked, but what it pins stays until that is so for good. */
static bool free_remove(struct spool *spool, struct spool_segment *segment)
{
	if (segment_retire(spool->store, segment->slot, spool_kind(segment)) < 0) {
		spool->trim_retry_ns = clock_monotonic_ns() + CLOCK_NS_PER_S;
		return false;
	}
	segment->gone = SPOOL_GONE;
	return true;
}

static void trim_synced(struct spool *spool, int result)
{
	for (unsigned i = spool->free_count; i-- > 0;) {
		struct spool_segment *segment = spool->free[i];
		if (segment->gone == SPOOL_GONE_SYNCING && result < 0)
			segment->gone = SPOOL_GONE;
		else if (segment->gone == SPOOL_GONE_SYNCING)
			free_end(spool, i);
	}
	if (result < 0)
		spool->trim_retry_ns = clock_monotonic_ns() + CLOCK_NS_PER_S;
}

void spool_trim_on_sync(struct ring_op *op, int result, uint32_t flags)
{
	struct spool *spool = container_of(op, struct spool, trim_op);
	spool->trimming = false;
	trim_synced(spool, result);
}

static void trim_sync(struct spool *spool)
{
	bool any = false;
	for (unsigned i = 0; i < spool->free_count; i++) {
		struct spool_segment *segment = spool->free[i];
		if (segment->gone == SPOOL_GONE) {
			segment->gone = SPOOL_GONE_SYNCING;
			any = true;
		}
	}
	if (!any)
		return;
	if (!spool->ring) {
		trim_synced(spool, segment_store_sync_now(spool->store));
		return;
	}
	spool->trimming = true;
	segment_store_sync(spool->store, spool->ring, &spool->trim_op);
}

/* More than a few are not kept, and none where others wait for it. */
static void free_trim(struct spool *spool)
{
	unsigned keep = 0;
	bool lasting = disowned_for_good(spool);

	if (trim_waits(spool))
		return;
	spool->trim_retry_ns = 0;
	for (unsigned i = 0; i < spool->free_count; i++)
		keep += spool_segment_serves(spool->free[i]) && !size_odd(spool, spool->free[i]);
	for (unsigned i = 0; i < spool->free_count;) {
		struct spool_segment *segment = spool->free[i];
		bool disowned = segment_disowned(spool, segment);
		if (disowned && segment->damaged) {
			free_end(spool, i); /* the file stays for the operator */
			continue;
		}
		i++;
		if (disowned && segment->sequence < spool->oldest_durable &&
		    (segment->ender_count || segment->stale_since))
			spool_pin_release(spool, segment);
		bool useless = segment->discard || size_odd(spool, segment);
		bool waited = spool->crowded && segment->ender_count > 0;
		if (segment->damaged || segment->gone || (!useless && !waited && keep <= SPOOL_FREE_MAX) ||
		    (!disowned && !(lasting && segment_expendable(spool, segment))))
			continue;
		if (!free_remove(spool, segment))
			break;
		keep -= !useless;
	}
	trim_sync(spool);
}

/*
 * On a full disk no header can be had that disowns what is of no use. The oldest file of all may go nevertheless: what
 * its records ended, or its header cut off, was older still, and is gone. Each must be gone for good before the next.
 */
static void free_trim_oldest(struct spool *spool)
{
	while (!trim_waits(spool)) {
		unsigned first = 0;
		for (unsigned i = 1; i < spool->free_count; i++)
			if (spool->free[i]->sequence < spool->free[first]->sequence)
				first = i;
		if (spool->free_count == 0)
			return;
		struct spool_segment *segment = spool->free[first];
		if (spool_segment_serves(segment) || segment->damaged || spool_pinned(spool, segment) ||
		    (spool->log_count && spool->log[0]->sequence < segment->sequence))
			return;
		if (!segment->gone && !free_remove(spool, segment))
			return;
		segment->gone = SPOOL_GONE_SYNCING;
		trim_synced(spool, segment_store_sync_now(spool->store));
	}
}

/* ---- out of the log ---- */

static bool segment_dead(const struct spool *spool, const struct spool_segment *segment)
{
	return segment != spool->active && segment->live == 0;
}

/* Nothing is under way that needs it. */
static bool segment_quiet(const struct spool *spool, const struct spool_segment *segment)
{
	return segment->uses == 0 && segment->last_batch <= spool->durable_batch;
}

/* Those that are the oldest: of what is older nothing counts when a header says so. */
static unsigned reclaim_oldest(struct spool *spool)
{
	unsigned count = 0;
	while (count < spool->log_count && segment_dead(spool, spool->log[count]) &&
	       segment_quiet(spool, spool->log[count]))
		spool_segment_retire(spool, spool->log[count++]);
	spool->log_count -= count;
	memmove(spool->log, spool->log + count, spool->log_count * sizeof *spool->log);
	return count;
}

/* A damaged one is read by the next start, unless it has another name. */
static bool segment_leave(struct spool *spool, struct spool_segment *segment)
{
	if (!segment->damaged) {
		spool_segment_retire(spool, segment);
		return true;
	}
	if (segment_set_aside(spool->store, segment->slot, SEGMENT_DAMAGED, SEGMENT_KEPT) < 0 ||
	    segment_store_sync_now(spool->store) < 0)
		return false;
	spool_segment_rest(spool, segment);
	spool_pin_release(spool, segment);
	spool_segment_free(segment);
	return true;
}

/* Those in between: nothing older may need them. */
static unsigned reclaim_any(struct spool *spool)
{
	unsigned kept = 0, count = spool->log_count;
	for (unsigned i = 0; i < count; i++) {
		struct spool_segment *segment = spool->log[i];
		bool leaves = segment_dead(spool, segment) && segment_quiet(spool, segment) &&
			      !spool_pinned(spool, segment) && segment_leave(spool, segment);
		if (!leaves)
			spool->log[kept++] = segment;
	}
	spool->log_count = kept;
	return count - kept;
}

void spool_reclaim(struct spool *spool)
{
	if (spool->durable_batch < spool->barrier_batch)
		return; /* records that a failure took are not all back yet */
	if (spool->ripe) {
		spool->ripe = spool->leaving = false;
		unsigned count = reclaim_oldest(spool);
		if (spool->active && !spool->cut && !spool->stopping)
			count += reclaim_any(spool);
		spool->stats.segments_recycled += count;
		if (spool->log_count < spool->log_least)
			spool->log_least = spool->log_count;
		spool->crowded = spool_pin_crowd(spool);
		for (unsigned i = 0; i < spool->log_count; i++) {
			const struct spool_segment *segment = spool->log[i];
			if (!segment_dead(spool, segment))
				continue;
			bool quiet = segment_quiet(spool, segment);
			spool->log_changed = true;
			/* Nobody says when it will be; of all else it waits for the end is told (spool_pin.c). */
			spool->ripe |= !quiet;
			spool->leaving |= !quiet && (i == 0 || !spool_pinned(spool, segment));
		}
		spool->log_changed |= count > 0;
	}
	free_trim(spool);
	if (spool_no_room(spool->prepare_error))
		free_trim_oldest(spool);
}
