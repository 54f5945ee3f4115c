/*
 * tests/unit/test_lane.c - the order of deliveries in a lane, against a naive model under random operations; the
 * retry schedule and its spread.
 *
 * The model is a plain array for the line and a scan for the earliest; equal times may come in any order, so there
 * only the times are compared. usage: test_lane [seed]
 */
#include "queue/lane.h"

#include <errno.h>
#include <stdlib.h>

#include "core/base/clock.h"
#include "tests/unit/check.h"

enum { COUNT = 300, STEPS = 60000 };

static struct random source = {.state = 20230601};
static struct delivery deliveries[COUNT];
static struct delivery *line[COUNT]; /* the model's ready list */
static size_t line_count;
static struct lane lane;

static void start(void)
{
	memset(deliveries, 0, sizeof(deliveries));
	for (size_t i = 0; i < COUNT; i++)
		list_init(&deliveries[i].link);
	line_count = 0;
	lane_init(&lane);
}

static struct delivery *any(enum delivery_place place)
{
	size_t first = random_below(&source, COUNT);

	for (size_t i = 0; i < COUNT; i++) {
		struct delivery *d = &deliveries[(first + i) % COUNT];
		if (d->place == place)
			return d;
	}
	return NULL;
}

static void line_insert(size_t at, struct delivery *d)
{
	memmove(line + at + 1, line + at, (line_count - at) * sizeof(line[0]));
	line[at] = d;
	line_count++;
}

static size_t model_waiting(uint64_t *earliest)
{
	size_t count = 0;

	*earliest = UINT64_MAX;
	for (size_t i = 0; i < COUNT; i++) {
		if (deliveries[i].place != DELIVERY_WAITING)
			continue;
		count++;
		if (deliveries[i].due_ns < *earliest)
			*earliest = deliveries[i].due_ns;
	}
	return count;
}

/* Everything the header promises, and the heap's own order. */
static void check_lane(void)
{
	uint64_t earliest;
	size_t at = 0;

	CHECK_EQ(lane.ready_count, line_count);
	for (struct list *l = lane.ready.next; l != &lane.ready; l = l->next) {
		CHECK(at < line_count && container_of(l, struct delivery, link) == line[at]);
		at++;
	}
	CHECK_EQ(at, line_count);
	CHECK_EQ(lane.heap_count, model_waiting(&earliest));
	CHECK(lane_next_due_ns(&lane) == earliest);
	for (size_t i = 0; i < lane.heap_count; i++) {
		CHECK(lane.heap[i]->place == DELIVERY_WAITING && lane.heap[i]->heap_index == i);
		CHECK(i == 0 || lane.heap[(i - 1) / 2]->due_ns <= lane.heap[i]->due_ns);
	}
}

static void step_take(void)
{
	struct delivery *d = lane_take(&lane);

	if (line_count == 0) {
		CHECK(d == NULL);
		return;
	}
	CHECK(d == line[0] && d->place == DELIVERY_ACTIVE);
	memmove(line, line + 1, --line_count * sizeof(line[0]));
}

static void step_due(uint64_t now)
{
	size_t most = 1 + random_below(&source, 8), before = line_count, waiting, expected = 0, moved;
	uint64_t last = 0, earliest;

	waiting = model_waiting(&earliest);
	for (size_t i = 0; i < COUNT; i++)
		expected += deliveries[i].place == DELIVERY_WAITING && deliveries[i].due_ns <= now;
	if (expected > most)
		expected = most;
	moved = lane_due(&lane, now, most);
	CHECK_EQ(moved, expected);
	CHECK(moved <= waiting);
	/* The line grew at its end, earliest first, and nothing that stays was due before what went. */
	struct list *l = lane.ready.prev;
	for (size_t i = 0; i < moved; i++)
		l = l->prev;
	for (size_t i = 0; i < moved; i++) {
		l = l->next;
		struct delivery *d = container_of(l, struct delivery, link);
		CHECK(d->due_ns >= last && d->due_ns <= now && d->place == DELIVERY_READY);
		last = d->due_ns;
		line[before + i] = d;
	}
	line_count += moved;
	model_waiting(&earliest);
	CHECK(moved == 0 || earliest >= last);
}

