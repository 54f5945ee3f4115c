/*
 * test_slots.c - connections shared by lanes: how many, in which order, and by threads that only look when they are
 * called.
 */
#include "core/deliver/slots.h"

#include <pthread.h>
#include <sched.h>
#include <unistd.h>

#include "tests/unit/check.h"

static bool takes(struct slots *s, unsigned lane, unsigned most)
{
	bool first;

	return slots_take(s, lane, most, &first);
}

static void test_exact(void)
{
	struct slots s = {0};
	bool first;

	for (unsigned i = 0; i < 3; i++)
		CHECK(takes(&s, i, 3));
	CHECK(!slots_take(&s, 3, 3, &first) && first);
	CHECK(!slots_take(&s, 3, 3, &first) && !first);
	CHECK(slots_registered(&s, 3) && !slots_registered(&s, 0));
	CHECK_EQ(s.taken, 3);
	CHECK_EQ(s.holding, 7);
	/* It is kept for who waits, and nobody else gets it. */
	CHECK_EQ(slots_give_back(&s, 1, 3, true), 3);
	CHECK_EQ(s.taken, 3);
	CHECK(!takes(&s, 1, 3) && !slots_take_spare(&s, 0, 3));
	CHECK(takes(&s, 3, 3));
	CHECK_EQ(s.holding, 1 | 4 | 8);
	/* One lane alone may have them all. */
	CHECK_EQ(slots_leave(&s, 1, 3, true), SLOTS_NOBODY);
	CHECK_EQ(slots_give_back(&s, 0, 3, true), SLOTS_NOBODY);
	CHECK_EQ(slots_give_back(&s, 2, 3, true), SLOTS_NOBODY);
	CHECK(takes(&s, 3, 3) && slots_take_spare(&s, 3, 3) && !slots_take_spare(&s, 3, 3));
	CHECK_EQ(s.taken, 3);
	CHECK_EQ(s.waiting | s.called, 0);
}

/* Lane `giver` gives one back while these wait. */
static void test_order(void)
{
	static const struct {
		uint64_t waiting;
		unsigned giver;
		int called;
	} cases[] = {
		{1 << 3 | 1 << 5, 0, 3},
		{1 << 3 | 1 << 5, 3, 5},
		{1 << 3 | 1 << 5, 4, 5},
		{1 << 3 | 1 << 5, 5, 3},
		{1 << 3 | 1 << 5, 63, 3},
		{1 << 3, 3, 3}, /* itself, where nobody else does */
		{UINT64_C(1) << 63 | 1, 62, 63},
		{UINT64_C(1) << 63 | 1, 63, 0},
		{0, 7, SLOTS_NOBODY},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct slots s = {.taken = 1, .waiting = cases[i].waiting};
		CHECK_EQ(slots_give_back(&s, cases[i].giver, 1, true), cases[i].called);
		CHECK_EQ(s.taken, cases[i].called != SLOTS_NOBODY);
	}
}

/* Who was called and wants none passes it on; so does who has one too many. */
static void test_leave(void)
{
	struct slots s = {0};

	CHECK(takes(&s, 0, 1) && !takes(&s, 1, 1) && !takes(&s, 2, 1));
	CHECK_EQ(slots_give_back(&s, 0, 1, true), 1);
	CHECK_EQ(slots_leave(&s, 1, 1, true), 2);
	CHECK_EQ(slots_leave(&s, 2, 1, true), SLOTS_NOBODY);
	CHECK_EQ(s.taken, 0);
	CHECK_EQ(s.waiting | s.called | s.holding, 0);
	/* Not of any use: nobody is called for it, and who waits may still take it. */
	CHECK(takes(&s, 0, 1) && !takes(&s, 1, 1));
	slots_put_back(&s, 0, true);
	CHECK(!takes(&s, 2, 1));
	CHECK(takes(&s, 1, 1));
	CHECK_EQ(s.taken, 1);
}

