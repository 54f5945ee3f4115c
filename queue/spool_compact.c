/*
 * queue/spool_compact.c - which segment is compacted, when, how fast; and what becomes of damage.
 *
 * What lives in a segment is copied to the tail, many items in one commit: the segment is read from its
 * beginning (spool_walk.c), whoever a record belongs to is looked up by its id, and what lives is moved (spool_move.c).
 *
 *     WALK --end--> FOUND --all copies durable--> LEFT --all looked for, all copies durable--> left
 *
 * When all that was found has left it, nothing lives in it. If something does, its record was not found, because it is
 * damaged: then all items are searched, once, for those that have a record there, and each is tried by itself.
 *
 * Which. Any segment in which nothing lives leaves the log without a copy. Of the others the one with the least to copy
 * is taken: what lives in it, and its done records where something older pins them. So a backlog that lives wholly is
 * not copied, whatever flows past it. It is gone through to its end before another is begun, so that few messages have
 * records in more old places than one. One that gains nothing is not taken: copies do not fill a segment to its end.
 *
 * Done records. In a segment that is pinned (spool_pin.c) those that name a segment that is still on the disk are
 * copied like what lives. When the copies are durable nothing pins it any more. Where one may not be copied, because
 * its message has come back from another spool meanwhile, or something cannot be read, the segment is kept, and looked
 * at again an hour later.
 *
 * When. Let garbage be the octets of all segments but the active one that copying would gain. It may be
 *     at rest               two segments and a quarter of what lives: so idle disks are left alone
 *     close to size_max     one segment and a half
 * where close means that fewer than an eighth of all segments (at least two) are left to begin for new mail; then each
 * segment counts as a whole one, because size_max counts them. So mail is
 * refused for size_max only when what lives, that much garbage and the two segments in reserve fill it; until then it
 * waits.
 *
 * How fast. With new records arriving, an octet of them pays for as many of copies as keep the room what it is,
 * v / (s - v) for a segment of size s with v to copy, and for more the less room is left; with none left, or
 * nothing arriving, copies are written one batch after the other. So what arrives keeps its share of the disk.
 *
 * Reserve. The last segment below size_max is left to the copies (spool_room.c): one whole segment is always enough for
 * what lives in another.
 *
 * Damage. What cannot be read is not moved. When all else has left the segment, it waits for a week, unless room is
 * wanted and others give little, in case it was the way to the disk. Then the file is renamed to *.damaged, where it
 * stays for the operator, and leaves the log: the next start does not know of those messages. A read that fails is
 * repeated before it counts as damage.
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
	BROKEN_PATIENCE_H = 24 * 7,
	KEPT_S = 3600,
	CHUNK = 256u << 10, /* octets of copies in a batch, where there is no hurry */
	READ_DISCOUNT = 8,  /* octets that are read for one that is copied */
	OUTSTANDING_MAX = 2,
	AT_REST_SEGMENTS = 2,
	CLOSE_SEGMENTS_MIN = 2,
	WAITING_MAX = 8,
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

/* ---- is it worth while ---- */

static int64_t segments_close(const struct spool *spool)
{
	unsigned close = spool_segments_max(spool) / 8;
	return close < CLOSE_SEGMENTS_MIN ? CLOSE_SEGMENTS_MIN : (int64_t)close;
}

/* Done records that go with it. */
static uint64_t dones(const struct spool_segment *segment)
{
	return spool_dones_move(segment) ? segment->done_octets : 0;
}

/* Octets that must be copied before it can leave the log. */
static uint64_t weight(const struct spool_segment *segment)
{
	return segment->live_octets + dones(segment);
}

static void log_add_up(struct spool *spool)
{
	if (!spool->log_changed)
		return;
	spool->log_changed = false;
	spool->log_octets = spool->log_lean = 0;
	spool->log_places = spool->log_broken = 0;
	for (unsigned i = 0; i < spool->log_count; i++) {
		const struct spool_segment *segment = spool->log[i];
		/* What nothing can be done about is no garbage. */
		if (segment == spool->active || (segment->live == 0 && segment->pins && !spool_dones_move(segment)))
			continue;
		spool->log_broken += segment->broken_ns != 0;
		spool->log_octets += segment->size;
		spool->log_places++;
		spool->log_lean += segment->lean + dones(segment);
	}
}

