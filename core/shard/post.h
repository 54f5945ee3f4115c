/*
 * core/shard/post.h - what crosses from shard to shard, and what a shard leaves for itself until the end of what it is
 * at.
 *
 * A post says to which shard it goes and carries the function that takes it there, as an operation of the ring carries
 * its callback. Who sends it owns the memory, and must not touch it until it comes back (or until whoever took it gives
 * it away).
 *
 * A post to the own shard waits for post_collect() in the same turn, too: no function that sends one runs what it leads
 * to. Posts from one shard to another arrive in the order in which they were sent.
 */
#ifndef POSTRIDER_RELAY_POST_H
#define POSTRIDER_RELAY_POST_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/list.h"

struct shard;
struct post;

/* Runs on the shard it was sent to. The post is off every list. */
typedef void post_fn(struct shard *shard, struct post *post);

struct post {
	struct list link; /* where it waits */
	post_fn *fn;
	uint16_t to; /* shard */
};

/* Memory only. 0 or -ENOMEM. */
int post_init(struct shard *shard);
void post_deinit(struct shard *shard);
/* When the shard has its ring. */
void post_start(struct shard *shard);
/* No doorbell is under way: the ring may be closed. */
bool post_idle(const struct shard *shard);
/* None waits here for room on its way to another shard. */
bool post_sent(const struct shard *shard);
/* `post->to` and `post->fn` are set, and it is on no list. */
void post_send(struct shard *shard, struct post *post);
/* Once per turn: what other shards sent, then what this one left for itself, and what that leads to. */
void post_collect(struct shard *shard);
/* What this shard has left for itself since then. */
void post_collect_own(struct shard *shard);
/* Once per turn, at its end: sends what found no room before, rings bells. */
void post_publish(struct shard *shard);

#endif
