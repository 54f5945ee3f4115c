/*
 * core/deliver/counts.h - what a shard counts of a destination, whatever lanes, sites and snapshots it has had
 * (core/shard/counts.h).
 */
#ifndef POSTRIDER_DELIVER_COUNTS_H
#define POSTRIDER_DELIVER_COUNTS_H

#include "core/base/histogram.h"

struct destination_counts {
	counter attempts;
	counter delivered, deferred, failed; /* recipients; deferred: each time one was put off */
	counter octets;                      /* of messages that were delivered to all their recipients */
	counter connections, connect_failures, handshakes, resumed;
	/* Of messages of which a recipient was delivered: since they were accepted, until they were said to the next
	 * hop, and from there on. */
	struct histogram all, queue, transfer;
	struct histogram setup; /* of connections, until the first message could be said */
};

#endif
