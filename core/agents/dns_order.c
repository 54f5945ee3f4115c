/*
 * core/agents/dns_order.c - in which order the addresses of a name are tried, for dns.c. See dns.h.
 */
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/agents/dns_private.h"

static bool same_address(const struct ring_address *a, const struct ring_address *b)
{
	if (a->any.sa_family != b->any.sa_family)
		return false;
	return a->any.sa_family == AF_INET ? a->v4.sin_addr.s_addr == b->v4.sin_addr.s_addr
					   : IN6_ARE_ADDR_EQUAL(&a->v6.sin6_addr, &b->v6.sin6_addr);
}

/* A datagram socket that is connected sends nothing, but finds a route. *own: it comes from where it goes to. */
static bool has_route(const struct ring_address *address, bool *own)
{
	struct ring_address to = *address, from = {.length = sizeof(from.v6)};
	int fd = socket(to.any.sa_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	bool ok;

	if (fd < 0)
		return false;
	to.v4.sin_port = htons(53); /* the same place in both families; any will do */
	ok = connect(fd, &to.any, to.length) == 0;
	*own = ok && getsockname(fd, &from.any, &from.length) == 0 && same_address(&from, address);
	close(fd);
	return ok;
}

/* RFC 6724 2.1, as far as it matters here: the lower the sooner. */
static unsigned precedence(const struct ring_address *address)
{
	const uint8_t *octets = address->v6.sin6_addr.s6_addr;

	if (address->any.sa_family == AF_INET)
		return 2;
	if (IN6_IS_ADDR_LOOPBACK(&address->v6.sin6_addr))
		return 0;
	if ((octets[0] & 0xfe) == 0xfc || IN6_IS_ADDR_SITELOCAL(&address->v6.sin6_addr))
		return 4; /* unique local */
	if ((octets[0] == 0x20 && octets[1] == 0x02) || memcmp(octets, "\x20\x01\0\0", 4) == 0)
		return 3; /* 6to4, Teredo */
	return 1;
}

/* What came last is never put before what came first where both are alike: servers rotate. */
void dns_put_in_order(struct dns_question *q)
{
	struct ring_address sorted[DNS_ADDRESSES_MAX];
	unsigned count = 0, i, p;
	bool own;

	q->own = 0;
	for (p = 0; p <= 4; p++) {
		for (i = 0; i < q->count; i++) {
			if (precedence(&q->addresses[i]) != p || !has_route(&q->addresses[i], &own))
				continue;
			q->own |= (uint32_t)own << count;
			sorted[count++] = q->addresses[i];
		}
	}
	/* None: connecting will say why. */
	if (count > 0) {
		memcpy(q->addresses, sorted, count * sizeof(sorted[0]));
		q->count = count;
	}
	for (i = 0; i < q->count; i++)
		q->addresses[i].v4.sin_port = htons(q->port); /* the same place in both families */
}
