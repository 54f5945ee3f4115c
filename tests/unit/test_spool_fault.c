/*
 * tests/unit/test_spool_fault.c - errors, torn writes and damage: what was answered stays true
 * (RELIABILITY P2, P3, P5, P6, SYS-01 to SYS-03).
 */
#include "queue/spool_format.h"
#include "queue/spool_private.h"
#include "tests/unit/test_spool_rig.h"

#define FIRST_FILE "spool/0000000001.seg"

static uint8_t file_image[4 * SPOOL_SLAB];

static void fault(unsigned operations, uint64_t nth, uint64_t count, int error)
{
	struct world_io_fault f = {.operations = operations, .nth = nth, .count = count, .error = error};
	world_fault_io(&f);
}

/* Turns until every message has its answer. */
static void wait_answers(void)
{
	for (int turns = 0; turns < 200000; turns++) {
		bool all = true;
		for (uint32_t i = 0; i < rig_count; i++)
			all &= !rig_messages[i].used || rig_messages[i].forgotten || rig_messages[i].result != 1;
		if (all)
			return;
		rig_turn();
	}
	CHECK(!"all answered");
}

static void on_nothing(struct spool_ticket *ticket, int result)
{
	CHECK_EQ(result, 0);
}

static bool failed(void)
{
	struct spool_stats stats;
	spool_stats(rig_spool, &stats);
	return stats.failed;
}

/* Opens and closes without starting: what recovery finds changes nothing in the log. */
static void look(uint64_t live)
{
	CHECK_EQ(rig_open_only(), 0);
	if (rig_report.live != live)
		fprintf(stderr, "problem: %s\n", rig_report.problem);
	CHECK_EQ(rig_report.live, live);
	for (uint32_t i = 0; i < rig_count; i++) {
		free(rig_messages[i].item.parts);
		rig_messages[i].item.parts = NULL;
		rig_messages[i].recovered = false;
	}
	world_engine_enter();
	spool_close(rig_spool);
	disk_close(rig_directory);
	world_engine_leave();
}

static void test_short_writes(void)
{
	for (uint64_t n = 1; n < 12; n++) {
		rig_world(n, false);
		rig_start();
		rig_settle();
		struct world_io_fault f = {.operations = WORLD_IO_WRITE, .nth = 1, .count = n, .short_write = true};
		world_fault_io(&f);
		for (int i = 0; i < 12; i++) {
			CHECK_EQ(rig_append(100 * 1024, NULL), 0);
			if (i % 3 == 2)
				rig_turn();
		}
		wait_answers();
		CHECK(!failed());
		for (uint32_t i = 0; i < rig_count; i++)
			CHECK_EQ(rig_messages[i].result, 0);
		rig_stop();
		rig_start();
		CHECK_EQ(rig_report.live, 12);
		rig_end();
	}
}

/* A run that touches everything: roll over, states, done, several batches in flight. */
static void reference_run(void)
{
	for (int i = 0; i < 30; i++) {
		if (rig_append(i % 10 == 9 ? 600 * 1024 : 60 * 1024, NULL) < 0)
			i--;
		else if (i % 4 == 1 && rig_alive(&rig_messages[rig_count / 2]))
			(void)rig_state(&rig_messages[rig_count / 2]);
		if (i % 4 == 3 && rig_alive(&rig_messages[rig_count / 3]))
			(void)rig_done(&rig_messages[rig_count / 3]);
		rig_turn();
		if (failed())
			break;
		static int bound;
		if (++bound > 1000000)
			break;
	}
}

static void error_at(uint64_t n, unsigned operations, int error, bool cut)
{
	rig_world(n, false);
	fault(operations, n, 1, error);
	/* A failing start is reported, and works once the fault is gone. */
	int result = rig_open_only();
	if (result == 0) {
		result = rig_start_only();
		if (result < 0) {
			world_engine_enter();
			spool_close(rig_spool);
			ring_close(rig_ring);
			world_engine_leave();
		}
	}
	if (result < 0) {
		world_faults_clear();
		world_crash(WORLD_KILL);
		rig_start();
	}
	reference_run();
	if (cut) {
		rig_crash(WORLD_POWER_CUT);
	} else {
		wait_answers();
		CHECK(!failed());
		rig_stop();
	}
	world_faults_clear();
	rig_start();
	CHECK_EQ(rig_report.damaged_batches + rig_report.damaged_records, 0);
	for (uint32_t i = 0; i < rig_count; i++)
		if (rig_alive(&rig_messages[i]))
			CHECK_EQ(rig_view_check(&rig_messages[i]), 0);
	rig_end();
}

