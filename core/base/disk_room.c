/*
 * core/base/disk_room.c - see disk_room.h.
 */
#include "core/base/disk_room.h"

#include <stdint.h>
#include <sys/statvfs.h>

enum { FREE_PERCENT = 5 };
#define FREE_MIN (UINT64_C(64) << 20)

static bool enough(const struct statvfs *st)
{
	return st->f_blocks == 0 ||
	       ((uint64_t)st->f_bavail * st->f_frsize >= FREE_MIN && st->f_bavail >= st->f_blocks / 100 * FREE_PERCENT);
}

bool disk_has_room(const char *path)
{
	struct statvfs st;

	return statvfs(path, &st) < 0 || enough(&st);
}

bool disk_has_room_at(int fd)
{
	struct statvfs st;

	return fstatvfs(fd, &st) < 0 || enough(&st);
}
