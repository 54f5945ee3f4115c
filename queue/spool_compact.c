/*
 * queue/spool_compact.c - moving what is alive in the oldest segment to the tail, many items in one commit.
 *
 *     item in segment->items --begun--> in compact.moving, copies appended --durable--> in the list of its next segment
 *                                              |                    |
 *                                     it cannot be read       it ends, or a write fails:
 *                                              |               the copies are dead, nothing else
 *                                              v
 *                                       compact.broken --all others moved--> the segment is set aside
 *
 * Only what lies in the oldest segment is copied: an item's parts one by one, then the message record (which names the
 * parts, so it moves with any of them), then the state. Whatever an item is doing, it can be moved: while it is read,
 * while it arrives, where nobody wants it. Its refs change when the copies are durable, from one place that is intact
 * to another. If it ends first, its done record comes behind the copies in the log and ends them too; a newer state
 * comes behind the copy of the older one and wins.
 *
 * Order. Segments are recycled oldest first, so a done record outlives every copy of the message that it ends, and
 * compaction takes the oldest segment, whatever lives in it. To take one with less in it first would mean to carry the
 * done records along that older ones still need. What it costs: with a part u of the log alive and nothing but the
 * oldest segment ever freed, u / (1 - u) octets are copied for each that arrives (a third: 0.5; a half: 1).
 *
 * When. Let garbage be the octets of all segments but the active one that copying would gain. It may be
 *     at rest               two segments and a quarter of what lives: so idle disks are left alone
 *     close to size_max     one segment and a half
 * where close means that fewer than an eighth of all segments (at least two) are left to begin for new mail. So mail is
 * refused for size_max only when what lives, that much garbage and the two segments in reserve fill it; until then it
 * waits.
 *
 * How fast. With new records arriving, an octet of them pays for as many of copies as keep the room what it is,
 * v / (s - v) for an oldest segment of size s in which v live, and for more the less room is left; with none left, or
 * nothing arriving, copies are written one batch after the other. So what arrives keeps its share of the disk.
 *
 * Reserve. The last segment but one below size_max may be begun by states and compaction, the last by compaction only
 * (spool_segment_roll()): one whole segment is always enough for what lives in another.
 *
 * Damage. What cannot be read is not moved. When all else has left the segment, it waits for a week, if there is room
 * for that, in case it was the way to the disk. Then the file is renamed to *.damaged, where it stays for the operator,
 * and leaves the log: the next start does not know of those messages. A read that fails is repeated before it counts
 * as damage.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "queue/spool_private.h"

enum {
	PAUSE_MS = 100,
	READ_PAUSE_MS = 1000,
	READ_ATTEMPTS = 3,
	BROKEN_PATIENCE_H = 24 * 7,
	CHUNK = 256u << 10, /* octets of copies in a batch, where there is no hurry */
	OUTSTANDING_MAX = 2,
	WINDOW = SPOOL_SLAB + SPOOL_BLOCK, /* any record fits */
	AT_REST_SEGMENTS = 2,
	CLOSE_SEGMENTS_MIN = 2,
	RESERVE_SEGMENTS = 2, /* behind those for messages (spool_segment_roll()) */
};

void spool_on_damage(struct spool *spool, void (*fn)(void *context, const char *file, unsigned messages), void *context)
{
	spool->compact.on_damage = fn;
	spool->compact.context = context;
}

void spool_rest(struct spool *spool)
{
	spool->compact.resting = true;
}

static void pause_ms(struct spool *spool, unsigned ms)
{
	spool->compact.retry_ns = clock_monotonic_ns() + ms * CLOCK_NS_PER_MS;
}

/* ---- is it worth while ---- */

/* Segments that messages may still begin. */
static int64_t segments_left(const struct spool *spool)
{
	return (int64_t)spool_segments_max(spool) - RESERVE_SEGMENTS - (int64_t)spool->log_count;
}

