/*
 * core/relay/stats.h - a shard's counters, and those of its spool and ring, as an event.
 */
#ifndef POSTRIDER_RELAY_STATS_H
#define POSTRIDER_RELAY_STATS_H

struct shard;

/* On the shard's own thread. */
void stats_tell(struct shard *shard);

#endif
