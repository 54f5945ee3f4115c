/*
 * core/base/pool.h - pools of equal blocks for one thread.
 *
 * Blocks are carved from chunks that are never returned while the pool lives, so a pointer into a pool
 * always points at memory (late completions may look at an op's generation). Last in, first out: a
 * busy shard keeps touching the same warm blocks. A block is aligned for any type of its size. In debug builds
 * a returned block is filled with 0xd5.
 */
#ifndef POSTRIDER_BASE_POOL_H
#define POSTRIDER_BASE_POOL_H

#include <stddef.h>
#include <stdint.h>

struct pool {
	size_t block_size;   /* octets, rounded up to 8 */
	size_t chunk_blocks; /* blocks carved at a time */
	size_t limit;        /* most blocks in use at once */
	size_t in_use;
	size_t allocated;
	void *free;
	void *chunks;
};

void pool_init(struct pool *pool, size_t block_size, size_t chunk_blocks, size_t limit);
void pool_deinit(struct pool *pool);
/* Uninitialised memory, or NULL at the limit or when the machine has none: the caller slows down. */
void *pool_acquire(struct pool *pool);
void pool_release(struct pool *pool, void *block);

#endif
