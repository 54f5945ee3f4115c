/*
 * tests/unit/test_ring_starved.c - what completes later arrives although something else completes at once in each turn.
 *
 * The kernel has two ways for a completion to come: in the queue when the submission returns, or as work for the
 * thread, which is done only when it enters for events. A ring that does not enter for events while it has a completion
 * to take never sees the second kind as long as there is one of the first. So for each operation: its result, or its
 * cancellation, is waited for while each turn finds something that completed as it was submitted (the feeders). The one
 * of 6.1 differs from newer kernels in what is done at once: tests/qemu runs this program on it.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/list.h"
#include "core/base/ring.h"
#include "tests/unit/check.h"

enum { BUFFERS = 4, BUFFER_SIZE = 64, BLOCK = 4096, LIMIT_MS = 20000 };

struct call {
	struct ring_op op;
	int count, result;
	uint32_t flags;
};

static struct ring *ring;
static uint64_t now_ns;

static void on_done(struct ring_op *op, int result, uint32_t flags)
{
	struct call *call = container_of(op, struct call, op);

	call->count++;
	call->result = result;
	call->flags = flags;
	if (flags & RING_BUFFER)
		ring_buffer_release(ring, flags);
}

static struct ring *open_one(void)
{
	const struct ring_config config = {
		.entries = 16, .completions = 256, .buffers = BUFFERS, .buffer_size = BUFFER_SIZE, .now_ns = &now_ns};
	struct ring_problem problem;
	struct ring *one = NULL;

	if (ring_open(&one, &config, &problem) < 0) {
		printf("FAILED open_one: %s\n", problem.text);
		exit(1);
	}
	return one;
}

/* ---- sockets and files -------------------------------------------------------------------------------------- */

static int listener(struct ring_address *address, int backlog)
{
	int fd;

	*address = (struct ring_address){.length = sizeof(address->v4), .v4.sin_family = AF_INET};
	address->v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	fd = ring_listen(ring, address, backlog, RING_ALONE);
	CHECK(fd >= 0);
	CHECK_EQ(ring_local_address(ring, fd, address), 0);
	return fd;
}

static int connected(const struct ring_address *address)
{
	int fd = ring_socket(ring, AF_INET);

	CHECK_EQ(connect(fd, &address->any, address->length), 0);
	return fd;
}

static void pair(int fds[2])
{
	struct ring_address address;
	int fd = listener(&address, 1);

	fds[0] = connected(&address);
	fds[1] = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
	CHECK(fds[1] >= 0);
	close(fd);
}

static void close_pair(const int fds[2])
{
	close(fds[0]);
	close(fds[1]);
}

/* A listener whose queue is full: a further connect is not answered. */
struct silence {
	struct ring_address address;
	int listener, fillers[4];
};

static void silence_open(struct silence *s)
{
	s->listener = listener(&s->address, 0);
	for (int i = 0; i < 4; i++) {
		s->fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		(void)connect(s->fillers[i], &s->address.any, s->address.length);
	}
	usleep(50000);
}

static void silence_close(const struct silence *s)
{
	close(s->listener);
	for (int i = 0; i < 4; i++)
		close(s->fillers[i]);
}

static int file(int flags)
{
	return open(".", O_TMPFILE | O_RDWR | O_CLOEXEC | flags, 0600);
}

/* ---- feeders ------------------------------------------------------------------------------------------------ */

/* What completes as it is submitted, once a turn. */
static enum feeder { FEED_CANCEL, FEED_SEND, FEED_WRITE, FEEDERS } feeder;
static const char *const feeder_names[] = {"cancels of nothing", "sends", "writes to a file"};
static struct call fed;
static struct ring_op nothing; /* never in flight */
static int feed_pair[2], feed_file;

