/*
 * test_turns.c - a little work in each turn: never more than that, nobody is passed over, and who goes leaves the line.
 */
#include "core/deliver/turns.h"

#include "tests/unit/check.h"

enum { WORKERS = 5 };

static struct turns turns;
static struct worker {
	struct turns_waiter waiter;
	size_t left, part, done; /* octets of work */
	unsigned calls;
} workers[WORKERS];
static size_t turn_octets;

static void work(struct worker *w)
{
	while (w->left > 0) {
		size_t n = w->part < w->left ? w->part : w->left;
		if (!turns_take(&turns, &w->waiter, n))
			return;
		turn_octets += n;
		w->left -= n;
		w->done += n;
	}
}

static void on_turn(struct turns_waiter *waiter)
{
	struct worker *w = container_of(waiter, struct worker, waiter);

	w->calls++;
	work(w);
}

static void begin(unsigned count, size_t left, size_t part)
{
	turns_init(&turns);
	for (unsigned i = 0; i < count; i++) {
		workers[i] = (struct worker){.left = left, .part = part};
		turns_waiter_init(&workers[i].waiter, on_turn);
	}
	turn_octets = 0;
	for (unsigned i = 0; i < count; i++)
		work(&workers[i]);
	CHECK(turn_octets <= TURNS_OCTETS);
}

static unsigned run(void)
{
	unsigned rounds = 0;

	while (turns_due(&turns)) {
		turn_octets = 0;
		turns_run(&turns);
		CHECK(turn_octets > 0 && turn_octets <= TURNS_OCTETS);
		if (++rounds > 10000)
			break;
	}
	return rounds;
}

static void test_so_much_in_a_turn(void)
{
	static const size_t parts[] = {1, 1000, TURNS_OCTETS / 2 + 1, TURNS_OCTETS};

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		begin(WORKERS, 10 * parts[i], parts[i]);
		CHECK(run() <= 10 * WORKERS);
		for (unsigned k = 0; k < WORKERS; k++)
			CHECK_EQ(workers[k].left, 0);
	}
}

/* All get on alike. */
static void test_in_turns(void)
{
	begin(WORKERS, 100 * TURNS_OCTETS, TURNS_OCTETS);
	for (unsigned i = 0; i < 4 * WORKERS; i++)
		turns_run(&turns);
	for (unsigned i = 0; i < WORKERS; i++)
		CHECK(workers[i].done >= 4 * TURNS_OCTETS && workers[i].done <= 5 * TURNS_OCTETS);
	/* Who comes now is behind them, although there is room in this turn. */
	workers[0].left = 1000;
	turns.octets = 0;
	list_remove(&workers[0].waiter.link);
	work(&workers[0]);
	CHECK_EQ(workers[0].left, 1000);
}

/* Its connection went away. */
static void test_leaves(void)
{
	begin(2, 2 * TURNS_OCTETS, TURNS_OCTETS);
	list_remove(&workers[0].waiter.link);
	(void)run();
	CHECK_EQ(workers[0].done, TURNS_OCTETS);
	CHECK_EQ(workers[1].left, 0);
	CHECK(!turns_due(&turns));
}

int main(void)
{
	RUN(test_so_much_in_a_turn);
	RUN(test_in_turns);
	RUN(test_leaves);
	return check_end();
}
