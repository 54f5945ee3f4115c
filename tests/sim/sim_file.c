/*
 * tests/sim/sim_file.c - blocks, directory entries, and what a power cut makes of them.
 *
 * What a crash leaves
 *   A completed DSYNC write, a synced file, a synced directory: as they are. A power cut keeps of every unsynced
 *   sector of 512 octets the old or the new content, of a write in flight all, nothing or a random set of its
 *   sectors or pages, of unsynced directory changes a prefix or a random set.
 *
 * What a failure leaves
 *   A failed write may have reached the disk in any part (I2). A failed fsync marks the pages clean and forgets
 *   them: the next one succeeds and makes nothing durable (P3).
 */
#include <string.h>

#include "tests/sim/sim_file.h"

struct sim_inode *sim_inode_new(bool directory)
{
	struct sim_inode *inode = world_alloc(sizeof(*inode));
	inode->directory = directory;
	list_init(&inode->link);
	return inode;
}

static void sim_block_free(struct sim_block *block)
{
	if (block)
		world_release(block->durable);
	world_release(block);
}

void sim_inode_free(struct sim_inode *inode)
{
	for (size_t i = 0; i < inode->block_count; i++)
		sim_block_free(inode->blocks[i]);
	world_release(inode->blocks);
	world_release(inode->live.items);
	world_release(inode->durable.items);
	world_release(inode->changes);
	world_release(inode);
}

/* Directory entries. */

struct sim_entry *sim_entry_find(const struct sim_entries *entries, const char *name)
{
	for (size_t i = 0; i < entries->count; i++)
		if (strcmp(entries->items[i].name, name) == 0)
			return &entries->items[i];
	return NULL;
}

static void sim_entry_remove(struct sim_entries *entries, const char *name)
{
	struct sim_entry *entry = sim_entry_find(entries, name);
	if (entry)
		*entry = entries->items[--entries->count];
}

static void sim_entry_put(struct sim_entries *entries, const char *name, struct sim_inode *inode)
{
	sim_entry_remove(entries, name);
	entries->items = world_realloc(entries->items, (entries->count + 1) * sizeof(*entries->items));
	struct sim_entry *entry = &entries->items[entries->count++];
	strcpy(entry->name, name);
	entry->inode = inode;
}

static void sim_change_apply(struct sim_entries *entries, const struct sim_change *change)
{
	/* A rename of something that a crash has lost does nothing. */
	if (change->from[0] && change->to[0] && !sim_entry_find(entries, change->from))
		return;
	if (change->from[0])
		sim_entry_remove(entries, change->from);
	if (change->to[0])
		sim_entry_put(entries, change->to, change->inode);
}

void sim_directory_change(struct sim_inode *directory, const char *from, const char *to, struct sim_inode *inode)
{
	directory->changes =
		world_realloc(directory->changes, (directory->change_count + 1) * sizeof(struct sim_change));
	struct sim_change *change = &directory->changes[directory->change_count++];
	memset(change, 0, sizeof(*change));
	strcpy(change->from, from);
	strcpy(change->to, to);
	change->inode = inode;
	sim_change_apply(&directory->live, change);
}

void sim_directory_sync(struct sim_inode *directory)
{
	for (size_t i = 0; i < directory->change_count; i++)
		sim_change_apply(&directory->durable, &directory->changes[i]);
	directory->change_count = 0;
}

void sim_entries_copy(struct sim_entries *to, const struct sim_entries *from)
{
	to->items = world_realloc(to->items, (from->count + 1) * sizeof(*to->items));
	if (from->count)
		memcpy(to->items, from->items, from->count * sizeof(*to->items));
	to->count = from->count;
}

/* File content. */

static void sim_blocks_reserve(struct sim_inode *inode, uint64_t size)
{
	size_t count = (size_t)((size + DISK_BLOCK - 1) / DISK_BLOCK);
	if (count <= inode->block_count)
		return;
	inode->blocks = world_realloc(inode->blocks, count * sizeof(*inode->blocks));
	memset(inode->blocks + inode->block_count, 0, (count - inode->block_count) * sizeof(*inode->blocks));
	inode->block_count = count;
}

