/*
 * tests/unit/test_spool_model.c - thousands of random operations, faults and crashes against a model
 * (RELIABILITY I1, I2, I4, SYS-02).
 *
 * usage: test_spool_model [seed [count]]; a failing seed is printed and replays exactly.
 */
#include "tests/unit/test_spool_rig.h"

enum { STEPS = 700, LIVES = 5 };

static struct spool_view held[8];
static struct rig_message *held_message[8];

static struct rig_message *pick(void)
{
	for (int tries = 0; tries < 20 && rig_count > 0; tries++) {
		struct rig_message *m = &rig_messages[world_below(rig_count)];
		if (rig_alive(m))
			return m;
	}
	return NULL;
}

static uint32_t length_random(void)
{
	switch (world_below(6)) {
	case 0:
		return (uint32_t)world_below(20);
	case 1:
		return (uint32_t)world_below(RIG_CONTENT_MAX);
	case 2:
		return (uint32_t)world_below(SPOOL_CONTENT_MAX);
	default:
		return (uint32_t)world_below(9000);
	}
}

static void on_held(struct spool_view *view, int result)
{
	/* Content may be asked for while its segment is being poisoned; only durable messages are asked for here. */
	CHECK_EQ(result, 0);
	world_engine_enter();
	spool_view_release(view);
	world_engine_leave();
	held_message[view - held] = NULL;
}

static void hold(void)
{
	unsigned slot = (unsigned)world_below(8);
	if (held_message[slot] && held[slot].content) {
		world_engine_enter();
		spool_view_release(&held[slot]);
		world_engine_leave();
		held_message[slot] = NULL;
		return;
	}
	struct rig_message *m = pick();
	if (held_message[slot] || !m)
		return;
	held[slot] = (struct spool_view){0};
	held_message[slot] = m;
	world_engine_enter();
	bool now = spool_view(rig_spool, &held[slot], &m->item.message, on_held);
	world_engine_leave();
	if (!now)
		held[slot].content = NULL;
}

static void hold_end(void)
{
	for (unsigned i = 0; i < 8; i++) {
		if (held_message[i] && held[i].content) {
			world_engine_enter();
			spool_view_release(&held[i]);
			world_engine_leave();
			held_message[i] = NULL;
		}
	}
}

static bool faulty;

static void step(void *context)
{
	struct rig_message *m;
	switch (world_below(12)) {
	case 0:
	case 1:
	case 2:
		if (rig_count < RIG_MESSAGES - 1)
			(void)rig_append(length_random(), NULL);
		break;
	case 3:
		m = pick();
		if (m)
			(void)rig_state(m);
		break;
	case 4:
	case 5:
		m = pick();
		if (m)
			(void)rig_done(m);
		break;
	case 6:
		hold();
		break;
	case 7:
		if (faulty && world_below(40) == 0) {
			struct world_io_fault f = {.operations = WORLD_IO_WRITE | WORLD_IO_SYNC,
						   .nth = 1 + world_below(5),
						   .error = world_below(2) ? -EIO : -ENOSPC};
			world_fault_io(&f);
		}
		break;
	default:
		rig_turn();
		break;
	}
}

static void life(void *context)
{
	rig_start();
	uint64_t steps = STEPS / 2 + world_below(STEPS);
	for (uint64_t i = 0; i < steps; i++)
		step(NULL);
}

static void verify_all(void)
{
	rig_settle();
	for (uint32_t i = 0; i < rig_count; i++)
		if (rig_alive(&rig_messages[i]))
			CHECK_EQ(rig_view_check(&rig_messages[i]), 0);
}

static void end_of_life(bool crashed)
{
	memset(held_message, 0, crashed ? sizeof held_message : 0);
	if (crashed) {
		rig_crash(WORLD_KILL); /* whatever is still open; the planned crash has happened */
	} else if (world_below(3) == 0) {
		hold_end();
		verify_all();
		hold_end();
		rig_stop();
	} else {
		memset(held_message, 0, sizeof held_message);
		rig_crash(world_below(2) ? WORLD_KILL : WORLD_POWER_CUT);
	}
	for (uint32_t i = 0; i < rig_count; i++) {
		rig_messages[i].item = (struct spool_item){.id = rig_messages[i].item.id};
		rig_messages[i].state_result = 1;
		rig_messages[i].version_asked = 0;
	}
	world_faults_clear();
}

static void run(uint64_t seed)
{
	rig_world(seed, true);
	memset(held_message, 0, sizeof held_message);
	faulty = seed % 3 == 0;
	rig_settings.slabs = 4 + (unsigned)world_below(6);
	rig_settings.writes = 1 + (unsigned)world_below(8);
	rig_settings.beside_min = world_below(2) ? 0 : 1u << world_below(18);
	rig_settings.size_max = (5 + world_below(12)) * rig_settings.segment_size;
	for (int lives = 0; lives < LIVES; lives++) {
		if (world_below(2))
			world_crash_at_io(world_io_count() + 1 + world_below(1200),
					  world_below(2) ? WORLD_KILL : WORLD_POWER_CUT);
		bool crashed = world_guard(life, NULL);
		world_crash_at_io(0, WORLD_KILL);
		end_of_life(crashed);
	}
	rig_start();
	verify_all();
	CHECK_EQ(rig_report.damaged_batches + rig_report.damaged_records, 0);
	rig_end();
}

int main(int argc, char **argv)
{
	uint64_t first = argc > 1 ? strtoull(argv[1], NULL, 0) : 1;
	uint64_t count = argc > 2 ? strtoull(argv[2], NULL, 0) : argc > 1 ? 1 : 60;
	for (uint64_t seed = first; seed < first + count; seed++) {
		int before = check_failures;
		run(seed);
		check_cases++;
		if (check_failures != before) {
			printf("seed %" PRIu64 " failed\n", seed);
			break;
		}
	}
	return check_end();
}
