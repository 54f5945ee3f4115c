/*
 * tests/unit/test_port_owner.c - listening alone, and who has the port that cannot be had.
 *
 * The kernel's tables are read as lines, and as they are: with sockets of this process and of children of it.
 */
#include "core/base/port_owner.h"

#include <errno.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/address_text.h"
#include "tests/unit/check.h"

static struct ring_address address(const char *text)
{
	struct address_problem problem;
	struct ring_address out = {0};

	CHECK_EQ(address_text_parse(text, &out, &problem), 0);
	return out;
}

static void test_lines(void)
{
	static const struct {
		const char *line, *address; /* NULL: no listener */
		unsigned uid;
		uint64_t inode;
	} table[] = {
		{"  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode",
		 NULL, 0, 0},
		{"   0: 0100007F:0019 00000000:0000 0A 00000000:00000000 00:00000000 00000000   101        0 22222 1 "
		 "0000000000000000 100 0 0 10 0",
		 "127.0.0.1:25", 101, 22222},
		{"  12: 00000000:09DD 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1",
		 "0.0.0.0:2525", 0, 1},
		{"   1: 0100007F:0019 0100007F:C350 01 00000000:00000000 00:00000000 00000000   101        0 22222 1",
		 NULL, 0, 0},
		{"   0: 00000000000000000000000001000000:0019 00000000000000000000000000000000:0000 0A "
		 "00000000:00000000 "
		 "00:00000000 00000000  1000        0 33333 1 0000000000000000 100 0 0 10 0",
		 "[::1]:25", 1000, 33333},
		{"   0: 0100007F:0019 00000000:0000 0A 00000000", NULL, 0, 0},
		{"   0: 010000:0019 00000000:0000 0A 00000000:00000000 00:00000000 00000000   101        0 22222 1",
		 NULL, 0, 0},
		{"", NULL, 0, 0},
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct port_owner_line line;
		bool listens = port_owner_parse(table[i].line, &line);
		CHECK_EQ(listens, table[i].address != NULL);
		if (!listens || !table[i].address)
			continue;
		char text[ADDRESS_TEXT_SIZE];
		address_text_format_port(&line.address, text);
		CHECK_STR(text, table[i].address);
		CHECK_EQ(line.uid, table[i].uid);
		CHECK_EQ(line.inode, table[i].inode);
	}
}

static void test_overlaps(void)
{
	static const struct {
		const char *a, *b;
		bool overlap;
	} table[] = {
		{"127.0.0.1:25", "127.0.0.1:25", true},
		{"127.0.0.1:25", "127.0.0.1:26", false},
		{"127.0.0.1:25", "127.0.0.2:25", false},
		{"0.0.0.0:25", "127.0.0.2:25", true},
		{"0.0.0.0:25", "0.0.0.0:25", true},
		{"0.0.0.0:25", "0.0.0.0:26", false},
		{"[::]:25", "[::1]:25", true},
		{"[::1]:25", "[::1]:25", true},
		{"[::1]:25", "[::2]:25", false},
		{"[::]:25", "127.0.0.1:25", true},
		{"[::]:25", "0.0.0.0:25", true},
		{"[::1]:25", "0.0.0.0:25", false},
		{"[2001:db8::1]:25", "127.0.0.1:25", false},
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct ring_address a = address(table[i].a), b = address(table[i].b);
		CHECK_EQ(port_owner_overlaps(&a, &b), table[i].overlap);
		CHECK_EQ(port_owner_overlaps(&b, &a), table[i].overlap);
	}
}

static int listen_at(struct ring_address *at, enum ring_share share)
{
	int fd = ring_listen(NULL, at, 8, share);

	if (fd >= 0)
		CHECK_EQ(ring_local_address(NULL, fd, at), 0);
	return fd;
}

/* As `at`, but with the host of `text`. */
static struct ring_address beside(const struct ring_address *at, const char *text)
{
	struct ring_address out = address(text);

	out.v4.sin_port = at->v4.sin_port;
	return out;
}

static void alone(const char *text, const char *all)
{
	struct ring_address at = address(text), wildcard;
	char owner[PORT_OWNER_TEXT];
	int first, second, third;

	at.v4.sin_port = 0;
	first = listen_at(&at, RING_ALONE);
	CHECK(first >= 0);
	wildcard = beside(&at, all);
	CHECK_EQ(listen_at(&at, RING_ALONE), -EADDRINUSE);
	CHECK_EQ(listen_at(&wildcard, RING_ALONE), -EADDRINUSE);
	CHECK(!port_owner(&at, owner)); /* it is this process */
	second = listen_at(&at, RING_SHARED);
	CHECK(second >= 0);
	third = listen_at(&wildcard, RING_SHARED);
	CHECK(third >= 0);
	/* What is left of it holds the address still. */
	close(first);
	close(third);
	CHECK_EQ(listen_at(&at, RING_ALONE), -EADDRINUSE);
	close(second);
	/* And then nothing does. */
	first = listen_at(&at, RING_ALONE);
	CHECK(first >= 0);
	close(first);
}