static bool sim_all_zero(const uint8_t *data, size_t length)
{
	return length == 0 || (data[0] == 0 && memcmp(data, data + 1, length - 1) == 0);
}

static void sim_block_write(struct sim_inode *inode, size_t index, size_t at, const uint8_t *data, size_t length,
			    bool durable)
{
	struct sim_block *block = inode->blocks[index];
	if (!block) {
		/* Zeros on zeros change nothing: a filled segment costs no memory. */
		if (sim_all_zero(data, length))
			return;
		block = inode->blocks[index] = world_alloc(sizeof(*block));
	}
	if (!durable && !block->durable) {
		block->durable = world_alloc(DISK_BLOCK);
		memcpy(block->durable, block->live, DISK_BLOCK);
	}
	memcpy(block->live + at, data, length);
	if (!durable)
		block->forgotten = false;
	else if (block->durable)
		memcpy(block->durable + at, data, length);
}

void sim_file_write(struct sim_inode *inode, const void *data, size_t length, uint64_t offset, bool durable)
{
	const uint8_t *from = data;
	if (!length)
		return;
	sim_blocks_reserve(inode, offset + length);
	if (inode->size < offset + length)
		inode->size = offset + length;
	if (durable && inode->durable_size < offset + length)
		inode->durable_size = offset + length;
	while (length) {
		size_t at = offset % DISK_BLOCK, n = DISK_BLOCK - at < length ? DISK_BLOCK - at : length;
		sim_block_write(inode, (size_t)(offset / DISK_BLOCK), at, from, n, durable);
		from += n;
		offset += n;
		length -= n;
	}
}

int64_t sim_file_read(const struct sim_inode *inode, void *data, size_t length, uint64_t offset)
{
	uint8_t *to = data;
	if (offset >= inode->size)
		return 0;
	if (length > inode->size - offset)
		length = (size_t)(inode->size - offset);
	for (size_t left = length; left;) {
		size_t at = offset % DISK_BLOCK, n = DISK_BLOCK - at < left ? DISK_BLOCK - at : left;
		size_t index = (size_t)(offset / DISK_BLOCK);
		if (index < inode->block_count && inode->blocks[index])
			memcpy(to, inode->blocks[index]->live + at, n);
		else
			memset(to, 0, n);
		to += n;
		offset += n;
		left -= n;
	}
	return (int64_t)length;
}

static void sim_block_synced(struct sim_block *block)
{
	world_release(block->durable);
	block->durable = NULL;
}

void sim_file_sync(struct sim_inode *inode)
{
	for (size_t i = 0; i < inode->block_count; i++)
		if (inode->blocks[i] && inode->blocks[i]->durable && !inode->blocks[i]->forgotten)
			sim_block_synced(inode->blocks[i]);
	inode->durable_size = inode->size;
}

/* Of each unsynced sector the old or the new content reaches the disk. */
static void sim_block_tear(struct sim_block *block)
{
	for (size_t at = 0; at < DISK_BLOCK; at += SIM_SECTOR)
		if (world_below(2))
			memcpy(block->durable + at, block->live + at, SIM_SECTOR);
}

void sim_file_sync_failed(struct sim_inode *inode)
{
	for (size_t i = 0; i < inode->block_count; i++) {
		struct sim_block *block = inode->blocks[i];
		if (!block || !block->durable || block->forgotten)
			continue;
		sim_block_tear(block);
		block->forgotten = true;
	}
}

void sim_file_write_torn(struct sim_inode *inode, const uint8_t *data, size_t length, uint64_t offset)
{
	uint64_t choice = world_below(4);
	if (choice == 0)
		return;
	if (choice == 1) {
		sim_file_write(inode, data, length, offset, true);
		return;
	}
	sim->stats.torn_writes++;
	uint64_t unit = choice == 2 ? SIM_SECTOR : DISK_BLOCK, end = offset + length;
	for (uint64_t at = offset; at < end;) {
		uint64_t next = (at / unit + 1) * unit;
		if (next > end)
			next = end;
		if (world_below(2))
			sim_file_write(inode, data + (at - offset), (size_t)(next - at), at, true);
		at = next;
	}
}

