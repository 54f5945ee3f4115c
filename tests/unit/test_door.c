/*
 * test_door.c - how fast logins are said at a destination.
 */
#include "core/deliver/door.h"

#include <pthread.h>

#include "core/base/clock.h"
#include "tests/unit/check.h"

#define S CLOCK_NS_PER_S
#define MS CLOCK_NS_PER_MS
/* Times lose what is below thirty-two nanoseconds. */
#define ROUND(ns) ((ns) & ~UINT64_C(31))

static bool free_at(const struct door *door, uint64_t now_ns, uint64_t *next_ns)
{
	*next_ns = UINT64_MAX;
	return door_free(door, now_ns, next_ns);
}

/* One at a time, until the first is accepted; then nobody asks. */
static void test_first(void)
{
	struct door door = {0};
	uint64_t mine = 0, other = 0, next_ns;

	CHECK(free_at(&door, S, &next_ns));
	CHECK(door_enter(&door, S, &mine) && mine > 0);
	CHECK(door_enter(&door, S, &mine)); /* its next mechanism */
	CHECK(!door_enter(&door, S, &other) && other == 0);
	CHECK(!free_at(&door, S, &next_ns));
	CHECK_EQ(next_ns, S + DOOR_POLL_MS * MS);
	/* Over without a word. */
	door_leave(&door, &mine);
	CHECK(mine == 0 && free_at(&door, S, &next_ns));
	CHECK(door_enter(&door, S, &other));
	door_accepted(&door);
	door_leave(&door, &other);
	CHECK(door_enter(&door, S, &mine) && mine == 0);
	CHECK(free_at(&door, S, &next_ns));
}

/* One that is not answered keeps the others for its time, and takes nothing from who came after it. */
static void test_silent(void)
{
	struct door door = {0};
	uint64_t mine = 0, other = 0, third = 0, now_ns = S;

	CHECK(door_enter(&door, now_ns, &mine));
	now_ns += DOOR_LOGIN_MS * MS;
	CHECK(door_enter(&door, now_ns, &other));
	door_leave(&door, &mine);
	CHECK(!door_enter(&door, now_ns, &third));
	door_leave(&door, &other);
	CHECK(door_enter(&door, now_ns, &third));
}

static void test_refused(void)
{
	static const unsigned pauses[] = {0, 1, 2, 4, 8, 16, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30};
	struct door door = {0};
	uint64_t now_ns = S, next_ns, claim = 0;

	for (size_t i = 0; i < sizeof(pauses) / sizeof(pauses[0]); i++) {
		CHECK(door_enter(&door, now_ns, &claim));
		door_refused(&door, true, now_ns);
		door_leave(&door, &claim);
		if (pauses[i] > 0) {
			CHECK(!free_at(&door, ROUND(now_ns + pauses[i] * S) - 1, &next_ns));
			CHECK_EQ(next_ns, ROUND(now_ns + pauses[i] * S));
			CHECK(!door_enter(&door, ROUND(now_ns + pauses[i] * S) - 1, &claim));
		}
		now_ns = ROUND(now_ns + pauses[i] * S);
		CHECK(free_at(&door, now_ns, &next_ns));
	}
	/* Who reloads has mended something: at once, and if that is wrong too it goes on as before. */
	door_refused(&door, true, now_ns);
	CHECK(!free_at(&door, now_ns, &next_ns));
	CHECK_EQ(next_ns, now_ns + DOOR_POLL_MAX_MS * MS);
	door_retry(&door);
	CHECK(door_enter(&door, now_ns, &claim));
	door_refused(&door, true, now_ns);
	door_leave(&door, &claim);
	CHECK(!free_at(&door, now_ns + 29 * S, &next_ns));
	/* The first that is right forgets them all. */
	door_accepted(&door);
	CHECK(free_at(&door, now_ns, &next_ns));
	door_refused(&door, true, now_ns);
	CHECK(free_at(&door, now_ns, &next_ns));
	CHECK(door_enter(&door, now_ns, &claim) && claim > 0);
}

/* What a fresh token may mend is not said together, and has no pause. */
static void test_stale_token(void)
{
	struct door door = {0};
	uint64_t claim = 0, other = 0, next_ns;

	door_accepted(&door);
	for (int i = 0; i < 5; i++)
		door_refused(&door, false, S);
	CHECK(free_at(&door, S, &next_ns));
	CHECK(door_enter(&door, S, &claim) && claim > 0 && !door_enter(&door, S, &other));
	/* Of others that were on their way: whose turn it is stays. */
	door_refused(&door, false, S);
	CHECK(!door_enter(&door, S, &other));
	door_leave(&door, &claim);
	CHECK(door_enter(&door, S, &other));
}

/* ---- threads --------------------------------------------------------------------------------------------------- */

enum { THREADS = 4, ROUNDS = 20000 };
static struct door shared;
static _Atomic(unsigned) inside, most;

static void *come_and_go(void *argument)
{
	(void)argument;
	for (unsigned i = 0; i < ROUNDS; i++) {
		uint64_t claim = 0;
		if (!door_enter(&shared, S, &claim))
			continue;
		unsigned now = atomic_fetch_add(&inside, 1) + 1;
		if (now > atomic_load(&most))
			atomic_store(&most, now);
		atomic_fetch_sub(&inside, 1);
		door_leave(&shared, &claim);
	}
	return NULL;
}

static void test_threads(void)
{
	pthread_t threads[THREADS];

	for (unsigned i = 0; i < THREADS; i++)
		CHECK_EQ(pthread_create(&threads[i], NULL, come_and_go, NULL), 0);
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	CHECK_EQ(most, 1);
	CHECK_EQ(shared.word, 0);
}

int main(void)
{
	RUN(test_first);
	RUN(test_silent);
	RUN(test_refused);
	RUN(test_stale_token);
	RUN(test_threads);
	return check_end();
}
