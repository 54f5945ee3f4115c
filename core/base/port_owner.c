/*
 * core/base/port_owner.c - see port_owner.h.
 */
#include "core/base/port_owner.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { STATE_LISTEN = 0x0a, LINE_SIZE = 512, PATH_SIZE = 64, NAME_SIZE = 32 };

/* ---- sockets ------------------------------------------------------------------------------------------------ */

/* The kernel prints each 32-bit word of the address as a number, in the machine's order of octets. */
static bool parse_address(const char *host, unsigned port, struct ring_address *out)
{
	uint32_t words[4];
	size_t count = strlen(host) / 8, i;

	if (strlen(host) != 8 && strlen(host) != 32)
		return false;
	for (i = 0; i < count; i++) {
		char word[9] = "";
		memcpy(word, host + 8 * i, 8);
		words[i] = (uint32_t)strtoul(word, NULL, 16);
	}
	memset(out, 0, sizeof(*out));
	if (count == 1) {
		out->length = sizeof(out->v4);
		out->v4.sin_family = AF_INET;
		out->v4.sin_port = htons((uint16_t)port);
		memcpy(&out->v4.sin_addr, words, sizeof(out->v4.sin_addr));
	} else {
		out->length = sizeof(out->v6);
		out->v6.sin6_family = AF_INET6;
		out->v6.sin6_port = htons((uint16_t)port);
		memcpy(&out->v6.sin6_addr, words, sizeof(out->v6.sin6_addr));
	}
	return true;
}

bool port_owner_parse(const char *line, struct port_owner_line *out)
{
	char host[33];
	unsigned port, state;

	/* number, local, remote, state, queues, timer, retransmissions, uid, timeout, inode */
	return sscanf(line, " %*u: %32[0-9A-Fa-f]:%x %*[0-9A-Fa-f]:%*x %x %*x:%*x %*x:%*x %*x %u %*d %" SCNu64, host,
		      &port, &state, &out->uid, &out->inode) == 5 &&
	       state == STATE_LISTEN && port <= UINT16_MAX && parse_address(host, port, &out->address);
}

static bool takes_all(const struct ring_address *address)
{
	return address->any.sa_family == AF_INET6 ? IN6_IS_ADDR_UNSPECIFIED(&address->v6.sin6_addr)
						  : address->v4.sin_addr.s_addr == htonl(INADDR_ANY);
}

bool port_owner_overlaps(const struct ring_address *a, const struct ring_address *b)
{
	/* Of both families the port is at the same place. */
	if (a->v4.sin_port != b->v4.sin_port)
		return false;
	if (a->any.sa_family != b->any.sa_family)
		/* One on [::] may take IPv4 as well; that it does not cannot be seen. */
		return a->any.sa_family == AF_INET6 ? takes_all(a) : takes_all(b);
	if (takes_all(a) || takes_all(b))
		return true;
	if (a->any.sa_family == AF_INET6)
		return IN6_ARE_ADDR_EQUAL(&a->v6.sin6_addr, &b->v6.sin6_addr);
	return a->v4.sin_addr.s_addr == b->v4.sin_addr.s_addr;
}

/* ---- processes ---------------------------------------------------------------------------------------------- */

/* Has the process of that directory (of its descriptors) the socket? */
static bool has_socket(const char *descriptors, uint64_t inode)
{
	char wanted[NAME_SIZE], found[NAME_SIZE], path[PATH_SIZE + NAME_SIZE];
	struct dirent *entry;
	DIR *directory = opendir(descriptors);
	bool has = false;

	if (!directory)
		return false;
	snprintf(wanted, sizeof(wanted), "socket:[%" PRIu64 "]", inode);
	while (!has && (entry = readdir(directory)) != NULL) {
		ssize_t length;
		snprintf(path, sizeof(path), "%s/%.20s", descriptors, entry->d_name);
		length = readlink(path, found, sizeof(found) - 1);
		if (length <= 0)
			continue;
		found[length] = '\0';
		has = strcmp(found, wanted) == 0;
	}
	closedir(directory);
	return has;
}

/* "master (pid 812)" */
static bool name_process(const char *pid, char text[PORT_OWNER_TEXT])
{
	char path[PATH_SIZE], name[NAME_SIZE] = "";
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%.16s/comm", pid);
	file = fopen(path, "re");
	if (file) {
		if (fgets(name, sizeof(name), file))
			name[strcspn(name, "\n")] = '\0';
		fclose(file);
	}
	snprintf(text, PORT_OWNER_TEXT, "%s (pid %.16s)", name[0] ? name : "a process", pid);
	return true;
}

/* The service manager may have it too, which keeps sockets for others: it is said where nobody else has. */
bool port_owner_process(uint64_t inode, char text[PORT_OWNER_TEXT])
{
	DIR *processes = opendir("/proc");
	struct dirent *entry;
	bool found = false, kept = false;

	if (!processes)
		return false;
	while (!found && (entry = readdir(processes)) != NULL) {
		char path[PATH_SIZE];
		if (entry->d_name[0] < '1' || entry->d_name[0] > '9')
			continue;
		snprintf(path, sizeof(path), "/proc/%.16s/fd", entry->d_name);
		if (strcmp(entry->d_name, "1") == 0)
			kept = has_socket(path, inode);
		else
			found = has_socket(path, inode) && name_process(entry->d_name, text);
	}
	closedir(processes);
	return found || (kept && name_process("1", text));
}

static bool (*asked)(uint64_t inode, char text[PORT_OWNER_TEXT]) = port_owner_process;

void port_owner_ask(bool (*fn)(uint64_t inode, char text[PORT_OWNER_TEXT]))
{
	asked = fn;
}

static bool search(const char *table, const struct ring_address *address, char text[PORT_OWNER_TEXT])
{
	struct port_owner_line socket;
	char line[LINE_SIZE];
	FILE *file = fopen(table, "re");
	bool found = false;

	if (!file)
		return false;
	while (!found && fgets(line, sizeof(line), file)) {
		if (!port_owner_parse(line, &socket) || !port_owner_overlaps(&socket.address, address) ||
		    has_socket("/proc/self/fd", socket.inode))
			continue;
		found = true;
		if (!asked(socket.inode, text))
			snprintf(text, PORT_OWNER_TEXT, "a process of user %u", socket.uid);
	}
	fclose(file);
	return found;
}

bool port_owner(const struct ring_address *address, char text[PORT_OWNER_TEXT])
{
	if (access("/proc/net/tcp", R_OK) < 0) {
		snprintf(text, PORT_OWNER_TEXT, "another process");
		return true;
	}
	return search("/proc/net/tcp", address, text) || search("/proc/net/tcp6", address, text);
}
