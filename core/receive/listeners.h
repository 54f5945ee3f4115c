/*
 * core/receive/listeners.h - the addresses that the process listens on: which those of a configuration are, and how
 * they change while it runs.
 *
 *     FREE -- listeners_follow(): a socket for each shard, bound and listening --> OPEN
 *     OPEN -- each shard takes its own with the snapshot (listen.h), closes it with one that has it no more --> FREE
 *
 * New sockets are bound before the configuration is taken over, so that a port that cannot be had refuses all of it;
 * what connects meanwhile waits in the kernel. Old ones are closed when the new are there. A listener of the same
 * address keeps its sockets, whatever else about it changes; one whose port the kernel chose (0) is told by its name.
 *
 * Who starts the process may hand sockets over (core/base/handed.h): those of an address that is listened on are taken
 * instead of new ones, whatever waits in them, so that between two processes nobody is refused. Where there are fewer
 * than shards, the others open theirs beside them, or share one where that cannot be (a socket unit's are another
 * user's); where there are more, shards take several, as what waits in one cannot be moved to another. And who keeps
 * sockets for the next process (listeners_store) is told which there are.
 *
 * A place is told by its serial number, of which each opening has another, so that a connection on its way between
 * shards is never taken for one of a later listener.
 */
#ifndef POSTRIDER_RECEIVE_LISTENERS_H
#define POSTRIDER_RECEIVE_LISTENERS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/ring.h"

struct config;
struct receivers;
struct shard;
struct snapshot;

/* Twice as many as a configuration may have. */
enum { LISTENER_PLACES = 128, LISTEN_BACKLOG = 1024 };

struct listening {
	struct ring_address address; /* the port known once the first shard has bound it */
	uint32_t serial;             /* 0: never used */
	_Atomic(unsigned) users;     /* sockets of shards here, or those they are to take; 0: free */
	int *fds;                    /* owned, per shard: to be taken; -1: none */
};

/* For one configuration at the start: shards open the sockets themselves, one after the other. 0 or -ENOMEM. */
int listeners_init(struct receivers *shared, const struct config *config, unsigned shard_count);
/* Those of the first snapshot are these. */
void listeners_first(const struct receivers *shared, struct snapshot *snapshot);
void listeners_deinit(struct receivers *shared);

/* For who reloads. Finds the listeners of `next` among those of `before`, and opens the others for all shards. 0, or
 * -errno with *problem; then nothing has changed. Last of all that may fail. */
int listeners_follow(struct receivers *shared, struct shard **shards, const struct snapshot *before,
		     struct snapshot *next, struct ring_problem *problem);

/* Where a snapshot's listener is. */
const struct ring_address *listeners_address(const struct receivers *shared, const struct snapshot *snapshot,
					     size_t listener);
/* Which of the snapshot's listeners it is; -1: it has it no more. */
int listeners_find(const struct snapshot *snapshot, uint32_t serial);

/* Where sockets are kept that outlive the process. It has copies of them. */
struct listeners_store {
	/* More of an address; what it has already is no second one. False: it does not keep them. */
	bool (*keep)(const struct ring_address *address, const int *fds, size_t count);
	/* All of an address. */
	void (*forget)(const struct ring_address *address);
};
/* All that shards have opened is kept, but for what a socket unit has; and what was handed over and nobody took, is
 * closed. For whoever starts the shards, when all have started and none runs. False: the store does not keep all. */
bool listeners_keep(struct receivers *shared, struct shard **shards, const struct config *config);

/* Descriptor or -errno: `why` says who has the port, or is "". Not for a fast path. */
enum { LISTENERS_WHY = 64 };
int listeners_open(struct shard *shard, const struct ring_address *address, char why[LISTENERS_WHY]);
/* The sentence for it. */
void listeners_tell(struct ring_problem *problem, const char *name, const char *address, int error, const char *why);

#endif