/* `places`: as if each segment were whole, because size_max counts them. */
static uint64_t garbage(struct spool *spool, bool places)
{
	log_add_up(spool);
	uint64_t used = spool->live_octets - spool->active->live_octets + spool->log_lean;
	uint64_t all = places ? (uint64_t)spool->log_places * spool->settings.segment_size : spool->log_octets;
	return used < all ? all - used : 0;
}

static bool fits(const struct spool_room *room, const struct spool_segment *victim)
{
	return spool_room_holds(room, weight(victim), victim->live);
}

/* Since when it has what cannot be read is too long ago to hope for better times. */
static bool broken_for_good(const struct spool_segment *segment)
{
	return clock_monotonic_ns() - segment->broken_ns > BROKEN_PATIENCE_H * UINT64_C(3600) * CLOCK_NS_PER_S;
}

static bool eligible(const struct spool *spool, const struct spool_segment *segment)
{
	if (segment == spool->active || (segment->live ? segment->stuck : !spool_pin_helps(spool, segment)))
		return false;
	/* Not durable yet: the log has rolled over within a few batches. */
	return spool->batch_count == 0 || spool->batches[spool->batch_head].segment->sequence > segment->sequence;
}

/*
 * The one that is being compacted, or the one with the least to copy. One that cannot be read to its end is only given
 * up when it is time, or where room is wanted and others give little.
 */
static struct spool_segment *victim_choose(struct spool *spool, const struct spool_room *room)
{
	struct spool_segment *best = spool->compact.victim ? spool_segment_find(spool, spool->compact.victim) : NULL;
	struct spool_segment *broken = NULL;

	if (best && eligible(spool, best) && !best->broken_ns) {
		/* An item that is half moved is moved; its first half counts in both places until then. */
		if (spool_move_open(spool) || fits(room, best))
			return best;
		if (spool->compact.move_count > 0)
			return NULL; /* there is more room, or less to copy, when those are durable */
	}
	const struct spool_segment *waiting[WAITING_MAX];
	unsigned waiting_count = spool_pin_waiting(spool, waiting, WAITING_MAX);
	best = NULL;
	for (unsigned i = 0; i < spool->log_count; i++) {
		struct spool_segment *segment = spool->log[i];
		if (!eligible(spool, segment))
			continue;
		if (segment->broken_ns) {
			if (broken_for_good(segment))
				return segment;
			if (!broken || weight(segment) < weight(broken))
				broken = segment;
			continue;
		}
		if (!fits(room, segment))
			continue;
		if (spool_pin_blocks(segment, waiting, waiting_count))
			return segment;
		if (!best || weight(segment) < weight(best))
			best = segment;
	}
	/* Copies do not fill a segment to its end either. */
	uint64_t size = spool->settings.segment_size;
	if (best && weight(best) + best->lean + size / 32 >= size)
		best = NULL;
	bool short_of = spool_room_left(spool) <= 0 || room->last;
	return broken && short_of && (!best || weight(best) > size / 2) ? broken : best;
}

/* There is enough to gain. Asked in every turn: nothing is looked through for it. */
static bool worth_while(struct spool *spool)
{
	uint64_t size = spool->settings.segment_size;

	if (spool_room_left(spool) < segments_close(spool) && garbage(spool, true) >= size + size / 2)
		return true;
	return garbage(spool, false) > AT_REST_SEGMENTS * size + spool->live_octets / 4;
}

/* The segment that is worth compacting now, or NULL. */
static struct spool_segment *wanted(struct spool *spool)
{
	if (spool->log_count < 2 || !spool->active || spool->saved || spool->compact.resting)
		return NULL;
	bool worth = worth_while(spool), disk = spool->prepare_error < 0;
	if (!worth && spool->log_broken == 0 && !(disk && spool_segment_last(spool)))
		return NULL;
	struct spool_room room;
	spool_room_get(spool, &room);
	struct spool_segment *victim = victim_choose(spool, &room);
	if (!victim || victim->broken_ns)
		return victim;
	if (room.last && room.disk)
		return spool_segment_serves(victim) ? victim : NULL; /* else no segment is gained */
	return worth ? victim : NULL;
}

