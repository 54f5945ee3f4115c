/*
 * core/base/notify.c - see notify.h.
 */
#include "core/base/notify.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

/* SCM_MAX_FD is 253, and a manager takes as many. */
enum { BATCH = 64, BARRIER_MS = 1000 };

/* A path, or "@name" in the abstract name space; NULL where nobody listens. */
static const char *manager(void)
{
	const char *path = getenv("NOTIFY_SOCKET");

	return path && (path[0] == '/' || path[0] == '@') && path[1] != '\0' ? path : NULL;
}

bool notify_wanted(void)
{
	return manager() != NULL;
}

/* The manager's socket; -1 with *result: nobody listens (0), or there is none to be had. */
static int open_manager(struct sockaddr_un *address, socklen_t *length, int *result)
{
	const char *path = manager();
	size_t octets = path ? strlen(path) : 0;
	int fd;

	*result = 0;
	if (!path)
		return -1;
	*address = (struct sockaddr_un){.sun_family = AF_UNIX};
	if (octets >= sizeof(address->sun_path)) {
		*result = -ENAMETOOLONG;
		return -1;
	}
	memcpy(address->sun_path, path, octets);
	if (path[0] == '@')
		address->sun_path[0] = '\0';
	/* An abstract name ends where the length says, a path at its NUL: without it, the length suits both. */
	*length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + octets);
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		*result = -errno;
	return fd;
}

int notify(const char *state)
{
	struct sockaddr_un address;
	socklen_t length;
	int r, fd = open_manager(&address, &length, &r);

	if (fd < 0)
		return r;
	if (sendto(fd, state, strlen(state), MSG_NOSIGNAL | MSG_DONTWAIT, (const struct sockaddr *)&address, length) <
	    0)
		r = -errno;
	close(fd);
	return r;
}

/* ---- the descriptor store --------------------------------------------------------------------------------------- */

/* With descriptors, at most BATCH of them. Waits a second at most for a manager that is behind: they matter. */
static int notify_with(const char *state, const int *fds, size_t count)
{
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(BATCH * sizeof(int))];
	} control;
	struct sockaddr_un address;
	struct iovec text = {.iov_base = (char *)state, .iov_len = strlen(state)};
	struct msghdr message = {.msg_name = &address, .msg_iov = &text, .msg_iovlen = 1};
	int r, fd = open_manager(&address, &message.msg_namelen, &r);

	if (fd < 0)
		return r;
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &(struct timeval){.tv_sec = 1}, sizeof(struct timeval));
	if (count > 0) {
		memset(&control, 0, sizeof(control));
		message.msg_control = &control;
		message.msg_controllen = CMSG_SPACE(count * sizeof(int));
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(count * sizeof(int));
		memcpy(CMSG_DATA(&control.header), fds, count * sizeof(int));
	}
	if (sendmsg(fd, &message, MSG_NOSIGNAL) < 0)
		r = -errno;
	close(fd);
	return r;
}

int notify_keep(const char *name, const int *fds, size_t count)
{
	char state[160];
	size_t at, batch;
	int r = 0;

	snprintf(state, sizeof(state), "FDSTORE=1\nFDNAME=%s", name);
	for (at = 0; at < count && r == 0; at += batch) {
		batch = count - at < BATCH ? count - at : BATCH;
		r = notify_with(state, fds + at, batch);
	}
	return r;
}

/* The manager closes the pipe's end when it has done all that it was told before (sd_notify_barrier(3)). */
static int barrier(void)
{
	struct pollfd end = {.events = 0};
	int ends[2], r;

	if (!notify_wanted())
		return 0;
	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	r = notify_with("BARRIER=1", &ends[1], 1);
	close(ends[1]);
	end.fd = ends[0];
	if (r == 0 && poll(&end, 1, BARRIER_MS) <= 0)
		r = -ETIMEDOUT;
	close(ends[0]);
	return r;
}

int notify_forget(const char *name)
{
	char state[160];
	int r;

	snprintf(state, sizeof(state), "FDSTOREREMOVE=1\nFDNAME=%s", name);
	r = notify_with(state, NULL, 0);
	return r < 0 ? r : barrier();
}

/* WATCHDOG_PID is the process that is to tell, if it is there at all (sd_watchdog_enabled(3)). */
void notify_well(void)
{
	const char *wanted = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");

	if (wanted && *wanted && (!pid || strtol(pid, NULL, 10) == (long)getpid()))
		(void)notify("WATCHDOG=1");
}
