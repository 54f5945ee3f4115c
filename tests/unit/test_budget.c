/*
 * tests/unit/test_budget.c - a day's recipients on the simulated disk: through crashes and restarts, with clocks that
 * jump, never one too many.
 */
#include "core/deliver/budget.h"

#include <stdlib.h>

#include "core/base/clock.h"
#include "tests/sim/world.h"
#include "tests/unit/check.h"

#define DAY (UINT64_C(86400) * CLOCK_NS_PER_S)

enum { MOST = 10000, EACH = 7 };

static struct ring *ring;
static struct budget *budget;
static bool answered, found_over;
static int answer;

static void on_written(void *context, int result)
{
	answered = true;
	answer = result;
	found_over = !atomic_load(&budget->writing);
}

/* A process begins: what it finds. The wall clock is `wall` off. */
static void begin(int64_t wall_s)
{
	struct ring_config config = {.entries = 8, .completions = 16, .buffers = 8, .buffer_size = 4096};
	struct ring_problem problem;
	int root, directory;

	world_engine_enter();
	CHECK_EQ(ring_open(&ring, &config, &problem), 0);
	root = disk_directory_open("/spool", true);
	directory = disk_subdirectory_open(root, "limits", true);
	CHECK_EQ(budget_open(&budget, directory, "office365", clock_monotonic_ns(),
			     clock_wall_ns() + (uint64_t)(wall_s * (int64_t)CLOCK_NS_PER_S)),
		 0);
	disk_close(directory);
	disk_close(root);
	world_engine_leave();
}

static void end(void)
{
	world_engine_enter();
	budget_close(budget);
	ring_close(ring);
	world_engine_leave();
}

/* Granted, and what it took; or false, and when. */
static bool take(uint64_t n, uint64_t most, uint64_t *when_ns)
{
	enum budget_answer a;

	for (;;) {
		world_engine_enter();
		a = budget_take(budget, clock_monotonic_ns(), n, most, ring, on_written, NULL, when_ns);
		world_engine_leave();
		if (a == BUDGET_GRANTED || a == BUDGET_NOTHING)
			return a == BUDGET_GRANTED;
		answered = false;
		while (!answered) {
			world_engine_enter();
			ring_turn(ring, 0);
			world_engine_leave();
			world_step();
		}
		if (answer < 0)
			return false;
	}
}

static void nothing(void *context)
{
}

static void pass(uint64_t ns)
{
	uint64_t until = world_now_ns() + ns;

	world_after(ns, nothing, NULL);
	while (world_now_ns() < until && world_step())
		;
}

static void open_world(uint64_t seed)
{
	struct world_config config;

	world_config_quiet(&config, seed);
	world_open(&config);
}

static unsigned take_all(uint64_t n, uint64_t most)
{
	uint64_t when = 0;
	unsigned taken = 0;

	while (take(n, most, &when))
		taken += (unsigned)n;
	return taken;
}

static void test_whole(void)
{
	uint64_t when = 0, left;

	open_world(1);
	begin(0);
	CHECK_EQ(take_all(1, MOST), MOST);
	CHECK(!take(1, MOST, &when) && when >= world_now_ns() + DAY &&
	      when <= world_now_ns() + DAY + 2 * BUDGET_SLOT_NS);
	left = budget_left(budget, world_now_ns(), &when);
	CHECK_EQ(left, 0);
	budget_give_back(budget, world_now_ns(), 3);
	CHECK_EQ(take_all(1, MOST), 3);
	pass(DAY / 2);
	CHECK_EQ(take_all(1, MOST), 0);
	pass(DAY / 2 + 2 * BUDGET_SLOT_NS);
	CHECK_EQ(take_all(EACH, MOST), MOST / EACH * EACH);
	/* Less is allowed now: but for what was written ahead before; or more. */
	left = take_all(1, MOST / 2);
	CHECK(left <= MOST / 400);
	CHECK_EQ(left + take_all(1, MOST + 50), 50 + MOST % EACH);
	end();
	world_close();
}

/* Restarts find what was spent; a crash loses what was written ahead, and nothing is spent twice. */
static void test_restarts(void)
{
	unsigned taken = 0;
	uint64_t when;

	open_world(2);
	begin(0);
	for (unsigned life = 0; life < 20; life++) {
		for (unsigned i = 0; i < 30 && take(EACH, MOST, &when); i++)
			taken += EACH;
		if (life % 2) {
			end();
		} else {
			world_crash(life % 4 ? WORLD_POWER_CUT : WORLD_KILL);
		}
		begin(0);
	}
	taken += take_all(1, MOST);
	CHECK(taken <= MOST && taken >= MOST / 100 * 94);
	end();
	world_close();
}

