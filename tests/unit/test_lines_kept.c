/*
 * test_lines_kept.c - what a process that was killed has said is there for the next, whole and once; what is no such
 * file is not believed.
 */
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/line_ring.h"
#include "core/base/lines_kept.h"
#include "core/base/log.h"
#include "tests/unit/check.h"

static char directory[] = "/dev/shm/test_lines_kept.XXXXXX";

static const struct lines_kept_plan plan = {.directory = directory,
					    .of = "/var/lib/postrider/spool",
					    .shards = 2,
					    .others = 1,
					    .shard_capacity = 1 << 16,
					    .other_capacity = 1 << 14,
					    .ring = 1 << 14};

struct seen {
	char octets[1 << 17];
	size_t length;
};

static void tap(void *context, const char *lines, size_t length)
{
	struct seen *seen = context;

	CHECK(seen->length + length < sizeof(seen->octets));
	memcpy(seen->octets + seen->length, lines, length);
	seen->length += length;
	seen->octets[seen->length] = '\0';
}

static void say(struct log *log, const char *text)
{
	struct log_event e;

	log_begin(&e, log, "test");
	log_text(&e, "text", text);
	log_end(&e);
}

static unsigned times(const char *text, const char *part)
{
	unsigned n = 0;

	for (; (text = strstr(text, part)); text++)
		n++;
	return n;
}

static struct lines_kept *begin(struct log *logs[3])
{
	char problem[LINES_KEPT_PROBLEM] = "";
	struct lines_kept *kept = lines_kept_open(&plan, problem);

	CHECK_STR(problem, "");
	CHECK(kept != NULL);
	for (unsigned i = 0; i < 3; i++)
		logs[i] = lines_kept_log(kept, i, i < 2 ? (int)i : -1);
	return kept;
}

