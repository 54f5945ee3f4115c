/*
 * test_journal.c - events as entries of the journal: which fields they have, and what happens where the journal is
 * away, behind, or there again.
 */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/journal.h"
#include "core/base/log.h"
#include "core/base/log_private.h"
#include "tests/unit/check.h"

#define HEAD "SYSLOG_IDENTIFIER=postrider\n"

/* ---- entries ---------------------------------------------------------------------------------------------------- */

static const struct {
	const char *line, *entry;
	size_t length; /* of the entry, where it has a NUL */
} entries[] = {
	{"{\"event\":\"ready\",\"level\":\"notice\",\"pid\":12}",
	 HEAD "MESSAGE={\"event\":\"ready\",\"level\":\"notice\",\"pid\":12}\nPOSTRIDER_EVENT=ready\n"
	      "POSTRIDER_LEVEL=notice\nPOSTRIDER_PID=12\nPRIORITY=5\n",
	 0},
	{"{\"level\":\"warning\"}", HEAD "MESSAGE={\"level\":\"warning\"}\nPOSTRIDER_LEVEL=warning\nPRIORITY=4\n", 0},
	{"{\"level\":\"error\"}", HEAD "MESSAGE={\"level\":\"error\"}\nPOSTRIDER_LEVEL=error\nPRIORITY=3\n", 0},
	/* Lists and objects as they are; a comma or brace in a string ends nothing. */
	{"{\"l\":[{\"a\":\"]},\"},2],\"b\":true}",
	 HEAD "MESSAGE={\"l\":[{\"a\":\"]},\"},2],\"b\":true}\nPOSTRIDER_L=[{\"a\":\"]},\"},2]\nPOSTRIDER_B=true\n"
	      "PRIORITY=6\n",
	 0},
	/* What is escaped in JSON is not here; several lines have a length. */
	{"{\"a\":\"q\\\"b\\\\ \\u00fc\\ufffd\\ud800\"}",
	 HEAD
	 "MESSAGE={\"a\":\"q\\\"b\\\\ \\u00fc\\ufffd\\ud800\"}\nPOSTRIDER_A=q\"b\\ \xc3\xbc\xef\xbf\xbd\xef\xbf\xbd\n"
	 "PRIORITY=6\n",
	 0},
	{"{\"a\":\"x\\u000ay\"}", HEAD "MESSAGE={\"a\":\"x\\u000ay\"}\nPOSTRIDER_A\n\3\0\0\0\0\0\0\0x\ny\nPRIORITY=6\n",
	 sizeof(HEAD "MESSAGE={\"a\":\"x\\u000ay\"}\nPOSTRIDER_A\n\3\0\0\0\0\0\0\0x\ny\nPRIORITY=6\n") - 1},
	/* No field has such a name; what cannot be understood ends the fields, and the message is whole. */
	{"{\"a b\":1,\"c\":2}", HEAD "MESSAGE={\"a b\":1,\"c\":2}\nPOSTRIDER_C=2\nPRIORITY=6\n", 0},
	{"{\"a\":1,\"b\":\"x", HEAD "MESSAGE={\"a\":1,\"b\":\"x\nPOSTRIDER_A=1\nPRIORITY=6\n", 0},
	{"{\"a\":\"\\q\"}", HEAD "MESSAGE={\"a\":\"\\q\"}\nPRIORITY=6\n", 0},
	{"no object", HEAD "MESSAGE=no object\nPRIORITY=6\n", 0},
	{"", HEAD "MESSAGE=\nPRIORITY=6\n", 0},
	{"{", HEAD "MESSAGE={\nPRIORITY=6\n", 0},
	{"{\"a\":]}", HEAD "MESSAGE={\"a\":]}\nPRIORITY=6\n", 0},
};

static void test_entries(void)
{
	static char out[JOURNAL_ENTRY_MAX];
	static char line[LOG_EVENT_MAX];
	size_t i, length, n = 0;

	for (i = 0; i < sizeof(entries) / sizeof(entries[0]); i++) {
		length = journal_entry(entries[i].line, strlen(entries[i].line), out);
		CHECK_EQ(length, entries[i].length ? entries[i].length : strlen(entries[i].entry));
		CHECK(memcmp(out, entries[i].entry, length) == 0);
	}
	/* As many fields as a line can have. */
	line[n++] = '{';
	while (n + 8 < sizeof(line))
		n += (size_t)snprintf(line + n, sizeof(line) - n, "%s\"a\":1", n > 1 ? "," : "");
	line[n++] = '}';
	length = journal_entry(line, n, out);
	CHECK(length <= sizeof(out));
	CHECK(memcmp(out + length - 11, "PRIORITY=6\n", 11) == 0);
}

