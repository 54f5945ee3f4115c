/*
 * core/agents/password.h - hashes of passwords: made and compared; the only place that knows libcrypt.
 *
 * Slow and large on purpose (yescrypt: some 80 ms and 16 MiB for each), so never on a shard's thread. Which hashes
 * may be relied on core/config/password_form.h says; here every one that libcrypt does not know matches nothing.
 */
#ifndef POSTRIDER_AGENTS_PASSWORD_H
#define POSTRIDER_AGENTS_PASSWORD_H

#include <stdbool.h>
#include <stddef.h>

#include "core/config/password_form.h"

enum { PASSWORD_MAX = 512 }; /* octets of a password: libcrypt takes no more */

/* libcrypt's memory, for one thread at a time; wiped when it is freed. NULL without memory. */
struct password_desk;
struct password_desk *password_desk_new(void);
void password_desk_free(struct password_desk *desk);

/* Makes a new one by the best method. `password`: NUL-terminated. 0 or a negative errno. */
int password_hash(struct password_desk *desk, const char *password, char hash[PASSWORD_HASH_MAX + 1]);
/* In a time that does not tell where they differ. */
bool password_matches(struct password_desk *desk, const char *password, const char *hash);

#endif
