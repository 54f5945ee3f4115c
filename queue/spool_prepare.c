/*
 * queue/spool_prepare.c - the next segment: made ahead of need, its header, and the roll into it.
 *
 * Preparing
 *
 *     NONE --new slot--> ZERO --> SYNC --> STORE_SYNC --> HEADER --> spare
 *     NONE --free slot, or a new header for the spare----> HEADER --> spare, or with a cut: active
 *
 *   One spare is kept ready, so that rolling over costs the append path nothing. A failed preparation is no
 *   failure of the log: the file is dropped and another tried a second later, unless a cut waits for it.
 *
 * The last segment
 *   Room is only made by writing: done records, and compaction's copies. So when behind the active segment there is
 *   none and none can be had, because the disk is full or size_max reached, the active one is left to them. The blocks
 *   of a new file are allocated, or refused, the moment the spare becomes active: nearly all of it is left, then.
 *
 * Failure
 *   Only the operating system's: negative errno. A file whose write failed is never used again.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/random.h"
#include "queue/spool_private.h"

static_assert((int)SPOOL_BLOCK == (int)SEGMENT_BLOCK, "segments are written in the store's blocks");

enum { SEGMENT_FIRST_LATE = 4 * SPOOL_SLAB };

/* ---- headers ---- */

static uint64_t seed_new(const struct spool *spool, uint32_t sequence, uint64_t wall_ns)
{
	uint64_t seed;

	if (spool->settings.seed)
		return spool_seed_derive(spool->settings.seed, spool->settings.shard, sequence, wall_ns);
	random_bytes(&seed, sizeof seed);
	return seed;
}

/* Encodes into the one header block; with `cut` it says where the log before this segment ended. */
static void header_fill(struct spool *spool, struct spool_segment *segment, bool cut)
{
	struct spool_segment_header header = {
		.shard = spool->settings.shard,
		.shards = spool->settings.shards,
		.sequence = segment->sequence,
		.oldest = spool->log_count ? spool->log[0]->sequence : segment->sequence,
		.seed = segment->seed,
		.wall_ns = clock_wall_ns(),
	};
	if (cut) {
		header.cut_segment = spool->cut_segment;
		header.cut_offset = spool->cut_offset;
		header.first_batch = spool->next_batch;
	}
	spool_segment_encode(spool->header_block, &header);
}

/* A number is spent with each attempt: what a failed write left on the disk may carry it. */
static void segment_renew(struct spool *spool, struct spool_segment *segment)
{
	if (segment->was == 0)
		segment->was = segment->sequence;
	segment->sequence = spool->next_sequence++;
	segment->seed = seed_new(spool, segment->sequence, clock_wall_ns());
	segment->end = SPOOL_BLOCK;
	segment->cut = UINT32_MAX;
	segment->live = 0;
	memset(segment->live_in, 0, sizeof segment->live_in);
	segment->live_octets = 0;
	segment->appended = segment->copied = segment->padding = segment->lean = 0;
	segment->last_batch = 0;
	segment->last_hash = 0;
	segment->stuck = false;
}

static void header_durable(struct spool *spool, struct spool_segment *segment)
{
	segment->speaks = false; /* in the log, or the spare: it is not removed by mistake */
	struct spool_segment_header header;
	int result = spool_segment_decode(spool->header_block, &header);
	assert(result == 0);
	if (header.oldest > spool->oldest_durable)
		spool->oldest_durable = header.oldest;
	/* What its file held is gone. */
	spool_pin_release(spool, segment);
	segment->pins = 0;
	segment->done_octets = segment->done_in = 0;
	segment->silent = false;
	segment->kept_ns = 0;
	segment->was = 0;
	segment->said = header.oldest;
	segment->cut_from = header.cut_segment;
}

/* ---- preparing ---- */

static void segment_opened(struct spool *spool, struct spool_segment *segment, int handle)
{
	segment->handle = handle;
	segment->opened = ++spool->opens;
}

