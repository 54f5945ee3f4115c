/*
 * test_trace_file.c - facts as rows, what goes when it is old or too much, and what is found again.
 */
#include <signal.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/trace/file.h"
#include "core/trace/replay.h"
#include "core/trace/search.h"
#include "tests/unit/check.h"

#define DAY_MS UINT64_C(86400000)
#define NOW_MS UINT64_C(1795824000000) /* 2026-11-28 */

static char path[] = "/tmp/test-trace-XXXXXX/trace.db";
static struct trace_file *file;
static struct fact fact;

static void open_file(void)
{
	char problem[TRACE_PROBLEM_SIZE];

	CHECK_EQ(trace_file_open(path, &file, problem), TRACE_OK);
	CHECK_STR(problem, "");
}

static void begin(void)
{
	char beside[64];

	trace_file_close(file);
	for (int i = 0; i < 3; i++) {
		snprintf(beside, sizeof(beside), "%s%s", path, i == 0 ? "" : i == 1 ? "-wal" : "-shm");
		(void)unlink(beside);
	}
	open_file();
}

static struct message_id id_of(uint64_t ms, unsigned n)
{
	return (struct message_id){ms * 1000000 + n, n};
}

static struct span span(const char *text)
{
	return text ? span_text(text) : (struct span){NULL, 0};
}

static void accept(uint64_t ms, unsigned n, const char *client, const char *sender, const char *recipient)
{
	memset(&fact, 0, sizeof(fact));
	fact.kind = FACT_ACCEPTED;
	fact.time_ms = ms;
	fact.has_id = true;
	fact.id = id_of(ms, n);
	fact.text[FACT_CLIENT] = span(client);
	fact.text[FACT_SENDER] = span(sender);
	fact.text[FACT_RECIPIENT] = span(recipient);
	fact.text[FACT_DESTINATION] = span("office365");
	CHECK_EQ(trace_file_put(file, &fact), TRACE_OK);
}

static void attempt(uint64_t ms, unsigned n, uint64_t after_ms, const char *recipient, const char *result)
{
	memset(&fact, 0, sizeof(fact));
	fact.kind = FACT_ATTEMPT;
	fact.time_ms = ms + after_ms;
	fact.has_id = true;
	fact.id = id_of(ms, n);
	fact.text[FACT_RECIPIENT] = span(recipient);
	fact.text[FACT_RESULT] = span(result);
	fact.text[FACT_HOST] = span("mail.example.org:25");
	fact.text[FACT_REPLY] = span("2.0.0 taken");
	CHECK_EQ(trace_file_put(file, &fact), TRACE_OK);
}

static unsigned found(const struct search_filter *filter)
{
	static int64_t numbers[1000];
	struct search_filter f = *filter;
	char problem[TRACE_PROBLEM_SIZE];
	struct search *search;
	unsigned count = 0;

	/* Without a limit none of them is asked for as queued. */
	f.result = f.result == ROW_QUEUED && f.limit == 0 ? ROW_RESULTS : f.result;
	f.limit = f.limit ? f.limit : 1000;
	f.until_ms = f.until_ms ? f.until_ms : UINT64_MAX;
	CHECK_EQ(trace_file_commit(file), TRACE_OK);
	CHECK_EQ(search_open(path, &search, problem), TRACE_OK);
	if (search)
		CHECK_EQ(search_find(search, &f, numbers, &count), TRACE_OK);
	for (unsigned i = 1; i < count; i++)
		CHECK(numbers[i] < numbers[i - 1]);
	search_close(search);
	return count;
}

#define FOUND(...) found(&(struct search_filter){__VA_ARGS__})