static void test_error_at_each_io(void)
{
	for (uint64_t n = 1; n <= 70; n++)
		error_at(n, n % 2 ? WORLD_IO_ALL : WORLD_IO_WRITE, n % 4 < 2 ? -EIO : -ENOSPC, n % 3 == 0);
}

/* What was refused never comes back, although it may lie on the disk; done and state records are not lost. */
static void test_poisoned(void)
{
	unsigned refused = 0;
	for (uint64_t seed = 1; seed <= 40; seed++) {
		rig_world(seed, false);
		rig_start();
		for (int i = 0; i < 4; i++)
			CHECK_EQ(rig_append(5000, NULL), 0);
		rig_settle();
		fault(WORLD_IO_WRITE, 1 + seed % 3, 1, -EIO);
		CHECK_EQ(rig_done(&rig_messages[0]), 0);
		CHECK_EQ(rig_state(&rig_messages[1]), 0);
		for (int i = 0; i < 12; i++) {
			int result = rig_append(30000, NULL);
			CHECK(result == 0 || result == -EAGAIN);
			if (i == 6 && rig_state(&rig_messages[2]) == 0)
				(void)rig_state(&rig_messages[2]);
			rig_turn();
		}
		wait_answers();
		if (seed % 2)
			rig_settle();
		CHECK(!failed());
		CHECK_EQ(rig_append(100, NULL), 0);
		wait_answers();
		for (uint32_t i = 0; i < rig_count; i++)
			refused += rig_messages[i].result < 0;
		CHECK_EQ(rig_messages[rig_count - 1].result, 0);
		CHECK_EQ(rig_messages[0].done_result, 0);
		CHECK_EQ(rig_messages[1].state_result, 0);
		CHECK_EQ(rig_state(&rig_messages[1]), 0); /* its place has moved; the next state must find it */
		CHECK_EQ(rig_done(&rig_messages[2]), 0);
		if (seed % 3)
			rig_crash(WORLD_POWER_CUT);
		else
			rig_stop();
		rig_start();
		CHECK_STR(rig_report.problem, "");
		rig_stop();
		rig_start(); /* and stays away */
		CHECK_STR(rig_report.problem, "");
		rig_end();
	}
	CHECK(refused > 40);
}

/* Nor when what was begun behind it is long of no use to anybody else, and its file might be written anew. */
static void test_poisoned_long_ago(void)
{
	for (uint64_t seed = 1; seed <= 12; seed++) {
		rig_world(seed, false);
		rig_start();
		CHECK_EQ(rig_append(5000, NULL), 0);
		rig_settle();
		fault(WORLD_IO_WRITE, 1 + seed % 3, 1, -EIO);
		for (int i = 0; i < 6; i++) {
			int result = rig_append(30000, NULL);
			CHECK(result == 0 || result == -EAGAIN);
			rig_turn();
		}
		rig_settle();
		CHECK(!failed());
		for (uint32_t i = 1; i < rig_count; i++)
			if (rig_messages[i].result == 0)
				CHECK_EQ(rig_done(&rig_messages[i]), 0);
		for (int i = 0; i < 120; i++) {
			struct rig_message *m;
			while (rig_append(200 * 1024, &m) < 0)
				rig_turn();
			rig_settle();
			CHECK_EQ(rig_done(m), 0);
		}
		rig_settle();
		CHECK_EQ(rig_messages[0].item.message.segment, 1);
		if (seed % 2)
			rig_crash(WORLD_KILL);
		else
			rig_stop();
		rig_start();
		CHECK_EQ(rig_report.live, 1);
		rig_end();
	}
}

