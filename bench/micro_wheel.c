/*
 * micro_wheel.c - what a shard's timers cost: connections' timeouts that are moved with each receive, and a clock that
 * goes on.
 *
 * 4096 timers, as many as busy connections have, with deadlines spread over five minutes.
 */
#include "bench/micro.h"
#include "core/base/wheel.h"

enum { TIMERS = 4096, REPEAT = 2048, DUE_TOGETHER = 16 };

#define TICK_NS (WHEEL_TICK_MS * UINT64_C(1000000))
#define TIMEOUT_NS (300 * UINT64_C(1000000000))

static struct wheel wheel;
static struct wheel_timer timers[TIMERS];
static uint64_t now_ns, moves;

static void on_due(struct wheel_timer *timer)
{
	micro_sink++;
}

/* Parameter: the timers are armed before the first round. */
static void setup(const struct micro_operation *operation)
{
	now_ns = 1000 * TICK_NS;
	wheel_init(&wheel, now_ns);
	for (unsigned i = 0; i < TIMERS; i++) {
		wheel_timer_init(&timers[i], on_due);
		if (operation->parameter)
			wheel_arm(&wheel, &timers[i], now_ns + TIMEOUT_NS - i * TIMEOUT_NS / 2 / TIMERS);
	}
}

static void run_move(const struct micro_operation *operation, unsigned count)
{
	/* Always a later tick: a timer that stays where it is would cost nothing. */
	for (unsigned i = 0; i < count; i++, moves++)
		wheel_arm(&wheel, &timers[moves % TIMERS], now_ns + TIMEOUT_NS + moves * TICK_NS / 8);
}

static void run_arm_disarm(const struct micro_operation *operation, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		struct wheel_timer *timer = &timers[i * 7 % TIMERS];

		wheel_arm(&wheel, timer, now_ns + TIMEOUT_NS + i * TICK_NS / 8);
		wheel_disarm(&wheel, timer);
	}
}

/* A turn of a busy shard: less than a tick has passed. */
static void run_turn(const struct micro_operation *operation, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		wheel_advance(&wheel, now_ns + i % 2);
		micro_sink += wheel_next_ns(&wheel);
	}
}

/* Timers that come due, many in the same tick as after a burst; with each, its part of the tick. */
static void run_fire(const struct micro_operation *operation, unsigned count)
{
	for (unsigned i = 0; i < count; i += DUE_TOGETHER) {
		for (unsigned n = i; n < i + DUE_TOGETHER && n < count; n++)
			wheel_arm(&wheel, &timers[n % TIMERS], now_ns + TICK_NS);
		now_ns += 2 * TICK_NS;
		wheel_advance(&wheel, now_ns);
	}
}

int main(int argc, char **argv)
{
	static const struct micro_operation operations[] = {
		{.name = "wheel.move", .repeat = REPEAT, .run = run_move, .setup = setup, .parameter = timers},
		{.name = "wheel.arm-disarm", .repeat = REPEAT, .run = run_arm_disarm, .setup = setup},
		{.name = "wheel.turn", .repeat = REPEAT, .run = run_turn, .setup = setup, .parameter = timers},
		{.name = "wheel.fire", .repeat = REPEAT, .run = run_fire, .setup = setup},
	};

	micro_start(argc, argv, "");
	micro_run(operations, sizeof operations / sizeof operations[0]);
	return 0;
}
