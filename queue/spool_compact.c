/*
 * queue/spool_compact.c - moving what is alive in the oldest segment to the tail, one item at a time.
 *
 *     NONE --next()--> LOADING --content there--> READY --appended--> LOADING (next part, message, state)
 *                                                   |
 *                                                   +--last record--> COMMITTING --durable--> NONE
 *
 *   Only what lies in the head segment is copied: its parts one by one, then the message record (which names the
 *   parts, so it moves with any of them), then the state. The state is copied only if it is still the newest when
 *   its copy is appended; one that the owner writes after that comes later in the log and wins there.
 *   The item keeps its old places until the copies are durable. After a failure they are forgotten, nothing else.
 *
 *   A record that cannot be read makes the segment stuck: it is left for its owner to find and report.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "queue/spool_private.h"

enum { COMPACT_PAUSE_MS = 100 };

void spool_on_compact(struct spool *spool, struct spool_item *(*next)(void *context, uint32_t segment), void *context)
{
	spool->compact.next = next;
	spool->compact.context = context;
}

/* Where the active segment is the last that may be had, half of what is left of it is for done records. */
static bool compact_fits(const struct spool *spool)
{
	const struct spool_segment *head = spool->log[0], *active = spool->active;
	/* Whole slabs only. The rest of the current one is left out. */
	uint64_t room = (active->size - active->end) / SPOOL_SLAB * SPOOL_SLAB;
	/* Each record may end up in a batch of its own. */
	return head->live_octets + (uint64_t)head->live * SPOOL_BLOCK <= room / 2;
}

/* Is the head worth the writes? */
static bool compact_wanted(const struct spool *spool)
{
	if (spool->log_count < 2 || !spool->active || spool->stopping || spool->cutting || spool->saved)
		return false;
	const struct spool_segment *head = spool->log[0];
	if (head->live == 0 || head->stuck || head == spool->active)
		return false;
	bool last = spool_segment_last(spool);
	if ((last || spool->log_count + 1 >= spool_segments_max(spool)) && !compact_fits(spool))
		return false;
	if (last)
		return spool_segment_serves(head); /* else no segment is gained */
	if (spool->log_count + 3 >= spool_segments_max(spool) && head->live_octets < (uint64_t)head->size / 4 * 3)
		return true;
	if (spool->log_count <= SPOOL_COMPACT_MIN)
		return false;
	uint64_t live = 0, size = 0;
	for (unsigned i = 0; i < spool->log_count; i++) {
		live += spool->log[i]->live_octets;
		size += spool->log[i]->size;
	}
	return live < size / 2;
}

static void compact_pause(struct spool *spool)
{
	spool->compact.retry_ns = clock_monotonic_ns() + COMPACT_PAUSE_MS * CLOCK_NS_PER_MS;
}

static void view_drop(struct spool_compact *c)
{
	if (c->view_held)
		spool_view_release(&c->view);
	c->view_held = false;
}

/* ---- ending ---- */

static bool place_lost(const struct spool *spool, const struct spool_ref *ref)
{
	if (ref->segment == 0)
		return false;
	const struct spool_segment *segment = spool_segment_find(spool, ref->segment);
	return !segment || ref->offset >= segment->cut;
}

static bool part_copied(const struct spool_compact *c, unsigned i)
{
	return c->parts[i].segment != c->item->parts[i].segment;
}

/* A write error took one of the copies. */
static bool compact_lost(const struct spool *spool)
{
	const struct spool_compact *c = &spool->compact;
	if (place_lost(spool, &c->message) || place_lost(spool, &c->state))
		return true;
	for (unsigned i = 0; i < c->item->part_count; i++)
		if (part_copied(c, i) && place_lost(spool, &c->parts[i]))
			return true;
	return false;
}

static void compact_end(struct spool *spool)
{
	struct spool_compact *c = &spool->compact;

	view_drop(c);
	free(c->parts);
	c->parts = NULL;
	c->item->moving = false;
	c->item = NULL;
	c->head = NULL;
	c->message = c->state = c->state_from = (struct spool_ref){0};
	c->state_now = SPOOL_COMPACT_NONE;
}

/* Without effect: the copies are dead. */
static void compact_abandon(struct spool *spool)
{
	struct spool_compact *c = &spool->compact;

	for (unsigned i = 0; i < c->item->part_count; i++)
		if (part_copied(c, i))
			spool_live_drop(spool, &c->parts[i], 0);
	spool_live_drop(spool, &c->message, 0);
	spool_live_drop(spool, &c->state, 0);
	compact_end(spool);
	compact_pause(spool);
}

/* The copies are durable: the item lives there now. */
static void compact_finish(struct spool *spool)
{
	struct spool_compact *c = &spool->compact;
	struct spool_item *item = c->item;

	for (unsigned i = 0; i < item->part_count; i++) {
		if (!part_copied(c, i))
			continue;
		spool_live_drop(spool, &item->parts[i], 0);
		item->parts[i] = c->parts[i];
	}
	if (c->message.segment) {
		spool_live_drop(spool, &item->message, 0);
		item->message = c->message;
	}
	if (c->state.segment) {
		bool newest =
			item->state.segment == c->state_from.segment && item->state.offset == c->state_from.offset;
		/* A newer state of the owner ends the copy as it ended the original. */
		spool_live_drop(spool, newest ? &item->state : &c->state, newest ? 0 : spool_batch_newest(spool));
		if (newest)
			item->state = c->state;
	}
	spool->stats.compacted++;
	compact_end(spool);
}

/* ---- copying ---- */

