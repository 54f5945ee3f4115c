/*
 * queue/spool_commit.c - group commit: writing batches, and acknowledging them.
 *
 * Acknowledgement
 *   Several batches may be in flight and complete in any order. A batch counts only with all before it, so tickets
 *   are answered from the oldest batch on, and one that is not whole stops the rest (RELIABILITY P1, P15). A short
 *   write is carried on from the last whole block and counts only when it is complete (P2).
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "queue/spool_private.h"

void spool_tickets_move(struct list *to, struct list *from)
{
	struct list *link;
	while ((link = list_take_first(from)))
		list_append(to, link);
}

void spool_tickets_answer(struct list *tickets, int result)
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

	assert(spool->copies > 0);
	spool->copies--;
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
	struct spool_batch *b = spool_batch_at(spool, 0);
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
	if (b->copies)
		copies_acknowledge(spool, b->slab);
	list_init(&tickets);
	spool_tickets_move(&tickets, &b->tickets);
	/* The slot is free before anyone is told: callbacks append. */
	spool->batch_head = (spool->batch_head + 1) % spool->batches_capacity;
	spool->batch_count--;
	spool_tickets_answer(&tickets, 0);
}

/* ---- writing ---- */

/* Deals with everything that has been decided at the head of the ring. */
static void commit_advance(struct spool *spool)
{
	while (spool->batch_count > 0 && spool_batch_at(spool, 0)->state == SPOOL_DONE_WRITING)
		batch_acknowledge(spool);
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

static void batch_write_now(struct spool *spool, struct spool_batch *b)
{
	const struct spool_slab *slab = &spool->slabs[b->slab];
	b->started_ns = clock_monotonic_ns();
	int result = segment_write_now(spool->store, b->segment->handle, slab->memory + b->start, b->length,
				       (uint64_t)slab->base + b->start);
	if (result == 0) {
		b->written = b->length;
		b->state = SPOOL_DONE_WRITING;
	} else {
		batch_failed(spool, b, result);
	}
	commit_advance(spool);
}

void spool_write_now(struct spool *spool)
{
	while (!spool->stopping && spool->batch_count > 0 && spool_batch_at(spool, 0)->state == SPOOL_SEALED)
		batch_write_now(spool, spool_batch_at(spool, 0));
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

void spool_write_more(struct spool *spool, bool hold_copies)
{
	if (spool->stopping || spool->cut || spool->failed)
		return;
	/* Those that are done wait for the oldest too; how many may is bounded, because the ring of batches is. */
	unsigned window = SPOOL_WINDOW * spool->settings.writes;
	for (unsigned i = 0; i < spool->batch_count && i < window && spool->in_flight < spool->settings.writes; i++) {
		struct spool_batch *b = spool_batch_at(spool, i);
		if (b->state == SPOOL_OPEN && (batch_held(spool, b) || (b->copies && hold_copies)))
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