/* After a write error every record is still accounted for: once all is done, the log shrinks to nothing. */
static void test_poisoned_accounting(void)
{
	for (uint64_t seed = 1; seed <= 12; seed++) {
		struct spool_stats stats;
		rig_world(seed, false);
		rig_start();
		for (int i = 0; i < 6; i++)
			CHECK_EQ(rig_append(i == 3 ? 600 * 1024 : 5000, NULL), 0);
		rig_settle();
		fault(WORLD_IO_WRITE, 1, 1, -EIO);
		for (int i = 0; i < 5; i++)
			CHECK_EQ(rig_state(&rig_messages[i]), 0);
		CHECK_EQ(rig_append(5000, NULL), 0);
		rig_settle();
		CHECK(!failed());
		CHECK_EQ(rig_messages[6].result, -EIO);
		for (int i = 0; i < 6; i++) {
			if (seed % 2)
				CHECK_EQ(rig_state(&rig_messages[i]), 0);
			CHECK_EQ(rig_done(&rig_messages[i]), 0);
		}
		for (int i = 0; i < 60; i++) {
			struct rig_message *m;
			while (rig_append(200 * 1024, &m) < 0)
				rig_turn();
			rig_settle();
			CHECK_EQ(rig_done(m), 0);
		}
		rig_settle();
		spool_stats(rig_spool, &stats);
		CHECK(stats.segments <= 2);
		CHECK_EQ(stats.live, 0);
		rig_end();
	}
}

/* Compaction's copy of a large message lost one of its parts: the original counts. */
static void test_copy_without_part(void)
{
	struct rig_message *m;
	rig_world(23, false);
	rig_start();
	CHECK_EQ(rig_append(600 * 1024, &m), 0);
	rig_settle();
	struct spool_ref original = m->item.message, copies[2];
	struct spool_item copy = {.id = m->item.id, .parts = copies};
	struct iovec piece = {rig_buffer, SPOOL_CONTENT_MAX};
	struct spool_message record = {.id = m->item.id, .wall_ns = 1000, .content = &piece, .content_count = 1};
	struct spool_ticket ticket = {.fn = on_nothing};
	world_engine_enter();
	CHECK_EQ(spool_append_part(rig_spool, &record, &copy, NULL), 0);
	CHECK_EQ(spool_append_part(rig_spool, &record, &copy, NULL), 0);
	CHECK_EQ(spool_append_message(rig_spool, &record, &copy, &ticket), 0);
	world_engine_leave();
	rig_stop();
	world_file_flip(FIRST_FILE, (uint64_t)copies[1].offset * 8 + 8000);
	rig_start();
	CHECK_EQ(m->item.message.offset, original.offset);
	CHECK_EQ(rig_view_check(m), 0);
	rig_end();
}

static void test_disk_gone(void)
{
	rig_world(3, false);
	rig_start();
	for (int i = 0; i < 4; i++)
		CHECK_EQ(rig_append(5000, NULL), 0);
	rig_settle();
	fault(WORLD_IO_WRITE, 1, 1000000, -EIO);
	CHECK_EQ(rig_append(5000, NULL), 0);
	wait_answers();
	CHECK_EQ(rig_messages[4].result, SPOOL_IN_DOUBT); /* no header can say that it was refused */
	CHECK(failed());
	CHECK_EQ(rig_append(5000, NULL), -EIO);
	CHECK_EQ(rig_done(&rig_messages[0]), -EIO);
	CHECK_EQ(rig_view_check(&rig_messages[1]), 0);
	rig_stop();
	world_faults_clear();
	rig_start();
	CHECK(rig_report.live >= 4);
	rig_end();
}

/* ---- torn and damaged ---- */

/* Ten messages, each a batch of its own, in the first file; *image is the file. */
static void ten(void)
{
	rig_world(20, false);
	rig_start();
	for (int i = 0; i < 10; i++) {
		CHECK_EQ(rig_append(6000, NULL), 0);
		rig_settle();
	}
	rig_stop();
	CHECK_EQ(world_file_read(FIRST_FILE, file_image, sizeof file_image, 0), sizeof file_image);
}

