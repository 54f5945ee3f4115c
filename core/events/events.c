/*
 * core/events/events.c - see events.h.
 */
#include "core/events/events.h"

#include <string.h>

#include "core/base/clock.h"
#include "core/config/config.h"
#include "core/deliver/deliverer.h"
#include "core/events/events_private.h"
#include "core/receive/receiver.h"
#include "core/receive/refusals.h"
#include "core/relay/watchdog.h"
#include "core/route/plan.h"
#include "core/shard/shard.h"
#include "core/store/store.h"

void events_id(struct log_event *e, uint64_t high, uint64_t low)
{
	char id[MESSAGE_ID_TEXT];

	message_id_text(delivery_message_id((struct spool_id){high, low}), id);
	log_string(e, "id", id, sizeof(id));
}

uint64_t events_ms_since(const struct shard *shard, uint64_t then_ns)
{
	return shard->now_ns > then_ns ? (shard->now_ns - then_ns) / CLOCK_NS_PER_MS : 0;
}

static const char *client_name(const struct session *s)
{
	return s->client >= 0 ? s->shard->config->clients[s->client].name : "";
}

static const char *session_stage(const struct session *s)
{
	static const char *const names[SESSION_STAGES] = {
		[SESSION_STAGE_NONE] = "greeting",
		[SMTP_EHLO] = "ehlo",
		[SMTP_HELO] = "helo",
		[SMTP_MAIL] = "mail",
		[SMTP_RCPT] = "rcpt",
		[SMTP_DATA] = "data",
		[SMTP_BDAT] = "bdat",
		[SMTP_RSET] = "rset",
		[SMTP_NOOP] = "noop",
		[SMTP_VRFY] = "vrfy",
		[SMTP_EXPN] = "expn",
		[SMTP_HELP] = "help",
		[SMTP_QUIT] = "quit",
		[SMTP_STARTTLS] = "starttls",
		[SMTP_AUTH] = "auth",
		[SMTP_FOREIGN] = "foreign",
		[SESSION_STAGE_CONTENT] = "content",
	};

	return names[s->stage];
}

void event_session(const struct session *s)
{
	const struct config *config = s->shard->config;
	struct log_event e;

	if (!config->log_sessions)
		return;
	log_begin(&e, s->shard->log, "session");
	log_text(&e, "listener", config->listeners[s->listener].name);
	log_string(&e, "peer", s->peer, s->peer_length);
	log_text(&e, "client", client_name(s));
	if (s->helo)
		log_string(&e, "helo", s->helo, s->helo_length);
	log_number(&e, "messages", s->messages);
	log_number(&e, "commands", s->commands);
	log_number(&e, "errors", s->errors);
	log_number(&e, "octets_in", s->transport.octets_in);
	log_number(&e, "octets_out", s->transport.octets_out);
	log_number(&e, "ms", events_ms_since(s->shard, s->opened_ns));
	log_number(&e, "refusals", s->refusals);
	if (s->untold > 0)
		log_number(&e, "untold", s->untold);
	log_text(&e, "stage", session_stage(s));
	if (s->last_reply)
		log_string(&e, "reply", s->last_reply, strcspn(s->last_reply, "\r"));
	log_text(&e, "reason", s->end_reason ? s->end_reason : "");
	log_end(&e);
}

static void message_fields(struct log_event *e, const struct session *s, const struct submission *m)
{
	log_string(e, "peer", s->peer, s->peer_length);
	log_text(e, "client", client_name(s));
	log_string(e, "sender", m->letter.text, m->letter.sender_length);
	log_number(e, "recipients", m->recipients);
	log_number(e, "octets", m->letter.content_length);
}

void event_accepted(const struct session *s, const struct submission *m)
{
	const char *first = m->letter.text + m->letter.sender_length + m->letter.helo_length;
	struct log_event e;
	uint16_t head[2];

	if (!s->shard->config->log_messages)
		return;
	memcpy(head, first, sizeof(head));
	log_begin(&e, s->shard->log, "accepted");
	events_id(&e, m->letter.id.high, m->letter.id.low);
	message_fields(&e, s, m);
	log_string(&e, "recipient", first + sizeof(head), head[1]);
	log_text(&e, "destination", s->shard->config->destinations[head[0]].name);
	if (m->field_length > 0)
		log_string(&e, "message_id", m->field, m->field_length);
	log_number(&e, "ms", events_ms_since(s->shard, m->started_ns));
	log_end(&e);
}

