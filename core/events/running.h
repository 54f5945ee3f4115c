/*
 * core/events/running.h - events of the process itself: its spools, its shards, its counters.
 */
#ifndef POSTRIDER_EVENTS_RUNNING_H
#define POSTRIDER_EVENTS_RUNNING_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/log.h"

void event_spool_failed(struct log *log);
void event_segment_damaged(struct log *log, const char *file, unsigned messages);
void event_disk_full(struct log *log);
void event_disk_error(struct log *log, int error);
void event_disk_ok(struct log *log, uint64_t ms);
void event_spool_full(struct log *log, uint64_t size_max, uint64_t in_queue);
void event_spool_ok(struct log *log, uint64_t ms);

void event_certificate_renewed(struct log *log, uint64_t certificates);
void event_certificate_refused(struct log *log, const char *problem);
void event_certificate_ends(struct log *log, const char *file, const char *subject, const char *ends, uint64_t days,
			    bool ended);

struct event_stuck {
	unsigned shard;
	const char *how, *step, *operation;
	uint64_t ms, turns, empty_turns;
};
void event_shard_stuck(struct log *log, const struct event_stuck *s);
void event_shard_runs_again(struct log *log, unsigned shard, uint64_t ms);

/* A shard's counters, and the spool's and the ring's. */
struct event_stats {
	uint64_t connections_in;
	uint64_t sessions_refused;
	uint64_t accepted;
	uint64_t accepted_octets;
	uint64_t recipients;
	uint64_t refused;
	uint64_t accept_failed;
	uint64_t queued_here;
	uint64_t delivered;
	uint64_t deferred;
	uint64_t failed;
	uint64_t attempts;
	uint64_t maybe_duplicates;
	uint64_t connections_out;
	uint64_t connections_out_now;
	uint64_t handshakes;
	uint64_t resumed;
	uint64_t handoffs;
	uint64_t handoff_full;
	uint64_t in_queue;
	uint64_t commits;
	uint64_t records;
	uint64_t octets_written;
	uint64_t commit_us;
	uint64_t segments;
	uint64_t segments_recycled;
	uint64_t spool_failures;
	uint64_t loads;
	uint64_t compacted, octets_copied;
	uint64_t turns;
	uint64_t completions;
	uint64_t submissions;
	uint64_t buffer_shortages;
};
void event_stats(struct log *log, const struct event_stats *s);

/* Of memory for events that outlives the process (core/base/lines_kept.h). */
void event_events_unkept(struct log *log, const char *problem);
void event_events_taken_over(struct log *log, uint64_t lines, uint64_t unsound);

#endif