static int segment_create(struct spool *spool, struct spool_segment **out)
{
	struct spool_segment *segment = spool_segment_new();
	if (!segment)
		return -ENOMEM;
	segment->slot = spool->next_slot++;
	segment->size = spool->settings.segment_size;
	int handle = segment_make(spool->store, segment->slot, segment->size);
	if (handle < 0) {
		spool_segment_free(segment);
		return handle;
	}
	segment_opened(spool, segment, handle);
	spool->stats.segments_created++;
	*out = segment;
	return 0;
}

/* Opens a free file or creates a new one: 0 with *recycled, or negative errno. */
static int segment_obtain(struct spool *spool, struct spool_segment **out, bool *recycled)
{
	struct spool_segment *segment = spool_segment_recycle(spool, spool_size_max_reached(spool));
	int result;

	if (!segment) {
		*recycled = false;
		result = segment_create(spool, out);
		/* Where there is no room for a new file, one that is not disowned yet must do. */
		if (!spool_no_room(result) || !(segment = spool_segment_recycle(spool, true)))
			return result;
	}
	*recycled = true;
	int handle = segment_open(spool->store, segment->slot, SEGMENT_LOG, true);
	if (handle < 0) {
		spool_segment_abandon(spool, segment);
		*out = NULL;
		return handle;
	}
	segment_opened(spool, segment, handle);
	*out = segment;
	return 0;
}

static int segment_blank(struct spool *spool, struct spool_segment *segment)
{
	int result = segment_zero_now(spool->store, segment->handle, segment->size);
	return result < 0 ? result : segment_store_sync_now(spool->store);
}

/*
 * On a nearly full disk a smaller file will do: what is queued must go out to make room. It is not kept afterwards.
 * With the ring running it is small in any case, because everything waits for it.
 */
static int first_obtain(struct spool *spool, struct spool_segment **segment, bool *recycled)
{
	const uint32_t usual = spool->settings.segment_size;
	int result = -ENOSPC;

	for (uint32_t size = spool->ring ? SEGMENT_FIRST_LATE : usual; size >= SPOOL_FIRST_MIN;
	     size = size / 2 / SPOOL_SLAB * SPOOL_SLAB) {
		spool->settings.segment_size = size;
		result = segment_obtain(spool, segment, recycled);
		if (result == 0 && !*recycled && (result = segment_blank(spool, *segment)) < 0)
			spool_segment_remove(spool, *segment);
		if (!spool_no_room(result))
			break;
	}
	spool->settings.segment_size = usual;
	return result;
}

/* Gives the file system back what lies behind the end of a segment: nothing that counts. */
static int tail_cut(struct spool *spool, struct spool_segment *segment)
{
	int handle = segment_open(spool->store, segment->slot, SEGMENT_LOG, true);
	if (handle < 0)
		return handle;
	int result = segment_shorten(spool->store, handle, segment->end);
	if (result == 0)
		result = segment_sync_now(spool->store, handle);
	if (result == 0) {
		segment->size = segment->end;
		spool->log_changed = true;
	}
	segment_close(spool->store, handle);
	return result;
}

/* Each run needs a segment of its own and leaves the rest of it behind. Without other room that is the next one's. */
static bool tails_cut(struct spool *spool)
{
	bool gained = false;
	for (unsigned i = spool->log_count; i-- > 0;) {
		struct spool_segment *segment = spool->log[i];
		if (!segment->damaged && segment->end + SPOOL_SLAB <= segment->size)
			gained |= tail_cut(spool, segment) == 0;
	}
	return gained;
}

/*
 * What lies behind the end of the log never counts: the header of the segment that is about to begin says so. Without
 * those octets it need not say it for as long as something lives in the segment before.
 */
static void end_cut(struct spool *spool)
{
	struct spool_segment *last = spool->log_count ? spool->log[spool->log_count - 1] : NULL;
	if (last && last->sequence == spool->cut_segment && last->uses == 0 && !last->damaged && last->end < last->size)
		(void)tail_cut(spool, last);
}

static void prepare_error_set(struct spool *spool, int error)
{
	spool->prepare_error = error;
	spool->prepare_retry_ns = clock_monotonic_ns() + CLOCK_NS_PER_S;
}

