/*
 * core/events/running.c - see running.h.
 */
#include "core/events/running.h"

#include <string.h>

static void problem(struct log *log, const char *event, const char *what)
{
	struct log_event e;

	log_begin_at(&e, log, LOG_LEVEL_ERROR, event);
	log_text(&e, "problem", what);
	log_end(&e);
}

void event_spool_failed(struct log *log)
{
	problem(log, "spool_failed",
		"writing to the spool failed twice: this shard answers 451 to new mail and goes on delivering what is "
		"durable; check the disk (dmesg), then restart postrider");
}

void event_segment_damaged(struct log *log, const char *file, unsigned messages)
{
	struct log_event e;

	log_begin_at(&e, log, LOG_LEVEL_ERROR, "segment_damaged");
	log_text(&e, "file", file);
	log_number(&e, "messages", messages);
	log_text(&e, "problem",
		 "records in a file of the spool cannot be read: what could be has been copied, and the file was set "
		 "aside for you; check the disk (dmesg), then see what it still has (postrider spool export)");
	log_end(&e);
}

void event_disk_full(struct log *log)
{
	problem(log, "disk_full",
		"the spool's file system has no room for another segment, or may not be written: this shard answers "
		"452 to new mail and delivers what is queued; free some space on it");
}

void event_disk_error(struct log *log, int error)
{
	struct log_event e;

	log_begin_at(&e, log, LOG_LEVEL_ERROR, "disk_error");
	log_text(&e, "reason", strerror(-error));
	log_text(&e, "problem",
		 "another segment of the spool cannot be made: when the present one is full this shard answers 452 to "
		 "new mail and delivers what is queued; it tries again each second; check the disk (dmesg)");
	log_end(&e);
}

void event_disk_ok(struct log *log, uint64_t ms)
{
	struct log_event e;

	log_begin_at(&e, log, LOG_LEVEL_NOTICE, "disk_ok");
	log_number(&e, "ms", ms);
	log_end(&e);
}

void event_certificate_renewed(struct log *log, uint64_t certificates)
{
	struct log_event e;

	log_begin_at(&e, log, LOG_LEVEL_NOTICE, "certificate_renewed");
	log_number(&e, "certificates", certificates);
	log_end(&e);
}

void event_certificate_refused(struct log *log, const char *problem)
{
	struct log_event e;

	log_begin_at(&e, log, LOG_LEVEL_ERROR, "certificate_refused");
	log_text(&e, "problem", problem);
	log_end(&e);
}

void event_certificate_ends(struct log *log, const char *file, const char *subject, const char *ends, uint64_t days,
			    bool ended)
{
	struct log_event e;

	log_begin_at(&e, log, ended || days == 0 ? LOG_LEVEL_ERROR : LOG_LEVEL_WARNING, "certificate_ends");
	log_text(&e, "file", file);
	log_text(&e, "subject", subject);
	log_text(&e, "ends", ends);
	log_number(&e, "days", days);
	log_bool(&e, "ended", ended);
	log_end(&e);
}

void event_spool_full(struct log *log, uint64_t size_max, uint64_t in_queue)
{
	struct log_event e;

	log_begin_at(&e, log, LOG_LEVEL_WARNING, "spool_full");
	log_text(
		&e, "problem",
		"the queue has reached spool.size_max: this shard answers 452 to new mail and delivers what is queued; "
		"see why mail does not leave, or write a larger size_max");
	log_number(&e, "size_max", size_max);
	log_number(&e, "in_queue", in_queue);
	log_end(&e);
}

void event_spool_ok(struct log *log, uint64_t ms)
{
	struct log_event e;

	log_begin_at(&e, log, LOG_LEVEL_NOTICE, "spool_ok");
	log_number(&e, "ms", ms);
	log_end(&e);
}

void event_shard_stuck(struct log *log, const struct event_stuck *s)
{
	struct log_event e;

	log_begin_at(&e, log, LOG_LEVEL_ERROR, "shard_stuck");
	log_number(&e, "stuck", s->shard);
	log_text(&e, "how", s->how);
	log_text(&e, "step", s->step);
	log_text(&e, "operation", s->operation);
	log_number(&e, "ms", s->ms);
	log_number(&e, "turns", s->turns);
	log_number(&e, "empty_turns", s->empty_turns);
	log_end(&e);
}

void event_shard_runs_again(struct log *log, unsigned shard, uint64_t ms)
{
	struct log_event e;

	log_begin_at(&e, log, LOG_LEVEL_NOTICE, "shard_runs_again");
	log_number(&e, "stuck", shard);
	log_number(&e, "ms", ms);
	log_end(&e);
}

void event_stats(struct log *log, const struct event_stats *s)
{
	struct log_event e;

	log_begin(&e, log, "stats");
	log_number(&e, "connections_in", s->connections_in);
	log_number(&e, "sessions_refused", s->sessions_refused);
	log_number(&e, "accepted", s->accepted);
	log_number(&e, "accepted_octets", s->accepted_octets);
	log_number(&e, "recipients", s->recipients);
	log_number(&e, "refused", s->refused);
	log_number(&e, "accept_failed", s->accept_failed);
	log_number(&e, "queued_here", s->queued_here);
	log_number(&e, "delivered", s->delivered);
	log_number(&e, "deferred", s->deferred);
	log_number(&e, "failed", s->failed);
	log_number(&e, "attempts", s->attempts);
	log_number(&e, "maybe_duplicates", s->maybe_duplicates);
	log_number(&e, "connections_out", s->connections_out);
	log_number(&e, "connections_out_now", s->connections_out_now);
	log_number(&e, "handshakes", s->handshakes);
	log_number(&e, "resumed", s->resumed);
	log_number(&e, "handoffs", s->handoffs);
	log_number(&e, "handoff_full", s->handoff_full);
	log_number(&e, "in_queue", s->in_queue);
	log_number(&e, "commits", s->commits);
	log_number(&e, "records", s->records);
	log_number(&e, "octets_written", s->octets_written);
	log_number(&e, "commit_us", s->commit_us);
	log_number(&e, "segments", s->segments);
	log_number(&e, "segments_recycled", s->segments_recycled);
	log_number(&e, "spool_failures", s->spool_failures);
	log_number(&e, "loads", s->loads);
	log_number(&e, "compacted", s->compacted);
	log_number(&e, "octets_copied", s->octets_copied);
	log_number(&e, "turns", s->turns);
	log_number(&e, "completions", s->completions);
	log_number(&e, "submissions", s->submissions);
	log_number(&e, "buffer_shortages", s->buffer_shortages);
	log_end(&e);
}

void event_events_unkept(struct log *log, const char *problem)
{
	struct log_event e;

	log_begin_at(&e, log, LOG_LEVEL_NOTICE, "events_unkept");
	log_text(&e, "problem", problem);
	log_end(&e);
}

void event_events_taken_over(struct log *log, uint64_t lines, uint64_t unsound)
{
	struct log_event e;

	log_begin_at(&e, log, LOG_LEVEL_NOTICE, "events_taken_over");
	log_number(&e, "events", lines);
	if (unsound > 0)
		log_number(&e, "unreadable", unsound);
	log_end(&e);
}
