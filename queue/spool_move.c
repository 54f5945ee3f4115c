/*
 * queue/spool_move.c - items on their way to the tail, many in one commit.
 *
 *     item --begun--> in compact.moves, copies appended --durable--> its refs are the copies'
 *                          |                    |
 *                 it cannot be read       it ends, or a write fails:
 *                          |               the copies are dead, nothing else
 *                          v
 *                 it stays where it is
 *
 * A message without parts, and a state, are copied as they are found. A message with parts in the segment moves at
 * once: its parts one by one, then the message record, which names them, wherever that lies. Whatever an item is doing,
 * it can be moved: while it is read, while it arrives, where nobody wants it. Its refs change when the copies are
 * durable, from one place that is intact to another. If it ends first, its done record comes behind the copies in the
 * log and ends them too; a newer state comes behind the copy of the older one and wins.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "queue/spool_private.h"

static struct spool_move *move_at(struct spool_compact *c, unsigned i)
{
	return &c->moves[(c->move_head + i) % SPOOL_MOVES];
}

static struct spool_move *move_of(struct spool *spool, const struct spool_item *item)
{
	struct spool_move *move = &spool->compact.moves[item->move - 1];
	assert(move->item == item);
	return move;
}

static void move_pop(struct spool_compact *c)
{
	free(c->moves[c->move_head].parts);
	c->moves[c->move_head] = (struct spool_move){0};
	c->move_head = (c->move_head + 1) % SPOOL_MOVES;
	c->move_count--;
}

/* The copies are dead, and the item where it was. */
static void move_undo(struct spool *spool, struct spool_move *move, uint64_t batch)
{
	if (move->parts)
		spool_refs_drop(spool, move->parts, move->part_count);
	spool_live_drop(spool, &move->message, batch);
	spool_live_drop(spool, &move->state, batch);
	move->item->move = 0;
	move->item = NULL;
	if (move->batch == 0)
		move->batch = spool_batch_newest(spool); /* nothing more will be added */
}

void spool_move_cancel(struct spool *spool, struct spool_item *item, uint64_t batch)
{
	move_undo(spool, move_of(spool, item), batch);
}

uint32_t spool_move_target(struct spool *spool, const struct spool_item *item)
{
	return move_of(spool, item)->message.segment;
}

void spool_move_state(struct spool *spool, struct spool_item *item)
{
	struct spool_move *move = move_of(spool, item);
	spool_live_drop(spool, &move->state, spool_batch_newest(spool));
	move->state = (struct spool_ref){0};
}

static void place_change(struct spool *spool, struct spool_ref *place, const struct spool_ref *copy)
{
	if (copy->segment == 0)
		return;
	spool_live_drop(spool, place, 0);
	*place = *copy;
}

/* The copies are durable: the item lives there now. */
static void move_finish(struct spool *spool, struct spool_move *move)
{
	struct spool_item *item = move->item;

	for (unsigned i = 0; move->parts && i < move->part_count; i++)
		place_change(spool, &item->parts[i], &move->parts[i]);
	if (move->message.segment) {
		spool_pin_behind(spool, &item->id, item->message.segment);
		item->trailed = 1;
	}
	place_change(spool, &item->message, &move->message);
	place_change(spool, &item->state, &move->state);
	item->move = 0;
	spool->stats.compacted += move->parts || move->message.segment || move->state.segment;
}

void spool_moves_finish(struct spool *spool)
{
	struct spool_compact *c = &spool->compact;
	while (c->move_count > 0) {
		struct spool_move *move = move_at(c, 0);
		if (move->batch == 0 || move->batch > spool->durable_batch)
			return;
		if (move->item)
			move_finish(spool, move);
		move_pop(c);
	}
}

/* After a cut was applied. */
static bool durable(const struct spool *spool, const struct spool_ref *ref)
{
	const struct spool_segment *segment = ref->segment ? spool_segment_find(spool, ref->segment) : NULL;
	return segment && ref->offset < segment->cut;
}