static void test_stream(void)
{
	struct {
		const char *value;
		bool is;
	} cases[] = {{"", false}, {"1", false}, {"1:", false}, {"x:y", false}, {"0:0", false}, {"1:2x", false}};
	int fd = open("/dev/null", O_WRONLY);
	char text[64];
	struct stat *st = malloc(sizeof(*st));

	unsetenv("JOURNAL_STREAM");
	CHECK(!journal_is_stream(fd));
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		setenv("JOURNAL_STREAM", cases[i].value, 1);
		CHECK(journal_is_stream(fd) == cases[i].is);
	}
	CHECK_EQ(fstat(fd, st), 0);
	snprintf(text, sizeof(text), "%llu:%llu", (unsigned long long)st->st_dev, (unsigned long long)st->st_ino);
	setenv("JOURNAL_STREAM", text, 1);
	CHECK(journal_is_stream(fd));
	unsetenv("JOURNAL_STREAM");
	close(fd);
	free(st);
}

/* ---- a journal of our own --------------------------------------------------------------------------------------- */

static char path[] = "/tmp/test-journal-XXXXXX/socket";

static int open_socket(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);

	memcpy(address.sun_path, path, sizeof(path));
	(void)unlink(path);
	CHECK_EQ(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

/* The next entry, also of a file; "" where none comes in time. */
static const char *next(int fd, int wait_ms)
{
	static char entry[JOURNAL_ENTRY_MAX + 1];
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec room = {.iov_base = entry, .iov_len = sizeof(entry) - 1};
	struct msghdr message = {
		.msg_iov = &room, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
	struct pollfd ready = {.fd = fd, .events = POLLIN};
	ssize_t length;

	entry[0] = '\0';
	if (poll(&ready, 1, wait_ms) <= 0)
		return entry;
	length = recvmsg(fd, &message, MSG_CMSG_CLOEXEC);
	CHECK(length >= 0);
	if (length == 0 && message.msg_controllen > 0) {
		int file;
		memcpy(&file, CMSG_DATA(&control.header), sizeof(file));
		CHECK_EQ(fcntl(file, F_GET_SEALS), F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE);
		length = pread(file, entry, sizeof(entry) - 1, 0);
		close(file);
	}
	entry[length] = '\0';
	return entry;
}

static void tell(struct log *log, const char *event, uint64_t number)
{
	struct log_event e;

	log_begin_at(&e, log, LOG_LEVEL_NOTICE, event);
	log_number(&e, "number", number);
	log_end(&e);
}

/* All lines come, in order, however often the ring goes round. */
static void test_writer(void)
{
	enum { EVENTS = 2000 };
	struct log *log = log_new(-1, 1 << 14);
	int fd = open_socket();
	struct log_writer *writer = log_writer_start_with(-1, path, &log, 1);
	char wanted[64];
	uint64_t told = 0;

	CHECK(writer != NULL);
	for (uint64_t n = 0; n < EVENTS; n++) {
		for (; told < EVENTS && told < n + 20; told++)
			tell(log, "one", told);
		snprintf(wanted, sizeof(wanted), "POSTRIDER_NUMBER=%llu\n", (unsigned long long)n);
		CHECK(strstr(next(fd, 10000), wanted) != NULL);
	}
	log_writer_stop(writer);
	log_free(log);
	close(fd);
}

/* The writer has dealt with all that was told. */
static void wait_for_writer(struct log *log)
{
	while (atomic_load(&log->tail) != atomic_load(&log->head))
		(void)poll(NULL, 0, 1);
}

/* Nobody is there, and then somebody: how many are missing is said. So it is when it goes while it is used. */
static void test_gone(void)
{
	struct log *log = log_new(-1, 1 << 14);
	struct log_writer *writer;
	int fd = -1;

	for (unsigned round = 1; round <= 2; round++) {
		char missing[64];
		const char *entry;
		(void)unlink(path);
		if (round == 1)
			writer = log_writer_start_with(-1, path, &log, 1);
		else
			close(fd);
		CHECK(writer != NULL);
		for (uint64_t n = 0; n < 5 * round; n++)
			tell(log, "lost", n);
		wait_for_writer(log);
		fd = open_socket();
		tell(log, "back", round);
		CHECK(strstr(next(fd, 10000), "POSTRIDER_EVENT=back\n") != NULL);
		entry = next(fd, 10000);
		snprintf(missing, sizeof(missing), "POSTRIDER_EVENTS=%u\n", 5 * round);
		CHECK(strstr(entry, "POSTRIDER_EVENT=journal_lost\n") && strstr(entry, missing) &&
		      strstr(entry, "PRIORITY=4\n"));
	}
	log_writer_stop(writer);
	log_free(log);
	close(fd);
}

/* One that takes nothing is waited for once. */
static void test_behind(void)
{
	static struct journal journal;
	int fd = open_socket();
	uint64_t began_ns, sent = 0;

	journal_init(&journal, path);
	while (journal_send(&journal, "{\"event\":\"x\"}", 13))
		sent++;
	CHECK(sent > 0 && journal.behind);
	began_ns = clock_monotonic_ns();
	for (unsigned i = 0; i < 1000; i++)
		CHECK(!journal_send(&journal, "{\"event\":\"x\"}", 13));
	CHECK(clock_monotonic_ns() - began_ns < 60 * JOURNAL_PATIENCE_MS * CLOCK_NS_PER_MS);
	CHECK_EQ(journal.missed, 1001);
	while (sent-- > 0)
		CHECK(strstr(next(fd, 10000), "POSTRIDER_EVENT=x\n") != NULL);
	CHECK(journal_send(&journal, "{\"event\":\"y\"}", 13) && !journal.behind);
	CHECK(strstr(next(fd, 10000), "POSTRIDER_EVENT=y\n") != NULL);
	journal_deinit(&journal);
	close(fd);
}

static _Atomic(bool) hurries;

static void *takes_slowly(void *context)
{
	const int *fd = context;

	while (strstr(next(*fd, 60000), "last") == NULL) {
		if (!atomic_load(&hurries))
			(void)poll(NULL, 0, JOURNAL_PATIENCE_MS / 4);
	}
	return NULL;
}

/* One that takes an entry now and then does not make everybody as slow as it is: it misses some. */
static void test_slow(void)
{
	static struct journal journal;
	int fd = open_socket();
	unsigned sent = 0;
	pthread_t thread;

	journal_init(&journal, path);
	CHECK_EQ(pthread_create(&thread, NULL, takes_slowly, &fd), 0);
	/* Beside what the socket holds it takes four within the time that it is waited for. */
	while (sent < 2000 && journal_send(&journal, "{\"event\":\"x\"}", 13))
		sent++;
	CHECK(sent < 2000 && journal.missed == 1 && journal.behind && !journal.took);
	atomic_store(&hurries, true);
	while (!journal_send(&journal, "{\"event\":\"last\"}", 16))
		(void)poll(NULL, 0, 1);
	CHECK(journal.took);
	pthread_join(thread, NULL);
	journal_deinit(&journal);
	close(fd);
}

/* More than the socket sends at once. */
static void test_large(void)
{
	static struct journal journal;
	static char line[LOG_EVENT_MAX];
	int fd = open_socket(), small = 1;

	journal_init(&journal, path);
	CHECK(journal_send(&journal, "{}", 2));
	CHECK(*next(fd, 10000));
	CHECK_EQ(setsockopt(journal.fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)), 0);
	memset(line, 'x', sizeof(line));
	memcpy(line, "{\"big\":\"", 8);
	memcpy(line + sizeof(line) - 2, "\"}", 2);
	CHECK(journal_send(&journal, line, sizeof(line)));
	CHECK(strstr(next(fd, 10000), "\nPOSTRIDER_BIG=xxx") != NULL);
	journal_deinit(&journal);
	close(fd);
}

int main(void)
{
	char *slash = strrchr(path, '/');

	*slash = '\0';
	CHECK(mkdtemp(path) != NULL);
	*slash = '/';
	RUN(test_entries);
	RUN(test_stream);
	RUN(test_writer);
	RUN(test_gone);
	RUN(test_behind);
	RUN(test_slow);
	RUN(test_large);
	(void)unlink(path);
	*slash = '\0';
	(void)rmdir(path);
	return check_end();
}
