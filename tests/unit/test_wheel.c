/*
 * tests/unit/test_wheel.c - the timer wheel against a plain array that is searched from end to end.
 *
 * A step of the random test arms, moves or disarms some timers, then lets a random time pass: a tick, an
 * hour, or more than the wheel's reach. Callbacks arm and disarm themselves and others. The model knows
 * which timers must fire, and that they fire in the order of their deadlines.
 */
#include "core/base/wheel.h"

#include <stdlib.h>

#include "core/base/clock.h"
#include "core/base/random.h"
#include "tests/unit/check.h"

#define TICK_NS (WHEEL_TICK_MS * CLOCK_NS_PER_MS)
#define HOUR_NS (3600 * CLOCK_NS_PER_S)

/* The generator under test's seed; the wheel's test needs no other randomness. */
void random_bytes(void *out, size_t length)
{
	memset(out, 0x5a, length);
}

enum { TIMERS = 300 };

struct probe {
	struct wheel_timer timer;
	bool armed; /* the model's view */
	uint64_t tick;
	uint64_t fired;
};

static struct wheel wheel;
static struct probe probes[TIMERS];
static struct random dice;
static uint64_t now_ns;
static uint64_t last_tick; /* of the timers fired in this advance */
static uint64_t total_fired;
static bool callbacks_act;

static void probe_arm(struct probe *probe, uint64_t deadline_ns)
{
	uint64_t tick = (deadline_ns + TICK_NS - 1) / TICK_NS;

	wheel_arm(&wheel, &probe->timer, deadline_ns);
	probe->armed = true;
	probe->tick = tick > wheel.tick ? tick : wheel.tick + 1;
}

static void probe_disarm(struct probe *probe)
{
	wheel_disarm(&wheel, &probe->timer);
	probe->armed = false;
}

static struct probe *any_probe(void)
{
	return &probes[random_below(&dice, TIMERS)];
}

/* Anything from now to more than the wheel's reach of 1.1 years, all sizes equally likely. */
static uint64_t any_time(unsigned bits_max)
{
	return random_u64(&dice) >> (64 - 1 - random_below(&dice, bits_max));
}

static void act(struct probe *probe)
{
	switch (random_below(&dice, 6)) {
	case 0:
		probe_arm(probe, now_ns + any_time(56));
		break;
	case 1: /* in the past: must wait for the next advance */
		probe_arm(probe, now_ns - random_below(&dice, now_ns + 1));
		break;
	case 2:
		probe_disarm(any_probe());
		break;
	case 3:
		probe_arm(any_probe(), now_ns + any_time(40));
		break;
	default:
		break;
	}
}

static void on_fire(struct wheel_timer *timer)
{
	struct probe *probe = container_of(timer, struct probe, timer);

	CHECK(!wheel_armed(timer));
	CHECK(probe->armed);
	CHECK(probe->tick * TICK_NS <= now_ns);
	CHECK(probe->tick >= last_tick);
	last_tick = probe->tick;
	probe->armed = false;
	probe->fired++;
	total_fired++;
	if (callbacks_act)
		act(probe);
}

static void start(uint64_t at_ns)
{
	now_ns = at_ns;
	total_fired = 0;
	callbacks_act = false;
	wheel_init(&wheel, now_ns);
	memset(probes, 0, sizeof(probes));
	for (unsigned i = 0; i < TIMERS; i++)
		wheel_timer_init(&probes[i].timer, on_fire);
}

static void advance_to(uint64_t at_ns)
{
	now_ns = at_ns;
	last_tick = 0;
	wheel_advance(&wheel, now_ns);
}