/* Fewer are allowed than there are. */
static void test_fewer(void)
{
	struct slots s = {0};

	for (unsigned i = 0; i < 4; i++)
		CHECK(takes(&s, i, 4));
	CHECK_EQ(slots_pressed(&s, 0, 4), 0);
	CHECK_EQ(slots_pressed(&s, 0, 2), 2);
	CHECK(!takes(&s, 5, 2));
	CHECK_EQ(slots_pressed(&s, 0, 2), 3);
	CHECK_EQ(slots_give_back(&s, 0, 2, true), SLOTS_NOBODY);
	CHECK_EQ(slots_give_back(&s, 1, 2, true), SLOTS_NOBODY);
	CHECK_EQ(slots_give_back(&s, 2, 2, true), 5);
	CHECK_EQ(s.taken, 2);
}

/* Each who waits is promised one, and one only; and how many a lane keeps. */
static void test_promise(void)
{
	struct slots s = {0};
	bool rotate;

	for (unsigned i = 0; i < 6; i++)
		CHECK(takes(&s, 0, 6));
	CHECK_EQ(slots_share(&s, 0, &rotate), 6);
	CHECK(!slots_promise(&s, 0, 6));
	CHECK(!takes(&s, 1, 6) && !takes(&s, 2, 6));
	CHECK_EQ(slots_share(&s, 0, &rotate), 2);
	CHECK(!rotate);
	CHECK_EQ(slots_pressed(&s, 0, 6), 2);
	CHECK(slots_promise(&s, 0, 6) && slots_promise(&s, 0, 6) && !slots_promise(&s, 0, 6));
	CHECK_EQ(slots_pressed(&s, 0, 6), 0);
	CHECK_EQ(slots_give_back(&s, 0, 6, false), 1);
	slots_promise_over(&s);
	CHECK(takes(&s, 1, 6));
	CHECK_EQ(slots_pressed(&s, 0, 6), 0);
	/* It does not come: another one is to be given up. */
	slots_promise_over(&s);
	CHECK_EQ(slots_pressed(&s, 0, 6), 1);
	/* What a lane waits for itself it cannot give. */
	CHECK_EQ(slots_pressed(&s, 2, 6), 0);
	for (unsigned i = 3; i < 8; i++)
		CHECK(!takes(&s, i, 6));
	CHECK_EQ(slots_share(&s, 0, &rotate), 1);
	CHECK(rotate);
}

/* ---- threads ----------------------------------------------------------------------------------------------------- */

enum { THREADS = 8, MOST = 3, ROUNDS = 20000, GIVE_UP_S = 120 };

static struct slots shared;
static _Atomic(unsigned) open_now, too_many;
static _Atomic(bool) bells[THREADS];

static void ring(int lane)
{
	if (lane != SLOTS_NOBODY)
		atomic_store(&bells[lane], true);
}

/* Now and then it is called and has changed its mind, or finds that the slot is of no use. */
static void *take_turns(void *context)
{
	const unsigned lane = (unsigned)(uintptr_t)context;

	for (unsigned round = 0; round < ROUNDS; round++) {
		bool first;
		while (!slots_take(&shared, lane, MOST, &first)) {
			while (!atomic_exchange(&bells[lane], false))
				sched_yield();
			if (round % 16 == 7) {
				ring(slots_leave(&shared, lane, MOST, true));
				break;
			}
		}
		if (!(atomic_load(&shared.holding) >> lane & 1))
			continue;
		if (atomic_fetch_add(&open_now, 1) >= MOST)
			atomic_fetch_add(&too_many, 1);
		if (round % 8 == 3)
			sched_yield();
		atomic_fetch_sub(&open_now, 1);
		ring(slots_give_back(&shared, lane, MOST, true));
		/* A slot that it was given beside the one it found. */
		ring(slots_leave(&shared, lane, MOST, true));
	}
	return NULL;
}

/* Nobody looks before the bell: a call that is lost hangs. */
static void test_threads(void)
{
	pthread_t threads[THREADS];

	alarm(GIVE_UP_S);
	for (uintptr_t t = 0; t < THREADS; t++)
		CHECK_EQ(pthread_create(&threads[t], NULL, take_turns, (void *)t), 0);
	for (unsigned t = 0; t < THREADS; t++)
		pthread_join(threads[t], NULL);
	alarm(0);
	CHECK_EQ(too_many, 0);
	CHECK_EQ(shared.taken, 0);
	CHECK_EQ(shared.waiting | shared.called | shared.holding, 0);
}

int main(void)
{
	RUN(test_exact);
	RUN(test_order);
	RUN(test_leave);
	RUN(test_fewer);
	RUN(test_promise);
	RUN(test_threads);
	return check_end();
}
