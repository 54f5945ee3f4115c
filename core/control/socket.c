/*
 * core/control/socket.c - see socket.h.
 *
 * A socket stays in the file system when its process dies. Whether somebody listens is found out by connecting: the
 * kernel refuses where nobody does. It gets its permissions before it listens, so nobody is let in by others.
 */
#include "core/control/socket.h"

#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { BACKLOG = 64, GROUP_TEXT_MAX = 1 << 20 };

static int fail(int error, char *problem, size_t size, const char *path, const char *why)
{
	snprintf(problem, size, "control.socket: %s: %s", path, why);
	return error;
}

static struct sockaddr_un address_of(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	/* control.socket is no longer (schema_control.c). */
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	return address;
}

/* "12345 (postrider)" */
static void name_process(pid_t pid, char *out, size_t size)
{
	char path[64], name[64] = "";
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%ld/comm", (long)pid);
	file = fopen(path, "re");
	if (file) {
		if (fgets(name, sizeof(name), file))
			name[strcspn(name, "\n")] = '\0';
		fclose(file);
	}
	snprintf(out, size, "%ld%s%s%s", (long)pid, name[0] ? " (" : "", name, name[0] ? ")" : "");
}

/* 0: the path is free now. */
static int make_room(const struct sockaddr_un *address, char *problem, size_t size)
{
	struct ucred peer = {0};
	socklen_t length = sizeof(peer);
	char why[256], who[128];
	struct stat st;
	int fd, r;

	if (lstat(address->sun_path, &st) < 0)
		return errno == ENOENT ? 0 : fail(-errno, problem, size, address->sun_path, strerror(errno));
	if (!S_ISSOCK(st.st_mode))
		return fail(-EEXIST, problem, size, address->sun_path,
			    "there is something that is no socket: take it away, or write another path");
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return fail(-errno, problem, size, address->sun_path, strerror(errno));
	r = connect(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 ? -errno : 0;
	if (r == 0)
		(void)getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length);
	close(fd);
	/* EAGAIN: so many wait already that its process takes no more. */
	if (r == 0 || r == -EAGAIN) {
		name_process(peer.pid, who, sizeof(who));
		snprintf(why, sizeof(why), "process %s listens there: each needs a path of its own", who);
		return fail(-EADDRINUSE, problem, size, address->sun_path, why);
	}
	if (r != -ECONNREFUSED)
		return fail(r, problem, size, address->sun_path, strerror(-r));
	if (unlink(address->sun_path) < 0 && errno != ENOENT)
		return fail(-errno, problem, size, address->sun_path, strerror(errno));
	return 0;
}

static int give_to(const char *path, const char *group, char *problem, size_t size)
{
	char *text = malloc(GROUP_TEXT_MAX), why[256];
	struct group entry, *found = NULL;
	int r = text ? getgrnam_r(group, &entry, text, GROUP_TEXT_MAX, &found) : ENOMEM;

	if (r == 0 && !found) {
		snprintf(why, sizeof(why), "control.group: there is no group \"%s\": groupadd --system %s", group,
			 group);
		free(text);
		return fail(-ENOENT, problem, size, path, why);
	}
	if (r == 0 && chown(path, (uid_t)-1, found->gr_gid) < 0)
		r = errno;
	free(text);
	if (r == 0)
		return 0;
	snprintf(why, sizeof(why), "it cannot be given to the group \"%s\": %s%s", group, strerror(r),
		 r == EPERM ? ": the process must be a member of it (SupplementaryGroups= in the unit)" : "");
	return fail(-r, problem, size, path, why);
}

int control_socket_open(struct control_socket *out, const char *path, const char *group, char *problem, size_t size)
{
	struct sockaddr_un address = address_of(path);
	struct stat st;
	int r = make_room(&address, problem, size);

	if (r < 0)
		return r;
	*out = (struct control_socket){.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0),
				       .path = path};
	if (out->fd < 0)
		return fail(-errno, problem, size, path, strerror(errno));
	if (bind(out->fd, (const struct sockaddr *)&address, sizeof(address)) < 0) {
		r = -errno;
		close(out->fd);
		return fail(r, problem, size, path,
			    r == -ENOENT
				    ? "there is no such directory: make it, or RuntimeDirectory=postrider in the unit"
				    : strerror(-r));
	}
	if (lstat(path, &st) < 0 || chmod(path, S_IRUSR | S_IWUSR | S_IRGRP | S_IWGRP) < 0)
		r = fail(-errno, problem, size, path, strerror(errno));
	out->device = st.st_dev;
	out->inode = st.st_ino;
	if (r == 0 && group)
		r = give_to(path, group, problem, size);
	if (r == 0 && listen(out->fd, BACKLOG) < 0)
		r = fail(-errno, problem, size, path, strerror(errno));
	if (r < 0)
		control_socket_close(out);
	return r;
}

void control_socket_close(struct control_socket *socket)
{
	struct stat st;

	if (socket->fd >= 0)
		close(socket->fd);
	if (lstat(socket->path, &st) == 0 && st.st_dev == socket->device && st.st_ino == socket->inode)
		(void)unlink(socket->path);
}

void control_socket_give_up(int fd, const struct stat *was)
{
	int error = errno;
	struct stat st;

	if (fstat(fd, &st) == 0 && st.st_dev == was->st_dev && st.st_ino == was->st_ino)
		close(fd);
	errno = error;
}
