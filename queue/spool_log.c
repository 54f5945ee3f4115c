/* queue/spool_log.c - the tables of segments: those in the log, by sequence, and those out of it. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "queue/spool_private.h"

struct spool_segment *spool_segment_new(void)
{
	struct spool_segment *segment = calloc(1, sizeof *segment);
	if (!segment)
		return NULL;
	segment->handle = -1;
	segment->cut = UINT32_MAX;
	return segment;
}

void spool_segment_free(struct spool_segment *segment)
{
	if (segment)
		free(segment->enders);
	free(segment);
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
	spool->log_changed = spool->ripe = true;
}