int spool_segment_first(struct spool *spool)
{
	struct spool_segment *segment = NULL;
	bool recycled = false;
	int result = spool_segment_reserve(spool);
	if (result < 0)
		return result;
	bool begins = spool->active == NULL;
	if (begins && spool_size_max_reached(spool))
		(void)tails_cut(spool);
	if (begins)
		end_cut(spool);
	result = first_obtain(spool, &segment, &recycled);
	if (begins && spool_no_room(result) && tails_cut(spool))
		result = first_obtain(spool, &segment, &recycled);
	if (result == 0) {
		segment_renew(spool, segment);
		header_fill(spool, segment, begins);
		result = segment_write_now(spool->store, segment->handle, spool->header_block, SPOOL_BLOCK, 0);
		if (result < 0)
			spool_segment_abandon(spool, segment);
	}
	if (result < 0) {
		prepare_error_set(spool, result);
		return result;
	}
	header_durable(spool, segment);
	spool->begun = true;
	spool->active = segment;
	spool_log_append(spool, segment);
	return 0;
}

/* The preparation ends without a segment. */
static void prepare_failed(struct spool *spool, int error)
{
	if (spool->preparing)
		spool_segment_abandon(spool, spool->preparing);
	spool->preparing = NULL;
	spool->prepare = SPOOL_PREPARE_NONE;
	prepare_error_set(spool, error);
	if (spool->cut)
		spool->cut = SPOOL_CUT_FAILED;
}

static void header_write(struct spool *spool, bool cut)
{
	struct spool_segment *segment = spool->preparing;
	spool->prepare = SPOOL_PREPARE_HEADER;
	spool->prepare_cut = cut;
	header_fill(spool, segment, cut);
	segment_write(spool->store, spool->ring, &spool->prepare_op, segment->handle, spool->header_block, SPOOL_BLOCK,
		      0);
}

static void prepare_header(struct spool *spool)
{
	segment_renew(spool, spool->preparing);
	header_write(spool, spool->cut);
}

static void prepare_ready(struct spool *spool)
{
	header_durable(spool, spool->preparing);
	spool->prepare_error = 0;
	spool->want_room = false;
	spool->prepare = SPOOL_PREPARE_NONE;
	if (spool->cut && !spool->prepare_cut) {
		prepare_header(spool); /* the failure came while the header was being written */
		return;
	}
	struct spool_segment *segment = spool->preparing;
	spool->preparing = NULL;
	if (!spool->prepare_cut) {
		spool->spare = segment;
		return;
	}
	spool->active = segment;
	spool_log_append(spool, segment);
	spool->cut = SPOOL_CUT_WRITTEN;
}

static void prepare_zero(struct spool *spool)
{
	const struct spool_segment *segment = spool->preparing;
	segment_zero(spool->store, spool->ring, &spool->prepare_op, segment->handle,
		     segment->size - spool->prepare_offset, spool->prepare_offset);
}

void spool_prepare_on_step(struct ring_op *op, int result, uint32_t flags)
{
	struct spool *spool = container_of(op, struct spool, prepare_op);
	struct spool_segment *segment = spool->preparing;

	assert(segment);
	if (result < 0) {
		prepare_failed(spool, result);
		return;
	}
	switch (spool->prepare) {
	case SPOOL_PREPARE_ZERO:
		/* A short write goes on from the last whole block. */
		spool->prepare_offset += (uint32_t)result & ~(uint32_t)(SPOOL_BLOCK - 1);
		if (result < SPOOL_BLOCK) {
			prepare_failed(spool, -EIO);
		} else if (spool->prepare_offset < segment->size) {
			prepare_zero(spool);
		} else {
			spool->prepare = SPOOL_PREPARE_SYNC;
			segment_sync(spool->store, spool->ring, op, segment->handle);
		}
		break;
	case SPOOL_PREPARE_SYNC:
		spool->prepare = SPOOL_PREPARE_STORE_SYNC;
		segment_store_sync(spool->store, spool->ring, op);
		break;
	case SPOOL_PREPARE_STORE_SYNC:
		prepare_header(spool);
		break;
	case SPOOL_PREPARE_HEADER:
		if (result == SPOOL_BLOCK)
			prepare_ready(spool);
		else
			prepare_failed(spool, -EIO);
		break;
	case SPOOL_PREPARE_NONE:
		assert(false);
		break;
	}
}