static void feed(void)
{
	char drain[4096];

	if (!fed.op.in_flight) {
		if (feeder == FEED_CANCEL)
			ring_cancel(ring, &fed.op, &nothing);
		else if (feeder == FEED_SEND)
			ring_send(ring, &fed.op, feed_pair[0], "x", 1);
		else
			ring_write(ring, &fed.op, feed_file, "x", 1, 0);
	}
	/* As a shard does in the middle of its turn: without asking for events. */
	ring_submit(ring);
	if (feeder == FEED_SEND)
		while (recv(feed_pair[1], drain, sizeof(drain), MSG_DONTWAIT) == sizeof(drain))
			;
}

/* Turns until `call` has been answered so often. */
static void fed_until(const struct call *call, int count, const char *what)
{
	uint64_t end_ns = clock_monotonic_ns() + LIMIT_MS * CLOCK_NS_PER_MS;
	unsigned turns = 0;

	while (call->count < count && clock_monotonic_ns() < end_ns) {
		feed();
		CHECK(ring_turn(ring, end_ns) >= 0);
		turns++;
	}
	if (call->count < count) {
		check_failures++;
		fprintf(stderr, "%s: not answered in %u turns, fed with %s\n", what, turns, feeder_names[feeder]);
	}
}

/* Something else to do, while the kernel has the op. */
static void fed_turns(int turns)
{
	while (turns-- > 0) {
		feed();
		CHECK(ring_turn(ring, clock_monotonic_ns() + 100 * CLOCK_NS_PER_MS) >= 0);
	}
}

static void fed_cancel(struct call *target, const char *what)
{
	struct call cancel = {.op.fn = on_done};

	fed_turns(3);
	ring_cancel(ring, &cancel.op, &target->op);
	fed_until(target, target->count + 1, what);
	CHECK_EQ(target->result, -ECANCELED);
	CHECK(!target->op.in_flight);
	fed_until(&cancel, 1, "the cancel itself");
}

/* ---- operations --------------------------------------------------------------------------------------------- */

static void accepts(void)
{
	struct call accept = {.op.fn = on_done};
	struct ring_address address;
	int fd = listener(&address, 4), client;

	ring_accept(ring, &accept.op, fd);
	fed_turns(3);
	client = connected(&address);
	fed_until(&accept, 1, "accept");
	CHECK(accept.result >= 0);
	CHECK(accept.flags & RING_MORE);
	close(accept.result);
	close(client);
	fed_cancel(&accept, "accept, cancelled");
	close(fd);
}

static void connects(void)
{
	struct call call = {.op.fn = on_done};
	struct ring_address address;
	struct silence silence;
	int server = listener(&address, 4), fd = ring_socket(ring, AF_INET);

	ring_connect(ring, &call.op, fd, &address);
	fed_until(&call, 1, "connect");
	CHECK_EQ(call.result, 0);
	close(fd);
	close(server);

	silence_open(&silence);
	fd = ring_socket(ring, AF_INET);
	call = (struct call){.op.fn = on_done};
	ring_connect(ring, &call.op, fd, &silence.address);
	fed_turns(3);
	CHECK_EQ(call.count, 0);
	fed_cancel(&call, "connect, cancelled");
	close(fd);
	silence_close(&silence);
}

static void receives(void)
{
	struct call call = {.op.fn = on_done};
	int fds[2];

	pair(fds);
	ring_recv(ring, &call.op, fds[0]);
	fed_turns(3);
	CHECK_EQ(write(fds[1], "abc", 3), 3);
	fed_until(&call, 1, "receive");
	CHECK_EQ(call.result, 3);
	CHECK(call.flags & RING_MORE);
	fed_cancel(&call, "receive, cancelled");
	/* And the end of the stream. */
	ring_recv(ring, &call.op, fds[0]);
	fed_turns(3);
	shutdown(fds[1], SHUT_WR);
	fed_until(&call, 3, "receive, end of stream");
	CHECK_EQ(call.result, 0);
	close_pair(fds);
}

