/* queue/hash.c - see hash.h. */
#include "queue/hash.h"

#include <xxhash.h>

uint64_t queue_hash(const void *data, size_t length)
{
	return XXH3_64bits(data, length);
}
