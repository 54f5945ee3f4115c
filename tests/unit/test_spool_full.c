/*
 * tests/unit/test_spool_full.c - no room: a full disk, a read-only one, size_max, and each together with restarts.
 */
#include "tests/unit/test_spool_rig.h"

static void fault(unsigned operations, uint64_t nth, uint64_t count, int error)
{
	struct world_io_fault f = {.operations = operations, .nth = nth, .count = count, .error = error};
	world_fault_io(&f);
}

static void start(void)
{
	rig_start();
}

static uint64_t compacted(void)
{
	struct spool_stats stats;
	spool_stats(rig_spool, &stats);
	return stats.compacted;
}

static uint64_t segments(void)
{
	struct spool_stats stats;
	spool_stats(rig_spool, &stats);
	return stats.segments;
}

static bool no_room(void)
{
	return rig_append(100, NULL) == -ENOSPC;
}

/* Ends one, which may have to wait for room. */
static int end(struct rig_message *m)
{
	int tries = 0, result = -EAGAIN;
	while ((result = rig_done(m)) == -EAGAIN && ++tries < 4000)
		rig_turn();
	return result;
}

static void flush(void)
{
	world_engine_enter();
	spool_flush(rig_spool);
	world_engine_leave();
}

static void turns(int count)
{
	while (count-- > 0)
		rig_turn();
}

/* What comes to an end after seven segments: the disk (size_max would allow sixty), size_max, or both. */
enum limit { LIMIT_DISK, LIMIT_SIZE, LIMIT_BOTH, LIMITS };

static void small_world(uint64_t seed, enum limit limit)
{
	rig_world(seed, false);
	rig_settings.size_max = (limit == LIMIT_DISK ? 60ull : 7ull) * rig_settings.segment_size;
	if (limit != LIMIT_SIZE)
		world_disk_capacity(7ull * rig_settings.segment_size + 100);
}

static void fill_once(uint32_t length, bool bursts)
{
	unsigned refused = 0;
	while (refused < 30 && rig_count < RIG_MESSAGES - 300) {
		int result;
		do
			result = rig_append(length, NULL);
		while (bursts && result == 0);
		if (result == -ENOSPC)
			refused++;
		else
			CHECK(result == 0 || result == -EAGAIN);
		rig_turn();
	}
	CHECK(refused == 30);
	rig_settle();
}

/* Accepts until there is no room, not even what compaction makes. Large ones come in bursts: all that a turn takes. */
static void fill(uint32_t length)
{
	int rounds = 0;
	do {
		fill_once(length, length > 200000);
		/* Small ones still fit behind the last large one. */
		for (int i = 0; i < 200 && !no_room(); i++)
			rig_turn();
	} while (!no_room() && ++rounds < 10);
	CHECK(no_room());
	rig_settle();
}

/* One at a time, each in a batch of its own as far as the spool allows; `back`: the newest first. */
static void finish_all(bool back, int each)
{
	for (uint32_t i = 0; i < rig_count; i++) {
		struct rig_message *m = &rig_messages[back ? rig_count - 1 - i : i];
		if (!rig_alive(m))
			continue;
		int result = end(m);
		CHECK_EQ(result, 0);
		if (result < 0)
			return;
		turns(each);
	}
	rig_settle();
}

static unsigned alive(void)
{
	unsigned count = 0;
	for (uint32_t i = 0; i < rig_count; i++)
		count += rig_alive(&rig_messages[i]);
	return count;
}

/* What all of them are told by their next hops, as far as there is room to note it. */
static void state_all(void)
{
	for (uint32_t i = 0; i < rig_count; i++) {
		if (!rig_alive(&rig_messages[i]))
			continue;
		int result = rig_state(&rig_messages[i]);
		CHECK(result == 0 || result == -ENOSPC || result == -EAGAIN);
		rig_turn();
	}
	rig_settle();
}

/* What all of them are told, until not even that has room. */
static void state_until_full(void)
{
	for (int round = 0; round < 4000; round++) {
		struct rig_message *m = &rig_messages[round % (int)rig_count];
		int result = rig_state(m);
		CHECK(result == 0 || result == -ENOSPC || result == -EAGAIN);
		if (result == -ENOSPC)
			return;
		rig_turn();
	}
}

/* Of one that failed: its fate, a report, its end. */
static int report(struct rig_message *m, struct rig_message **out)
{
	int tries = 0, result;

	while ((result = rig_state_as(m, spool_append_fate)) == -EAGAIN && ++tries < 4000)
		rig_turn();
	if (result < 0)
		return result;
	while ((result = rig_append_as(3000, true, out)) == -EAGAIN && ++tries < 4000)
		rig_turn();
	return result < 0 ? result : end(m);
}