/* Syncs by the ring. */

struct sim_snapshot *sim_file_snapshot(const struct sim_inode *inode)
{
	size_t count = 0;
	for (size_t i = 0; i < inode->block_count; i++)
		count += inode->blocks[i] && inode->blocks[i]->durable && !inode->blocks[i]->forgotten;
	struct sim_snapshot *snapshot = world_alloc(sizeof(*snapshot) + count * sizeof(snapshot->blocks[0]));
	snapshot->size = inode->size;
	for (size_t i = 0; i < inode->block_count; i++) {
		struct sim_block *block = inode->blocks[i];
		if (!block || !block->durable || block->forgotten)
			continue;
		struct sim_snapshot_block *copy = &snapshot->blocks[snapshot->count++];
		copy->index = i;
		memcpy(copy->data, block->live, DISK_BLOCK);
	}
	return snapshot;
}

/* What had been written when the fsync was submitted is durable now; what came later is not (P1). */
void sim_file_snapshot_apply(struct sim_inode *inode, const struct sim_snapshot *snapshot)
{
	for (size_t i = 0; i < snapshot->count; i++) {
		const struct sim_snapshot_block *copy = &snapshot->blocks[i];
		struct sim_block *block = copy->index < inode->block_count ? inode->blocks[copy->index] : NULL;
		if (!block || !block->durable || block->forgotten)
			continue;
		if (memcmp(block->live, copy->data, DISK_BLOCK) == 0)
			sim_block_synced(block);
		else
			memcpy(block->durable, copy->data, DISK_BLOCK);
	}
	if (inode->durable_size < snapshot->size)
		inode->durable_size = snapshot->size;
}

void sim_file_allocate(struct sim_inode *inode, uint64_t size)
{
	sim_blocks_reserve(inode, size);
	if (inode->size < size)
		inode->size = size;
}

void sim_file_truncate(struct sim_inode *inode, uint64_t size)
{
	size_t keep = (size_t)((size + DISK_BLOCK - 1) / DISK_BLOCK);
	for (size_t i = keep; i < inode->block_count; i++) {
		sim_block_free(inode->blocks[i]);
		inode->blocks[i] = NULL;
	}
	/* What is cut from the last page reads as zeros if the file grows again. */
	if (size % DISK_BLOCK && keep <= inode->block_count && inode->blocks[keep - 1]) {
		struct sim_block *last = inode->blocks[keep - 1];
		memset(last->live + size % DISK_BLOCK, 0, DISK_BLOCK - size % DISK_BLOCK);
		if (last->durable)
			memset(last->durable + size % DISK_BLOCK, 0, DISK_BLOCK - size % DISK_BLOCK);
	}
	inode->size = inode->durable_size = size;
}

/* Crash. */

void sim_directory_crash(struct sim_inode *directory)
{
	bool prefix = world_below(2);
	size_t keep = world_below(directory->change_count + 1);
	for (size_t i = 0; i < directory->change_count; i++)
		if (prefix ? i < keep : world_below(2))
			sim_change_apply(&directory->durable, &directory->changes[i]);
	directory->change_count = 0;
	sim_entries_copy(&directory->live, &directory->durable);
}

void sim_file_crash(struct sim_inode *inode)
{
	for (size_t i = 0; i < inode->block_count; i++) {
		struct sim_block *block = inode->blocks[i];
		if (!block || !block->durable)
			continue;
		/* What a failed sync left is settled already. */
		if (!block->forgotten)
			sim_block_tear(block);
		memcpy(block->live, block->durable, DISK_BLOCK);
		sim_block_synced(block);
		block->forgotten = false;
	}
	if (inode->size != inode->durable_size && world_below(2))
		sim_file_truncate(inode, inode->durable_size);
	inode->durable_size = inode->size;
}
