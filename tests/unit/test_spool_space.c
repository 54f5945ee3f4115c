/*
 * tests/unit/test_spool_space.c - the log takes as much room as what lives in it is worth, whatever lives in it and
 * whatever happens to that: a backlog, mail that is being read, mail that stops in the middle of its arrival, damage.
 */
#include "queue/spool_private.h"
#include "tests/unit/test_spool_rig.h"

enum { SEGMENTS = 12, FLOW = 200 * 1024 };

static struct spool_stats figures(void)
{
	struct spool_stats stats;
	spool_stats(rig_spool, &stats);
	return stats;
}

static void world(uint64_t seed)
{
	rig_world(seed, false);
	rig_settings.size_max = (uint64_t)SEGMENTS * rig_settings.segment_size;
	rig_start();
}

/* Appends when there is room; whether mail was refused for want of it. */
static bool append(uint32_t length, struct rig_message **out)
{
	int result, tries = 0;
	while ((result = rig_append(length, out)) == -EAGAIN && ++tries < 20000)
		rig_turn();
	CHECK_EQ(result, 0);
	return result == 0;
}

static void end(struct rig_message *m)
{
	int result, tries = 0;
	while ((result = rig_done(m)) == -EAGAIN && ++tries < 20000)
		rig_turn();
	CHECK_EQ(result, 0);
}

/* Mail that comes and goes. */
static void pass(uint64_t most)
{
	struct rig_message *m, *before = NULL;

	for (uint64_t octets = 0; octets < most; octets += FLOW) {
		if (!append(FLOW, &m))
			return;
		rig_turn();
		if (before)
			end(before);
		before = m;
	}
	rig_settle();
	end(before);
	rig_settle();
}

/* So many times as much as the log may have. */
static void flow(unsigned times)
{
	pass(rig_settings.size_max * times);
}

/* Each ends in the segment that it came to. */
static void alone(unsigned count)
{
	struct rig_message *m;

	while (count-- > 0 && append(FLOW, &m)) {
		rig_settle();
		end(m);
		rig_settle();
	}
}

/* Segments of which a third lives: so many that those with less are worth compacting. */
static void litter(uint32_t dead)
{
	struct rig_message *m;

	for (int i = 0; i < 6; i++) {
		pass(dead);
		CHECK(append(700 * 1024, &m));
		CHECK(append(700 * 1024, &m));
	}
	rig_settle();
}

static void check_alive(void)
{
	for (uint32_t i = 0; i < rig_count; i++)
		if (rig_alive(&rig_messages[i]))
			CHECK_EQ(rig_view_check(&rig_messages[i]), 0);
}

/* Small and large ones, some with a state, some with parts: a third of the log lives, and mail goes on. */
static void test_space_backlog(void)
{
	struct rig_message *m;

	world(1);
	for (uint64_t octets = 0; octets < rig_settings.size_max / 3;) {
		uint32_t length = rig_count % 40 == 0 ? 600 * 1024 : rig_count % 4 == 0 ? 150 * 1024 : 700;
		if (!append(length, &m))
			break;
		octets += length;
		rig_turn();
		if (rig_count % 3 == 0)
			CHECK_EQ(rig_state(m), 0);
	}
	rig_settle();
	uint64_t backlog = figures().live;
	uint64_t before = figures().octets_written;
	flow(4);
	CHECK_EQ(figures().live, backlog);
	/* What is wholly alive is not copied, however much flows past it. */
	CHECK(figures().octets_written - before > 3 * rig_settings.size_max);
	CHECK(figures().octets_copied < rig_settings.segment_size);
	check_alive();
	rig_crash(WORLD_KILL);
	rig_start();
	CHECK_EQ(rig_report.live, backlog);
	check_alive();
	rig_end();
}

