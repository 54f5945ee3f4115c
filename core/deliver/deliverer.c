/*
 * core/deliver/deliverer.c - see deliverer.h.
 */
#include "core/deliver/deliverer.h"

#include <errno.h>
#include <stdlib.h>

#include "core/config/config.h"
#include "core/deliver/attempt.h"
#include "core/deliver/connection.h"
#include "core/deliver/hold.h"
#include "core/deliver/outbound.h"
#include "core/deliver/tls_policy.h"
#include "core/route/plan.h"
#include "core/shard/shard.h"

int deliverers_init(struct deliverers *shared, const struct config *config)
{
	size_t d;

	shared->holds = calloc(config->destination_count + 1, sizeof(*shared->holds));
	shared->tls = calloc(config->destination_count + 1, sizeof(*shared->tls));
	if (!shared->holds || !shared->tls)
		return -ENOMEM;
	for (d = 0; d < config->destination_count; d++) {
		shared->holds[d].hosts = calloc(config->destinations[d].host_count + 1, sizeof(struct hold_host));
		if (!shared->holds[d].hosts)
			return -ENOMEM;
	}
	return 0;
}

void deliverers_deinit(struct deliverers *shared, const struct config *config)
{
	size_t d;

	for (d = 0; shared->holds && d < config->destination_count; d++)
		free(shared->holds[d].hosts);
	if (shared->tls)
		tls_policies_free(shared->tls, config->destination_count);
	free(shared->tls);
	free(shared->holds);
}

int deliverer_init(struct shard *shard, struct deliverers *shared)
{
	struct deliverer *deliverer = shard->deliverer;
	const struct plan *plan = shard->plan;
	unsigned i;

	deliverer->shared = shared;
	list_init(&deliverer->outbound_wake);
	pool_init(&deliverer->connections, sizeof(struct connection), 8, 100000);
	pool_init(&deliverer->attempts, sizeof(struct attempt), 64, 1u << 20);
	pool_init(&deliverer->output_buffers, OUTPUT_BUFFER_SIZE, 4, 300000);
	deliverer->outbound = calloc(plan->lane_count + 1, sizeof(*deliverer->outbound));
	if (!deliverer->outbound)
		return -ENOMEM;
	/* The lanes must be there for recovery; the rest of an outbound comes with the ring. */
	for (i = 0; i < plan->lane_count; i++) {
		if (plan->lanes[i].owner == shard->index)
			lane_init(&deliverer->outbound[i].lane);
	}
	return 0;
}

int deliverer_start(struct shard *shard)
{
	const struct plan *plan = shard->plan;
	unsigned i;

	for (i = 0; i < plan->lane_count; i++) {
		int r;
		if (plan->lanes[i].owner != shard->index)
			continue;
		r = outbound_init(&shard->deliverer->outbound[i], shard, i);
		if (r < 0)
			return r;
		outbound_wake(shard, i); /* for what recovery queued */
	}
	return 0;
}

void deliverer_deinit(struct shard *shard)
{
	struct deliverer *deliverer = shard->deliverer;
	unsigned i;

	for (i = 0; i < shard->plan->lane_count; i++) {
		if (deliverer->outbound[i].shard)
			outbound_deinit(&deliverer->outbound[i]);
	}
	pool_deinit(&deliverer->connections);
	pool_deinit(&deliverer->attempts);
	pool_deinit(&deliverer->output_buffers);
	free(deliverer->outbound);
}
