/* queue/spool_room.c - what size_max and the disk leave room for. */
#include <errno.h>

#include "queue/spool_private.h"

unsigned spool_segments_max(const struct spool *spool)
{
	uint64_t max = spool->settings.size_max / spool->settings.segment_size;
	return max < SPOOL_FREE_MAX ? SPOOL_FREE_MAX : max > 1u << 20 ? 1u << 20 : (unsigned)max;
}

/*
 * Those that a write error or a start cut off are no whole ones: in their place compaction may have one. Where the log
 * has been larger than size_max since the start, which had more when it was written, it may begin one as long as the
 * log does not grow by that.
 */
unsigned spool_segments_copies(const struct spool *spool)
{
	unsigned max = spool_segments_max(spool), cut = 0;

	for (unsigned i = 0; spool->log_count >= max && i < spool->log_count; i++) {
		const struct spool_segment *segment = spool->log[i];
		uint32_t size = segment == spool->active ? segment->size : segment->end;
		cut += size + SPOOL_SLAB < spool->settings.segment_size;
	}
	return max + cut > spool->log_least ? max + cut : spool->log_least + 1;
}

static unsigned segments_total(const struct spool *spool)
{
	unsigned total = spool->log_count + (spool->spare != NULL) + (spool->preparing != NULL);
	for (unsigned i = 0; i < spool->free_count; i++)
		total += !spool->free[i]->gone && !spool->free[i]->damaged;
	return total;
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

bool spool_segment_serves(const struct spool_segment *segment)
{
	return !segment->discard && !segment->damaged && !segment->gone && segment->size >= SPOOL_FIRST_MIN;
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
bool spool_size_max_refuses(const struct spool *spool, enum spool_need need)
{
	unsigned reserve = need == SPOOL_NEED_MESSAGE ? 2 : need == SPOOL_NEED_STATE ? 1 : 0;

	if (need == SPOOL_NEED_COPY)
		return spool->log_count >= spool_segments_copies(spool);
	return need != SPOOL_NEED_DONE && spool->log_count + 1 > spool_segments_max(spool) - reserve;
}
