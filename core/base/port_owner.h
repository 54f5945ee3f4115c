/*
 * core/base/port_owner.h - who listens on a port that cannot be had, for the sentence that says so.
 *
 * Reads the kernel's tables of sockets and the descriptors of the processes in /proc. Which process it is can be seen
 * of one's own, and by root of all; else only whose it is. Slow: for the way out of a failed start.
 */
#ifndef POSTRIDER_BASE_PORT_OWNER_H
#define POSTRIDER_BASE_PORT_OWNER_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/ring.h"

enum { PORT_OWNER_TEXT = 64 };

/* A line of /proc/net/tcp or tcp6: a socket that listens. False: the line is another's, or not one. */
struct port_owner_line {
	struct ring_address address;
	unsigned uid;
	uint64_t inode;
};
bool port_owner_parse(const char *line, struct port_owner_line *out);
/* Can only one of two sockets listen on these? The same port and address, or one takes all addresses. */
bool port_owner_overlaps(const struct ring_address *a, const struct ring_address *b);

/* The process that has this socket. False: it cannot be seen. */
bool port_owner_process(uint64_t inode, char text[PORT_OWNER_TEXT]);
/* Asks this for it from now on: a process that has given up looking at others asks one that has not. */
void port_owner_ask(bool (*fn)(uint64_t inode, char text[PORT_OWNER_TEXT]));

/* Somebody else listens where `address` would: "master (pid 812)", "a process of user 101", "another process". False:
 * nobody does, or only this process. */
bool port_owner(const struct ring_address *address, char text[PORT_OWNER_TEXT]);

#endif
