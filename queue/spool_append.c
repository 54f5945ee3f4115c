/*
 * queue/spool_append.c - records into batches into slabs, and the count of what is live.
 *
 * An append copies the record to the end of the open batch. The batch has its place (segment, offset) from the
 * moment it opens, because the record's reference is returned at once and its hashes are keyed with the place.
 * So a batch is sealed before the next one opens right behind it, in the same slab while a record fits.
 *
 * Nothing here allocates, waits, or writes.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "queue/spool_private.h"

/* ---- slabs ---- */

int spool_slab_find(struct spool *spool, const struct spool_ref *ref)
{
	unsigned count = spool->settings.slabs;
	if (ref->segment == 0)
		return -1;
	for (unsigned i = 0, at = spool->slab_hint; i < count; i++, at = at + 1 == count ? 0 : at + 1) {
		const struct spool_slab *slab = &spool->slabs[at];
		if (slab->sequence == ref->segment && ref->offset >= slab->base &&
		    ref->offset - slab->base < slab->filled) {
			spool->slab_hint = at;
			return (int)at;
		}
	}
	return -1;
}

void spool_slab_pin(struct spool *spool, unsigned slab)
{
	spool->slabs_pinned += spool->slabs[slab].pins++ == 0;
}

void spool_slab_unpin(struct spool *spool, unsigned slab)
{
	assert(spool->slabs[slab].pins > 0);
	spool->slabs_pinned -= --spool->slabs[slab].pins == 0;
}

/*
 * The slab that held something last of all those in which nothing lives: the processor's cache still has it, and
 * with mail flowing through, the same few slabs go round. NULL if there is none.
 */
static struct spool_slab *slab_dead(struct spool *spool)
{
	struct spool_slab *best = NULL;
	for (unsigned i = 0; i < spool->settings.slabs; i++) {
		struct spool_slab *slab = &spool->slabs[i];
		if (slab->filled && slab->live == 0 && slab->pins == 0 && slab->batches == 0 &&
		    i != spool->slab_current && (!best || slab->age > best->age))
			best = slab;
	}
	return best;
}

/* The slab whose content is oldest and needed by nobody. */
static struct spool_slab *slab_oldest(struct spool *spool)
{
	struct spool_slab *best = NULL;
	for (unsigned i = 0; i < spool->settings.slabs; i++) {
		struct spool_slab *slab = &spool->slabs[i];
		if (slab->pins == 0 && slab->batches == 0 && i != spool->slab_current &&
		    (!best || slab->age < best->age))
			best = slab;
	}
	return best;
}

/* The current slab has room, but another is worth changing to. */
static bool slab_better(struct spool *spool, const struct spool_slab *current)
{
	return current->filled >= SPOOL_SLAB_WARM && spool->active->end + SPOOL_SLAB <= spool->active->size &&
	       slab_dead(spool);
}

static int slab_take(struct spool *spool, bool copies)
{
	struct spool_slab *best = slab_dead(spool);
	if (!best)
		best = slab_oldest(spool);
	if (!best)
		return -EAGAIN;
	best->segment = spool->active;
	best->sequence = spool->active->sequence;
	best->base = spool->active->end;
	best->filled = 0;
	uint32_t room = spool->active->size - spool->active->end;
	best->limit = room < SPOOL_SLAB ? room & ~(uint32_t)(SPOOL_BLOCK - 1) : SPOOL_SLAB;
	best->copies = copies;
	best->live = 0;
	best->age = ++spool->slab_age;
	spool->slab_current = (unsigned)(best - spool->slabs);
	return 0;
}

/* ---- batches ---- */

static void batch_open(struct spool *spool)
{
	struct spool_slab *slab = &spool->slabs[spool->slab_current];

	assert(spool->batch_count < spool->batches_capacity);
	struct spool_batch *b = &spool->batches[(spool->batch_head + spool->batch_count++) % spool->batches_capacity];
	ring_op_fn *fn = b->op.fn;
	uint16_t generation = b->op.generation;
	assert(!b->op.in_flight);
	*b = (struct spool_batch){
		.state = SPOOL_OPEN,
		.spool = spool,
		.segment = slab->segment,
		.slab = spool->slab_current,
		.copies = slab->copies,
		.start = slab->filled,
		.used = SPOOL_BATCH_HEADER,
		.number = spool->next_batch++,
		.opened_ns = spool_disk_full(spool) ? clock_monotonic_ns() : 0,
		.op = {.fn = fn, .generation = generation},
	};
	list_init(&b->tickets);
	assert(slab->base + slab->filled == slab->segment->end);
	slab->batches++;
	slab->segment->uses++;
	spool->open = b;
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
	spool->copies += b->copies;
}

