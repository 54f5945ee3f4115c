/*
 * tests/unit/test_segment_store.c - the log on a store that is no disk (far_store.h).
 *
 * What it shows is that queue/segment_store.h is all there is between the two.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "queue/spool.h"
#include "tests/unit/check.h"
#include "tests/unit/far_store.h"

enum { MESSAGES = 4096, VIEWS = 4 };

/* ---- what a shard does ---- */

static struct message {
	struct spool_item item; /* first */
	struct spool_ticket ticket, done_ticket;
	struct spool_view view;
	uint32_t length;
	int result, done_result; /* 1: not answered */
	bool asked, ended, found, stays;
	bool must, must_not; /* be found after the crash whose image was taken */
} messages[MESSAGES];
static unsigned message_count;
static uint8_t content[1 << 20];
static struct spool *spool;
static struct spool_report report;
static struct ring ring;

static void fill(uint8_t *out, uint32_t length, unsigned number)
{
	for (uint32_t i = 0; i < length; i++)
		out[i] = (uint8_t)(number * 31 + i * 7 + (i >> 8));
}

static struct spool_settings settings(int place)
{
	return (struct spool_settings){.directory = place,
				       .shards = 1,
				       .segment_size = 4 * SPOOL_SLAB,
				       .size_max = (uint64_t)64 * SPOOL_SLAB,
				       .slabs = 8,
				       .writes = 4};
}

static void on_live(void *context, const struct spool_live *live)
{
	uint64_t n = live->item.id.low;
	CHECK(n < message_count);
	struct message *m = &messages[n];
	CHECK(!m->found);
	m->found = true;
	m->ended = false;
	free(m->item.parts);
	m->item = live->item;
	CHECK_EQ(live->content_length, m->length);
	CHECK(live->envelope_length == sizeof n && memcmp(live->envelope, &n, sizeof n) == 0);
	if (context == NULL)
		spool_adopt(live->spool, &m->item);
}

static void start(int place)
{
	struct spool_settings s = settings(place);
	for (unsigned i = 0; i < message_count; i++)
		messages[i].found = false;
	CHECK_EQ(spool_open(&spool, &s, on_live, NULL, &report), 0);
	CHECK_STR(report.problem, "");
	CHECK_EQ(spool_start(spool, &ring), 0);
}

static void turn(void)
{
	if (!store_turn())
		now_ns += 100 * CLOCK_NS_PER_MS;
	spool_flush(spool);
}

static void stop(void)
{
	spool_flush(spool);
	for (int i = 0; i < 100000 && !spool_idle(spool); i++)
		turn();
	CHECK(spool_idle(spool));
	spool_close(spool);
}

static void on_message(struct spool_ticket *ticket, int result)
{
	struct message *m = container_of(ticket, struct message, ticket);
	CHECK_EQ(m->result, 1);
	m->result = result;
}

static void on_done(struct spool_ticket *ticket, int result)
{
	container_of(ticket, struct message, done_ticket)->done_result = result;
}

static int append(uint32_t length)
{
	uint64_t n = message_count;
	assert(n < MESSAGES);
	struct message *m = &messages[n];
	struct iovec iov = {content, length};
	struct spool_message message = {.id = {1, n},
					.wall_ns = n + 1,
					.envelope = &n,
					.envelope_length = sizeof n,
					.content = &iov,
					.content_count = 1};
	*m = (struct message){.length = length, .result = 1, .done_result = 1};
	m->item.id = message.id;
	m->ticket.fn = on_message;
	m->done_ticket.fn = on_done;
	fill(content, length, (unsigned)n);
	int result = spool_append_message(spool, &message, &m->item, &m->ticket);
	message_count += result == 0;
	return result;
}

static void append_sure(uint32_t length)
{
	int result;
	for (int i = 0; (result = append(length)) == -EAGAIN && i < 10000; i++)
		turn();
	CHECK_EQ(result, 0);
}

static void done(struct message *m)
{
	m->asked = true;
	int result = spool_done(spool, &m->item, &m->done_ticket);
	for (int i = 0; result == -EAGAIN && i < 10000; i++) {
		turn();
		result = spool_done(spool, &m->item, &m->done_ticket);
	}
	CHECK_EQ(result, 0);
	m->ended = true;
}

static unsigned views;

static void on_view(struct spool_view *view, int result)
{
	struct message *m = container_of(view, struct message, view);
	CHECK_EQ(result, 0);
	fill(content, m->length, (unsigned)(m - messages));
	CHECK(view->content_length == m->length && memcmp(view->content, content, m->length) == 0);
	views--;
	spool_view_release(view);
}

