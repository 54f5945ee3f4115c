/*
 * tests/unit/test_ring.c - the ring on the kernel's io_uring; what the simulated one is held to as well.
 *
 * Sockets are pairs over 127.0.0.1, the file is one without a name in the working directory.
 */
#include "core/base/ring.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/list.h"
#include "core/base/ring_pulse.h"
#include "tests/unit/check.h"

enum { BUFFERS = 4, BUFFER_SIZE = 64, LONG_NS = 10 * 1000 * 1000 };

struct call {
	struct ring_op op;
	int count, result;
	uint32_t flags, last; /* of the newest completion, and of the newest with a buffer */
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
		call->last = flags;
}

static void open_ring(void)
{
	const struct ring_config config = {
		.entries = 8, .completions = 64, .buffers = BUFFERS, .buffer_size = BUFFER_SIZE, .now_ns = &now_ns};
	struct ring_problem problem;

	if (ring_open(&ring, &config, &problem) < 0) {
		printf("FAILED open_ring: %s\n", problem.text);
		exit(1);
	}
}

static void until(const struct call *call, int count)
{
	uint64_t end_ns = clock_monotonic_ns() + 10 * CLOCK_NS_PER_S;

	while (call->count < count && clock_monotonic_ns() < end_ns)
		CHECK(ring_turn(ring, end_ns) >= 0);
	CHECK_EQ(call->count, count);
}

/* Of TCP: what a kernel does for others is not what the relay relies on. */
static void pair(int fds[2])
{
	struct ring_address address = {.length = sizeof(address.v4), .v4.sin_family = AF_INET};
	int listener;

	address.v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	listener = ring_listen(ring, &address, 1, RING_ALONE);
	CHECK(listener >= 0);
	CHECK_EQ(ring_local_address(ring, listener, &address), 0);
	fds[0] = ring_socket(ring, AF_INET);
	CHECK_EQ(connect(fds[0], &address.any, address.length), 0);
	fds[1] = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	CHECK(fds[1] >= 0);
	ring_drop_fd(ring, listener);
}

static void close_pair(const int fds[2])
{
	close(fds[0]);
	close(fds[1]);
}

/* Handed over at once; its callback runs in a turn, not before. */
static void test_submit(void)
{
	struct call send = {.op.fn = on_done};
	char octets[8] = "";
	int fds[2];

	pair(fds);
	ring_send(ring, &send.op, fds[0], "abc", 3);
	CHECK_EQ(recv(fds[1], octets, sizeof(octets), MSG_DONTWAIT), -1);
	ring_submit(ring);
	CHECK_EQ(recv(fds[1], octets, sizeof(octets), 0), 3);
	CHECK_STR(octets, "abc");
	CHECK_EQ(send.count, 0);
	ring_submit(ring); /* with nothing queued */
	until(&send, 1);
	CHECK_EQ(send.result, 3);
	CHECK(!send.op.in_flight);
	close_pair(fds);
}

static void test_turn_waits(void)
{
	uint64_t begun_ns = clock_monotonic_ns();

	CHECK_EQ(ring_turn(ring, 0), 0);
	CHECK(now_ns >= begun_ns);
	begun_ns = clock_monotonic_ns();
	CHECK_EQ(ring_turn(ring, begun_ns + LONG_NS), 0);
	CHECK(clock_monotonic_ns() >= begun_ns + LONG_NS);
	CHECK(now_ns >= begun_ns + LONG_NS);
}

/* One receive, many completions, each with a buffer; when they are all lent, it ends and says why. */
static void test_receive(void)
{
	struct call receive = {.op.fn = on_done};
	uint32_t lent[BUFFERS];
	int fds[2];

	pair(fds);
	ring_recv(ring, &receive.op, fds[0]);
	for (int i = 0; i < BUFFERS; i++) {
		char octet = (char)('a' + i);
		CHECK_EQ(write(fds[1], &octet, 1), 1);
		if (i < BUFFERS - 1) {
			until(&receive, i + 1);
			CHECK_EQ(receive.result, 1);
			CHECK_EQ(receive.flags & (RING_MORE | RING_BUFFER), RING_MORE | RING_BUFFER);
		} else {
			/* Linux 6.1 says with the last buffer that there are no more, later ones afterwards. */
			while (receive.last == lent[i - 1])
				CHECK(ring_turn(ring, clock_monotonic_ns() + LONG_NS) >= 0);
		}
		lent[i] = receive.last;
		CHECK_EQ(ring_buffer(ring, lent[i])[0], octet);
		CHECK_EQ(ring_buffers_free(ring), BUFFERS - 1 - i);
	}
	CHECK_EQ(write(fds[1], "x", 1), 1);
	until(&receive, BUFFERS + 1);
	CHECK_EQ(receive.result, -ENOBUFS);
	CHECK(!receive.op.in_flight);
	for (int i = 0; i < BUFFERS; i++)
		ring_buffer_release(ring, lent[i]);
	CHECK_EQ(ring_buffers_free(ring), BUFFERS);
	/* Nothing was lost, and the end of the stream is a result of 0. */
	shutdown(fds[1], SHUT_WR);
	ring_recv(ring, &receive.op, fds[0]);
	until(&receive, BUFFERS + 3);
	CHECK_EQ(receive.result, 0);
	CHECK_EQ(ring_buffers_free(ring), BUFFERS - 1);
	CHECK_EQ(ring_buffer(ring, receive.last)[0], 'x');
	ring_buffer_release(ring, receive.last);
	CHECK(!receive.op.in_flight);
	close_pair(fds);
}

