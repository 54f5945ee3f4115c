/*
 * core/agents/dns_settings.h - what a configuration says of who is asked for names, for dns_start().
 */
#ifndef POSTRIDER_AGENTS_DNS_SETTINGS_H
#define POSTRIDER_AGENTS_DNS_SETTINGS_H

#include <limits.h>

#include "core/agents/dns.h"

struct config;

/* Where trust anchors are kept, beside the spools. */
struct dns_kept {
	char path[PATH_MAX];
};
/* Points into the configuration and `kept`; NULL: nothing is kept. */
struct dns_settings dns_settings_of(const struct config *config, struct dns_kept *kept);
/* One agent can serve both. */
bool dns_settings_same(const struct config *a, const struct config *b);

#endif
