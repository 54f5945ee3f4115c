/* tests/unit/test_pool.c - limits, reuse order, alignment and independence of blocks. */
#include "core/base/pool.h"

#include <stdint.h>

#include "tests/unit/check.h"

static void test_limit(void)
{
	struct pool pool;
	void *blocks[10];

	pool_init(&pool, 100, 4, 10);
	CHECK_EQ(pool.block_size, 104);
	for (int i = 0; i < 10; i++) {
		blocks[i] = pool_acquire(&pool);
		CHECK(blocks[i] != NULL);
	}
	/* The last of three chunks is cut to the limit. */
	CHECK_EQ(pool.allocated, 10);
	CHECK_EQ(pool.in_use, 10);
	CHECK(pool_acquire(&pool) == NULL);
	CHECK_EQ(pool.in_use, 10);

	pool_release(&pool, blocks[3]);
	CHECK_EQ(pool.in_use, 9);
	CHECK(pool_acquire(&pool) == blocks[3]);
	CHECK(pool_acquire(&pool) == NULL);
	pool_deinit(&pool);
	CHECK_EQ(pool.in_use, 0);
}

static void test_limit_zero(void)
{
	struct pool pool;

	pool_init(&pool, 16, 4, 0);
	CHECK(pool_acquire(&pool) == NULL);
	pool_deinit(&pool);
}

static void test_grows_with_need(void)
{
	struct pool pool;

	pool_init(&pool, 64, 8, 1000);
	CHECK_EQ(pool.allocated, 0);
	void *block = pool_acquire(&pool);
	CHECK_EQ(pool.allocated, 8);
	for (int i = 0; i < 100; i++) {
		pool_release(&pool, block);
		CHECK(pool_acquire(&pool) == block);
	}
	CHECK_EQ(pool.allocated, 8);
	pool_deinit(&pool);
}

static void test_last_in_first_out(void)
{
	struct pool pool;
	void *blocks[6];

	pool_init(&pool, 32, 3, 6);
	for (int i = 0; i < 6; i++)
		blocks[i] = pool_acquire(&pool);
	for (int i = 0; i < 6; i++)
		pool_release(&pool, blocks[i]);
	for (int i = 5; i >= 0; i--)
		CHECK(pool_acquire(&pool) == blocks[i]);
	pool_deinit(&pool);
}

/* Every block is aligned for any type of its size, and filling one leaves all others alone. */
static void test_blocks_are_apart(void)
{
	static const size_t sizes[] = {1, 8, 16, 17, 100, 4096};

	for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
		struct pool pool;
		unsigned char *blocks[50];

		pool_init(&pool, sizes[s], 7, 50);
		for (int i = 0; i < 50; i++) {
			blocks[i] = pool_acquire(&pool);
			CHECK_EQ((uintptr_t)blocks[i] % (sizes[s] % 16 ? 8 : 16), 0);
			memset(blocks[i], i, pool.block_size);
		}
		for (int i = 0; i < 50; i++) {
			bool intact = true;
			for (size_t k = 0; k < pool.block_size; k++)
				intact &= blocks[i][k] == i;
			CHECK(intact);
		}
		pool_deinit(&pool);
	}
}

/* A released block can still be looked at; with the debug option it holds the pattern. */
static void test_released_block_stays(void)
{
	struct pool pool;

	pool_init(&pool, 64, 2, 2);
	unsigned char *block = pool_acquire(&pool);
	memset(block, 7, 64);
	pool_release(&pool, block);
#ifdef POSTRIDER_DEBUG_MEMORY
	CHECK_EQ(block[40], 0xd5);
#else
	CHECK_EQ(block[40], 7);
#endif
	pool_deinit(&pool);
}

int main(void)
{
	RUN(test_limit);
	RUN(test_limit_zero);
	RUN(test_grows_with_need);
	RUN(test_last_in_first_out);
	RUN(test_blocks_are_apart);
	RUN(test_released_block_stays);
	return check_end();
}
