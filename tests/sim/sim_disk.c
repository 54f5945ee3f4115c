/*
 * tests/sim/sim_disk.c - core/base/disk.h and the ring's disk ops on virtual files.
 *
 * Purpose
 *   Names, descriptors, faults and the moment at which each operation has its effect; sim_file.c knows what the
 *   effect is. Ring ops have theirs when they are executed; the synchronous calls take their time at once.
 *
 * Failure
 *   Faults are decided when an operation is submitted, planned crashes strike when it would have its effect. A
 *   killed process loses only its writes in flight, whole; see sim_file.c for a power cut.
 */
#include <errno.h>
#include <string.h>

#include "tests/sim/sim_file.h"

enum { SIM_ROOTS = 16 };

static struct {
	struct list inodes;
	struct sim_root {
		char path[256];
		struct sim_inode *inode;
	} roots[SIM_ROOTS];
	unsigned root_count;
	uint64_t capacity; /* 0: no limit */
} disk;

void sim_disk_open(void)
{
	memset(&disk, 0, sizeof(disk));
	list_init(&disk.inodes);
}

void sim_disk_end(void)
{
	for (struct list *at = list_take_first(&disk.inodes); at; at = list_take_first(&disk.inodes)) {
		sim_inode_free(container_of(at, struct sim_inode, link));
	}
}

static struct sim_inode *sim_disk_inode_new(bool directory)
{
	struct sim_inode *inode = sim_inode_new(directory);
	list_append(&disk.inodes, &inode->link);
	return inode;
}

/* Faults and planned crashes. */

static bool sim_fault_take(struct world_io_fault *fault, unsigned operation)
{
	if (!(fault->operations & operation))
		return false;
	if (fault->nth > 1) {
		fault->nth--;
		return false;
	}
	if (fault->count != UINT64_MAX && --fault->count == 0)
		fault->operations = 0;
	sim->stats.disk_faults++;
	return true;
}

struct sim_verdict {
	uint64_t io;
	int error;
	bool short_write;
	uint64_t delay_ns;
};

/* Counts the operation and decides what shall become of it. */
static struct sim_verdict sim_io(unsigned operation)
{
	struct sim_verdict verdict = {.io = ++sim->io_count};
	verdict.delay_ns = sim_between(sim->config.disk_delay_min_ns, sim->config.disk_delay_max_ns);
	for (unsigned i = 0; i < SIM_FAULTS; i++) {
		struct world_io_fault fault = sim->faults[i];
		if (!sim_fault_take(&sim->faults[i], operation))
			continue;
		verdict.delay_ns += fault.delay_ns;
		verdict.error = fault.error;
		verdict.short_write = fault.short_write;
	}
	if (operation == WORLD_IO_WRITE && world_chance(sim->config.short_write))
		verdict.short_write = true;
	return verdict;
}

static void sim_crash_now(void)
{
	if (!sim->guard)
		sim_bug("a planned crash is due outside world_guard()");
	longjmp(*sim->guard, 1);
}

void world_fault_io(const struct world_io_fault *fault)
{
	for (unsigned i = 0; i < SIM_FAULTS; i++) {
		if (sim->faults[i].operations)
			continue;
		sim->faults[i] = *fault;
		if (!sim->faults[i].count)
			sim->faults[i].count = 1;
		return;
	}
	sim_bug("too many faults");
}

void world_faults_clear(void)
{
	memset(sim->faults, 0, sizeof(sim->faults));
}

void world_disk_capacity(uint64_t octets)
{
	disk.capacity = octets;
}

/* What has a name; a file that is gone gives its room back at once. */
static uint64_t sim_disk_used(void)
{
	uint64_t used = 0;
	for (struct list *at = disk.inodes.next; at != &disk.inodes; at = at->next) {
		const struct sim_inode *directory = container_of(at, struct sim_inode, link);
		for (size_t i = 0; directory->directory && i < directory->live.count; i++)
			used += directory->live.items[i].inode->size;
	}
	return used;
}