static void test_cancel(void)
{
	struct call receive = {.op.fn = on_done}, cancel = {.op.fn = on_done};
	int fds[2];

	pair(fds);
	ring_recv(ring, &receive.op, fds[0]);
	CHECK_EQ(ring_turn(ring, 0), 0);
	ring_cancel(ring, &cancel.op, &receive.op);
	until(&receive, 1);
	CHECK_EQ(receive.result, -ECANCELED);
	until(&cancel, 1);
	close_pair(fds);
}

static void test_disk(void)
{
	struct call write = {.op.fn = on_done}, sync = {.op.fn = on_done}, read = {.op.fn = on_done};
	char octets[16] = "";
	int fd = open(".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	CHECK(fd >= 0);
	ring_write(ring, &write.op, fd, "0123456789", 10, 5);
	until(&write, 1);
	CHECK_EQ(write.result, 10);
	ring_fsync(ring, &sync.op, fd);
	until(&sync, 1);
	CHECK_EQ(sync.result, 0);
	ring_read(ring, &read.op, fd, octets, sizeof(octets), 7);
	until(&read, 1);
	CHECK_EQ(read.result, 8);
	CHECK_EQ(memcmp(octets, "23456789", 8), 0);
	struct call close_fd = {.op.fn = on_done};
	ring_close_fd(ring, &close_fd.op, fd);
	until(&close_fd, 1);
	CHECK_EQ(close_fd.result, 0);
	CHECK_EQ(fcntl(fd, F_GETFD), -1);
}

/* More than the submission queue holds, asked for in one turn. */
static void test_many(void)
{
	enum { MANY = 40 };
	static struct call writes[MANY];
	static const char octets[MANY] = "in any order, each in its place";
	char found[MANY];
	int fd = open(".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	CHECK(fd >= 0);
	for (int i = 0; i < MANY; i++) {
		writes[i].op.fn = on_done;
		ring_write(ring, &writes[i].op, fd, &octets[i], 1, (uint64_t)i);
	}
	for (int i = 0; i < MANY; i++) {
		until(&writes[i], 1);
		CHECK_EQ(writes[i].result, 1);
	}
	CHECK_EQ(pread(fd, found, MANY, 0), MANY);
	CHECK_EQ(memcmp(found, octets, MANY), 0);
	close(fd);
}

/* What an observer may see: which turns nothing moved in, and what came in them. */
static void test_pulse(void)
{
	const struct ring_pulse *pulse = ring_pulse(ring);
	uint64_t turns = counter_get(&pulse->turns), empty = counter_get(&pulse->empty_turns);
	uint64_t cancels = counter_get(&pulse->moved_nothing[RING_KIND_CANCEL]);
	struct call cancel = {.op.fn = on_done}, send = {.op.fn = on_done};
	struct ring_op nothing = {0};
	int fds[2];

	CHECK_EQ(ring_turn(ring, 0), 0);
	CHECK_EQ(counter_get(&pulse->turns), turns + 1);
	CHECK_EQ(counter_get(&pulse->empty_turns), empty + 1);
	ring_cancel(ring, &cancel.op, &nothing);
	CHECK_EQ(cancel.op.kind, RING_KIND_CANCEL);
	CHECK_EQ(ring_turn(ring, clock_monotonic_ns() + LONG_NS), 1);
	CHECK_EQ(counter_get(&pulse->empty_turns), empty + 2);
	CHECK_EQ(counter_get(&pulse->moved_nothing[RING_KIND_CANCEL]), cancels + 1);
	pair(fds);
	ring_send(ring, &send.op, fds[0], "abc", 3);
	CHECK_EQ(ring_turn(ring, clock_monotonic_ns() + LONG_NS), 1);
	CHECK_EQ(counter_get(&pulse->turns), turns + 3);
	CHECK_EQ(counter_get(&pulse->empty_turns), empty + 2);
	CHECK_EQ(atomic_load(&pulse->waits_until_ns), 0);
	CHECK_EQ(atomic_load(&pulse->kind), RING_KIND_NONE);
	close_pair(fds);
}

int main(void)
{
	open_ring();
	RUN(test_submit);
	RUN(test_turn_waits);
	RUN(test_receive);
	RUN(test_cancel);
	RUN(test_disk);
	RUN(test_many);
	RUN(test_pulse);
	ring_close(ring);
	return check_end();
}
