/*
 * core/agents/dns_settings.c - see dns_settings.h.
 */
#include "core/agents/dns_settings.h"

#include <stdio.h>
#include <string.h>

#include "core/config/config.h"

struct dns_settings dns_settings_of(const struct config *config, struct dns_kept *kept)
{
	struct dns_settings settings = {
		.servers = (const char *const *)config->dns.servers,
		.server_count = (unsigned)config->dns.server_count,
		.validate = config->dns.dnssec == CONFIG_DNSSEC_VALIDATE,
		.anchor = config->dns.trust_anchor,
	};

	if (settings.validate && kept &&
	    snprintf(kept->path, sizeof(kept->path), "%s/trust-anchor", config->spool.directory) <
		    (int)sizeof(kept->path))
		settings.anchor_kept = kept->path;
	return settings;
}

static bool same_text(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

bool dns_settings_same(const struct config *a, const struct config *b)
{
	bool same = a->dns.server_count == b->dns.server_count && a->dns.dnssec == b->dns.dnssec &&
		    same_text(a->dns.trust_anchor, b->dns.trust_anchor);

	for (size_t i = 0; same && i < a->dns.server_count; i++)
		same = strcmp(a->dns.servers[i], b->dns.servers[i]) == 0;
	return same;
}