void event_not_stored(const struct session *s, const struct submission *m)
{
	struct log_event e;

	log_begin_at(&e, s->shard->log, LOG_LEVEL_WARNING, "not_stored");
	events_id(&e, m->letter.id.high, m->letter.id.low);
	message_fields(&e, s, m);
	log_text(&e, "error", strerror(-m->result));
	log_end(&e);
}

/* Who it speaks about, as far as it is known. */
static void transaction_fields(struct log_event *e, const struct session *s, const struct smtp_command *command)
{
	const struct submission *m = s->message;

	if (m)
		log_string(e, "sender", m->letter.text, m->letter.sender_length);
	else if (command->verb == SMTP_MAIL && command->address.data)
		log_string(e, "sender", command->address.data, command->address.length);
	if (command->verb == SMTP_RCPT && command->address.length > 0)
		log_string(e, "recipient", command->address.data, command->address.length);
	if (m)
		log_number(e, "recipients", m->recipients);
	if (m && s->stage == SESSION_STAGE_CONTENT)
		log_number(e, "octets", m->letter.content_length);
}

void event_refused(const struct session *s, const struct smtp_command *command, const char *reply, uint32_t untold)
{
	const struct config *config = s->shard->config;
	struct span shown = refusals_command(s->shard->receiver->asked, command->verb, s->stage == SMTP_AUTH);
	struct log_event e;

	log_begin_at(&e, s->shard->log, LOG_LEVEL_NOTICE, "refused");
	log_text(&e, "listener", config->listeners[s->listener].name);
	log_string(&e, "peer", s->peer, s->peer_length);
	log_text(&e, "client", client_name(s));
	log_text(&e, "stage", session_stage(s));
	log_string(&e, "reply", reply, strlen(reply) - 2);
	transaction_fields(&e, s, command);
	if (untold > 0)
		log_number(&e, "untold", untold);
	if (shown.length > 0)
		log_string(&e, "command", shown.data, shown.length);
	log_end(&e);
}

static void problem(struct shard *shard, const char *event, const char *what)
{
	struct log_event e;

	log_begin_at(&e, shard->log, LOG_LEVEL_ERROR, event);
	log_text(&e, "problem", what);
	log_end(&e);
}

void event_spool_failed(struct shard *shard)
{
	problem(shard, "spool_failed",
		"writing to the spool failed twice: this shard answers 451 to new mail and goes on delivering what is "
		"durable; check the disk (dmesg), then restart postrider");
}

void event_segment_damaged(struct shard *shard, const char *file, unsigned messages)
{
	struct log_event e;

	log_begin_at(&e, shard->log, LOG_LEVEL_ERROR, "segment_damaged");
	log_text(&e, "file", file);
	log_number(&e, "messages", messages);
	log_text(&e, "problem",
		 "records in a file of the spool cannot be read: what could be has been copied, and the file was set "
		 "aside for you; check the disk (dmesg), then see what it still has (postrider spool export)");
	log_end(&e);
}

void event_disk_full(struct shard *shard)
{
	problem(shard, "disk_full",
		"the spool's file system has no room for another segment, or may not be written: this shard answers "
		"452 to new mail and delivers what is queued; free some space on it");
}

void event_disk_ok(struct shard *shard)
{
	struct log_event e;

	log_begin_at(&e, shard->log, LOG_LEVEL_NOTICE, "disk_ok");
	log_number(&e, "ms", events_ms_since(shard, shard->store->disk_full.since_ns));
	log_end(&e);
}

void event_spool_full(struct shard *shard)
{
	struct log_event e;

	log_begin_at(&e, shard->log, LOG_LEVEL_WARNING, "spool_full");
	log_text(
		&e, "problem",
		"the queue has reached spool.size_max: this shard answers 452 to new mail and delivers what is queued; "
		"see why mail does not leave, or write a larger size_max");
	log_number(&e, "size_max", shard->config->spool.size_max);
	log_number(&e, "in_queue", shard->store->mails.in_use);
	log_end(&e);
}

