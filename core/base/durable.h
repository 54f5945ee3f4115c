/*
 * core/base/durable.h - small files that outlive crashes: replaced as a whole, renamed, written, set aside.
 *
 * For threads that may wait; shards have disk.h. Paths are the operator's: links are followed.
 */
#ifndef POSTRIDER_BASE_DURABLE_H
#define POSTRIDER_BASE_DURABLE_H

#include <limits.h>
#include <stddef.h>
#include <stdint.h>

/* What a file that cannot be used is called behind its own name. */
#define DURABLE_DAMAGED ".damaged"

/* Replaces a file: written beside it, synced, renamed, and the directory synced, so that after a crash it is the old
 * one or the new one, whole. Owner and mode are those of the file before; a new file is its owner's alone. Links are
 * followed. 0 or a negative errno: then the old one stands. */
int durable_replace(const char *path, const char *text, size_t length);
/* The same for a file with another's owner and mode. */
int durable_make_like(const char *path, const char *like, const char *text, size_t length);
/* Renames, and syncs the directory. 0 or a negative errno. */
int durable_rename(const char *from, const char *to);
/* Syncs the directory in which it lies, so that a file made or renamed there outlives crashes. 0 or -errno. */
int durable_sync_directory(const char *path);

/* All of it, from this octet of the file on; not synced. 0 or a negative errno: then some of it may be there. */
int durable_write(int fd, const char *data, size_t length, uint64_t at);
/* Renames a file that cannot be used to `kept`, where somebody may look at it; one of before is replaced. 0 or a
 * negative errno: it is still there, and is about to be replaced. */
int durable_set_aside(const char *path, char kept[PATH_MAX]);

#endif