void spool_moves_undo(struct spool *spool)
{
	struct spool_compact *c = &spool->compact;
	while (c->move_count > 0) {
		struct spool_move *move = move_at(c, 0);
		if (move->item && durable(spool, &move->message)) {
			/* The next start takes the copy, so it is what counts. Its parts are before it. */
			if (!durable(spool, &move->state))
				move->state = (struct spool_ref){0};
			move_finish(spool, move);
		} else if (move->item) {
			move_undo(spool, move, 0);
		}
		move_pop(c);
	}
}

struct spool_move *spool_move_open(struct spool *spool)
{
	struct spool_compact *c = &spool->compact;
	struct spool_move *last = c->move_count ? move_at(c, c->move_count - 1) : NULL;
	return last && last->batch == 0 ? last : NULL;
}

/* ---- copying ---- */

/* NULL: not now. */
static struct spool_move *move_new(struct spool *spool, struct spool_item *item)
{
	struct spool_compact *c = &spool->compact;

	if (!c->moves && !(c->moves = calloc(SPOOL_MOVES, sizeof *c->moves)))
		return NULL;
	if (c->move_count == SPOOL_MOVES) {
		c->brimful = true;
		return NULL;
	}
	unsigned slot = (c->move_head + c->move_count++) % SPOOL_MOVES;
	c->moves[slot] = (struct spool_move){.item = item, .batch = spool_batch_newest(spool)};
	item->move = (uint16_t)(slot + 1);
	return &c->moves[slot];
}

/* A message names its parts where they will be. */
static int copy_record(struct spool *spool, struct spool_move *move, const struct spool_record_header *header,
		       const uint8_t *record, struct spool_ref *to)
{
	const struct spool_item *item = move->item;
	struct spool_ref *parts = NULL;
	unsigned part_count = header->type == SPOOL_MESSAGE ? item->part_count : 0;

	if (part_count) {
		parts = malloc(part_count * sizeof *parts);
		if (!parts)
			return -EAGAIN;
		for (unsigned i = 0; i < part_count; i++) {
			bool moves = i < move->part_count && move->parts[i].segment;
			parts[i] = moves ? move->parts[i] : item->parts[i];
		}
	}
	const uint8_t *envelope = record + SPOOL_RECORD_HEADER + header->parts * SPOOL_PART_SIZE;
	struct iovec content = {(void *)(uintptr_t)(envelope + header->envelope_length), header->content_length};
	struct spool_append append = {
		.type = header->type,
		.id = item->id,
		.wall_ns = header->wall_ns,
		.parts = parts,
		.part_count = part_count,
		.envelope = envelope,
		.envelope_length = header->envelope_length,
		.content = &content,
		.content_count = 1,
	};
	int result = spool_append(spool, &append, SPOOL_NEED_COPY, to, NULL);
	free(parts);
	return result;
}

int spool_move_begin(struct spool *spool, struct spool_item *item)
{
	struct spool_ref *parts = NULL;

	if (item->move)
		return -EAGAIN; /* for its state: that must be durable first */
	if (item->part_count && !(parts = calloc(item->part_count, sizeof *parts)))
		return -EAGAIN;
	struct spool_move *move = move_new(spool, item);
	if (!move) {
		free(parts);
		return -EAGAIN;
	}
	move->parts = parts;
	move->part_count = item->part_count;
	move->batch = 0;
	return 0;
}

static int move_record(struct spool *spool, struct spool_item *item, const struct spool_record_header *header,
		       const uint8_t *record)
{
	struct spool_move *move = item->move ? move_of(spool, item) : move_new(spool, item);
	if (!move)
		return -EAGAIN;
	assert(move->batch);
	struct spool_ref *to = header->type == SPOOL_MESSAGE ? &move->message : &move->state;
	assert(to->segment == 0);
	int result = copy_record(spool, move, header, record, to);
	/* Those begun after it wait for it. */
	if (result == 0)
		move->batch = spool_batch_newest(spool);
	return result;
}