static void test_found_by_each_key(void)
{
	begin();
	/* Over many periods, and many in one quarter of a second. */
	for (unsigned i = 0; i < 300; i++) {
		char recipient[32];
		snprintf(recipient, sizeof(recipient), "r%u@example.com", i);
		accept(NOW_MS - i / 3 * (DAY_MS / 10), i, i % 3 ? "copiers" : "apps", i % 2 ? "a@x" : "b@x", recipient);
		attempt(NOW_MS - i / 3 * (DAY_MS / 10), i, 500, recipient, i % 5 ? "delivered" : "failed");
	}
	CHECK_EQ(FOUND(.client = "copiers"), 200);
	CHECK_EQ(FOUND(.client = "apps"), 100);
	CHECK_EQ(FOUND(.client = "app"), 0);
	CHECK_EQ(FOUND(.sender = "A@x"), 150);
	CHECK_EQ(FOUND(.recipient = "R17@example.com"), 1);
	CHECK_EQ(FOUND(.recipient = "r300@example.com"), 0);
	CHECK_EQ(FOUND(.destination = "office365"), 300);
	CHECK_EQ(FOUND(.result = ROW_FAILED), 60);
	CHECK_EQ(FOUND(.result = ROW_DELIVERED, .sender = "a@x"), 120);
	CHECK_EQ(FOUND(.has_id = true, .id = id_of(NOW_MS, 2)), 1);
	CHECK_EQ(FOUND(.has_id = true, .id = id_of(NOW_MS, 7)), 0);
	CHECK_EQ(FOUND(.since_ms = NOW_MS - DAY_MS), 33);
	CHECK_EQ(FOUND(.until_ms = NOW_MS - DAY_MS), 270);
	CHECK_EQ(FOUND(.client = "apps", .since_ms = NOW_MS - DAY_MS), 11);
}

/* Of several keys each is rare in another place, and some meet only within one quarter of a second. */
static void test_found_by_several_keys(void)
{
	static const enum row_result results[] = {ROW_RESULTS, ROW_QUEUED, ROW_DEFERRED, ROW_FAILED, ROW_DELIVERED};
	static const char *const words[] = {"queued", "deferred", "failed", "delivered"};
	enum { COUNT = 4000 };

	begin();
	for (unsigned i = 0; i < COUNT; i++) {
		uint64_t ms = NOW_MS + (uint64_t)i * 7919;
		char client[16], sender[16];
		snprintf(client, sizeof(client), "c%u", i % 7);
		snprintf(sender, sizeof(sender), "s%u@x", i % 11);
		accept(ms, i, client, sender, i % 13 == 0 ? "r@y" : "o@y");
		if (i % 17 != 0)
			attempt(ms, i, 1000, i % 13 == 0 ? "r@y" : "o@y", words[i % 19 == 0 ? 1 : i % 23 == 0 ? 2 : 3]);
	}
	for (unsigned r = 0; r < 5; r++) {
		for (unsigned what = 0; what < 8; what++) {
			uint64_t since = r == 1 ? NOW_MS + 1000 * UINT64_C(7919) : 0;
			uint64_t until = r == 3 ? NOW_MS + 3000 * UINT64_C(7919) : 0;
			unsigned wanted = 0;
			for (unsigned i = r == 1 ? 1000 : 0; i < (r == 3 ? 3001 : COUNT); i++) {
				unsigned result = i % 17 == 0 ? 1 : i % 19 == 0 ? 2 : i % 23 == 0 ? 3 : 4;
				wanted += (!(what & 1) || i % 7 == 3) && (!(what & 2) || i % 11 == 5) &&
					  (!(what & 4) || i % 13 == 0) && (r == 0 || r == result);
			}
			if (wanted > 100)
				wanted = 100;
			CHECK_EQ(FOUND(.client = what & 1 ? "c3" : NULL, .sender = what & 2 ? "S5@x" : NULL,
				       .recipient = what & 4 ? "r@y" : NULL, .result = results[r], .since_ms = since,
				       .until_ms = until, .limit = 100),
				 wanted);
		}
	}
	/* One after the other in time, and none with both. */
	CHECK_EQ(FOUND(.client = "c3", .sender = "nobody@x"), 0);
	CHECK_EQ(FOUND(.recipient = "r@y", .client = "nobody"), 0);
}