/* How many octets may be copied now. */
static uint64_t budget(struct spool *spool, const struct spool_segment *victim)
{
	struct spool_compact *c = &spool->compact;
	uint64_t fresh = spool->appended - c->seen;
	int64_t left = spool_room_left(spool), close = segments_close(spool);

	c->seen = spool->appended;
	if (spool->copies >= OUTSTANDING_MAX)
		return 0;
	if (left <= 0)
		return SPOOL_SLAB;
	if (fresh == 0 && spool->in_flight == 0)
		return CHUNK;
	uint64_t gain = victim->size > weight(victim) ? victim->size - weight(victim) : 0;
	if (gain < victim->size / 16)
		gain = victim->size / 16;
	uint64_t urgency = left < close ? (uint64_t)(1 + close - left) : 1;
	c->credit += fresh * urgency * (weight(victim) + victim->size / READ_DISCOUNT) / gain;
	if (c->credit > 4 * SPOOL_SLAB)
		c->credit = 4 * SPOOL_SLAB;
	return c->credit < CHUNK ? 0 : c->credit < SPOOL_SLAB ? c->credit : SPOOL_SLAB;
}

/* ---- one segment ---- */

/* Another is begun with, and in this one from the beginning. */
static void victim_leave(struct spool *spool)
{
	struct spool_compact *c = &spool->compact;
	free(c->left);
	c->left = NULL;
	c->left_count = c->left_at = 0;
	c->victim = 0;
}

void spool_compact_failed(struct spool *spool)
{
	spool_moves_finish(spool);
	spool_moves_undo(spool);
	victim_leave(spool);
	spool_compact_pause(spool, PAUSE_MS);
}

/* Its done records stay where they are, for the time being. */
static void victim_keep(struct spool *spool, struct spool_segment *victim)
{
	struct spool_compact *c = &spool->compact;

	victim->kept_ns = clock_monotonic_ns() + KEPT_S * CLOCK_NS_PER_S;
	if (c->kept_ns == 0 || victim->kept_ns < c->kept_ns)
		c->kept_ns = victim->kept_ns;
	spool->log_changed = true;
}

static void look_again(struct spool *spool)
{
	struct spool_compact *c = &spool->compact;
	uint64_t now_ns;

	if (c->kept_ns == 0 || (now_ns = clock_monotonic_ns()) < c->kept_ns)
		return;
	c->kept_ns = 0;
	for (unsigned i = 0; i < spool->log_count; i++) {
		struct spool_segment *segment = spool->log[i];
		if (segment->kept_ns > now_ns && (c->kept_ns == 0 || segment->kept_ns < c->kept_ns))
			c->kept_ns = segment->kept_ns;
		if (segment->kept_ns == 0 || segment->kept_ns > now_ns)
			continue;
		segment->kept_ns = 0;
		/* Not all that was passed over was looked at. */
		if (segment->sequence == c->victim)
			victim_leave(spool);
	}
	spool->log_changed = true;
}

/* It is copied if something that it ends is still on the disk. 0, or not now. */
static int copy_done(struct spool *spool, struct spool_segment *victim, const struct spool_item *item,
		     const struct spool_record_header *header, const uint8_t *record)
{
	uint32_t ends[SPOOL_ENDS_MAX];
	const uint8_t *payload = record + SPOOL_RECORD_HEADER;
	bool needed = false;

	if (!spool_dones_move(victim) || !spool_record_payload_ok(record, header, victim->seed, spool->compact.walk_at))
		return 0;
	int count = spool_ends_decode(payload, header->envelope_length, ends);
	for (int i = 0; i < count; i++)
		needed |= ends[i] && ends[i] != victim->sequence && spool_pin_find(spool, ends[i]);
	if (!needed)
		return 0;
	/* The message has come back from another spool since: a copy would end that. */
	if (item) {
		victim_keep(spool, victim);
		return 0;
	}
	struct spool_append append = {
		.type = SPOOL_DONE,
		.id = header->id,
		.wall_ns = header->wall_ns,
		.envelope = payload,
		.envelope_length = header->envelope_length,
	};
	struct spool_ref ref;
	int result = spool_append(spool, &append, SPOOL_NEED_COPY, &ref, NULL);
	if (result == 0)
		spool->compact.done_batch = spool_batch_newest(spool);
	return result;
}

/* One record of the segment. 1: there is no other. */
static int walk_step(struct spool *spool, struct spool_segment *victim)
{
	struct spool_compact *c = &spool->compact;
	struct spool_record_header header;
	const uint8_t *record;
	int result = spool_walk_next(spool, victim, &header, &record);
	if (result != 0)
		return result;

	struct spool_ref ref = {victim->sequence, c->walk_at, header.length};
	struct spool_item *item = spool_find(spool, &header.id);
	if (header.type == SPOOL_DONE)
		result = victim->pins ? copy_done(spool, victim, item, &header, record) : 0;
	else if (item)
		result = spool_move_found(spool, item, victim, &ref, &header, record);
	if (result == 0)
		c->walk_at += spool_align(header.length, SPOOL_RECORD_ALIGN);
	return result;
}

