/*
 * core/receive/listen.h - the listening sockets of a shard.
 *
 * Each shard listens on every address of the configuration (SO_REUSEPORT) and the kernel chooses which of them gets a
 * new connection; which shard serves it, load_connection() says, and the descriptor goes there by post. Out of
 * descriptors, accepting pauses a moment and goes on (P9). Which addresses there are, and how that changes while the
 * process runs, is in listeners.h.
 */
#ifndef POSTRIDER_RECEIVE_LISTEN_H
#define POSTRIDER_RECEIVE_LISTEN_H

#include <stdbool.h>

#include "core/base/list.h"
#include "core/base/ring.h"
#include "core/base/wheel.h"

struct listening;
struct shard;
struct snapshot;

struct listener {
	struct shard *shard;
	struct ring_op accept_op, close_op;
	struct wheel_timer retry;
	int fd;                  /* -1: there is none here */
	uint32_t serial;         /* as `place` had it when it was opened */
	struct listening *place; /* listeners.h */
	struct list link;        /* of a second one: in more_listeners */
	bool leaving, cancelled;
	bool lent; /* a socket unit's */
};

/* Opens the sockets; what comes waits in the kernel. 0 or -errno with *problem. */
int accept_listen(struct shard *shard, struct ring_problem *problem);
/* Mail comes in only when every shard is there to own it. */
void accept_start(struct shard *shard);
/* This snapshot's new sessions come from now on: takes the sockets it was given, closes those that are gone from it. */
void accept_follow(struct shard *shard, const struct snapshot *snapshot);
/* Closes them; accept_stopped() says when it is done. */
void accept_stop(struct shard *shard);
bool accept_stopped(const struct shard *shard);
/* Memory only. */
void accept_free(struct shard *shard);

#endif