/* Mail of several destinations is found by each: of the others only an attempt says it. */
static void test_found_by_a_second_destination(void)
{
	begin();
	accept(NOW_MS, 1, "apps", "s@x", "a@y");
	attempt(NOW_MS, 1, 10, "a@y", "delivered");
	CHECK_EQ(FOUND(.destination = "second"), 0);
	memset(&fact, 0, sizeof(fact));
	fact.kind = FACT_ATTEMPT;
	fact.time_ms = NOW_MS + 20;
	fact.has_id = true;
	fact.id = id_of(NOW_MS, 1);
	fact.text[FACT_DESTINATION] = span("second");
	fact.text[FACT_RESULT] = span("failed");
	fact.text[FACT_RECIPIENT] = span("b@y");
	CHECK_EQ(trace_file_put(file, &fact), TRACE_OK);
	CHECK_EQ(FOUND(.destination = "second"), 1);
	CHECK_EQ(FOUND(.destination = "second", .result = ROW_FAILED, .client = "apps"), 1);
	CHECK_EQ(FOUND(.destination = "office365"), 1);
}

/* Also the other way round: what comes before its own beginning, twice, and at a time that is none. */
static void test_facts_in_any_order(void)
{
	begin();
	attempt(NOW_MS, 1, 100, "a@x", "deferred");
	CHECK_EQ(FOUND(.recipient = "a@x"), 1);
	CHECK_EQ(FOUND(.client = "apps"), 0);
	accept(NOW_MS, 1, "apps", "s@x", "a@x");
	CHECK_EQ(FOUND(.client = "apps"), 1);
	accept(NOW_MS, 1, "apps", "s@x", "a@x");
	CHECK_EQ(FOUND(.until_ms = UINT64_MAX), 1);
	attempt(UINT64_MAX / 1000000 - 1, 1, 100, "a@x", "delivered");
	attempt(0, 1, 0, "a@x", "held");
	CHECK_EQ(FOUND(.recipient = "a@x"), 3);
	/* A clock that went back: the step comes before its message. */
	fact.time_ms = 0;
	CHECK_EQ(trace_file_put(file, &fact), TRACE_OK);
	CHECK_EQ(FOUND(.recipient = "a@x"), 3);
}

/* The shard that has the lane and the one that took the message are read one after the other, whichever comes first. */
static void test_an_outcome_before_its_message(void)
{
	for (unsigned apart = 0; apart < 2; apart++) {
		begin();
		attempt(NOW_MS, 1, 100, "a@x", "delivered");
		if (apart)
			CHECK_EQ(trace_file_commit(file), TRACE_OK);
		accept(NOW_MS, 1, "apps", "s@x", "a@x");
		CHECK_EQ(trace_file_commit(file), TRACE_OK);
		CHECK_EQ(FOUND(.recipient = "a@x", .result = ROW_DELIVERED), 1);
		CHECK_EQ(FOUND(.recipient = "a@x", .result = ROW_QUEUED, .limit = 10), 0);
		CHECK_EQ(FOUND(.client = "apps"), 1);
	}
}

