/*
 * queue/spool_segment.c - segment files: names, descriptors, preparing ahead of need, reclaim.
 *
 * Preparing
 *
 *     NONE --new file--> ZERO --> SYNC --> DIRECTORY --> HEADER --> spare
 *     NONE --free file, or a new header for the spare---> HEADER --> spare, or with a cut: active
 *
 *   One spare is kept ready, so that rolling over costs the append path nothing. A failed preparation is no
 *   failure of the log: the file is dropped and another tried a second later, unless a cut waits for it.
 *
 * The last segment
 *   Room is only made by writing: done records, and compaction's copies. So when behind the active segment there is
 *   none and none can be had, because the disk is full or size_max reached, the active one is left to them. The blocks
 *   of a new file are allocated, or refused, the moment the spare becomes active: nearly all of it is left, then.
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
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/disk.h"
#include "core/base/random.h"
#include "queue/spool_private.h"

static_assert((int)SPOOL_BLOCK == (int)DISK_BLOCK, "segments are written in the disk's blocks");

enum { SEGMENT_FIRST_MIN = 2 * SPOOL_SLAB, SEGMENT_FIRST_LATE = 4 * SPOOL_SLAB };
enum { SEGMENT_FLAGS = DISK_WRITE | DISK_DIRECT | DISK_DSYNC };

void spool_name(char out[SPOOL_NAME_SIZE], const struct spool_segment *segment)
{
	snprintf(out, SPOOL_NAME_SIZE, "%010u.%s", segment->name, segment->damaged ? "damaged" : "seg");
}

struct spool_segment *spool_segment_new(void)
{
	struct spool_segment *segment = calloc(1, sizeof *segment);
	if (!segment)
		return NULL;
	segment->fd = -1;
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

/* ---- descriptors ---- */

static void segment_close(struct spool_segment *segment)
{
	if (segment->fd >= 0)
		disk_close(segment->fd);
	segment->fd = -1;
}

int spool_segment_fd(struct spool *spool, struct spool_segment *segment)
{
	if (segment->fd >= 0)
		return segment->fd;

	struct spool_segment *first = NULL;
	unsigned open = 0;
	for (unsigned i = 0; i < spool->log_count; i++) {
		struct spool_segment *other = spool->log[i];
		if (other->fd < 0)
			continue;
		open++;
		if (other->uses == 0 && other != spool->active && (!first || other->opened < first->opened))
			first = other;
	}
	/* Beside those: the one written to, the spare, one being prepared, one set aside, lock and directory. */
	static_assert(SPOOL_OPEN_MAX + 8 <= SPOOL_FILES_MAX, "what the limit of open files is compared with");
	if (open >= SPOOL_OPEN_MAX && first)
		segment_close(first);

	char name[SPOOL_NAME_SIZE];
	spool_name(name, segment);
	int fd = disk_open(spool->settings.directory, name, DISK_DIRECT);
	if (fd >= 0) {
		segment->fd = fd;
		segment->opened = ++spool->opens;
	}
	return fd;
}

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
	segment->sequence = spool->next_sequence++;
	segment->seed = seed_new(spool, segment->sequence, clock_wall_ns());
	segment->end = SPOOL_BLOCK;
	segment->cut = UINT32_MAX;
	segment->live = 0;
	segment->live_octets = 0;
	segment->appended = segment->copied = segment->lean = 0;
	assert(list_empty(&segment->items));
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

static bool size_max_reached(const struct spool *spool)
{
	return segments_total(spool) >= spool_segments_max(spool);
}

static bool no_room(int error)
{
	return error == -ENOSPC || error == -EDQUOT;
}

bool spool_disk_full(const struct spool *spool)
{
	return no_room(spool->prepare_error) || spool->prepare_error == -EROFS;
}

static bool size_odd(const struct spool *spool, const struct spool_segment *segment)
{
	return segment->size != spool->settings.segment_size;
}

bool spool_segment_serves(const struct spool_segment *segment)
{
	return !segment->discard && segment->size >= SEGMENT_FIRST_MIN;
}

static bool free_has(const struct spool *spool)
{
	for (unsigned i = 0; i < spool->free_count; i++)
		if (spool_segment_serves(spool->free[i]))
			return true;
	return false;
}

/* No further segment can be had before one is free; after another error than ENOSPC that is not known yet. */
static bool segments_end(const struct spool *spool)
{
	if (free_has(spool))
		return false;
	return spool->prepare_error < 0 || (!spool->preparing && size_max_reached(spool));
}