/* More than the sockets hold, so that the rest waits for the peer. */
static void sends(void)
{
	enum { LARGE = 8 << 20 };
	static char octets[LARGE], drain[1 << 16];
	struct call call = {.op.fn = on_done};
	const int room = 1 << 18;
	int fds[2];
	uint64_t end_ns = clock_monotonic_ns() + LIMIT_MS * CLOCK_NS_PER_MS;

	pair(fds);
	/* What has been read makes the kernel give room, until all of it has room. */
	CHECK_EQ(setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &room, sizeof(room)), 0);
	CHECK_EQ(setsockopt(fds[1], SOL_SOCKET, SO_RCVBUF, &room, sizeof(room)), 0);
	ring_send(ring, &call.op, fds[0], octets, LARGE);
	fed_turns(3);
	CHECK_EQ(call.count, 0);
	while (call.count == 0 && clock_monotonic_ns() < end_ns) {
		while (recv(fds[1], drain, sizeof(drain), MSG_DONTWAIT) > 0)
			;
		fed_turns(1);
	}
	CHECK_EQ(call.count, 1);
	CHECK_EQ(call.result, LARGE);
	call.count = 0;
	while (recv(fds[1], drain, sizeof(drain), MSG_DONTWAIT) > 0)
		;
	ring_send(ring, &call.op, fds[0], octets, LARGE);
	fed_turns(3);
	CHECK_EQ(call.count, 0);
	struct call cancel = {.op.fn = on_done};
	ring_cancel(ring, &cancel.op, &call.op);
	fed_until(&call, 1, "send, cancelled");
	/* What had left counts, where anything had. */
	CHECK(call.result == -ECANCELED || (call.result > 0 && call.result < LARGE));
	fed_until(&cancel, 1, "the cancel of a send");
	close_pair(fds);
}

static void disk(int flags, const char *what)
{
	static uint8_t octets[BLOCK] __attribute__((aligned(BLOCK)));
	struct call write = {.op.fn = on_done}, sync = write, read = write, close_fd = write, cancelled = write,
		    cancel = write;
	int fd = file(flags);

	if (fd < 0 && (flags & O_DIRECT)) {
		CHECK_EQ(errno, EINVAL); /* not every file system has it */
		return;
	}
	CHECK(fd >= 0);
	memset(octets, 'a', sizeof(octets));
	ring_write(ring, &write.op, fd, octets, BLOCK, BLOCK);
	fed_until(&write, 1, what);
	CHECK_EQ(write.result, BLOCK);
	ring_fsync(ring, &sync.op, fd);
	fed_until(&sync, 1, what);
	CHECK_EQ(sync.result, 0);
	ring_read(ring, &read.op, fd, octets, BLOCK, 0);
	fed_until(&read, 1, what);
	CHECK_EQ(read.result, BLOCK);
	CHECK_EQ(octets[0], 0);
	/* Whichever of the two wins, both are answered. */
	ring_write(ring, &cancelled.op, fd, octets, BLOCK, 0);
	ring_cancel(ring, &cancel.op, &cancelled.op);
	fed_until(&cancelled, 1, what);
	fed_until(&cancel, 1, what);
	ring_close_fd(ring, &close_fd.op, fd);
	fed_until(&close_fd, 1, what);
	CHECK_EQ(close_fd.result, 0);
}

static void disks(void)
{
	disk(0, "disk, through the cache");
	disk(O_DSYNC, "disk, synchronous");
	disk(O_DIRECT | O_DSYNC, "disk, direct");
}

static void shutdowns(void)
{
	struct call call = {.op.fn = on_done};
	char octet;
	int fds[2];

	pair(fds);
	ring_shutdown(ring, &call.op, fds[0], SHUT_WR);
	fed_until(&call, 1, "shutdown");
	CHECK_EQ(call.result, 0);
	CHECK_EQ(recv(fds[1], &octet, 1, 0), 0);
	close_pair(fds);
}

/* Of a socket: what is done behind it is more than of a file. */
static void closes(void)
{
	struct call call = {.op.fn = on_done};
	char octet;
	int fds[2];

	pair(fds);
	ring_close_fd(ring, &call.op, fds[0]);
	fed_until(&call, 1, "close");
	CHECK_EQ(call.result, 0);
	CHECK_EQ(recv(fds[1], &octet, 1, 0), 0);
	close(fds[1]);
}

