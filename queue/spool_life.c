/*
 * queue/spool_life.c - what becomes of a message: it arrives in parts, is queued, deferred, done, or dropped.
 *
 * Each of these is a record at the end of the log (spool_append.c) and a change of the item it belongs to: its places,
 * whether it is known by its id, and the copies that compaction may just be making of it.
 */
#include <assert.h>
#include <stdlib.h>

#include "core/base/clock.h"
#include "queue/spool_private.h"

/* -EIO: failed for good; -EAGAIN: a failure is being dealt with. */
static int append_allowed(struct spool *spool)
{
	if (!spool->ring)
		return spool_settle_now(spool);
	if (spool->failed)
		return -EIO;
	return spool->stopping || spool->cut || spool->saved ? -EAGAIN : 0;
}

/* Where a segment only looks full, or compaction makes room, mail waits for that. */
static int mail_refused(struct spool *spool, int result)
{
	return result == -ENOSPC && spool_compact_gains(spool) ? -EAGAIN : result;
}

bool spool_size_full(struct spool *spool)
{
	const struct spool_segment *active = spool->active;

	if (!active || spool_disk_full(spool))
		return false;
	/* Asked in every turn: with a spare ready, and room in the active one, this is all. */
	bool full = spool_segment_last(spool) && spool_size_max_reached(spool);
	if (!full && active->end + SPOOL_SLAB > active->size) {
		struct spool_room room;
		spool_room_get(spool, &room);
		full = !spool_room_begins(&room, SPOOL_NEED_MESSAGE);
	}
	return full && !spool_compact_gains(spool);
}

int spool_append_part(struct spool *spool, const struct spool_message *part, struct spool_item *item,
		      struct spool_ticket *ticket)
{
	int result = append_allowed(spool);
	if (result < 0)
		return result;
	assert(part->envelope_length == 0 && item->message.segment == 0);
	struct spool_append append = {
		.type = SPOOL_PART,
		.id = part->id,
		.wall_ns = part->wall_ns,
		.content = part->content,
		.content_count = part->content_count,
	};
	result = spool_append(spool, &append, SPOOL_NEED_MESSAGE, &item->parts[item->part_count], ticket);
	if (result < 0)
		return mail_refused(spool, result);
	item->part_count++;
	spool_item_know(spool, item);
	return 0;
}

int spool_append_message(struct spool *spool, const struct spool_message *message, struct spool_item *item,
			 struct spool_ticket *ticket)
{
	int result = append_allowed(spool);
	if (result < 0)
		return result;
	assert(spool_id_same(&message->id, &item->id));
	for (unsigned i = 0; i < item->part_count; i++) {
		/* A part that a write error took cannot be promised; its own ticket has said so. */
		const struct spool_segment *segment = spool_segment_find(spool, item->parts[i].segment);
		if (!segment || item->parts[i].offset >= segment->cut)
			return -EINVAL;
	}
	/* Copies of parts that are not durable yet may not be named. */
	if (item->move)
		spool_move_cancel(spool, item, 0);
	struct spool_append append = {
		.type = SPOOL_MESSAGE,
		.id = message->id,
		.wall_ns = message->wall_ns,
		.parts = item->parts,
		.part_count = item->part_count,
		.envelope = message->envelope,
		.envelope_length = message->envelope_length,
		.content = message->content,
		.content_count = message->content_count,
	};
	if (message->report)
		spool_room_relieve(spool);
	enum spool_need need = message->report ? SPOOL_NEED_REPORT : SPOOL_NEED_MESSAGE;
	result = spool_append(spool, &append, need, &item->message, ticket);
	if (result < 0)
		return mail_refused(spool, result);
	spool->open->messages++;
	spool->live++;
	spool_item_know(spool, item);
	return 0;
}

/* No count stays behind without its parts. */
static void item_free(struct spool_item *item)
{
	free(item->parts);
	item->parts = NULL;
	item->part_count = 0;
}

void spool_drop(struct spool *spool, struct spool_item *item)
{
	if (item->move)
		spool_move_cancel(spool, item, 0);
	spool_item_forget(spool, item);
	spool_refs_drop(spool, item->parts, item->part_count);
	item_free(item);
	item->message = (struct spool_ref){0};
}

static int append_state(struct spool *spool, struct spool_item *item, uint64_t wall_ns, const void *state,
			size_t length, enum spool_need need, struct spool_ticket *ticket)
{
	const struct spool_append append = {
		.type = SPOOL_STATE,
		.id = item->id,
		.wall_ns = wall_ns,
		.envelope = state,
		.envelope_length = length,
	};
	int result = append_allowed(spool);
	if (result < 0)
		return result;
	struct spool_ref ref;
	/* Where the number of shards changes, size_max does not keep the relay from starting: copies pass it, too. */
	result = spool_append(spool, &append, spool->ring ? need : SPOOL_NEED_DONE, &ref, ticket);
	if (result < 0)
		return result;
	spool_moved_resolve(spool, &item->state, true);
	spool_live_drop(spool, &item->state, spool_batch_newest(spool));
	item->state = ref;
	if (item->move)
		spool_move_state(spool, item);
	return 0;
}

int spool_append_state(struct spool *spool, struct spool_item *item, uint64_t wall_ns, const void *state, size_t length,
		       struct spool_ticket *ticket)
{
	return append_state(spool, item, wall_ns, state, length, SPOOL_NEED_STATE, ticket);
}

int spool_append_fate(struct spool *spool, struct spool_item *item, uint64_t wall_ns, const void *state, size_t length,
		      struct spool_ticket *ticket)
{
	spool_room_relieve(spool);
	return append_state(spool, item, wall_ns, state, length, SPOOL_NEED_REPORT, ticket);
}

int spool_done(struct spool *spool, struct spool_item *item, struct spool_ticket *ticket)
{
	int result = append_allowed(spool);
	if (result < 0)
		return result;
	uint8_t payload[4 * SPOOL_ENDS_MAX];
	uint32_t ends[SPOOL_ENDS_MAX];
	uint32_t copy = item->move ? spool_move_target(spool, item) : 0;
	unsigned count = spool_pin_ends(spool, item, copy, ends);
	struct spool_append append = {
		.type = SPOOL_DONE,
		.id = item->id,
		.wall_ns = clock_wall_ns(),
		.envelope = payload,
		.envelope_length = spool_ends_encode(payload, ends, count),
	};
	struct spool_ref ref;
	result = spool_append(spool, &append, SPOOL_NEED_DONE, &ref, ticket);
	if (result < 0)
		return result;

	uint64_t batch = spool_batch_newest(spool);
	if (item->move)
		spool_move_cancel(spool, item, batch);
	spool_item_forget(spool, item);
	struct spool_batch *b = spool_batch_of(spool, &item->message);
	if (b && b->messages > 0)
		b->messages--; /* finished before it was durable: a failure must not discount it again */
	spool_moved_resolve(spool, &item->state, true);
	spool_live_drop(spool, &item->message, batch);
	spool_live_drop(spool, &item->state, batch);
	for (unsigned i = 0; i < item->part_count; i++)
		spool_live_drop(spool, &item->parts[i], batch);
	item_free(item);
	item->message = item->state = (struct spool_ref){0};
	assert(spool->live > 0);
	spool->live--;
	return 0;
}
