/*
 * core/relay/client_counts.c - see client_counts.h.
 */
#include "core/relay/client_counts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/config/config.h"
#include "core/relay/relay.h"
#include "core/shard/quota.h"
#include "core/shard/snapshot.h"

struct client_counts {
	struct client_counts *next;
	struct allowance *allowances; /* owned, for those of them that need some */
	struct quota_taken *taken;    /* owned, for the same */
	struct quota quotas[];
};

/* The kinds that this client has a limit of. */
static bool limited(const struct config_client *client, enum quota_kind kind)
{
	const struct config_quota *quota = client->terms ? &client->terms->quota : NULL;

	switch (kind) {
	case QUOTA_CONNECTIONS:
		return quota && quota->connections_per_second > 0;
	case QUOTA_MESSAGES:
		return quota && quota->messages_per_minute > 0;
	case QUOTA_RECIPIENTS:
		return quota && quota->recipients_per_minute > 0;
	case QUOTA_OCTETS:
		return quota && quota->octets_per_minute > 0;
	default:
		return false;
	}
}

static bool any_limit(const struct config_client *client)
{
	return client->connections_max > 0 || (client->terms && config_quota_any(&client->terms->quota));
}

static bool any_limited(const struct config *config)
{
	size_t i;

	for (i = 0; i < config->client_count; i++) {
		if (any_limit(&config->clients[i]))
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

	if (!before || !before->quotas)
		return true;
	sorted = sorted_clients(before->config);
	for (i = 0; sorted && i < config->client_count; i++) {
		const struct config_client *client = &config->clients[i], **found;
		found = bsearch(&client, sorted, before->config->client_count, sizeof(*sorted), compare_names);
		if (found && any_limit(client))
			snapshot->quotas[i] = before->quotas[*found - before->config->clients];
	}
	free(sorted);
	return sorted != NULL;
}

/* What is taken in a second or minute is counted for whoever has a limit of it, and was not before: nobody looks there
 * who goes by an older snapshot. */
static void give_allowances(struct snapshot *snapshot, struct allowance *allowances, struct quota_taken *taken)
{
	const struct config *config = snapshot->config;

	for (size_t i = 0; i < config->client_count; i++) {
		for (unsigned kind = 0; kind < QUOTA_KINDS; kind++) {
			struct quota *quota = snapshot->quotas[i];
			if (!limited(&config->clients[i], kind))
				continue;
			if (!quota->taken)
				quota->taken = taken++;
			if (!quota->taken->kinds[kind])
				quota->taken->kinds[kind] = allowances++;
		}
	}
}

/* How many are missing of both. */
static void count_missing(const struct snapshot *snapshot, size_t *quotas, size_t *allowances)
{
	const struct config *config = snapshot->config;

	*quotas = *allowances = 0;
	for (size_t i = 0; i < config->client_count; i++) {
		const struct quota *quota = snapshot->quotas[i];
		*quotas += any_limit(&config->clients[i]) && !quota;
		for (unsigned kind = 0; kind < QUOTA_KINDS; kind++)
			*allowances += limited(&config->clients[i], kind) &&
				       (!quota || !quota->taken || !quota->taken->kinds[kind]);
	}
}

static void free_counts(struct client_counts *block)
{
	free(block->allowances);
	free(block->taken);
	free(block);
}

int client_counts_make(struct relay *relay, const struct snapshot *before, struct snapshot *snapshot)
{
	const struct config *config = snapshot->config;
	struct client_counts *block;
	size_t quotas, allowances;

	if (!any_limited(config))
		return 0;
	snapshot->quotas = calloc(config->client_count, sizeof(struct quota *));
	if (!snapshot->quotas || !find_counts(before, snapshot))
		return -ENOMEM;
	count_missing(snapshot, &quotas, &allowances);
	if (quotas == 0 && allowances == 0)
		return 0;
	block = calloc(1, sizeof(*block) + quotas * sizeof(block->quotas[0]));
	if (!block)
		return -ENOMEM;
	block->allowances = calloc(allowances + 1, sizeof(*block->allowances));
	block->taken = calloc(allowances + 1, sizeof(*block->taken));
	if (!block->allowances || !block->taken) {
		free_counts(block);
		return -ENOMEM;
	}
	block->next = relay->client_counts;
	relay->client_counts = block;
	for (size_t i = 0; i < config->client_count; i++) {
		if (any_limit(&config->clients[i]) && !snapshot->quotas[i])
			snapshot->quotas[i] = &block->quotas[--quotas];
	}
	give_allowances(snapshot, block->allowances, block->taken);
	return 0;
}

void client_counts_free(struct relay *relay)
{
	while (relay->client_counts) {
		struct client_counts *block = relay->client_counts;
		relay->client_counts = block->next;
		free_counts(block);
	}
}