static void prepare_start(struct spool *spool)
{
	bool recycled;
	int result = spool_segment_reserve(spool);
	if (result == 0)
		result = segment_obtain(spool, &spool->preparing, &recycled);
	/* The rest of the segment that is cut off will do. */
	if (spool->cut && spool_no_room(result) && spool_segment_first(spool) == 0) {
		spool->cut = SPOOL_CUT_WRITTEN;
		return;
	}
	if (result < 0) {
		prepare_failed(spool, result);
		return;
	}
	if (recycled) {
		prepare_header(spool);
		return;
	}
	spool->prepare = SPOOL_PREPARE_ZERO;
	spool->prepare_offset = 0;
	prepare_zero(spool);
}

/* Files pile up after a long queue has drained, and only a newer header lets them go. */
static bool spare_is_stale(const struct spool *spool)
{
	unsigned owned = 0;
	for (unsigned i = 0; i < spool->free_count; i++)
		owned += !spool->free[i]->gone && spool->free[i]->sequence >= spool->oldest_durable &&
			 spool->free[i]->sequence < spool->log[0]->sequence;
	return owned > 0 && (spool->free_count > SPOOL_FREE_MAX || spool->crowded);
}

static void spare_take(struct spool *spool)
{
	spool->preparing = spool->spare;
	spool->preparing->speaks = true;
	spool->spare = NULL;
}

/*
 * Nothing is in it yet, and of `oldest` either value will do until the write is done: it keeps its number and seed.
 * With another number it would look as if a segment between it and its neighbour had left the log, and recovery knows
 * less then of the end of that one.
 */
static void spare_refresh(struct spool *spool)
{
	spare_take(spool);
	header_write(spool, false);
}

void spool_prepare(struct spool *spool)
{
	if (!spool->ring || spool->failed || spool->cut || spool->preparing)
		return;
	if (spool->spare) {
		if (spare_is_stale(spool))
			spare_refresh(spool);
		return;
	}
	/* With everything in use there is nothing to prepare until a segment is free, or a done record insists. */
	bool usable = spool_free_has(spool);
	if (spool->active && spool_size_max_reached(spool) && !usable && !spool->want_room)
		return;
	/* What is free need not wait until there might be room. */
	if (spool->prepare_error && !(usable && spool_no_room(spool->prepare_error)) &&
	    clock_monotonic_ns() < spool->prepare_retry_ns)
		return;
	/* Started on a full disk: the run's first segment is still to be had. */
	if (!spool->active && spool_segment_first(spool) < 0)
		return;
	prepare_start(spool);
}

void spool_prepare_cut(struct spool *spool)
{
	assert(spool->cut == SPOOL_CUT_WANTED);
	if (spool->preparing)
		return; /* its header will carry the cut */
	if (spool->spare) {
		spare_take(spool);
		prepare_header(spool);
		return;
	}
	prepare_start(spool);
}

/* ---- the roll ---- */

int spool_segment_roll(struct spool *spool, enum spool_need need)
{
	struct spool_room room;

	spool_room_get(spool, &room);
	if (!spool_room_begins(&room, need))
		return -ENOSPC;
	if (!spool->ring)
		return spool_segment_first(spool);
	if (!spool->spare) {
		spool->want_room |= spool_room_insists(need);
		if (need == SPOOL_NEED_DONE || !spool_segments_end(spool))
			return -EAGAIN;
		/* At size_max it is made for reports and compaction all the same. */
		return spool_room_insists(need) && spool->prepare_error == 0 ? -EAGAIN : -ENOSPC;
	}
	spool_segment_close(spool);
	spool->active = spool->spare;
	spool->spare = NULL;
	spool_log_append(spool, spool->active);
	spool_prepare(spool); /* at once: whether this is the last must be known before it fills up */
	return 0;
}