/* Read by a next hop that never ends. */
static void test_space_read(void)
{
	struct spool_view view = {0};
	struct rig_message *m;

	world(2);
	CHECK(append(600 * 1024, &m));
	rig_settle();
	world_engine_enter();
	if (!spool_view(rig_spool, &view, &m->item.parts[1], rig_on_view))
		CHECK(!"in memory");
	world_engine_leave();
	uint32_t segment = m->item.message.segment;
	litter(3 << 20);
	flow(1);
	CHECK(m->item.message.segment > segment);
	rig_fill(rig_buffer, m->length, m->number);
	CHECK(memcmp(view.content, rig_buffer + SPOOL_CONTENT_MAX, SPOOL_CONTENT_MAX) == 0);
	world_engine_enter();
	spool_view_release(&view);
	world_engine_leave();
	check_alive();
	rig_end();
}

/* A client that stops in the middle of its message for longer than the log takes to go round, and goes on then. */
static void test_space_arriving(void)
{
	struct rig_message *m;
	struct iovec piece = {rig_buffer, SPOOL_CONTENT_MAX};
	struct spool_message record = {.wall_ns = 1000, .content = &piece, .content_count = 1};
	uint8_t envelope[16];

	world(3);
	m = &rig_messages[rig_count];
	*m = (struct rig_message){.number = rig_count, .length = 3 * SPOOL_CONTENT_MAX - 100 * 1024, .result = 1};
	m->ticket.fn = rig_on_message;
	m->state_ticket.fn = rig_on_state;
	m->done_ticket.fn = rig_on_done;
	m->item.id = record.id = (struct spool_id){77, rig_count++};
	m->item.parts = NULL;
	world_engine_enter();
	m->item.parts = malloc(2 * sizeof *m->item.parts);
	world_engine_leave();
	for (unsigned i = 0; i < 2; i++) {
		rig_fill(rig_buffer, m->length, 0);
		piece.iov_base = rig_buffer + i * SPOOL_CONTENT_MAX;
		world_engine_enter();
		CHECK_EQ(spool_append_part(rig_spool, &record, &m->item, NULL), 0);
		world_engine_leave();
		uint32_t segment = m->item.parts[0].segment;
		litter(3 << 20);
		flow(1);
		/* The second time it lies among what was copied with it. */
		CHECK(i > 0 || m->item.parts[0].segment > segment);
	}
	rig_fill(rig_buffer, m->length, 0);
	rig_fill(envelope, sizeof envelope, 0 ^ 0xe);
	piece = (struct iovec){rig_buffer + 2 * SPOOL_CONTENT_MAX, m->length - 2 * SPOOL_CONTENT_MAX};
	record.envelope = envelope;
	record.envelope_length = sizeof envelope;
	world_engine_enter();
	CHECK_EQ(spool_append_message(rig_spool, &record, &m->item, &m->ticket), 0);
	world_engine_leave();
	m->used = true;
	rig_settle();
	CHECK_EQ(m->result, 0);
	CHECK_EQ(rig_view_check(m), 0);
	rig_crash(WORLD_POWER_CUT);
	rig_start();
	CHECK_EQ(rig_report.live, 1 + 2 * 2 * 6);
	check_alive();
	rig_end();
}

/* With nothing arriving the log shrinks, whatever is left of it. */
static void test_space_shrinks(void)
{
	for (uint64_t seed = 1; seed <= 6; seed++) {
		struct rig_message *m;
		uint64_t live = 0;

		world(seed);
		while (rig_count < 180)
			CHECK(append(rig_count % 9 ? FLOW : 3000, &m));
		rig_settle();
		for (uint32_t i = 0; i < rig_count; i++) {
			if (world_below(10) < seed)
				end(&rig_messages[i]);
			else
				live += rig_messages[i].length;
		}
		for (int i = 0; i < 3000; i++)
			rig_turn();
		rig_settle();
		/* The active one, and half a segment of each that is not full to its end. */
		uint64_t most = (live + live / 4) / (rig_settings.segment_size - SPOOL_SLAB) + 5;
		if (figures().segments > most)
			fprintf(stderr, "seed %d: %d segments, %d expected\n", (int)seed, (int)figures().segments,
				(int)most);
		CHECK(figures().segments <= most);
		check_alive();
		rig_end();
	}
}

/* A pause that is over before the spool is asked when it wants its turn is over all the same; and it is not asked for
 * again and again. */
