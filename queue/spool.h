/*
 * queue/spool.h - a shard's durable log: append-only segments, group commit, recovery, reclaim.
 *
 * queue/README.md has the byte layout and the table of states. One spool belongs to one shard's thread.
 *
 * Promise
 *   A ticket's callback with result 0 means: the record, and everything appended before it, is on stable storage
 *   and recovery will find it. Any other result (negative errno) but SPOOL_IN_DOUBT means: this record will never be
 *   found by recovery as live (RELIABILITY P3). Callbacks come in the order of appending, from spool_flush()'s
 *   completions, never from inside an append.
 *   After a write error a refusal is told only when the disk says so too: when the header of the segment behind the
 *   error is durable. Done and state records are never refused for one error, they are appended again and their
 *   tickets wait (so they come later than their place); they fail only with the spool. When not even a header can be
 *   written any more the spool has failed, and what was in flight then is in doubt: an error does not say that nothing
 *   was written.
 *
 * Group commit
 *   Appends collect in the open batch. spool_flush(), called once per turn of the shard, starts writing it
 *   when no write is in flight, or when it has become large and fewer than the allowed number are; while a batch is
 *   written the next one collects.
 *
 * Content memory
 *   Batches live in slabs (SPOOL_SLAB octets). After its write a slab stays as a cache of what it holds until its
 *   memory is wanted; pinned slabs stay. This is the only content memory of accepted mail: with all slabs busy
 *   appends answer -EAGAIN and the shard stops receiving.
 */
#ifndef POSTRIDER_QUEUE_SPOOL_H
#define POSTRIDER_QUEUE_SPOOL_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/uio.h>

#include "core/base/list.h"
#include "core/base/ring.h"

enum {
	SPOOL_SLAB = 1u << 20,           /* octets of a batch at most */
	SPOOL_CONTENT_MAX = 256u << 10,  /* content octets in one record; longer messages are parts */
	SPOOL_ENVELOPE_MAX = 512u << 10, /* so that the largest record fits a slab */
	SPOOL_PARTS_MAX = 16384,         /* parts may be as small as 16 KiB while content memory is short */
};
/* Descriptors a spool has open: lock, directory, segments; reading from many segments at once may take more for a
 * while, and what cannot be opened then is read later. */
enum { SPOOL_FILES_MAX = 96 };
enum { SPOOL_IN_DOUBT = -ENOTRECOVERABLE }; /* a ticket's result: recovery may find the record, or not */

struct spool;

/* The same octets as core/smtp's message id. */
struct spool_id {
	uint64_t high, low;
};

/* Where a record lies. segment 0: nowhere. */
struct spool_ref {
	uint32_t segment; /* sequence number of the segment */
	uint32_t offset;  /* octets from the start of its file */
	uint32_t length;  /* octets of the record with its header */
};

/*
 * What the spool must know of a message that lives, or arrives in parts. Embedded in the queue's delivery, owned by the
 * shard. The spool knows it from its first append, or from spool_adopt(), until spool_done() or spool_drop(), and may
 * move its records at any time, also while they are read: the refs are read anew for each view. Zeroed before its
 * first use. It must not move in memory while the spool knows it.
 */
struct spool_item {
	struct spool_id id;
	struct spool_ref message; /* segment 0: still arriving, or lost to damage */
	struct spool_ref state;   /* newest state record; segment 0: none */
	struct spool_ref *parts;  /* content before the message record's own, in order; malloc'd, owned by the item */
	struct spool_item *next;  /* private: among those that are known */
	uint16_t move : 15;       /* private: which of compaction's moves it is in; 0: none */
	uint16_t trailed : 1;     /* private: its message was moved (spool_trail.h) */
	uint16_t part_count;
};

struct spool_ticket;
typedef void spool_done_fn(struct spool_ticket *ticket, int result);

/* Embedded and owned by the caller, until the callback. */
struct spool_ticket {
	struct list link;
	spool_done_fn *fn;
	bool kept; /* private: the ticket of a state or done record, which is appended again after a write error */
};

struct spool_settings {
	int directory; /* where this spool's own segments are (queue/segment_store.h); stays the caller's */
	uint16_t shard;
	uint16_t shards;       /* how many the process runs; recorded */
	uint32_t segment_size; /* octets, multiple of SPOOL_SLAB, at least 4 slabs; 64 MiB by default */
	uint64_t size_max;     /* octets of all segments together */
	unsigned slabs;        /* at least 4 */
	unsigned writes;       /* batches in flight at most, 1..8 */
	uint32_t beside_min;   /* octets an open batch must have to be written beside one in flight; 0: any will do */
	bool read_only;        /* nothing is renamed or removed; only to be read (spool_view_now()) and closed */
	uint64_t seed;         /* nonzero: segment seeds derive from it (simulation); 0: random_bytes() */
};