static int64_t segments_close(const struct spool *spool)
{
	unsigned close = spool_segments_max(spool) / 8;
	return close < CLOSE_SEGMENTS_MIN ? CLOSE_SEGMENTS_MIN : (int64_t)close;
}

static void log_add_up(struct spool *spool)
{
	if (!spool->log_changed)
		return;
	spool->log_changed = false;
	spool->log_octets = spool->log_lean = 0;
	for (unsigned i = 0; i < spool->log_count; i++) {
		const struct spool_segment *segment = spool->log[i];
		if (segment == spool->active)
			continue;
		spool->log_octets += segment->size;
		spool->log_lean += segment->lean;
	}
}

static uint64_t garbage(struct spool *spool)
{
	log_add_up(spool);
	uint64_t used = spool->live_octets - spool->active->live_octets + spool->log_lean;
	return used < spool->log_octets ? spool->log_octets - used : 0;
}

/*
 * Where the active segment is the last that may be had, what lives in the oldest must fit behind its end. On a full
 * disk half of that is for done records, and where each copy ends up in a batch of its own it must still fit; at
 * size_max done records may begin another one.
 */
static bool fits(const struct spool *spool, bool disk)
{
	const struct spool_segment *head = spool->log[0], *active = spool->active;
	uint64_t room = active->size - active->end;

	if (!disk)
		return head->live_octets + head->live_octets / 64 + SPOOL_BLOCK <= room;
	/* Whole slabs only. The rest of the current one is left out. */
	return head->live_octets + (uint64_t)head->live * SPOOL_BLOCK <= room / SPOOL_SLAB * SPOOL_SLAB / 2;
}

static bool wanted(struct spool *spool)
{
	if (spool->log_count < 2 || !spool->active || spool->saved || spool->compact.resting)
		return false;
	const struct spool_segment *head = spool->log[0];
	if (head->live == 0 || head->stuck || head == spool->active)
		return false;
	/* Not durable yet: the log has rolled over within a few batches. */
	if (spool->batch_count && spool->batches[spool->batch_head].segment == head)
		return false;
	bool last = spool_segment_last(spool), disk = spool->prepare_error < 0;
	if (disk ? last && !fits(spool, disk) : spool->log_count >= spool_segments_copies(spool) && !fits(spool, disk))
		return false;
	if (last && disk)
		return spool_segment_serves(head); /* else no segment is gained */
	uint64_t size = spool->settings.segment_size, gain = garbage(spool);
	if (segments_left(spool) < segments_close(spool) && gain >= size + size / 2)
		return true;
	return gain > AT_REST_SEGMENTS * size + spool->live_octets / 4;
}

/* How many octets may be copied now. */
static uint64_t budget(struct spool *spool)
{
	struct spool_compact *c = &spool->compact;
	const struct spool_segment *head = spool->log[0];
	uint64_t fresh = spool->appended - c->seen;
	int64_t left = segments_left(spool), close = segments_close(spool);

	c->seen = spool->appended;
	if (c->outstanding >= OUTSTANDING_MAX)
		return 0;
	if (left <= 0)
		return SPOOL_SLAB;
	if (fresh == 0 && spool->in_flight == 0)
		return CHUNK;
	uint64_t gain = head->size > head->live_octets ? head->size - head->live_octets : 0;
	if (gain < head->size / 16)
		gain = head->size / 16;
	uint64_t weight = left < close ? (uint64_t)(1 + close - left) : 1;
	c->credit += fresh * weight * head->live_octets / gain;
	if (c->credit > 4 * SPOOL_SLAB)
		c->credit = 4 * SPOOL_SLAB;
	return c->credit < CHUNK ? 0 : c->credit < SPOOL_SLAB ? c->credit : SPOOL_SLAB;
}

