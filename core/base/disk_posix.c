/*
 * core/base/disk_posix.c - the synchronous half of the disk on a real file system.
 *
 * Ownership
 *   Descriptors belong to the caller, close-on-exec, and go back through disk_close(). Names are relative to
 *   a directory descriptor and never follow a symbolic link: the spool holds other people's mail.
 *
 * Failure
 *   0 or more, or -errno. Interrupted calls are repeated. A failed disk_sync() must not be: the kernel
 *   may have dropped the dirty pages and would report success the second time (RELIABILITY P3).
 */
#include "core/base/disk.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { DISK_DIRECTORY_MODE = 0700, DISK_FILE_MODE = 0600 };

enum { DISK_DIRECTORY_FLAGS = O_RDONLY | O_DIRECTORY | O_CLOEXEC };

int disk_sync(int fd)
{
	int result;

	do
		result = fsync(fd);
	while (result < 0 && errno == EINTR);
	return result < 0 ? -errno : 0;
}

void disk_close(int fd)
{
	/* Linux has released the descriptor whatever close() says, so there is nothing to repeat. */
	(void)close(fd);
}

/* Makes the entry of a new top directory durable in its parent. */
static int disk_sync_parent(int directory)
{
	int parent = openat(directory, "..", DISK_DIRECTORY_FLAGS);

	/* A parent we may pass through but not read cannot be synced by us; its owner made it that way. */
	if (parent < 0)
		return errno == EACCES ? 0 : -errno;
	int result = disk_sync(parent);
	disk_close(parent);
	return result;
}

int disk_directory_open(const char *path, bool create)
{
	bool made = false;

	if (create) {
		made = mkdir(path, DISK_DIRECTORY_MODE) == 0;
		if (!made && errno != EEXIST)
			return -errno;
	}
	int directory = open(path, DISK_DIRECTORY_FLAGS);
	if (directory < 0)
		return -errno;
	if (made) {
		int result = disk_sync_parent(directory);
		if (result < 0) {
			disk_close(directory);
			return result;
		}
	}
	return directory;
}

int disk_subdirectory_open(int directory, const char *name, bool create)
{
	if (create) {
		if (mkdirat(directory, name, DISK_DIRECTORY_MODE) < 0 && errno != EEXIST)
			return -errno;
		/* Also when it exists: its maker may have been killed before this point. */
		int result = disk_sync(directory);
		if (result < 0)
			return result;
	}
	int subdirectory = openat(directory, name, DISK_DIRECTORY_FLAGS | O_NOFOLLOW);
	return subdirectory < 0 ? -errno : subdirectory;
}

