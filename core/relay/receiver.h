/*
 * core/relay/receiver.h - what a shard has for its clients: listening sockets, sessions and where they wait.
 *
 * It belongs to the shard it stands on (shard->receiver) and to no other thread, but for the counters, which any may
 * read.
 */
#ifndef POSTRIDER_RELAY_RECEIVER_H
#define POSTRIDER_RELAY_RECEIVER_H

#include <stddef.h>
#include <stdint.h>

#include "core/base/counter.h"
#include "core/base/list.h"
#include "core/base/pool.h"
#include "core/base/span.h"
#include "core/relay/refusals.h"

enum { REPLY_BUFFER_SIZE = 4096 }; /* output block of a session */

struct listener; /* accept.h */
struct shard;

struct receiver_counters {
	counter connections_in, sessions_refused, accepted, accepted_octets, recipients, refused;
};

struct receiver {
	struct receiver_counters counters;
	struct pool sessions, lines, names, reply_buffers;
	struct listener *listeners;  /* owned, as many as the configuration has */
	struct list session_list;    /* every session */
	unsigned sessions_told_no;   /* of session_list: over a limit, being told so */
	struct list content_readers; /* sessions that read content */
	struct list memory_waiters;  /* sessions that wait for content memory, in the order they came */
	uint64_t dry_since_ns;       /* content memory, or 0 */
	struct list reply_waiters;   /* sessions whose client must read before more is read from it, oldest first */
	struct refusals refusals;
	struct span asked; /* the command line that is dealt with just now, or empty */
};

/* Memory only, for so many sessions. 0 or -ENOMEM. */
int receiver_init(struct shard *shard, size_t sessions);
void receiver_deinit(struct shard *shard);

#endif