/* Nothing late is left, both sides agree on what is armed, and the next deadline is a lower bound. */
static void compare(void)
{
	uint64_t earliest = UINT64_MAX, armed = 0;

	for (unsigned i = 0; i < TIMERS; i++) {
		CHECK(wheel_armed(&probes[i].timer) == probes[i].armed);
		if (!probes[i].armed)
			continue;
		armed++;
		CHECK(probes[i].timer.tick == probes[i].tick);
		CHECK(probes[i].tick * TICK_NS > now_ns - now_ns % TICK_NS);
		if (probes[i].tick < earliest)
			earliest = probes[i].tick;
	}
	CHECK(wheel.armed == armed);

	uint64_t next_ns = wheel_next_ns(&wheel);
	if (armed == 0) {
		CHECK(next_ns == UINT64_MAX);
	} else {
		CHECK(next_ns <= earliest * TICK_NS);
		CHECK(next_ns > now_ns - now_ns % TICK_NS);
	}
}

/* A bit is set exactly for the slots in use. */
static void compare_occupied(void)
{
	for (unsigned level = 0; level < WHEEL_LEVELS; level++) {
		for (unsigned slot = 0; slot < WHEEL_SLOTS; slot++) {
			bool bit = wheel.occupied[level][slot / 64] >> (slot % 64) & 1;
			CHECK(bit == !list_empty(&wheel.slots[level][slot]));
		}
	}
}

static void random_run(uint64_t start_ns, unsigned steps, unsigned jump_bits)
{
	start(start_ns);
	callbacks_act = true;
	for (unsigned step = 0; step < steps && check_failures < 10; step++) {
		for (unsigned n = (unsigned)random_below(&dice, 8); n > 0; n--)
			random_below(&dice, 4) == 0 ? probe_disarm(any_probe())
						    : probe_arm(any_probe(), now_ns + any_time(56));
		uint64_t next_ns = wheel_next_ns(&wheel);
		if (random_below(&dice, 2) == 0 && next_ns != UINT64_MAX)
			advance_to(next_ns + random_below(&dice, 3) * random_below(&dice, TICK_NS));
		else
			advance_to(now_ns + any_time(jump_bits));
		compare();
		if (step % 64 == 0)
			compare_occupied();
	}
	CHECK(total_fired > steps / 4);

	/* Emptied by hand nothing stays behind. */
	for (unsigned i = 0; i < TIMERS; i++)
		probe_disarm(&probes[i]);
	compare();
	compare_occupied();
}

static void test_random(void)
{
	random_init(&dice);
	random_run(0, 20000, 34);                                   /* jumps of up to 8 s */
	random_run(12345678901, 20000, 44);                         /* of hours */
	random_run(HOUR_NS * 24 * 365, 20000, 50);                  /* of days */
	random_run(HOUR_NS * 24 * 400, 5000, 56);                   /* of years, past 2^32 ticks */
	random_run(((UINT64_C(1) << 32) - 3) * TICK_NS, 20000, 30); /* around 2^32 ticks */
}

/* At or after the deadline, and not later than the tick that follows it. */
static void test_precision(void)
{
	for (uint64_t offset = 0; offset < 3 * TICK_NS; offset += TICK_NS / 7) {
		start(1000 * TICK_NS + TICK_NS / 3);
		uint64_t deadline = now_ns + offset;
		probe_arm(&probes[0], deadline);
		while (probes[0].fired == 0 && now_ns < deadline + 3 * TICK_NS)
			advance_to(now_ns + TICK_NS / 16);
		CHECK_EQ(probes[0].fired, 1);
		CHECK(now_ns >= deadline);
		CHECK(now_ns <= deadline + TICK_NS + TICK_NS / 16 + TICK_NS * (offset == 0));
	}
}

/* Sleeping to wheel_next_ns() again and again arrives, in a handful of steps, however far it is. */
static void test_next_arrives(void)
{
	static const uint64_t hours[] = {0, 1, 7, 24, 24 * 30, 24 * 365, 24 * 365 * 5};

	for (unsigned i = 0; i < sizeof(hours) / sizeof(hours[0]); i++) {
		start(777 * TICK_NS);
		uint64_t deadline = now_ns + hours[i] * HOUR_NS + 123456789;
		unsigned steps = 0;
		probe_arm(&probes[0], deadline);
		while (probes[0].fired == 0 && steps < 100) {
			advance_to(wheel_next_ns(&wheel));
			steps++;
		}
		CHECK_EQ(probes[0].fired, 1);
		CHECK(now_ns >= deadline && now_ns < deadline + TICK_NS);
		CHECK(steps <= WHEEL_LEVELS + 5);
	}
}

