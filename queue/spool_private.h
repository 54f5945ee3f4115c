/*
 * queue/spool_private.h - what the spool's files share; the contract is spool.h, the octets are spool_format.h.
 *
 *     spool.c          settings, memory, idle, close, stats, import
 *     spool_segment.c  segments: names, handles, limits, reuse, reclaim
 *     spool_prepare.c  the next segment, ahead of need, with its header
 *     segment_files.c  what keeps the segments; behind segment_store.h, so that something else can stand there
 *     spool_append.c   slabs, batches, records, live accounting
 *     spool_commit.c   writing batches, acknowledging, failing
 *     spool_recover.c  reading the log back (with spool_table.c)
 *     spool_view.c     content from slab or disk
 *     spool_item.c     which items have their oldest record in which segment
 *     spool_compact.c  moving what lives in the oldest segment
 *
 * Life of a batch
 *
 *     (none) --first append--> OPEN --slab full, or flush--> SEALED --a write is free--> WRITING --+--> DONE --> (none)
 *                                                                                              |
 *                                                                                              +--> FAILED
 *   DONE batches leave in order, from the oldest: that is the acknowledgement. With one FAILED nothing more is
 *   accepted or written; when nothing is in flight any more the intact prefix is acknowledged and the rest fails
 *   as a whole (spool_commit.c).
 *
 * Invariants
 *   1. Batches in the ring are in log order; so are their segments and offsets, without gaps inside a segment.
 *   2. A slab holds one contiguous piece of one segment, batch behind batch. Only the current slab grows. Copies that
 *      compaction makes have batches and slabs of their own, which are forgotten once they are written.
 *   3. segment->live counts the records in it that an item or an unfinished message still refers to.
 *   4. A segment in the log is reclaimed oldest first, with nothing live, no batch or read outstanding, and every
 *      record that ended something in it durable. So a record that ends a message outlives every copy of it.
 *   5. An item is in the list of the oldest segment that has a record of it, or in compaction's list of those that are
 *      being moved. So all that keeps the oldest segment in the log is found without a search.
 */
#ifndef POSTRIDER_QUEUE_SPOOL_PRIVATE_H
#define POSTRIDER_QUEUE_SPOOL_PRIVATE_H

#include "queue/segment_store.h"
#include "queue/spool.h"
#include "queue/spool_format.h"

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
};

/* Who wants room; the lower ones are kept out first when the spool is full. */
enum spool_need { SPOOL_NEED_MESSAGE, SPOOL_NEED_STATE, SPOOL_NEED_COPY, SPOOL_NEED_DONE };

struct spool_segment {
	uint32_t sequence;
	uint32_t slot; /* where the store has it */
	int handle;    /* -1: opened when wanted */
	bool damaged;  /* set aside in the store: kept for the operator, never recycled */
	bool discard;  /* poisoned by a write error: unlinked instead of recycled */
	bool blank;    /* at the end of the log, and nothing was found in it */
	bool speaks;   /* its file may have the only header with a cut, or an `oldest`, that counts */
	bool stuck;    /* recovery: has damage. Later: what lives in it belongs to nobody, so it is not compacted */
	uint64_t seed;
	uint64_t opened; /* for closing the handle that was opened first */
	uint32_t size;   /* octets of the file */
	uint32_t end;    /* where the next batch goes */
	uint32_t cut;    /* records from here on never count */
	uint32_t live;
	uint64_t live_octets;
	uint64_t appended, copied; /* octets of its records; and of those that compaction wrote */
	uint64_t lean;             /* octets without use that copying would not gain, once it is not active any more */
	struct list items;         /* whose oldest record is here */
	uint64_t last_batch;       /* newest batch with a record that ended something in here */
	uint64_t last_hash;        /* of the newest batch's header */
	unsigned uses;             /* batches not yet acknowledged, reads in flight */
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

enum spool_prepare {
	SPOOL_PREPARE_NONE,
	SPOOL_PREPARE_ZERO,
	SPOOL_PREPARE_SYNC,
	SPOOL_PREPARE_STORE_SYNC,
	SPOOL_PREPARE_HEADER
};

/* One item on its way to the tail (spool_compact.c). */
struct spool_move {
	struct spool_item *item; /* NULL: it ended meanwhile, or changed in a way that made its copies useless */
	struct spool_ref message, state; /* copies; segment 0: none */
	struct spool_ref *parts;         /* likewise, as many as the item had when it began; owned */
	uint16_t part_count, part;       /* and the next that is looked at */
	uint64_t batch;                  /* with the last copy; 0: not complete */
};

struct spool_compact {
	struct spool_move *moves; /* ring of SPOOL_MOVES; those begun first are the first to be durable */
	unsigned move_head, move_count;
	struct list moving; /* items in moves */
	struct list broken; /* items with a record in the oldest segment that cannot be read */
	unsigned broken_states;
	uint64_t broken_ns;   /* since when there are some */
	unsigned outstanding; /* batches of copies that are not acknowledged */
	uint64_t seen, credit;
	/* A piece of the oldest segment in memory. */
	uint8_t *window;
	struct spool_segment *window_of; /* while a read is in flight */
	uint32_t window_segment, window_base, window_length, window_wanted;
	struct spool_ref asked; /* the record that was wanted when it was read */
	bool loading;
	int load_error;
	unsigned load_errors; /* in a row */
	struct ring_op op;
	uint64_t retry_ns;
	bool resting;
	void (*on_damage)(void *context, const char *file, unsigned messages);
	void *context;
};

struct spool {
	struct spool_settings settings;
	struct ring *ring; /* NULL before spool_start(): everything blocks */
	struct segment_store *store;
	uint8_t *header_block;

