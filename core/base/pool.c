/*
 * core/base/pool.c - pools of equal blocks for one thread.
 *
 * Purpose
 *   Constant-time acquire and release without malloc on the message path, and a limit that is a number
 *   in the configuration rather than the moment the machine runs out.
 *
 * Ownership
 *   The pool owns its chunks, newest first in `chunks`; the holder of a block owns the block. A released
 *   block's first word links it into `free`. Only the newest chunk can have blocks not yet carved, and
 *   these are carved one at a time, so that memory nobody needed is never touched.
 *
 * Invariants
 *   in_use <= allocated and in_use <= limit; in_use + free blocks + uncarved blocks = allocated.
 *
 * Failure
 *   pool_acquire() answers NULL; nothing else can fail. Releasing more than was acquired is our bug.
 */
#include "core/base/pool.h"

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#ifdef POSTRIDER_DEBUG_MEMORY
enum { POOL_FILLS = 1 };
#else
enum { POOL_FILLS = 0 };
#endif

/* A type whose size is not a multiple of 16 is not to be aligned to that either: blocks of 8 octets more waste none. */
enum { POOL_ALIGNMENT = 16, POOL_STEP = 8, POOL_PATTERN = 0xd5 };

struct pool_chunk {
	struct pool_chunk *next;
	uint32_t blocks; /* in this chunk */
	uint32_t carved; /* of these, handed out at least once */
};

static_assert(sizeof(struct pool_chunk) == POOL_ALIGNMENT, "blocks follow the chunk's head, aligned");
static_assert(sizeof(void *) <= POOL_STEP, "a released block holds a link");

/* A released block. */
struct pool_block {
	struct pool_block *next;
};

void pool_init(struct pool *pool, size_t block_size, size_t chunk_blocks, size_t limit)
{
	assert(block_size > 0);
	assert(chunk_blocks > 0 && chunk_blocks <= UINT32_MAX);

	memset(pool, 0, sizeof(*pool));
	pool->block_size = (block_size + POOL_STEP - 1) / POOL_STEP * POOL_STEP;
	pool->chunk_blocks = chunk_blocks;
	pool->limit = limit;
	assert(pool->block_size >= block_size);
	assert(chunk_blocks <= (SIZE_MAX - sizeof(struct pool_chunk)) / pool->block_size);
}

/* Blocks still in use go too: a simulated crash drops everything a shard held at once. */
void pool_deinit(struct pool *pool)
{
	struct pool_chunk *chunk = pool->chunks;

	while (chunk != NULL) {
		struct pool_chunk *next = chunk->next;
		free(chunk);
		chunk = next;
	}
	pool->chunks = NULL;
	pool->free = NULL;
	pool->in_use = 0;
	pool->allocated = 0;
}

/* Adds a chunk, smaller than usual when the limit is near. */
static bool pool_grow(struct pool *pool)
{
	size_t blocks = pool->limit - pool->allocated;

	if (blocks > pool->chunk_blocks)
		blocks = pool->chunk_blocks;

	struct pool_chunk *chunk = malloc(sizeof(*chunk) + blocks * pool->block_size);
	if (chunk == NULL)
		return false;
	chunk->next = pool->chunks;
	chunk->blocks = (uint32_t)blocks;
	chunk->carved = 0;
	pool->chunks = chunk;
	pool->allocated += blocks;
	return true;
}

/* A released block that has changed was written by somebody who no longer owned it. */
static void pool_check_pattern(const struct pool *pool, const struct pool_block *block)
{
	const unsigned char *octets = (const unsigned char *)block;

	for (size_t i = sizeof(*block); i < pool->block_size; i++)
		assert(octets[i] == POOL_PATTERN);
}

void *pool_acquire(struct pool *pool)
{
	struct pool_block *block = pool->free;

	if (block != NULL) {
		if (POOL_FILLS)
			pool_check_pattern(pool, block);
		pool->free = block->next;
		pool->in_use++;
		return block;
	}
	if (pool->in_use >= pool->limit)
		return NULL;

	struct pool_chunk *chunk = pool->chunks;
	if (chunk == NULL || chunk->carved == chunk->blocks) {
		if (!pool_grow(pool))
			return NULL;
		chunk = pool->chunks;
	}
	block = (struct pool_block *)((char *)(chunk + 1) + chunk->carved * pool->block_size);
	chunk->carved++;
	pool->in_use++;
	return block;
}

void pool_release(struct pool *pool, void *block)
{
	struct pool_block *released = block;

	assert(released != NULL);
	assert(released != pool->free);
	assert(pool->in_use > 0);

	if (POOL_FILLS)
		memset(released, POOL_PATTERN, pool->block_size);
	released->next = pool->free;
	pool->free = released;
	pool->in_use--;
}