/* ---- moves ---- */

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
	spool_item_list(spool, item);
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

	for (unsigned i = 0; i < move->part_count; i++)
		place_change(spool, &item->parts[i], &move->parts[i]);
	place_change(spool, &item->message, &move->message);
	place_change(spool, &item->state, &move->state);
	item->move = 0;
	spool_item_list(spool, item);
	spool->stats.compacted++;
}

static void moves_finish(struct spool *spool)
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

void spool_compact_failed(struct spool *spool)
{
	struct spool_compact *c = &spool->compact;

	c->outstanding = 0;
	moves_finish(spool);
	while (c->move_count > 0) {
		struct spool_move *move = move_at(c, 0);
		struct spool_item *item = move->item;
		if (item) {
			move_undo(spool, move, 0);
			spool_item_list(spool, item);
		}
		move_pop(c);
	}
	pause_ms(spool, PAUSE_MS);
}

void spool_compact_written(struct spool *spool)
{
	assert(spool->compact.outstanding > 0);
	spool->compact.outstanding--;
}

/* ---- reading ---- */

static void window_on_read(struct ring_op *op, int result, uint32_t flags)
{
	struct spool_compact *c = container_of(op, struct spool_compact, op);
	struct spool *spool = container_of(c, struct spool, compact);

	assert(c->loading && c->window_of->uses > 0);
	/* What is not a whole block is not used: the end of a truncated file. */
	if (result > 0)
		c->window_length += (uint32_t)result & ~(uint32_t)(SPOOL_BLOCK - 1);
	/* Fewer octets are no end yet. */
	if (result > 0 && result % SPOOL_BLOCK == 0 && c->window_length < c->window_wanted) {
		segment_read(spool->store, spool->ring, op, c->window_of->handle, c->window + c->window_length,
			     c->window_wanted - c->window_length, c->window_base + c->window_length);
		return;
	}
	c->window_of->uses--;
	c->loading = false;
	c->load_error = result < 0 ? result : 0;
}

static bool in_window(const struct spool_compact *c, const struct spool_ref *ref)
{
	return c->window_segment == ref->segment && ref->offset >= c->window_base &&
	       ref->offset - c->window_base < c->window_length &&
	       ref->length <= c->window_length - (ref->offset - c->window_base);
}

/* Reads from the record on. -EINPROGRESS, or negative errno. */
static int window_load(struct spool *spool, struct spool_segment *head, const struct spool_ref *ref)
{
	struct spool_compact *c = &spool->compact;
	uint32_t base = ref->offset & ~(uint32_t)(SPOOL_BLOCK - 1);
	uint32_t length = spool_align(ref->offset - base + ref->length, SPOOL_BLOCK);

	if (length > WINDOW || ref->length < SPOOL_RECORD_HEADER)
		return -EBADMSG;
	/* After an error only what must be: the bad place may be another's. */
	if (c->load_errors == 0)
		length = WINDOW;
	if (length > head->size - base)
		length = spool_align(head->size - base, SPOOL_BLOCK);
	if (!c->window && posix_memalign((void **)&c->window, SPOOL_BLOCK, WINDOW)) {
		c->window = NULL;
		return -ENOMEM;
	}
	int handle = spool_segment_handle(spool, head);
	if (handle < 0)
		return handle;
	c->asked = *ref;
	c->window_of = head;
	c->window_segment = head->sequence;
	c->window_base = base;
	c->window_length = 0;
	c->window_wanted = length;
	c->loading = true;
	head->uses++;
	c->op.fn = window_on_read;
	segment_read(spool->store, spool->ring, &c->op, handle, c->window, length, base);
	return -EINPROGRESS;
}