	/* The log, oldest first; the last is the active one once `active` is set. */
	struct spool_segment **log;
	unsigned log_count, log_capacity;
	struct spool_segment *active, *spare, *preparing;
	struct spool_segment **free; /* out of the log, oldest first: recycled, or unlinked */
	unsigned free_count, free_capacity;
	uint32_t next_sequence, next_slot, oldest_durable;
	uint64_t opens;
	enum spool_prepare prepare;
	uint32_t prepare_offset;
	bool prepare_cut; /* the header being written carries the cut */
	bool want_room;   /* a done record waits: size_max may be passed */
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
	struct spool_batch *open;
	uint64_t next_batch, durable_batch, barrier_batch;
	uint64_t appended;             /* octets of all records but copies */
	uint64_t live_octets;          /* of all segments */
	bool begun;                    /* a durable header of this run cuts off what was not found */
	bool log_changed;              /* log_octets, log_lean must be added up anew */
	uint64_t log_octets, log_lean; /* of all segments but the active one */
	struct list lost;              /* items without any record left */

	/* Failure. */
	bool stopping; /* a batch failed: nothing is accepted or written until it is dealt with */
	bool cutting;  /* waiting for the header of the segment behind the cut */
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

/* spool_segment.c */
static inline enum segment_kind spool_kind(const struct spool_segment *segment)
{
	return segment->damaged ? SEGMENT_DAMAGED : SEGMENT_LOG;
}
void spool_name(char out[SEGMENT_NAME_SIZE], const struct spool_segment *segment);
struct spool_segment *spool_segment_new(void);
struct spool_segment *spool_segment_find(const struct spool *spool, uint32_t sequence);
/* Makes room in the tables for one more segment, so that nothing later needs memory. 0 or -ENOMEM. */
int spool_segment_reserve(struct spool *spool);
void spool_log_append(struct spool *spool, struct spool_segment *segment);
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
/* Behind the active segment there is no other, and none can be had: it is left to what makes room. */
bool spool_segment_last(const struct spool *spool);
/* Of use where no file of the usual size can be had. */
bool spool_segment_serves(const struct spool_segment *segment);
bool spool_free_has(const struct spool *spool);
/* No further segment can be had before one is free; after another error than ENOSPC that is not known yet. */
bool spool_segments_end(const struct spool *spool);
void spool_reclaim(struct spool *spool);
unsigned spool_segments_max(const struct spool *spool);
/* The same for compaction. */
unsigned spool_segments_copies(const struct spool *spool);
bool spool_size_max_reached(const struct spool *spool);
/* May another segment begin? 0, -EAGAIN: not yet, -ENOSPC. */
int spool_size_max_check(struct spool *spool, enum spool_need need);
bool spool_no_room(int error);

/* spool_prepare.c */
/* Makes a segment and lets it be the active one, blocking. The first of a run cuts off what was not found. */
int spool_segment_first(struct spool *spool);
/* 0, -EAGAIN, -ENOSPC: takes the spare as the active segment. */
int spool_segment_roll(struct spool *spool, enum spool_need need);
void spool_prepare(struct spool *spool);
void spool_prepare_on_step(struct ring_op *op, int result, uint32_t flags);
void spool_prepare_cut(struct spool *spool);

/* spool_item.c */
/* Puts it into the list where it belongs; for one that is listed already, and one that is not. Not while it moves. */
void spool_item_list(struct spool *spool, struct spool_item *item);
void spool_item_unlist(struct spool_item *item);
/* Nothing behind the cut is there any more. */
void spool_items_cut(struct spool *spool);

/* spool_append.c */
int spool_append(struct spool *spool, const struct spool_append *append, enum spool_need need, struct spool_ref *ref,
		 struct spool_ticket *ticket);
void spool_live_drop(struct spool *spool, const struct spool_ref *ref, uint64_t batch);
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
void spool_seal(struct spool *spool);
void spool_write_more(struct spool *spool);
void spool_cut_written(struct spool *spool);
void spool_cut_failed(struct spool *spool);
/* Appends again what a failure took; true when nothing is left. */
bool spool_resave(struct spool *spool);

/* spool_view.c */
void spool_views_tell(struct spool *spool);
/* Checks a record in memory and points the view at its payload. */
int spool_view_set(struct spool_view *view, const uint8_t *record);

/* spool_compact.c */
void spool_compact_init(struct spool *spool);
void spool_compact_free(struct spool *spool);
void spool_compact_step(struct spool *spool);
/* Its copies are useless: it ends, or its message names the parts' old places. `batch`: with what ends them. */
void spool_move_cancel(struct spool *spool, struct spool_item *item, uint64_t batch);
/* A newer state than the one that was copied. */
void spool_move_state(struct spool *spool, struct spool_item *item);
/* What was not durable is lost, after the cut was applied. */
void spool_compact_failed(struct spool *spool);
void spool_compact_written(struct spool *spool);
/* What is wanted now may come of copying. */
bool spool_compact_gains(struct spool *spool);

#endif