/* All that fills a spool has failed, and nobody is told yet: there is room to tell all of them, although those reports
 * cannot leave for a while either. */
static void test_full_reports(void)
{
	for (uint64_t seed = 1; seed <= 4; seed++) {
		uint32_t count, first = 0;
		uint64_t most = 0;
		small_world(seed, LIMIT_SIZE);
		start();
		fill(seed % 2 ? 60000 : 250000);
		state_until_full();
		count = rig_count;
		for (uint32_t i = 0; i < count; i++) {
			struct rig_message *out;
			CHECK_EQ(report(&rig_messages[i], &out), 0);
			rig_turn();
			most = segments() > most ? segments() : most;
			/* Some hundred wait at a time for the way that reports go. */
			while (rig_count - count - first > 200)
				CHECK_EQ(end(&rig_messages[count + first++]), 0);
		}
		rig_settle();
		/* Two places above, and what done records take. */
		CHECK(most <= 10);
		finish_all(false, 0);
		CHECK_EQ(alive(), 0);
		turns(200);
		CHECK(!spool_size_full(rig_spool));
		CHECK_EQ(rig_append(1000, NULL), 0);
		rig_end();
	}
}

/* Mail was accepted until there was no room: all of it can be ended, and then there is room for more. */
static void drains(enum limit limit)
{
	for (uint64_t seed = 1; seed <= 4; seed++) {
		small_world(seed, limit);
		start();
		CHECK(!spool_size_full(rig_spool));
		fill(seed % 2 ? 60000 : 250000);
		/* The operator is told why. */
		CHECK(limit == LIMIT_SIZE || spool_disk_full(rig_spool) || spool_size_full(rig_spool));
		CHECK(limit != LIMIT_SIZE || (spool_size_full(rig_spool) && !spool_disk_full(rig_spool)));
		CHECK(limit != LIMIT_DISK || !spool_size_full(rig_spool));
		uint32_t newest = rig_count - 1;
		for (int round = 0; round < 15; round++) {
			state_all();
			CHECK_EQ(end(&rig_messages[newest--]), 0);
		}
		finish_all(seed > 2, 4);
		CHECK_EQ(alive(), 0);
		turns(200);
		CHECK(!spool_disk_full(rig_spool) && !spool_size_full(rig_spool));
		CHECK_EQ(rig_append(1000, NULL), 0);
		fill(60000);
		finish_all(false, 0);
		rig_stop();
		start();
		CHECK_EQ(rig_report.live, 0);
		CHECK_STR(rig_report.problem, "");
		rig_end();
	}
}

static void test_full_drains(void)
{
	for (enum limit limit = 0; limit < LIMITS; limit++)
		drains(limit);
}

/*
 * Small mails, ended one by one and the oldest segment's last: a block for each of their records would be more than the
 * last segment has, and so would be a copy of what lives in the oldest.
 */
static void test_full_trickle(void)
{
	rig_world(5, false);
	world_disk_capacity(3ull * rig_settings.segment_size + 100);
	start();
	fill(5000);
	CHECK(alive() > rig_settings.segment_size / 4096);
	turns(100);
	CHECK_EQ(compacted(), 0);
	rig_done_untold = true; /* what nobody waits for may be held back */
	finish_all(true, 2);
	CHECK_EQ(alive(), 0);
	fill(250000);
	rig_stop();
	start();
	finish_all(false, 0);
	rig_end();
}

/* A few deliveries in each of many lives, of mail whose segments they do not free. */
static void lives(uint64_t seed, bool disk)
{
	uint32_t newest = rig_count - 1;
	for (int life = 0; life < 20; life++) {
		if (seed % 2)
			rig_stop();
		else
			rig_crash(seed % 4 ? WORLD_KILL : WORLD_POWER_CUT);
		start();
		CHECK_EQ(rig_report.live, alive());
		CHECK(!disk || rig_append(100, NULL) == -ENOSPC);
		for (int n = 0; n < 2; n++) {
			struct rig_message *m = &rig_messages[newest--];
			CHECK_EQ(end(m), 0);
			rig_settle();
			CHECK_EQ(m->done_result, 0);
		}
	}
}

