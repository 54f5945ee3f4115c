/*
 * core/base/disk.h - the synchronous half of the disk: what start-up, recovery and segment creation need.
 *
 * Like ring.h it has two implementations: disk_posix.c and the simulated disk in tests/sim. Nothing
 * here is called on the message path except by the spool's helper that prepares segments ahead of need.
 * All functions return >= 0 or a negative errno.
 */
#ifndef POSTRIDER_BASE_DISK_H
#define POSTRIDER_BASE_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum {
	DISK_CREATE = 1u << 0, /* create, fail if it exists */
	DISK_WRITE = 1u << 1,  /* read and write; else read only */
	DISK_DIRECT = 1u << 2, /* O_DIRECT where the file system can; silently buffered where it cannot */
	DISK_DSYNC = 1u << 3,  /* a completed write is durable */
};

enum { DISK_BLOCK = 4096 }; /* alignment of offset, length and memory for DISK_DIRECT */

/* Opens (making it if `create`) a directory; the descriptor is for the calls below. */
int disk_directory_open(const char *path, bool create);
/* Makes and opens a subdirectory (durably). */
int disk_subdirectory_open(int directory, const char *name, bool create);
/* Takes the exclusive lock "lock" in the directory, held until disk_close of the returned descriptor;
 * -EWOULDBLOCK when another process holds it. */
int disk_lock(int directory);
/* Calls fn for each regular file or subdirectory, in no order. */
int disk_list(int directory, void (*fn)(void *context, const char *name), void *context);
int disk_open(int directory, const char *name, unsigned flags);
int disk_rename(int directory, const char *from, const char *to);
int disk_unlink(int directory, const char *name);
int disk_remove_directory(int directory, const char *name);
int disk_sync(int fd); /* file or directory */
int64_t disk_size(int fd);
int disk_allocate(int fd, uint64_t length);
int disk_truncate(int fd, uint64_t length);
/* Full-length read and write; a read past the end returns the octets there were. */
int64_t disk_read(int fd, void *data, size_t length, uint64_t offset);
int64_t disk_write(int fd, const void *data, size_t length, uint64_t offset);
void disk_close(int fd);

#endif