/* A file is about to be `size` octets long. */
static int sim_disk_room(const struct sim_inode *inode, uint64_t size)
{
	if (!disk.capacity || size <= inode->size)
		return 0;
	return sim_disk_used() + (size - inode->size) > disk.capacity ? -ENOSPC : 0;
}

uint64_t world_io_count(void)
{
	return sim->io_count;
}

/* Part of a write that succeeds: whole pages for O_DIRECT, so that the rest can be written too. */
static size_t sim_short_length(size_t length, unsigned flags)
{
	size_t unit = flags & DISK_DIRECT ? DISK_BLOCK : 1;
	if (length <= unit)
		return length;
	return (size_t)(1 + world_below((length - 1) / unit)) * unit;
}

/* The ring's half. */

static struct sim_inode *sim_op_inode(const struct sim_op *o)
{
	return sim->fds[o->fd - sim->fd_base].object;
}

uint64_t sim_disk_submit(struct sim_op *o)
{
	unsigned operation = o->kind == SIM_WRITE  ? WORLD_IO_WRITE
			     : o->kind == SIM_READ ? WORLD_IO_READ
						   : WORLD_IO_SYNC;
	struct sim_verdict verdict = sim_io(operation);
	o->io = verdict.io;
	o->io_error = verdict.error;
	o->io_short = verdict.short_write;
	if (o->kind == SIM_FSYNC && !sim_op_inode(o)->directory)
		o->snapshot = sim_file_snapshot(sim_op_inode(o));
	return verdict.delay_ns;
}

static void sim_write_execute(struct sim_op *o)
{
	struct sim_inode *inode = sim_op_inode(o);
	unsigned flags = sim->fds[o->fd - sim->fd_base].flags;
	sim->stats.disk_writes++;
	sim_check_unchanged(o);
	int room = sim_disk_room(inode, o->offset + o->length);
	if (room && !o->io_error) {
		sim_post(o, room, 0);
		return;
	}
	if (o->io_error) {
		sim_file_write_torn(inode, o->data, o->length, o->offset);
		sim_post(o, o->io_error, 0);
		return;
	}
	size_t n = o->io_short ? sim_short_length(o->length, flags) : o->length;
	sim_file_write(inode, o->data, n, o->offset, flags & DISK_DSYNC);
	sim->stats.disk_octets_written += n;
	sim_post(o, (int)n, 0);
}

static void sim_fsync_execute(struct sim_op *o)
{
	struct sim_inode *inode = sim_op_inode(o);
	sim->stats.disk_syncs++;
	if (o->io_error) {
		if (!inode->directory)
			sim_file_sync_failed(inode);
	} else if (inode->directory) {
		sim_directory_sync(inode);
	} else {
		sim_file_snapshot_apply(inode, o->snapshot);
	}
	sim_post(o, o->io_error, 0);
}

void sim_disk_execute(struct sim_op *o)
{
	if (sim->crash_io && o->io == sim->crash_io)
		sim_crash_now();
	if (o->kind == SIM_WRITE) {
		sim_write_execute(o);
	} else if (o->kind == SIM_FSYNC) {
		sim_fsync_execute(o);
	} else {
		sim->stats.disk_reads++;
		int64_t n = o->io_error ? o->io_error : sim_file_read(sim_op_inode(o), o->out, o->length, o->offset);
		sim_post(o, (int)n, 0);
	}
}

void sim_disk_interrupt(struct sim_op *o, enum world_crash_kind kind)
{
	if (o->kind != SIM_WRITE || o->finished)
		return;
	struct sim_inode *inode = sim_op_inode(o);
	sim_check_unchanged(o);
	if (kind == WORLD_POWER_CUT)
		sim_file_write_torn(inode, o->data, o->length, o->offset);
	else if (world_below(2))
		sim_file_write(inode, o->data, o->length, o->offset, false);
}

void sim_disk_crash(enum world_crash_kind kind)
{
	for (struct list *at = disk.inodes.next; at != &disk.inodes; at = at->next) {
		struct sim_inode *inode = container_of(at, struct sim_inode, link);
		inode->locked = false;
		if (kind != WORLD_POWER_CUT)
			continue;
		if (inode->directory)
			sim_directory_crash(inode);
		else
			sim_file_crash(inode);
	}
}