/* Runs it in a process that is killed behind it. */
static void lives_and_is_killed(void (*life)(void))
{
	pid_t pid = fork();
	int status;

	CHECK(pid >= 0);
	if (pid == 0) {
		life();
		(void)kill(getpid(), SIGKILL);
	}
	CHECK(waitpid(pid, &status, 0) == pid && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

/* As main does: what was left is moved and shown. */
static uint64_t take_over(struct seen *shown, struct seen *moved, bool *all)
{
	char path[] = "/tmp/test_lines_kept.XXXXXX";
	struct log *logs[3], *const *before;
	struct lines_kept *kept = begin(logs);
	unsigned count, unsound;
	uint64_t lines = lines_kept_lines_before(kept, &unsound);
	int fd = mkstemp(path);
	struct log_writer *writer = log_writer_start(fd, logs, 3);
	ssize_t n;

	(void)unlink(path);
	CHECK(writer != NULL && unsound == 0);
	log_writer_tap(writer, LOG_TAP_WEBHOOK, tap, shown);
	before = lines_kept_logs_before(kept, &count);
	log_writer_adopt(writer, before, count);
	log_writer_stop(writer);
	n = pread(fd, moved->octets, sizeof(moved->octets) - 1, 0);
	CHECK(n >= 0);
	moved->length = (size_t)n;
	moved->octets[n] = '\0';
	close(fd);
	*all = lines_kept_emptied(kept);
	lines_kept_close(kept);
	return lines;
}

static void says_something(void)
{
	struct log *logs[3], *open;
	struct log_event e;

	(void)begin(logs);
	for (unsigned round = 0; round < 30; round++) {
		for (unsigned i = 0; i < 3; i++)
			say(logs[i], i == 0 ? "of zero" : i == 1 ? "of one" : "of itself");
	}
	/* What is not whole was not said. */
	open = logs[1];
	log_begin(&e, open, "never");
	log_text(&e, "text", "half of it");
}

static void test_killed(void)
{
	static struct seen shown, moved;
	bool all;

	lives_and_is_killed(says_something);
	CHECK_EQ(take_over(&shown, &moved, &all), 90);
	CHECK(all);
	CHECK_STR(shown.octets, moved.octets);
	CHECK_EQ(times(shown.octets, "\n"), 90);
	CHECK_EQ(times(shown.octets, "\"of one\""), 30);
	CHECK_EQ(times(shown.octets, "half"), 0);
	/* Once. */
	shown.length = 0;
	CHECK_EQ(take_over(&shown, &moved, &all), 0);
	CHECK(all && shown.length == 0 && moved.length == 0);
}

/* Killed while its first log is moved: a pipe that nobody reads has the beginning of a line. */
static void moves_a_part(void)
{
	static struct seen shown;
	struct log *logs[3];
	struct log_writer *writer;
	int pipe_fds[2];

	(void)begin(logs);
	for (unsigned i = 0; i < 300; i++)
		say(logs[0], "of zero, which is long enough for a pipe to be full long before all is there");
	CHECK(pipe(pipe_fds) == 0 && fcntl(pipe_fds[1], F_SETPIPE_SZ, 4096) == 4096);
	writer = log_writer_start(pipe_fds[1], logs, 3);
	CHECK(writer != NULL);
	log_writer_tap(writer, LOG_TAP_WEBHOOK, tap, &shown);
	/* Until it is full. */
	for (int there = 0; there < 4096; usleep(1000))
		CHECK(ioctl(pipe_fds[0], FIONREAD, &there) == 0);
}

static void test_killed_while_it_moves(void)
{
	static struct seen shown, moved;
	unsigned lines;
	bool all;

	lives_and_is_killed(moves_a_part);
	/* Taps have seen them before they were moved, all or, where the writer looked before there was a tap, none. */
	lines = (unsigned)take_over(&shown, &moved, &all);
	CHECK(lines <= 300 && all);
	CHECK_EQ(times(shown.octets, "\n"), lines);
	CHECK(strncmp(moved.octets, "{\"time\":", 8) == 0);
	CHECK(times(moved.octets, "\n") < 300 && times(moved.octets, "\n") > 200);
	CHECK_EQ(times(moved.octets, "{\"time\":"), times(moved.octets, "\n"));
}

static void keeps_lines(void)
{
	struct log *logs[3];
	struct lines_kept *kept = begin(logs);
	static const char line[] = "{\"n\":1}\n";

	for (unsigned i = 0; i < 10; i++)
		CHECK(line_ring_put(lines_kept_ring(kept), line, sizeof(line) - 1));
	line_ring_drop(lines_kept_ring(kept), 3 * (sizeof(line) - 1), 104);
}

static void forget_all(void)
{
	DIR *d = opendir(directory);
	struct dirent *entry;

	while ((entry = readdir(d))) {
		if (entry->d_name[0] != '.')
			CHECK(unlinkat(dirfd(d), entry->d_name, 0) == 0);
	}
	closedir(d);
}

static void drop_all(struct line_ring *const *rings, unsigned count)
{
	char out[2 * LOG_EVENT_MAX];

	for (unsigned i = 0; i < count; i++)
		line_ring_drop(rings[i], line_ring_look(rings[i], out, sizeof(out)), 0);
}

/* A ring that nobody takes from stays, until there is no file for one more. Then there is none for who comes, but what
 * was left is his all the same, and who comes behind him has one again. */
static void test_rings_stay(void)
{
	struct line_ring *const *rings;
	char out[2 * LOG_EVENT_MAX], problem[LINES_KEPT_PROBLEM];
	struct lines_kept *kept;
	struct log *logs[3];
	unsigned count;

	for (unsigned i = 0; i < LINES_KEPT_FILES - 1; i++) {
		lives_and_is_killed(keeps_lines);
		kept = begin(logs);
		rings = lines_kept_rings_before(kept, &count);
		CHECK_EQ(count, i + 1);
		CHECK_EQ(line_ring_mark(rings[i]), 104);
		CHECK_EQ(line_ring_look(rings[i], out, sizeof(out)), 7 * strlen("{\"n\":1}\n"));
		CHECK(!lines_kept_emptied(kept));
		/* Nobody else has them meanwhile. */
		CHECK(lines_kept_open(&plan, problem) == NULL && strstr(problem, "another process"));
		lines_kept_close(kept);
	}
	lives_and_is_killed(keeps_lines);
	kept = lines_kept_open(&plan, problem);
	CHECK(kept != NULL && strstr(problem, "all files"));
	CHECK(lines_kept_log(kept, 0, 0) == NULL && lines_kept_ring(kept) == NULL);
	rings = lines_kept_rings_before(kept, &count);
	CHECK_EQ(count, LINES_KEPT_FILES);
	drop_all(rings, count);
	CHECK(lines_kept_emptied(kept));
	lines_kept_close(kept);
	kept = begin(logs);
	lines_kept_close(kept);
}

static void begins(void)
{
	struct log *logs[3];

	(void)begin(logs);
}

/* Starts that fail before they have anything to say take no file from who has. */
static void test_starts_that_fail(void)
{
	struct lines_kept *kept;
	struct log *logs[3];
	unsigned count;

	lives_and_is_killed(says_something);
	for (unsigned i = 0; i < 2 * LINES_KEPT_FILES; i++)
		lives_and_is_killed(begins);
	kept = begin(logs);
	(void)lines_kept_rings_before(kept, &count);
	CHECK_EQ(count, 1);
	CHECK_EQ(lines_kept_lines_before(kept, &count), 90);
	lines_kept_close(kept);
}

/* Where there is no room for one more, what was left there is had all the same, and given back. */
static void test_no_room(void)
{
	struct lines_kept_plan large = plan;
	char problem[LINES_KEPT_PROBLEM];
	struct log *const *before;
	struct lines_kept *kept;
	unsigned count;
	int null;

	forget_all();
	lives_and_is_killed(says_something);
	large.shard_capacity = UINT64_C(1) << 30;
	large.shards = 4000;
	kept = lines_kept_open(&large, problem);
	CHECK(kept != NULL && problem[0] != '\0' && lines_kept_log(kept, 0, 0) == NULL);
	before = lines_kept_logs_before(kept, &count);
	CHECK_EQ(count, 3);
	null = open("/dev/null", O_WRONLY);
	for (unsigned i = 0; i < count; i++)
		log_drain(before[i], null);
	close(null);
	CHECK(lines_kept_emptied(kept));
	lines_kept_close(kept);
	CHECK(lines_kept_open(&large, problem) == NULL);
}

static void does_not_survive(void)
{
	struct log *logs[3];

	lines_kept_taking(begin(logs), true);
}

/* A line that kills who looks at it does so some times, and not for ever; what was survived is not counted. */
static void test_not_survived(void)
{
	struct lines_kept *kept;
	struct log *logs[3];
	unsigned count, unsound;

	forget_all();
	lives_and_is_killed(says_something);
	for (unsigned i = 0; i < 2 * LINES_KEPT_TRIES; i++) {
		if (i % 2 == 0)
			lives_and_is_killed(does_not_survive);
		kept = begin(logs);
		CHECK_EQ(lines_kept_lines_before(kept, &unsound), 90);
		CHECK_EQ(unsound, 0);
		if (i % 2 == 1) {
			lines_kept_taking(kept, true);
			lines_kept_taking(kept, false);
		}
		lines_kept_close(kept);
	}
	for (unsigned i = 0; i < LINES_KEPT_TRIES; i++)
		lives_and_is_killed(does_not_survive);
	kept = begin(logs);
	CHECK_EQ(lines_kept_lines_before(kept, &unsound), 0);
	CHECK_EQ(unsound, 1);
	(void)lines_kept_logs_before(kept, &count);
	CHECK_EQ(count, 0);
	lines_kept_close(kept);
}

/* One is somebody else's: another one is taken, and what was left is found. */
static void test_somebody_was_faster(void)
{
	struct lines_kept *kept;
	struct log *logs[3];
	char path[sizeof(directory) + 300];
	unsigned unsound;
	DIR *d;

	forget_all();
	lines_kept_close(begin(logs));
	d = opendir(directory);
	for (struct dirent *entry; (entry = readdir(d));) {
		snprintf(path, sizeof(path), "%s/%s", directory, entry->d_name);
		if (entry->d_name[0] != '.' && path[strlen(path) - 1] == '0')
			CHECK(unlink(path) == 0 && symlink("/etc/passwd", path) == 0);
	}
	closedir(d);
	lives_and_is_killed(says_something);
	kept = begin(logs);
	CHECK_EQ(lines_kept_lines_before(kept, &unsound), 90);
	lines_kept_close(kept);
	forget_all();
}

/* Of the first file. */
static void write_at(size_t at, const void *octets, size_t length)
{
	DIR *d = opendir(directory);
	struct dirent *entry;

	while ((entry = readdir(d))) {
		size_t n = strlen(entry->d_name);
		if (entry->d_name[0] == '.' || entry->d_name[n - 1] != '0')
			continue;
		int fd = openat(dirfd(d), entry->d_name, O_WRONLY);
		CHECK(fd >= 0 && pwrite(fd, octets, length, (off_t)at) == (ssize_t)length);
		close(fd);
	}
	closedir(d);
}

/* Some octets of it are others, anywhere: it is one that holds whole lines, or none. */
static void test_not_believed(void)
{
	unsigned unsound, refused = 0;
	uint32_t random = 1;

	for (unsigned round = 0; round < 400; round++) {
		struct log *logs[3], *const *before;
		struct lines_kept *kept;
		unsigned count;
		forget_all();
		lives_and_is_killed(says_something);
		/* The first page, the first log and some of its lines. */
		for (unsigned i = 0; i < 3; i++) {
			uint64_t octets = 0;
			random = random * 1664525 + 1013904223;
			memset(&octets, (int)(random >> 8 & 0xff), random >> 16 & 7);
			write_at(round % 4 == 0 ? random % 64 : random % 5200, &octets, sizeof(octets));
		}
		kept = begin(logs);
		(void)lines_kept_lines_before(kept, &unsound);
		refused += unsound;
		before = lines_kept_logs_before(kept, &count);
		for (unsigned i = 0; i < count; i++)
			CHECK(!log_is_moved(before[i]));
		CHECK(lines_kept_emptied(kept) == (count == 0));
		lines_kept_close(kept);
	}
	CHECK(refused > 100);
	forget_all();
}

static void test_nowhere(void)
{
	struct lines_kept_plan other = plan;
	char problem[LINES_KEPT_PROBLEM];

	other.directory = "/proc";
	CHECK(lines_kept_open(&other, problem) == NULL && strstr(problem, "tmpfs"));
	other.directory = "/nonexistent";
	CHECK(lines_kept_open(&other, problem) == NULL && strstr(problem, "No such file"));
	/* More than there is. */
	other.directory = directory;
	other.shard_capacity = UINT64_C(1) << 30;
	other.shards = 4000;
	CHECK(lines_kept_open(&other, problem) == NULL);
	/* Somebody else was faster. */
	forget_all();
	struct lines_kept *kept = lines_kept_open(&plan, problem);
	CHECK(kept != NULL);
	lines_kept_close(kept);
	DIR *d = opendir(directory);
	struct dirent *entry;
	char path[sizeof(directory) + 300];
	while ((entry = readdir(d))) {
		snprintf(path, sizeof(path), "%s/%s", directory, entry->d_name);
		if (entry->d_name[0] != '.')
			CHECK(unlink(path) == 0 && symlink("/etc/passwd", path) == 0);
	}
	closedir(d);
	CHECK(lines_kept_open(&plan, problem) == NULL);
	forget_all();
}

int main(void)
{
	CHECK(mkdtemp(directory) != NULL);
	RUN(test_killed);
	RUN(test_killed_while_it_moves);
	RUN(test_rings_stay);
	RUN(test_starts_that_fail);
	RUN(test_no_room);
	RUN(test_not_survived);
	RUN(test_somebody_was_faster);
	RUN(test_not_believed);
	RUN(test_nowhere);
	CHECK(rmdir(directory) == 0);
	return check_end();
}