static int record_load(struct spool *spool, struct spool_segment *head, const struct spool_ref *ref)
{
	struct spool_compact *c = &spool->compact;

	/* Its read came back without it. */
	if (c->asked.segment == ref->segment && c->asked.offset == ref->offset) {
		c->asked.segment = 0;
		if (c->load_error == 0 || ++c->load_errors == READ_ATTEMPTS) {
			c->load_errors = 0;
			return -EBADMSG;
		}
		if (c->load_errors > 1) {
			pause_ms(spool, READ_PAUSE_MS);
			return -EAGAIN;
		}
	}
	int result = window_load(spool, head, ref);
	if (result == -EINPROGRESS || result == -EBADMSG)
		return result;
	pause_ms(spool, PAUSE_MS); /* memory, descriptors */
	return -EAGAIN;
}

/*
 * The record in memory: 0, -EINPROGRESS while it is read, -EBADMSG (it cannot be had), -EAGAIN (not now).
 */
static int record_get(struct spool *spool, struct spool_segment *head, const struct spool_ref *ref,
		      struct spool_record_header *header, const uint8_t **record)
{
	struct spool_compact *c = &spool->compact;

	if (!in_window(c, ref))
		return record_load(spool, head, ref);
	c->load_errors = 0;
	*record = c->window + (ref->offset - c->window_base);
	if (spool_record_decode(*record, ref->length, head->seed, ref->offset, header) < 0 ||
	    header->length != ref->length || !spool_record_payload_ok(*record, header, head->seed, ref->offset))
		return -EBADMSG;
	return 0;
}

/* ---- copying ---- */

static int copy_record(struct spool *spool, struct spool_move *move, struct spool_segment *head,
		       const struct spool_ref *from, struct spool_ref *to)
{
	struct spool_record_header header;
	const uint8_t *record;
	int result = record_get(spool, head, from, &header, &record);
	if (result < 0)
		return result;

	/* A message names its parts where they will be. */
	struct spool_ref *parts = NULL;
	if (header.type == SPOOL_MESSAGE && move->part_count) {
		parts = malloc(move->part_count * sizeof *parts);
		if (!parts)
			return -EAGAIN;
		for (unsigned i = 0; i < move->part_count; i++)
			parts[i] = move->parts[i].segment ? move->parts[i] : move->item->parts[i];
	}
	const uint8_t *envelope = record + SPOOL_RECORD_HEADER + header.parts * SPOOL_PART_SIZE;
	struct iovec content = {(void *)(uintptr_t)(envelope + header.envelope_length), header.content_length};
	struct spool_append append = {
		.type = header.type,
		.id = move->item->id,
		.wall_ns = header.wall_ns,
		.parts = parts,
		.part_count = parts ? move->part_count : 0,
		.envelope = envelope,
		.envelope_length = header.envelope_length,
		.content = &content,
		.content_count = 1,
	};
	result = spool_append(spool, &append, SPOOL_NEED_COPY, to, NULL);
	free(parts);
	return result;
}

/* Copies the next record of the move. 1: there is none, it is complete. */
static int move_step(struct spool *spool, struct spool_move *move, struct spool_segment *head)
{
	struct spool_item *item = move->item;

	while (move->part < move->part_count && item->parts[move->part].segment != head->sequence)
		move->part++;
	if (move->part < move->part_count) {
		int result = copy_record(spool, move, head, &item->parts[move->part], &move->parts[move->part]);
		move->part += result == 0;
		return result;
	}
	bool moves_message = item->message.segment == head->sequence;
	for (unsigned i = 0; !moves_message && i < move->part_count; i++)
		moves_message = move->parts[i].segment != 0;
	if (moves_message && item->message.segment && move->message.segment == 0) {
		/* Only what was promised is copied. */
		if (spool_batch_of(spool, &item->message))
			return -EAGAIN;
		struct spool_segment *from = spool_segment_find(spool, item->message.segment);
		return from ? copy_record(spool, move, from, &item->message, &move->message) : -EBADMSG;
	}
	if (item->state.segment == head->sequence && move->state.segment == 0)
		return copy_record(spool, move, head, &item->state, &move->state);
	return 1;
}

