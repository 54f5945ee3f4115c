/* queue/hash.h - the hash that spreads messages over lanes and lanes over shards. Not for secrets. */
#ifndef POSTRIDER_QUEUE_HASH_H
#define POSTRIDER_QUEUE_HASH_H

#include <stddef.h>
#include <stdint.h>

uint64_t queue_hash(const void *data, size_t length); /* XXH3-64, seed 0: the same in every process */

#endif