/* ---- what reading did not find ---- */

struct search {
	struct spool *spool;
	uint32_t segment;
	struct spool_id *ids; /* NULL: only counted */
	size_t count;
};

static bool lives_in(const struct spool_item *item, uint32_t segment)
{
	bool lives = item->message.segment == segment || item->state.segment == segment;
	for (unsigned i = 0; !lives && i < item->part_count; i++)
		lives = item->parts[i].segment == segment;
	return lives;
}

static void search_item(void *context, struct spool_item *item)
{
	struct search *search = context;
	spool_moved_resolve(search->spool, &item->state, true);
	if (!lives_in(item, search->segment))
		return;
	if (search->ids)
		search->ids[search->count] = item->id;
	search->count++;
}

/* 0 or -EAGAIN. */
static int left_search(struct spool *spool, struct spool_segment *victim)
{
	struct spool_compact *c = &spool->compact;
	struct search search = {.spool = spool, .segment = victim->sequence};

	spool_items(spool, search_item, &search);
	if (search.count == 0) {
		victim->stuck = true; /* nobody's */
		return 0;
	}
	c->left = search.ids = malloc(search.count * sizeof *search.ids);
	if (!c->left)
		return -EAGAIN;
	c->left_count = search.count;
	c->left_at = search.count = 0;
	spool_items(spool, search_item, &search);
	return 0;
}

/* Opens the next move. 1: there is none. */
static int left_step(struct spool *spool, struct spool_segment *victim)
{
	struct spool_compact *c = &spool->compact;

	while (c->left_at < c->left_count) {
		struct spool_item *item = spool_find(spool, &c->left[c->left_at]);
		if (item && lives_in(item, victim->sequence)) {
			int result = spool_move_begin(spool, item);
			c->left_at += result == 0;
			return result;
		}
		c->left_at++;
	}
	return 1;
}

static void ref_forget(struct spool *spool, struct spool_ref *ref, uint32_t segment)
{
	if (ref->segment != segment)
		return;
	spool_live_drop(spool, ref, 0);
	ref->segment = 0;
}

static void forget_item(void *context, struct spool_item *item)
{
	struct search *search = context;

	spool_moved_resolve(search->spool, &item->state, true);
	search->count += lives_in(item, search->segment);
	for (unsigned i = 0; i < item->part_count; i++)
		ref_forget(search->spool, &item->parts[i], search->segment);
	ref_forget(search->spool, &item->message, search->segment);
	ref_forget(search->spool, &item->state, search->segment);
}

/* All that could be moved has left the segment; what it holds besides is for the operator. */
static void set_aside(struct spool *spool, struct spool_segment *segment)
{
	struct spool_compact *c = &spool->compact;
	struct search search = {.spool = spool, .segment = segment->sequence};
	char name[SEGMENT_NAME_SIZE];

	if (!segment->damaged) {
		if (segment_set_aside(spool->store, segment->slot, SEGMENT_LOG, SEGMENT_DAMAGED) < 0) {
			spool_compact_pause(spool, READ_PAUSE_MS);
			return;
		}
		segment->damaged = true;
		(void)segment_store_sync_now(spool->store);
	}
	spool_items(spool, forget_item, &search);
	unsigned messages = (unsigned)search.count + segment->broken_states;
	segment->broken_states = 0;
	segment->broken_ns = 0;
	spool->log_changed = true;
	spool_name(name, segment);
	if (c->on_damage)
		c->on_damage(c->context, name, messages);
}

/* ---- the step ---- */

/* Every copy is durable. */
static void victim_done(struct spool *spool, struct spool_segment *victim)
{
	if (victim->live > 0 && !victim->stuck)
		victim->broken_ns = clock_monotonic_ns();
	spool->log_changed = true;
	victim_leave(spool);
}

