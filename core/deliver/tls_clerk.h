/*
 * core/deliver/tls_clerk.h - what a shard does for reports about TLS: it hands over what it has counted, and the first
 * one asks the DNS and takes letters into the spool for the agent that makes them (core/agents/tls_reports.h).
 *
 * A letter is a message like any other, but that it goes on though TLS fails on its way (RFC 8460 3,
 * ENVELOPE_TLS_FREE), that such a session is not counted in turn, and that nobody is told what becomes of it: so
 * reports make no reports.
 */
#ifndef POSTRIDER_DELIVER_TLS_CLERK_H
#define POSTRIDER_DELIVER_TLS_CLERK_H

#include "core/agents/tls_count.h"

struct shard;
struct tls_clerk;

/* Memory only. 0 or -ENOMEM. */
int tls_clerk_init(struct shard *shard);
/* On the shard's own thread. */
void tls_clerk_start(struct shard *shard);
/* The shard's configuration is another one. */
void tls_clerk_follow(struct shard *shard);
/* No question may come back any more. */
void tls_clerk_deinit(struct shard *shard);
/* One session. */
void tls_clerk_count(struct shard *shard, const struct tls_seen *seen);
/* Draining: what was counted is handed over, and no more letters are taken. */
void tls_clerk_drain(struct shard *shard);

#endif
