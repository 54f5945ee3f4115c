/*
 * tests/sim/sim_resolver.c - stands in for core/agents/resolver.c: names have the addresses that a scenario gives them.
 */
#include "core/agents/resolver.h"

#include <string.h>

#include "tests/sim/relay_rig.h"

static struct {
	uint16_t port;
	uint16_t ports[RESOLVER_ADDRESSES_MAX];
	unsigned count;
} known[4];

static unsigned known_count;

void rig_resolver_clear(void)
{
	known_count = 0;
}

void rig_resolver_set(uint16_t port, const uint16_t *ports, unsigned count)
{
	known[known_count].port = port;
	known[known_count].count = count;
	memcpy(known[known_count++].ports, ports, count * sizeof(*ports));
}

unsigned resolver_addresses(struct resolver *resolver, const struct config_host *host,
			    struct ring_address out[RESOLVER_ADDRESSES_MAX])
{
	for (unsigned i = 0; i < known_count; i++) {
		if (known[i].port != host->port)
			continue;
		for (unsigned n = 0; n < known[i].count; n++)
			out[n] = world_address(known[i].ports[n]);
		return known[i].count;
	}
	out[0] = host->address;
	return host->numeric;
}

const char *resolver_problem(struct resolver *resolver, const struct config_host *host)
{
	return "";
}
