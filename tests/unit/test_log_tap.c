/*
 * test_log_tap.c - who is shown the lines that the log's writer moves: whole ones, each once, in order, the same octets
 * as they are moved, however often the ring of a shard goes round.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/log.h"
#include "tests/unit/check.h"

enum { LOGS = 2, EVENTS = 20000, CAPACITY = 1 << 14, SEEN_MAX = 1 << 24 };

struct seen {
	char *octets;
	size_t length, pieces, broken;
};

static void tap(void *context, const char *lines, size_t length)
{
	struct seen *seen = context;

	seen->pieces++;
	seen->broken += length == 0 || lines[0] != '{' || lines[length - 1] != '\n';
	if (seen->length + length <= SEEN_MAX)
		memcpy(seen->octets + seen->length, lines, length);
	seen->length += length;
}

static void *produce(void *context)
{
	struct log *log = context;
	char text[400];

	memset(text, 'x', sizeof(text));
	for (unsigned i = 0; i < EVENTS; i++) {
		struct log_event e;
		log_begin(&e, log, "test");
		log_number(&e, "n", i);
		log_string(&e, "text", text, i * 37 % sizeof(text));
		log_end(&e);
		if (i % 20 == 0)
			usleep(100);
	}
	return NULL;
}

static void test_the_same_lines(void)
{
	struct seen seen = {.octets = malloc(SEEN_MAX)};
	char path[] = "/tmp/test-log-tap-XXXXXX", *moved = malloc(SEEN_MAX);
	int fd = mkstemp(path);
	struct log *logs[LOGS];
	pthread_t threads[LOGS];
	struct log_writer *writer;
	ssize_t length;

	CHECK(fd >= 0 && seen.octets && moved);
	(void)unlink(path);
	for (int i = 0; i < LOGS; i++)
		logs[i] = log_new(i, CAPACITY);
	writer = log_writer_start(fd, logs, LOGS);
	CHECK(writer != NULL);
	log_writer_tap(writer, LOG_TAP_TRACE, tap, &seen);
	for (int i = 0; i < LOGS; i++)
		CHECK_EQ(pthread_create(&threads[i], NULL, produce, logs[i]), 0);
	for (int i = 0; i < LOGS; i++)
		pthread_join(threads[i], NULL);
	log_writer_stop(writer);
	length = pread(fd, moved, SEEN_MAX, 0);
	CHECK(seen.length > 20 * CAPACITY);
	CHECK_EQ(seen.broken, 0);
	CHECK_EQ(length, seen.length);
	CHECK(length == (ssize_t)seen.length && memcmp(moved, seen.octets, seen.length) == 0);
	for (int i = 0; i < LOGS; i++)
		log_free(logs[i]);
	close(fd);
	free(seen.octets);
	free(moved);
}

/* Who asked for what is not usual has these, whole and in order, and who asked for all has all. */
static void test_what_is_not_usual(void)
{
	static const char *const names[] = {"accepted", "attempt", "attempt", "accepted_not", "refused", "stats"};
	struct seen all = {.octets = malloc(SEEN_MAX)}, some = {.octets = malloc(SEEN_MAX)};
	char *wanted = malloc(SEEN_MAX);
	size_t length = 0, usual = 0;
	struct log *log = log_new(0, 1 << 20);
	int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
	struct log_writer *writer = log_writer_start(fd, &log, 1);

	CHECK(writer && all.octets && some.octets && wanted);
	log_writer_tap(writer, LOG_TAP_TRACE, tap, &all);
	log_writer_tap_unusual(writer, LOG_TAP_RECENT, tap, &some);
	for (unsigned i = 0; i < 5000; i++) {
		const char *name = names[(i * i / 7 + i / 100) % 6];
		enum log_level level = i % 11 == 0 ? LOG_LEVEL_NOTICE : LOG_LEVEL_INFO;
		struct log_event e;
		log_begin_at(&e, log, level, name);
		log_number(&e, "n", i);
		log_end(&e);
		if (i % 50 == 0)
			usleep(20000);
	}
	log_writer_stop(writer);
	all.octets[all.length] = '\0';
	for (char *line = all.octets, *next; *line; line = next) {
		next = strchr(line, '\n') + 1;
		if ((strstr(line, "\"event\":\"accepted\"") == line + 35 ||
		     strstr(line, "\"event\":\"attempt\"") == line + 35) &&
		    memmem(line, (size_t)(next - line), "\"info\"", 6)) {
			usual++;
			continue;
		}
		memcpy(wanted + length, line, (size_t)(next - line));
		length += (size_t)(next - line);
	}
	CHECK(usual > 1000 && length > 10000);
	CHECK_EQ(some.broken, 0);
	CHECK_EQ(some.length, length);
	CHECK(some.length == length && memcmp(some.octets, wanted, length) == 0);
	log_free(log);
	close(fd);
	free(all.octets);
	free(some.octets);
	free(wanted);
}

static void test_nobody_any_more(void)
{
	struct seen seen = {.octets = malloc(SEEN_MAX)};
	struct log *log = log_new(0, CAPACITY);
	int ends[2];
	struct log_writer *writer;
	struct log_event e;

	CHECK_EQ(pipe(ends), 0);
	writer = log_writer_start(ends[1], &log, 1);
	log_writer_tap(writer, LOG_TAP_TRACE, tap, &seen);
	log_writer_tap(writer, LOG_TAP_TRACE, NULL, NULL);
	log_begin(&e, log, "test");
	log_end(&e);
	log_writer_stop(writer);
	CHECK_EQ(seen.length, 0);
	log_free(log);
	close(ends[0]);
	close(ends[1]);
	free(seen.octets);
}

int main(void)
{
	RUN(test_the_same_lines);
	RUN(test_what_is_not_usual);
	RUN(test_nobody_any_more);
	return check_end();
}
