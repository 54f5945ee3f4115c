/*
 * queue/spool_commit.c - group commit: sealing and writing batches, acknowledging them, and failing.
 *
 * Acknowledgement
 *   Several batches may be in flight and complete in any order. A batch counts only with all before it, so tickets
 *   are answered from the oldest batch on, and one that is not whole stops the rest (RELIABILITY P1, P15). A short
 *   write is carried on from the last whole block and counts only when it is complete (P2).
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

#include "core/base/clock.h"
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

static struct spool_batch *batch_at(struct spool *spool, unsigned i)
{
	assert(i < spool->batch_count);
	return &spool->batches[(spool->batch_head + i) % spool->batches_capacity];
}

static void tickets_move(struct list *to, struct list *from)
{
	struct list *link;
	while ((link = list_take_first(from)))
		list_append(to, link);
}

static void tickets_answer(struct list *tickets, int result)
{
	struct list *link;
	while ((link = list_take_first(tickets))) {
		struct spool_ticket *ticket = container_of(link, struct spool_ticket, link);
		ticket->fn(ticket, result);
	}
}

/* ---- acknowledging ---- */

/* Nobody asks for them soon: their memory is for others, once all batches in it are written. */
static void copies_acknowledge(struct spool *spool, unsigned index)
{
	struct spool_slab *slab = &spool->slabs[index];

	spool_compact_written(spool);
	if (slab->batches > 0)
		return;
	slab->sequence = 0;
	slab->live = 0;
	/* It takes no further batch: nobody would find that. */
	if (spool->slab_current == index)
		spool->slab_current = spool->settings.slabs;
}

static void batch_acknowledge(struct spool *spool)
{
	struct spool_batch *b = batch_at(spool, 0);
	struct list tickets;

	assert(b->state == SPOOL_DONE_WRITING && b->written == b->length);
	assert(b->number > spool->durable_batch);
	spool->durable_batch = b->number;
	spool->failures_in_row = 0;
	spool->stats.commits++;
	spool->stats.octets_written += b->length;
	uint64_t took = clock_monotonic_ns() - b->started_ns;
	spool->stats.commit_ns_last = took > UINT32_MAX ? UINT32_MAX : (uint32_t)took;
	spool->slabs[b->slab].batches--;
	b->segment->uses--;
	spool->ripe |= b->segment->live == 0 && b->segment != spool->active;
	if (b->copies)
		copies_acknowledge(spool, b->slab);
	list_init(&tickets);
	tickets_move(&tickets, &b->tickets);
	/* The slot is free before anyone is told: callbacks append. */
	spool->batch_head = (spool->batch_head + 1) % spool->batches_capacity;
	spool->batch_count--;
	tickets_answer(&tickets, 0);
}

/* ---- failing ---- */

static int lost_compare(const void *a, const void *b)
{
	const struct lost *x = a, *y = b;
	if (x->header.id.high != y->header.id.high)
		return x->header.id.high < y->header.id.high ? -1 : 1;
	if (x->header.id.low != y->header.id.low)
		return x->header.id.low < y->header.id.low ? -1 : 1;
	return x->order < y->order ? -1 : x->order > y->order;
}

/* Lists the records of all outstanding batches, without compaction's copies: their originals stay valid. */
static size_t lost_list(struct spool *spool, struct lost *lost)
{
	size_t count = 0;
	for (unsigned i = 0; i < spool->batch_count; i++) {
		const struct spool_batch *b = batch_at(spool, i);
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
			at += spool_align(l->header.length, 8);
			count++;
		}
		assert(at == spool_align(b->used, 8));
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
		for (end = i; end < count && lost[end].header.id.high == lost[i].header.id.high &&
			      lost[end].header.id.low == lost[i].header.id.low;
		     end++) {
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
		records += batch_at(spool, i)->records;
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

bool spool_resave(struct spool *spool)
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
			return false;
		if (saved.type == SPOOL_STATE)
			spool->moved[spool->moved_count++] = (struct spool_moved){saved.from, ref};
		spool->saved_at += sizeof saved + saved.length;
	}
	if (spool->saved) {
		/* The batch with the last of them is still open; what they ended may go when it is durable. */
		assert(spool->open);
		tickets_move(&spool->open->tickets, &spool->kept_tickets);
		spool->barrier_batch = spool->open->number;
		free(spool->saved);
		spool->saved = NULL;
	}
	return true;
}

