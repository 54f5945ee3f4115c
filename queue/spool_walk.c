/*
 * queue/spool_walk.c - a segment's records in memory, for compaction: one after the other, or one that is asked for.
 *
 * A segment is read from its beginning in large pieces. Only a header whose hash is keyed with the segment's seed and
 * that very place is a record; where none is, the next 8-octet boundary is tried, as recovery does. Records out of that
 * order have a window of their own. Regions in which nothing is wanted are not read: behind one that was passed over
 * the next record is found like that, too.
 *
 * A read that fails is repeated before it counts as damage, and then with no more than what must be read: the bad place
 * may be another's.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "core/base/clock.h"
#include "queue/spool_private.h"

enum {
	PAUSE_MS = 100,
	READ_PAUSE_MS = 1000,
	READ_ATTEMPTS = 3,
	WINDOW = SPOOL_SLAB + SPOOL_BLOCK, /* any record fits */
};

void spool_compact_pause(struct spool *spool, unsigned ms)
{
	spool->compact.retry_ns = clock_monotonic_ns() + ms * CLOCK_NS_PER_MS;
}

static void window_on_read(struct ring_op *op, int result, uint32_t flags)
{
	struct spool_window *w = container_of(op, struct spool_window, op);

	assert(w->loading && w->of->uses > 0);
	/* What is not a whole block is not used: the end of a truncated file. */
	if (result > 0)
		w->length += (uint32_t)result & ~(uint32_t)(SPOOL_BLOCK - 1);
	/* Fewer octets are no end yet. */
	if (result > 0 && result % SPOOL_BLOCK == 0 && w->length < w->wanted) {
		segment_read(w->spool->store, w->spool->ring, op, w->of->handle, w->memory + w->length,
			     w->wanted - w->length, w->base + w->length);
		return;
	}
	w->of->uses--;
	w->loading = false;
	w->error = result < 0 ? result : 0;
}

static bool in_window(const struct spool_window *w, const struct spool_ref *ref)
{
	return w->segment == ref->segment && ref->offset >= w->base && ref->offset - w->base < w->length &&
	       ref->length <= w->length - (ref->offset - w->base);
}

/* Reads from the record on, `length` octets at least. -EINPROGRESS, or negative errno. */
static int window_load(struct spool *spool, struct spool_window *w, struct spool_segment *segment,
		       const struct spool_ref *ref, bool ahead)
{
	uint32_t base = ref->offset & ~(uint32_t)(SPOOL_BLOCK - 1);
	uint32_t length = spool_align(ref->offset - base + ref->length, SPOOL_BLOCK);

	if (length > WINDOW || ref->length < SPOOL_RECORD_HEADER)
		return -EBADMSG;
	if (ahead)
		length = WINDOW;
	if (length > segment->size - base)
		length = spool_align(segment->size - base, SPOOL_BLOCK);
	if (!w->memory && posix_memalign((void **)&w->memory, SPOOL_BLOCK, WINDOW)) {
		w->memory = NULL;
		return -ENOMEM;
	}
	int handle = spool_segment_handle(spool, segment);
	if (handle < 0)
		return handle;
	w->asked = *ref;
	w->of = segment;
	w->segment = segment->sequence;
	w->base = base;
	w->length = 0;
	w->wanted = length;
	w->spool = spool;
	w->loading = true;
	segment->uses++;
	w->op.fn = window_on_read;
	segment_read(spool->store, spool->ring, &w->op, handle, w->memory, length, base);
	return -EINPROGRESS;
}

