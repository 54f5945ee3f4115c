/*
 * tests/unit/test_window.c - the window finds the delay, and leaves alone what is merely slow.
 */
#include "core/deliver/window.h"

#include <assert.h>
#include <stdlib.h>

#include "core/base/clock.h"
#include "tests/unit/check.h"

enum { MOST = 4096 };

/* A host that answers `delay_ns` after a message came, one each `service_ns`; always something to send. */
struct host {
	uint64_t delay_ns, service_ns;
	uint64_t due[MOST]; /* ring of what is in flight */
	unsigned head, count;
	uint64_t free_ns; /* when it may take the next */
};

static void send_more(struct host *h, struct window *w, uint64_t now)
{
	while (h->count < w->limit) {
		uint64_t start = h->free_ns > now ? h->free_ns : now;

		h->free_ns = start + h->service_ns;
		h->due[(h->head + h->count++) % MOST] = h->free_ns + h->delay_ns;
	}
	window_limited(w);
}

/* Runs for so long; returns the answers. */
static uint64_t run(struct host *h, struct window *w, uint64_t *now, uint64_t duration)
{
	uint64_t end = *now + duration, answers = 0;

	while (*now < end) {
		send_more(h, w, *now);
		*now = h->due[h->head];
		while (h->count > 0 && h->due[h->head] <= *now) {
			h->head = (h->head + 1) % MOST;
			h->count--;
			answers++;
			window_answered(w, *now);
		}
	}
	return answers;
}

static unsigned limit_after(uint64_t delay_ns, uint64_t service_ns, unsigned most, uint64_t duration)
{
	struct host h = {.delay_ns = delay_ns, .service_ns = service_ns};
	uint64_t now = CLOCK_NS_PER_S;
	struct window w;

	window_init(&w, 0, most, now);
	run(&h, &w, &now, duration);
	return w.limit;
}

static void test_start(void)
{
	struct window w;

	window_init(&w, 0, 1, 0);
	CHECK_EQ(w.limit, 1);
	window_init(&w, 0, 10, 0);
	CHECK_EQ(w.limit, 10);
	window_init(&w, 0, MOST, 0);
	CHECK_EQ(w.limit, WINDOW_START);
	window_init(&w, 512, MOST, 0);
	CHECK_EQ(w.limit, 512);
	window_init(&w, 512, 100, 0);
	CHECK_EQ(w.limit, 100);
}

static void test_late_host(void)
{
	/* A round of 64, then two each with 128, 512, 2,048 and all: nine of 50 ms. */
	CHECK_EQ(limit_after(50 * CLOCK_NS_PER_MS, 1000, MOST, 500 * CLOCK_NS_PER_MS), MOST);
	CHECK_EQ(limit_after(50 * CLOCK_NS_PER_MS, 1000, 700, CLOCK_NS_PER_S), 700);
	CHECK_EQ(limit_after(50 * CLOCK_NS_PER_MS, 1000, 10, CLOCK_NS_PER_S), 10);
}

static void test_slow_host(void)
{
	/* The window is doubled for a try only, and given back; looked at between two tries. */
	struct host h = {.service_ns = CLOCK_NS_PER_MS};
	uint64_t now = CLOCK_NS_PER_S, at_start = 0, total = 0;
	struct window w;

	window_init(&w, 0, MOST, now);
	for (unsigned i = 0; i < 1000; i++) {
		run(&h, &w, &now, 100 * CLOCK_NS_PER_MS);
		CHECK(w.limit <= 2 * WINDOW_START);
		at_start += w.limit == WINDOW_START;
		total++;
	}
	CHECK(at_start > total * 9 / 10);
}

static void test_late_and_limited(void)
{
	/* 5,000/s and 50 ms: 250 in flight are enough. */
	unsigned limit = limit_after(50 * CLOCK_NS_PER_MS, 200000, MOST, 3 * CLOCK_NS_PER_S);

	CHECK(limit == 256 || limit == 512);
	/* 3,400/s: 170 are enough, and a step of four from 128 that helped by a third is half taken back. */
	CHECK_EQ(limit_after(50 * CLOCK_NS_PER_MS, 294117, MOST, 3 * CLOCK_NS_PER_S), 256);
}

static void test_very_slow_host(void)
{
	/* Less than an answer a second: growing does not help, and no rounding says that it does. */
	CHECK(limit_after(0, 1111 * CLOCK_NS_PER_MS, MOST, 3600 * CLOCK_NS_PER_S) <= 2 * WINDOW_START);
	CHECK(limit_after(0, 500 * CLOCK_NS_PER_MS, MOST, 3600 * CLOCK_NS_PER_S) <= 2 * WINDOW_START);
}

static void test_not_limited(void)
{
	struct window w;
	uint64_t now = 0;

	window_init(&w, 0, MOST, now);
	for (unsigned i = 0; i < 100000; i++)
		window_answered(&w, now += 20000);
	CHECK_EQ(w.limit, WINDOW_START);
}

int main(void)
{
	RUN(test_start);
	RUN(test_late_host);
	RUN(test_slow_host);
	RUN(test_late_and_limited);
	RUN(test_very_slow_host);
	RUN(test_not_limited);
	return check_end();
}