static void test_space_wakes(void)
{
	const struct world_io_fault fault = {.operations = WORLD_IO_READ, .nth = 1, .count = UINT64_MAX, .error = -EIO};
	uint64_t wake_ns = UINT64_MAX;

	world(8);
	CHECK_EQ(spool_wake_ns(rig_spool), UINT64_MAX);
	world_fault_io(&fault);
	litter(3 << 20);
	for (int i = 0; i < 20000 && wake_ns == UINT64_MAX; i++) {
		rig_turn();
		wake_ns = spool_wake_ns(rig_spool);
	}
	CHECK(wake_ns != UINT64_MAX);
	while (wake_ns != UINT64_MAX && world_now_ns() <= wake_ns)
		if (!world_step())
			world_after(100 * CLOCK_NS_PER_MS, rig_on_nothing, NULL);
	CHECK_EQ(spool_wake_ns(rig_spool), wake_ns);
	rig_turn();
	CHECK(spool_wake_ns(rig_spool) > world_now_ns());
	world_faults_clear();
	flow(1);
	check_alive();
	rig_end();
}

static void sleep_s(unsigned s)
{
	const uint64_t until_ns = world_now_ns() + s * CLOCK_NS_PER_S;

	while (world_now_ns() < until_ns)
		if (!world_step())
			world_after(CLOCK_NS_PER_S, rig_on_nothing, NULL);
}

/*
 * A message ended here and came back, as from another spool when the number of shards changes twice: what ended it
 * stays where it is, or it would end it again. When it has ended for good that is found, and the segment leaves.
 */
static void test_space_kept(void)
{
	struct rig_message *m, *again;
	uint32_t count, ender;

	world(9);
	CHECK(append(FLOW, &m));
	for (int i = 0; i < 5; i++)
		CHECK(append(700 * 1024, &again)); /* their segment stays, and so what ended something in it */
	rig_settle();
	alone(30);
	end(m);
	ender = rig_spool->active->sequence;
	rig_settle();
	alone(30);
	count = rig_count;
	rig_count = (uint32_t)m->number;
	CHECK(append(FLOW, &again) && again == m);
	rig_count = count;
	rig_settle();
	litter(3 << 20);
	flow(1);
	CHECK(spool_segment_find(rig_spool, 1) && spool_segment_find(rig_spool, ender));
	CHECK(rig_spool->compact.kept_ns > world_now_ns());
	CHECK_EQ(rig_view_check(m), 0);
	end(m);
	rig_settle();
	litter(3 << 20);
	CHECK(spool_segment_find(rig_spool, ender));
	sleep_s(3601);
	CHECK(spool_wake_ns(rig_spool) <= world_now_ns());
	litter(3 << 20);
	CHECK(spool_segment_find(rig_spool, 1) && !spool_segment_find(rig_spool, ender));
	CHECK_EQ(spool_wake_ns(rig_spool), UINT64_MAX);
	check_alive();
	rig_crash(WORLD_KILL);
	rig_start();
	check_alive();
	rig_end();
}

/* What nothing lives in is not read. */
static void test_space_regions(void)
{
	struct rig_message *m;

	world(10);
	for (int i = 0; i < 7; i++) {
		pass(7 << 19);
		CHECK(append(FLOW, &m));
	}
	rig_settle();
	for (int i = 0; i < 200; i++)
		rig_turn();
	rig_settle();
	unsigned gone = 0;
	for (uint32_t i = 1; i <= 6; i++)
		gone += spool_segment_find(rig_spool, i) == NULL;
	CHECK(gone >= 3);
	CHECK(rig_spool->compact.walk_octets > 0);
	CHECK(rig_spool->compact.walk_octets < gone * (uint64_t)rig_settings.segment_size / 2);
	check_alive();
	rig_end();
}

static unsigned damage_told;

static void on_damage(void *context, const char *file, unsigned messages)
{
	CHECK_STR(file, "0000000001.damaged");
	damage_told += messages;
}

