/*
 * core/shard/quota.h - what somebody whose limits they are has had of them: connections that are open, and what was
 * taken in the last second or minute. For any number of threads, exactly: in no window is more taken than may be.
 *
 * Each kind is an allowance of its own (core/base/allowance.h), which there is only where there is a limit; so a limit
 * costs half a kilobyte, two atomic operations, and nothing where there is none.
 */
#ifndef POSTRIDER_SHARD_QUOTA_H
#define POSTRIDER_SHARD_QUOTA_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/base/allowance.h"

enum quota_kind {
	QUOTA_CONNECTIONS, /* in a second; all others in a minute */
	QUOTA_MESSAGES,
	QUOTA_RECIPIENTS,
	QUOTA_OCTETS,
	QUOTA_ERRORS, /* of addresses */
	QUOTA_KINDS,
};

struct quota {
	_Atomic(unsigned) connections; /* open now */
	struct quota_taken *taken;     /* owned by whoever made it; NULL: without a limit of a second or minute */
};
struct quota_taken {
	struct allowance *kinds[QUOTA_KINDS]; /* owned by whoever made it; NULL: without a limit of this kind */
};

uint64_t quota_window_ns(enum quota_kind kind);

/* `n` of the `most` (0: no limit) that may be taken in the kind's window. False: they are not to be had now. What is
 * more than `most` by itself is had alone, where nothing was taken. */
bool quota_take(struct quota *quota, enum quota_kind kind, uint64_t now_ns, uint64_t most, uint64_t n);
/* The same without taking: would they be had now? */
bool quota_has(struct quota *quota, enum quota_kind kind, uint64_t now_ns, uint64_t most, uint64_t n);
/* Both are given back at the later of these times; else only what was taken then. */
bool quota_given_back_together(enum quota_kind kind, uint64_t one_ns, uint64_t other_ns);
/* Taken at that time, and not used; there is a limit. */
void quota_give_back(struct quota *quota, enum quota_kind kind, uint64_t then_ns, uint64_t n);

#endif
