/*
 * core/events/events_outbound.c - events of next hops and of what is tried there; see events.h.
 */
#include <string.h>

#include "core/base/clock.h"
#include "core/config/config.h"
#include "core/deliver/hold.h"
#include "core/events/events.h"
#include "core/events/events_private.h"
#include "core/shard/shard.h"

static void tls_fields(struct log_event *e, const struct connection *c)
{
	if (!c->tls_version[0])
		return;
	log_text(e, "tls", c->tls_version);
	log_text(e, "cipher", c->tls_cipher);
	log_bool(e, "verified", c->tls_verified);
}

void event_connection(const struct connection *c, enum stage stage, const char *reason)
{
	const struct outbound *o = c->outbound;
	struct log_event e;

	if (!o->shard->config->log_sessions)
		return;
	log_begin(&e, o->shard->log, "connection");
	log_text(&e, "destination", o->destination->name);
	log_text(&e, "host", c->host->config->text);
	tls_fields(&e, c);
	if (c->tls_version[0])
		log_bool(&e, "resumed", c->tls_resumed);
	log_number(&e, "messages", c->messages);
	log_number(&e, "octets_in", c->transport.octets_in);
	log_number(&e, "octets_out", c->transport.octets_out);
	log_number(&e, "ms", events_ms_since(o->shard, c->opened_ns));
	log_text(&e, "stage", stage_name(stage));
	log_text(&e, "reason", reason);
	log_end(&e);
}

static void address_field(struct log_event *e, const struct ring_address *at)
{
	char text[ADDRESS_TEXT_SIZE];

	log_string(e, "address", text, address_text_format(at, text));
}

void event_address_failed(const struct outbound *o, const struct host *host, const struct host_address *address,
			  enum stage stage, const char *reason, uint64_t backoff_ns)
{
	struct log_event e;

	log_begin_at(&e, o->shard->log, LOG_LEVEL_WARNING, "address_failed");
	log_text(&e, "destination", o->destination->name);
	log_text(&e, "host", host->config->text);
	address_field(&e, &address->at);
	log_text(&e, "stage", stage_name(stage));
	log_text(&e, "reason", reason);
	log_number(&e, "failures", address->failures);
	log_number(&e, "again_ms", backoff_ns / CLOCK_NS_PER_MS);
	log_end(&e);
}

void event_host_failed(const struct outbound *o, const struct host *host, const struct host_address *address,
		       enum stage stage, const char *reason, uint64_t backoff_ns)
{
	struct log_event e;

	log_begin_at(&e, o->shard->log, LOG_LEVEL_WARNING, "host_failed");
	log_text(&e, "destination", o->destination->name);
	log_text(&e, "host", host->config->text);
	if (address)
		address_field(&e, &address->at);
	log_text(&e, "stage", stage_name(stage));
	log_text(&e, "reason", reason);
	log_number(&e, "failures", host->failures);
	log_number(&e, "again_ms", backoff_ns / CLOCK_NS_PER_MS);
	log_number(&e, "waiting", o->lane.ready_count);
	log_end(&e);
}

void event_host_ok(const struct outbound *o, const struct host *host)
{
	struct log_event e;

	log_begin_at(&e, o->shard->log, LOG_LEVEL_NOTICE, "host_ok");
	log_text(&e, "destination", o->destination->name);
	log_text(&e, "host", host->config->text);
	log_number(&e, "failures", host->failures);
	log_number(&e, "ms", events_ms_since(o->shard, host->failed_ns));
	log_number(&e, "waiting", o->lane.ready_count + o->lane.heap_count);
	log_end(&e);
}

void event_fallback(const struct connection *c, enum lesson lesson, enum stage stage, unsigned code, struct span text)
{
	struct log_event e;

	log_begin_at(&e, c->outbound->shard->log, LOG_LEVEL_NOTICE, "fallback");
	log_text(&e, "destination", c->outbound->destination->name);
	log_text(&e, "host", c->host->config->text);
	log_text(&e, "without", lesson_name(lesson));
	log_text(&e, "stage", stage_name(stage));
	if (code)
		log_number(&e, "code", code);
	log_string(&e, "reply", text.data, text.length);
	log_number(&e, "for_s", LESSON_NS / CLOCK_NS_PER_S);
	log_end(&e);
}

void event_setup_refused(const struct outbound *o, const struct host *host, const struct verdict_fact *fact,
			 const struct ruling *ruling)
{
	struct log_event e;

	log_begin_at(&e, o->shard->log, LOG_LEVEL_ERROR, "setup_refused");
	log_text(&e, "destination", o->destination->name);
	log_text(&e, "host", host->config->text);
	log_text(&e, "reason", reason_name(ruling->reason));
	log_text(&e, "problem", ruling->say);
	log_text(&e, "stage", stage_name(fact->stage));
	if (fact->code)
		log_number(&e, "code", fact->code);
	log_string(&e, "reply", fact->text.data, fact->text.length);
	log_text(&e, "held", hold_in_force(host->hold) ? "all" : "message");
	log_number(&e, "waiting", o->lane.ready_count + o->lane.heap_count);
	log_end(&e);
}

void event_setup_accepted(const struct outbound *o, const struct host *host, uint64_t since_ns)
{
	struct log_event e;

	log_begin_at(&e, o->shard->log, LOG_LEVEL_NOTICE, "setup_accepted");
	log_text(&e, "destination", o->destination->name);
	log_text(&e, "host", host->config->text);
	if (since_ns)
		log_number(&e, "ms", events_ms_since(o->shard, since_ns));
	log_number(&e, "waiting", o->lane.ready_count + o->lane.heap_count);
	log_end(&e);
}