static void test_alone(void)
{
	alone("127.0.0.1:1", "0.0.0.0:1");
	int fd = socket(AF_INET6, SOCK_STREAM, 0);
	struct ring_address loopback = address("[::1]:1");
	loopback.v6.sin6_port = 0;
	if (fd >= 0 && bind(fd, &loopback.any, loopback.length) == 0)
		alone("[::1]:1", "[::]:1");
	close(fd);
}

/* Connections that a process still has when its listener has gone keep nobody from listening. */
static void test_draining(void)
{
	struct ring_address at = address("127.0.0.1:1");
	int listener, client, server;

	at.v4.sin_port = 0;
	listener = listen_at(&at, RING_ALONE);
	client = ring_socket(NULL, AF_INET);
	CHECK_EQ(connect(client, &at.any, at.length), 0);
	server = accept(listener, NULL, NULL);
	CHECK(server >= 0);
	close(listener);
	listener = listen_at(&at, RING_ALONE);
	CHECK(listener >= 0);
	close(listener);
	/* Nor those that wait for late segments. */
	close(server);
	close(client);
	listener = listen_at(&at, RING_ALONE);
	CHECK(listener >= 0);
	close(listener);
}

/* A child listens; it is found. */
static void test_owner(void)
{
	struct ring_address at = address("127.0.0.1:1"), wildcard;
	char owner[PORT_OWNER_TEXT], expected[PORT_OWNER_TEXT];
	int pipes[2];
	pid_t child;

	at.v4.sin_port = 0;
	CHECK_EQ(pipe(pipes), 0);
	child = fork();
	if (child == 0) {
		int fd = listen_at(&at, RING_ALONE);
		if (fd >= 0 && write(pipes[1], &at, sizeof(at)) == sizeof(at))
			pause();
		_exit(1);
	}
	CHECK_EQ(read(pipes[0], &at, sizeof(at)), sizeof(at));
	wildcard = beside(&at, "0.0.0.0:1");
	snprintf(expected, sizeof(expected), "test_port_owner (pid %d)", child);
	CHECK_EQ(listen_at(&at, RING_ALONE), -EADDRINUSE);
	CHECK(port_owner(&at, owner));
	CHECK_STR(owner, expected);
	CHECK_EQ(listen_at(&wildcard, RING_ALONE), -EADDRINUSE);
	CHECK(port_owner(&wildcard, owner));
	CHECK_STR(owner, expected);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	CHECK(!port_owner(&at, owner));
	close(pipes[0]);
	close(pipes[1]);
}

/* Several that start at the same moment: one of them gets it. */
static void test_race(void)
{
	enum { CHILDREN = 4, ROUNDS = 25 };
	struct ring_address at = address("127.0.0.1:1");
	int fd;

	at.v4.sin_port = 0;
	fd = listen_at(&at, RING_ALONE);
	close(fd);
	for (int round = 0; round < ROUNDS; round++) {
		int begin[2], end[2], tried[2], won = 0;
		pid_t children[CHILDREN];
		CHECK_EQ(pipe(begin) + pipe(end) + pipe(tried), 0);
		for (int i = 0; i < CHILDREN; i++) {
			children[i] = fork();
			if (children[i] > 0)
				continue;
			close(begin[1]);
			close(end[1]);
			char octet;
			(void)!read(begin[0], &octet, 1);
			fd = ring_listen(NULL, &at, 8, RING_ALONE);
			/* Whoever has it keeps it until all have tried. */
			(void)!write(tried[1], "", 1);
			if (fd >= 0)
				(void)!read(end[0], &octet, 1);
			_exit(fd >= 0);
		}
		close(begin[0]);
		close(end[0]);
		close(begin[1]);
		for (char octet, i = 0; i < CHILDREN; i++)
			CHECK_EQ(read(tried[0], &octet, 1), 1);
		close(end[1]);
		close(tried[0]);
		close(tried[1]);
		for (int i = 0; i < CHILDREN; i++) {
			int status = 0;
			waitpid(children[i], &status, 0);
			won += WEXITSTATUS(status);
		}
		CHECK_EQ(won, 1);
	}
}

/* A network of its own, where it may have one: nobody else takes a port between two steps of a case. */
static void own_network(void)
{
	struct ifreq up = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
	int fd;

	if (unshare(CLONE_NEWNET) < 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0)
		return;
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	CHECK_EQ(ioctl(fd, SIOCSIFFLAGS, &up), 0);
	close(fd);
}

int main(void)
{
	own_network();
	RUN(test_lines);
	RUN(test_overlaps);
	RUN(test_alone);
	RUN(test_draining);
	RUN(test_owner);
	RUN(test_race);
	return check_end();
}
