/*
 * tests/unit/test_control_socket.c - core/control/socket.c: sockets that a library was given.
 */
#include "core/control/socket.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/check.h"

static int listening(struct stat *was)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	CHECK(fd >= 0 && fstat(fd, was) == 0);
	return fd;
}

/* It was not closed: it is now, and errno says what it said. */
static void test_open_still(void)
{
	struct stat was;
	int fd = listening(&was);

	errno = EMFILE;
	control_socket_give_up(fd, &was);
	CHECK(errno == EMFILE);
	CHECK(fcntl(fd, F_GETFD) < 0);
}

/* It was closed, and another thread has opened something since. */
static void test_closed_already(void)
{
	struct stat was;
	int fd = listening(&was), other;

	close(fd);
	errno = EMFILE;
	control_socket_give_up(fd, &was);
	CHECK(errno == EMFILE);
	other = open("/dev/null", O_RDONLY | O_CLOEXEC);
	CHECK(other == fd);
	control_socket_give_up(fd, &was);
	CHECK(fcntl(fd, F_GETFD) >= 0);
	close(other);
	other = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	CHECK(other == fd);
	control_socket_give_up(fd, &was);
	CHECK(fcntl(fd, F_GETFD) >= 0);
	close(other);
}

int main(void)
{
	RUN(test_open_still);
	RUN(test_closed_already);
	return check_end();
}