/* The synchronous half. Each call takes its time at once: nothing else happens meanwhile. */

/* The operation just counted is the one to crash in. */
static bool sim_call_crashes(void)
{
	return sim->crash_io && sim->io_count == sim->crash_io;
}

/* Writes crash in their own way; all else crashes before it has an effect. */
static int sim_call(unsigned operation, const char *what, uint64_t detail)
{
	struct sim_verdict verdict = sim_io(operation);
	sim->stats.disk_calls++;
	sim->now += verdict.delay_ns;
	sim_trace(what, detail, verdict.io, (uint64_t)(int64_t)verdict.error);
	if (operation != WORLD_IO_WRITE && sim_call_crashes())
		sim_crash_now();
	return verdict.error;
}

static int sim_other(const char *what, const char *name)
{
	return sim_call(WORLD_IO_OTHER, what, sim_hash(name, strlen(name)));
}

static void sim_name_check(const char *name)
{
	if (!name[0] || strlen(name) >= SIM_NAME_MAX || strchr(name, '/'))
		sim_bug("file name \"%s\"", name);
}

static struct sim_inode *sim_fd_inode(int fd, enum sim_fd_kind kind)
{
	struct sim_fd *f = sim_fd_get(fd);
	if (f->kind != kind)
		sim_bug("descriptor %d is of another kind", fd);
	return f->object;
}

int disk_directory_open(const char *path, bool create)
{
	int error = sim_other("open directory", path);
	if (error)
		return error;
	struct sim_inode *inode = NULL;
	for (unsigned i = 0; i < disk.root_count; i++)
		if (strcmp(disk.roots[i].path, path) == 0)
			inode = disk.roots[i].inode;
	if (!inode) {
		if (!create)
			return -ENOENT;
		if (disk.root_count == SIM_ROOTS || strlen(path) >= sizeof(disk.roots[0].path))
			sim_bug("too many directories, or path too long");
		struct sim_root *root = &disk.roots[disk.root_count++];
		strcpy(root->path, path);
		inode = root->inode = sim_disk_inode_new(true);
	}
	return sim_fd_new(SIM_FD_DIRECTORY, inode, 0);
}

int disk_subdirectory_open(int directory, const char *name, bool create)
{
	struct sim_inode *parent = sim_fd_inode(directory, SIM_FD_DIRECTORY);
	sim_name_check(name);
	int error = sim_other("open subdirectory", name);
	if (error)
		return error;
	struct sim_entry *entry = sim_entry_find(&parent->live, name);
	if (entry && !entry->inode->directory)
		return -ENOTDIR;
	if (!entry) {
		if (!create)
			return -ENOENT;
		sim_directory_change(parent, "", name, sim_disk_inode_new(true));
		sim_directory_sync(parent);
		entry = sim_entry_find(&parent->live, name);
	}
	return sim_fd_new(SIM_FD_DIRECTORY, entry->inode, 0);
}

int disk_lock(int directory)
{
	struct sim_inode *parent = sim_fd_inode(directory, SIM_FD_DIRECTORY);
	int error = sim_other("lock", "lock");
	if (error)
		return error;
	struct sim_entry *entry = sim_entry_find(&parent->live, "lock");
	if (!entry) {
		sim_directory_change(parent, "", "lock", sim_disk_inode_new(false));
		entry = sim_entry_find(&parent->live, "lock");
	}
	if (entry->inode->locked)
		return -EWOULDBLOCK;
	int fd = sim_fd_new(SIM_FD_LOCK, entry->inode, 0);
	entry->inode->locked = fd >= 0;
	return fd;
}

static void sim_list(const struct sim_inode *directory, void (*fn)(void *context, const char *name), void *context)
{
	/* A copy: fn may change the directory. */
	struct sim_entries copy = {0};
	sim_entries_copy(&copy, &directory->live);
	for (size_t left = copy.count; left; left--) {
		size_t pick = world_below(left);
		struct sim_entry entry = copy.items[pick];
		copy.items[pick] = copy.items[left - 1];
		fn(context, entry.name);
	}
	world_release(copy.items);
}

