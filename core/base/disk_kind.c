/*
 * core/base/disk_kind.c - see disk_kind.h.
 */
#include "core/base/disk_kind.h"

#include <linux/magic.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/vfs.h>

/* Newer than the headers of Debian 12, or in none. */
#define CIFS_NUMBER 0xff534d42u
#define SMB2_NUMBER 0xfe534d42u

const char *disk_kind_unsafe(const char *path)
{
	struct statfs disk;

	if (statfs(path, &disk) < 0)
		return NULL;
	switch ((uint32_t)disk.f_type) {
	case TMPFS_MAGIC:
	case RAMFS_MAGIC:
		return "is in memory, and all mail in it is gone when the machine is: use a directory on a disk";
	case NFS_SUPER_MAGIC:
	case SMB_SUPER_MAGIC:
	case CIFS_NUMBER:
	case SMB2_NUMBER:
	case V9FS_MAGIC:
		return "is on a file system of the network, where neither what is written nor the lock against a "
		       "second process is sure to last: use a directory on a disk of this machine";
	default:
		return NULL;
	}
}
