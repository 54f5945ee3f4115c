/*
 * core/base/notify.c - see notify.h.
 */
#include "core/base/notify.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

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

int notify(const char *state)
{
	const char *path = manager();
	size_t length = path ? strlen(path) : 0;
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd, r = 0;

	if (!path)
		return 0;
	if (length >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	memcpy(address.sun_path, path, length);
	if (path[0] == '@')
		address.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	/* An abstract name ends where the length says, a path at its NUL: without it, the length suits both. */
	if (sendto(fd, state, strlen(state), MSG_NOSIGNAL | MSG_DONTWAIT, (const struct sockaddr *)&address,
		   (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length)) < 0)
		r = -errno;
	close(fd);
	return r;
}
