/*
 * core/relay/recover.h - from the spools on disk to lanes full of deliveries: the normal start.
 *
 * Spools are directories shard-NNN below the spool directory. When the number of shards has changed, mail whose lane
 * now belongs to another shard is copied to that shard's spool, and spools of shards that are no more are copied whole
 * and removed. A crash in the middle leaves two records of a message, each of which has the same recipients; the next
 * start may have other lanes than that one had. The ids tell: the first spool, by its number, has them, and the others
 * say that they have gone elsewhere. That is durable before a shard runs, so from then on one spool alone has each
 * recipient, and what is confirmed of him there, a deletion above all, no other spool can contradict.
 */
#ifndef POSTRIDER_RELAY_RECOVER_H
#define POSTRIDER_RELAY_RECOVER_H

#include "core/base/log.h"
#include "core/relay/relay.h"

struct recovery {
	int directory; /* the spool directory and its lock: open until relay_recover_release() */
	int lock;
	int *spool_directories; /* one per shard, kept for its spool */
	unsigned spool_count;
	uint64_t live, moved, held, damaged_records, spools;
	char problem[1024]; /* what to do, when relay_recover() fails */
};

/* All shards exist (worker_new()). 0 or -errno with recovery->problem. Blocking. Logs what it found. */
int relay_recover(struct relay *relay, struct log *log, struct recovery *recovery);
void relay_recover_release(struct recovery *recovery);

#endif
