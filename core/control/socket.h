/*
 * core/control/socket.h - the socket of the file system that commands open.
 */
#ifndef POSTRIDER_CONTROL_SOCKET_H
#define POSTRIDER_CONTROL_SOCKET_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/types.h>

struct control_socket {
	int fd; /* listening, non-blocking; -1: it was closed */
	const char *path;
	dev_t device;
	ino_t inode;
};

/* What a process that has died has left there is replaced; who listens there is not, nor what is no socket. `group`:
 * NULL: the process's own. 0 or -errno with a `problem`, for people. */
int control_socket_open(struct control_socket *out, const char *path, const char *group, char *problem, size_t size);
/* Closes it, and takes it away where it is still the one that was made. */
void control_socket_close(struct control_socket *socket);

/* Closes a socket that a library was given, and may have closed: with some of what fails it does, with others it does
 * not. By then its number may be that of another file, which stays. `was`: what it was. errno stays as well. */
void control_socket_give_up(int fd, const struct stat *was);

#endif
