/*
 * queue/segment_store.h - all that segments need of the disk.
 *
 * Purpose
 *   A spool keeps its segments in slots: numbered, each of a fixed size, written in whole blocks. What keeps the slots
 *   is chosen by the linker. There is segment_files.c, a file for each slot; a replicated block store would be another
 *   file behind this header (tests/unit/test_segment_store.c has one in memory). Nothing else in queue/ knows of
 *   files, descriptors or the disk's ring operations (tests/tidy.py).
 *
 * What the spool relies on
 *   - A write that has completed is durable, and is what is read from then on. Zeroing is durable with a sync.
 *   - Slots that were made, retired or set aside are so for good after segment_store_sync(), and in any order before.
 *   - Writes in flight are independent of each other: after a crash each of their blocks is old or new.
 *   What comes back is not trusted: headers, batches and records carry keyed hashes.
 *
 * What it does not rely on
 *   Speed. A batch may be 1 MiB and take 5 ms; eight are in flight, and more are collected meanwhile. Segments are made
 *   ahead of need. Nor on a size: any slot may be refused for want of room, and a smaller one asked for.
 *
 * Blocking
 *   Calls with a ring never wait: the op's callback has the result, as for the ring's own (core/base/ring.h, which says
 *   who owns op and memory until then). Those that end in _now wait; before spool_start() nothing else is used.
 *   While the ring runs they are for the rare moment at which the whole spool waits: a segment for a full disk, and one
 *   that is set aside for damage. The rest also runs beside the ring and must answer at once: a store that is far away
 *   decides these in its own tables, and makes them last with segment_store_sync().
 *
 * Failure
 *   Only the environment's: negative errno. -ENOSPC, -EDQUOT: no room; another slot, or a smaller one, may be had
 *   later.
 */
#ifndef POSTRIDER_QUEUE_SEGMENT_STORE_H
#define POSTRIDER_QUEUE_SEGMENT_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ring;
struct ring_op;
struct segment_store;

enum {
	SEGMENT_BLOCK = 4096, /* offsets, lengths and memory of all that is read and written are multiples of it */
	SEGMENT_NAME_SIZE = 24,
};

/* What becomes of a slot. A number is never used twice, whatever the kind. */
enum segment_kind {
	SEGMENT_LOG,
	SEGMENT_DAMAGED, /* set aside for the operator, with intact records that still count */
	SEGMENT_KEPT,    /* set aside, and nothing in it counts; also what is not known but has a number */
};

/* `place`: where one spool's segments are; for files, its directory (core/base/disk.h). It stays the caller's. */
int segment_store_open(struct segment_store **out, int place);
void segment_store_close(struct segment_store *store);
/* What operators know it by. */
void segment_name(char out[SEGMENT_NAME_SIZE], uint32_t slot, enum segment_kind kind);

/* ---- slots ---- */

typedef void segment_list_fn(void *context, uint32_t slot, enum segment_kind kind);
/* In no order. */
int segment_list(struct segment_store *store, segment_list_fn *fn, void *context);
/* A handle, until segment_close(). Few are open at a time (SPOOL_OPEN_MAX). One for writing reads as well. */
int segment_open(struct segment_store *store, uint32_t slot, enum segment_kind kind, bool write);
/* A new slot with room for `size` octets, opened for writing. They are zero, also for who finds it after a crash:
 * zeroing is what makes later writes cost no more than their octets. After an error there is none. */
int segment_make(struct segment_store *store, uint32_t slot, uint32_t size);
void segment_close(struct segment_store *store, int handle);
/* The slot is no more, and its room another's. Not while it is open. */
int segment_retire(struct segment_store *store, uint32_t slot, enum segment_kind kind);
int segment_set_aside(struct segment_store *store, uint32_t slot, enum segment_kind from, enum segment_kind to);
int64_t segment_size(struct segment_store *store, int handle);
/* What lies behind `size` is no more, for good after a sync; its room is another's. Opened for writing. */
int segment_shorten(struct segment_store *store, int handle, uint32_t size);

/* ---- waiting ---- */

/* All of it, or the octets there were before the end; or what failed. */
int64_t segment_read_now(struct segment_store *store, int handle, void *data, size_t length, uint64_t offset);
/* 0 when all of it is durable. */
int segment_write_now(struct segment_store *store, int handle, const void *data, size_t length, uint64_t offset);
/* From the beginning on; durable. */
int segment_zero_now(struct segment_store *store, int handle, uint32_t length);
/* What was written, or shortened, is durable; also by a program before this one. */
int segment_sync_now(struct segment_store *store, int handle);
int segment_store_sync_now(struct segment_store *store);

/* ---- on the ring ---- */

/* The octets read or written, which may be fewer, or negative errno. */
void segment_read(struct segment_store *store, struct ring *ring, struct ring_op *op, int handle, void *data,
		  size_t length, uint64_t offset);
void segment_write(struct segment_store *store, struct ring *ring, struct ring_op *op, int handle, const void *data,
		   size_t length, uint64_t offset);
/* A piece of at most `length` octets; which is for the store to choose. */
void segment_zero(struct segment_store *store, struct ring *ring, struct ring_op *op, int handle, uint32_t length,
		  uint64_t offset);
void segment_sync(struct segment_store *store, struct ring *ring, struct ring_op *op, int handle);
void segment_store_sync(struct segment_store *store, struct ring *ring, struct ring_op *op);

#endif
