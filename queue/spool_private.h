/*
 * queue/spool_private.h - what the spool's files share; the contract is spool.h, the octets are spool_format.h.
 *
 *     spool.c          settings, memory, idle, close, stats, import
 *     spool_log.c      tables of segments
 *     spool_segment.c  segments: names, handles, reuse, reclaim
 *     spool_room.c     who may begin which of the last segments
 *     spool_prepare.c  the next segment, ahead of need, with its header
 *     segment_files.c  what keeps the segments; behind segment_store.h, so that something else can stand there
 *     spool_pin.c      which segments must stay because of others
 *     spool_trail.c    where messages were before they were moved
 *     spool_append.c   slabs, batches, records, live accounting
 *     spool_life.c     what becomes of a message: its records, and its item
 *     spool_commit.c   writing batches, acknowledging
 *     spool_fail.c     a batch that could not be written
 *     spool_turn.c     what is done once in each turn
 *     spool_recover.c  reading the log back (with spool_table.c)
 *     spool_view.c     content from slab or disk
 *     spool_item.c     the items that are known, by id
 *     spool_compact.c  which segment is compacted, when, how fast; damage
 *     spool_walk.c     reading it, and finding what lives in it
 *     spool_move.c     items on their way to the tail
 *
 * Life of a batch
 *
 *     (none) --first append--> OPEN --slab full, or flush--> SEALED --a write is free--> WRITING --+--> DONE --> (none)
 *                                                                                              |
 *                                                                                              +--> FAILED
 *   DONE batches leave in order, from the oldest: that is the acknowledgement. With one FAILED nothing more is
 *   accepted or written; when nothing is in flight any more the intact prefix is acknowledged and the rest fails
 *   as a whole (spool_fail.c).
 *
 * Invariants
 *   1. Batches in the ring are in log order; so are their segments and offsets, without gaps inside a segment.
 *   2. A slab holds one contiguous piece of one segment, batch behind batch. Only the current slab grows. Copies that
 *      compaction makes have batches and slabs of their own, which are forgotten once they are written.
 *   3. segment->live counts the records in it that an item or an unfinished message still refers to.
 *   4. A segment leaves the log with nothing live, no batch or read outstanding, every record that ended something in
 *      it durable, and nothing on the disk that its own done records end; or when it is the oldest. So a record that
 *      ends a message outlives every copy of it (spool_pin.c).
 *   5. Every item that is not ended or dropped is found by its id. So whom a record in a segment belongs to is found
 *      without a search, and what lives in a segment by reading it.
 */
#ifndef POSTRIDER_QUEUE_SPOOL_PRIVATE_H
#define POSTRIDER_QUEUE_SPOOL_PRIVATE_H

#include <assert.h>

#include "queue/segment_store.h"
#include "queue/spool.h"
#include "queue/spool_format.h"
#include "queue/spool_trail.h"

enum {
	SPOOL_WRITES_MAX = 8,
	SPOOL_WINDOW = 2,                 /* batches begun and not acknowledged, in multiples of the writes */
	SPOOL_SLAB_WARM = SPOOL_SLAB / 4, /* filled so far, a slab may be left for one with nothing live */
	SPOOL_FREE_MAX = 4,               /* free segments kept for recycling */
	SPOOL_OPEN_MAX = 16,              /* handles of old segments kept open */
	SPOOL_CUT_ATTEMPTS = 3,           /* files tried for the segment after a failure */
	SPOOL_STALLS_MAX = 8,             /* short writes without a whole block before they count as an error */
	SPOOL_HOLD_MS = 2000,             /* done records wait for company when they use up the last segment */
	SPOOL_MOVES = 4096,               /* items that are being moved at a time */
	SPOOL_FIRST_MIN = 2 * SPOOL_SLAB, /* a run's first segment on a nearly full disk */
	SPOOL_REGION = 1 << 20,           /* octets of a segment of which is known whether compaction must read them */
	SPOOL_REGIONS = 64,               /* in a larger segment one stands for several */
};

/* Who wants room; the lower ones are kept out first when the spool is full. */
enum spool_need { SPOOL_NEED_MESSAGE, SPOOL_NEED_STATE, SPOOL_NEED_REPORT, SPOOL_NEED_COPY, SPOOL_NEED_DONE };

enum spool_gone { SPOOL_HERE, SPOOL_GONE, SPOOL_GONE_SYNCING };

