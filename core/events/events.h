/*
 * core/events/events.h - the JSON events of the relay, one function each. What an operator can search for is decided
 * here.
 */
#ifndef POSTRIDER_EVENTS_EVENTS_H
#define POSTRIDER_EVENTS_EVENTS_H

#include "core/deliver/attempt.h"
#include "core/deliver/connection.h"
#include "core/receive/session.h"
#include "core/relay/watchdog.h"

/* Receiving. */
void event_session(const struct session *s);
void event_accepted(const struct session *s, const struct submission *m);
void event_not_stored(const struct session *s, const struct submission *m);
/* `command`: as far as it could be read; verb UNKNOWN for none. `untold`: refusals of this peer that made no event. */
void event_refused(const struct session *s, const struct smtp_command *command, const char *reply, uint32_t untold);
/* Delivering. */
void event_connection(const struct connection *c, enum stage stage, const char *reason);
/* One of several addresses; or all there are. */
void event_address_failed(const struct outbound *o, const struct host *host, const struct host_address *address,
			  enum stage stage, const char *reason, uint64_t backoff_ns);
void event_host_failed(const struct outbound *o, const struct host *host, const struct host_address *address,
		       enum stage stage, const char *reason, uint64_t backoff_ns);
/* It takes messages again. */
void event_host_ok(const struct outbound *o, const struct host *host);
/* What this relay is, or its set-up, is refused; and accepted again (hold.h). */
void event_setup_refused(const struct outbound *o, const struct host *host, const struct verdict_fact *fact,
			 const struct ruling *ruling);
void event_setup_accepted(const struct outbound *o, const struct host *host, uint64_t since_ns);
/* From now on and for a while this host is dealt with without something that it offers: what it answered. */
void event_fallback(const struct connection *c, enum lesson lesson, enum stage stage, unsigned code, struct span text);
void event_attempt(const struct attempt *a, const struct outcome *outcome);
/* Once for each message and reason. */
void event_deferred(const struct outbound *o, const struct delivery *d, const struct outcome *outcome);
void event_expired(const struct outbound *o, const struct delivery *d, const struct outcome *outcome);
/* `envelope`: that can be read. */
void event_damaged(const struct attempt *a, const char *why, bool envelope);
/* What may pass by itself: no memory, no descriptors. */
void event_unreadable(const struct attempt *a, const char *why);
void event_spool_failed(struct shard *shard);
void event_segment_damaged(struct shard *shard, const char *file, unsigned messages);
void event_disk_full(struct shard *shard);
void event_disk_ok(struct shard *shard);
void event_spool_full(struct shard *shard);
void event_spool_ok(struct shard *shard);
/* From the thread that watches the shards (watch.h). */
void event_shard_stuck(struct log *log, const struct shard *shard, const struct watchdog_report *report,
		       enum ring_kind kind);
void event_shard_runs_again(struct log *log, unsigned shard, uint64_t ms);
/* A shard's counters, and the spool's and the ring's. */
void event_stats(struct shard *shard);

#endif
