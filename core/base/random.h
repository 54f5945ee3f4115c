/*
 * core/base/random.h - randomness. random_bytes() is the kernel's (simulation links a seeded one); struct
 * random is a fast per-shard generator for jitter, never for secrets.
 */
#ifndef POSTRIDER_BASE_RANDOM_H
#define POSTRIDER_BASE_RANDOM_H

#include <stddef.h>
#include <stdint.h>

void random_bytes(void *out, size_t length); /* cannot fail: aborts where the kernel refuses */

struct random {
	uint64_t state;
};

void random_init(struct random *r);
uint64_t random_u64(struct random *r);
uint64_t random_below(struct random *r, uint64_t bound); /* 0 <= result < bound; bound > 0 */

#endif