struct spool_segment {
	uint32_t sequence;
	uint32_t slot; /* where the store has it */
	int handle;    /* -1: opened when wanted */
	bool damaged;  /* set aside in the store: kept for the operator, never recycled */
	bool discard;  /* poisoned by a write error: unlinked instead of recycled */
	bool blank;    /* at the end of the log, and nothing was found in it */
	bool speaks;   /* its file was used before: it is not removed before what that says is of no use */
	bool stuck;    /* recovery: has damage. Later: what lives in it belongs to nobody, so it is not compacted */
	uint64_t seed;
	uint64_t opened; /* for closing the handle that was opened first */
	uint32_t size;   /* octets of the file */
	uint32_t end;    /* where the next batch goes */
	uint32_t cut;    /* records from here on never count */
	uint32_t live;
	uint32_t live_in[SPOOL_REGIONS]; /* records that begin there and live; or more, after a write error */
	uint64_t done_in;                /* a bit for each region where a done record begins */
	uint64_t live_octets;
	uint64_t appended, copied; /* octets of its records; and of those that compaction wrote */
	uint64_t padding;          /* of its copies: what their batches left of whole blocks */
	uint64_t lean;             /* octets without use that copying would not gain, once it is not active any more */
	uint64_t last_batch;       /* newest batch with a record that ended something in here */
	uint64_t last_hash;        /* of the newest batch's header */
	unsigned uses;             /* batches not yet acknowledged, reads in flight */
	/* What must stay because of it, or of what it must stay (spool_pin.c). */
	uint32_t was;         /* while a header with a new sequence is written: the one that the disk may still say */
	uint32_t said;        /* `oldest` in its header */
	uint32_t stale_since; /* every done record from that segment on may end something in here; 0: none does */
	uint32_t cut_from;    /* the first of a run: where the log before it ended; 0: nowhere */
	uint32_t *enders;     /* sequences of segments with done records that end something in here, rising */
	unsigned ender_count, ender_capacity;
	unsigned pins;        /* segments that have it among their enders */
	uint64_t done_octets; /* of its done records */
	bool silent;          /* some of them do not say what they end */
	uint64_t kept_ns;     /* some of them cannot be copied, and are not looked at again before; 0: all can */
	enum spool_gone gone; /* out of the store, but perhaps not for good */
	/* Compaction. */
	uint64_t broken_ns;     /* since when what lives in it cannot be read; 0: nothing is known of that */
	unsigned broken_states; /* that were forgotten because they could not be read */
};

struct spool_slab {
	uint8_t *memory;
	struct spool_segment *segment; /* while batches are outstanding */
	uint32_t sequence;             /* of the segment; 0: holds nothing */
	uint32_t base;                 /* offset in the segment of memory[0] */
	uint32_t filled;
	uint32_t limit;   /* octets it may have: the segment may end before */
	bool copies;      /* compaction's */
	unsigned batches; /* outstanding */
	unsigned pins;
	uint32_t live; /* records in it that an item or an unfinished message refers to */
	uint64_t age;
};

enum spool_batch_state { SPOOL_OPEN, SPOOL_SEALED, SPOOL_WRITING, SPOOL_DONE_WRITING, SPOOL_FAILED };

struct spool_batch {
	enum spool_batch_state state;
	struct spool *spool;
	struct spool_segment *segment;
	unsigned slab;
	uint32_t start;  /* in the slab */
	uint32_t used;   /* octets with header */
	uint32_t length; /* with padding, once sealed */
	uint32_t written;
	unsigned stalls;
	uint32_t records, messages;
	bool copies; /* compaction's: none of them is missed if it fails */
	uint32_t live;
	uint64_t live_octets;
	uint64_t number;
	uint64_t started_ns;
	uint64_t opened_ns; /* 0: it need not wait for company */
	int error;
	struct list tickets;
	struct ring_op op;
};

/* A state record that a failure moved: its item still has the old place. */
struct spool_moved {
	struct spool_ref from, to;
};

/* A failure, once it is known where the log ends: the header of the segment behind the cut. */
enum spool_cut {
	SPOOL_CUT_NONE,
	SPOOL_CUT_WANTED,
	/* And for the next turn (spool_fail.c): */
	SPOOL_CUT_WRITTEN,
	SPOOL_CUT_FAILED,
};