/* 0 or -EAGAIN. */
static int move_begin(struct spool *spool, struct spool_segment *head)
{
	struct spool_compact *c = &spool->compact;
	struct spool_item *item = container_of(head->items.next, struct spool_item, link);
	struct spool_ref *parts = NULL;

	if (!c->moves && !(c->moves = calloc(SPOOL_MOVES, sizeof *c->moves)))
		return -EAGAIN;
	if (c->move_count == SPOOL_MOVES)
		return -EAGAIN;
	if (item->part_count && !(parts = calloc(item->part_count, sizeof *parts)))
		return -EAGAIN;
	spool_moved_resolve(spool, &item->state, true);
	unsigned slot = (c->move_head + c->move_count++) % SPOOL_MOVES;
	c->moves[slot] = (struct spool_move){.item = item, .parts = parts, .part_count = item->part_count};
	item->move = slot + 1;
	spool_item_unlist(item);
	list_append(&c->moving, &item->link);
	return 0;
}

/* A record of it cannot be read. A state is only forgotten, as recovery does; the rest of the item still moves. */
static void move_broken(struct spool *spool, struct spool_move *move, struct spool_segment *head)
{
	struct spool_compact *c = &spool->compact;
	struct spool_item *item = move->item;
	bool moves_message = item->message.segment == head->sequence && move->message.segment == 0;

	if (move->part == move->part_count && !moves_message && item->state.segment == head->sequence) {
		spool_live_drop(spool, &item->state, 0);
		item->state = (struct spool_ref){0};
		c->broken_states++;
		return;
	}
	move_undo(spool, move, 0);
	spool_item_unlist(item);
	list_append(&c->broken, &item->link);
}

/* The move that is not complete, or a new one. NULL: there is none, or not now. */
static struct spool_move *move_next(struct spool *spool, struct spool_segment *head)
{
	struct spool_compact *c = &spool->compact;
	struct spool_move *last = c->move_count ? move_at(c, c->move_count - 1) : NULL;

	if (last && last->batch == 0)
		return last;
	if (list_empty(&head->items))
		return NULL;
	if (move_begin(spool, head) < 0) {
		if (c->move_count < SPOOL_MOVES)
			pause_ms(spool, PAUSE_MS);
		return NULL;
	}
	return move_at(c, c->move_count - 1);
}

/* Copies until the budget is spent, or something has to be waited for. */
static void copy_many(struct spool *spool, struct spool_segment *head, uint64_t octets)
{
	struct spool_compact *c = &spool->compact;
	uint64_t before = spool->stats.octets_copied, spent;
	struct spool_move *move;

	/* The segment behind is still being prepared: a batch of others would be cut short for nothing. */
	if (!spool->spare && spool->preparing && spool->active->end + SPOOL_SLAB > spool->active->size)
		return;

	while ((spent = spool->stats.octets_copied - before) < octets && (move = move_next(spool, head))) {
		int result = move_step(spool, move, head);
		if (result == 1) {
			/* Nothing of it was here any more: it is complete with what is durable. */
			move->batch = spool_batch_newest(spool);
		} else if (result == -EBADMSG) {
			move_broken(spool, move, head);
		} else if (result < 0) {
			if (result == -ENOSPC)
				pause_ms(spool, PAUSE_MS);
			break;
		}
		if (spool->stopping)
			break;
	}
	spent = spool->stats.octets_copied - before;
	c->credit -= spent < c->credit ? spent : c->credit;
	/* While the next piece is read the batch waits for what that has: half-filled blocks are garbage again. */
	if (spool->open && spool->open->copies && !c->loading) {
		spool_seal(spool);
		spool->slab_current = spool->settings.slabs;
	}
}

/* ---- damage ---- */

static void ref_forget(struct spool *spool, struct spool_ref *ref, const struct spool_segment *head)
{
	if (ref->segment != head->sequence)
		return;
	spool_live_drop(spool, ref, 0);
	ref->segment = 0;
}