bool spool_segment_last(const struct spool *spool)
{
	if (!spool->active)
		return spool_disk_full(spool);
	return !spool->spare && segments_end(spool);
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

bool spool_size_full(struct spool *spool)
{
	const struct spool_segment *active = spool->active;

	if (!active || spool_disk_full(spool))
		return false;
	if (spool_compact_gains(spool))
		return false;
	if (size_max_reached(spool) && spool_segment_last(spool))
		return true;
	return active->end + SPOOL_SLAB > active->size && size_max_refuses(spool, SPOOL_NEED_MESSAGE);
}

static void file_remove(struct spool *spool, struct spool_segment *segment)
{
	char name[SPOOL_NAME_SIZE];
	spool_name(name, segment);
	segment_close(segment);
	/* A file that cannot be unlinked is found, and found dead, by the next recovery. */
	(void)disk_unlink(spool->settings.directory, name);
	free(segment);
}

/*
 * After an error. A header that is still wanted stays on the disk until a newer one has taken its place, whichever of
 * its two versions that may be: each says what counted when it was made.
 */
static void segment_abandon(struct spool *spool, struct spool_segment *segment)
{
	if (!segment->speaks) {
		file_remove(spool, segment);
		return;
	}
	segment->discard = true;
	spool_segment_retire(spool, segment);
}

void spool_segment_retire(struct spool *spool, struct spool_segment *segment)
{
	segment_close(segment);
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

/* A free file to recycle, NULL if there is none. `any`: also one that is not disowned yet, or of another size. */
static struct spool_segment *free_recycle(struct spool *spool, bool any)
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
		file_remove(spool, free_take(spool, i));
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
		file_remove(spool, free_take(spool, first));
		if (disk_sync(spool->settings.directory) < 0)
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
	if (no_room(spool->prepare_error))
		free_trim_oldest(spool);
}

int spool_segment_roll(struct spool *spool, enum spool_need need)
{
	if (size_max_refuses(spool, need)) {
		/* One that only looks full gets room: mail waits for that. */
		return need == SPOOL_NEED_MESSAGE && spool_compact_gains(spool) ? -EAGAIN : -ENOSPC;
	}
	if (!spool->ring)
		return spool_segment_first(spool);
	if (!spool->spare) {
		spool->want_room |= need == SPOOL_NEED_DONE || need == SPOOL_NEED_COPY;
		if (need == SPOOL_NEED_DONE || !segments_end(spool))
			return -EAGAIN;
		/* At size_max it is made for compaction all the same. */
		return need == SPOOL_NEED_COPY && spool->prepare_error == 0 ? -EAGAIN : -ENOSPC;
	}
	spool_segment_close(spool);
	spool->active = spool->spare;
	spool->spare = NULL;
	spool_log_append(spool, spool->active);
	spool_prepare(spool); /* at once: whether this is the last must be known before it fills up */
	return 0;
}

/* ---- preparing ---- */

/* Opens a segment's file for writing, a new one with its blocks allocated. An error ends the segment and its file. */
static int segment_open(struct spool *spool, struct spool_segment *segment, bool create)
{
	char name[SPOOL_NAME_SIZE];
	spool_name(name, segment);
	int fd = disk_open(spool->settings.directory, name, SEGMENT_FLAGS | (create ? DISK_CREATE : 0));
	int result = fd;
	if (fd >= 0) {
		segment->fd = fd;
		segment->opened = ++spool->opens;
		result = create ? disk_allocate(fd, segment->size) : 0;
	}
	if (result < 0)
		segment_abandon(spool, segment);
	return result < 0 ? result : 0;
}

static int segment_create(struct spool *spool, struct spool_segment **out)
{
	struct spool_segment *segment = spool_segment_new();
	if (!segment)
		return -ENOMEM;
	segment->name = spool->next_name++;
	segment->size = spool->settings.segment_size;
	int result = segment_open(spool, segment, true);
	if (result < 0)
		return result;
	spool->stats.segments_created++;
	*out = segment;
	return 0;
}

/* Opens a free file or creates a new one: 0 with *recycled, or negative errno. */
static int segment_obtain(struct spool *spool, struct spool_segment **out, bool *recycled)
{
	struct spool_segment *segment = free_recycle(spool, size_max_reached(spool));
	int result;

	if (!segment) {
		*recycled = false;
		result = segment_create(spool, out);
		/* Where there is no room for a new file, one that is not disowned yet must do. */
		if (!no_room(result) || !(segment = free_recycle(spool, true)))
			return result;
	}
	*recycled = true;
	result = segment_open(spool, segment, false);
	*out = result < 0 ? NULL : segment;
	return result;
}

static int segment_zero(struct spool *spool, struct spool_segment *segment)
{
	for (uint32_t offset = 0; offset < segment->size; offset += SPOOL_SLAB) {
		int64_t written = disk_write(segment->fd, spool->zeros, SPOOL_SLAB, offset);
		if (written != SPOOL_SLAB)
			return written < 0 ? (int)written : -EIO;
	}
	int result = disk_sync(segment->fd);
	return result < 0 ? result : disk_sync(spool->settings.directory);
}

/*
 * On a nearly full disk a smaller file will do: what is queued must go out to make room. It is not kept afterwards.
 * With the ring running it is small in any case, because everything waits for it.
 */
static int first_obtain(struct spool *spool, struct spool_segment **segment, bool *recycled)
{
	const uint32_t usual = spool->settings.segment_size;
	int result = -ENOSPC;

	for (uint32_t size = spool->ring ? SEGMENT_FIRST_LATE : usual; size >= SEGMENT_FIRST_MIN;
	     size = size / 2 / SPOOL_SLAB * SPOOL_SLAB) {
		spool->settings.segment_size = size;
		result = segment_obtain(spool, segment, recycled);
		if (result == 0 && !*recycled && (result = segment_zero(spool, *segment)) < 0)
			file_remove(spool, *segment);
		if (!no_room(result))
			break;
	}
	spool->settings.segment_size = usual;
	return result;
}

/* Gives the file system back what lies behind the end of a segment: nothing that counts. */
static int tail_cut(struct spool *spool, struct spool_segment *segment)
{
	char name[SPOOL_NAME_SIZE];
	spool_name(name, segment);
	int fd = disk_open(spool->settings.directory, name, DISK_WRITE);
	if (fd < 0)
		return fd;
	int result = disk_truncate(fd, segment->end);
	if (result == 0) {
		segment->size = segment->end;
		spool->log_changed = true;
		result = disk_sync(fd);
	}
	disk_close(fd);
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
	if (begins && size_max_reached(spool))
		(void)tails_cut(spool);
	result = first_obtain(spool, &segment, &recycled);
	if (begins && no_room(result) && tails_cut(spool))
		result = first_obtain(spool, &segment, &recycled);
	if (result == 0) {
		segment_renew(spool, segment);
		header_fill(spool, segment, begins);
		int64_t written = disk_write(segment->fd, spool->header_block, SPOOL_BLOCK, 0);
		result = written == SPOOL_BLOCK ? 0 : written < 0 ? (int)written : -EIO;
		if (result < 0)
			segment_abandon(spool, segment);
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
		segment_abandon(spool, spool->preparing);
	spool->preparing = NULL;
	spool->prepare = SPOOL_PREPARE_NONE;
	prepare_error_set(spool, error);
	if (spool->cutting)
		spool_cut_failed(spool);
}

static void prepare_header(struct spool *spool)
{
	struct spool_segment *segment = spool->preparing;
	spool->prepare = SPOOL_PREPARE_HEADER;
	spool->prepare_cut = spool->cutting;
	segment_renew(spool, segment);
	header_fill(spool, segment, spool->prepare_cut);
	ring_write(spool->ring, &spool->prepare_op, segment->fd, spool->header_block, SPOOL_BLOCK, 0);
}

static void prepare_ready(struct spool *spool)
{
	header_durable(spool, spool->preparing);
	spool->prepare_error = 0;
	spool->want_room = false;
	spool->prepare = SPOOL_PREPARE_NONE;
	if (spool->cutting && !spool->prepare_cut) {
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
	spool_cut_written(spool);
	spool_prepare(spool);
}

static void prepare_zero(struct spool *spool)
{
	uint32_t left = SPOOL_SLAB - spool->prepare_offset % SPOOL_SLAB;
	ring_write(spool->ring, &spool->prepare_op, spool->preparing->fd, spool->zeros, left, spool->prepare_offset);
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
			ring_fsync(spool->ring, op, segment->fd);
		}
		break;
	case SPOOL_PREPARE_SYNC:
		spool->prepare = SPOOL_PREPARE_DIRECTORY;
		ring_fsync(spool->ring, op, spool->settings.directory);
		break;
	case SPOOL_PREPARE_DIRECTORY:
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
	if (spool->cutting && no_room(result) && spool_segment_first(spool) == 0) {
		spool_cut_written(spool);
		spool_prepare(spool);
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
	return spool->free_count > SPOOL_FREE_MAX && spool->log[0]->sequence > spool->oldest_durable &&
	       spool->free[0]->sequence >= spool->oldest_durable;
}

static void spare_rewrite(struct spool *spool)
{
	spool->preparing = spool->spare;
	spool->preparing->speaks = true;
	spool->spare = NULL;
	prepare_header(spool);
}

void spool_prepare(struct spool *spool)
{
	if (!spool->ring || spool->failed || spool->cutting || spool->preparing)
		return;
	if (spool->spare) {
		if (spare_is_stale(spool))
			spare_rewrite(spool);
		return;
	}
	/* With everything in use there is nothing to prepare until a segment is free, or a done record insists. */
	bool usable = free_has(spool);
	if (spool->active && size_max_reached(spool) && !usable && !spool->want_room)
		return;
	/* What is free need not wait until there might be room. */
	if (spool->prepare_error && !(usable && no_room(spool->prepare_error)) &&
	    clock_monotonic_ns() < spool->prepare_retry_ns)
		return;
	/* Started on a full disk: the run's first segment is still to be had. */
	if (!spool->active && spool_segment_first(spool) < 0)
		return;
	prepare_start(spool);
}

void spool_prepare_cut(struct spool *spool)
{
	assert(spool->cutting);
	if (spool->preparing)
		return; /* its header will carry the cut */
	if (spool->spare) {
		spare_rewrite(spool);
		return;
	}
	prepare_start(spool);
}
