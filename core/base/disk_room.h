/*
 * core/base/disk_room.h - whether files that are of use, and no more, may take of a disk: what is left of one that is
 * nearly full is the spool's, of which a segment is made with the last octet.
 */
#ifndef POSTRIDER_BASE_DISK_ROOM_H
#define POSTRIDER_BASE_DISK_ROOM_H

#include <stdbool.h>

/* What to say, as a reason. */
#define DISK_NEARLY_FULL "the disk is nearly full, and what is left is the spool's"

/* 64 MiB and a twentieth of the file system are free where the file or directory, or the open one, is. True where that
 * cannot be found out: then the writing itself will tell. */
bool disk_has_room(const char *path);
bool disk_has_room_at(int fd);

#endif
