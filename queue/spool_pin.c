/*
 * queue/spool_pin.c - which segments must stay because of others.
 *
 * Segments leave the log in any order, but a done record may not be gone while a record of the message that it ends is
 * still on the disk, even in a segment that has left the log and waits to be used again: the next start would deliver
 * the message once more. So a done record says in its payload in which segments the message it ends has records: where
 * it lies, where compaction has just copied it, and where it was moved from.
 *
 *     M  a segment with message records      M->enders: D, ...    D->pins: how many M
 *     D  one with done records that end some of them
 *
 * A pin goes from a segment to a later one, so the oldest file is never pinned, and there is no circle. It ends when
 * M's records are gone for good: its file has a new header, or was unlinked, or a durable header disowns it (`oldest`).
 *
 * An item knows where its message is. Where it was before, as long as that is on the disk, the spool's trail knows.
 *
 * stale_since. Where memory for any of that is wanting, every done record from then on may end something in there: all
 * segments with done records from stale_since on are pinned.
 *
 * Cuts. The first segment of a run says what does not count of those before. It must not be gone before they are, or
 * have nothing behind their ends.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "queue/spool_private.h"

enum { CROWD = 4, OWN_PLACES = 2 };

/* What is on the disk. */
static uint32_t held(const struct spool_segment *segment)
{
	return segment->was ? segment->was : segment->sequence;
}

struct spool_segment *spool_pin_find(const struct spool *spool, uint32_t sequence)
{
	struct spool_segment *segment = spool_segment_find(spool, sequence);
	if (segment)
		return segment;
	if (sequence < spool->oldest_durable)
		return NULL;
	for (unsigned i = 0; i < spool->free_count; i++)
		if (held(spool->free[i]) == sequence)
			return spool->free[i];
	if (spool->preparing && held(spool->preparing) == sequence)
		return spool->preparing;
	return NULL;
}

/* Every done record from `since` on may end something in it. */
static void pin_since(struct spool *spool, uint32_t sequence, uint32_t since)
{
	struct spool_segment *segment = spool_pin_find(spool, sequence);
	if (!segment || (segment->stale_since && segment->stale_since <= since))
		return;
	assert(held(segment) < since);
	segment->stale_since = since;
	if (spool->stale_least == 0 || since < spool->stale_least)
		spool->stale_least = since;
	spool->log_changed = true;
}

void spool_pin(struct spool *spool, uint32_t sequence, uint32_t ender)
{
	struct spool_segment *segment = sequence && sequence < ender ? spool_pin_find(spool, sequence) : NULL;
	if (!segment || (segment->ender_count && segment->enders[segment->ender_count - 1] == ender))
		return;
	struct spool_segment *pinned = spool_segment_find(spool, ender);
	assert(pinned);
	if (segment->ender_count == segment->ender_capacity) {
		unsigned capacity = segment->ender_capacity * 2 + 4;
		uint32_t *grown = realloc(segment->enders, capacity * sizeof *grown);
		if (!grown) {
			pin_since(spool, sequence, ender);
			return;
		}
		segment->enders = grown;
		segment->ender_capacity = capacity;
	}
	assert(segment->ender_count == 0 || segment->enders[segment->ender_count - 1] < ender);
	segment->enders[segment->ender_count++] = ender;
	pinned->pins++;
	spool->log_changed = true;
}

void spool_pin_behind(struct spool *spool, const struct spool_id *id, uint32_t sequence)
{
	if (!spool_pin_find(spool, sequence))
		return;
	/* So many cannot be named. */
	bool many = spool_trail_get(&spool->trail, id, NULL, 0) + OWN_PLACES >= SPOOL_ENDS_MAX;
	if (many || spool_trail_add(&spool->trail, id, sequence) < 0)
		pin_since(spool, sequence, sequence + 1);
}

unsigned spool_pin_ends(struct spool *spool, const struct spool_item *item, uint32_t copy,
			uint32_t ends[SPOOL_ENDS_MAX])
{
	ends[0] = item->message.segment;
	ends[1] = copy;
	if (!item->trailed)
		return OWN_PLACES;
	unsigned more = spool_trail_get(&spool->trail, &item->id, ends + OWN_PLACES, SPOOL_ENDS_MAX - OWN_PLACES);
	assert(more + OWN_PLACES <= SPOOL_ENDS_MAX);
	return more + OWN_PLACES;
}

static void ender_drop(struct spool_segment *segment, uint32_t ender)
{
	unsigned i = 0;
	while (i < segment->ender_count && segment->enders[i] < ender)
		i++;
	if (i == segment->ender_count || segment->enders[i] != ender)
		return;
	segment->ender_count--;
	memmove(segment->enders + i, segment->enders + i + 1, (segment->ender_count - i) * sizeof *segment->enders);
}

