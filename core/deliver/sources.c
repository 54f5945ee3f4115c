/*
 * core/deliver/sources.c - see sources.h.
 */
#include "core/deliver/sources.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/address_text.h"
#include "core/base/clock.h"
#include "queue/hash.h"

static struct dead_source *find_dead(const struct dead_sources *dead, const struct ring_address *address)
{
	struct dead_sources *d = (struct dead_sources *)(uintptr_t)dead;
	unsigned i;

	for (i = 0; d && i < d->count; i++) {
		if (ring_address_same(&d->list[i].address, address))
			return &d->list[i];
	}
	return NULL;
}

/* By its octets and nothing else of it, so that neither its place in the list nor its name in EHLO moves sites. */
static uint64_t rank(const struct ring_address *address, uint64_t site)
{
	struct {
		uint64_t site;
		uint8_t octets[16];
	} key = {.site = site};

	(void)address_text_octets(address, key.octets);
	return queue_hash(&key, sizeof(key));
}

const struct config_source *sources_choose(const struct config_sources *sources, sa_family_t family, uint64_t site,
					   const struct dead_sources *dead, uint64_t now_ns, uint64_t *next_ns)
{
	const struct config_source *best = NULL;
	uint64_t best_rank = 0;
	size_t i;

	for (i = 0; i < sources->count; i++) {
		const struct config_source *source = &sources->list[i];
		const struct dead_source *its = find_dead(dead, &source->address);
		uint64_t its_rank;
		if (source->address.any.sa_family != family)
			continue;
		if (its && its->until_ns > now_ns) {
			if (its->until_ns < *next_ns)
				*next_ns = its->until_ns;
			continue;
		}
		its_rank = rank(&source->address, site);
		if (!best || its_rank > best_rank) {
			best = source;
			best_rank = its_rank;
		}
	}
	return best;
}

struct addresses_wish sources_wish(const struct config_sources *sources, enum config_prefer prefer)
{
	static const sa_family_t first[] = {
		[CONFIG_PREFER_NEITHER] = AF_UNSPEC, [CONFIG_PREFER_IPV4] = AF_INET, [CONFIG_PREFER_IPV6] = AF_INET6};
	struct addresses_wish wish = {.first = first[prefer], .v4 = sources->count == 0, .v6 = sources->count == 0};
	size_t i;

	for (i = 0; i < sources->count; i++) {
		wish.v4 |= sources->list[i].address.any.sa_family == AF_INET;
		wish.v6 |= sources->list[i].address.any.sa_family == AF_INET6;
	}
	return wish;
}

const struct config_source *sources_find(const struct config_sources *sources, const struct ring_address *address)
{
	size_t i;

	for (i = 0; i < sources->count; i++) {
		if (ring_address_same(&sources->list[i].address, address))
			return &sources->list[i];
	}
	return NULL;
}

/* With no room left another one is forgotten, which is told again at worst; each time another, so that all of one
 * destination are known as dead before the first of them is forgotten. */
static struct dead_source *place_for(struct dead_sources *d)
{
	if (d->count < SOURCES_DEAD_MAX)
		return &d->list[d->count++];
	return &d->list[d->next++ % SOURCES_DEAD_MAX];
}

bool sources_failed(struct dead_sources **dead, const struct config_source *source, uint64_t now_ns, bool *news)
{
	struct dead_source *its = find_dead(*dead, &source->address);

	*news = !its;
	if (!*dead)
		*dead = calloc(1, sizeof(**dead));
	if (!*dead)
		return false;
	if (!its) {
		its = place_for(*dead);
		*its = (struct dead_source){.address = source->address, .since_ns = now_ns};
	}
	its->until_ns = now_ns + SOURCE_PAUSE_MS * CLOCK_NS_PER_MS;
	return true;
}

uint64_t sources_well(struct dead_sources *dead, const struct config_source *source)
{
	struct dead_source *its = find_dead(dead, &source->address);
	uint64_t since_ns = its ? its->since_ns : 0;

	if (its)
		*its = dead->list[--dead->count];
	return since_ns;
}