/* The same over restarts, clean and not; what was recorded as done is not found again (rig_check). */
static void restarts(enum limit limit)
{
	for (uint64_t seed = 1; seed <= 4; seed++) {
		small_world(seed, limit);
		start();
		fill(60000);
		lives(seed, limit == LIMIT_DISK);
		for (uint32_t i = 0; i < rig_count; i++)
			CHECK_EQ(rig_alive(&rig_messages[i]) ? rig_view_check(&rig_messages[i]) : 0, 0);
		finish_all(false, 2);
		CHECK_EQ(alive(), 0);
		fill(200000);
		finish_all(false, 0);
		rig_stop();
		start();
		CHECK_EQ(rig_report.live, 0);
		rig_end();
	}
}

static void test_full_restarts(void)
{
	for (enum limit limit = 0; limit < LIMITS; limit++)
		restarts(limit);
}

/* Others take every block, even those that are given back: the segment that was ready is enough for one life. */
static void test_full_others(void)
{
	for (uint64_t seed = 1; seed <= 4; seed++) {
		rig_world(seed, false);
		start();
		for (int i = 0; i < 40; i++) {
			CHECK_EQ(rig_append(60000, NULL), 0);
			rig_turn();
		}
		rig_settle();
		if (seed % 2)
			rig_stop();
		else
			rig_crash(seed % 4 ? WORLD_KILL : WORLD_POWER_CUT);
		world_disk_capacity(1);
		start();
		turns(10);
		CHECK_EQ(rig_append(100, NULL), -ENOSPC);
		finish_all(true, 2);
		CHECK_EQ(alive(), 0);
		rig_stop();
		world_disk_capacity(0);
		start();
		CHECK_EQ(rig_report.live, 0);
		CHECK_EQ(rig_append(100, NULL), 0);
		rig_end();
	}
}

/* Room for two segments, one of them cut at its end by a start: that one must serve again when its mail has gone. */
static void test_full_odd_size(void)
{
	rig_world(9, false);
	start();
	for (int i = 0; i < 40; i++) {
		CHECK_EQ(rig_append(60000, NULL), 0);
		rig_turn();
	}
	rig_settle();
	world_disk_capacity(2ull * rig_settings.segment_size);
	for (uint32_t life = 0; life < 3; life++) {
		rig_stop();
		rig_start();
		CHECK_EQ(rig_append(100, NULL), -ENOSPC);
		CHECK_EQ(rig_done(&rig_messages[life]), 0);
		rig_settle();
	}
	CHECK(world_file_size("spool/0000000001.seg") < 3 << 20);
	finish_all(false, 2);
	turns(100); /* the odd one is gone, and another is made */
	CHECK_EQ(rig_append(100, NULL), 0);
	rig_end();
}

/* A failed write where no segment is free to begin behind it: what was refused is gone, what was to be ended is. */
static void test_full_write_error(void)
{
	for (uint64_t seed = 1; seed <= 12; seed++) {
		small_world(seed, seed % 2 ? LIMIT_DISK : LIMIT_BOTH);
		start();
		fill(200000);
		/* Into the last segment. */
		for (uint32_t i = 0; i < 4; i++)
			CHECK_EQ(end(&rig_messages[rig_count - 1 - i]), 0);
		rig_settle();
		for (uint32_t i = 0; i < 4; i++)
			CHECK_EQ(end(&rig_messages[4 * seed + i]), 0);
		fault(WORLD_IO_WRITE, 1, 1, -EIO);
		rig_settle();
		world_faults_clear();
		for (uint32_t i = 0; i < 4; i++)
			CHECK_EQ(rig_messages[4 * seed + i].done_result, 0);
		if (seed % 3 == 0) {
			rig_crash(WORLD_KILL);
			start();
		}
		finish_all(seed % 4 < 2, 1);
		CHECK_EQ(alive(), 0);
		rig_stop();
		start();
		CHECK_EQ(rig_report.live, 0);
		rig_end();
	}
}

/* Any call fails once while a full disk drains: it costs time, but no record. */
static void test_full_errors(void)
{
	for (uint64_t nth = 1; nth <= 24; nth++) {
		small_world(nth, nth % LIMITS);
		start();
		fill(250000);
		fault(WORLD_IO_OTHER, nth, 1, nth % 2 ? -EIO : -EMFILE);
		finish_all(false, 1);
		CHECK_EQ(alive(), 0);
		fill(250000);
		world_faults_clear();
		finish_all(false, 0);
		rig_stop();
		start();
		CHECK_EQ(rig_report.live, 0);
		rig_end();
	}
}

