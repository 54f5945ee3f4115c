/*
 * core/relay/stats.c - see stats.h.
 */
#include "core/relay/stats.h"

#include "core/deliver/deliverer.h"
#include "core/deliver/outbound.h"
#include "core/events/running.h"
#include "core/receive/receiver.h"
#include "core/route/plan.h"
#include "core/shard/shard.h"
#include "core/store/store.h"

void stats_tell(struct shard *shard)
{
	const struct receiver_counters *in = &shard->receiver->counters;
	const struct store_counters *here = &shard->store->counters;
	const struct deliverer_counters *out = &shard->deliverer->counters;
	struct spool_stats spool;
	struct ring_stats ring;
	unsigned i, connections = 0;

	spool_stats(shard->store->spool, &spool);
	ring_stats(shard->ring, &ring);
	for (i = deliverer_first(shard->deliverer); i < deliverer_end(shard->deliverer);
	     i = deliverer_next(shard->deliverer, i))
		connections += shard->deliverer->outbound[i].connection_count;
	event_stats(shard->log, &(struct event_stats){
					.connections_in = counter_get(&in->connections_in),
					.sessions_refused = counter_get(&in->sessions_refused),
					.accepted = counter_get(&in->accepted),
					.accepted_octets = counter_get(&in->accepted_octets),
					.recipients = counter_get(&in->recipients),
					.refused = counter_get(&in->refused),
					.accept_failed = counter_get(&here->accept_failed),
					.queued_here = counter_get(&here->queued),
					.delivered = counter_get(&out->delivered),
					.deferred = counter_get(&out->deferred),
					.failed = counter_get(&out->failed),
					.attempts = counter_get(&out->attempts),
					.maybe_duplicates = counter_get(&here->maybe_duplicates),
					.connections_out = counter_get(&out->connections_out),
					.connections_out_now = connections,
					.handshakes = counter_get(&out->handshakes),
					.resumed = counter_get(&out->resumed),
					.handoffs = counter_get(&shard->counters.handoffs),
					.handoff_full = counter_get(&shard->counters.handoff_full),
					.in_queue = shard->store->mails.in_use,
					.commits = spool.commits,
					.records = spool.records,
					.octets_written = spool.octets_written,
					.commit_us = spool.commit_ns_last / 1000,
					.segments = spool.segments,
					.segments_recycled = spool.segments_recycled,
					.spool_failures = spool.failures,
					.loads = spool.loads,
					.compacted = spool.compacted,
					.octets_copied = spool.octets_copied,
					.turns = ring.turns,
					.completions = ring.completions,
					.submissions = ring.submissions,
					.buffer_shortages = ring.buffer_shortages,
				});
}
