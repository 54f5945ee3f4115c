/*
 * core/base/disk_kind.h - what a directory is on, where that is not the disk of this machine that a spool needs.
 */
#ifndef POSTRIDER_BASE_DISK_KIND_H
#define POSTRIDER_BASE_DISK_KIND_H

/* What is wrong with the file system of `path` for what has to last, as a sentence's end behind a path; NULL: nothing
 * is known. By the kernel's numbers of statfs(2). */
const char *disk_kind_unsafe(const char *path);

#endif