/* Reads what lives, some at a time. */
static void view_all(void)
{
	for (unsigned i = 0; i < message_count; i++) {
		struct message *m = &messages[i];
		if (m->ended)
			continue;
		m->view = (struct spool_view){0};
		views++;
		if (spool_view(spool, &m->view, &m->item.message, on_view))
			on_view(&m->view, 0);
		for (int turns = 0; views == VIEWS && turns < 1000; turns++)
			turn();
	}
	for (int turns = 0; views > 0 && turns < 1000; turns++)
		turn();
	CHECK_EQ(views, 0);
}

static void begin(unsigned limit)
{
	memset(messages, 0, sizeof messages);
	message_count = 0;
	stores[0].limit = stores[1].limit = limit;
}

static void end(void)
{
	for (unsigned i = 0; i < STORES; i++) {
		image_free(&stores[i]);
		image_free(&crashed[i]);
	}
}

static unsigned slots_used(int place, enum segment_kind kind)
{
	unsigned used = 0;
	for (unsigned i = 0; i < SLOTS; i++)
		used += stores[place].slots[i].used && stores[place].slots[i].kind == kind;
	return used;
}

/* ---- the tests ---- */

static void test_append_commit_recover(void)
{
	begin(SLOTS);
	start(0);
	for (unsigned i = 0; i < 600; i++) {
		append_sure(i % 50 == 0 ? SPOOL_CONTENT_MAX : 200 + (uint32_t)chance(40000));
		if (i % 3 == 0)
			turn();
	}
	while (messages[message_count - 1].result == 1)
		turn();
	for (unsigned i = 0; i < message_count; i++) {
		CHECK_EQ(messages[i].result, 0);
		if (i % 4)
			done(&messages[i]);
	}
	view_all();
	stop();

	start(0);
	for (unsigned i = 0; i < message_count; i++)
		CHECK_EQ(messages[i].found, i % 4 == 0);
	view_all();
	stop();
	end();
}

/* The far side costs time, and not messages: what comes meanwhile goes with the next batches. */
static void test_far_away(void)
{
	struct spool_stats stats;
	begin(SLOTS);
	start(0);
	while (!spool_idle(spool))
		turn();
	uint64_t before = now_ns;
	for (unsigned i = 0; i < 4000; i++)
		append_sure(4096);
	while (messages[message_count - 1].result == 1)
		turn();
	spool_stats(spool, &stats);
	/* 16 MB in batches of at most 1 MiB, four at a time, of 5 to 10 ms and a second piece now and then. */
	CHECK(stats.commits < 60);
	CHECK(now_ns - before < CLOCK_NS_PER_S);
	stop();
	end();
}

static void image_expect(void)
{
	image_take();
	for (unsigned i = 0; i < message_count; i++) {
		struct message *m = &messages[i];
		m->must = m->result == 0 && !m->asked;
		m->must_not = m->done_result == 0;
	}
}

static void image_check(void)
{
	for (unsigned i = 0; i < message_count; i++) {
		struct message *m = &messages[i];
		CHECK(!m->must || m->found);
		CHECK(!m->must_not || !m->found);
		m->must = m->must_not = false;
		if (m->found) { /* acknowledged or not: from now on it is there */
			m->result = 0;
			m->asked = false;
			m->done_result = 1;
		} else {
			m->asked = m->ended = true;
			m->done_result = 0;
			m->item = (struct spool_item){0};
		}
	}
}

/* Any of those that were promised. */
static void done_one(void)
{
	uint64_t first = chance(message_count);
	for (unsigned i = 0; i < message_count; i++) {
		struct message *m = &messages[(first + i) % message_count];
		if (m->result == 0 && !m->asked && !m->stays) {
			done(m);
			return;
		}
	}
}

/* Crash after crash in one log, with more passing through than it may hold. */
static void test_crashes(void)
{
	begin(SLOTS);
	for (unsigned round = 0; round < 40; round++) {
		chance_state = round + 1;
		start(0);
		image_check();
		unsigned at = (unsigned)chance(90);
		for (unsigned i = 0; i < 90; i++) {
			if (i == at)
				image_expect();
			append_sure(chance(10) == 0 ? 250000 : 100 + (uint32_t)chance(60000));
			for (uint64_t turns = chance(3); turns > 0; turns--)
				turn();
			if (i % 10 != 9)
				done_one();
		}
		stop();
		image_use();
	}
	start(0);
	image_check();
	view_all();
	stop();
	end();
}