/* A record that cannot be read, and a sector, do not stop the log: their file is set aside, all others are moved. */
static void test_space_damage(void)
{
	struct rig_message *m[13];

	world(5);
	damage_told = 0;
	spool_on_damage(rig_spool, on_damage, NULL);
	for (int i = 0; i < 12; i++)
		CHECK(append(i == 7 ? 600 * 1024 : 30000, &m[i]));
	rig_settle();
	CHECK_EQ(rig_state(m[9]), 0);
	rig_settle();
	world_file_flip("spool/0000000001.seg", (uint64_t)(m[3]->item.message.offset + 500) * 8);
	world_file_flip("spool/0000000001.seg", (uint64_t)(m[7]->item.parts[1].offset + 500) * 8);
	litter(2 << 20);
	/* While there is room it waits, in case it was the way to the disk. */
	CHECK_EQ(damage_told, 0);
	for (int i = 0; i < 200 && damage_told == 0; i++)
		CHECK(append(150000, &m[12]));
	CHECK_EQ(damage_told, 2);
	CHECK(world_file_size("spool/0000000001.damaged") > 0);
	for (int i = 0; i < 12; i++)
		CHECK_EQ(rig_view_check(m[i]), i == 3 || i == 7 ? -EBADMSG : 0);
	end(m[3]);
	rig_settle();
	rig_stop();
	m[7]->used = false;
	rig_start();
	uint32_t alive = 0;
	for (uint32_t i = 0; i < rig_count; i++)
		alive += rig_alive(&rig_messages[i]);
	CHECK_EQ(rig_report.live, alive);
	check_alive();
	rig_end();
}

/*
 * Moved out of a segment that stays for the sake of another: what ends it there must stay as long, though it is nowhere
 * else any more.
 */
static void test_space_left_behind(void)
{
	struct rig_message *m[12];

	world(5);
	damage_told = 0;
	spool_on_damage(rig_spool, on_damage, NULL);
	for (int i = 0; i < 12; i++)
		CHECK(append(30000, &m[i]));
	rig_settle();
	world_file_flip("spool/0000000001.seg", (uint64_t)(m[3]->item.message.offset + 500) * 8);
	alone(20);
	litter(3 << 20);
	CHECK(m[0]->item.message.segment > 1);
	for (uint32_t i = 0; i < rig_count; i++)
		if (rig_alive(&rig_messages[i]) && &rig_messages[i] != m[3])
			end(&rig_messages[i]);
	rig_settle();
	flow(2);
	CHECK_EQ(damage_told, 0);
	CHECK_EQ(m[3]->item.message.segment, 1);
	rig_crash(WORLD_KILL);
	m[3]->used = false;
	rig_start();
	CHECK_EQ(rig_report.live, 0);
	rig_end();
}

/* A write error, or a crash, at each step of moving: nothing is lost, nothing comes back, and it goes on. */
static void life(void *context)
{
	flow(1);
}

static void test_space_faults(void)
{
	for (uint64_t seed = 1; seed <= 24; seed++) {
		struct rig_message *m;

		world(seed);
		for (int i = 0; i < 60; i++)
			CHECK(append(i % 20 == 0 ? 600 * 1024 : 200000, &m));
		rig_settle();
		if (seed % 2) {
			struct world_io_fault f = {.operations = WORLD_IO_WRITE | WORLD_IO_READ,
						   .nth = 20 + seed * 11,
						   .count = 1,
						   .error = -EIO};
			world_fault_io(&f);
			for (int i = 0; i < 150; i++) {
				if (rig_append(FLOW, &m) < 0)
					m = NULL;
				rig_settle();
				if (m && m->result == 0)
					end(m);
			}
			world_faults_clear();
		} else {
			world_crash_at_io(world_io_count() + 20 + seed * 13, seed % 4 ? WORLD_POWER_CUT : WORLD_KILL);
			(void)world_guard(life, NULL);
			world_crash_at_io(0, WORLD_KILL);
			rig_crash(WORLD_KILL);
			for (uint32_t i = 0; i < rig_count; i++)
				rig_messages[i].item = (struct spool_item){.id = rig_messages[i].item.id};
			rig_start();
		}
		rig_settle();
		check_alive();
		flow(1);
		check_alive();
		rig_stop();
		rig_start();
		check_alive();
		rig_end();
	}
}