/* What is in the file, as text: the same whenever it was committed. */
static char *content(void)
{
	static const char *const queries[] = {"SELECT n, address, destination, result FROM recipient ORDER BY n, hash",
					      "SELECT n, kind, client, sender FROM message ORDER BY n",
					      "SELECT n, result, host, reply FROM step ORDER BY n, k",
					      "SELECT period, hash, n FROM key ORDER BY period, hash, n",
					      "SELECT result, n FROM recipient WHERE result=0 OR result=2 OR result=4"};
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	sqlite3 *db = NULL;

	CHECK_EQ(sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
	for (size_t i = 0; i < sizeof(queries) / sizeof(queries[0]); i++) {
		sqlite3_stmt *s = NULL;
		CHECK_EQ(sqlite3_prepare_v2(db, queries[i], -1, &s, NULL), SQLITE_OK);
		while (sqlite3_step(s) == SQLITE_ROW) {
			for (int c = 0; c < sqlite3_column_count(s); c++) {
				const char *value = (const char *)sqlite3_column_text(s, c);
				fprintf(out, "%s ", value ? value : "-");
			}
			fputc('\n', out);
		}
		(void)sqlite3_finalize(s);
	}
	(void)sqlite3_close(db);
	fclose(out);
	return text;
}

/* Mail of all sorts, with a commit behind each fact, behind some of them, or at the end. */
static char *put_all(unsigned each)
{
	static const char *const results[] = {"delivered", "deferred", "failed", "partial"};
	unsigned facts = 0;

	begin();
#define NEXT()                                                                                                         \
	do {                                                                                                           \
		if (++facts % each == 0)                                                                               \
			CHECK_EQ(trace_file_commit(file), TRACE_OK);                                                   \
	} while (0)
	for (unsigned i = 0; i < 200; i++) {
		char recipient[32], other[32];
		snprintf(recipient, sizeof(recipient), "r%u@example.com", i);
		snprintf(other, sizeof(other), "o%u@example.com", i);
		accept(NOW_MS + i, i, i % 2 ? "apps" : "copiers", "s@x", recipient);
		NEXT();
		if (i % 5 == 0) { /* the same once more */
			accept(NOW_MS + i, i, i % 2 ? "apps" : "copiers", "s@x", recipient);
			NEXT();
		}
		if (i % 7 == 0) { /* of one that nobody named before */
			attempt(NOW_MS + i, i, 20, other, "delivered");
			NEXT();
		}
		if (i % 3 == 0)
			continue;
		attempt(NOW_MS + i, i, 100, recipient, results[i % 4]);
		NEXT();
		if (i % 4 == 1) {
			attempt(NOW_MS + i, i, 200, recipient, "delivered");
			NEXT();
		}
	}
#undef NEXT
	CHECK_EQ(trace_file_commit(file), TRACE_OK);
	return content();
}

static void test_whenever_it_is_committed(void)
{
	static const unsigned every[] = {2, 3, 7, 100000};
	char *one = put_all(1);

	CHECK(strlen(one) > 10000);
	for (size_t i = 0; i < sizeof(every) / sizeof(every[0]); i++) {
		char *other = put_all(every[i]);
		CHECK(strcmp(one, other) == 0);
		free(other);
	}
	free(one);
}

/* More recipients than are held, with addresses of all lengths, and none of what was not committed. */
static void test_more_than_is_held(void)
{
	char recipient[600];
	unsigned i;

	begin();
	memset(recipient, 'r', sizeof(recipient));
	for (i = 0; i < 20000; i++) {
		size_t length = 8 + i % 500;
		snprintf(recipient + length, sizeof(recipient) - length, "%u@x", i);
		accept(NOW_MS + i, i, "apps", "s@x", recipient);
		memset(recipient + length, 'r', 16);
	}
	CHECK_EQ(FOUND(.result = ROW_QUEUED, .limit = 1000, .client = "apps"), 1000);
	accept(NOW_MS + i, i, "apps", "s@x", "gone@x");
	attempt(NOW_MS + i + 1, i + 1, 10, "gone@x", "delivered");
	trace_file_rollback(file);
	CHECK_EQ(FOUND(.recipient = "gone@x"), 0);
	/* Nothing of it is believed to be there. */
	attempt(NOW_MS + i, i, 10, "gone@x", "delivered");
	CHECK_EQ(FOUND(.recipient = "gone@x"), 1);
	CHECK_EQ(FOUND(.recipient = "gone@x", .client = "apps"), 0);
}

/* What was cut off is not believed to be there either. */
static void test_an_attempt_behind_its_message(void)
{
	bool more = false;

	begin();
	accept(NOW_MS - 2 * DAY_MS, 1, "apps", "s@x", "a@x");
	CHECK_EQ(trace_file_commit(file), TRACE_OK);
	CHECK_EQ(trace_file_prune(file, NOW_MS - DAY_MS, UINT64_MAX, 100, &more), TRACE_OK);
	CHECK_EQ(FOUND(.until_ms = UINT64_MAX), 0);
	attempt(NOW_MS - 2 * DAY_MS, 1, 10, "a@x", "delivered");
	CHECK_EQ(FOUND(.until_ms = UINT64_MAX), 1);
}

/* What cannot be written is not there at all, and what comes then is. */
static void test_no_room(void)
{
	struct rlimit before, small = {.rlim_cur = 1 << 16};
	enum trace_status status = TRACE_OK;
	unsigned i = 0;

	begin();
	accept(NOW_MS, 1, "apps", "s@x", "first@x");
	CHECK_EQ(trace_file_commit(file), TRACE_OK);
	(void)signal(SIGXFSZ, SIG_IGN);
	CHECK_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
	small.rlim_max = before.rlim_max;
	CHECK_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
	while (status == TRACE_OK && i++ < 100) {
		for (unsigned j = 0; j < 100; j++)
			accept(NOW_MS + i, 100 * i + j, "apps", "s@x", "lost@x");
		status = trace_file_commit(file);
	}
	CHECK_EQ(status, TRACE_CANNOT);
	CHECK(trace_file_problem(file)[0]);
	CHECK_EQ(trace_file_rows(file), 100);
	trace_file_rollback(file);
	CHECK_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
	accept(NOW_MS + i, 100 * i, "apps", "s@x", "last@x");
	CHECK_EQ(FOUND(.recipient = "first@x"), 1);
	CHECK_EQ(FOUND(.recipient = "last@x"), 1);
	CHECK_EQ(FOUND(.recipient = "lost@x", .since_ms = NOW_MS + i), 0);
	CHECK_EQ(FOUND(.recipient = "lost@x"), 100 * (i - 1));
}

/* A file of before has the index of unfinished mail in other words. */
static void test_the_index_of_before(void)
{
	sqlite3 *db = NULL;
	char *text;

	begin();
	accept(NOW_MS, 1, "apps", "s@x", "a@x");
	CHECK_EQ(trace_file_commit(file), TRACE_OK);
	trace_file_close(file);
	CHECK_EQ(sqlite3_open(path, &db), SQLITE_OK);
	CHECK_EQ(sqlite3_exec(db,
			      "DROP INDEX waiting; CREATE INDEX unfinished ON recipient(result, n) "
			      "WHERE result IN (0,2,4)",
			      NULL, NULL, NULL),
		 SQLITE_OK);
	(void)sqlite3_close(db);
	open_file();
	accept(NOW_MS + 1, 2, "apps", "s@x", "b@x");
	CHECK_EQ(FOUND(.result = ROW_QUEUED, .limit = 10), 2);
	text = content();
	CHECK(strstr(text, "a@x") && strstr(text, "b@x"));
	free(text);
	CHECK_EQ(sqlite3_open(path, &db), SQLITE_OK);
	CHECK_EQ(sqlite3_exec(db, "DROP INDEX unfinished", NULL, NULL, NULL), SQLITE_ERROR);
	CHECK_EQ(sqlite3_exec(db, "REINDEX waiting", NULL, NULL, NULL), SQLITE_OK);
	(void)sqlite3_close(db);
}

static void test_many_in_one_moment(void)
{
	begin();
	for (unsigned i = 0; i < 300; i++)
		accept(NOW_MS, i, "apps", "s@x", "a@x");
	CHECK_EQ(FOUND(.recipient = "a@x"), 300);
	CHECK_EQ(FOUND(.has_id = true, .id = id_of(NOW_MS, 299)), 1);
	memset(&fact, 0, sizeof(fact));
	fact.kind = FACT_REFUSED;
	fact.time_ms = NOW_MS;
	fact.text[FACT_CLIENT] = span("apps");
	for (unsigned i = 0; i < 100; i++)
		CHECK_EQ(trace_file_put(file, &fact), TRACE_OK);
	CHECK_EQ(FOUND(.client = "apps", .result = ROW_REFUSED), 100);
}

static int times_asked;

static int is_over(void *context)
{
	times_asked++;
	return *(const int *)context;
}

/* What is nowhere is looked for everywhere, until somebody says that it is enough. */
static void test_ended_while_looking(void)
{
	struct search_filter filter = {.result = ROW_DELIVERED, .limit = 10, .until_ms = UINT64_MAX};
	char problem[TRACE_PROBLEM_SIZE];
	struct search *search;
	int64_t numbers[10];
	unsigned count = 0;

	begin();
	for (unsigned i = 0; i < 2000; i++)
		accept(NOW_MS + i, i, "apps", "s@x", "a@x");
	CHECK_EQ(trace_file_commit(file), TRACE_OK);
	CHECK_EQ(search_open(path, &search, problem), TRACE_OK);
	search_end_where(search, is_over, &(int){0});
	CHECK_EQ(search_find(search, &filter, numbers, &count), TRACE_OK);
	CHECK(times_asked > 1);
	times_asked = 0;
	search_end_where(search, is_over, &(int){1});
	CHECK_EQ(search_find(search, &filter, numbers, &count), TRACE_CANNOT);
	CHECK_EQ(times_asked, 1);
	CHECK_EQ(count, 0);
	search_close(search);
}

static void test_what_is_old_goes(void)
{
	bool more = true;
	unsigned rounds = 0;

	begin();
	for (unsigned i = 0; i < 1000; i++)
		accept(NOW_MS - i * (DAY_MS / 100), i, "apps", "s@x", "a@x");
	CHECK_EQ(trace_file_gap(file, NOW_MS - 9 * DAY_MS, NOW_MS - 9 * DAY_MS, 7, "behind"), TRACE_OK);
	CHECK_EQ(trace_file_commit(file), TRACE_OK);
	for (; more && rounds < 100; rounds++)
		CHECK_EQ(trace_file_prune(file, NOW_MS - DAY_MS, UINT64_MAX, 100, &more), TRACE_OK);
	CHECK(rounds > 5);
	CHECK_EQ(FOUND(.until_ms = UINT64_MAX), 101);
	CHECK_EQ(FOUND(.recipient = "a@x"), 101);
	CHECK_EQ(FOUND(.client = "apps"), 101);
	accept(NOW_MS, 5000, "apps", "s@x", "a@x");
	CHECK_EQ(FOUND(.client = "apps"), 102);
}

static void test_what_is_too_much_goes(void)
{
	bool more = true;
	uint64_t before;
	struct stat st;

	begin();
	for (unsigned i = 0; i < 20000; i++)
		accept(NOW_MS - (20000 - i) * 1000, i, "apps", "s@x", "a@x");
	CHECK_EQ(trace_file_commit(file), TRACE_OK);
	before = trace_file_octets(file);
	for (unsigned i = 0; more && i < 1000; i++)
		CHECK_EQ(trace_file_prune(file, 0, before / 2, 500, &more), TRACE_OK);
	CHECK(trace_file_octets(file) <= before / 2);
	CHECK(FOUND(.since_ms = NOW_MS - 1000000) == 1000);
	trace_file_close(file);
	file = NULL;
	CHECK(stat(path, &st) == 0 && (uint64_t)st.st_size <= before * 3 / 4);
	open_file();
}

/* A flood in one period: the keys of what was cut go with it, and leave the room to messages. */
static void test_what_is_too_much_at_once_goes(void)
{
	const uint64_t start_ms = NOW_MS >> 24 << 24;
	uint64_t size_max = 0, most = 0;
	char recipient[32];
	bool more;

	begin();
	for (unsigned i = 0; i < 60000; i++) {
		snprintf(recipient, sizeof(recipient), "r%u@x", i);
		accept(start_ms + i * 100, i, "apps", "s@x", recipient);
		if ((i + 1) % 1000 > 0)
			continue;
		CHECK_EQ(trace_file_commit(file), TRACE_OK);
		if (i + 1 == 10000)
			size_max = trace_file_octets(file);
		if (size_max > 0)
			CHECK_EQ(trace_file_prune(file, 0, size_max, 2000, &more), TRACE_OK);
		if (size_max > 0 && trace_file_octets(file) > most)
			most = trace_file_octets(file);
	}
	CHECK(most <= size_max * 5 / 4);
	CHECK_EQ(FOUND(.since_ms = start_ms + 5600000, .until_ms = start_ms + 5699999), 1000);
	CHECK_EQ(FOUND(.recipient = "r59999@x"), 1);
	CHECK_EQ(FOUND(.recipient = "r56000@x"), 1);
	CHECK_EQ(FOUND(.client = "apps", .since_ms = start_ms + 5600000, .until_ms = start_ms + 5699999), 1000);
}

static void test_what_is_no_trace(void)
{
	static const char text[] = "this is no trace, and longer than a header, so that it is looked at";
	char problem[TRACE_PROBLEM_SIZE];
	FILE *out;

	begin();
	trace_file_close(file);
	file = NULL;
	out = fopen(path, "w");
	CHECK(out && fwrite(text, 1, sizeof(text), out) == sizeof(text) && fclose(out) == 0);
	CHECK_EQ(trace_file_open(path, &file, problem), TRACE_DAMAGED);
	CHECK(!file && problem[0]);
	CHECK_EQ(trace_file_open("/nowhere/trace.db", &file, problem), TRACE_CANNOT);
	CHECK(!file && problem[0]);
	(void)unlink(path);
}

/* Who is shown it may be a pager: between two rows nothing holds SQLite's log. */
static bool count_fact(void *context, const struct fact *told)
{
	*(unsigned *)context += 1;
	return true;
}

static bool write_more(void *context)
{
	static unsigned more = 1000;

	accept(NOW_MS, more++, "apps", "a@x", "more@example.com");
	CHECK_EQ(trace_file_commit(file), TRACE_OK);
	CHECK_EQ(trace_file_waiting(file, 0), 0);
	return true;
}

static bool no_more(void *context)
{
	return false;
}

static void test_shown_for_long(void)
{
	char problem[TRACE_PROBLEM_SIZE];
	struct search *search;
	unsigned told = 0;

	begin();
	for (unsigned i = 0; i < 20; i++) {
		accept(NOW_MS + i, i, "apps", "a@x", "r@example.com");
		attempt(NOW_MS + i, i, 500, "r@example.com", "delivered");
	}
	CHECK_EQ(trace_file_commit(file), TRACE_OK);
	CHECK_EQ(search_open(path, &search, problem), TRACE_OK);
	/* What came meanwhile is not among it. */
	CHECK_EQ(replay(search, 0, UINT64_MAX, count_fact, write_more, &told), TRACE_OK);
	CHECK_EQ(told, 40);
	told = 0;
	CHECK_EQ(replay(search, 0, NOW_MS + 19, count_fact, no_more, &told), TRACE_OK);
	CHECK_EQ(told, 1);
	search_close(search);
}

int main(void)
{
	char *slash = strrchr(path, '/');

	*slash = '\0';
	CHECK(mkdtemp(path) != NULL);
	*slash = '/';
	RUN(test_found_by_each_key);
	RUN(test_found_by_several_keys);
	RUN(test_found_by_a_second_destination);
	RUN(test_facts_in_any_order);
	RUN(test_an_outcome_before_its_message);
	RUN(test_whenever_it_is_committed);
	RUN(test_more_than_is_held);
	RUN(test_an_attempt_behind_its_message);
	RUN(test_no_room);
	RUN(test_the_index_of_before);
	RUN(test_many_in_one_moment);
	RUN(test_ended_while_looking);
	RUN(test_what_is_old_goes);
	RUN(test_what_is_too_much_goes);
	RUN(test_what_is_too_much_at_once_goes);
	RUN(test_what_is_no_trace);
	RUN(test_shown_for_long);
	trace_file_close(file);
	return check_end();
}