/* How an attempt ended, for all its recipients together. */
static const char *result_name(const struct outcome *outcome, const struct attempt *a)
{
	bool sent = false, deferred = false, failed = false, held = false;
	unsigned i;

	if (outcome->kind != OUTCOME_ANSWERED)
		return outcome->kind == OUTCOME_UNKNOWN ? "unknown" : outcome->again ? "interrupted" : "deferred";
	for (i = a->exchange.first; i < a->exchange.end; i++) {
		if (!exchange_pending(&a->exchange, i))
			continue;
		sent = sent || outcome->results[i] == ATTEMPT_SENT;
		held = held || outcome->results[i] == ATTEMPT_HOLD;
		failed = failed || outcome->results[i] == ATTEMPT_FAIL;
		/* NONE: was to be tried, and will be in the next transaction. */
		deferred = deferred || outcome->results[i] <= ATTEMPT_ACCEPTED || outcome->results[i] == ATTEMPT_DEFER;
	}
	if (sent)
		return failed || deferred || held ? "partial" : "delivered";
	if (held)
		return "held";
	return failed && !deferred ? "failed" : "deferred";
}

/* Somebody's mail is not delivered: nobody else will tell them. */
static enum log_level attempt_level(const char *result)
{
	if (strcmp(result, "delivered") == 0)
		return LOG_LEVEL_INFO;
	return strcmp(result, "failed") == 0 || strcmp(result, "partial") == 0 ? LOG_LEVEL_WARNING : LOG_LEVEL_NOTICE;
}

/* What was said last, or what happened. */
static void outcome_fields(struct log_event *e, const struct outcome *outcome)
{
	log_text(e, "stage", stage_name(outcome->stage));
	if (outcome->code)
		log_number(e, "code", outcome->code);
	log_string(e, "reply", outcome->reply.data, outcome->reply.length);
}

void event_attempt(const struct attempt *a, const struct outcome *outcome)
{
	const struct outbound *o = a->outbound;
	const struct mail *m = mail_of(a->delivery);
	const char *result;
	struct log_event e;

	if (!o->shard->config->log_messages || outcome->kind == OUTCOME_UNTRIED || outcome->kind == OUTCOME_DAMAGED)
		return;
	result = result_name(outcome, a);
	log_begin_at(&e, o->shard->log, attempt_level(result), "attempt");
	events_id(&e, m->item.id.high, m->item.id.low);
	log_text(&e, "result", result);
	log_text(&e, "destination", o->destination->name);
	log_text(&e, "host", a->connection->host->config->text);
	tls_fields(&e, a->connection);
	log_number(&e, "recipients", m->recipients);
	results_fields(&e, a, outcome);
	log_number(&e, "octets", m->content_length);
	if (a->exchange.undeclared)
		log_bool(&e, "undeclared_8bit", true);
	log_number(&e, "attempt", a->delivery->attempts + 1u);
	outcome_fields(&e, outcome);
	log_number(&e, "ms", a->started_ns ? events_ms_since(o->shard, a->started_ns) : 0);
	log_number(&e, "queued_ms", shard_age_ns(o->shard, m->accepted_wall_ns) / CLOCK_NS_PER_MS);
	log_end(&e);
}

void event_deferred(const struct outbound *o, const struct delivery *d, const struct outcome *outcome)
{
	uint64_t wait_ns = d->due_ns > o->shard->now_ns ? d->due_ns - o->shard->now_ns : 0;
	struct log_event e;

	if (!o->shard->config->log_messages)
		return;
	log_begin_at(&e, o->shard->log, LOG_LEVEL_NOTICE, "deferred");
	events_id(&e, mail_of(d)->item.id.high, mail_of(d)->item.id.low);
	log_text(&e, "destination", o->destination->name);
	log_number(&e, "attempts", d->attempts);
	log_time(&e, "next", clock_wall_ns() + wait_ns);
	if (d->unknown > 0)
		log_number(&e, "answers_lost", d->unknown);
	outcome_fields(&e, outcome);
	log_end(&e);
}

void event_expired(const struct outbound *o, const struct delivery *d, const struct outcome *outcome)
{
	struct log_event e;

	log_begin_at(&e, o->shard->log, LOG_LEVEL_WARNING, "expired");
	events_id(&e, mail_of(d)->item.id.high, mail_of(d)->item.id.low);
	log_text(&e, "destination", o->destination->name);
	log_number(&e, "attempts", d->attempts);
	outcome_fields(&e, outcome);
	if (outcome->attempt)
		results_pending(&e, outcome->attempt, "expired");
	log_end(&e);
}

static void damage_fields(struct log_event *e, const struct attempt *a, const char *why)
{
	const struct mail *m = mail_of(a->delivery);

	events_id(e, m->item.id.high, m->item.id.low);
	log_text(e, "destination", a->outbound->destination->name);
	log_number(e, "recipients", m->recipients);
	log_text(e, "reason", why);
}

void event_damaged(const struct attempt *a, const char *why, bool envelope)
{
	struct log_event e;

	log_begin_at(&e, a->outbound->shard->log, LOG_LEVEL_ERROR, "damaged");
	damage_fields(&e, a, why);
	log_text(&e, "problem",
		 "the disk does not give back what was written: look at it (dmesg, smartctl), and ask the sender for "
		 "the message again (event `accepted` with this id names him); it is kept, and looked at again every "
		 "hour");
	if (envelope) {
		log_string(&e, "sender", a->envelope.sender.data, a->envelope.sender.length);
		results_pending(&e, a, "held");
	}
	log_end(&e);
}

void event_unreadable(const struct attempt *a, const char *why)
{
	struct log_event e;

	log_begin_at(&e, a->outbound->shard->log, LOG_LEVEL_WARNING, "unreadable");
	damage_fields(&e, a, why);
	log_end(&e);
}