void event_spool_ok(struct shard *shard)
{
	struct log_event e;

	log_begin_at(&e, shard->log, LOG_LEVEL_NOTICE, "spool_ok");
	log_number(&e, "ms", events_ms_since(shard, shard->store->size_full.since_ns));
	log_end(&e);
}

void event_shard_stuck(struct log *log, const struct shard *shard, const struct watchdog_report *report,
		       enum ring_kind kind)
{
	static const char *const steps[SHARD_STEPS] = {
		[SHARD_RING] = "ring",     [SHARD_TIMERS] = "timers", [SHARD_ITEMS] = "items",
		[SHARD_SETTLE] = "settle", [SHARD_COMMIT] = "commit", [SHARD_LANES] = "lanes",
		[SHARD_SEND] = "send",     [SHARD_ENDED] = "ended",
	};
	const struct ring_pulse *pulse = ring_pulse(shard->ring);
	struct log_event e;

	log_begin_at(&e, log, LOG_LEVEL_ERROR, "shard_stuck");
	log_number(&e, "stuck", shard->index);
	log_text(&e, "how", report->state == WATCHDOG_HANGS ? "hangs" : "spins");
	log_text(&e, "step", steps[atomic_load_explicit(&shard->step, memory_order_relaxed)]);
	log_text(&e, "operation", ring_kind_name(kind));
	log_number(&e, "ms", report->ms);
	log_number(&e, "turns", counter_get(&pulse->turns));
	log_number(&e, "empty_turns", counter_get(&pulse->empty_turns));
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

void event_stats(struct shard *shard)
{
	const struct receiver_counters *in = &shard->receiver->counters;
	const struct store_counters *here = &shard->store->counters;
	const struct deliverer_counters *out = &shard->deliverer->counters;
	struct spool_stats spool;
	struct ring_stats ring;
	struct log_event e;
	unsigned i, connections = 0;

	spool_stats(shard->store->spool, &spool);
	ring_stats(shard->ring, &ring);
	for (i = 0; i < shard->plan->lane_count; i++)
		connections += shard->deliverer->outbound[i].connection_count;
	log_begin(&e, shard->log, "stats");
	log_number(&e, "connections_in", counter_get(&in->connections_in));
	log_number(&e, "sessions_refused", counter_get(&in->sessions_refused));
	log_number(&e, "accepted", counter_get(&in->accepted));
	log_number(&e, "accepted_octets", counter_get(&in->accepted_octets));
	log_number(&e, "recipients", counter_get(&in->recipients));
	log_number(&e, "refused", counter_get(&in->refused));
	log_number(&e, "accept_failed", counter_get(&here->accept_failed));
	log_number(&e, "queued_here", counter_get(&here->queued));
	log_number(&e, "delivered", counter_get(&out->delivered));
	log_number(&e, "deferred", counter_get(&out->deferred));
	log_number(&e, "failed", counter_get(&out->failed));
	log_number(&e, "attempts", counter_get(&out->attempts));
	log_number(&e, "maybe_duplicates", counter_get(&here->maybe_duplicates));
	log_number(&e, "connections_out", counter_get(&out->connections_out));
	log_number(&e, "connections_out_now", connections);
	log_number(&e, "handshakes", counter_get(&out->handshakes));
	log_number(&e, "resumed", counter_get(&out->resumed));
	log_number(&e, "handoffs", counter_get(&shard->counters.handoffs));
	log_number(&e, "handoff_full", counter_get(&shard->counters.handoff_full));
	log_number(&e, "in_queue", shard->store->mails.in_use);
	log_number(&e, "commits", spool.commits);
	log_number(&e, "records", spool.records);
	log_number(&e, "octets_written", spool.octets_written);
	log_number(&e, "commit_us", spool.commit_ns_last / 1000);
	log_number(&e, "segments", spool.segments);
	log_number(&e, "segments_recycled", spool.segments_recycled);
	log_number(&e, "spool_failures", spool.failures);
	log_number(&e, "loads", spool.loads);
	log_number(&e, "compacted", spool.compacted);
	log_number(&e, "turns", ring.turns);
	log_number(&e, "completions", ring.completions);
	log_number(&e, "submissions", ring.submissions);
	log_number(&e, "buffer_shortages", ring.buffer_shortages);
	log_end(&e);
}
