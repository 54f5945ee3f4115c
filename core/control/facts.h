/*
 * core/control/facts.h - what only a shard's own thread may read of it, for metrics: its lanes by destination, its
 * spool; of the first shard mailboxes and budgets as well. A visit that takes some microseconds for each lane.
 */
#ifndef POSTRIDER_CONTROL_FACTS_H
#define POSTRIDER_CONTROL_FACTS_H

#include "core/control/inquiry.h"
#include "queue/spool.h"

struct outbound;

/* Of all lanes of a destination here, those of its sites as well. */
struct facts_destination {
	char *name; /* owned; NULL: nothing is of it here */
	uint64_t ready, deferred, connections, connecting, connect_failures;
	uint64_t lanes, lanes_down; /* that have mail or connections; of these, those whose hosts all fail */
	unsigned limited;           /* a bit for each (limited.h) */
	bool suspended;
};

/* Who signs in there; `user` "": the destination itself, where it has a budget. */
struct facts_mailbox {
	char *destination, *user; /* owned */
	uint64_t connections;
	uint64_t budget, left; /* recipients a day; 0: there is no limit. `left` UINT64_MAX: not known just now */
	bool usable, token;
	uint64_t token_until_ns; /* monotonic; 0: it signs in by a token, and has none just now */
};

enum facts_refuses { FACTS_TAKES, FACTS_FAILED, FACTS_DISK_FULL, FACTS_SIZE_FULL };

struct facts {
	struct facts_destination *destinations; /* owned; by the place of a destination */
	size_t destination_count;
	struct facts_mailbox *mailboxes; /* owned */
	size_t mailbox_count;
	struct spool_stats spool;
	uint64_t segment_size, size_max;
	uint64_t mails, sessions;
	enum facts_refuses refuses; /* new mail */
};

struct facts_part {
	struct inquiry_part part;
	struct facts facts;
	bool whole;
	/* private */
	unsigned at;        /* of deliverer_next() */
	size_t destination; /* whose mailboxes are next */
	size_t mailbox;     /* of these */
	bool began;
};

extern const struct inquiry_kind facts_kind;
void facts_free(struct facts *facts);
/* On its shard: the lane is counted in its destination's, of `count`. */
void facts_add_lane(struct facts_destination *destinations, size_t count, const struct outbound *o);
/* What another shard has of it; the name stays. */
void facts_add(struct facts_destination *all, const struct facts_destination *one);

#endif
