/*
 * core/base/handed.c - see handed.h.
 */
#include "core/base/handed.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/address_text.h"

enum { FIRST = 3 };

void handed_name(const struct ring_address *address, char name[HANDED_NAME_SIZE])
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-+";
	uint8_t octets[16];
	unsigned bits = 0, held = 0;
	size_t n = 0;

	handed_name_before(address, name);
	if (strlen(name) <= HANDED_NAME_MOST || address->any.sa_family != AF_INET6 || strchr(name, '%'))
		return;
	memcpy(octets, &address->v6.sin6_addr, sizeof(octets));
	for (unsigned i = 0; i <= sizeof(octets); i++) {
		bits = bits << 8 | (i < sizeof(octets) ? octets[i] : 0);
		for (held += 8; held >= 6 && n < 22; held -= 6)
			name[n++] = digits[bits >> (held - 6) & 63];
	}
	snprintf(name + n, HANDED_NAME_SIZE - n, "_%u", (unsigned)ntohs(address->v6.sin6_port));
}

void handed_name_before(const struct ring_address *address, char name[HANDED_NAME_SIZE])
{
	char text[ADDRESS_TEXT_SIZE];

	address_text_format_port(address, text);
	for (char *at = text; *at; at++) {
		if (*at == ':')
			*at = '_';
	}
	snprintf(name, HANDED_NAME_SIZE, "%s", text);
}

/* ---- taking them ------------------------------------------------------------------------------------------------ */

/* A number and nothing else; -1: none. */
static long number_of(const char *name)
{
	const char *text = getenv(name);
	char *end;
	long value;

	if (!text || text[0] < '0' || text[0] > '9')
		return -1;
	errno = 0;
	value = strtol(text, &end, 10);
	return errno == 0 && *end == '\0' ? value : -1;
}

static int option(int fd, int level, int which)
{
	int value = 0;
	socklen_t length = sizeof(value);

	return getsockopt(fd, level, which, &value, &length) < 0 ? -1 : value;
}

/* Not blocking would have an accept end at once where nobody waits; connections inherit TCP_NODELAY. */
static bool prepare(int fd)
{
	int one = 1, flags = fcntl(fd, F_GETFL);

	return flags >= 0 && fcntl(fd, F_SETFL, flags & ~O_NONBLOCK) == 0 &&
	       setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) == 0;
}

/* False: it is nothing that TCP connections come in by. */
static bool look(int fd, struct handed_socket *out)
{
	struct ring_address *address = &out->address;

	memset(out, 0, sizeof(*out));
	address->length = sizeof(address->v6);
	if (option(fd, SOL_SOCKET, SO_TYPE) != SOCK_STREAM || option(fd, SOL_SOCKET, SO_ACCEPTCONN) != 1 ||
	    getsockname(fd, &address->any, &address->length) < 0 ||
	    (address->any.sa_family != AF_INET && address->any.sa_family != AF_INET6) || !prepare(fd))
		return false;
	out->fd = fd;
	out->both = address->any.sa_family == AF_INET6 && IN6_IS_ADDR_UNSPECIFIED(&address->v6.sin6_addr) &&
		    option(fd, IPPROTO_IPV6, IPV6_V6ONLY) == 0;
	return true;
}

/* Numbers of sockets, which all are of one file system: each at the first free place from its own on, of twice as many
 * as there may be. */
struct seen {
	ino_t *numbers; /* owned; 0: free */
	size_t places;
};

/* It was, and is from now on. */
static bool seen_before(struct seen *seen, int fd)
{
	struct stat status;
	size_t at;

	if (fstat(fd, &status) < 0 || status.st_ino == 0)
		return false;
	at = (size_t)status.st_ino % seen->places;
	while (seen->numbers[at] != 0 && seen->numbers[at] != status.st_ino)
		at = (at + 1) % seen->places;
	if (seen->numbers[at] == status.st_ino)
		return true;
	seen->numbers[at] = status.st_ino;
	return false;
}

/* The next name of the list, in place; "" behind its end. */
static const char *next_name(char **list)
{
	char *name = strsep(list, ":");

	return name ? name : "";
}

static void take(struct handed *handed, struct seen *seen, int fd, const char *name)
{
	struct handed_socket *socket = &handed->sockets[handed->count];
	char own[HANDED_NAME_SIZE];

	if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
		return; /* there is none */
	if (!look(fd, socket) || seen_before(seen, fd)) {
		close(fd);
		return;
	}
	handed_name(&socket->address, own);
	socket->kept = strcmp(name, own) == 0;
	handed_name_before(&socket->address, own);
	socket->kept |= strcmp(name, own) == 0;
	snprintf(socket->name, sizeof(socket->name), "%s", name);
	handed->count++;
}

void handed_take(struct handed *handed)
{
	long count = number_of("LISTEN_FDS"), pid = number_of("LISTEN_PID"), i;
	const char *given = getenv("LISTEN_FDNAMES");
	char *names = strdup(given ? given : ""), *at = names;
	struct seen seen = {0};

	*handed = (struct handed){0};
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDNAMES");
	if (names && pid == (long)getpid() && count > 0 && count <= HANDED_SOCKETS_MAX) {
		seen.places = 2 * (size_t)count;
		seen.numbers = calloc(seen.places, sizeof(*seen.numbers));
		handed->sockets = seen.numbers ? calloc((size_t)count, sizeof(*handed->sockets)) : NULL;
	}
	for (i = 0; handed->sockets && i < count; i++)
		take(handed, &seen, (int)(FIRST + i), next_name(&at));
	free(seen.numbers);
	free(names);
}

void handed_deinit(struct handed *handed)
{
	size_t i;

	for (i = 0; i < handed->count; i++) {
		if (handed->sockets[i].fd >= 0)
			close(handed->sockets[i].fd);
	}
	free(handed->sockets);
	*handed = (struct handed){0};
}

/* ---- finding them ----------------------------------------------------------------------------------------------- */

size_t handed_count(const struct handed *handed, const struct ring_address *address)
{
	size_t count = 0, i;

	for (i = 0; i < handed->count; i++)
		count += ring_address_same(&handed->sockets[i].address, address);
	return count;
}

struct handed_socket *handed_find(const struct handed *handed, const struct ring_address *address, size_t n)
{
	size_t i;

	for (i = 0; i < handed->count; i++) {
		if (ring_address_same(&handed->sockets[i].address, address) && n-- == 0)
			return &handed->sockets[i];
	}
	return NULL;
}
