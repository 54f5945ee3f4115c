/*
 * core/base/secret.h - secrets from files: read whole into one block, and wiped before it is given back. They are
 * replaced as any file (durable.h).
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

#endif