/* Nothing is spent that a crash would forget. */
static void test_durable_first(void)
{
	uint64_t when;

	open_world(6);
	begin(0);
	for (unsigned i = 0; i < 5; i++) {
		world_engine_enter();
		CHECK_EQ(budget_take(budget, clock_monotonic_ns(), 1, MOST, ring, on_written, NULL, &when),
			 BUDGET_WRITES);
		CHECK_EQ(budget_take(budget, clock_monotonic_ns(), 1, MOST, ring, on_written, NULL, &when),
			 BUDGET_WAIT);
		world_engine_leave();
		world_crash(WORLD_POWER_CUT);
		begin(0);
	}
	CHECK(take_all(1, MOST) >= MOST - 5 * (MOST / 400));
	end();
	world_close();
}

/* Who waits while another one writes is told when that is over, and once; who comes later need not wait. */
static void test_waiting(void)
{
	uint64_t when;

	open_world(7);
	begin(0);
	world_engine_enter();
	answered = false;
	CHECK_EQ(budget_take(budget, clock_monotonic_ns(), 1, MOST, ring, on_written, NULL, &when), BUDGET_WRITES);
	CHECK_EQ(budget_take(budget, clock_monotonic_ns(), 1, MOST, ring, on_written, NULL, &when), BUDGET_WAIT);
	CHECK(budget_wait(budget, 3) && budget_wait(budget, 63));
	world_engine_leave();
	while (!answered) {
		world_engine_enter();
		ring_turn(ring, 0);
		world_engine_leave();
		world_step();
	}
	/* It is over before `written` is called: whoever is told finds it so. */
	CHECK(found_over);
	CHECK_EQ(budget_waiting(budget), UINT64_C(1) << 63 | 1 << 3);
	CHECK_EQ(budget_waiting(budget), 0);
	CHECK(!budget_wait(budget, 3));
	end();
	world_close();
}

/* A wall clock that is set back gives nothing back sooner; what it moved while the machine was off counts. */
static void test_clocks(void)
{
	open_world(3);
	begin(0);
	CHECK_EQ(take_all(1, MOST), MOST);
	end();
	begin(-1000000);
	CHECK_EQ(take_all(1, MOST), 0);
	end();
	begin(86400 / 2);
	CHECK_EQ(take_all(1, MOST), 0);
	end();
	begin(86400 + 3600);
	CHECK_EQ(take_all(1, MOST), MOST);
	end();
	world_close();
}

/* Where no record is left all is spent. */
static void test_damage(void)
{
	uint64_t when;
	int root, directory, fd;
	char file[] = "0123456789abcdef";
	uint8_t *rot = NULL;

	open_world(4);
	begin(0);
	CHECK(take(1, MOST, &when));
	end();
	world_engine_enter();
	CHECK_EQ(posix_memalign((void **)&rot, DISK_BLOCK, 2 * DISK_BLOCK), 0);
	memset(rot, 0x5a, 2 * DISK_BLOCK);
	root = disk_directory_open("/spool", true);
	directory = disk_subdirectory_open(root, "limits", false);
	snprintf(file, sizeof(file), "%016llx", (unsigned long long)budget_file("office365"));
	fd = disk_open(directory, file, DISK_WRITE);
	CHECK(fd >= 0);
	CHECK_EQ(disk_write(fd, rot, 2 * DISK_BLOCK, 0), 2 * DISK_BLOCK);
	disk_sync(fd);
	disk_close(fd);
	disk_close(directory);
	disk_close(root);
	free(rot);
	world_engine_leave();
	begin(0);
	CHECK(budget->damaged);
	CHECK_EQ(take_all(1, MOST), 0);
	pass(DAY + 2 * BUDGET_SLOT_NS);
	CHECK_EQ(take_all(1, MOST), MOST);
	end();
	world_close();
}

/* Any window of 24 hours, whatever the pace, with restarts: against all that was granted. */
enum { GRANTS = 40000 };
static uint64_t times[GRANTS];

static void test_windows(void)
{
	uint64_t when = 0, from;
	size_t count = 0, first = 0;

	open_world(5);
	begin(0);
	from = world_now_ns();
	while (count < GRANTS && world_now_ns() < from + 10 * DAY) {
		if (take(1, 2000, &when)) {
			times[count++] = world_now_ns();
			while (times[first] + DAY <= world_now_ns())
				first++;
			CHECK(count - first <= 2000);
			if (world_below(4) == 0)
				pass(world_below(60 * CLOCK_NS_PER_S));
		} else {
			pass(when > world_now_ns() ? when - world_now_ns() : CLOCK_NS_PER_S);
		}
		if (world_below(2000) == 0) {
			world_crash(world_below(2) ? WORLD_POWER_CUT : WORLD_KILL);
			begin(0);
		}
	}
	CHECK(count >= 10 * 2000 / 100 * 93);
	end();
	world_close();
}

int main(void)
{
	RUN(test_whole);
	RUN(test_restarts);
	RUN(test_durable_first);
	RUN(test_waiting);
	RUN(test_clocks);
	RUN(test_damage);
	RUN(test_windows);
	return check_end();
}
