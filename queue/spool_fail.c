/*
 * queue/spool_fail.c - a batch could not be written.
 *
 * Failure (P3)
 *   After an error nothing is accepted or written. When no write is in flight any more, the log ends at the first
 *   failed batch: that place is the cut. The next segment's header records it, and only when that header is durable
 *   are the tickets told, because until then a crash could bring the refused records back. Done and state records
 *   among the failed are no refusals: they are appended again, and their tickets wait on. Two failures without a
 *   success in between (a failed header counts too) end the spool, after a last attempt to record the cut. Without
 *   that, the refused records may be there at the next start: their tickets are in doubt.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "queue/spool_private.h"

/* A done or state record on its way back into the log; its payload follows. */
struct saved {
	enum spool_type type;
	uint32_t length; /* of the payload */
	struct spool_id id;
	uint64_t wall_ns;
	struct spool_ref from;
};

/* A record in a failed batch, for choosing what to save. */
struct lost {
	struct spool_record_header header;
	struct spool_ref ref;
	const uint8_t *record;
	uint32_t order;
};

static int lost_compare(const void *a, const void *b)
{
	const struct lost *x = a, *y = b;
	int order = spool_id_compare(&x->header.id, &y->header.id);
	return order ? order : x->order < y->order ? -1 : x->order > y->order;
}

/* Lists the records of all outstanding batches, without compaction's copies: their originals stay valid. */
static size_t lost_list(struct spool *spool, struct lost *lost)
{
	size_t count = 0;
	for (unsigned i = 0; i < spool->batch_count; i++) {
		const struct spool_batch *b = spool_batch_at(spool, i);
		if (b->copies)
			continue;
		const struct spool_slab *slab = &spool->slabs[b->slab];
		uint32_t at = SPOOL_BATCH_HEADER;
		for (uint32_t n = 0; n < b->records; n++) {
			struct lost *l = &lost[count];
			l->record = slab->memory + b->start + at;
			l->ref = (struct spool_ref){b->segment->sequence, slab->base + b->start + at, 0};
			l->order = (uint32_t)count;
			int result = spool_record_decode(l->record, b->used - at, b->segment->seed, l->ref.offset,
							 &l->header);
			assert(result == 0);
			l->ref.length = l->header.length;
			at += spool_align(l->header.length, SPOOL_RECORD_ALIGN);
			count++;
		}
		assert(at == spool_align(b->used, SPOOL_RECORD_ALIGN));
	}
	return count;
}

/* Chooses per id what must come back: the last state or done record, unless the message itself was refused. */
static size_t lost_choose(struct lost *lost, size_t count)
{
	size_t kept = 0;
	qsort(lost, count, sizeof *lost, lost_compare);
	for (size_t i = 0, end; i < count; i = end) {
		bool refused = false;
		struct lost *last = NULL;
		for (end = i; end < count && spool_id_same(&lost[end].header.id, &lost[i].header.id); end++) {
			refused |= lost[end].header.type == SPOOL_MESSAGE;
			if (lost[end].header.type == SPOOL_STATE || lost[end].header.type == SPOOL_DONE)
				last = &lost[end];
		}
		if (last && !refused)
			lost[kept++] = *last;
	}
	return kept;
}

static uint8_t *saved_write(uint8_t *out, const struct lost *l)
{
	struct saved saved = {
		.type = l->header.type,
		.length = l->header.length - SPOOL_RECORD_HEADER,
		.id = l->header.id,
		.wall_ns = l->header.wall_ns,
		.from = l->ref,
	};
	memcpy(out, &saved, sizeof saved);
	memcpy(out + sizeof saved, l->record + SPOOL_RECORD_HEADER, saved.length);
	return out + sizeof saved + saved.length;
}

/* Copies out of the failed batches what must be appended again. 0 or -ENOMEM. */
static int lost_save(struct spool *spool)
{
	size_t records = 0, length = 0;
	for (unsigned i = 0; i < spool->batch_count; i++)
		records += spool_batch_at(spool, i)->records;
	struct lost *lost = malloc((records + 1) * sizeof *lost);
	if (!lost)
		return -ENOMEM;
	size_t count = lost_choose(lost, lost_list(spool, lost));
	for (size_t i = 0; i < count; i++)
		length += sizeof(struct saved) + lost[i].header.length - SPOOL_RECORD_HEADER;

	struct spool_moved *moved = realloc(spool->moved, (spool->moved_count + count + 1) * sizeof *moved);
	uint8_t *saved = moved && count ? malloc(length) : NULL;
	if (moved)
		spool->moved = moved;
	if (!moved || (count && !saved)) {
		free(lost);
		return -ENOMEM;
	}
	uint8_t *out = saved;
	for (size_t i = 0; i < count; i++)
		out = saved_write(out, &lost[i]);
	free(lost);
	assert(spool->saved == NULL);
	spool->saved = saved;
	spool->saved_length = length;
	spool->saved_at = 0;
	return 0;
}

