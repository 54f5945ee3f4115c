/*
 * core/base/handed.h - listening sockets that a service manager hands over at the start (sd_listen_fds(3)): those it
 * kept of the process before (its descriptor store), and those of a socket unit.
 *
 * LISTEN_FDS says how many there are, from descriptor 3 on, LISTEN_PID whose they are, and LISTEN_FDNAMES what they are
 * called. What the store has of ours bears the name of its address (handed_name()), so that it can be taken out of the
 * store when nobody listens there any more; what bears another is its unit's, and stays there.
 */
#ifndef POSTRIDER_BASE_HANDED_H
#define POSTRIDER_BASE_HANDED_H

#include <stdbool.h>
#include <stddef.h>

#include "core/base/ring.h"

/* The manager gives all names in one variable, of which Linux takes 128 KiB (MAX_ARG_STRLEN); with more the process is
 * not started at all. So 4096 sockets, which is as many as there can be, have names of 30 octets at most. */
enum { HANDED_NAME_SIZE = 80, HANDED_NAME_MOST = 30, HANDED_SOCKETS_MAX = 65536 };

struct handed_socket {
	int fd; /* -1: taken */
	struct ring_address address;
	bool kept;      /* by the store, under its address's name */
	bool both;      /* on all addresses of IPv6, and takes IPv4 as well */
	char name[128]; /* as it was given, cut */
};

struct handed {
	struct handed_socket *sockets; /* owned, and so are their descriptors */
	size_t count;
};

/* Once, before any thread and any other descriptor. Takes the variables out of the environment, so that no child thinks
 * they are its own. What is no socket that TCP connections come in by is closed, and so is the second of one that is
 * there twice. Without memory none is taken. */
void handed_take(struct handed *handed);
/* Closes those that nobody has taken. */
void handed_deinit(struct handed *handed);

/* What the store knows sockets of an address by: no name has a ':' (sd_pid_notify_with_fds(3)). A long address of IPv6
 * is written shorter than it is; but not one with a scope. */
void handed_name(const struct ring_address *address, char name[HANDED_NAME_SIZE]);
/* And what versions that did not shorten them have called them, whose sockets may be there still. */
void handed_name_before(const struct ring_address *address, char name[HANDED_NAME_SIZE]);

/* How many there were of an address, taken or not. */
size_t handed_count(const struct handed *handed, const struct ring_address *address);
/* The n-th of an address; NULL: there are not so many. */
struct handed_socket *handed_find(const struct handed *handed, const struct ring_address *address, size_t n);

#endif
