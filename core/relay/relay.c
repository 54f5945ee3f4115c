/*
 * core/relay/relay.c - see relay.h.
 */
#include "core/relay/relay.h"

#include "core/relay/reload.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { HANDOFF_CAPACITY = 4096 };

int relay_init(struct relay *relay, struct config *config, unsigned shard_count)
{
	unsigned i;

	memset(relay, 0, sizeof(*relay));
	relay->config = config;
	relay->shard_count = shard_count;
	atomic_store(&relay->receiving, shard_count);
	relay->shards = calloc(shard_count, sizeof(struct shard *));
	/* Each ring's cursors stand on cache lines of their own. */
	relay->handoffs = aligned_alloc(HANDOFF_CACHE_LINE, sizeof(struct handoff) * shard_count * shard_count);
	if (!relay->shards || !relay->handoffs)
		return -ENOMEM;
	memset(relay->handoffs, 0, sizeof(struct handoff) * shard_count * shard_count);
	for (i = 0; i < shard_count * shard_count; i++) {
		if (handoff_init(&relay->handoffs[i], HANDOFF_CAPACITY) < 0)
			return -ENOMEM;
	}
	if (plan_init(&relay->plan, config, shard_count) < 0 ||
	    receivers_init(&relay->receivers, config, shard_count) < 0)
		return -ENOMEM;
	if (deliverers_init(&relay->deliverers, config, relay->plan.destination_room, shard_count) < 0)
		return -ENOMEM;
	return reload_first(relay, config);
}

void relay_deinit(struct relay *relay)
{
	unsigned i;

	for (i = 0; relay->handoffs && i < relay->shard_count * relay->shard_count; i++)
		handoff_deinit(&relay->handoffs[i]);
	receivers_deinit(&relay->receivers);
	deliverers_deinit(&relay->deliverers);
	reload_end(relay);
	plan_deinit(&relay->plan);
	free(relay->handoffs);
	free(relay->shards);
}
