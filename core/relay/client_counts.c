/*
 * core/relay/client_counts.c - see client_counts.h.
 */
#include "core/relay/client_counts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/config/config.h"
#include "core/relay/relay.h"
#include "core/shard/snapshot.h"

struct client_counts {
	struct client_counts *next;
	_Atomic(unsigned) counts[];
};

static bool any_limited(const struct config *config)
{
	size_t i;

	for (i = 0; i < config->client_count; i++) {
		if (config->clients[i].connections_max > 0)
			return true;
	}
	return false;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp((*(const struct config_client *const *)a)->name, (*(const struct config_client *const *)b)->name);
}

/* The clients of a configuration by name; NULL without memory. */
static const struct config_client **sorted_clients(const struct config *config)
{
	const struct config_client **sorted = malloc((config->client_count + 1) * sizeof(*sorted));
	size_t i;

	for (i = 0; sorted && i < config->client_count; i++)
		sorted[i] = &config->clients[i];
	if (sorted)
		qsort(sorted, config->client_count, sizeof(*sorted), compare_names);
	return sorted;
}

/* Those that had a limit of their own before are counted where they were. False: no memory. */
static bool find_counts(const struct snapshot *before, struct snapshot *snapshot)
{
	const struct config *config = snapshot->config;
	const struct config_client **sorted;
	size_t i;

	if (!before || !before->client_connections)
		return true;
	sorted = sorted_clients(before->config);
	for (i = 0; sorted && i < config->client_count; i++) {
		const struct config_client *client = &config->clients[i], **found;
		found = bsearch(&client, sorted, before->config->client_count, sizeof(*sorted), compare_names);
		if (found && client->connections_max > 0)
			snapshot->client_connections[i] = before->client_connections[*found - before->config->clients];
	}
	free(sorted);
	return sorted != NULL;
}

int client_counts_make(struct relay *relay, const struct snapshot *before, struct snapshot *snapshot)
{
	const struct config *config = snapshot->config;
	struct client_counts *block;
	size_t needed = 0, i;

	if (!any_limited(config))
		return 0;
	snapshot->client_connections = calloc(config->client_count, sizeof(_Atomic(unsigned) *));
	if (!snapshot->client_connections || !find_counts(before, snapshot))
		return -ENOMEM;
	for (i = 0; i < config->client_count; i++)
		needed += config->clients[i].connections_max > 0 && !snapshot->client_connections[i];
	if (needed == 0)
		return 0;
	block = calloc(1, sizeof(*block) + needed * sizeof(block->counts[0]));
	if (!block)
		return -ENOMEM;
	block->next = relay->client_counts;
	relay->client_counts = block;
	for (i = 0; i < config->client_count; i++) {
		if (config->clients[i].connections_max > 0 && !snapshot->client_connections[i])
			snapshot->client_connections[i] = &block->counts[--needed];
	}
	return 0;
}

void client_counts_free(struct relay *relay)
{
	while (relay->client_counts) {
		struct client_counts *block = relay->client_counts;
		relay->client_counts = block->next;
		free(block);
	}
}