enum spool_prepare {
	SPOOL_PREPARE_NONE,
	SPOOL_PREPARE_ZERO,
	SPOOL_PREPARE_SYNC,
	SPOOL_PREPARE_STORE_SYNC,
	SPOOL_PREPARE_HEADER
};

/* One item on its way to the tail (spool_move.c). */
struct spool_move {
	struct spool_item *item; /* NULL: it ended meanwhile, or changed in a way that made its copies useless */
	struct spool_ref message, state; /* copies; segment 0: none */
	struct spool_ref *parts;         /* likewise, as many as the item had when it began; owned */
	uint16_t part_count, part;       /* and the next that is looked at; 0: none of them moves */
	uint64_t batch;                  /* with the last copy; 0: not complete */
};

/* A piece of a segment in memory. */
struct spool_window {
	uint8_t *memory;
	struct spool_segment *of; /* while a read is in flight */
	struct spool *spool;
	uint32_t segment, base, length, wanted;
	struct spool_ref asked; /* what was wanted when it was read */
	bool loading;
	int error;
	unsigned errors; /* in a row */
	struct ring_op op;
};

/* What is done with the segment that is compacted. */
enum spool_phase {
	SPOOL_PHASE_WALK,  /* it is read, and what lives in it copied */
	SPOOL_PHASE_FOUND, /* all that was found is on its way */
	SPOOL_PHASE_LEFT,  /* what was not found is looked for by its items */
};

struct spool_compact {
	struct spool_move *moves; /* ring of SPOOL_MOVES; those begun first are the first to be durable */
	unsigned move_head, move_count;
	uint64_t seen, credit;
	uint32_t victim; /* sequence of the segment that is compacted; 0: none */
	enum spool_phase phase;
	uint32_t walk_at;
	uint64_t walk_octets; /* that were read */
	bool walk_blind;      /* something could not be read */
	uint64_t done_batch;  /* with the last done record that was copied */
	struct spool_window ahead, side;
	struct spool_id *left; /* items that were not found by reading; owned */
	size_t left_count, left_at;
	uint64_t retry_ns; /* nothing is copied before; 0: no pause */
	uint64_t kept_ns;  /* the first of all segments' kept_ns; 0: none has one */
	bool starved;      /* there was no room for the last copy */
	bool brimful;      /* as many moves as there may be: a few at a time would make small batches */
	bool resting;
	void (*on_damage)(void *context, const char *file, unsigned messages);
	void *context;
};

/* Linear hashing: `half` < used <= 2 * half. */
struct spool_index {
	struct spool_item **buckets;
	uint32_t used, half, capacity;
	size_t items;
	bool walking;
};

struct spool {
	struct spool_settings settings;
	struct ring *ring; /* NULL before spool_start(): everything blocks */
	struct segment_store *store;
	uint8_t *header_block;

	/* The log, oldest first; the last is the active one once `active` is set. */
	struct spool_segment **log;
	unsigned log_count, log_capacity;
	unsigned log_least; /* segments it has had since the start */
	struct spool_segment *active, *spare, *preparing;
	struct spool_segment **free; /* out of the log, oldest first: recycled, or unlinked */
	unsigned free_count, free_capacity;
	uint32_t stale_least; /* of all stale_since; 0: there is none */
	bool ripe;            /* one may leave: nothing lives in it, or what it waited for is gone (spool_reclaim) */
	bool leaving;         /* one waits for a commit, or a read, and leaves the log then */
	bool crowded;         /* many wait only for free ones to be gone */
	bool trimming;        /* the store is synced */
	uint64_t trim_retry_ns;
	struct ring_op trim_op;
	uint32_t next_sequence, next_slot, oldest_durable;
	uint64_t opens;
	enum spool_prepare prepare;
	uint32_t prepare_offset;
	bool prepare_cut; /* the header being written carries the cut */
	bool want_room;   /* a done record waits: size_max may be passed */
	bool relieved;    /* a report found no room where states may have it: spool_room.c */
	uint64_t prepare_retry_ns;
	int prepare_error;
	struct ring_op prepare_op;

	struct spool_slab *slabs;
	uint8_t *slab_memory;                           /* of all slabs */
	unsigned slab_current, slab_hint, slabs_pinned; /* slab_current == settings.slabs: none */
	uint64_t slab_age;