static void restore(void)
{
	world_file_poke(FIRST_FILE, file_image, sizeof file_image, 0);
}

static void test_torn_tail(void)
{
	static const uint8_t zeros[SPOOL_SLAB];
	ten();
	const struct spool_ref *last = &rig_messages[9].item.message;
	uint32_t start = last->offset & ~4095u, end = spool_align(last->offset + last->length, 4096);
	for (uint32_t at = start; at < end; at += 512) {
		/* The first octets arrived; then, the last; then, all but one sector. */
		world_file_poke(FIRST_FILE, zeros, end - at, at);
		bool whole = at >= last->offset + last->length;
		rig_messages[9].result = 1;
		look(whole ? 10 : 9);
		CHECK_STR(rig_report.problem, "");
		restore();
		world_file_poke(FIRST_FILE, zeros, at + 512 - start, start);
		look(9);
		CHECK_STR(rig_report.problem, "");
		restore();
		world_file_poke(FIRST_FILE, zeros, 512, at);
		CHECK_EQ(rig_open_only(), 0);
		CHECK(rig_report.live >= 9);
		CHECK_STR(rig_report.problem, "");
		world_engine_enter();
		spool_close(rig_spool);
		disk_close(rig_directory);
		world_engine_leave();
		for (uint32_t i = 0; i < rig_count; i++)
			rig_messages[i].recovered = false;
		restore();
	}
	rig_start();
	CHECK_EQ(rig_report.live, 10);
	rig_end();
}

static bool damaged_seen;
static void on_name(void *context, const char *name)
{
	damaged_seen |= strcmp(name, "0000000001.damaged") == 0;
}

/* Flips one bit at `offset` of the first file and looks: `lost` messages are gone, the file is set aside. */
static void flip(uint32_t offset, uint64_t live, uint64_t batches, uint64_t records)
{
	ten();
	world_file_flip(FIRST_FILE, (uint64_t)offset * 8 + 3);
	look(live);
	CHECK_EQ(rig_report.damaged_batches, batches);
	CHECK_EQ(rig_report.damaged_records, records);
	damaged_seen = false;
	world_files("spool", on_name, NULL);
	CHECK_EQ(damaged_seen, batches + records > 0);
	CHECK_EQ(rig_report.problem[0] != '\0', batches + records > 0);
	/* What is intact stays so, through a start and another recovery. */
	for (int i = 0; i < 2; i++) {
		CHECK_EQ(rig_open_only(), 0);
		CHECK_EQ(rig_report.live, live);
		for (uint32_t n = 0; n < rig_count; n++) {
			if (!rig_messages[n].recovered)
				rig_messages[n].forgotten = true;
			rig_messages[n].recovered = false;
		}
		CHECK_EQ(rig_start_only(), 0);
		for (uint32_t n = 0; n < rig_count; n++)
			if (rig_alive(&rig_messages[n]))
				CHECK_EQ(rig_view_check(&rig_messages[n]), 0);
		rig_stop();
	}
	world_close();
}

static void test_damage(void)
{
	ten();
	struct spool_ref third = rig_messages[2].item.message;
	world_close();
	flip(third.offset + SPOOL_RECORD_HEADER + 3000, 9, 0, 1); /* content */
	flip(third.offset + 5, 9, 0, 1);                          /* record header */
	flip(third.offset - SPOOL_BATCH_HEADER + 9, 10, 1, 0);    /* batch header: the record is found all the same */
	flip(16, 10, 0, 0);                                       /* segment header: there is a copy */
	flip(2048 + 24, 10, 0, 0);
	flip(2 * SPOOL_SLAB + 77, 10, 0, 0); /* where nothing was written */
}

/* One bad record header in a batch of many costs one record. */
static void test_damage_in_batch(void)
{
	rig_world(21, false);
	rig_start();
	for (int i = 0; i < 10; i++)
		CHECK_EQ(rig_append(900, NULL), 0);
	rig_settle();
	CHECK_EQ(rig_append(900, NULL), 0);
	rig_settle();
	CHECK_EQ(rig_append(900, NULL), 0);
	rig_stop();
	world_file_flip(FIRST_FILE, (uint64_t)rig_messages[4].item.message.offset * 8 + 40);
	look(11);
	CHECK_EQ(rig_report.damaged_records, 1);
	world_close();
}