/* One live message found by recovery; pointers are valid during the callback only. `item->parts` is handed over. What
 * is to be moved and ended must be adopted, when it has its place in memory: spool_adopt(live->spool, item). */
struct spool_live {
	struct spool *spool;
	struct spool_item item;
	uint64_t wall_ns; /* of the message record */
	const uint8_t *envelope;
	size_t envelope_length;
	const uint8_t *state; /* newest state, or NULL */
	size_t state_length;
	uint64_t state_wall_ns;
	uint64_t content_length; /* parts included */
};

struct spool_report {
	uint64_t segments, batches, records, live, damaged_batches, damaged_records, torn_octets, read_octets,
		damaged_files; /* set aside before */
	char problem[512];     /* for the operator, "" if nothing is wrong */
};

/*
 * Recovery, the normal start: reads all segments in `directory`, then calls `fn` once for each live message, oldest
 * first. Blocking; called before the shard's thread runs its ring. 0, or a negative errno with report->problem set.
 * Damage to acknowledged mail is no error: it is counted, described in report->problem, and the damaged bytes are
 * kept (the segment is set aside as *.damaged, what is intact in it is live as usual).
 * If *out is not NULL after an error, messages had been told: what was adopted is to be dropped, then the spool closed.
 */
int spool_open(struct spool **out, const struct spool_settings *settings,
	       void (*fn)(void *context, const struct spool_live *live), void *context, struct spool_report *report);
/* Makes a message known that recovery found, or spool_import() copied. What nobody adopts is never moved. */
void spool_adopt(struct spool *spool, struct spool_item *item);
/* The item that is known by this id; NULL: none is. */
struct spool_item *spool_find(const struct spool *spool, const struct spool_id *id);
/* Calls fn for every item that is known, in no order; fn may end its own. */
typedef void spool_item_fn(void *context, struct spool_item *item);
void spool_items(struct spool *spool, spool_item_fn *fn, void *context);
/* The same a few at a time, from place 0 on: the next place; 0: all have been. Where others come or go between two
 * calls one may be left out, or come twice; fn may end none. */
uint32_t spool_items_of(struct spool *spool, uint32_t place, spool_item_fn *fn, void *context);
/* The same in an order that stays, whatever comes or goes: behind `cursor` (0: the beginning) the next items, which
 * are one but for a few that share a place, or with `many` a bucket of them; or none. Returns the cursor behind them;
 * 0: all have been. Each item that is known all the time comes exactly once, and what comes or goes meanwhile once at
 * most. fn may end its own. A cursor that was never returned is no error, and leaves some out. */
uint64_t spool_items_from(struct spool *spool, uint64_t cursor, bool many, spool_item_fn *fn, void *context);
/* Copies a live message of `from` into `to` (blocking, before spool_start): for a changed number of shards. On
 * success *item describes the copy, with new parts, the old array is freed; call spool_import_commit() before
 * forgetting the originals. When `from` is not destroyed but goes on, keep a copy of the item (and of its parts)
 * and give that to spool_done(from, ...) after the commit; a crash in between leaves the id in both spools. */
int spool_import(struct spool *to, struct spool *from, struct spool_item *item);
int spool_import_commit(struct spool *to);
/* Removes every file of a spool that has been imported elsewhere, then frees it. *.damaged files stay for the
 * operator, as *.kept. On an error the spool is not freed. */
int spool_destroy(struct spool *spool);

/*
 * Attaches the spool to its shard's ring and makes sure that a segment is ready. A disk without room is no error:
 * then what is live can be viewed and delivered, messages, parts and states answer -ENOSPC and done records -EAGAIN
 * until a segment can be had, which is tried once a second.
 */
int spool_start(struct spool *spool, struct ring *ring);
/*
 * The disk had no room for the last segment that was to be made, or is read-only. Then time itself is of consequence:
 * spool_flush() should be called now and then even if nothing happens.
 */
bool spool_disk_full(const struct spool *spool);
/* Why the last segment that was to be made could not be, of which a full disk is one reason; 0: it could. Mail is
 * refused where that leaves no other, and each second it is tried again, by spool_flush(). */
int spool_segment_error(const struct spool *spool);
/* size_max is reached: what does not fit behind the last one answers -ENOSPC, until a segment can be used again. */
bool spool_size_full(struct spool *spool);
/* No write in flight and nothing unwritten, but what cannot be written for want of room: the spool may be closed. */
bool spool_idle(const struct spool *spool);
void spool_close(struct spool *spool);