/* Takes the failed batches apart: tickets, live counts, cached content. */
static void batches_drop(struct spool *spool)
{
	for (unsigned i = 0; i < spool->batch_count; i++) {
		struct spool_batch *b = batch_at(spool, i);
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
	spool->batch_count = 0;
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
	spool->cutting = false;
	free(spool->saved);
	spool->saved = NULL;
	tickets_move(&spool->fail_tickets, &spool->kept_tickets);
	tickets_answer(&spool->fail_tickets, error);
}

static void commit_fail(struct spool *spool)
{
	struct spool_batch *first = batch_at(spool, 0);

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
		tickets_move(&spool->fail_tickets, &spool->kept_tickets);
	else
		spool->barrier_batch = UINT64_MAX;
	/* Without memory the done records are gone: end here, and at the next start they are merely repeated. */
	if (!saved || !spool->ring) {
		give_up(spool, SPOOL_IN_DOUBT);
		return;
	}
	spool->cutting = true;
	spool_prepare_cut(spool);
}

void spool_cut_written(struct spool *spool)
{
	spool->cutting = false;
	if (spool->failures_in_row >= 2) {
		give_up(spool, spool->fail_error);
		return;
	}
	(void)spool_resave(spool);
	tickets_answer(&spool->fail_tickets, spool->fail_error);
}

void spool_cut_failed(struct spool *spool)
{
	spool->stats.failures++;
	if (++spool->failures_in_row > SPOOL_CUT_ATTEMPTS) {
		give_up(spool, SPOOL_IN_DOUBT);
		return;
	}
	spool_prepare_cut(spool);
}

/* ---- writing ---- */

/* Deals with everything that has been decided at the head of the ring. */
static void commit_advance(struct spool *spool)
{
	while (spool->batch_count > 0 && batch_at(spool, 0)->state == SPOOL_DONE_WRITING)
		batch_acknowledge(spool);
	if (spool->stopping && spool->in_flight == 0)
		commit_fail(spool);
}

static void batch_failed(struct spool *spool, struct spool_batch *b, int error)
{
	b->state = SPOOL_FAILED;
	b->error = error;
	spool->stopping = true;
}

static void batch_submit(struct spool *spool, struct spool_batch *b)
{
	const struct spool_slab *slab = &spool->slabs[b->slab];
	uint32_t at = b->start + b->written;
	segment_write(spool->store, spool->ring, &b->op, b->segment->handle, slab->memory + at, b->length - b->written,
		      (uint64_t)slab->base + at);
}

static void batch_on_written(struct ring_op *op, int result, uint32_t flags)
{
	struct spool_batch *b = container_of(op, struct spool_batch, op);
	struct spool *spool = b->spool;

	assert(b->state == SPOOL_WRITING);
	assert(spool->in_flight > 0);
	if (result > 0 && (uint32_t)result < b->length - b->written) {
		uint32_t whole = (uint32_t)result & ~(uint32_t)(SPOOL_BLOCK - 1);
		b->written += whole;
		b->stalls = whole ? 0 : b->stalls + 1;
		if (b->stalls < SPOOL_STALLS_MAX) {
			batch_submit(spool, b);
			return;
		}
		result = -EIO;
	}
	spool->in_flight--;
	if (result <= 0) {
		batch_failed(spool, b, result < 0 ? result : -EIO);
	} else {
		assert((uint32_t)result == b->length - b->written);
		b->written = b->length;
		b->state = SPOOL_DONE_WRITING;
	}
	commit_advance(spool);
}

/* Before the ring runs: import. */
static void batch_write_now(struct spool *spool, struct spool_batch *b)
{
	const struct spool_slab *slab = &spool->slabs[b->slab];
	int result = segment_write_now(spool->store, b->segment->handle, slab->memory + b->start, b->length,
				       (uint64_t)slab->base + b->start);
	b->started_ns = clock_monotonic_ns();
	if (result == 0) {
		b->written = b->length;
		b->state = SPOOL_DONE_WRITING;
	} else {
		batch_failed(spool, b, result);
	}
	commit_advance(spool);
}

void spool_seal(struct spool *spool)
{
	struct spool_batch *b = spool->open;
	struct spool_slab *slab = &spool->slabs[b->slab];
	uint8_t *out = slab->memory + b->start;

	assert(b->state == SPOOL_OPEN && b->records > 0);
	b->length = spool_align(b->used, SPOOL_BLOCK);
	memset(out + b->used, 0, b->length - b->used);
	struct spool_batch_header header = {
		.number = b->number,
		.length = b->length,
		.records = b->records,
		.used = b->used,
		.previous = b->segment->last_hash,
		.durable = spool->durable_batch,
	};
	spool_batch_encode(out, &header, b->segment->seed, slab->base + b->start);
	b->segment->last_hash = header.hash;
	b->segment->end = slab->base + b->start + b->length;
	b->segment->padding += b->copies ? b->length - b->used : 0;
	slab->filled = b->start + b->length;
	b->state = SPOOL_SEALED;
	spool->open = NULL;
	spool->compact.outstanding += b->copies;
	if (!spool->ring)
		batch_write_now(spool, b);
}

/*
 * Each batch takes whole blocks. On a full disk, done records that came one by one would use up the last segment before
 * they have freed another, so they wait for each other; the price is a longer window for duplicates.
 */
static bool batch_held(const struct spool *spool, const struct spool_batch *b)
{
	if (!b->opened_ns || !spool_disk_full(spool) || !spool_segment_last(spool))
		return false;
	bool frees = spool->leaving;
	return !frees && b->live == 0 && list_empty(&b->tickets) && b->used + SPOOL_RECORD_HEADER <= SPOOL_BLOCK &&
	       clock_monotonic_ns() - b->opened_ns < SPOOL_HOLD_MS * CLOCK_NS_PER_MS;
}

void spool_write_more(struct spool *spool)
{
	if (spool->stopping || spool->cutting || spool->failed)
		return;
	/* Those that are done wait for the oldest too; how many may is bounded, because the ring of batches is. */
	unsigned window = SPOOL_WINDOW * spool->settings.writes;
	for (unsigned i = 0; i < spool->batch_count && i < window && spool->in_flight < spool->settings.writes; i++) {
		struct spool_batch *b = batch_at(spool, i);
		if (b->state == SPOOL_OPEN && (batch_held(spool, b) || (b->copies && spool_compact_loading(spool))))
			return;
		/* A flush costs the same for one block as for many, and flushes wait for each other. */
		if (b->state == SPOOL_OPEN && spool->in_flight > 0 && b->used < spool->settings.beside_min)
			return;
		if (b->state == SPOOL_OPEN)
			spool_seal(spool);
		if (b->state != SPOOL_SEALED)
			continue;
		b->state = SPOOL_WRITING;
		b->op.fn = batch_on_written;
		b->started_ns = clock_monotonic_ns();
		spool->in_flight++;
		batch_submit(spool, b);
	}
}

void spool_flush(struct spool *spool)
{
	if (!spool->ring) {
		if (spool->open)
			spool_seal(spool);
		return;
	}
	spool_views_tell(spool);
	if (spool->failed) {
		spool_compact_step(spool);
		return;
	}
	if (spool->saved && !spool->stopping && !spool->cutting)
		(void)spool_resave(spool);
	spool_compact_step(spool);
	spool_write_more(spool);
	spool_reclaim(spool);
	spool_prepare(spool);
}
