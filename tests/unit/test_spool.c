/* tests/unit/test_spool.c - the spool's ordinary life: append, commit, recover, view, recycle, compact, import. */
#include "tests/unit/test_spool_rig.h"

static void test_append_recover(void)
{
	rig_world(1, false);
	rig_start();
	for (int i = 0; i < 50; i++)
		CHECK_EQ(rig_append(100 + (uint32_t)i * 611, NULL), 0);
	rig_settle();
	for (int i = 0; i < 50; i++)
		CHECK_EQ(rig_messages[i].result, 0);
	for (int i = 0; i < 10; i++)
		CHECK_EQ(rig_done(&rig_messages[i * 3]), 0);
	CHECK_EQ(rig_state(&rig_messages[1]), 0);
	CHECK_EQ(rig_state(&rig_messages[1]), 0);
	rig_stop();
	rig_start();
	CHECK_EQ(rig_report.live, 40);
	CHECK_EQ(rig_report.damaged_batches + rig_report.damaged_records, 0);
	CHECK_STR(rig_report.problem, "");
	CHECK_EQ(rig_messages[1].version, 2);
	for (int i = 0; i < 50; i++)
		if (rig_alive(&rig_messages[i]))
			CHECK_EQ(rig_view_check(&rig_messages[i]), 0);
	rig_end();
}

/* What collects while a write is in flight becomes one batch; tickets come in order. */
static void test_group_commit(void)
{
	rig_world(2, false);
	rig_settings.writes = 1;
	rig_start();
	rig_settle();
	struct spool_stats before, after;
	spool_stats(rig_spool, &before);
	CHECK_EQ(rig_append(100, NULL), 0);
	world_engine_enter();
	spool_flush(rig_spool);
	for (int i = 0; i < 20; i++) {
		CHECK_EQ(rig_append(100, NULL), 0);
		spool_flush(rig_spool);
	}
	world_engine_leave();
	rig_settle();
	spool_stats(rig_spool, &after);
	CHECK_EQ(after.commits - before.commits, 2);
	for (uint32_t i = 0; i < rig_count; i++) {
		CHECK_EQ(rig_messages[i].result, 0);
		CHECK_EQ(rig_messages[i].order, i + 1);
	}
	rig_end();
}

/* Small batches wait for the write in flight, a large one goes out beside it, up to the number allowed. */
static void test_beside(void)
{
	struct spool_stats before, after;
	rig_world(2, false);
	rig_settings.writes = 2;
	rig_settings.beside_min = 20000;
	rig_start();
	rig_settle();
	spool_stats(rig_spool, &before);
	world_engine_enter();
	for (int i = 0; i < 30; i++) {
		CHECK_EQ(rig_append(3000, NULL), 0);
		spool_flush(rig_spool);
	}
	world_engine_leave();
	rig_settle();
	spool_stats(rig_spool, &after);
	/* The first alone, the second once it has seven messages, the third has the rest. */
	CHECK_EQ(after.commits - before.commits, 3);
	for (uint32_t i = 0; i < rig_count; i++)
		CHECK_EQ(rig_messages[i].result, 0);
	rig_end();
}

static void test_large_message(void)
{
	struct rig_message *m;
	rig_world(3, false);
	rig_start();
	CHECK_EQ(rig_append(600 * 1024, &m), 0);
	CHECK_EQ(m->item.part_count, 2);
	rig_settle();
	CHECK_EQ(rig_view_check(m), 0);
	/* Parts without a message are dead after a restart. */
	struct iovec piece = {rig_buffer, 1000};
	struct spool_message part = {.id = {9, 9}, .content = &piece, .content_count = 1};
	struct spool_item dead = {.id = part.id}, dropped = {.id = part.id};
	world_engine_enter();
	dead.parts = malloc(sizeof *dead.parts);
	dropped.parts = malloc(sizeof *dropped.parts);
	CHECK_EQ(spool_append_part(rig_spool, &part, &dead, NULL), 0);
	CHECK_EQ(spool_append_part(rig_spool, &part, &dropped, NULL), 0);
	spool_drop(rig_spool, &dropped);
	world_engine_leave();
	rig_settle();
	free(dead.parts);
	rig_stop();
	rig_start();
	CHECK_EQ(rig_report.live, 1);
	CHECK_EQ(m->item.part_count, 2);
	CHECK_EQ(rig_view_check(m), 0);
	CHECK_EQ(rig_done(m), 0);
	rig_stop();
	rig_start();
	CHECK_EQ(rig_report.live, 0);
	rig_end();
}