/*
 * Appends. All return 0, -EAGAIN (no slab or segment ready: try again after a turn), -ENOSPC (size_max reached or the
 * disk full, and nothing free; spool_done() has a reserve and never answers this, but -EAGAIN when even that is
 * used up) or -EIO (the spool has failed and accepts nothing more). Content is copied before returning.
 */
struct spool_message {
	struct spool_id id;
	uint64_t wall_ns;
	const void *envelope;
	size_t envelope_length;      /* <= SPOOL_ENVELOPE_MAX */
	const struct iovec *content; /* <= SPOOL_CONTENT_MAX octets together */
	unsigned content_count;
	bool report; /* others end when it is durable: there is room for it where nothing else is accepted */
};
/* A piece of a message that is still arriving: item->parts, which must have room, gets one more. item->id is set. When
 * the ticket fails, the owner gives that part the segment 0. */
int spool_append_part(struct spool *spool, const struct spool_message *part, struct spool_item *item,
		      struct spool_ticket *ticket);
/* The message: with it the parts in item->parts become live. Fills item->message. item->id is set. -EINVAL: one of
 * the parts was lost to a write error. When the ticket fails, the item is still the caller's to drop. */
int spool_append_message(struct spool *spool, const struct spool_message *message, struct spool_item *item,
			 struct spool_ticket *ticket);
/* Forgets a message that will not be completed, or was refused: its parts are dead. Also one that spool_done() could
 * not end because the spool has failed: the next start finds it. Frees item->parts. */
void spool_drop(struct spool *spool, struct spool_item *item);
/* A new state (attempts, recipients' results; opaque) replaces the one before. `ticket` may be NULL. */
int spool_append_state(struct spool *spool, struct spool_item *item, uint64_t wall_ns, const void *state, size_t length,
		       struct spool_ticket *ticket);
/* The same of one that ends with a report that is about to be written, or was: as for that there is room. */
int spool_append_fate(struct spool *spool, struct spool_item *item, uint64_t wall_ns, const void *state, size_t length,
		      struct spool_ticket *ticket);
/* The message is finished: durable with the next batches, its space is reclaimed after that. `ticket` may be NULL.
 * Frees item->parts. Replaying it is harmless. */
int spool_done(struct spool *spool, struct spool_item *item, struct spool_ticket *ticket);

/* Starts writing what has collected. Call at the end of each turn. */
void spool_flush(struct spool *spool);
/* A view failed at once, and the next flush tells its owner: it should not wait for something else to happen. */
bool spool_flush_wanted(const struct spool *spool);

/*
 * Content. A view is the payload of one record: in a slab, or loaded from disk. While a view is held its memory
 * stays. spool_view() answers at once from a slab (true) or starts a read and calls fn later (false). result:
 * 0, -EBADMSG (hash mismatch: damaged), or the read's errno. `view` is zeroed before its first use, and released in
 * any case: in or after its callback, never before, because the kernel owns the buffer until then.
 */
struct spool_view;
typedef void spool_view_fn(struct spool_view *view, int result);
struct spool_view {
	const uint8_t *envelope;
	size_t envelope_length;
	const uint8_t *content;
	size_t content_length;
	spool_view_fn *fn;
	/* private */
	struct spool *spool;
	struct spool_ref ref;
	int slab;
	int late;
	struct list link;
	const uint8_t *record;
	void *buffer;
	size_t buffer_length;
	struct ring_op op;
};
bool spool_view(struct spool *spool, struct spool_view *view, const struct spool_ref *ref, spool_view_fn *fn);
/* The same at once, blocking, before spool_start(). 0, or what the callback would get. */
int spool_view_now(struct spool *spool, struct spool_view *view, const struct spool_ref *ref);
void spool_view_release(struct spool_view *view);

/*
 * Reclaim. A segment is recycled when nothing in it is live, and nothing on the disk needs it. When the log is larger
 * than what lives in it is worth (spool_compact.c), the spool copies the records of the segment with the least to the
 * tail, and updates the items' refs when the copies are durable. A segment with records that cannot be read is set
 * aside as *.damaged: `fn` is told its name and how many messages lost a record with it. Views of those records are
 * damaged from then on.
 */
void spool_on_damage(struct spool *spool, void (*fn)(void *context, const char *file, unsigned messages),
		     void *context);
/* No further copies: the spool is about to be closed. */
void spool_rest(struct spool *spool);
/* When spool_flush() should be called even if nothing happens; UINT64_MAX: not for that. */
uint64_t spool_wake_ns(const struct spool *spool);

struct spool_stats {
	uint64_t commits, records, octets_written, segments, segments_free, segments_recycled, segments_created,
		failures, compacted, octets_copied, live, cache_hits, loads;
	uint32_t commit_ns_last;
	bool failed;
};
void spool_stats(const struct spool *spool, struct spool_stats *out);

#endif