/* A start takes no disk for good, whatever the last run left behind. */
static void test_space_starts(void)
{
	for (int kind = 0; kind < 3; kind++) {
		struct rig_message *m;
		uint64_t files = 0;

		rig_world(6, false);
		rig_start();
		CHECK(append(1000, &m));
		rig_settle();
		for (int life = 0; life < 30; life++) {
			if (kind == 0)
				rig_stop();
			else
				rig_crash(WORLD_KILL);
			rig_start();
			/* An attempt, in every other kind of life. */
			if (kind == 2)
				CHECK_EQ(rig_state(m), 0);
			for (int i = 0; i < 50; i++)
				rig_turn();
			rig_settle();
			files = figures().segments + figures().segments_free;
		}
		CHECK_EQ(rig_report.live, 1);
		CHECK(files <= 9);
		/* A new file each time would have made sixty. */
		CHECK(world_file_size("spool/0000000020.seg") < 0);
		rig_end();
	}
}

/* size_max is less at the next start: what does not live in the log makes room all the same. */
static void test_space_less(void)
{
	struct rig_message *m;

	world(7);
	rig_settings.size_max = 40ull * rig_settings.segment_size;
	rig_stop();
	rig_start();
	while (figures().segments < 24)
		CHECK(append(FLOW, &m));
	rig_settle();
	world_engine_enter();
	spool_rest(rig_spool);
	world_engine_leave();
	for (uint32_t i = 0; i < rig_count; i++)
		if (i % 10)
			end(&rig_messages[i]);
	rig_settle();
	rig_stop();
	rig_settings.size_max = 8ull * rig_settings.segment_size;
	rig_start();
	for (int i = 0; i < 2000; i++)
		rig_turn();
	rig_settle();
	CHECK(figures().segments <= 8);
	flow(2);
	check_alive();
	rig_end();
}

/* Without memory to note which segment must stay because of which, all later ones with done records do. */
static void test_space_memory(void)
{
	struct rig_message *m;

	world(9);
	world_engine_enter();
	spool_rest(rig_spool);
	world_engine_leave();
	while (rig_count < 24)
		CHECK(append(FLOW, &m));
	rig_settle();
	alone(30);
	world_fail_allocation(1);
	end(&rig_messages[3]);
	world_fail_allocation(0);
	alone(100);
	CHECK_EQ(rig_messages[0].item.message.segment, 1);
	rig_crash(WORLD_KILL);
	rig_start();
	CHECK_EQ(rig_report.live, 23);
	check_alive();
	rig_end();
}

/* A header that is written anew, so that old files may go, spends no number: no segment seems to be missing. */
static void test_space_adjacent(void)
{
	struct rig_message *m;

	world(10);
	while (figures().segments < 10)
		CHECK(append(FLOW, &m));
	rig_settle();
	CHECK_EQ(rig_spool->spare->sequence, rig_spool->active->sequence + 1);
	uint32_t said = rig_spool->spare->said;
	for (uint32_t i = 0; i < rig_count; i++)
		end(&rig_messages[i]);
	for (int i = 0; i < 300; i++)
		rig_turn();
	rig_settle();
	CHECK(rig_spool->spare->said > said);
	CHECK_EQ(rig_spool->spare->sequence, rig_spool->active->sequence + 1);
	rig_crash(WORLD_KILL);
	rig_start();
	CHECK_EQ(rig_report.live, 0);
	rig_end();
}

int main(void)
{
	RUN(test_space_backlog);
	RUN(test_space_read);
	RUN(test_space_arriving);
	RUN(test_space_shrinks);
	RUN(test_space_wakes);
	RUN(test_space_kept);
	RUN(test_space_regions);
	RUN(test_space_damage);
	RUN(test_space_left_behind);
	RUN(test_space_faults);
	RUN(test_space_starts);
	RUN(test_space_less);
	RUN(test_space_memory);
	RUN(test_space_adjacent);
	return check_end();
}
