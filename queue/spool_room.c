/*
 * queue/spool_room.c - what size_max and the disk leave room for, and who may have the last of it.
 *
 * Room is only made by writing: done records, and compaction's copies. So what can still be had is kept for them, in
 * the order of enum spool_need. README.md ("No room") says why each has what it has.
 *
 * Places are counted, not octets: size_max allows so many segments of the usual size.
 */
#include <errno.h>

#include "queue/spool_private.h"

unsigned spool_segments_max(const struct spool *spool)
{
	uint64_t max = spool->settings.size_max / spool->settings.segment_size;
	return max < SPOOL_FREE_MAX ? SPOOL_FREE_MAX : max > 1u << 20 ? 1u << 20 : (unsigned)max;
}

static unsigned segments_total(const struct spool *spool)
{
	unsigned total = spool->log_count + (spool->spare != NULL) + (spool->preparing != NULL);
	for (unsigned i = 0; i < spool->free_count; i++)
		total += !spool->free[i]->gone && !spool->free[i]->damaged;
	return total;
}

bool spool_size_max_reached(const struct spool *spool)
{
	return segments_total(spool) >= spool_segments_max(spool);
}

bool spool_no_room(int error)
{
	return error == -ENOSPC || error == -EDQUOT;
}

bool spool_disk_full(const struct spool *spool)
{
	return spool_no_room(spool->prepare_error) || spool->prepare_error == -EROFS;
}

int spool_segment_error(const struct spool *spool)
{
	return spool->prepare_error;
}

bool spool_segment_serves(const struct spool_segment *segment)
{
	return !segment->discard && !segment->damaged && !segment->gone && segment->size >= SPOOL_FIRST_MIN;
}

bool spool_free_has(const struct spool *spool)
{
	for (unsigned i = 0; i < spool->free_count; i++)
		if (spool_segment_serves(spool->free[i]))
			return true;
	return false;
}

bool spool_segments_end(const struct spool *spool)
{
	if (spool_free_has(spool))
		return false;
	return spool->prepare_error < 0 || (!spool->preparing && spool_size_max_reached(spool));
}

bool spool_segment_last(const struct spool *spool)
{
	if (!spool->active)
		return spool_disk_full(spool);
	return !spool->spare && spool_segments_end(spool);
}

/* ---- who may have the last of it ---- */

enum share {
	NOTHING,
	HALF, /* the first half of a segment of the usual size */
	MOST, /* on a full disk three quarters of one, else all */
	ALL,
};

enum { ALWAYS = -1 };

static const struct {
	enum share last; /* of the last segment that can be had, behind its end */
	int kept;        /* places below size_max that it may not begin */
	int relieved;    /* that it may begin above, while reports found no room */
	bool instead;    /* also in the place of one that is far from whole, or of what the log had more at the start */
	bool insists;    /* at size_max a segment is made for it all the same */
} rules[] = {
	[SPOOL_NEED_MESSAGE] = {.last = NOTHING, .kept = 2},
	[SPOOL_NEED_STATE] = {.last = HALF, .kept = 1},
	[SPOOL_NEED_REPORT] = {.last = MOST, .kept = 1, .relieved = 1, .insists = true},
	[SPOOL_NEED_COPY] = {.last = ALL, .kept = 0, .relieved = 2, .instead = true, .insists = true},
	[SPOOL_NEED_DONE] = {.last = ALL, .kept = ALWAYS, .insists = true},
};

void spool_room_get(const struct spool *spool, struct spool_room *room)
{
	const struct spool_segment *active = spool->active;
	*room = (struct spool_room){
		.log = spool->log_count,
		.max = spool_segments_max(spool),
		.least = spool->log_least,
		.last = spool_segment_last(spool),
		.disk = spool->prepare_error < 0,
		.relieved = spool->relieved && spool->log_count + 1 >= spool_segments_max(spool),
		.size = active ? active->size : 0,
		.end = active ? active->end : 0,
		.usual = spool->settings.segment_size,
	};
	for (unsigned i = 0; room->log >= room->max && i < spool->log_count; i++) {
		const struct spool_segment *segment = spool->log[i];
		uint32_t size = segment == active ? segment->size : segment->end;
		room->partial += size + SPOOL_SLAB < room->usual;
	}
}

static unsigned places(const struct spool_room *room, enum spool_need need)
{
	bool above = room->relieved && rules[need].relieved > 0;

	if (!rules[need].instead && !above)
		return room->max - (unsigned)rules[need].kept;
	unsigned most = room->max + room->partial;
	if (most <= room->least)
		most = room->least + 1;
	return most + (above ? (unsigned)rules[need].relieved : 0);
}

void spool_room_relieve(struct spool *spool)
{
	struct spool_room room;

	spool_room_get(spool, &room);
	spool->relieved = !spool_room_fills(&room, SPOOL_NEED_STATE) || !spool_room_begins(&room, SPOOL_NEED_STATE);
}

bool spool_room_fills(const struct spool_room *room, enum spool_need need)
{
	if (!room->last || rules[need].last == ALL)
		return true;
	if (rules[need].last == MOST && !room->disk)
		return true;
	uint32_t quarters = rules[need].last == MOST ? 3 : rules[need].last == HALF ? 2 : 0;
	return room->size == room->usual && room->end < room->size / 4 * quarters;
}

bool spool_room_begins(const struct spool_room *room, enum spool_need need)
{
	return rules[need].kept == ALWAYS || room->log < places(room, need);
}

bool spool_room_insists(enum spool_need need)
{
	return rules[need].insists;
}

int64_t spool_room_left(const struct spool *spool)
{
	return (int64_t)spool_segments_max(spool) - rules[SPOOL_NEED_MESSAGE].kept - (int64_t)spool->log_count;
}

bool spool_room_holds(const struct spool_room *room, uint64_t octets, uint32_t records)
{
	uint64_t rest = room->size - room->end;

	if (room->disk ? !room->last : spool_room_begins(room, SPOOL_NEED_COPY))
		return true;
	if (!room->disk)
		return octets + octets / 64 + SPOOL_BLOCK <= rest;
	/* Whole slabs only. The rest of the current one is left out. */
	return octets + (uint64_t)records * SPOOL_BLOCK <= rest / SPOOL_SLAB * SPOOL_SLAB / 2;
}
