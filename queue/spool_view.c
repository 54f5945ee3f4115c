/*
 * queue/spool_view.c - the payload of one record, from a slab or from the disk.
 *
 * A slab hit pins the slab. So that views held long (a slow next hop) cannot take all slabs from those who append,
 * at most half of the slabs are pinned; further hits are answered with a private copy.
 *
 * A view that is being loaded may be released only in or after its callback: until then the kernel owns the buffer.
 * What comes from the disk is checked against both hashes; what comes from a slab has not left memory.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "queue/spool_private.h"

/* Checks a record in memory and points the view at its payload. */
static int view_set(struct spool_view *view, const uint8_t *record)
{
	struct spool_segment *segment = spool_segment_find(view->spool, view->ref.segment);
	struct spool_record_header header;
	if (!segment || spool_record_decode(record, view->ref.length, segment->seed, view->ref.offset, &header) < 0)
		return -EBADMSG;
	if (header.length != view->ref.length)
		return -EBADMSG;
	if (view->slab < 0 && !spool_record_payload_ok(record, &header, segment->seed, view->ref.offset))
		return -EBADMSG;
	view->record = record;
	view->envelope = record + SPOOL_RECORD_HEADER + header.parts * SPOOL_PART_SIZE;
	view->envelope_length = header.envelope_length;
	view->content = view->envelope + header.envelope_length;
	view->content_length = header.content_length;
	return 0;
}

/* The aligned range that holds the record. */
static uint32_t view_base(const struct spool_view *view)
{
	return view->ref.offset & ~(uint32_t)(SPOOL_BLOCK - 1);
}

static void view_begin(struct spool *spool, struct spool_view *view, const struct spool_ref *ref)
{
	view->envelope = view->content = NULL;
	view->envelope_length = view->content_length = 0;
	view->spool = spool;
	view->ref = *ref;
	view->slab = -1;
	view->buffer = NULL;
	view->buffer_length = 0;
}

static int view_buffer(struct spool_view *view)
{
	uint64_t end = ((uint64_t)view->ref.offset + view->ref.length + SPOOL_BLOCK - 1) & ~(uint64_t)(SPOOL_BLOCK - 1);
	view->buffer_length = end - view_base(view);
	if (view->buffer_length > SPOOL_SLAB + SPOOL_BLOCK || view->ref.length < SPOOL_RECORD_HEADER)
		return -EBADMSG;
	return posix_memalign(&view->buffer, SPOOL_BLOCK, view->buffer_length) ? -ENOMEM : 0;
}

/* True when the view is answered: 0 or an error in *result. */
static bool view_cached(struct spool_view *view, int *result)
{
	struct spool *spool = view->spool;
	int slab = spool_slab_find(spool, &view->ref);

	*result = 0;
	if (slab < 0)
		return false;
	spool->stats.cache_hits++;
	const struct spool_slab *s = &spool->slabs[slab];
	const uint8_t *record = s->memory + (view->ref.offset - s->base);
	assert(view->ref.offset - s->base + view->ref.length <= s->filled);
	if (s->pins > 0 || spool->slabs_pinned < spool->settings.slabs / 2) {
		view->slab = slab;
		spool_slab_pin(spool, (unsigned)slab);
	} else {
		view->buffer = malloc(view->ref.length);
		if (!view->buffer) {
			*result = -ENOMEM;
			return true;
		}
		memcpy(view->buffer, record, view->ref.length);
		record = view->buffer;
	}
	*result = view_set(view, record);
	return true;
}

static void view_on_read(struct ring_op *op, int result, uint32_t flags)
{
	struct spool_view *view = container_of(op, struct spool_view, op);
	struct spool *spool = view->spool;
	struct spool_segment *segment = spool_segment_find(spool, view->ref.segment);

	assert(segment && segment->uses > 0);
	if (result > 0 && view->content_length + (size_t)result < view->buffer_length && result % SPOOL_BLOCK == 0) {
		view->content_length += (size_t)result; /* octets read so far, until the view is set */
		segment_read(spool->store, spool->ring, op, segment->handle,
			     (uint8_t *)view->buffer + view->content_length, view->buffer_length - view->content_length,
			     view_base(view) + view->content_length);
		return;
	}
	segment->uses--;
	spool->reads--;
	if (result >= 0) {
		/* The end of a truncated file reads short: damage. */
		bool whole = view->content_length + (size_t)result == view->buffer_length;
		view->content_length = 0;
		result =
			whole ? view_set(view, (uint8_t *)view->buffer + view->ref.offset - view_base(view)) : -EBADMSG;
	}
	view->fn(view, result);
}

/* What can be answered without the disk has a result; 1: read. */
static int view_prepare(struct spool_view *view, struct spool_segment **segment)
{
	struct spool *spool = view->spool;
	if (view->ref.segment == 0)
		return -EBADMSG;
	*segment = spool_segment_find(spool, view->ref.segment);
	if (!*segment || view->ref.offset >= (*segment)->cut)
		return -EBADMSG;
	int handle = spool_segment_handle(spool, *segment);
	if (handle < 0)
		return handle;
	int result = view_buffer(view);
	return result < 0 ? result : 1;
}

bool spool_view(struct spool *spool, struct spool_view *view, const struct spool_ref *ref, spool_view_fn *fn)
{
	struct spool_segment *segment;
	int result;

	assert(spool->ring);
	view_begin(spool, view, ref);
	spool_moved_resolve(spool, &view->ref, false);
	view->fn = fn;
	if (view_cached(view, &result) && result == 0)
		return true;
	if (result == 0)
		result = view_prepare(view, &segment);
	if (result < 0) {
		/* Told by the next flush, because nobody expects a callback from inside this call. */
		view->late = result;
		list_append(&spool->views_late, &view->link);
		spool->reads++;
		return false;
	}
	spool->stats.loads++;
	spool->reads++;
	segment->uses++;
	view->op.fn = view_on_read;
	segment_read(spool->store, spool->ring, &view->op, segment->handle, view->buffer, view->buffer_length,
		     view_base(view));
	return false;
}

bool spool_flush_wanted(const struct spool *spool)
{
	return !list_empty(&spool->views_late);
}

void spool_views_tell(struct spool *spool)
{
	struct list late, *link;

	list_init(&late);
	while ((link = list_take_first(&spool->views_late)))
		list_append(&late, link);
	while ((link = list_take_first(&late))) {
		struct spool_view *view = container_of(link, struct spool_view, link);
		spool->reads--;
		view->fn(view, view->late);
	}
}

int spool_view_now(struct spool *spool, struct spool_view *view, const struct spool_ref *ref)
{
	struct spool_segment *segment;
	int result;

	view_begin(spool, view, ref);
	spool_moved_resolve(spool, &view->ref, false);
	if (view_cached(view, &result))
		return result;
	result = view_prepare(view, &segment);
	if (result < 0)
		return result;
	int64_t got =
		segment_read_now(spool->store, segment->handle, view->buffer, view->buffer_length, view_base(view));
	if (got < 0)
		return (int)got;
	if ((uint64_t)got != view->buffer_length)
		return -EBADMSG;
	return view_set(view, (uint8_t *)view->buffer + view->ref.offset - view_base(view));
}

void spool_view_release(struct spool_view *view)
{
	assert(!view->op.in_flight);
	if (view->slab >= 0)
		spool_slab_unpin(view->spool, (unsigned)view->slab);
	free(view->buffer);
	view->slab = -1;
	view->buffer = NULL;
	view->envelope = view->content = NULL;
	view->envelope_length = view->content_length = 0;
}