/* What is copied next, or NULL. */
static const struct spool_ref *compact_source(struct spool *spool)
{
	struct spool_compact *c = &spool->compact;
	uint32_t head = c->head->sequence;

	while (c->part < c->item->part_count && c->item->parts[c->part].segment != head)
		c->part++;
	if (c->part < c->item->part_count)
		return &c->item->parts[c->part];
	if (c->moves_message && c->message.segment == 0)
		return &c->item->message;
	spool_moved_resolve(spool, &c->item->state, true);
	if (c->item->state.segment == head && c->state.segment == 0)
		return &c->item->state;
	return NULL;
}

static void compact_on_view(struct spool_view *view, int result)
{
	struct spool_compact *c = container_of(view, struct spool_compact, view);

	c->view_held = true;
	c->view_result = result;
	c->state_now = SPOOL_COMPACT_READY;
}

/* Appends the copy of what has been loaded. 0, or try again later (-EAGAIN), or the end (-ENOSPC, -EBADMSG). */
static int compact_copy(struct spool *spool)
{
	struct spool_compact *c = &spool->compact;
	struct spool_record_header header;

	if (c->view_result < 0)
		return c->view_result == -EBADMSG ? -EBADMSG : -EIO;
	const struct spool_segment *from = spool_segment_find(spool, c->view.ref.segment);
	if (!from ||
	    spool_record_decode(c->view.record, c->view.ref.length, from->seed, c->view.ref.offset, &header) < 0)
		return -EBADMSG;
	bool state = header.type == SPOOL_STATE;
	if (state && (c->item->state.segment != c->view.ref.segment || c->item->state.offset != c->view.ref.offset))
		return 0; /* the owner has written a newer one */
	struct iovec content = {(void *)(uintptr_t)c->view.content, c->view.content_length};
	struct spool_append append = {
		.type = header.type,
		.id = c->item->id,
		.wall_ns = header.wall_ns,
		.parts = c->parts,
		.part_count = header.type == SPOOL_MESSAGE ? c->item->part_count : 0,
		.envelope = c->view.envelope,
		.envelope_length = c->view.envelope_length,
		.content = &content,
		.content_count = 1,
	};
	struct spool_ref *to = state ? &c->state : header.type == SPOOL_PART ? &c->parts[c->part] : &c->message;
	int result = spool_append(spool, &append, SPOOL_NEED_COPY, to, NULL);
	if (result < 0)
		return result;
	if (state)
		c->state_from = c->view.ref;
	c->part += header.type == SPOOL_PART;
	c->batch = spool_batch_newest(spool);
	return 0;
}

static void compact_load(struct spool *spool)
{
	struct spool_compact *c = &spool->compact;
	const struct spool_ref *source = compact_source(spool);

	if (!source) {
		c->state_now = SPOOL_COMPACT_COMMITTING;
		return;
	}
	c->state_now = SPOOL_COMPACT_LOADING;
	if (spool_view(spool, &c->view, source, compact_on_view))
		compact_on_view(&c->view, 0);
}

static bool compact_begin(struct spool *spool)
{
	struct spool_compact *c = &spool->compact;

	if (!c->next || !compact_wanted(spool) || clock_monotonic_ns() < c->retry_ns)
		return false;
	struct spool_item *item = c->next(c->context, spool->log[0]->sequence);
	if (!item) {
		compact_pause(spool);
		return false;
	}
	assert(!item->moving && !item->busy);
	c->parts = malloc((item->part_count + 1) * sizeof *c->parts);
	if (!c->parts) {
		compact_pause(spool);
		return false;
	}
	if (item->part_count)
		memcpy(c->parts, item->parts, item->part_count * sizeof *c->parts);
	c->item = item;
	c->head = spool->log[0];
	c->part = 0;
	c->batch = 0;
	c->moves_message = item->message.segment == c->head->sequence;
	for (unsigned i = 0; i < item->part_count; i++)
		c->moves_message |= item->parts[i].segment == c->head->sequence;
	item->moving = true;
	compact_load(spool);
	return true;
}

/* One item's copy loaded: append it and go on to the next. */
static void compact_ready(struct spool *spool)
{
	struct spool_compact *c = &spool->compact;
	int result = compact_lost(spool) ? -EIO : compact_copy(spool);

	if (result == -EAGAIN)
		return;
	/* Without room the item must not be kept from ending: that may be what makes some. */
	if (result < 0) {
		c->head->stuck |= result == -EBADMSG;
		compact_abandon(spool);
		return;
	}
	view_drop(c);
	compact_load(spool);
}

void spool_compact_step(struct spool *spool)
{
	struct spool_compact *c = &spool->compact;

	if (c->state_now == SPOOL_COMPACT_NONE && !compact_begin(spool))
		return;
	if (spool->stopping || spool->cutting)
		return;
	/* A message has many parts at most, and each turn of the loop appends one record. */
	for (unsigned turns = 0; turns < 8 && c->state_now == SPOOL_COMPACT_READY; turns++) {
		enum spool_compact_state before = c->state_now;
		struct spool_ref at = c->view.ref;
		if (spool->failed)
			compact_abandon(spool);
		else
			compact_ready(spool);
		if (c->state_now == before && at.offset == c->view.ref.offset && at.segment == c->view.ref.segment)
			break; /* no room: next time */
	}
	if (c->state_now != SPOOL_COMPACT_COMMITTING)
		return;
	if (spool->failed || compact_lost(spool))
		compact_abandon(spool);
	else if (spool->durable_batch >= c->batch)
		compact_finish(spool);
}
