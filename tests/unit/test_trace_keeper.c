/*
 * tests/unit/test_trace_keeper.c - the thread that keeps the trace, beside one that hands it lines: nothing goes
 * without being counted, the file stays as large as it may be however much comes, and one that was taken away is begun
 * anew.
 */
#include "core/trace/keeper.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/trace/file.h"
#include "core/trace/search.h"
#include "tests/unit/check.h"

enum { LINES = 400 }; /* handed over at once */

static char path[] = "/tmp/test-keeper-XXXXXX/trace.db";
static struct log *events;
static uint64_t next_ns;
static unsigned next_id;

static struct keeper *start(uint64_t size_max)
{
	const struct keeper_settings settings = {
		.path = path, .keep_ms = UINT64_C(86400000), .size_max = size_max, .detail = SIFT_ALL};
	struct keeper *keeper = keeper_start(&settings, events);

	CHECK(keeper != NULL);
	return keeper;
}

/* Messages that were accepted, each with an id of its own. */
static void hand_over(struct keeper *keeper, unsigned count)
{
	static char text[LINES * 512];
	char id[MESSAGE_ID_TEXT];
	size_t n = 0;

	for (unsigned i = 0; i < count; i++) {
		message_id_text((struct message_id){next_ns += 1000, ++next_id}, id);
		n += (size_t)snprintf(
			text + n, sizeof(text) - n,
			"{\"time\":\"2026-11-28T01:00:00.000Z\",\"event\":\"accepted\",\"level\":\"info\",\"shard\":0,"
			"\"id\":\"%.*s\",\"client\":\"printers\",\"sender\":\"bulk@example.net\",\"recipients\":1,"
			"\"recipient\":\"r%u@example.com\",\"octets\":4096,\"message_id\":\"<%u.a-longer-one-that-is-"
			"nobody-s-key-and-goes-with-its-message@bulk.example.net>\"}\n",
			MESSAGE_ID_TEXT, id, next_id, next_id);
	}
	keeper_take(keeper, text, n);
}

static void on_row(void *context, struct span text, const int64_t *numbers)
{
	*(uint64_t *)context = (uint64_t)numbers[0];
}

static void on_gap(void *context, const struct search_gap *gap)
{
	*(uint64_t *)context += gap->count;
}

static void look(uint64_t *messages, uint64_t *left_out)
{
	char problem[TRACE_PROBLEM_SIZE];
	struct search *search;

	*messages = *left_out = 0;
	if (search_open(path, &search, problem) != TRACE_OK)
		return;
	(void)search_table(search, SEARCH_VOLUME, 0, UINT64_MAX, 1, on_row, messages);
	(void)search_gaps(search, 0, UINT64_MAX, on_gap, left_out);
	search_close(search);
}

/* More than the ring holds, as fast as it goes: each is a row, or counted as left out. */
static void test_each_counts(void)
{
	struct keeper *keeper = start(UINT64_C(1) << 30);
	uint64_t messages, left_out;

	for (int i = 0; i < 50; i++)
		hand_over(keeper, LINES);
	keeper_stop(keeper);
	look(&messages, &left_out);
	CHECK_EQ(messages + left_out, 50 * LINES);
	CHECK(messages > 0);
}

/* While it never comes to rest it still looks at how large its file is. */
static void test_size_holds(void)
{
	const uint64_t size_max = UINT64_C(2) << 20;
	char problem[TRACE_PROBLEM_SIZE];
	struct keeper *keeper = start(size_max);
	struct trace_file *file;

	for (int i = 0; i < 200; i++) {
		hand_over(keeper, LINES);
		usleep(10000);
	}
	keeper_stop(keeper);
	CHECK_EQ(trace_file_open(path, &file, problem), TRACE_OK);
	CHECK(trace_file_octets(file) < 4 * size_max);
	trace_file_close(file);
}

/* An operator takes it away, or moves it: what comes from then on is where it is looked for. */
static void test_taken_away(void)
{
	struct keeper *keeper = start(UINT64_C(1) << 30);
	uint64_t messages = 0, left_out, until_ns = clock_monotonic_ns() + 60 * CLOCK_NS_PER_S;

	for (; messages == 0 && clock_monotonic_ns() < until_ns; usleep(10000)) {
		hand_over(keeper, 1);
		look(&messages, &left_out);
	}
	CHECK_EQ(unlink(path), 0);
	for (messages = 0; messages == 0 && clock_monotonic_ns() < until_ns; usleep(10000)) {
		hand_over(keeper, 1);
		look(&messages, &left_out);
	}
	CHECK(messages > 0);
	keeper_stop(keeper);
}

static void clean(void)
{
	static const char *const ends[] = {"", "-wal", "-shm", "-owner"};
	char name[64];

	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		snprintf(name, sizeof(name), "%s%s", path, ends[i]);
		(void)unlink(name);
	}
}

int main(void)
{
	char *slash = strrchr(path, '/');

	*slash = '\0';
	CHECK(mkdtemp(path) != NULL);
	*slash = '/';
	events = log_new(-1, 1 << 16);
	next_ns = clock_wall_ns();
	RUN(test_each_counts);
	clean();
	RUN(test_size_holds);
	clean();
	RUN(test_taken_away);
	clean();
	log_free(events);
	*slash = '\0';
	(void)rmdir(path);
	return check_end();
}