static void on_damage(void *context, const char *file, unsigned count)
{
	fprintf(stderr, "%s was set aside with %u messages\n", file, count);
	check_failures++;
}

/* Old mail is copied while young mail passes through, and half of the reads bring less than was asked for. */
static void test_compaction(void)
{
	begin(SLOTS);
	start(0);
	spool_on_damage(spool, on_damage, NULL);
	for (unsigned i = 0; i < 2500; i++) {
		append_sure(1000 + (uint32_t)chance(100000));
		if (i % 4 == 0)
			turn();
		messages[i].stays = i % 5 == 0 && i < 1500;
		if (i >= 100)
			done_one();
	}
	struct spool_stats stats;
	spool_stats(spool, &stats);
	CHECK(stats.compacted > 100);
	view_all();
	stop();
	end();
}

/* Without room mail is refused, and what is delivered makes room. */
static void test_no_room(void)
{
	int result = 0;
	begin(6);
	start(0);
	for (int i = 0; result != -ENOSPC && i < 10000; i++) {
		result = append(60000);
		turn();
	}
	CHECK_EQ(result, -ENOSPC);
	CHECK(message_count > 200);
	for (unsigned i = 0; i < message_count; i++)
		done(&messages[i]);
	for (int i = 0; i < 1000; i++)
		turn();
	append_sure(60000);
	for (int i = 0; messages[message_count - 1].result == 1 && i < 1000; i++)
		turn();
	CHECK_EQ(messages[message_count - 1].result, 0);
	CHECK(slots_used(0, SEGMENT_LOG) <= 6);
	stop();
	end();
}

static void test_damage(void)
{
	begin(SLOTS);
	start(0);
	for (unsigned i = 0; i < 20; i++)
		append_sure(5000);
	while (messages[message_count - 1].result == 1)
		turn();
	/* In the middle of a batch that was acknowledged, which another one follows. */
	append_sure(5000);
	while (messages[message_count - 1].result == 1)
		turn();
	stop();
	const struct spool_ref *ref = &messages[7].item.message;
	for (unsigned i = 0; i < SLOTS; i++)
		if (stores[0].slots[i].used && stores[0].slots[i].size > ref->offset)
			stores[0].slots[i].octets[ref->offset + 3000] ^= 1;
	struct spool_settings s = settings(0);
	for (unsigned i = 0; i < message_count; i++)
		messages[i].found = false;
	CHECK_EQ(spool_open(&spool, &s, on_live, NULL, &report), 0);
	CHECK(report.damaged_records + report.damaged_batches > 0);
	CHECK_EQ(slots_used(0, SEGMENT_DAMAGED), 1);
	CHECK(!messages[7].found && messages[6].found && messages[20].found);
	messages[7].ended = true;
	CHECK_EQ(spool_start(spool, &ring), 0);
	view_all();
	stop();
	for (unsigned i = 0; i < message_count; i++)
		messages[i].found = false;
	CHECK_EQ(spool_open(&spool, &s, on_live, &s, &report), 0);
	CHECK_EQ(report.damaged_files, 1);
	spool_close(spool);
	end();
}

/* From one store into another, as where the number of shards changes. */
static void test_import(void)
{
	begin(SLOTS);
	start(0);
	for (unsigned i = 0; i < 50; i++)
		append_sure(3000 + i * 100);
	while (messages[message_count - 1].result == 1)
		turn();
	stop();

	struct spool *from, *to;
	struct spool_settings s = settings(0);
	for (unsigned i = 0; i < message_count; i++)
		messages[i].found = false;
	CHECK_EQ(spool_open(&from, &s, on_live, &s, &report), 0);
	s = settings(1);
	CHECK_EQ(spool_open(&to, &s, on_live, &s, &report), 0);
	for (unsigned i = 0; i < message_count; i++) {
		CHECK_EQ(spool_import(to, from, &messages[i].item), 0);
	}
	CHECK_EQ(spool_import_commit(to), 0);
	CHECK_EQ(spool_destroy(from), 0);
	CHECK_EQ(slots_used(0, SEGMENT_LOG), 0);
	spool_close(to);

	start(1);
	for (unsigned i = 0; i < message_count; i++)
		CHECK(messages[i].found);
	view_all();
	stop();
	end();
}

int main(void)
{
	RUN(test_append_commit_recover);
	RUN(test_far_away);
	RUN(test_crashes);
	RUN(test_compaction);
	RUN(test_no_room);
	RUN(test_damage);
	RUN(test_import);
	return check_end();
}