static void deadlines(void)
{
	uint64_t end_ns = clock_monotonic_ns() + 20 * CLOCK_NS_PER_MS;
	unsigned turns = 0;

	/* Each turn returns, and says what time it is: timers fire on time, however much there is to do. */
	while (now_ns < end_ns && turns < 10000000) {
		uint64_t before_ns = now_ns;
		feed();
		CHECK(ring_turn(ring, UINT64_MAX) >= 0);
		CHECK(now_ns >= before_ns);
		turns++;
	}
	CHECK(clock_monotonic_ns() < end_ns + CLOCK_NS_PER_S);
}

/* ---- doorbells ---------------------------------------------------------------------------------------------- */

static int rung;

static void on_rung(void *context)
{
	rung++;
}

static void *ring_from_a_thread(void *context)
{
	struct call bell = {.op.fn = on_done};
	const struct ring_config config = {.entries = 8, .completions = 16};
	struct ring_problem problem;
	struct ring *own = NULL;

	if (ring_open(&own, &config, &problem) < 0)
		return NULL;
	ring_doorbell(own, &bell.op, ring);
	while (bell.op.in_flight && ring_turn(own, clock_monotonic_ns() + CLOCK_NS_PER_S) >= 0)
		;
	ring_close(own);
	return context;
}

/* From another thread, and to another ring: both ends must hear of it. */
static void doorbells(void)
{
	struct call bell = {.op.fn = on_done};
	uint64_t end_ns = clock_monotonic_ns() + LIMIT_MS * CLOCK_NS_PER_MS;
	struct ring *other = open_one();
	pthread_t thread;

	rung = 0;
	ring_on_doorbell(ring, on_rung, NULL);
	CHECK_EQ(pthread_create(&thread, NULL, ring_from_a_thread, &bell), 0);
	while (rung == 0 && clock_monotonic_ns() < end_ns)
		fed_turns(1);
	CHECK_EQ(rung, 1);
	pthread_join(thread, NULL);

	rung = 0;
	ring_on_doorbell(other, on_rung, NULL);
	ring_doorbell(ring, &bell.op, other);
	fed_until(&bell, 1, "doorbell");
	CHECK_EQ(bell.result, 0);
	CHECK(ring_turn(other, clock_monotonic_ns() + LIMIT_MS * CLOCK_NS_PER_MS) >= 0);
	CHECK_EQ(rung, 1);
	ring_on_doorbell(ring, NULL, NULL);
	ring_close(other);
}

/* ---- all of them, with each feeder -------------------------------------------------------------------------- */

static void with_each(void (*test)(void))
{
	for (feeder = 0; feeder < FEEDERS; feeder++) {
		fed = (struct call){.op.fn = on_done};
		test();
		while (fed.op.in_flight)
			CHECK(ring_turn(ring, clock_monotonic_ns() + CLOCK_NS_PER_S) >= 0);
	}
}

#define EACH(test)                                                                                                     \
	static void test_##test(void)                                                                                  \
	{                                                                                                              \
		with_each(test);                                                                                       \
	}
EACH(accepts)
EACH(connects)
EACH(receives)
EACH(sends)
EACH(disks)
EACH(shutdowns)
EACH(closes)
EACH(deadlines)
EACH(doorbells)

int main(void)
{
	ring = open_one();
	pair(feed_pair);
	feed_file = file(0);
	CHECK(feed_file >= 0);
	RUN(test_accepts);
	RUN(test_connects);
	RUN(test_receives);
	RUN(test_sends);
	RUN(test_disks);
	RUN(test_shutdowns);
	RUN(test_closes);
	RUN(test_deadlines);
	RUN(test_doorbells);
	close_pair(feed_pair);
	close(feed_file);
	ring_close(ring);
	return check_end();
}