int disk_list(int directory, void (*fn)(void *context, const char *name), void *context)
{
	struct sim_inode *inode = sim_fd_inode(directory, SIM_FD_DIRECTORY);
	int error = sim_call(WORLD_IO_READ, "list", 0);
	if (!error)
		sim_list(inode, fn, context);
	return error;
}

int disk_open(int directory, const char *name, unsigned flags)
{
	struct sim_inode *parent = sim_fd_inode(directory, SIM_FD_DIRECTORY);
	sim_name_check(name);
	int error = sim_other(flags & DISK_CREATE ? "create" : "open", name);
	if (error)
		return error;
	struct sim_entry *entry = sim_entry_find(&parent->live, name);
	if (entry && flags & DISK_CREATE)
		return -EEXIST;
	if (!entry && !(flags & DISK_CREATE))
		return -ENOENT;
	if (entry && entry->inode->directory)
		return -EISDIR;
	if (!entry) {
		/* Without a descriptor left no file is made. */
		if (sim->fds_open >= sim->config.descriptors)
			return -EMFILE;
		sim_directory_change(parent, "", name, sim_disk_inode_new(false));
		entry = sim_entry_find(&parent->live, name);
	}
	return sim_fd_new(SIM_FD_FILE, entry->inode, flags);
}

int disk_rename(int directory, const char *from, const char *to)
{
	struct sim_inode *parent = sim_fd_inode(directory, SIM_FD_DIRECTORY);
	sim_name_check(to);
	int error = sim_other("rename", from);
	if (error)
		return error;
	struct sim_entry *entry = sim_entry_find(&parent->live, from);
	if (!entry)
		return -ENOENT;
	sim_directory_change(parent, from, to, entry->inode);
	return 0;
}

static int sim_remove(int fd, const char *name, bool directory)
{
	struct sim_inode *parent = sim_fd_inode(fd, SIM_FD_DIRECTORY);
	int error = sim_other("unlink", name);
	if (error)
		return error;
	struct sim_entry *entry = sim_entry_find(&parent->live, name);
	if (!entry)
		return -ENOENT;
	if (entry->inode->directory != directory)
		return directory ? -ENOTDIR : -EISDIR;
	if (directory && entry->inode->live.count)
		return -ENOTEMPTY;
	sim_directory_change(parent, name, "", entry->inode);
	return 0;
}

int disk_unlink(int directory, const char *name)
{
	return sim_remove(directory, name, false);
}

int disk_remove_directory(int directory, const char *name)
{
	return sim_remove(directory, name, true);
}

int disk_sync(int fd)
{
	struct sim_inode *inode = sim_fd_get(fd)->object;
	int error = sim_call(WORLD_IO_SYNC, "sync", (uint64_t)fd);
	sim->stats.disk_syncs++;
	if (inode->directory && !error)
		sim_directory_sync(inode);
	else if (!inode->directory && !error)
		sim_file_sync(inode);
	else if (!inode->directory)
		sim_file_sync_failed(inode);
	return error;
}

int64_t disk_size(int fd)
{
	return (int64_t)sim_fd_inode(fd, SIM_FD_FILE)->size;
}

int disk_allocate(int fd, uint64_t length)
{
	struct sim_inode *inode = sim_fd_inode(fd, SIM_FD_FILE);
	int error = sim_other("allocate", "");
	if (!error)
		error = sim_disk_room(inode, length);
	if (error)
		return error;
	sim_file_allocate(inode, length);
	return 0;
}

static void sim_direct_check(int fd, const void *data, size_t length, uint64_t offset)
{
	if (sim_fd_get(fd)->flags & DISK_DIRECT && ((uintptr_t)data | length | offset) % DISK_BLOCK)
		sim_bug("descriptor %d is O_DIRECT: offset, length or memory is not aligned", fd);
}

int disk_truncate(int fd, uint64_t length)
{
	struct sim_inode *inode = sim_fd_inode(fd, SIM_FD_FILE);
	int error = sim_other("truncate", "");
	if (!error)
		sim_file_truncate(inode, length);
	return error;
}