/* 0: it is in the window; -EINPROGRESS, -EBADMSG: it cannot be had, -EAGAIN: not now. */
static int window_get(struct spool *spool, struct spool_window *w, struct spool_segment *segment,
		      const struct spool_ref *ref, bool ahead)
{
	if (w->loading)
		return -EINPROGRESS;
	if (in_window(w, ref)) {
		w->errors = 0;
		return 0;
	}
	/* Its read came back without it. */
	if (w->asked.segment == ref->segment && w->asked.offset == ref->offset && w->asked.length == ref->length) {
		w->asked.segment = 0;
		if (w->error == 0 || ++w->errors == READ_ATTEMPTS) {
			spool->compact.walk_blind |= w->error < 0;
			w->errors = 0;
			return -EBADMSG;
		}
		if (w->errors > 1) {
			spool_compact_pause(spool, READ_PAUSE_MS);
			return -EAGAIN;
		}
	}
	int result = window_load(spool, w, segment, ref, ahead && w->errors == 0);
	if (result == -EINPROGRESS || result == -EBADMSG)
		return result;
	spool_compact_pause(spool, PAUSE_MS); /* memory, handles */
	return -EAGAIN;
}

/* Something that begins in the region of `at` is to be copied. */
static bool region_wanted(const struct spool_segment *segment, uint32_t at)
{
	unsigned region = spool_region(at);
	bool done = spool_dones_move(segment) && segment->done_in >> region & 1;

	return segment->live_in[region] > 0 || done;
}

static uint32_t regions_skip(const struct spool_segment *segment, uint32_t at)
{
	while (at < segment->end && !region_wanted(segment, at))
		at = (at / SPOOL_REGION + 1) * SPOOL_REGION;
	return at;
}

int spool_walk_next(struct spool *spool, struct spool_segment *segment, struct spool_record_header *header,
		    const uint8_t **record)
{
	struct spool_compact *c = &spool->compact;
	struct spool_window *w = &c->ahead;

	while (c->walk_at + SPOOL_RECORD_HEADER <= segment->end) {
		struct spool_ref ref = {segment->sequence, c->walk_at, SPOOL_RECORD_HEADER};
		if (!in_window(w, &ref) && !region_wanted(segment, c->walk_at)) {
			c->walk_at = regions_skip(segment, c->walk_at);
			continue;
		}
		int result = window_get(spool, w, segment, &ref, true);
		if (result == -EINPROGRESS)
			c->walk_octets += WINDOW;
		if (result == -EBADMSG) {
			c->walk_at = (c->walk_at & ~(uint32_t)(SPOOL_BLOCK - 1)) + SPOOL_BLOCK;
			continue;
		}
		if (result < 0)
			return result;
		*record = w->memory + (c->walk_at - w->base);
		if (**record == 0 ||
		    spool_record_decode(*record, segment->end - c->walk_at, segment->seed, c->walk_at, header) < 0) {
			c->walk_at += SPOOL_RECORD_ALIGN;
			continue;
		}
		ref.length = header->length;
		result = window_get(spool, w, segment, &ref, true);
		if (result != -EBADMSG) {
			*record = w->memory + (c->walk_at - w->base);
			return result;
		}
		c->walk_at += spool_align(header->length, SPOOL_RECORD_ALIGN);
	}
	return 1;
}

int spool_record_get(struct spool *spool, struct spool_segment *segment, const struct spool_ref *ref,
		     struct spool_record_header *header, const uint8_t **record)
{
	struct spool_window *w = in_window(&spool->compact.ahead, ref) ? &spool->compact.ahead : &spool->compact.side;
	int result = window_get(spool, w, segment, ref, false);
	if (result < 0)
		return result;
	*record = w->memory + (ref->offset - w->base);
	if (spool_record_decode(*record, ref->length, segment->seed, ref->offset, header) < 0 ||
	    header->length != ref->length || !spool_record_payload_ok(*record, header, segment->seed, ref->offset))
		return -EBADMSG;
	return 0;
}

void spool_walk_free(struct spool *spool)
{
	struct spool_window *windows[] = {&spool->compact.ahead, &spool->compact.side};
	for (unsigned i = 0; i < 2; i++) {
		assert(!windows[i]->loading);
		free(windows[i]->memory);
		windows[i]->memory = NULL;
		windows[i]->segment = 0;
		windows[i]->asked.segment = 0;
	}
}
