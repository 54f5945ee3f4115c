/*
 * core/deliver/sources.h - which of this machine's addresses a connection comes from (`source_addresses`).
 *
 * A site is always told the same one, so that greylisting and reputation there know who comes again: of those that are
 * there, the one that rendezvous hashing gives the site. One that is added or lost moves only the sites that it gets or
 * had. One that this machine does not have is left alone for a while, and the site's next one stands in for it.
 *
 * Pure; what is dead is known of a shard.
 */
#ifndef POSTRIDER_DELIVER_SOURCES_H
#define POSTRIDER_DELIVER_SOURCES_H

#include <stdbool.h>
#include <stdint.h>

#include "core/config/config.h"
#include "core/deliver/addresses.h"

enum {
	SOURCES_DEAD_MAX = CONFIG_SOURCES_MAX,
	SOURCE_PAUSE_MS = 30000, /* until it is tried again */
};

struct dead_source {
	struct ring_address address;
	uint64_t since_ns, until_ns;
};

/* Zeroed, or none at all: all are well. */
struct dead_sources {
	struct dead_source list[SOURCES_DEAD_MAX];
	unsigned count;
	unsigned next; /* whose place is taken where there is no room for more */
};

/* For a connection of that family to that site. NULL: there is none, or none before *next_ns, which is only ever
 * lowered. */
const struct config_source *sources_choose(const struct config_sources *sources, sa_family_t family, uint64_t site,
					   const struct dead_sources *dead, uint64_t now_ns, uint64_t *next_ns);
/* Those whose families are wanted of a host's addresses: all where there are no sources. */
struct addresses_wish sources_wish(const struct config_sources *sources, enum config_prefer prefer);
/* The one with that address; NULL: it is none of them. */
const struct config_source *sources_find(const struct config_sources *sources, const struct ring_address *address);
/* This machine does not have it. *news: that was not known. False: no memory, it stays unknown. */
bool sources_failed(struct dead_sources **dead, const struct config_source *source, uint64_t now_ns, bool *news);
/* It has. Since when it had not, or 0: it was well. */
uint64_t sources_well(struct dead_sources *dead, const struct config_source *source);

#endif