/* Two sectors swapped, one doubled: each record knows its place. */
static void test_sectors_swapped(void)
{
	ten();
	uint32_t a = rig_messages[2].item.message.offset & ~4095u, b = rig_messages[6].item.message.offset & ~4095u;
	world_file_poke(FIRST_FILE, file_image + a, 4096, b);
	world_file_poke(FIRST_FILE, file_image + b, 4096, a);
	look(8);
	CHECK_EQ(rig_report.damaged_batches, 2);
	world_close();
}

static void test_truncated(void)
{
	ten();
	uint32_t at = rig_messages[7].item.message.offset;
	world_file_truncate(FIRST_FILE, at + 100);
	look(7);
	world_close();
}

/* With several writes in flight an early one may be missing: nobody was told, and what came later is harmless. */
static void test_hole(void)
{
	static const uint8_t zeros[8192];
	rig_world(22, false);
	rig_start();
	CHECK_EQ(rig_append(3000, NULL), 0);
	rig_settle();
	world_engine_enter();
	for (int i = 0; i < 3; i++) {
		CHECK_EQ(rig_append(3000, NULL), 0);
		spool_flush(rig_spool);
	}
	world_engine_leave();
	rig_settle();
	rig_stop();
	world_file_poke(FIRST_FILE, zeros, 4096, rig_messages[2].item.message.offset & ~4095u);
	rig_messages[2].result = 1;
	rig_start();
	CHECK_EQ(rig_report.live, 3);
	CHECK_STR(rig_report.problem, "");
	CHECK_EQ(rig_append(100, NULL), 0);
	rig_settle();
	CHECK_EQ(rig_append(100, NULL), 0);
	rig_stop();
	rig_start(); /* later claims of durability do not turn the hole into damage */
	CHECK_EQ(rig_report.live, 5);
	CHECK_STR(rig_report.problem, "");
	rig_end();
}

static unsigned forged_seen;
static void on_forged(void *context, const struct spool_live *live)
{
	forged_seen++;
	CHECK_EQ(live->item.id.high, 5);
}

/* Octets of the log itself, sent as content, are content, even where recovery has to search (P5). */
static void test_forged(void)
{
	struct spool_ticket ticket = {.fn = on_nothing};
	struct spool_item item = {.id = {5, 1}};
	ten();
	rig_start();
	for (int i = 0; i < 10; i++)
		CHECK_EQ(rig_done(&rig_messages[i]), 0);
	rig_settle();
	/* Whole batches, at every alignment: the content begins at an arbitrary octet of the file. */
	struct iovec content = {file_image + 4096 - 8, 40960};
	struct spool_message message = {.id = item.id, .envelope = "e", .envelope_length = 1};
	uint32_t place = 0;
	world_engine_enter();
	for (int i = 0; i < 16; i++) {
		item.id.low = message.id.low = (uint64_t)i;
		content.iov_base = file_image + 4096 - i;
		message.content = &content;
		message.content_count = 1;
		CHECK_EQ(spool_append_message(rig_spool, &message, &item, &ticket), 0);
		place = i ? place : item.message.offset;
		spool_flush(rig_spool);
		for (int n = 0; n < 1000 && !spool_idle(rig_spool); n++) {
			ring_turn(rig_ring, 0);
			world_step();
		}
	}
	world_engine_leave();
	/* A file that a start found blank has another number than its segment. */
	uint32_t file = spool_segment_find(rig_spool, item.message.segment)->slot;
	rig_stop();
	/* The header of the first batch with a forgery is destroyed, so that its octets are searched. */
	char name[40];
	snprintf(name, sizeof name, "spool/%010u.seg", file);
	world_file_flip(name, (uint64_t)(place - SPOOL_BATCH_HEADER) * 8);
	world_file_flip(name, (uint64_t)place * 8);
	world_engine_enter();
	rig_settings.directory = disk_directory_open("spool", false);
	forged_seen = 0;
	CHECK_EQ(spool_open(&rig_spool, &rig_settings, on_forged, NULL, &rig_report), 0);
	CHECK_EQ(forged_seen, 15);
	spool_close(rig_spool);
	disk_close(rig_settings.directory);
	world_engine_leave();
	world_close();
}