	struct spool_batch *batches; /* ring of batches_capacity */
	unsigned batches_capacity, batch_head, batch_count;
	unsigned in_flight;
	unsigned copies; /* sealed batches of compaction, not acknowledged */
	struct spool_batch *open;
	uint64_t next_batch, durable_batch, barrier_batch;
	uint64_t appended;             /* octets of all records but copies */
	uint64_t live_octets;          /* of all segments */
	bool begun;                    /* a durable header of this run cuts off what was not found */
	bool log_changed;              /* log_octets, log_lean must be added up anew */
	uint64_t log_octets, log_lean; /* of all segments but the active one */
	unsigned log_broken;           /* of these, such as cannot be read */
	unsigned log_places;           /* that these take of those below size_max */
	struct spool_index index;
	struct spool_trail trail;

	/* Failure. */
	bool stopping; /* a batch failed: nothing is accepted or written until it is dealt with */
	enum spool_cut cut;
	bool failed;
	unsigned failures_in_row;
	int fail_error;
	uint32_t cut_segment, cut_offset;
	struct list fail_tickets, kept_tickets;
	uint8_t *saved; /* done and state records of failed batches, each behind its spool_saved */
	size_t saved_length, saved_at;
	struct spool_moved *moved;
	unsigned moved_count;

	unsigned reads;         /* views being loaded */
	struct list views_late; /* views with an error that spool_flush() tells */
	struct spool_compact compact;
	struct spool_stats stats;
	uint64_t live;
};

/* What a record is made of. */
struct spool_append {
	enum spool_type type;
	struct spool_id id;
	uint64_t wall_ns;
	const struct spool_ref *parts;
	unsigned part_count;
	const void *envelope;
	size_t envelope_length;
	const struct iovec *content;
	unsigned content_count;
};

/* spool.c */
int spool_new(struct spool **out, const struct spool_settings *settings);
void spool_free(struct spool *spool);

/* spool_log.c */
struct spool_segment *spool_segment_new(void);
struct spool_segment *spool_segment_find(const struct spool *spool, uint32_t sequence);
/* Makes room in the tables for one more segment, so that nothing later needs memory. 0 or -ENOMEM. */
int spool_segment_reserve(struct spool *spool);
void spool_segment_free(struct spool_segment *segment);
void spool_log_append(struct spool *spool, struct spool_segment *segment);

/* Something pins it because of its done records, and copying those would end that. */
static inline bool spool_dones_move(const struct spool_segment *segment)
{
	return segment->pins > 0 && !segment->silent && segment->kept_ns == 0;
}

/* spool_segment.c */
static inline unsigned spool_region(uint32_t offset)
{
	return offset / SPOOL_REGION % SPOOL_REGIONS;
}
static inline enum segment_kind spool_kind(const struct spool_segment *segment)
{
	return segment->damaged ? SEGMENT_DAMAGED : SEGMENT_LOG;
}
void spool_name(char out[SEGMENT_NAME_SIZE], const struct spool_segment *segment);
/* The active one takes nothing more. */
void spool_segment_close(struct spool *spool);
/* A handle for reading, valid while segment->uses is above zero or until the next call. */
int spool_segment_handle(struct spool *spool, struct spool_segment *segment);
/* Closes the handle until it is wanted again. */
void spool_segment_rest(struct spool *spool, struct spool_segment *segment);
/* A file that is not in the log (any more). */
void spool_segment_retire(struct spool *spool, struct spool_segment *segment);
/* Ends the segment and its file. */
void spool_segment_remove(struct spool *spool, struct spool_segment *segment);
/* The same after an error, but a file whose header may count stays until a newer one has taken its place. */
void spool_segment_abandon(struct spool *spool, struct spool_segment *segment);
/* A free file to recycle, NULL if there is none. `any`: also one that is not disowned yet, or of another size. */
struct spool_segment *spool_segment_recycle(struct spool *spool, bool any);
void spool_reclaim(struct spool *spool);
void spool_trim_on_sync(struct ring_op *op, int result, uint32_t flags);