/* Segment after segment: files are recycled, and nothing old appears in them. */
static void test_recycle(void)
{
	struct spool_stats stats;
	rig_world(4, false);
	rig_start();
	for (int round = 0; round < 200; round++) {
		struct rig_message *m;
		int result;
		while ((result = rig_append(200 * 1024, &m)) == -EAGAIN)
			rig_turn();
		CHECK_EQ(result, 0);
		rig_settle();
		if (round % 7 == 0) {
			CHECK_EQ(rig_view_check(m), 0);
			rig_stop();
			rig_start();
		}
		CHECK(rig_alive(m));
		CHECK_EQ(rig_done(m), 0);
	}
	rig_settle();
	spool_stats(rig_spool, &stats);
	CHECK(stats.segments + stats.segments_free <= 12);
	CHECK_EQ(stats.live, 0);
	rig_end();
}

static void test_cache_and_eviction(void)
{
	struct spool_stats stats;
	rig_world(5, false);
	rig_settings.slabs = 4;
	rig_start();
	while (rig_count < 40) {
		if (rig_append(150 * 1024, NULL) < 0)
			rig_turn();
	}
	rig_settle();
	for (uint32_t i = 0; i < rig_count; i++)
		CHECK_EQ(rig_view_check(&rig_messages[i]), 0);
	spool_stats(rig_spool, &stats);
	CHECK(stats.loads > 10);
	CHECK(stats.cache_hits > 5);
	rig_end();
}

/* Views held for long do not stop those who append. */
static void test_pins(void)
{
	static struct spool_view views[64];
	rig_world(6, false);
	rig_settings.slabs = 4;
	rig_start();
	for (int i = 0; i < 24; i++) {
		struct rig_message *m;
		int turns = 0, result;
		while ((result = rig_append(200 * 1024, &m)) == -EAGAIN && turns++ < 10000)
			rig_turn();
		CHECK_EQ(result, 0);
		rig_settle();
		world_engine_enter();
		CHECK(spool_view(rig_spool, &views[i], &m->item.message, rig_on_view));
		world_engine_leave();
	}
	for (int i = 0; i < 24; i++) {
		rig_fill(rig_buffer, 200 * 1024, (uint64_t)i);
		CHECK(memcmp(views[i].content, rig_buffer, 200 * 1024) == 0);
		world_engine_enter();
		spool_view_release(&views[i]);
		world_engine_leave();
	}
	rig_end();
}

static void test_compaction(void)
{
	struct spool_stats stats;
	rig_world(7, false);
	rig_start();
	/* Every tenth message stays, one of them large, some with a state. */
	for (int i = 0; i < 150; i++) {
		struct rig_message *m;
		uint32_t length = i == 10 ? 600 * 1024 : 120 * 1024;
		int result;
		while ((result = rig_append(length, &m)) == -EAGAIN)
			rig_turn();
		CHECK_EQ(result, 0);
		rig_settle();
		if (i % 20 == 0)
			CHECK_EQ(rig_state(m), 0);
		if (i % 10)
			CHECK_EQ(rig_done(m), 0);
	}
	for (int i = 0; i < 20000; i++)
		rig_turn();
	rig_settle();
	spool_stats(rig_spool, &stats);
	CHECK(stats.compacted >= 5);
	CHECK(stats.segments <= 6);
	CHECK_EQ(stats.live, 15);
	for (uint32_t i = 0; i < rig_count; i++)
		if (rig_alive(&rig_messages[i]))
			CHECK_EQ(rig_view_check(&rig_messages[i]), 0);
	rig_stop();
	rig_start();
	CHECK_EQ(rig_report.live, 15);
	for (uint32_t i = 0; i < rig_count; i++)
		if (rig_alive(&rig_messages[i])) {
			CHECK_EQ(rig_messages[i].version, i % 20 == 0);
			CHECK_EQ(rig_view_check(&rig_messages[i]), 0);
		}
	rig_end();
}