static void test_random_operations(void)
{
	uint64_t now = 1000;
	struct delivery *d;

	start();
	for (unsigned i = 0; i < STEPS; i++) {
		switch (random_below(&source, 8)) {
		case 0:
		case 1:
			if ((d = any(DELIVERY_NONE))) {
				lane_ready(&lane, d);
				line_insert(line_count, d);
			}
			break;
		case 2:
			if ((d = any(DELIVERY_ACTIVE))) {
				lane_ready_first(&lane, d);
				line_insert(0, d);
			}
			break;
		case 3:
			/* Few different times, so that equal ones are frequent. */
			if ((d = any(random_below(&source, 4) ? DELIVERY_ACTIVE : DELIVERY_NONE)))
				CHECK_EQ(lane_defer(&lane, d, now + random_below(&source, 40)), 0);
			break;
		case 4:
		case 5:
			step_take();
			break;
		case 6:
			now += random_below(&source, 4);
			step_due(now);
			break;
		case 7:
			if ((d = any(DELIVERY_ACTIVE)))
				d->place = DELIVERY_NONE; /* delivered; its slot is used again */
			break;
		}
		if (i % 16 == 0)
			check_lane();
	}
	check_lane();
	lane_deinit(&lane);
}

static void test_first_in_first_out(void)
{
	start();
	for (size_t i = 0; i < COUNT; i++)
		lane_ready(&lane, &deliveries[i]);
	for (size_t i = 0; i < COUNT; i++)
		CHECK(lane_take(&lane) == &deliveries[i]);
	CHECK(lane_take(&lane) == NULL);
	lane_ready_first(&lane, &deliveries[1]);
	lane_ready_first(&lane, &deliveries[0]);
	CHECK(lane_take(&lane) == &deliveries[0] && lane_take(&lane) == &deliveries[1]);
	lane_deinit(&lane);
}

static void test_due(void)
{
	start();
	CHECK(lane_next_due_ns(&lane) == UINT64_MAX);
	CHECK_EQ(lane_due(&lane, UINT64_MAX, 100), 0);
	CHECK_EQ(lane_defer(&lane, &deliveries[0], 30), 0);
	CHECK_EQ(lane_defer(&lane, &deliveries[1], 10), 0);
	CHECK_EQ(lane_defer(&lane, &deliveries[2], 20), 0);
	CHECK_EQ(lane_due(&lane, 9, 100), 0);
	CHECK(lane_next_due_ns(&lane) == 10);
	CHECK_EQ(lane_due(&lane, 10, 100), 1);
	CHECK_EQ(lane_due(&lane, 1000, 1), 1);
	CHECK_EQ(lane_due(&lane, 1000, 100), 1);
	CHECK(lane_take(&lane) == &deliveries[1] && lane_take(&lane) == &deliveries[2] &&
	      lane_take(&lane) == &deliveries[0]);
	lane_deinit(&lane);
}

/* ---- the schedule ---- */

static void check_delay(const struct retry_schedule *schedule, unsigned attempts, uint64_t middle)
{
	uint64_t least = UINT64_MAX, most = 0;

	for (unsigned i = 0; i < 2000; i++) {
		uint64_t delay = retry_delay_ns(schedule, attempts, &source);
		least = delay < least ? delay : least;
		most = delay > most ? delay : most;
	}
	CHECK(least >= middle / 10 * 8 - 1 && most <= middle / 10 * 12 + 1);
	/* It really spreads: 2000 draws reach into the outer twentieths. */
	CHECK(least < middle / 100 * 83 && most > middle / 100 * 117);
}

static void test_schedule(void)
{
	const uint64_t s = CLOCK_NS_PER_S;
	const struct retry_schedule doubling = {.first_ns = 30 * s, .max_ns = 14400 * s, .factor = 2};
	const struct retry_schedule flat = {.first_ns = 60 * s, .max_ns = 3600 * s, .factor = 1};

	check_delay(&doubling, 1, 30 * s);
	check_delay(&doubling, 2, 60 * s);
	check_delay(&doubling, 5, 480 * s);
	check_delay(&doubling, 10, 14400 * s);
	check_delay(&doubling, 65535, 14400 * s);
	check_delay(&flat, 1, 60 * s);
	check_delay(&flat, 1000, 60 * s);
}

int main(int argc, char **argv)
{
	if (argc > 1)
		source.state = strtoull(argv[1], NULL, 0);
	RUN(test_first_in_first_out);
	RUN(test_due);
	RUN(test_random_operations);
	RUN(test_schedule);
	return check_end();
}
