/*
 * tests/unit/test_post.c - posts: nothing runs where one is sent, to the own shard or to another; order stays, also
 * where the ring between two shards is full.
 */
#include "core/shard/post.h"

#include "core/shard/shard.h"
#include "tests/unit/check.h"

enum { SHARDS = 2, CAPACITY = 2, POSTS = 7 };

static struct shard shards[SHARDS];
static struct shard *all[SHARDS] = {&shards[0], &shards[1]};
static _Alignas(HANDOFF_CACHE_LINE) struct handoff handoffs[SHARDS * SHARDS];

struct letter {
	struct post post;
	unsigned number;
};
static struct letter letters[POSTS];
static unsigned taken[2 * POSTS], taken_count, taken_by;

static void setup(void)
{
	taken_count = 0;
	for (unsigned i = 0; i < SHARDS; i++) {
		memset(&shards[i], 0, sizeof(shards[i]));
		shards[i].index = i;
		shards[i].count = SHARDS;
		shards[i].all = all;
		shards[i].handoffs = handoffs;
		CHECK_EQ(post_init(&shards[i]), 0);
		/* No ring is needed where the last doorbell has not been answered. */
		for (unsigned to = 0; to < SHARDS; to++)
			shards[i].doorbells[to].op.in_flight = true;
	}
	for (unsigned i = 0; i < SHARDS * SHARDS; i++)
		CHECK_EQ(handoff_init(&handoffs[i], CAPACITY), 0);
}

static void teardown(void)
{
	for (unsigned i = 0; i < SHARDS; i++)
		post_deinit(&shards[i]);
	for (unsigned i = 0; i < SHARDS * SHARDS; i++)
		handoff_deinit(&handoffs[i]);
}

static void on_taken(struct shard *shard, struct post *post)
{
	taken_by = shard->index;
	taken[taken_count++] = container_of(post, struct letter, post)->number;
}

static void send_letter(unsigned from, unsigned to, unsigned number, post_fn *fn)
{
	struct letter *letter = &letters[number];

	*letter = (struct letter){.post = {.fn = fn, .to = (uint16_t)to}, .number = number};
	list_init(&letter->post.link);
	post_send(&shards[from], &letter->post);
}

/* Answers by a post to the shard it is on, as an owner that is home does. */
static void on_taken_answers(struct shard *shard, struct post *post)
{
	on_taken(shard, post);
	send_letter(shard->index, shard->index, 1, on_taken);
	CHECK_EQ(taken_count, 1); /* not from within */
}

static void test_own(void)
{
	setup();
	send_letter(0, 0, 0, on_taken_answers);
	CHECK_EQ(taken_count, 0);
	CHECK(!list_empty(&shards[0].posts_here));
	post_collect(&shards[0]);
	CHECK_EQ(taken_count, 2); /* and what that led to, in the same collection */
	CHECK_EQ(taken[1], 1);
	CHECK(list_empty(&shards[0].posts_here));
	CHECK_EQ(counter_get(&shards[0].counters.handoffs), 0);
	teardown();
}

static void test_other(void)
{
	setup();
	for (unsigned i = 0; i < POSTS - 1; i++)
		send_letter(0, 1, i, on_taken);
	CHECK_EQ(taken_count, 0);
	CHECK(shards[0].ring_bell[1]);
	/* The ring has room again, but others wait for it. */
	post_collect(&shards[1]);
	send_letter(0, 1, POSTS - 1, on_taken);
	CHECK_EQ(counter_get(&shards[0].counters.handoff_full), POSTS - CAPACITY);
	for (unsigned turn = 0; turn < POSTS && taken_count < POSTS; turn++) {
		post_collect(&shards[0]); /* nothing for the sender */
		post_collect(&shards[1]);
		CHECK_EQ(taken_by, 1);
		post_publish(&shards[0]);
	}
	CHECK_EQ(taken_count, POSTS);
	for (unsigned i = 0; i < POSTS; i++)
		CHECK_EQ(taken[i], i);
	CHECK(!post_idle(&shards[0])); /* the doorbell is still under way */
	teardown();
}

int main(void)
{
	RUN(test_own);
	RUN(test_other);
	return check_end();
}
