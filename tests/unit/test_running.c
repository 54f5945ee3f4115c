/*
 * tests/unit/test_running.c - core/base/running.c.
 */
#include "core/base/running.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/check.h"

static char path[] = "/tmp/postrider-running-XXXXXX";
static int fd;

static void write_text(const char *text)
{
	CHECK_EQ(ftruncate(fd, 0), 0);
	CHECK_EQ(pwrite(fd, text, strlen(text), 0), (ssize_t)strlen(text));
}

static void test_told_and_read(void)
{
	struct running told = {.pid = 7, .reloads = 3, .begun = 4, .refusal = "a \"refusal\" of 2 things"}, read;

	write_text("what was there before is longer, and has\nlines\nof its own, which nobody may take for the new "
		   "ones\n");
	CHECK_EQ(running_tell(fd, &told), 0);
	CHECK_EQ(running_read(path, &read), 0);
	CHECK_EQ(read.pid, 7);
	CHECK_EQ(read.reloads, 3);
	CHECK_EQ(read.begun, 4);
	CHECK_STR(read.refusal, told.refusal);
}

static void test_texts(void)
{
	static const struct {
		const char *text;
		int result;
		unsigned begun;
	} rows[] = {
		{"", -EBADMSG, 0},
		{"12 3 4", -EBADMSG, 0},
		{"12 3 4\n", -EBADMSG, 0},
		{"12\n4 5\n", -EBADMSG, 0},
		{"0 3 4\n\n", -EBADMSG, 0},
		{"-1 3 4\n\n", -EBADMSG, 0},
		{"12 3 4\n\n", 0, 4},
		/* A process of a release that counts only those that are over. */
		{"12 3\n\n", 0, 3},
		{"12 3\n5 is no number of it\n", 0, 3},
	};
	struct running read;

	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		write_text(rows[i].text);
		CHECK_EQ(running_read(path, &read), rows[i].result);
		if (rows[i].result == 0)
			CHECK_EQ(read.begun, rows[i].begun);
	}
}

static void test_answered(void)
{
	static const struct {
		struct running before, after;
		bool answered;
	} rows[] = {
		{{.pid = 7}, {.pid = 7}, false},
		{{.pid = 7}, {.pid = 7, .begun = 1}, false},
		{{.pid = 7}, {.pid = 7, .reloads = 1, .begun = 1}, true},
		/* Another's was under way and is over: it may have read what was there before. */
		{{.pid = 7, .begun = 1}, {.pid = 7, .reloads = 1, .begun = 1}, false},
		{{.pid = 7, .begun = 1}, {.pid = 7, .reloads = 1, .begun = 2}, false},
		{{.pid = 7, .begun = 1}, {.pid = 7, .reloads = 2, .begun = 2}, true},
		{{.pid = 7, .begun = 1}, {.pid = 7, .reloads = 9, .begun = 9}, true},
		{{.pid = 7, .reloads = 0xffffffff, .begun = 0xffffffff}, {.pid = 7}, true},
		{{.pid = 7, .reloads = 0xffffffff}, {.pid = 7}, false},
		/* A next process of the same spool. */
		{{.pid = 7}, {.pid = 8, .reloads = 1, .begun = 1}, false},
	};

	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		CHECK_EQ(running_answered(&rows[i].before, &rows[i].after), rows[i].answered);
}

static void test_whose(void)
{
	struct flock none = {.l_type = F_UNLCK, .l_whence = SEEK_SET};
	struct running read;

	CHECK_EQ(fcntl(fd, F_OFD_SETLK, &none), 0);
	CHECK_EQ(running_read(path, &read), -ESRCH);
	CHECK_EQ(unlink(path), 0);
	CHECK_EQ(running_read(path, &read), -ENOENT);
}

int main(void)
{
	struct flock all = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

	fd = mkostemp(path, O_CLOEXEC);
	CHECK(fd >= 0);
	CHECK_EQ(fcntl(fd, F_OFD_SETLK, &all), 0);
	RUN(test_told_and_read);
	RUN(test_texts);
	RUN(test_answered);
	RUN(test_whose);
	close(fd);
	return check_end();
}
