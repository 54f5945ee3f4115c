/*
 * core/relay/relay.c - see relay.h.
 */
#include "core/relay/relay.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/relay/peers.h"
#include "core/relay/tls_policy.h"
#include "queue/hash.h"

enum { HANDOFF_CAPACITY = 4096 };

static unsigned lanes_of(const struct config_destination *destination, unsigned shards)
{
	return destination->connections < shards ? destination->connections : shards;
}

static void plan_lanes(struct relay *relay)
{
	const struct config *config = relay->config;
	unsigned next = 0, i;
	size_t d;

	for (d = 0; d < config->destination_count; d++) {
		const struct config_destination *destination = &config->destinations[d];
		unsigned lanes = lanes_of(destination, relay->shard_count);
		/* The first lane's owner comes from the name, so that small destinations do not all live on shard 0. */
		uint64_t hash = queue_hash(destination->name, strlen(destination->name));

		relay->destinations[d] = (struct destination_plan){next, lanes};
		for (i = 0; i < lanes; i++) {
			struct lane_plan *lane = &relay->lanes[next++];
			lane->destination = (uint16_t)d;
			lane->owner = (uint16_t)((hash + i) % relay->shard_count);
			lane->connections = destination->connections / lanes + (i < destination->connections % lanes);
		}
	}
}

int relay_init(struct relay *relay, const struct config *config, unsigned shard_count)
{
	size_t d;
	unsigned i;

	memset(relay, 0, sizeof(*relay));
	relay->config = config;
	relay->shard_count = shard_count;
	atomic_store(&relay->receiving, shard_count);
	for (d = 0; d < config->destination_count; d++)
		relay->lane_count += lanes_of(&config->destinations[d], shard_count);
	relay->shards = calloc(shard_count, sizeof(struct shard *));
	relay->destinations = calloc(config->destination_count + 1, sizeof(*relay->destinations));
	relay->lanes = calloc(relay->lane_count + 1, sizeof(*relay->lanes));
	/* Each ring's cursors stand on cache lines of their own. */
	relay->handoffs = aligned_alloc(HANDOFF_CACHE_LINE, sizeof(struct handoff) * shard_count * shard_count);
	relay->holds = calloc(config->destination_count + 1, sizeof(*relay->holds));
	relay->tls = calloc(config->destination_count + 1, sizeof(*relay->tls));
	relay->listeners = calloc(config->listener_count + 1, sizeof(*relay->listeners));
	relay->client_connections = calloc(config->client_count + 1, sizeof(*relay->client_connections));
	if (!relay->shards || !relay->destinations || !relay->lanes || !relay->handoffs || !relay->holds ||
	    !relay->tls || !relay->listeners || !relay->client_connections)
		return -ENOMEM;
	if (config->limits.connections_per_client && !(relay->peers = peers_new()))
		return -ENOMEM;
	memset(relay->handoffs, 0, sizeof(struct handoff) * shard_count * shard_count);
	for (i = 0; i < shard_count * shard_count; i++) {
		if (handoff_init(&relay->handoffs[i], HANDOFF_CAPACITY) < 0)
			return -ENOMEM;
	}
	for (d = 0; d < config->destination_count; d++) {
		relay->holds[d].hosts = calloc(config->destinations[d].host_count + 1, sizeof(struct hold_host));
		if (!relay->holds[d].hosts)
			return -ENOMEM;
	}
	for (d = 0; d < config->listener_count; d++)
		relay->listeners[d] = config->listeners[d].address;
	plan_lanes(relay);
	return 0;
}

void relay_deinit(struct relay *relay)
{
	unsigned i;

	for (i = 0; relay->handoffs && i < relay->shard_count * relay->shard_count; i++)
		handoff_deinit(&relay->handoffs[i]);
	for (i = 0; relay->holds && i < relay->config->destination_count; i++)
		free(relay->holds[i].hosts);
	peers_free(relay->peers);
	if (relay->tls)
		tls_policies_free(relay->tls, relay->config->destination_count);
	free(relay->tls);
	free(relay->holds);
	free(relay->handoffs);
	free(relay->shards);
	free(relay->destinations);
	free(relay->lanes);
	free(relay->listeners);
	free(relay->client_connections);
}

static bool equal_nocase(const char *a, size_t a_length, const char *b, size_t b_length)
{
	return a_length == b_length && strncasecmp(a, b, a_length) == 0;
}

/* "*", "*@domain", "*@*.domain", "local@domain". Domains compare without case, local parts exactly (RFC 5321 2.4). */
static bool route_matches(const char *pattern, const char *local, size_t local_length, const char *domain,
			  size_t domain_length)
{
	const char *at = strrchr(pattern, '@');
	size_t suffix;

	if (!at)
		return strcmp(pattern, "*") == 0;
	if (!(at - pattern == 1 && pattern[0] == '*') &&
	    ((size_t)(at - pattern) != local_length || memcmp(pattern, local, local_length) != 0))
		return false;
	at++;
	if (at[0] != '*' || at[1] != '.')
		return equal_nocase(at, strlen(at), domain, domain_length);
	suffix = strlen(at + 1);
	return domain_length > suffix && equal_nocase(at + 1, suffix, domain + domain_length - suffix, suffix);
}

int relay_route(const struct config *config, const char *address, size_t length)
{
	const char *at = memrchr(address, '@', length);
	size_t local = at ? (size_t)(at - address) : length;
	const char *domain = at ? at + 1 : "";
	size_t domain_length = at ? length - local - 1 : 0;
	size_t i;

	for (i = 0; i < config->route_count; i++) {
		const struct config_route *route = &config->routes[i];
		if (!route->recipient || route_matches(route->recipient, address, local, domain, domain_length))
			return (int)route->destination;
	}
	return -1;
}

int relay_client(const struct config *config, const struct ring_address *address)
{
	return network_table_find(config->networks, address);
}

int relay_destination(const struct config *config, const char *name, size_t length)
{
	size_t d;

	for (d = 0; d < config->destination_count; d++) {
		if (strlen(config->destinations[d].name) == length &&
		    memcmp(config->destinations[d].name, name, length) == 0)
			return (int)d;
	}
	return -1;
}