/* A full spool refuses mail but takes done records, and has room again. */
static void test_full(void)
{
	rig_world(8, false);
	rig_settings.size_max = 6 * rig_settings.segment_size;
	rig_start();
	int result = 0;
	for (int turns = 0; turns < 100000 && result != -ENOSPC; turns++) {
		result = rig_append(250 * 1024, NULL);
		if (result < 0)
			rig_turn();
	}
	CHECK_EQ(result, -ENOSPC);
	rig_settle();
	for (uint32_t i = 0; i < rig_count; i++) {
		while ((result = rig_done(&rig_messages[i])) == -EAGAIN)
			rig_turn();
		CHECK_EQ(result, 0);
		rig_turn();
	}
	rig_settle();
	for (int i = 0; i < 1000; i++)
		rig_turn();
	while ((result = rig_append(1000, NULL)) == -EAGAIN)
		rig_turn();
	CHECK_EQ(result, 0);
	rig_end();
}

/* A long queue that has drained gives its files back, without waiting for new mail. */
static void test_drained(void)
{
	struct spool_stats stats;
	int result;
	rig_world(11, false);
	rig_start();
	while (rig_count < 150) {
		if (rig_append(200 * 1024, NULL) < 0)
			rig_turn();
	}
	rig_settle();
	spool_stats(rig_spool, &stats);
	CHECK(stats.segments >= 8);
	for (uint32_t i = 0; i < rig_count; i++) {
		while ((result = rig_done(&rig_messages[i])) == -EAGAIN)
			rig_turn();
		CHECK_EQ(result, 0);
	}
	for (int i = 0; i < 2000; i++)
		rig_turn();
	rig_settle();
	spool_stats(rig_spool, &stats);
	CHECK(stats.segments + stats.segments_free <= 8);
	rig_stop();
	rig_start();
	CHECK(rig_report.segments <= 3);
	rig_end();
}

static void test_done_twice(void)
{
	struct rig_message *m;
	rig_world(9, false);
	rig_start();
	CHECK_EQ(rig_append(10, &m), 0);
	CHECK_EQ(rig_append(20, NULL), 0);
	rig_settle();
	struct spool_item copy = m->item;
	CHECK_EQ(rig_done(m), 0);
	rig_settle();
	/* The same done record again, as recovery would replay it: through a second spool object. */
	rig_stop();
	rig_start();
	CHECK_EQ(rig_report.live, 1);
	copy.message = (struct spool_ref){0};
	copy.next = NULL; /* not known */
	world_engine_enter();
	CHECK_EQ(spool_append_state(rig_spool, &copy, 1, "x", 1, NULL), 0);
	world_engine_leave();
	rig_stop();
	rig_start();
	/* A state of a message that is gone brings nothing back. */
	CHECK_EQ(rig_report.live, 1);
	rig_end();
}

/* ---- a changed number of shards ---- */

static struct spool_item import_items[64];
static unsigned import_count;
static uint32_t import_versions[64];

static void on_import_live(void *context, const struct spool_live *live)
{
	if (live->state)
		memcpy(&import_versions[import_count], live->state, sizeof(uint32_t));
	import_items[import_count++] = live->item;
}

