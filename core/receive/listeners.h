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
enum { LISTENER_PLACES = 128 };

struct listening {
	struct ring_address address; /* the port known once the first shard has bound it */
	uint32_t serial;             /* 0: never used */
	_Atomic(unsigned) users;     /* shards that have a socket here, or are to take one; 0: free */
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

/* Descriptor or -errno: `why` says who has the port, or is "". Not for a fast path. */
enum { LISTENERS_WHY = 64 };
int listeners_open(struct shard *shard, const struct ring_address *address, char why[LISTENERS_WHY]);
/* The sentence for it. */
void listeners_tell(struct ring_problem *problem, const char *name, const char *address, int error, const char *why);

#endif