static struct wheel_timer chain[3];
static int chain_fired;

static void on_chain_rearm(struct wheel_timer *timer)
{
	chain_fired++;
	wheel_arm(&wheel, timer, 0);
}

static void on_chain_disarm(struct wheel_timer *timer)
{
	chain_fired++;
	for (int i = 0; i < 3; i++)
		wheel_disarm(&wheel, &chain[i]);
}

/* A timer that always arms itself in the past fires once per advance, also when that spans an hour. */
static void test_rearm_in_past(void)
{
	start(0);
	chain_fired = 0;
	wheel_timer_init(&chain[0], on_chain_rearm);
	wheel_arm(&wheel, &chain[0], 0);
	advance_to(HOUR_NS);
	CHECK_EQ(chain_fired, 1);
	advance_to(HOUR_NS);
	CHECK_EQ(chain_fired, 1);
	advance_to(2 * HOUR_NS);
	CHECK_EQ(chain_fired, 2);
	wheel_disarm(&wheel, &chain[0]);
	CHECK_EQ(wheel.armed, 0);
}

/* The first of three timers that are due together calls off the others. */
static void test_disarm_due(void)
{
	start(0);
	chain_fired = 0;
	for (int i = 0; i < 3; i++) {
		wheel_timer_init(&chain[i], on_chain_disarm);
		wheel_arm(&wheel, &chain[i], HOUR_NS);
	}
	advance_to(2 * HOUR_NS);
	CHECK_EQ(chain_fired, 1);
	CHECK_EQ(wheel.armed, 0);
	CHECK(!wheel_armed(&chain[1]) && !wheel_armed(&chain[2]));
	compare_occupied();
}

static void test_fires_by(void)
{
	start(5 * HOUR_NS);
	wheel_timer_init(&chain[0], on_chain_rearm);
	CHECK(!wheel_fires_by(&chain[0], UINT64_MAX));
	wheel_arm(&wheel, &chain[0], now_ns + HOUR_NS);
	CHECK(wheel_fires_by(&chain[0], now_ns + HOUR_NS));
	CHECK(wheel_fires_by(&chain[0], now_ns + 2 * HOUR_NS));
	CHECK(!wheel_fires_by(&chain[0], now_ns + HOUR_NS - WHEEL_TICK_MS * 1000000));
	wheel_disarm(&wheel, &chain[0]);
	CHECK(!wheel_fires_by(&chain[0], now_ns + 2 * HOUR_NS));
}

static void test_extremes(void)
{
	start(5 * HOUR_NS);
	wheel_disarm(&wheel, &probes[0].timer); /* not armed: nothing happens */
	CHECK_EQ(wheel.armed, 0);
	CHECK(wheel_next_ns(&wheel) == UINT64_MAX);
	wheel_arm(&wheel, &probes[0].timer, UINT64_MAX); /* "never" */
	advance_to(now_ns + HOUR_NS * 24 * 365 * 3);
	CHECK_EQ(probes[0].fired, 0);
	CHECK(wheel_armed(&probes[0].timer));
	advance_to(now_ns - HOUR_NS); /* a clock that goes back changes nothing */
	CHECK_EQ(wheel.armed, 1);
	wheel_disarm(&wheel, &probes[0].timer);
	compare_occupied();
}

int main(void)
{
	RUN(test_precision);
	RUN(test_next_arrives);
	RUN(test_rearm_in_past);
	RUN(test_disarm_due);
	RUN(test_fires_by);
	RUN(test_extremes);
	RUN(test_random);
	return check_end();
}
