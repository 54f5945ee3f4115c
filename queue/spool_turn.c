/* queue/spool_turn.c - what a spool does once in each turn of its shard. */
#include "queue/spool_private.h"

void spool_flush(struct spool *spool)
{
	if (!spool->ring) {
		if (spool->open)
			spool_seal(spool);
		(void)spool_settle_now(spool);
		return;
	}
	spool_views_tell(spool);
	if (spool->stopping || spool->cut || spool->saved)
		spool_fail_step(spool);
	spool_compact_step(spool);
	if (spool->failed)
		return;
	spool_write_more(spool, spool_compact_loading(spool));
	spool_reclaim(spool);
	spool_prepare(spool);
}