static void test_newer_version(void)
{
	ten();
	uint8_t header[64];
	memcpy(header, file_image, sizeof header);
	header[8] = SPOOL_FORMAT_VERSION + 1;
	uint64_t hash = spool_hash(header, 56, 0);
	memcpy(header + 56, &hash, 8);
	world_file_poke(FIRST_FILE, header, sizeof header, 0);
	CHECK_EQ(rig_open_only(), -EPROTONOSUPPORT);
	CHECK(strstr(rig_report.problem, "newer version") != NULL);
	world_close();
}

/* An old copy of a segment put back is not mail again. */
static void test_restored(void)
{
	ten();
	rig_start();
	for (int i = 0; i < 10; i++)
		CHECK_EQ(rig_done(&rig_messages[i]), 0);
	while (rig_count < 100) {
		if (rig_append(200 * 1024, NULL) == 0)
			wait_answers();
		else
			rig_turn();
		if (rig_count > 12)
			(void)rig_done(&rig_messages[rig_count - 2]);
	}
	rig_stop();
	world_file_poke(FIRST_FILE, file_image, sizeof file_image, 0);
	CHECK_EQ(rig_open_only(), 0);
	for (int i = 0; i < 10; i++)
		CHECK(!rig_messages[i].recovered);
	world_engine_enter();
	spool_close(rig_spool);
	disk_close(rig_directory);
	world_engine_leave();
	world_close();
}

static void append_copy(struct spool_ref *ref)
{
	struct iovec piece = {rig_buffer, 2000};
	struct spool_append append = {
		.type = SPOOL_PART, .id = {78, 1}, .wall_ns = 1, .content = &piece, .content_count = 1};

	CHECK_EQ(spool_append(rig_spool, &append, SPOOL_NEED_COPY, ref, NULL), 0);
	spool_seal(rig_spool);
}

/*
 * Two batches of copies in one slab, as where a message that found no room ended the first: one is acknowledged before
 * the other is written, or before that fails.
 */
static void test_copies_in_one_slab(void)
{
	for (unsigned nth = 2; nth <= 3; nth++) {
		struct spool_ref first, second;
		struct rig_message *m;

		rig_world(nth, false);
		rig_start();
		CHECK_EQ(rig_append(1000, &m), 0);
		rig_settle();
		fault(WORLD_IO_WRITE, nth, 1, -EIO);
		world_engine_enter();
		append_copy(&first);
		append_copy(&second);
		CHECK_EQ(spool_slab_find(rig_spool, &first), spool_slab_find(rig_spool, &second));
		spool_live_drop(rig_spool, &first, 0);
		world_engine_leave();
		rig_settle();
		world_engine_enter();
		spool_live_drop(rig_spool, &second, 0);
		world_engine_leave();
		world_faults_clear();
		CHECK(!failed());
		CHECK_EQ(rig_spool->live_octets, m->item.message.length);
		CHECK_EQ(rig_append(1000, NULL), 0);
		rig_settle();
		rig_stop();
		rig_start();
		CHECK_EQ(rig_report.live, 2);
		rig_end();
	}
}

int main(void)
{
	RUN(test_short_writes);
	RUN(test_error_at_each_io);
	RUN(test_poisoned);
	RUN(test_poisoned_long_ago);
	RUN(test_poisoned_accounting);
	RUN(test_copy_without_part);
	RUN(test_disk_gone);
	RUN(test_torn_tail);
	RUN(test_damage);
	RUN(test_damage_in_batch);
	RUN(test_sectors_swapped);
	RUN(test_truncated);
	RUN(test_hole);
	RUN(test_forged);
	RUN(test_newer_version);
	RUN(test_restored);
	RUN(test_copies_in_one_slab);
	return check_end();
}