/* Where a segment cannot be made for another reason than room, that can be told: mail is refused all the same. */
static void test_full_reason(void)
{
	small_world(3, LIMIT_DISK);
	start();
	turns(50);
	CHECK_EQ(spool_segment_error(rig_spool), 0);
	fault(WORLD_IO_OTHER, 1, UINT64_MAX, -EIO);
	fill(250000);
	CHECK_EQ(spool_segment_error(rig_spool), -EIO);
	CHECK(!spool_disk_full(rig_spool) && !spool_size_full(rig_spool));
	CHECK(no_room());
	world_faults_clear();
	turns(200);
	CHECK_EQ(spool_segment_error(rig_spool), 0);
	CHECK_EQ(rig_append(1000, NULL), 0);
	finish_all(false, 1);
	rig_stop();
	world_close();
}

/* Not even the first segment can be had: delivery goes on, records wait, closing is possible, space heals it. */
static void test_full_start(void)
{
	for (int error = 0; error < 3; error++) {
		static const int errors[] = {-ENOSPC, -EDQUOT, -EROFS};
		rig_world(31 + (uint64_t)error, false);
		start();
		while (rig_count < 40) {
			(void)rig_append(200000, NULL);
			rig_turn();
		}
		rig_settle();
		rig_crash(WORLD_KILL);
		for (int again = 0; again < 2; again++) {
			CHECK_EQ(rig_open_only(), 0);
			rig_check();
			fault(WORLD_IO_OTHER | WORLD_IO_WRITE, 1, 1000000, errors[error]);
			CHECK_EQ(rig_start_only(), 0);
			CHECK(spool_disk_full(rig_spool));
			CHECK(spool_idle(rig_spool));
			turns(30);
			CHECK_EQ(rig_append(100, NULL), -ENOSPC);
			CHECK_EQ(rig_append(600 * 1024, NULL), -ENOSPC);
			CHECK_EQ(rig_done(&rig_messages[3]), -EAGAIN);
			CHECK_EQ(rig_state(&rig_messages[4]), -ENOSPC);
			world_faults_clear();
			fault(WORLD_IO_OTHER | WORLD_IO_WRITE, 1, 1000000, errors[error]);
			if (again == 0)
				rig_stop();
			world_faults_clear();
		}
		for (uint32_t i = 0; i < rig_count; i++)
			CHECK_EQ(rig_view_check(&rig_messages[i]), 0);
		finish_all(false, 1);
		CHECK(!spool_disk_full(rig_spool));
		CHECK_EQ(rig_append(100, NULL), 0);
		rig_stop();
		start();
		CHECK_EQ(rig_report.live, 1);
		CHECK_STR(rig_report.problem, "");
		rig_end();
	}
}

/* Where the number of shards changes, states are written before the spool starts: at size_max as well. */
static void test_full_states_at_start(void)
{
	small_world(71, LIMIT_SIZE);
	start();
	fill(60000);
	rig_stop();
	CHECK_EQ(rig_open_only(), 0);
	rig_check();
	CHECK(alive() > 100);
	/* More than the segment has room for that the start makes. */
	for (int round = 0; round < 70000; round += (int)rig_count) {
		for (uint32_t i = 0; i < rig_count; i++) {
			int result = rig_alive(&rig_messages[i]) ? rig_state(&rig_messages[i]) : 0;
			CHECK_EQ(result, 0);
			if (result < 0)
				round = 70000;
		}
	}
	world_engine_enter();
	CHECK_EQ(spool_import_commit(rig_spool), 0);
	world_engine_leave();
	CHECK_EQ(rig_start_only(), 0);
	finish_all(false, 1);
	CHECK_EQ(rig_append(100, NULL), 0);
	rig_end();
}

/* A crash anywhere while a full disk drains: nothing is lost, nothing recorded comes back. */
static void drain_life(void *context)
{
	start();
	finish_all(false, 1);
	fill(250000);
	finish_all(true, 1);
}

static void test_full_crashes(void)
{
	for (uint64_t seed = 1; seed <= 18; seed++) {
		small_world(seed, seed % LIMITS);
		start();
		fill(250000);
		rig_stop();
		for (uint64_t n = 0; n < 6; n++) {
			uint64_t at = 3 + (seed * 37 + n * 53) % (n % 2 ? 60 : 300);
			world_crash_at_io(world_io_count() + at, (seed + n) % 2 ? WORLD_POWER_CUT : WORLD_KILL);
			(void)world_guard(drain_life, NULL);
			world_crash_at_io(0, WORLD_KILL);
			rig_crash(WORLD_KILL);
			for (uint32_t i = 0; i < rig_count; i++)
				rig_messages[i].item = (struct spool_item){.id = rig_messages[i].item.id};
		}
		start();
		CHECK_STR(rig_report.problem, "");
		finish_all(false, 0);
		CHECK_EQ(alive(), 0);
		fill(250000);
		finish_all(false, 0);
		rig_end();
	}
}

