/*
 * tests/sim/sim_source.c - the addresses that the simulated machine has, for connections that name their own.
 */
#include <errno.h>
#include <string.h>

#include "tests/sim/sim_network.h"

/* One that it does not have; of no length: it has all. */
static struct ring_address lost;

void world_lose_source(const struct ring_address *address)
{
	lost = address ? *address : (struct ring_address){0};
}

int ring_bind(struct ring *ring, int fd, const struct ring_address *address)
{
	struct world_connection *end = sim_fd_get(fd)->object;

	if (lost.length == address->length && memcmp(&lost.any, &address->any, lost.length) == 0)
		return -EADDRNOTAVAIL;
	end->local = *address;
	return 0;
}