/* The last segment is left to what makes room. Before the ring runs a start may have all. */
static bool append_refused(const struct spool *spool, enum spool_need need)
{
	struct spool_room room;

	if (need > SPOOL_NEED_REPORT || !spool->ring || spool->spare)
		return false;
	spool_room_get(spool, &room);
	return !spool_room_fills(&room, need);
}

/* Makes sure that the open batch takes a record of `length` octets. */
static int append_room(struct spool *spool, uint32_t length, enum spool_need need)
{
	bool copies = need == SPOOL_NEED_COPY;

	if (append_refused(spool, need))
		return -ENOSPC;
	if (spool->batch_count + 1 >= spool->batches_capacity)
		return -EAGAIN;
	if (spool->open) {
		if (spool->open->copies == copies &&
		    spool->open->start + spool->open->used + length <= spool->slabs[spool->open->slab].limit)
			return 0;
		spool_seal(spool);
	}
	if (spool->slab_current < spool->settings.slabs) {
		const struct spool_slab *slab = &spool->slabs[spool->slab_current];
		if (slab->segment == spool->active && slab->copies == copies &&
		    slab->filled + SPOOL_BATCH_HEADER + length <= slab->limit && !slab_better(spool, slab)) {
			batch_open(spool);
			return 0;
		}
	}
	if (!spool->active) {
		int result = spool->ring ? -EAGAIN : spool_segment_first(spool);
		if (result < 0)
			return result;
	}
	if (spool->active->end + spool_align(SPOOL_BATCH_HEADER + length, SPOOL_BLOCK) > spool->active->size) {
		/* Until then the current slab stays the current one: a smaller record may still fit. */
		int result = spool_segment_roll(spool, need);
		if (result < 0)
			return result;
	}
	spool->slab_current = spool->settings.slabs;
	int result = slab_take(spool, copies);
	if (result == 0)
		batch_open(spool);
	return result;
}

/* Copies the payload behind the header's place. */
static void append_payload(uint8_t *out, const struct spool_append *append)
{
	for (unsigned i = 0; i < append->part_count; i++, out += SPOOL_PART_SIZE)
		spool_part_encode(out, &append->parts[i]);
	if (append->envelope_length) {
		memcpy(out, append->envelope, append->envelope_length);
		out += append->envelope_length;
	}
	for (unsigned i = 0; i < append->content_count; i++) {
		if (append->content[i].iov_len == 0)
			continue;
		memcpy(out, append->content[i].iov_base, append->content[i].iov_len);
		out += append->content[i].iov_len;
	}
}

void spool_live_add(struct spool *spool, struct spool_segment *segment, const struct spool_ref *ref)
{
	segment->live++;
	segment->live_in[spool_region(ref->offset)]++;
	segment->live_octets += ref->length;
	spool->live_octets += ref->length;
}

static void append_live(struct spool *spool, struct spool_batch *b, const struct spool_ref *ref)
{
	spool->slabs[b->slab].live++;
	b->live++;
	b->live_octets += ref->length;
	spool_live_add(spool, b->segment, ref);
}

static void append_done(struct spool *spool, struct spool_batch *b, const struct spool_append *append,
			const struct spool_ref *ref, uint32_t length)
{
	uint32_t ends[SPOOL_ENDS_MAX];
	int count = spool_ends_decode(append->envelope, append->envelope_length, ends);

	b->segment->done_octets += length;
	b->segment->done_in |= UINT64_C(1) << spool_region(ref->offset);
	b->segment->silent |= count < 0;
	for (int i = 0; i < count; i++)
		spool_pin(spool, ends[i], b->segment->sequence);
}

int spool_append(struct spool *spool, const struct spool_append *append, enum spool_need need, struct spool_ref *ref,
		 struct spool_ticket *ticket)
{
	size_t content_length = 0;
	for (unsigned i = 0; i < append->content_count; i++)
		content_length += append->content[i].iov_len;
	assert(append->envelope_length <= SPOOL_ENVELOPE_MAX);
	assert(content_length <= SPOOL_CONTENT_MAX);
	assert(append->part_count <= SPOOL_PARTS_MAX);