static void test_import(void)
{
	static const char *const names[3] = {"a", "b", "c"};
	int directories[3];
	struct spool *spools[3];
	struct spool_report report;

	rig_world(10, false);
	rig_start();
	for (int i = 0; i < 12; i++)
		CHECK_EQ(rig_append(i == 5 ? 600 * 1024 : 3000, NULL), 0);
	rig_settle();
	CHECK_EQ(rig_state(&rig_messages[5]), 0);
	rig_stop();
	/* The rig's spool goes to two others, in turns; then it is destroyed. */
	CHECK_EQ(rig_open_only(), 0);
	rig_check();
	world_engine_enter();
	for (int i = 0; i < 2; i++) {
		directories[i] = disk_directory_open(names[i], true);
		struct spool_settings settings = rig_settings;
		settings.directory = directories[i];
		settings.shard = (uint16_t)i;
		CHECK_EQ(spool_open(&spools[i], &settings, on_import_live, NULL, &report), 0);
	}
	CHECK_EQ(import_count, 0);
	for (uint32_t i = 0; i < rig_count; i++) {
		CHECK_EQ(spool_import(spools[i % 2], rig_spool, &rig_messages[i].item), 0);
		free(rig_messages[i].item.parts);
	}
	CHECK_EQ(spool_import_commit(spools[0]), 0);
	CHECK_EQ(spool_import_commit(spools[1]), 0);
	CHECK_EQ(spool_destroy(rig_spool), 0);
	spool_close(spools[0]);
	spool_close(spools[1]);
	for (int i = 0; i < 2; i++) {
		struct spool_settings settings = rig_settings;
		settings.directory = directories[i];
		settings.shard = (uint16_t)i;
		import_count = 0;
		memset(import_versions, 0, sizeof import_versions);
		CHECK_EQ(spool_open(&spools[i], &settings, on_import_live, NULL, &report), 0);
		CHECK_EQ(import_count, 6);
		uint32_t states = 0, parts = 0;
		for (unsigned n = 0; n < import_count; n++) {
			CHECK_EQ(import_items[n].id.low % 2, i);
			states += import_versions[n];
			parts += import_items[n].part_count;
			free(import_items[n].parts);
		}
		CHECK_EQ(states, i);
		CHECK_EQ(parts, i ? 2 : 0);
		spool_close(spools[i]);
		disk_close(directories[i]);
	}
	/* Nothing of the old spool is left. */
	import_count = 0;
	CHECK_EQ(spool_open(&rig_spool, &rig_settings, on_import_live, NULL, &report), 0);
	CHECK_EQ(import_count, 0);
	CHECK_EQ(report.segments, 0);
	spool_close(rig_spool);
	disk_close(rig_directory);
	world_engine_leave();
	world_close();
}

/* ---- where messages lie in another order than they came ---- */

enum { SCATTERED = 301, SCATTERED_OCTETS = 10000 };

static void on_scattered_live(void *context, const struct spool_live *live)
{
	unsigned *count = context;

	CHECK_EQ(live->item.id.low, *count);
	(*count)++;
	free(live->item.parts);
}

/* Into a spool of its own, and found there: the octets that were read. */
static uint64_t read_of_moved(const char *name, unsigned step)
{
	struct spool_settings settings = rig_settings;
	struct spool_report report;
	struct spool *spool;
	unsigned count = 0;

	rig_world(11, false);
	rig_start();
	for (int i = 0; i < SCATTERED; i++)
		CHECK_EQ(rig_append(SCATTERED_OCTETS, NULL), 0);
	rig_stop();
	CHECK_EQ(rig_open_only(), 0);
	rig_check();
	world_engine_enter();
	settings.directory = disk_directory_open(name, true);
	CHECK_EQ(spool_open(&spool, &settings, on_scattered_live, &count, &report), 0);
	for (unsigned i = 0; i < SCATTERED; i++) {
		struct spool_item *item = &rig_messages[i * step % SCATTERED].item;
		CHECK_EQ(spool_import(spool, rig_spool, item), 0);
		free(item->parts);
	}
	CHECK_EQ(spool_import_commit(spool), 0);
	CHECK_EQ(spool_destroy(rig_spool), 0);
	spool_close(spool);
	CHECK_EQ(spool_open(&spool, &settings, on_scattered_live, &count, &report), 0);
	CHECK_EQ(count, SCATTERED);
	spool_close(spool);
	disk_close(settings.directory);
	disk_close(rig_directory);
	world_engine_leave();
	world_close();
	return report.read_octets;
}

/* A start reads all of the log once, and then what it tells, in the order it came: in large pieces where it lies so,
 * and else not a large piece for each message, of which there may be a million. */
static void test_read_once_more(void)
{
	uint64_t in_order = read_of_moved("in-order", 1), scattered = read_of_moved("scattered", 37);

	CHECK(in_order <= UINT64_C(3) * SCATTERED * SCATTERED_OCTETS);
	CHECK(scattered <= UINT64_C(5) * SCATTERED * SCATTERED_OCTETS);
}

int main(void)
{
	RUN(test_append_recover);
	RUN(test_group_commit);
	RUN(test_beside);
	RUN(test_large_message);
	RUN(test_recycle);
	RUN(test_cache_and_eviction);
	RUN(test_pins);
	RUN(test_compaction);
	RUN(test_full);
	RUN(test_drained);
	RUN(test_done_twice);
	RUN(test_import);
	RUN(test_read_once_more);
	return check_end();
}