/* Appends again what a failure took, as far as there is room. */
static void resave(struct spool *spool)
{
	while (spool->saved && spool->saved_at < spool->saved_length) {
		struct saved saved;
		memcpy(&saved, spool->saved + spool->saved_at, sizeof saved);
		struct spool_append append = {
			.type = saved.type,
			.id = saved.id,
			.wall_ns = saved.wall_ns,
			.envelope = spool->saved + spool->saved_at + sizeof saved,
			.envelope_length = saved.length,
		};
		struct spool_ref ref;
		if (spool_append(spool, &append, SPOOL_NEED_DONE, &ref, NULL) < 0)
			return;
		if (saved.type == SPOOL_STATE)
			spool->moved[spool->moved_count++] = (struct spool_moved){saved.from, ref};
		spool->saved_at += sizeof saved + saved.length;
	}
	if (spool->saved) {
		/* The batch with the last of them is still open; what they ended may go when it is durable. */
		assert(spool->open);
		spool_tickets_move(&spool->open->tickets, &spool->kept_tickets);
		spool->barrier_batch = spool->open->number;
		free(spool->saved);
		spool->saved = NULL;
	}
}

/* Takes the failed batches apart: tickets, live counts, cached content. */
static void batches_drop(struct spool *spool)
{
	for (unsigned i = 0; i < spool->batch_count; i++) {
		struct spool_batch *b = spool_batch_at(spool, i);
		struct list *link;
		while ((link = list_take_first(&b->tickets))) {
			bool kept = container_of(link, struct spool_ticket, link)->kept;
			list_append(kept ? &spool->kept_tickets : &spool->fail_tickets, link);
		}
		assert(b->segment->live >= b->live && spool->live >= b->messages);
		b->segment->live -= b->live;
		b->segment->live_octets -= b->live_octets;
		spool->live_octets -= b->live_octets;
		b->segment->uses--;
		spool->live -= b->messages;
		assert(spool->slabs[b->slab].live >= b->live);
		spool->slabs[b->slab].live -= b->live;
		spool->slabs[b->slab].batches--;
	}
	spool->batch_count = spool->copies = 0;
	spool->open = NULL;
	spool->slab_current = spool->settings.slabs;
}

/* Nothing behind the cut counts any more, in memory as on disk. */
static void cut_apply(struct spool *spool)
{
	for (unsigned i = spool->log_count; i-- > 0 && spool->log[i]->sequence >= spool->cut_segment;) {
		struct spool_segment *segment = spool->log[i];
		segment->cut = segment->sequence == spool->cut_segment ? spool->cut_offset : SPOOL_BLOCK;
		segment->end = segment->cut;
		segment->discard = true;
	}
	for (unsigned i = 0; i < spool->settings.slabs; i++) {
		struct spool_slab *slab = &spool->slabs[i];
		if (slab->sequence < spool->cut_segment)
			continue;
		if (slab->sequence == spool->cut_segment && slab->base < spool->cut_offset) {
			if (slab->filled > spool->cut_offset - slab->base)
				slab->filled = spool->cut_offset - slab->base;
		} else {
			slab->sequence = 0;
			slab->filled = 0;
		}
	}
	spool->log_changed = spool->ripe = true;
	spool->active = NULL;
}

/* The end: every ticket still waiting hears of it. `error`: SPOOL_IN_DOUBT where the cut is not durable. */
static void give_up(struct spool *spool, int error)
{
	spool->failed = true;
	spool->cut = SPOOL_CUT_NONE;
	free(spool->saved);
	spool->saved = NULL;
	spool_tickets_move(&spool->fail_tickets, &spool->kept_tickets);
	spool_tickets_answer(&spool->fail_tickets, error);
}

static void commit_fail(struct spool *spool)
{
	struct spool_batch *first = spool_batch_at(spool, 0);

	assert(first->state == SPOOL_FAILED && spool->in_flight == 0);
	spool->stats.failures++;
	spool->failures_in_row++;
	spool->fail_error = first->error;
	spool->cut_segment = first->segment->sequence;
	spool->cut_offset = spool->slabs[first->slab].base + first->start;
	bool saved = lost_save(spool) == 0;
	batches_drop(spool);
	cut_apply(spool);
	spool_compact_failed(spool);
	spool->stopping = false;
	if (!spool->saved)
		spool_tickets_move(&spool->fail_tickets, &spool->kept_tickets);
	else
		spool->barrier_batch = UINT64_MAX;
	/* Without memory the done records are gone: end here, and at the next start they are merely repeated. */
	if (!saved || !spool->ring) {
		give_up(spool, SPOOL_IN_DOUBT);
		return;
	}
	spool->cut = SPOOL_CUT_WANTED;
	spool_prepare_cut(spool);
}

static void cut_written(struct spool *spool)
{
	spool->cut = SPOOL_CUT_NONE;
	if (spool->failures_in_row >= 2) {
		give_up(spool, spool->fail_error);
		return;
	}
	resave(spool);
	spool_tickets_answer(&spool->fail_tickets, spool->fail_error);
}

static void cut_failed(struct spool *spool)
{
	spool->stats.failures++;
	if (++spool->failures_in_row > SPOOL_CUT_ATTEMPTS) {
		give_up(spool, SPOOL_IN_DOUBT);
		return;
	}
	spool->cut = SPOOL_CUT_WANTED;
	spool_prepare_cut(spool);
}

void spool_fail_step(struct spool *spool)
{
	if (spool->stopping && spool->in_flight == 0)
		commit_fail(spool);
	while (spool->cut == SPOOL_CUT_FAILED)
		cut_failed(spool);
	if (spool->cut == SPOOL_CUT_WRITTEN)
		cut_written(spool);
	else if (!spool->stopping && !spool->cut)
		resave(spool);
}

int spool_settle_now(struct spool *spool)
{
	spool_write_now(spool);
	spool_fail_step(spool);
	return spool->failed ? -EIO : 0;
}
