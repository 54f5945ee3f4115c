/*
 * core/relay/status.c - see status.h.
 */
#include "core/relay/status.h"

#include <inttypes.h>
#include <stdio.h>

#include "core/base/clock.h"
#include "core/deliver/deliverer.h"
#include "core/receive/receiver.h"
#include "core/shard/shard.h"
#include "core/store/store.h"

void status_format(struct status *last, const struct relay *relay, uint64_t now_ns, char *out, size_t size)
{
	struct status now = {.at_ns = now_ns};
	uint64_t queued = 0;
	double seconds = (double)(now_ns - last->at_ns) / (double)CLOCK_NS_PER_S;
	unsigned i;

	for (i = 0; i < relay->shard_count; i++) {
		const struct shard *shard = relay->shards[i];
		/* What has left is read first: read later it might count one that was not queued yet. */
		uint64_t left = counter_get(&shard->store->counters.left);
		now.accepted += counter_get(&shard->receiver->counters.accepted);
		now.delivered += counter_get(&shard->deliverer->counters.delivered);
		queued += counter_get(&shard->store->counters.queued) - left;
	}
	snprintf(
		out, size, "%.1f messages/s in, %.1f recipients/s out, %" PRIu64 " queued, %u sessions",
		seconds > 0 ? (double)(now.accepted - last->accepted) / seconds : 0,
		seconds > 0 ? (double)(now.delivered - last->delivered) / seconds : 0, queued,
		atomic_load_explicit(&((struct relay *)(uintptr_t)relay)->receivers.connections, memory_order_relaxed));
	*last = now;
}
