/*
 * queue/segment_files.c - segments in files: NNNNNNNNNN.seg, .damaged, .kept in one directory.
 *
 * Files are written with O_DIRECT and O_DSYNC: a completed write is durable, and takes no page cache. New ones have
 * their blocks allocated, so that no write meets a full disk, and are zeroed, so that none of them waits for the file
 * system to note which blocks were written.
 */
#include "queue/segment_store.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/disk.h"
#include "core/base/ring.h"

static_assert((int)SEGMENT_BLOCK == (int)DISK_BLOCK, "segments are written in the disk's blocks");

enum { ZERO_PIECE = 1u << 20, FLAGS_WRITE = DISK_WRITE | DISK_DIRECT | DISK_DSYNC };

struct segment_store {
	int directory;
	uint8_t *zeros;
};

static const char *const kinds[] = {
	[SEGMENT_LOG] = "seg",
	[SEGMENT_DAMAGED] = "damaged",
	[SEGMENT_KEPT] = "kept",
};

int segment_store_open(struct segment_store **out, int place)
{
	struct segment_store *store = calloc(1, sizeof *store);
	void *zeros;

	if (!store || posix_memalign(&zeros, DISK_BLOCK, ZERO_PIECE)) {
		free(store);
		return -ENOMEM;
	}
	memset(zeros, 0, ZERO_PIECE);
	*store = (struct segment_store){.directory = place, .zeros = zeros};
	*out = store;
	return 0;
}

void segment_store_close(struct segment_store *store)
{
	if (!store)
		return;
	free(store->zeros);
	free(store);
}

void segment_name(char out[SEGMENT_NAME_SIZE], uint32_t slot, enum segment_kind kind)
{
	snprintf(out, SEGMENT_NAME_SIZE, "%010u.%s", slot, kinds[kind]);
}

/* ---- slots ---- */

struct listing {
	segment_list_fn *fn;
	void *context;
};

static void on_file(void *context, const char *name)
{
	const struct listing *listing = context;
	enum segment_kind kind = SEGMENT_KEPT;
	unsigned slot;
	char ending[12];

	if (strlen(name) < 14 || strspn(name, "0123456789") != 10 || sscanf(name, "%10u.%11s", &slot, ending) != 2)
		return;
	if (strcmp(ending, kinds[SEGMENT_LOG]) == 0)
		kind = SEGMENT_LOG;
	else if (strcmp(ending, kinds[SEGMENT_DAMAGED]) == 0)
		kind = SEGMENT_DAMAGED;
	listing->fn(listing->context, slot, kind);
}

int segment_list(struct segment_store *store, segment_list_fn *fn, void *context)
{
	struct listing listing = {.fn = fn, .context = context};
	return disk_list(store->directory, on_file, &listing);
}

int segment_open(struct segment_store *store, uint32_t slot, enum segment_kind kind, bool write)
{
	char name[SEGMENT_NAME_SIZE];
	segment_name(name, slot, kind);
	return disk_open(store->directory, name, write ? FLAGS_WRITE : DISK_DIRECT);
}

int segment_make(struct segment_store *store, uint32_t slot, uint32_t size)
{
	char name[SEGMENT_NAME_SIZE];
	segment_name(name, slot, SEGMENT_LOG);
	int file = disk_open(store->directory, name, FLAGS_WRITE | DISK_CREATE);
	if (file < 0)
		return file;
	int result = disk_allocate(file, size);
	if (result < 0) {
		disk_close(file);
		/* A file that cannot be unlinked is found, and found empty, by the next recovery. */
		(void)disk_unlink(store->directory, name);
		return result;
	}
	return file;
}

void segment_close(struct segment_store *store, int handle)
{
	disk_close(handle);
}

int segment_retire(struct segment_store *store, uint32_t slot, enum segment_kind kind)
{
	char name[SEGMENT_NAME_SIZE];
	segment_name(name, slot, kind);
	return disk_unlink(store->directory, name);
}

int segment_set_aside(struct segment_store *store, uint32_t slot, enum segment_kind from, enum segment_kind to)
{
	char old[SEGMENT_NAME_SIZE], new[SEGMENT_NAME_SIZE];
	segment_name(old, slot, from);
	segment_name(new, slot, to);
	return disk_rename(store->directory, old, new);
}

int64_t segment_size(struct segment_store *store, int handle)
{
	return disk_size(handle);
}

int segment_shorten(struct segment_store *store, int handle, uint32_t size)
{
	return disk_truncate(handle, size);
}

/* ---- waiting ---- */

int64_t segment_read_now(struct segment_store *store, int handle, void *data, size_t length, uint64_t offset)
{
	return disk_read(handle, data, length, offset);
}

int segment_write_now(struct segment_store *store, int handle, const void *data, size_t length, uint64_t offset)
{
	int64_t written = disk_write(handle, data, length, offset);
	return written < 0 ? (int)written : (uint64_t)written != length ? -EIO : 0;
}

int segment_zero_now(struct segment_store *store, int handle, uint32_t length)
{
	for (uint32_t offset = 0; offset < length; offset += ZERO_PIECE) {
		uint32_t piece = length - offset < ZERO_PIECE ? length - offset : ZERO_PIECE;
		int result = segment_write_now(store, handle, store->zeros, piece, offset);
		if (result < 0)
			return result;
	}
	return disk_sync(handle);
}

int segment_sync_now(struct segment_store *store, int handle)
{
	return disk_sync(handle);
}

int segment_store_sync_now(struct segment_store *store)
{
	return disk_sync(store->directory);
}

/* ---- on the ring ---- */

void segment_read(struct segment_store *store, struct ring *ring, struct ring_op *op, int handle, void *data,
		  size_t length, uint64_t offset)
{
	ring_read(ring, op, handle, data, length, offset);
}

void segment_write(struct segment_store *store, struct ring *ring, struct ring_op *op, int handle, const void *data,
		   size_t length, uint64_t offset)
{
	ring_write(ring, op, handle, data, length, offset);
}

void segment_zero(struct segment_store *store, struct ring *ring, struct ring_op *op, int handle, uint32_t length,
		  uint64_t offset)
{
	uint32_t piece = ZERO_PIECE - (uint32_t)(offset % ZERO_PIECE);
	ring_write(ring, op, handle, store->zeros, piece < length ? piece : length, offset);
}

void segment_sync(struct segment_store *store, struct ring *ring, struct ring_op *op, int handle)
{
	ring_fsync(ring, op, handle);
}

void segment_store_sync(struct segment_store *store, struct ring *ring, struct ring_op *op)
{
	ring_fsync(ring, op, store->directory);
}
