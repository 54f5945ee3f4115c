/*
 * core/deliver/strict_tls.c - see strict_tls.h.
 */
#include "core/deliver/strict_tls.h"

#include "core/config/config.h"
#include "core/deliver/connection.h"
#include "core/deliver/outbound_site.h"
#include "core/deliver/tls_level.h"

/* The MX of a domain is what the DNS says: a name that is verified has to be known beforehand, or proven by DNSSEC. */
static bool name_known(const struct outbound *o)
{
	const struct config_destination *destination = o->destination;

	if (o->mx)
		return o->mx->secure;
	if (!destination->mx_of || destination->server_name || destination->mx_ends.count > 0)
		return true;
	return o->exchangers && o->exchangers->secure;
}

const char *strict_tls_lacks(const struct connection *c)
{
	const struct tls_strict strict = {
		.had = connection_tls_had(c),
		.name_known = name_known(c->outbound),
		.offered = c->setup.extensions.require_tls,
	};

	return tls_strict_lacks(&strict);
}