int disk_lock(int directory)
{
	int fd = openat(directory, "lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, DISK_FILE_MODE);

	if (fd < 0)
		return -errno;

	/* Bound to the open file, not the process: another descriptor of ours neither gets nor drops it. */
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	if (fcntl(fd, F_OFD_SETLK, &lock) < 0) {
		int error = errno == EACCES ? EWOULDBLOCK : errno;
		disk_close(fd);
		return -error;
	}
	return fd;
}

/* Regular file or directory? File systems that do not put the type into the entry are asked. */
static bool disk_listed(int directory, const struct dirent *entry)
{
	if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
		return false;
	if (entry->d_type != DT_UNKNOWN)
		return entry->d_type == DT_REG || entry->d_type == DT_DIR;

	struct stat status;
	if (fstatat(directory, entry->d_name, &status, AT_SYMLINK_NOFOLLOW) < 0)
		return false;
	return S_ISREG(status.st_mode) || S_ISDIR(status.st_mode);
}

int disk_list(int directory, void (*fn)(void *context, const char *name), void *context)
{
	/* A descriptor of its own, because reading moves a position that dup() would share. */
	int fd = openat(directory, ".", DISK_DIRECTORY_FLAGS);

	if (fd < 0)
		return -errno;
	DIR *stream = fdopendir(fd);
	if (stream == NULL) {
		int error = errno;
		disk_close(fd);
		return -error;
	}

	int error;
	for (;;) {
		errno = 0;
		struct dirent *entry = readdir(stream);
		if (entry == NULL) {
			error = errno;
			break;
		}
		if (disk_listed(directory, entry))
			fn(context, entry->d_name);
	}
	closedir(stream);
	return -error;
}

int disk_open(int directory, const char *name, unsigned flags)
{
	int mode = O_NOFOLLOW | O_CLOEXEC;

	mode |= flags & DISK_WRITE ? O_RDWR : O_RDONLY;
	mode |= flags & DISK_CREATE ? O_CREAT | O_EXCL : 0;
	mode |= flags & DISK_DSYNC ? O_DSYNC : 0;
	int fd = openat(directory, name, mode, DISK_FILE_MODE);
	if (fd < 0)
		return -errno;

	/*
	 * O_DIRECT afterwards rather than in open(), which on a file system without it answers EINVAL but has
	 * made the file by then. Not having it costs speed only, so a refusal here is no error.
	 */
	if (flags & DISK_DIRECT) {
		int status = fcntl(fd, F_GETFL);
		if (status < 0 || (fcntl(fd, F_SETFL, status | O_DIRECT) < 0 && errno != EINVAL)) {
			int error = errno;
			disk_close(fd);
			return -error;
		}
	}
	return fd;
}

int disk_rename(int directory, const char *from, const char *to)
{
	return renameat(directory, from, directory, to) < 0 ? -errno : 0;
}

int disk_unlink(int directory, const char *name)
{
	return unlinkat(directory, name, 0) < 0 ? -errno : 0;
}

int disk_remove_directory(int directory, const char *name)
{
	return unlinkat(directory, name, AT_REMOVEDIR) < 0 ? -errno : 0;
}

int64_t disk_size(int fd)
{
	struct stat status;

	return fstat(fd, &status) < 0 ? -errno : (int64_t)status.st_size;
}

int disk_allocate(int fd, uint64_t length)
{
	int result;

	assert(length <= INT64_MAX);
	do
		result = fallocate(fd, 0, 0, (off_t)length);
	while (result < 0 && errno == EINTR);
	return result < 0 ? -errno : 0;
}

int disk_truncate(int fd, uint64_t length)
{
	int result;

	assert(length <= INT64_MAX);
	do
		result = ftruncate(fd, (off_t)length);
	while (result < 0 && errno == EINTR);
	return result < 0 ? -errno : 0;
}

int64_t disk_read(int fd, void *data, size_t length, uint64_t offset)
{
	size_t done = 0;

	assert(length <= INT64_MAX && offset <= INT64_MAX - length);
	while (done < length) {
		ssize_t got = pread(fd, (char *)data + done, length - done, (off_t)(offset + done));
		if (got < 0) {
			if (errno == EINTR)
				continue;
			return -errno;
		}
		if (got == 0)
			break;
		done += (size_t)got;
		if (done == length)
			break;

		/* Short, usually at the end: asking again from there would be unaligned, an error with O_DIRECT. */
		int64_t size = disk_size(fd);
		if (size < 0)
			return size;
		if (offset + done >= (uint64_t)size)
			break;
	}
	return (int64_t)done;
}

int64_t disk_write(int fd, const void *data, size_t length, uint64_t offset)
{
	size_t done = 0;

	assert(length <= INT64_MAX && offset <= INT64_MAX - length);
	while (done < length) {
		ssize_t put = pwrite(fd, (const char *)data + done, length - done, (off_t)(offset + done));
		if (put < 0) {
			if (errno == EINTR)
				continue;
			return -errno;
		}
		/* No octet and no error: repeating could go on for ever. */
		if (put == 0)
			return -EIO;
		done += (size_t)put;
	}
	return (int64_t)done;
}
