/*
 * core/receive/known.h - who has signed in lately: a device that does so for each message costs microseconds, not
 * 80 ms.
 *
 * Nothing readable is kept: of user, password and the hash in force a keyed hash (tls/mac.h), whose key is of this
 * shard and this process alone and is wiped with it. A password that was changed has another hash and so is unknown
 * at once, as is a user who is gone. One shard's; bounded: four places for each of so many sets, and the oldest
 * makes room.
 */
#ifndef POSTRIDER_RECEIVE_KNOWN_H
#define POSTRIDER_RECEIVE_KNOWN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tls/mac.h"

enum { KNOWN_SETS = 512, KNOWN_WAYS = 4, KNOWN_MINUTES = 60 };

struct known;

/* Whom it is about; all NUL-terminated. */
struct known_login {
	const char *user, *password, *hash;
};

/* `key`: of the kernel's randomness. NULL without memory. */
struct known *known_new(const uint8_t key[MAC_SIZE]);
void known_free(struct known *known); /* NULL is allowed; wipes it */

bool known_find(struct known *known, const struct known_login *login, uint64_t now_ns);
void known_add(struct known *known, const struct known_login *login, uint64_t now_ns);

#endif