	struct spool_record_header header = {
		.type = append->type,
		.length = (uint32_t)(SPOOL_RECORD_HEADER + append->part_count * SPOOL_PART_SIZE +
				     append->envelope_length + content_length),
		.id = append->id,
		.envelope_length = (uint32_t)append->envelope_length,
		.content_length = (uint32_t)content_length,
		.parts = append->part_count,
		.wall_ns = append->wall_ns,
	};
	uint32_t aligned = spool_align(header.length, SPOOL_RECORD_ALIGN);
	int result = append_room(spool, aligned, need);
	if (result < 0)
		return result;

	struct spool_batch *b = spool->open;
	struct spool_slab *slab = &spool->slabs[b->slab];
	uint8_t *out = slab->memory + b->start + b->used;
	*ref = (struct spool_ref){b->segment->sequence, slab->base + b->start + b->used, header.length};
	header.place = b->records++;
	append_payload(out + SPOOL_RECORD_HEADER, append);
	spool_record_encode(out, &header, b->segment->seed, ref->offset);
	memset(out + header.length, 0, aligned - header.length);
	b->used += aligned;
	b->segment->appended += aligned;
	b->segment->copied += b->copies ? aligned : 0;
	spool->appended += b->copies ? 0 : aligned;
	spool->stats.octets_copied += b->copies ? aligned : 0;
	slab->filled = b->start + b->used;
	if (append->type == SPOOL_DONE)
		append_done(spool, b, append, ref, aligned);
	else
		append_live(spool, b, ref);
	if (ticket) {
		ticket->kept = append->type == SPOOL_STATE || append->type == SPOOL_DONE;
		list_append(&b->tickets, &ticket->link);
	}
	spool->stats.records++;
	return 0;
}

/* ---- live ---- */

struct spool_batch *spool_batch_of(struct spool *spool, const struct spool_ref *ref)
{
	for (unsigned i = 0; i < spool->batch_count; i++) {
		struct spool_batch *b = &spool->batches[(spool->batch_head + i) % spool->batches_capacity];
		uint32_t offset = spool->slabs[b->slab].base + b->start;
		if (ref->segment < b->segment->sequence ||
		    (ref->segment == b->segment->sequence && ref->offset < offset))
			return NULL;
		if (ref->segment == b->segment->sequence && ref->offset < offset + b->used)
			return b;
	}
	return NULL;
}

void spool_live_drop(struct spool *spool, const struct spool_ref *ref, uint64_t batch)
{
	if (ref->segment == 0)
		return;
	struct spool_segment *segment = spool_segment_find(spool, ref->segment);
	/* What a write error took was discounted then. */
	if (!segment || ref->offset >= segment->cut)
		return;
	assert(segment->live > 0 && segment->live_octets >= ref->length);
	if (--segment->live == 0 && segment != spool->active)
		spool->ripe = spool->leaving = true;
	segment->live_in[spool_region(ref->offset)]--;
	segment->live_octets -= ref->length;
	spool->live_octets -= ref->length;
	if (segment->last_batch < batch)
		segment->last_batch = batch;
	int slab = spool_slab_find(spool, ref);
	if (slab >= 0) {
		assert(spool->slabs[slab].live > 0);
		spool->slabs[slab].live--;
	}
	struct spool_batch *b = spool_batch_of(spool, ref);
	if (b) {
		assert(b->live > 0);
		b->live--;
		b->live_octets -= ref->length;
	}
}

void spool_refs_drop(struct spool *spool, const struct spool_ref *refs, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		spool_live_drop(spool, &refs[i], 0);
}

void spool_moved_resolve(struct spool *spool, struct spool_ref *ref, bool forget)
{
	for (unsigned i = 0; i < spool->moved_count;) {
		struct spool_moved *moved = &spool->moved[i];
		if (moved->from.segment != ref->segment || moved->from.offset != ref->offset) {
			i++;
			continue;
		}
		*ref = moved->to;
		if (forget)
			*moved = spool->moved[--spool->moved_count];
		i = 0; /* a second failure may have moved it again */
	}
}
