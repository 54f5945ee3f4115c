/*
 * tests/sim/sim_file.h - the simulated files and directories: what a reader sees, and what a crash would leave.
 *
 * A file is a table of blocks. Each block has what a reader sees (`live`) and, while that is not on stable
 * storage, what is (`durable`). A directory has its entries, the entries on stable storage, and the changes
 * between the two in order.
 */
#ifndef POSTRIDER_SIM_SIM_FILE_H
#define POSTRIDER_SIM_SIM_FILE_H

#include "tests/sim/sim.h"

enum { SIM_NAME_MAX = 64 };

struct sim_block {
	uint8_t live[DISK_BLOCK];
	uint8_t *durable; /* NULL: live is durable */
	bool forgotten;   /* a failed fsync called it clean: live is not durable and never will be by syncing */
};

struct sim_entry {
	char name[SIM_NAME_MAX];
	struct sim_inode *inode;
};

struct sim_entries {
	struct sim_entry *items;
	size_t count;
};

/* An entry added (from ""), removed (to "") or renamed. */
struct sim_change {
	char from[SIM_NAME_MAX], to[SIM_NAME_MAX];
	struct sim_inode *inode;
};

struct sim_inode {
	struct list link;
	bool directory, locked;
	uint64_t size, durable_size;
	struct sim_block **blocks; /* NULL in it: zeros, durably */
	size_t block_count;
	struct sim_entries live, durable;
	struct sim_change *changes;
	size_t change_count;
};

struct sim_inode *sim_inode_new(bool directory);
void sim_inode_free(struct sim_inode *inode);

struct sim_entry *sim_entry_find(const struct sim_entries *entries, const char *name);
void sim_entries_copy(struct sim_entries *to, const struct sim_entries *from);
/* Adds (`from` ""), removes (`to` "") or renames; durable with the next sim_directory_sync(). */
void sim_directory_change(struct sim_inode *directory, const char *from, const char *to, struct sim_inode *inode);
void sim_directory_sync(struct sim_inode *directory);
void sim_directory_crash(struct sim_inode *directory);

void sim_file_write(struct sim_inode *inode, const void *data, size_t length, uint64_t offset, bool durable);
/* A write that was interrupted or failed: all of it, nothing, or some sectors or pages are on the disk. */
void sim_file_write_torn(struct sim_inode *inode, const uint8_t *data, size_t length, uint64_t offset);
int64_t sim_file_read(const struct sim_inode *inode, void *data, size_t length, uint64_t offset);
void sim_file_allocate(struct sim_inode *inode, uint64_t size);
void sim_file_truncate(struct sim_inode *inode, uint64_t size);
void sim_file_sync(struct sim_inode *inode);
void sim_file_sync_failed(struct sim_inode *inode);
/* The two halves of a sync by the ring: content at submission, durable at completion. */
struct sim_snapshot *sim_file_snapshot(const struct sim_inode *inode);
void sim_file_snapshot_apply(struct sim_inode *inode, const struct sim_snapshot *snapshot);
void sim_file_crash(struct sim_inode *inode);

#endif
