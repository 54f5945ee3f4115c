/*
 * core/deliver/strict_tls.c - see strict_tls.h.
 */
#include "core/deliver/strict_tls.h"

#include "core/config/config.h"
#include "core/deliver/connection.h"

/* The MX of a domain is what the DNS says without proof: the name that is verified has to be known beforehand. */
static bool name_known(const struct config_destination *destination)
{
	return !destination->mx_of || destination->server_name || destination->mx_ends.count > 0;
}

const char *strict_tls_lacks(const struct connection *c)
{
	if (!c->transport.secured || !c->setup.secured)
		return "5.7.30 REQUIRETLS: the next hop is spoken to without TLS";
	if (!c->tls_verified || !name_known(c->outbound->destination))
		return "5.7.30 REQUIRETLS: the next hop's certificate is not verified";
	if (!c->setup.extensions.require_tls)
		return "5.7.30 REQUIRETLS: the next hop does not offer REQUIRETLS";
	return NULL;
}
