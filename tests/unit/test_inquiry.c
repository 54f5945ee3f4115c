/*
 * tests/unit/test_inquiry.c - how long a question to the shards is waited for (inquiry_wait_moving()): as long as
 * something of it is done, and no longer than whoever asks is there. The shard is a thread that does its visits.
 *
 * What is waited for is a result, never a time: each wait has a limit that nothing reaches.
 */
#include "core/control/inquiry.h"

#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/control/desk.h"
#include "core/control/request.h"
#include "core/relay/relay.h"
#include "core/shard/shard.h"
#include "tests/unit/check.h"

enum { STEPS = 40, STEP_US = 5000 };
#define LONG_NS (600 * CLOCK_NS_PER_S)

static struct shard shard;
static struct shard *all[] = {&shard};
static struct relay relay;
static struct desk desk;
static struct control_request asker;
static pthread_t thread;
static _Atomic(bool) stopping, stuck, has_gone;
static _Atomic(unsigned) forgotten, unwanted;

struct part {
	struct inquiry_part part;
	unsigned at;
};

void desk_ring(struct desk *of, unsigned index)
{
}

bool request_gone(const struct control_request *request)
{
	return atomic_load(&has_gone);
}

/* `question`: after so many steps it is done; NULL: never, but where nobody wants it any more. */
static enum visit_step step(struct shard *of, struct visit *visit, uint64_t until_ns)
{
	struct part *part = (struct part *)inquiry_part_of(visit);
	const unsigned *steps = inquiry_question(&part->part);

	if (!inquiry_wanted(&part->part)) {
		atomic_fetch_add(&unwanted, 1);
		return VISIT_DONE;
	}
	return steps && ++part->at >= *steps ? VISIT_DONE : VISIT_MORE;
}

static void forget(void *question)
{
	atomic_fetch_add(&forgotten, 1);
}

static const struct inquiry_kind kind = {.size = sizeof(struct part), .fn = step, .forget = forget};

static void *run(void *context)
{
	while (!atomic_load(&stopping)) {
		if (!atomic_load(&stuck))
			visits_run(&shard);
		usleep(STEP_US);
	}
	return NULL;
}

static void open_all(void)
{
	visits_init(&shard.visits);
	relay.shards = all;
	relay.shard_count = 1;
	desk.relay = &relay;
	pthread_mutex_init(&desk.lock, NULL);
	list_init(&desk.left);
	atomic_store(&stopping, false);
	atomic_store(&stuck, false);
	atomic_store(&has_gone, false);
	atomic_store(&forgotten, 0);
	atomic_store(&unwanted, 0);
	CHECK_EQ(pthread_create(&thread, NULL, run, NULL), 0);
}

static void close_all(void)
{
	atomic_store(&stopping, true);
	pthread_join(thread, NULL);
	inquiries_end(&desk);
	CHECK(list_empty(&desk.left));
	pthread_mutex_destroy(&desk.lock);
}

/* Longer than a shard may do nothing, a whole hour if need be, while it does something: here 40 steps. */
static void test_as_long_as_it_moves(void)
{
	static unsigned steps = STEPS;
	struct inquiry *inquiry;

	open_all();
	inquiry = inquiry_new(&desk, &kind, &steps);
	CHECK(inquiry != NULL);
	inquiry_ask_all(inquiry);
	CHECK(inquiry_wait_moving(inquiry, &asker, LONG_NS, LONG_NS));
	CHECK(inquiry_part(inquiry, 0) != NULL);
	inquiry_end(inquiry);
	CHECK_EQ(atomic_load(&forgotten), 1);
	CHECK_EQ(atomic_load(&unwanted), 0);
	close_all();
}

/* A shard that does nothing: not to the end of the hour. */
static void test_stuck(void)
{
	unsigned first = 7;
	struct inquiry *inquiry;

	open_all();
	atomic_store(&stuck, true);
	inquiry = inquiry_new(&desk, &kind, NULL);
	inquiry_ask_all(inquiry);
	CHECK(!inquiry_wait_moving(inquiry, NULL, LONG_NS, CLOCK_NS_PER_S / 5));
	CHECK(inquiry_part(inquiry, 0) == NULL);
	CHECK_EQ(inquiry_missing(inquiry, &first), 1);
	CHECK_EQ(first, 0);
	inquiry_end(inquiry);
	close_all();
}

/* Whoever asked has gone: it is not waited for, though the shard goes on with it; and that ends it there as well. */
static void test_gone(void)
{
	struct inquiry *inquiry;

	open_all();
	atomic_store(&has_gone, true);
	inquiry = inquiry_new(&desk, &kind, NULL);
	inquiry_ask_all(inquiry);
	CHECK(!inquiry_wait_moving(inquiry, &asker, LONG_NS, LONG_NS));
	CHECK_EQ(atomic_load(&unwanted), 0);
	inquiry_end(inquiry);
	while (atomic_load(&unwanted) == 0)
		usleep(STEP_US);
	CHECK_EQ(atomic_load(&unwanted), 1);
	close_all();
}

int main(void)
{
	RUN(test_as_long_as_it_moves);
	RUN(test_stuck);
	RUN(test_gone);
	return check_end();
}