static bool same(const struct spool_ref *a, const struct spool_ref *b)
{
	return a->segment == b->segment && a->offset == b->offset;
}

/* The first of the item's parts that lies there, part_count if none does. */
static unsigned part_first(const struct spool_item *item, uint32_t segment)
{
	unsigned i = 0;
	while (i < item->part_count && item->parts[i].segment != segment)
		i++;
	return i;
}

int spool_move_found(struct spool *spool, struct spool_item *item, const struct spool_segment *from,
		     const struct spool_ref *ref, const struct spool_record_header *header, const uint8_t *record)
{
	const struct spool_move *move = item->move ? move_of(spool, item) : NULL;
	unsigned part = header->type == SPOOL_STATE ? item->part_count : part_first(item, ref->segment);

	spool_moved_resolve(spool, &item->state, true);
	if (part < item->part_count) {
		/* Once, with the first: the others, and the message, go with it. */
		return header->type == SPOOL_PART && same(&item->parts[part], ref) ? spool_move_begin(spool, item) : 0;
	}
	const struct spool_ref *at = header->type == SPOOL_MESSAGE ? &item->message : &item->state;
	if (header->type == SPOOL_PART || !same(at, ref) ||
	    !spool_record_payload_ok(record, header, from->seed, ref->offset))
		return 0;
	if (move && (header->type == SPOOL_MESSAGE ? move->message.segment : move->state.segment))
		return 0;
	return move_record(spool, item, header, record);
}

static int copy_ref(struct spool *spool, struct spool_move *move, struct spool_segment *from,
		    const struct spool_ref *ref, struct spool_ref *to)
{
	struct spool_record_header header;
	const uint8_t *record;
	int result = spool_record_get(spool, from, ref, &header, &record);
	return result < 0 ? result : copy_record(spool, move, &header, record, to);
}

static bool moves_message(const struct spool_move *move, const struct spool_segment *from)
{
	const struct spool_item *item = move->item;
	bool moves = item->message.segment == from->sequence;

	for (unsigned i = 0; !moves && i < move->part_count; i++)
		moves = move->parts[i].segment != 0;
	return moves && item->message.segment && move->message.segment == 0;
}

/* 1: there is nothing more to copy. */
static int move_next(struct spool *spool, struct spool_move *move, struct spool_segment *from, bool state)
{
	struct spool_item *item = move->item;

	while (move->part < move->part_count && item->parts[move->part].segment != from->sequence)
		move->part++;
	if (move->part < move->part_count) {
		int result = copy_ref(spool, move, from, &item->parts[move->part], &move->parts[move->part]);
		move->part += result == 0;
		return result;
	}
	if (moves_message(move, from)) {
		/* Only what was promised is copied. */
		if (spool_batch_of(spool, &item->message))
			return -EAGAIN;
		struct spool_segment *at = spool_segment_find(spool, item->message.segment);
		return at ? copy_ref(spool, move, at, &item->message, &move->message) : -EBADMSG;
	}
	if (!state || item->state.segment != from->sequence || move->state.segment)
		return 1;
	int result = copy_ref(spool, move, from, &item->state, &move->state);
	if (result != -EBADMSG)
		return result;
	/* A state is only forgotten, as recovery does; the rest of the item still moves. */
	spool_live_drop(spool, &item->state, 0);
	item->state = (struct spool_ref){0};
	from->broken_states++;
	return 0;
}

int spool_move_step(struct spool *spool, struct spool_move *move, struct spool_segment *from, bool state)
{
	if (!move->item)
		return 1; /* it ended; its batch is set */
	int result = move_next(spool, move, from, state);
	if (result == 1)
		move->batch = spool_batch_newest(spool);
	else if (result == -EBADMSG)
		move_undo(spool, move, 0);
	return result;
}

void spool_moves_free(struct spool *spool)
{
	struct spool_compact *c = &spool->compact;
	while (c->move_count > 0)
		move_pop(c);
	free(c->moves);
	c->moves = NULL;
	c->move_head = 0;
}
