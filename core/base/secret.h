/*
 * core/base/secret.h - secrets from files: read whole into one block, wiped before it is given back, and replaced
 * durably.
 *
 * Files are small and read where waiting is allowed, never on a shard's thread. A file may be a systemd credential
 * (LoadCredential=), which is read-only.
 */
#ifndef POSTRIDER_BASE_SECRET_H
#define POSTRIDER_BASE_SECRET_H

#include <stdbool.h>
#include <stddef.h>

enum { SECRET_MAX = 65536 }; /* octets of a file with a key or a password */

struct secret {
	char *text; /* owned; NUL behind it; NULL: none */
	size_t length, size;
};

/* All of the file but for line ends at its end. 0; -ENODATA: it is empty; -EFBIG beyond SECRET_MAX; -EINVAL: no
 * regular file; or another negative errno. Whatever was in *secret is overwritten, not freed. */
int secret_read(const char *path, struct secret *secret);
/* A copy. False: no memory. */
bool secret_set(struct secret *secret, const char *text, size_t length);
void secret_wipe(struct secret *secret);

/* Replaces a file: written beside it, synced, renamed, and the directory synced, so that after a crash it is the old
 * one or the new one, whole. Owner and mode are those of the file before; a new file is its owner's alone. Links are
 * followed. 0 or a negative errno: then the old one stands. */
int secret_replace(const char *path, const char *text, size_t length);
/* The same for a file with another's owner and mode. */
int secret_make_like(const char *path, const char *like, const char *text, size_t length);
/* Renames, and syncs the directory. 0 or a negative errno. */
int secret_rename(const char *from, const char *to);
/* Syncs the directory in which it lies, so that a file made or renamed there outlives crashes. 0 or -errno. */
int secret_sync_directory(const char *path);

#endif
