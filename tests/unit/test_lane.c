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

static void line_remove(const struct delivery *d)
{
	size_t at = 0;

	while (line[at] != d)
		at++;
	memmove(line + at, line + at + 1, (line_count - at - 1) * sizeof(line[0]));
	line_count--;
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

	CHECK_EQ(lane.ready.count, line_count);
	for (struct list *l = lane.ready.common.mail.next; l != &lane.ready.common.mail; l = l->next) {
		CHECK(at < line_count && container_of(l, struct delivery, link) == line[at]);
		at++;
	}
	CHECK_EQ(at, line_count);
	CHECK_EQ(lane.heap_count, model_waiting(&earliest));
	CHECK(lane_next_due_ns(&lane) == earliest);
	for (size_t i = 0; i < lane.heap_count; i++) {
		CHECK(lane.heap[i]->place == DELIVERY_WAITING && lane.heap[i]->heap_at == i);
		CHECK(i == 0 || lane.heap[(i - 1) / 2]->due_ns <= lane.heap[i]->due_ns);
	}
}

/* Whose turn it is follows from what was taken while there was a choice. */
static void step_take(uint64_t now)
{
	bool due_turn = lane.due_next;
	uint64_t earliest;

	model_waiting(&earliest);
	CHECK_EQ(lane_has(&lane, now), line_count > 0 || earliest <= now);
	struct delivery *d = lane_take(&lane, now);
	if (!d) {
		CHECK(line_count == 0 && earliest > now);
		return;
	}
	CHECK_EQ(d->place, DELIVERY_ACTIVE);
	if (line_count > 0 && d == line[0]) {
		CHECK(earliest > now || !due_turn);
		CHECK(lane.due_next);
		memmove(line, line + 1, --line_count * sizeof(line[0]));
		return;
	}
	CHECK_EQ(d->due_ns, earliest);
	CHECK(d->due_ns <= now && (line_count == 0 || due_turn));
	CHECK(!lane.due_next);
}

static void test_random_operations(void)
{
	uint64_t now = 1000;
	struct delivery *d;

	start();
	for (unsigned i = 0; i < STEPS; i++) {
		switch (random_below(&source, 9)) {
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
			step_take(now);
			break;
		case 6:
			now += random_below(&source, 4);
			step_take(now);
			break;
		case 7:
			if ((d = any(DELIVERY_ACTIVE)))
				d->place = DELIVERY_NONE; /* delivered; its slot is used again */
			break;
		case 8:
			/* From anywhere, not only from where it is next. */
			if ((d = any(random_below(&source, 2) ? DELIVERY_READY : DELIVERY_WAITING))) {
				if (d->place == DELIVERY_READY)
					line_remove(d);
				lane_withdraw(&lane, d);
				CHECK(d->place == DELIVERY_NONE && !list_linked(&d->link));
			}
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
		CHECK(lane_take(&lane, 0) == &deliveries[i]);
	CHECK(lane_take(&lane, 0) == NULL);
	lane_ready_first(&lane, &deliveries[1]);
	lane_ready_first(&lane, &deliveries[0]);
	CHECK(lane_take(&lane, 0) == &deliveries[0] && lane_take(&lane, 0) == &deliveries[1]);
	lane_deinit(&lane);
}

static void test_due(void)
{
	start();
	CHECK(lane_next_due_ns(&lane) == UINT64_MAX);
	CHECK(!lane_has(&lane, UINT64_MAX) && !lane_first_due(&lane, UINT64_MAX) && !lane_first_ready(&lane));
	CHECK_EQ(lane_defer(&lane, &deliveries[0], 30), 0);
	CHECK_EQ(lane_defer(&lane, &deliveries[1], 10), 0);
	CHECK_EQ(lane_defer(&lane, &deliveries[2], 20), 0);
	CHECK(!lane_has(&lane, 9) && lane_take(&lane, 9) == NULL);
	CHECK(lane_next_due_ns(&lane) == 10 && lane_first_due(&lane, 10) == &deliveries[1]);
	CHECK(lane_take(&lane, 10) == &deliveries[1] && lane_take(&lane, 10) == NULL);
	CHECK(lane_take(&lane, 1000) == &deliveries[2] && lane_take(&lane, 1000) == &deliveries[0]);
	lane_deinit(&lane);
}

/* A backlog that is due and fresh mail take turns; either alone goes without waiting (DOS-05). */
static void test_turns(void)
{
	start();
	for (size_t i = 0; i < 100; i++)
		CHECK_EQ(lane_defer(&lane, &deliveries[i], i), 0);
	for (size_t i = 0; i < 10; i++)
		CHECK(lane_take(&lane, 1000) == &deliveries[i]);
	for (size_t i = 100; i < 105; i++)
		lane_ready(&lane, &deliveries[i]);
	for (size_t i = 0; i < 5; i++)
		CHECK(lane_take(&lane, 1000) == &deliveries[100 + i] && lane_take(&lane, 1000) == &deliveries[10 + i]);
	for (size_t i = 15; i < 100; i++)
		CHECK(lane_take(&lane, 1000) == &deliveries[i]);
	CHECK(!lane_has(&lane, 1000));
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
	RUN(test_turns);
	RUN(test_random_operations);
	RUN(test_schedule);
	return check_end();
}