/* 1: all of it is on its way. */
static int victim_step(struct spool *spool, struct spool_segment *victim)
{
	struct spool_compact *c = &spool->compact;
	struct spool_move *open = spool_move_open(spool);
	int result;

	if (open) {
		result = spool_move_step(spool, open, victim, c->phase != SPOOL_PHASE_WALK);
		return result == 1 || result == -EBADMSG ? 0 : result; /* what cannot be read stays */
	}
	switch (c->phase) {
	case SPOOL_PHASE_WALK:
		result = walk_step(spool, victim);
		if (result == 1)
			c->phase = SPOOL_PHASE_FOUND;
		return result;
	case SPOOL_PHASE_FOUND:
		if (c->move_count > 0 || c->done_batch > spool->durable_batch)
			return 1;
		if (c->walk_blind && victim->pins)
			victim_keep(spool, victim); /* there may be others */
		if (victim->pins == 0 || spool_dones_move(victim))
			spool_unpin(spool, victim);
		result = victim->live > 0 ? left_search(spool, victim) : 0;
		if (result == 0)
			c->phase = SPOOL_PHASE_LEFT;
		return result;
	default:
		return left_step(spool, victim);
	}
}

/* Copies until the budget is spent, or something has to be waited for. */
static void copy_many(struct spool *spool, struct spool_segment *victim, uint64_t octets)
{
	struct spool_compact *c = &spool->compact;
	uint64_t copied = spool->stats.octets_copied, walked = c->walk_octets, spent = 0;

	/* The segment behind is still being prepared: a batch of others would be cut short for nothing. */
	if (!spool->spare && spool->preparing && spool->active->end + SPOOL_SLAB > spool->active->size)
		return;

	while (spent < octets) {
		int result = victim_step(spool, victim);
		spent = spool->stats.octets_copied - copied + (c->walk_octets - walked) / READ_DISCOUNT;
		c->starved = result == -ENOSPC;
		if (c->starved)
			spool_compact_pause(spool, PAUSE_MS);
		if (result != 0 || spool->stopping)
			break;
	}
	c->credit -= spent < c->credit ? spent : c->credit;
	/* While the next piece is read the batch waits for what that has: half-filled blocks are garbage again. */
	if (spool->open && spool->open->copies && !spool_compact_loading(spool)) {
		spool_seal(spool);
		spool->slab_current = spool->settings.slabs;
	}
}

static void memory_free(struct spool *spool)
{
	struct spool_compact *c = &spool->compact;
	if (c->move_count || spool_compact_loading(spool) || !c->ahead.memory)
		return;
	spool_walk_free(spool);
	spool_moves_free(spool);
}

/* One that is over is forgotten, so that the clock is not asked for it again. */
static bool pauses(struct spool_compact *c)
{
	if (c->retry_ns && clock_monotonic_ns() >= c->retry_ns)
		c->retry_ns = 0;
	return c->retry_ns != 0;
}

void spool_compact_step(struct spool *spool)
{
	struct spool_compact *c = &spool->compact;
	bool pause = pauses(c);

	look_again(spool);
	if (c->move_count > 0)
		spool_moves_finish(spool);
	if (spool->failed || spool->stopping || spool->cut || spool_compact_loading(spool))
		return;
	struct spool_segment *victim = wanted(spool);
	if (!victim) {
		c->seen = spool->appended;
		memory_free(spool);
		return;
	}
	if (pause)
		return;
	if (victim->broken_ns) {
		set_aside(spool, victim);
		return;
	}
	if (c->victim != victim->sequence) {
		victim_leave(spool);
		c->victim = victim->sequence;
		c->phase = SPOOL_PHASE_WALK;
		c->walk_at = SPOOL_BLOCK;
		c->walk_blind = false;
		c->done_batch = 0;
	}
	c->brimful &= c->move_count > SPOOL_MOVES / 2;
	uint64_t octets = c->brimful ? 0 : budget(spool, victim);
	if (octets > 0)
		copy_many(spool, victim, octets);
	if (!spool->stopping && !spool_compact_loading(spool) && c->victim && c->phase == SPOOL_PHASE_LEFT &&
	    c->left_at == c->left_count && c->move_count == 0)
		victim_done(spool, victim);
}

bool spool_compact_gains(struct spool *spool)
{
	/* Dead, but for a read that is under way, or a commit. */
	if (spool->copies > 0 || spool->leaving)
		return true;
	return wanted(spool) && !spool->compact.starved;
}

uint64_t spool_wake_ns(const struct spool *spool)
{
	uint64_t retry_ns = spool->compact.retry_ns, kept_ns = spool->compact.kept_ns;

	if (retry_ns && kept_ns)
		return retry_ns < kept_ns ? retry_ns : kept_ns;
	return retry_ns ? retry_ns : kept_ns ? kept_ns : UINT64_MAX;
}

void spool_compact_free(struct spool *spool)
{
	free(spool->compact.left);
	spool_walk_free(spool);
	spool_moves_free(spool);
}
