/*
 * tests/unit/test_ring_restricted.c - what a ring takes once it is open: its operations, and nothing else.
 *
 * Entries are written into the queue behind the ring's back, as somebody would who has got into the process.
 */
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/base/ring.h"
#include "tests/unit/check.h"

static struct ring *ring;

/* It is the ring's first member. */
static struct io_uring *uring(void)
{
	return (struct io_uring *)(void *)ring;
}

static int done(struct io_uring_sqe *sqe)
{
	struct io_uring_cqe *cqe;
	int r;

	sqe->user_data = 77;
	CHECK_EQ(io_uring_submit_and_wait(uring(), 1), 1);
	CHECK_EQ(io_uring_wait_cqe(uring(), &cqe), 0);
	CHECK_EQ(cqe->user_data, 77);
	r = cqe->res;
	io_uring_cqe_seen(uring(), cqe);
	return r;
}

static void test_operations(void)
{
	static struct epoll_event event;
	struct io_uring_sqe *sqe = io_uring_get_sqe(uring());
	int fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	char octet = 1;

	CHECK(ring_restricted(ring));
	io_uring_prep_openat(sqe, AT_FDCWD, "/etc/passwd", O_RDONLY, 0);
	CHECK_EQ(done(sqe), -EACCES);
	sqe = io_uring_get_sqe(uring());
	io_uring_prep_epoll_ctl(sqe, fd, fd, 1, &event);
	CHECK_EQ(done(sqe), -EACCES);
	sqe = io_uring_get_sqe(uring());
	io_uring_prep_nop(sqe);
	CHECK_EQ(done(sqe), -EACCES);
	sqe = io_uring_get_sqe(uring());
	io_uring_prep_unlink(sqe, "/nowhere", 0);
	CHECK_EQ(done(sqe), -EACCES);
	sqe = io_uring_get_sqe(uring());
	io_uring_prep_read(sqe, fd, &octet, 1, 0);
	CHECK_EQ(done(sqe), 1);
	CHECK_EQ(octet, 0);
	close(fd);
}

/* Registered files, links and drains are not used. */
static void test_flags(void)
{
	static const unsigned flags[] = {IOSQE_FIXED_FILE, IOSQE_IO_DRAIN, IOSQE_ASYNC};
	int fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	char octet;
	size_t i;

	for (i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		struct io_uring_sqe *sqe = io_uring_get_sqe(uring());
		io_uring_prep_read(sqe, fd, &octet, 1, 0);
		sqe->flags |= (uint8_t)flags[i];
		CHECK_EQ(done(sqe), -EACCES);
	}
	close(fd);
}

static void test_registrations(void)
{
	int fd = eventfd(0, EFD_CLOEXEC);
	struct io_uring_restriction more = {.opcode = IORING_RESTRICTION_SQE_OP, .sqe_op = IORING_OP_OPENAT};

	CHECK_EQ(io_uring_register_files(uring(), &fd, 1), -EACCES);
	CHECK_EQ(io_uring_register_eventfd(uring(), fd), -EACCES);
	CHECK(syscall(SYS_io_uring_register, uring()->ring_fd, IORING_REGISTER_RESTRICTIONS, &more, 1) < 0);
	CHECK(io_uring_get_probe_ring(uring()) == NULL);
	close(fd);
}

/* The kernel would keep the ring of a thread that does not end. */
static void test_end(void)
{
	struct ring_config config = {.entries = 8, .completions = 64};
	struct ring_problem problem;
	struct ring *one;
	int i;

	/* A thread has 16 places for registered rings. */
	for (i = 0; i < 64; i++) {
		CHECK_EQ(ring_open(&one, &config, &problem), 0);
		/* What it enters by is a number in the thread's own table. */
		CHECK(((struct io_uring *)(void *)one)->enter_ring_fd != ((struct io_uring *)(void *)one)->ring_fd);
		ring_close(one);
	}
}

int main(void)
{
	const struct ring_config config = {.entries = 8, .completions = 64, .buffers = 4, .buffer_size = 64};
	struct ring_problem problem;

	if (ring_open(&ring, &config, &problem) < 0) {
		printf("FAILED ring_open: %s\n", problem.text);
		return 1;
	}
	RUN(test_operations);
	RUN(test_flags);
	RUN(test_registrations);
	RUN(test_end);
	ring_close(ring);
	return check_end();
}