int64_t disk_read(int fd, void *data, size_t length, uint64_t offset)
{
	struct sim_inode *inode = sim_fd_inode(fd, SIM_FD_FILE);
	sim_direct_check(fd, data, length, offset);
	int error = sim_call(WORLD_IO_READ, "read call", offset);
	sim->stats.disk_reads++;
	return error ? error : sim_file_read(inode, data, length, offset);
}

int64_t disk_write(int fd, const void *data, size_t length, uint64_t offset)
{
	struct sim_inode *inode = sim_fd_inode(fd, SIM_FD_FILE);
	unsigned flags = sim_fd_get(fd)->flags;
	sim_direct_check(fd, data, length, offset);
	if (!(flags & DISK_WRITE))
		sim_bug("disk_write: descriptor %d is read only", fd);
	int error = sim_call(WORLD_IO_WRITE, "write call", offset);
	sim->stats.disk_writes++;
	if (sim_call_crashes() || error)
		sim_file_write_torn(inode, data, length, offset);
	if (sim_call_crashes())
		sim_crash_now();
	if (!error)
		error = sim_disk_room(inode, offset + length);
	if (error)
		return error;
	sim->stats.disk_octets_written += length;
	sim_file_write(inode, data, length, offset, flags & DISK_DSYNC);
	return (int64_t)length;
}

void sim_disk_fd_closed(struct sim_fd *fd)
{
	if (fd->kind == SIM_FD_LOCK)
		((struct sim_inode *)fd->object)->locked = false;
}

void disk_close(int fd)
{
	struct sim_fd *f = sim_fd_get(fd);
	if (f->in_flight)
		sim_bug("disk_close of descriptor %d with %u ops in flight on it", fd, f->in_flight);
	sim_fd_release(fd);
}

/* The test's view. */

/* The inode of a path, or NULL. */
static struct sim_inode *sim_path(const char *path)
{
	for (unsigned i = 0; i < disk.root_count; i++) {
		size_t n = strlen(disk.roots[i].path);
		if (strncmp(path, disk.roots[i].path, n) != 0 || (path[n] && path[n] != '/'))
			continue;
		struct sim_inode *inode = disk.roots[i].inode;
		while (inode && path[n] == '/') {
			char name[SIM_NAME_MAX] = "";
			size_t length = strcspn(path + n + 1, "/");
			memcpy(name, path + n + 1, length < SIM_NAME_MAX ? length : SIM_NAME_MAX - 1);
			struct sim_entry *entry = sim_entry_find(&inode->live, name);
			inode = entry ? entry->inode : NULL;
			n += 1 + length;
		}
		return inode;
	}
	return NULL;
}

int64_t world_file_size(const char *path)
{
	struct sim_inode *inode = sim_path(path);
	return inode ? (int64_t)inode->size : -ENOENT;
}

int64_t world_file_read(const char *path, void *data, size_t length, uint64_t offset)
{
	struct sim_inode *inode = sim_path(path);
	return inode ? sim_file_read(inode, data, length, offset) : -ENOENT;
}

int64_t world_file_poke(const char *path, const void *data, size_t length, uint64_t offset)
{
	struct sim_inode *inode = sim_path(path);
	if (!inode)
		return -ENOENT;
	sim_file_write(inode, data, length, offset, true);
	return (int64_t)length;
}

void world_file_flip(const char *path, uint64_t bit)
{
	uint8_t octet;
	if (world_file_read(path, &octet, 1, bit / 8) != 1)
		sim_bug("world_file_flip: no such octet in %s", path);
	octet ^= (uint8_t)(1u << bit % 8);
	world_file_poke(path, &octet, 1, bit / 8);
}

void world_file_truncate(const char *path, uint64_t size)
{
	struct sim_inode *inode = sim_path(path);
	if (!inode)
		sim_bug("world_file_truncate: no file %s", path);
	sim_file_truncate(inode, size);
}

void world_files(const char *directory, void (*fn)(void *context, const char *name), void *context)
{
	struct sim_inode *inode = sim_path(directory);
	if (inode && inode->directory)
		sim_list(inode, fn, context);
}