/* A file that records a cut is not given up for an error while nothing newer says the same: refused stays refused. */
static void test_full_cut_kept(void)
{
	struct rig_message *kept, *torn, *intact;

	rig_world(3, false);
	rig_start();
	rig_settle();
	world_disk_capacity(2ull * rig_settings.segment_size + 100);
	CHECK_EQ(rig_append(1000, &kept), 0);
	rig_settle();
	fault(WORLD_IO_WRITE, 1, 1, -EIO);
	CHECK_EQ(rig_append(1000, &torn), 0);
	flush();
	CHECK_EQ(rig_append(1000, &intact), 0);
	flush();
	rig_settle();
	world_faults_clear();
	CHECK_EQ(kept->result, 0);
	CHECK_EQ(torn->result, -EIO);
	CHECK_EQ(intact->result, -EIO);
	rig_crash(WORLD_KILL);
	CHECK_EQ(rig_open_only(), 0);
	CHECK_EQ(rig_report.live, 1);
	fault(WORLD_IO_WRITE, 1, 1, -EIO);
	CHECK(rig_start_only() < 0);
	world_faults_clear();
	rig_crash(WORLD_KILL);
	rig_start();
	CHECK_EQ(rig_report.live, 1);
	rig_end();
}

/* Segments too small to be used again: copies of what lives in them leave room for all that is to be ended. */
static void test_full_small_segments(void)
{
	enum { LIVES = 14, EACH = 5 };

	rig_world(4, false);
	rig_settings.size_max = 600ull << 20;
	for (int life = 0; life <= LIVES; life++) {
		if (life == LIVES)
			world_disk_capacity(1);
		rig_start();
		for (int i = 0; life < LIVES && i < EACH; i++) {
			CHECK_EQ(rig_append(50000, NULL), 0);
			rig_settle();
		}
		if (life == LIVES) {
			CHECK_EQ(end(&rig_messages[LIVES * EACH - 1]), 0);
			rig_settle();
		}
		rig_stop();
	}
	world_disk_capacity(LIVES * 270336 + (2u << 20) + 4096 * 26);
	start();
	world_disk_capacity(1);
	turns(3000);
	for (uint32_t i = 0; i < LIVES * EACH - 1; i++) {
		CHECK_EQ(end(&rig_messages[i]), 0);
		turns(4);
	}
	rig_end();
}

/* The last batches of a segment are damaged: the hole shows in the next one, and the file is kept as it is. */
static void test_full_damaged_end(void)
{
	static const uint8_t zeros[128];
	uint32_t at = 0;

	rig_world(4, false);
	start();
	rig_settle();
	world_disk_capacity(2ull * rig_settings.segment_size + 100);
	while (rig_count == 0 || rig_messages[rig_count - 1].item.message.segment != 2) {
		for (int i = 0; i < 3; i++)
			(void)rig_append(250000, NULL);
		rig_settle();
	}
	for (int i = 0; i < 3; i++) {
		CHECK_EQ(end(&rig_messages[i]), 0);
		rig_settle();
	}
	for (uint32_t i = 0; i < rig_count; i++) {
		const struct spool_ref *ref = &rig_messages[i].item.message;
		if (ref->segment == 1 && ref->offset % 4096 == 64 && ref->offset < 3u << 20)
			at = ref->offset;
	}
	rig_crash(WORLD_KILL);
	int64_t size = world_file_size("spool/0000000001.seg");
	for (uint32_t i = 0; i < rig_count; i++)
		if (rig_messages[i].item.message.segment == 1 && rig_messages[i].item.message.offset >= at)
			world_file_poke("spool/0000000001.seg", zeros, sizeof(zeros),
					rig_messages[i].item.message.offset - 64);
	CHECK_EQ(rig_open_only(), 0);
	CHECK(rig_report.damaged_batches > 0);
	(void)rig_start_only();
	CHECK_EQ(world_file_size("spool/0000000001.damaged"), size);
	rig_crash(WORLD_KILL);
	world_close();
}

int main(void)
{
	RUN(test_full_drains);
	RUN(test_full_reports);
	RUN(test_full_trickle);
	RUN(test_full_restarts);
	RUN(test_full_others);
	RUN(test_full_odd_size);
	RUN(test_full_write_error);
	RUN(test_full_errors);
	RUN(test_full_reason);
	RUN(test_full_start);
	RUN(test_full_states_at_start);
	RUN(test_full_crashes);
	RUN(test_full_cut_kept);
	RUN(test_full_small_segments);
	RUN(test_full_damaged_end);
	return check_end();
}
