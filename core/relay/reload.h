/*
 * core/relay/reload.h - the configuration of a running process: snapshots, and how shards go from one to the next.
 *
 *     file -> config -> config_succeed() -> snapshot (TLS contexts, counts, places for lanes): complete or not at all
 *                                              |  published: shard->next
 *                       each shard, at the begin of a turn: its lanes go by it ........ prepared
 *                       when all shards are prepared: its new sessions go by it ....... taken
 *                       when its last session of the one before has gone .............. done
 *
 * Two steps, because a session of one shard may send a message to a lane of another, which must know the lane by then.
 * Sessions keep the snapshot they began with. Connections keep their TLS (tls/tls.h counts contexts), and those to
 * hosts that are gone, or made under another policy, end when what they carry is done; attempts go on. What is told by
 * name stays: lanes and their mail, hosts and what was learned of them, holds, what counts toward a client's limit.
 *
 * All here is for one thread, which is none of the shards'; but for reload_step() and reload_under_way().
 */
#ifndef POSTRIDER_RELAY_RELOAD_H
#define POSTRIDER_RELAY_RELOAD_H

#include <stdbool.h>
#include <stddef.h>

#include "core/config/problems.h"

struct config;
struct relay;
struct shard;
struct snapshot;

/* The first one. The configuration stays the caller's. 0 or -ENOMEM; then tls_policies_make() fills in its contexts. */
int reload_first(struct relay *relay, const struct config *config);
/* Before any shard runs: a place and lanes for a destination that mail in the spool is for, and the configuration does
 * not have, so that a reload can bring it back. Its index, or -1: no room, no memory. */
int reload_add_gone(struct relay *relay, const char *name, size_t length);
/* When recovery has found all mail: they need as many lanes as have some, so that no more connections are asked for. */
void reload_trim_gone(struct relay *relay);
/* Takes over `next` if it may follow; shards take it when they are woken, or at their next turn. False: nothing has
 * changed, *problems says why not, and `next` is the caller's still. Not while a reload is under way. */
bool reload_begin(struct relay *relay, struct config *next, struct config_problems *problems);
/* All lanes go by the newest one. */
bool reload_prepared(const struct relay *relay);
/* Not all shards have taken the newest one. */
bool reload_under_way(const struct relay *relay);
/* Frees those that nobody uses any more; returns how many there are. */
unsigned reload_sweep(struct relay *relay);
/* When no shard runs any more. */
void reload_end(struct relay *relay);

/* A shard's side: at the begin of each turn. True: shard->config is another one now. */
bool reload_step(struct shard *shard);

#endif