/* All that could be moved has left the segment; what it holds besides is for the operator. */
static void set_aside(struct spool *spool, struct spool_segment *head)
{
	struct spool_compact *c = &spool->compact;
	char name[SEGMENT_NAME_SIZE];
	unsigned messages = 0;

	if (!head->damaged) {
		if (segment_set_aside(spool->store, head->slot, SEGMENT_LOG, SEGMENT_DAMAGED) < 0) {
			pause_ms(spool, READ_PAUSE_MS);
			return;
		}
		head->damaged = true;
		(void)segment_store_sync_now(spool->store);
	}
	struct list *link;
	while ((link = list_take_first(&c->broken))) {
		struct spool_item *item = container_of(link, struct spool_item, link);
		for (unsigned i = 0; i < item->part_count; i++)
			ref_forget(spool, &item->parts[i], head);
		ref_forget(spool, &item->message, head);
		ref_forget(spool, &item->state, head);
		spool_item_list(spool, item);
		messages++;
	}
	messages += c->broken_states;
	c->broken_states = 0;
	c->broken_ns = 0;
	spool_name(name, head);
	if (c->on_damage)
		c->on_damage(c->context, name, messages);
}

/* Only what cannot be read is left in the oldest segment. */
static void broken_left(struct spool *spool, struct spool_segment *head)
{
	struct spool_compact *c = &spool->compact;
	uint64_t now = clock_monotonic_ns();

	if (c->broken_ns == 0)
		c->broken_ns = now;
	bool patient = now - c->broken_ns < BROKEN_PATIENCE_H * UINT64_C(3600) * CLOCK_NS_PER_S;
	if (segments_left(spool) <= 0 || spool_segment_last(spool) || !patient)
		set_aside(spool, head);
}

/* ---- the step ---- */

static void head_done(struct spool *spool, struct spool_segment *head)
{
	struct spool_compact *c = &spool->compact;

	if (!list_empty(&head->items) || c->move_count > 0)
		return;
	if (!list_empty(&c->broken) || c->broken_states)
		broken_left(spool, head);
	else if (head->live > 0)
		head->stuck = true; /* nobody's */
	else
		c->broken_ns = 0;
}

static void window_drop(struct spool_compact *c)
{
	if (c->move_count || c->loading || !c->window)
		return;
	free(c->window);
	free(c->moves);
	c->window = NULL;
	c->moves = NULL;
	c->asked.segment = 0;
	c->move_head = 0;
	c->window_segment = 0;
}

void spool_compact_step(struct spool *spool)
{
	struct spool_compact *c = &spool->compact;

	if (c->move_count > 0)
		moves_finish(spool);
	if (spool->failed || spool->stopping || spool->cutting || c->loading)
		return;
	if (!wanted(spool)) {
		c->seen = spool->appended;
		window_drop(c);
		return;
	}
	if (clock_monotonic_ns() < c->retry_ns)
		return;
	struct spool_segment *head = spool->log[0];
	uint64_t octets = budget(spool);
	if (octets > 0)
		copy_many(spool, head, octets);
	if (!spool->stopping && !c->loading)
		head_done(spool, head);
}

bool spool_compact_gains(struct spool *spool)
{
	return spool->compact.outstanding > 0 || (wanted(spool) && clock_monotonic_ns() >= spool->compact.retry_ns);
}

uint64_t spool_wake_ns(const struct spool *spool)
{
	const struct spool_compact *c = &spool->compact;
	return c->retry_ns > clock_monotonic_ns() ? c->retry_ns : UINT64_MAX;
}

void spool_compact_init(struct spool *spool)
{
	list_init(&spool->compact.moving);
	list_init(&spool->compact.broken);
}

void spool_compact_free(struct spool *spool)
{
	struct spool_compact *c = &spool->compact;
	while (c->move_count > 0)
		move_pop(c);
	free(c->moves);
	free(c->window);
}