void spool_unpin(struct spool *spool, struct spool_segment *segment)
{
	for (unsigned i = 0; i < spool->log_count; i++)
		ender_drop(spool->log[i], segment->sequence);
	for (unsigned i = 0; i < spool->free_count; i++)
		ender_drop(spool->free[i], segment->sequence);
	if (spool->preparing)
		ender_drop(spool->preparing, segment->sequence);
	segment->pins = 0;
	spool->ripe = spool->log_changed = true;
}

static void stale_least_take(struct spool *spool, const struct spool_segment *segment)
{
	if (segment && segment->stale_since && (!spool->stale_least || segment->stale_since < spool->stale_least))
		spool->stale_least = segment->stale_since;
}

static void stale_least_find(struct spool *spool)
{
	spool->stale_least = 0;
	for (unsigned i = 0; i < spool->log_count; i++)
		stale_least_take(spool, spool->log[i]);
	for (unsigned i = 0; i < spool->free_count; i++)
		stale_least_take(spool, spool->free[i]);
	stale_least_take(spool, spool->preparing);
}

void spool_pin_release(struct spool *spool, struct spool_segment *segment)
{
	for (unsigned i = 0; i < segment->ender_count; i++) {
		struct spool_segment *ender = spool_pin_find(spool, segment->enders[i]);
		if (!ender)
			continue;
		assert(ender->pins > 0);
		ender->pins--;
	}
	segment->ender_count = 0;
	spool_trail_forget(&spool->trail, held(segment));
	if (segment->stale_since) {
		segment->stale_since = 0;
		stale_least_find(spool);
	}
	spool->ripe = spool->log_changed = true;
}

/* Whoever has stale_since is older than that. */
static bool pinned_stale(const struct spool *spool, const struct spool_segment *segment)
{
	return spool->stale_least && segment->done_octets && spool->stale_least <= held(segment);
}

static bool cut_pins(const struct spool_segment *segment, const struct spool_segment *pinned)
{
	return segment && segment != pinned && held(segment) >= pinned->cut_from && held(segment) < held(pinned) &&
	       (segment->size > segment->end || segment->was);
}

static bool pinned_cut(const struct spool *spool, const struct spool_segment *segment)
{
	if (segment->cut_from == 0)
		return false;
	for (unsigned i = 0; i < spool->log_count; i++)
		if (cut_pins(spool->log[i], segment))
			return true;
	for (unsigned i = 0; i < spool->free_count; i++)
		if (cut_pins(spool->free[i], segment))
			return true;
	return cut_pins(spool->preparing, segment);
}

bool spool_pinned(const struct spool *spool, const struct spool_segment *segment)
{
	return segment->pins > 0 || pinned_stale(spool, segment) || pinned_cut(spool, segment);
}

unsigned spool_pin_waiting(const struct spool *spool, const struct spool_segment **out, unsigned max)
{
	unsigned count = 0;
	for (unsigned i = 0; i < spool->log_count && count < max; i++) {
		const struct spool_segment *segment = spool->log[i];
		if (segment->live == 0 && segment != spool->active &&
		    (pinned_stale(spool, segment) || pinned_cut(spool, segment)))
			out[count++] = segment;
	}
	return count;
}

bool spool_pin_blocks(const struct spool_segment *segment, const struct spool_segment *const *waiting, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		const struct spool_segment *dead = waiting[i];
		bool stale = segment->stale_since && dead->done_octets && segment->stale_since <= held(dead);
		if (stale || (dead->cut_from && cut_pins(segment, dead)))
			return true;
	}
	return false;
}

bool spool_pin_helps(const struct spool *spool, const struct spool_segment *segment)
{
	return spool_dones_move(segment) && !pinned_stale(spool, segment) && !pinned_cut(spool, segment);
}

static bool pins_it(const struct spool_segment *segment, uint32_t ender)
{
	for (unsigned i = 0; i < segment->ender_count; i++)
		if (segment->enders[i] == ender)
			return true;
	return false;
}

bool spool_pin_crowd(const struct spool *spool)
{
	unsigned crowd = 0;

	for (unsigned i = 0; i < spool->log_count && crowd <= CROWD; i++) {
		const struct spool_segment *segment = spool->log[i];
		if (segment->live || segment == spool->active || !spool_pinned(spool, segment))
			continue;
		unsigned pins = 0;
		for (unsigned k = 0; k < spool->free_count; k++)
			pins += pins_it(spool->free[k], segment->sequence);
		crowd += pins == segment->pins;
	}
	return crowd > CROWD;
}
