/*
 * tests/unit/test_handoff.c - the handoff ring: order, limits, wrap of its cursors, and two threads.
 *
 * The threads pass parcels forth in one ring and back in another, and each writes into a parcel before it
 * lets go of it: a push that publishes too early, or a slot reused too early, shows as a wrong number
 * here and as a data race under ThreadSanitizer.
 */
#include "queue/handoff.h"

#include <pthread.h>
#include <sched.h>

#include "tests/unit/check.h"

#ifndef __has_feature
#define __has_feature(name) 0
#endif

/* ThreadSanitizer is slow, and finds a race after few rounds. */
#if defined(__SANITIZE_THREAD__) || __has_feature(thread_sanitizer)
enum { PARCELS_TOTAL = 300000 };
#else
enum { PARCELS_TOTAL = 4000000 };
#endif

enum { PARCELS = 64 };

static void test_order_and_limits(void)
{
	struct handoff ring;
	int items[8];

	CHECK_EQ(handoff_init(&ring, 8), 0);
	CHECK(handoff_empty(&ring));
	CHECK(handoff_pop(&ring) == NULL);
	for (int round = 0; round < 100; round++) {
		for (int i = 0; i < 8; i++)
			CHECK(handoff_push(&ring, &items[i]));
		CHECK(!handoff_push(&ring, &items[0]));
		CHECK(!handoff_empty(&ring));
		for (int i = 0; i < 3; i++)
			CHECK(handoff_pop(&ring) == &items[i]);
		CHECK(handoff_push(&ring, &items[0]));
		for (int i = 3; i < 8; i++)
			CHECK(handoff_pop(&ring) == &items[i]);
		CHECK(handoff_pop(&ring) == &items[0]);
		CHECK(handoff_pop(&ring) == NULL);
		CHECK(handoff_empty(&ring));
	}
	handoff_deinit(&ring);
}

static void test_capacity_one(void)
{
	struct handoff ring;
	int item;

	CHECK_EQ(handoff_init(&ring, 1), 0);
	CHECK(handoff_push(&ring, &item));
	CHECK(!handoff_push(&ring, &item));
	CHECK(handoff_pop(&ring) == &item);
	CHECK(handoff_push(&ring, &item));
	handoff_deinit(&ring);
}

/* The cursors pass 2^32. */
static void test_cursor_wrap(void)
{
	struct handoff ring;
	int items[4];

	CHECK_EQ(handoff_init(&ring, 4), 0);
	ring.head = ring.tail = ring.head_seen = ring.tail_seen = UINT32_MAX - 5;
	for (int round = 0; round < 20; round++) {
		for (int i = 0; i < 4; i++)
			CHECK(handoff_push(&ring, &items[i]));
		CHECK(!handoff_push(&ring, &items[0]));
		for (int i = 0; i < 4; i++)
			CHECK(handoff_pop(&ring) == &items[i]);
		CHECK(handoff_pop(&ring) == NULL);
	}
	handoff_deinit(&ring);
}

struct parcel {
	uint64_t number;
	uint64_t content[6];
};

struct road {
	struct handoff forth, back;
	struct parcel parcels[PARCELS];
	uint64_t wrong;
};

static void parcel_fill(struct parcel *parcel, uint64_t number)
{
	parcel->number = number;
	for (int i = 0; i < 6; i++)
		parcel->content[i] = number * 7 + (uint64_t)i;
}

static bool parcel_holds(const struct parcel *parcel, uint64_t number)
{
	bool right = parcel->number == number;

	for (int i = 0; i < 6; i++)
		right &= parcel->content[i] == number * 7 + (uint64_t)i;
	return right;
}

/* Checks what arrives, writes the answer into it, sends it back. */
static void *answer(void *context)
{
	struct road *road = context;

	for (uint64_t number = 0; number < PARCELS_TOTAL; number++) {
		struct parcel *parcel;
		while ((parcel = handoff_pop(&road->forth)) == NULL)
			sched_yield();
		road->wrong += !parcel_holds(parcel, number);
		parcel_fill(parcel, ~number);
		while (!handoff_push(&road->back, parcel))
			sched_yield();
	}
	return NULL;
}

static void run_threads(uint32_t capacity)
{
	static struct road road;
	struct parcel *spare[PARCELS];
	unsigned spares = 0;
	uint64_t sent = 0, returned = 0, wrong = 0;
	pthread_t thread;

	memset(&road, 0, sizeof(road));
	CHECK_EQ(handoff_init(&road.forth, capacity), 0);
	CHECK_EQ(handoff_init(&road.back, capacity), 0);
	for (; spares < PARCELS; spares++)
		spare[spares] = &road.parcels[spares];
	CHECK_EQ(pthread_create(&thread, NULL, answer, &road), 0);
	while (returned < PARCELS_TOTAL) {
		bool moved = false;
		while (sent < PARCELS_TOTAL && spares > 0) {
			parcel_fill(spare[spares - 1], sent);
			if (!handoff_push(&road.forth, spare[spares - 1]))
				break;
			spares--;
			sent++;
			moved = true;
		}
		struct parcel *parcel;
		while ((parcel = handoff_pop(&road.back)) != NULL) {
			wrong += !parcel_holds(parcel, ~returned);
			returned++;
			spare[spares++] = parcel;
			moved = true;
		}
		if (!moved)
			sched_yield();
	}
	pthread_join(thread, NULL);
	CHECK_EQ(wrong, 0);
	CHECK_EQ(road.wrong, 0);
	CHECK_EQ(spares, PARCELS);
	CHECK(handoff_empty(&road.forth) && handoff_empty(&road.back));
	handoff_deinit(&road.forth);
	handoff_deinit(&road.back);
}

/* A narrow ring is nearly always full or empty, a wide one hardly ever. */
static void test_threads_narrow(void)
{
	run_threads(4);
}

static void test_threads_wide(void)
{
	run_threads(1024);
}

int main(void)
{
	RUN(test_order_and_limits);
	RUN(test_capacity_one);
	RUN(test_cursor_wrap);
	RUN(test_threads_narrow);
	RUN(test_threads_wide);
	return check_end();
}
