/*
 * tests/unit/test_watchdog.c - what an observer sees of a shard, look by look, and what is told of it.
 */
#include "core/relay/watchdog.h"

#include "core/base/clock.h"
#include "tests/unit/check.h"

static struct watchdog dog;
static struct watchdog_sample sample;
static struct watchdog_report newest; /* that was to be told */
static int told;

static void begin(void)
{
	memset(&dog, 0, sizeof(dog));
	sample = (struct watchdog_sample){.now_ns = 5000 * CLOCK_NS_PER_S, .turns = 7, .empty_turns = 3};
	told = 0;
	(void)watchdog_look(&dog, &sample);
}

/* Time passes; then a look. Numbers of turns are for each look. */
static void looks(int count, uint64_t turns, uint64_t empty)
{
	while (count-- > 0) {
		struct watchdog_report report;
		sample.now_ns += WATCHDOG_LOOK_MS * CLOCK_NS_PER_MS;
		sample.turns += turns;
		sample.empty_turns += empty;
		report = watchdog_look(&dog, &sample);
		if (report.tell) {
			newest = report;
			told++;
		}
	}
}

static void test_in_order(void)
{
	begin();
	looks(100, 3, 0);        /* a turn now and then */
	looks(100, 20000, 100);  /* busy */
	looks(100, 32, 32);      /* only timers */
	looks(100, 10000, 5000); /* much is half empty */
	sample.waits_until_ns = UINT64_MAX;
	looks(1000, 0, 0); /* nothing to do */
	sample.waits_until_ns = sample.now_ns + 3600 * CLOCK_NS_PER_S;
	looks(1000, 0, 0);
	CHECK_EQ(told, 0);
	CHECK_EQ(dog.state, WATCHDOG_WELL);
}

static void test_hangs(void)
{
	begin();
	looks(3, 0, 0);
	CHECK_EQ(told, 0);
	looks(1, 0, 0);
	CHECK_EQ(told, 1);
	CHECK_EQ(newest.state, WATCHDOG_HANGS);
	CHECK_EQ(newest.ms, 1000);
	/* Then once a minute. */
	looks(4 * 59, 0, 0);
	CHECK_EQ(told, 1);
	looks(4, 0, 0);
	CHECK_EQ(told, 2);
	CHECK_EQ(newest.state, WATCHDOG_HANGS);
	CHECK_EQ(newest.ms, 61000);
	looks(1, 1, 0);
	CHECK_EQ(told, 3);
	CHECK_EQ(newest.state, WATCHDOG_WELL);
	CHECK_EQ(newest.ms, 61250);
	looks(100, 10, 0);
	CHECK_EQ(told, 3);
}

/* A turn of less than a second is none of its business. */
static void test_long_turns(void)
{
	begin();
	for (int i = 0; i < 100; i++) {
		looks(3, 0, 0);
		looks(1, 1, 0);
	}
	CHECK_EQ(told, 0);
}

/* In the kernel longer than it wanted to be. */
static void test_does_not_come_back(void)
{
	begin();
	sample.waits_until_ns = sample.now_ns + 10 * CLOCK_NS_PER_S;
	looks(43, 0, 0);
	CHECK_EQ(told, 0);
	looks(1, 0, 0);
	CHECK_EQ(told, 1);
	CHECK_EQ(newest.state, WATCHDOG_HANGS);
	sample.waits_until_ns = UINT64_MAX;
	looks(1, 1, 0);
	CHECK_EQ(told, 2);
	CHECK_EQ(newest.state, WATCHDOG_WELL);
}

static void test_spins(void)
{
	begin();
	looks(3, 50000, 50000);
	CHECK_EQ(told, 0);
	looks(1, 50000, 50000);
	CHECK_EQ(told, 1);
	CHECK_EQ(newest.state, WATCHDOG_SPINS);
	looks(4 * 60 - 1, 50000, 50000);
	CHECK_EQ(told, 1);
	looks(1, 50000, 50000);
	CHECK_EQ(told, 2);
	looks(4, 10, 5);
	CHECK_EQ(told, 3);
	CHECK_EQ(newest.state, WATCHDOG_WELL);
	looks(40, 10, 5);
	CHECK_EQ(told, 3);
	/* Beside mail that goes on. */
	looks(8, 55000, 50000);
	CHECK_EQ(told, 4);
	CHECK_EQ(newest.state, WATCHDOG_SPINS);
	/* And from there into a turn without end. */
	looks(12, 0, 0);
	CHECK_EQ(told, 5);
	CHECK_EQ(newest.state, WATCHDOG_HANGS);
	looks(1, 5, 0);
	CHECK_EQ(newest.state, WATCHDOG_WELL);
}

/* The machine slept, or the process was stopped: nobody was stuck. */
static void test_pause(void)
{
	begin();
	looks(3, 0, 0);
	sample.now_ns += 3600 * CLOCK_NS_PER_S;
	looks(3, 0, 0);
	CHECK_EQ(told, 0);
	looks(2, 0, 0);
	CHECK_EQ(told, 1);
	CHECK_EQ(newest.state, WATCHDOG_HANGS);
}

int main(void)
{
	RUN(test_in_order);
	RUN(test_hangs);
	RUN(test_long_turns);
	RUN(test_does_not_come_back);
	RUN(test_spins);
	RUN(test_pause);
	return check_end();
}