/* spool_room.c */
/* Behind the active segment there is no other, and none can be had: it is left to what makes room. */
bool spool_segment_last(const struct spool *spool);
/* Of use where no file of the usual size can be had. */
bool spool_segment_serves(const struct spool_segment *segment);
bool spool_free_has(const struct spool *spool);
/* No further segment can be had before one is free; after another error than ENOSPC that is not known yet. */
bool spool_segments_end(const struct spool *spool);
unsigned spool_segments_max(const struct spool *spool);
bool spool_size_max_reached(const struct spool *spool);
bool spool_no_room(int error);
/* What a decision about the last segments rests on. */
struct spool_room {
	unsigned log;       /* segments in the log */
	unsigned max;       /* that size_max allows */
	unsigned least;     /* that the log has had since the start */
	unsigned partial;   /* of the log, where that is full: far from whole, because a start or an error ended them */
	bool relieved;      /* reports and copies may pass size_max */
	bool last;          /* behind the active one there is no other, and none can be had */
	bool disk;          /* a segment could not be made */
	uint32_t size, end; /* of the active one; 0: there is none */
	uint32_t usual;     /* size of a segment */
};
void spool_room_get(const struct spool *spool, struct spool_room *room);
/* May it be written behind the end of the active segment? */
bool spool_room_fills(const struct spool_room *room, enum spool_need need);
/* A report wants room: where others have left none, there is some for it until there is enough again. */
void spool_room_relieve(struct spool *spool);
/* May another segment begin with it? */
bool spool_room_begins(const struct spool_room *room, enum spool_need need);
/* Is one made for it, where size_max has none left? */
bool spool_room_insists(enum spool_need need);
/* May a segment be compacted in which so much is to be copied? If no other can be begun it must fit in this one. */
bool spool_room_holds(const struct spool_room *room, uint64_t octets, uint32_t records);
/* Segments that messages may still begin. */
int64_t spool_room_left(const struct spool *spool);

/* spool_prepare.c */
/* Makes a segment and lets it be the active one, blocking. The first of a run cuts off what was not found. */
int spool_segment_first(struct spool *spool);
/* 0, -EAGAIN, -ENOSPC: takes the spare as the active segment. */
int spool_segment_roll(struct spool *spool, enum spool_need need);
void spool_prepare(struct spool *spool);
void spool_prepare_on_step(struct ring_op *op, int result, uint32_t flags);
/* The header that records the cut is to be written: spool->cut says when it is, or could not be. */
void spool_prepare_cut(struct spool *spool);

/* spool_pin.c */
/* In the log or out of it, as long as its records may be on the disk. NULL: it is not any more. */
struct spool_segment *spool_pin_find(const struct spool *spool, uint32_t sequence);
/* A done record in `ender` ends something in `sequence`. */
void spool_pin(struct spool *spool, uint32_t sequence, uint32_t ender);
/* There is a record of this message that does not count, or no longer. */
void spool_pin_behind(struct spool *spool, const struct spool_id *id, uint32_t sequence);
/* Where the message has records, for the one that ends it; `copy`: where it is being moved, or 0. How many. */
unsigned spool_pin_ends(struct spool *spool, const struct spool_item *item, uint32_t copy,
			uint32_t ends[SPOOL_ENDS_MAX]);
/* All of its done records that are still needed are elsewhere, too. */
void spool_unpin(struct spool *spool, struct spool_segment *segment);
/* What it held is not on the disk any more, or never counts. */
void spool_pin_release(struct spool *spool, struct spool_segment *segment);
/* Something on the disk still needs it. */
bool spool_pinned(const struct spool *spool, const struct spool_segment *segment);
/* And copying its done records would help. */
bool spool_pin_helps(const struct spool *spool, const struct spool_segment *segment);
/* Segments in which nothing lives, that cannot go for another, and copying their done records does not help: the first
 * ones, `max` at most. */
unsigned spool_pin_waiting(const struct spool *spool, const struct spool_segment **out, unsigned max);
/* Is it for this one that one of them waits? */
bool spool_pin_blocks(const struct spool_segment *segment, const struct spool_segment *const *waiting, unsigned count);
/* Are there many segments that wait for nothing but free ones to be gone? */
bool spool_pin_crowd(const struct spool *spool);

/* spool_item.c */
int spool_index_init(struct spool_index *index);
void spool_index_free(struct spool_index *index);
/* For one that is known already, and one that is not. */
void spool_item_know(struct spool *spool, struct spool_item *item);
void spool_item_forget(struct spool *spool, struct spool_item *item);

/* spool_append.c */
int spool_append(struct spool *spool, const struct spool_append *append, enum spool_need need, struct spool_ref *ref,
		 struct spool_ticket *ticket);
