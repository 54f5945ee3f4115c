/*
 * core/receive/client.c - see client.h.
 */
#include "core/receive/client.h"

#include "core/config/config.h"
#include "core/config/network_table.h"

int client_find(const struct config *config, const struct ring_address *address)
{
	return network_table_find(config->networks, address);
}
