/*
 * core/relay/deliverer.c - see deliverer.h.
 */
#include "core/relay/deliverer.h"

#include <errno.h>
#include <stdlib.h>

#include "core/relay/attempt.h"
#include "core/relay/connection.h"
#include "core/relay/outbound.h"
#include "core/relay/shard.h"

int deliverer_init(struct shard *shard)
{
	struct deliverer *deliverer = shard->deliverer;
	const struct relay *relay = shard->relay;
	unsigned i;

	list_init(&deliverer->outbound_wake);
	pool_init(&deliverer->connections, sizeof(struct connection), 8, 100000);
	pool_init(&deliverer->attempts, sizeof(struct attempt), 64, 1u << 20);
	pool_init(&deliverer->output_buffers, OUTPUT_BUFFER_SIZE, 4, 300000);
	deliverer->outbound = calloc(relay->lane_count + 1, sizeof(*deliverer->outbound));
	if (!deliverer->outbound)
		return -ENOMEM;
	/* The lanes must be there for recovery; the rest of an outbound comes with the ring. */
	for (i = 0; i < relay->lane_count; i++) {
		if (relay->lanes[i].owner == shard->index)
			lane_init(&deliverer->outbound[i].lane);
	}
	return 0;
}

int deliverer_start(struct shard *shard)
{
	const struct relay *relay = shard->relay;
	unsigned i;

	for (i = 0; i < relay->lane_count; i++) {
		int r;
		if (relay->lanes[i].owner != shard->index)
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

	for (i = 0; i < shard->relay->lane_count; i++) {
		if (deliverer->outbound[i].shard)
			outbound_deinit(&deliverer->outbound[i]);
	}
	pool_deinit(&deliverer->connections);
	pool_deinit(&deliverer->attempts);
	pool_deinit(&deliverer->output_buffers);
	free(deliverer->outbound);
}