/* The open batch takes nothing more, and may be written. */
void spool_seal(struct spool *spool);
void spool_live_drop(struct spool *spool, const struct spool_ref *ref, uint64_t batch);
/* A record in it lives. */
void spool_live_add(struct spool *spool, struct spool_segment *segment, const struct spool_ref *ref);
int spool_slab_find(struct spool *spool, const struct spool_ref *ref);
void spool_slab_pin(struct spool *spool, unsigned slab);
void spool_slab_unpin(struct spool *spool, unsigned slab);
/* The outstanding batch that holds the record, or NULL when the record is durable. */
struct spool_batch *spool_batch_of(struct spool *spool, const struct spool_ref *ref);
void spool_refs_drop(struct spool *spool, const struct spool_ref *refs, unsigned count);
/* Follows a state record that a failure moved. */
void spool_moved_resolve(struct spool *spool, struct spool_ref *ref, bool forget);
static inline uint64_t spool_batch_newest(const struct spool *spool)
{
	return spool->next_batch - 1;
}

/* spool_commit.c */
static inline struct spool_batch *spool_batch_at(struct spool *spool, unsigned i)
{
	assert(i < spool->batch_count);
	return &spool->batches[(spool->batch_head + i) % spool->batches_capacity];
}
/* `hold_copies`: there is more to come for the open batch of compaction. */
void spool_write_more(struct spool *spool, bool hold_copies);
/* Before the ring runs: all that is sealed. */
void spool_write_now(struct spool *spool);
void spool_tickets_move(struct list *to, struct list *from);
void spool_tickets_answer(struct list *tickets, int result);

/* spool_fail.c */
/* What follows writes that failed, a step further. */
void spool_fail_step(struct spool *spool);
/* Before the ring runs: writes what is sealed. 0, or -EIO: the spool has failed. */
int spool_settle_now(struct spool *spool);

/* spool_view.c */
void spool_views_tell(struct spool *spool);

/* spool_compact.c */
void spool_compact_free(struct spool *spool);
void spool_compact_step(struct spool *spool);
/* What was not durable is lost, after the cut was applied. */
void spool_compact_failed(struct spool *spool);
/* What is wanted now may come of copying. */
bool spool_compact_gains(struct spool *spool);
static inline bool spool_compact_loading(const struct spool *spool)
{
	return spool->compact.ahead.loading || spool->compact.side.loading;
}

/* spool_walk.c */
/* Nothing is copied for so long. */
void spool_compact_pause(struct spool *spool, unsigned ms);
/*
 * The next record from c->walk_at on, in memory and with a good header: 0; 1: there is none; -EINPROGRESS: it is read;
 * -EAGAIN: not now. The caller steps behind it.
 */
int spool_walk_next(struct spool *spool, struct spool_segment *segment, struct spool_record_header *header,
		    const uint8_t **record);
/* The record there, checked: 0, -EINPROGRESS, -EBADMSG (it cannot be had), -EAGAIN. */
int spool_record_get(struct spool *spool, struct spool_segment *segment, const struct spool_ref *ref,
		     struct spool_record_header *header, const uint8_t **record);
void spool_walk_free(struct spool *spool);

/* spool_move.c */
/* Its copies are useless: it ends, or its message names the parts' old places. `batch`: with what ends them. */
void spool_move_cancel(struct spool *spool, struct spool_item *item, uint64_t batch);
/* The segment with the copy of its message; 0: none. */
uint32_t spool_move_target(struct spool *spool, const struct spool_item *item);
/* A newer state than the one that was copied. */
void spool_move_state(struct spool *spool, struct spool_item *item);
/* Items whose copies are durable live there from now on. */
void spool_moves_finish(struct spool *spool);
/* After a write error: those whose copies are not durable stay where they are. */
void spool_moves_undo(struct spool *spool);
/* The one that is not complete, or NULL. */
struct spool_move *spool_move_open(struct spool *spool);
/* A record with the item's id was met in `from`: if it lives there it is copied, or a move opened. 0, or not now. */
int spool_move_found(struct spool *spool, struct spool_item *item, const struct spool_segment *from,
		     const struct spool_ref *ref, const struct spool_record_header *header, const uint8_t *record);
/* Its parts and its message: the move is open. -EAGAIN. */
int spool_move_begin(struct spool *spool, struct spool_item *item);
/* Copies its next record. 0; 1: it is complete; -EBADMSG: what could not be read stays; other errors: not now. */
int spool_move_step(struct spool *spool, struct spool_move *move, struct spool_segment *from, bool state);
void spool_moves_free(struct spool *spool);

#endif
