/*
 * core/deliver/tell.c - see tell.h.
 */
#include "core/deliver/tell.h"

#include <stdio.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/config/config.h"
#include "core/deliver/attempt.h"
#include "core/deliver/connection.h"
#include "core/deliver/hold.h"
#include "core/deliver/outbound.h"
#include "core/deliver/results.h"
#include "core/deliver/sources.h"
#include "core/events/delivering.h"
#include "core/events/sources.h"
#include "core/events/steering.h"
#include "core/shard/shard.h"
#include "core/store/intake.h"

static struct event_host host_of(const struct outbound *o, const struct host *host)
{
	return (struct event_host){o->destination->name, host->config->text};
}

static struct event_tls tls_of(const struct connection *c)
{
	return (struct event_tls){c->tls_version, c->tls_cipher, c->tls_had.proofs != 0,
				  tls_proof_name(c->tls_had.proofs)};
}

void tell_connection(const struct connection *c, enum stage stage, const char *reason)
{
	const struct outbound *o = c->outbound;
	struct event_connection facts;

	if (!o->shard->config->log_sessions)
		return;
	facts = (struct event_connection){
		.at = host_of(o, c->host),
		.mailbox = c->mailbox ? c->mailbox->user : NULL,
		.source = c->source ? c->source->text : NULL,
		.tls = tls_of(c),
		.resumed = c->tls_resumed,
		.policy = tls_level_name(c->tls_need.level),
		.unverified = c->tls_doubt,
		.messages = c->messages,
		.octets_in = c->transport.octets_in,
		.octets_out = c->transport.octets_out,
		.ms = shard_ms_since(o->shard, c->opened_ns),
		.stage = stage_name(stage),
		.reason = reason,
	};
	event_connection(o->shard->log, &facts);
}

static struct event_failed failed(const struct outbound *o, const struct host *host, const struct host_address *address,
				  enum stage stage, const char *reason, uint64_t backoff_ns)
{
	return (struct event_failed){
		.at = host_of(o, host),
		.address = address ? &address->at : NULL,
		.stage = stage_name(stage),
		.reason = reason,
		.again_ms = backoff_ns / CLOCK_NS_PER_MS,
	};
}

void tell_address_failed(const struct outbound *o, const struct host *host, const struct host_address *address,
			 enum stage stage, const char *reason, uint64_t backoff_ns)
{
	struct event_failed facts = failed(o, host, address, stage, reason, backoff_ns);

	facts.failures = address->failures;
	event_address_failed(o->shard->log, &facts);
}

void tell_host_failed(const struct outbound *o, const struct host *host, const struct host_address *address,
		      enum stage stage, const char *reason, uint64_t backoff_ns)
{
	struct event_failed facts = failed(o, host, address, stage, reason, backoff_ns);

	facts.failures = host->failures;
	event_host_failed(o->shard->log, &facts, outbound_waiting(o));
}

void tell_exchangers(const struct outbound *o, const char *domain, const struct config_host *hosts, size_t count)
{
	char names[1024];
	size_t n = 0, i;

	for (i = 0; i < count && n < sizeof(names); i++)
		n += (size_t)snprintf(names + n, sizeof(names) - n, "%s%s", i ? ", " : "", hosts[i].text);
	event_exchangers(o->shard->log, o->destination->name, domain, names);
}

void tell_exchangers_failed(const struct outbound *o, const char *domain, const char *problem, bool kept,
			    uint64_t again_ns)
{
	event_exchangers_failed(o->shard->log, o->destination->name, domain, problem, kept, again_ns / CLOCK_NS_PER_MS,
				outbound_waiting(o));
}

void tell_domain_failed(const struct outbound *o, const char *domain, const char *problem, bool kept, uint64_t again_ns)
{
	event_domain_failed(o->shard->log, o->destination->name, domain, problem, kept, again_ns / CLOCK_NS_PER_MS);
}

void tell_exchanger_refused(const struct outbound *o, const char *domain, const char *host)
{
	event_exchanger_refused(o->shard->log, o->destination->name, domain, host);
}

void tell_sts_policy(const struct outbound *o, const char *domain, const struct sts_policy *policy)
{
	const struct event_sts_policy event = {.destination = o->destination->name,
					       .domain = domain,
					       .mode = mta_sts_mode_name(policy->policy->mode),
					       .id = policy->id,
					       .hosts = policy->policy->pattern_count,
					       .max_age_s = policy->policy->max_age_s,
					       .end_s = policy->end_s};

	event_sts_policy(o->shard->log, &event);
}

void tell_sts_failed(const struct outbound *o, const char *domain, const char *problem, bool in_force)
{
	event_sts_failed(o->shard->log, o->destination->name, domain, problem, in_force);
}

void tell_host_ok(const struct outbound *o, const struct host *host)
{
	event_host_ok(o->shard->log, host_of(o, host), host->failures, shard_ms_since(o->shard, host->failed_ns),
		      outbound_waiting(o));
}

void tell_fallback(const struct connection *c, enum lesson lesson, enum stage stage, unsigned code, struct span text)
{
	struct event_reply reply = {.stage = stage_name(stage), .code = code, .text = text};

	event_fallback(c->outbound->shard->log, host_of(c->outbound, c->host), lesson_name(lesson), &reply,
		       lesson_life_ns(lesson) / CLOCK_NS_PER_S);
}

void tell_tls_lost(const struct connection *c, const char *what, const char *reason, uint64_t had_ns)
{
	const struct outbound *o = c->outbound;

	event_tls_lost(o->shard->log, host_of(o, c->host), what, reason, shard_ms_since(o->shard, had_ns),
		       tls_need_bears_clear(&c->tls_need));
}

void tell_setup_refused(const struct outbound *o, const struct host *host, const struct verdict_fact *fact,
			const struct ruling *ruling)
{
	struct event_reply reply = {.stage = stage_name(fact->stage), .code = fact->code, .text = fact->text};

	event_setup_refused(o->shard->log, host_of(o, host), reason_name(ruling->reason), ruling->say, &reply,
			    hold_in_force(host->hold), outbound_waiting(o));
}

void tell_setup_accepted(const struct outbound *o, const struct host *host, uint64_t since_ns)
{
	event_setup_accepted(o->shard->log, host_of(o, host), since_ns ? shard_ms_since(o->shard, since_ns) : 0,
			     outbound_waiting(o));
}

void tell_budget_spent(const struct outbound *o, const char *whose, unsigned allowed, bool damaged, uint64_t wait_s)
{
	event_budget_spent(o->shard->log, o->destination->name, whose, allowed,
			   damaged ? "its file in the spool directory could not be read, so all of it counts as spent "
				     "when this process started"
				   : NULL,
			   wait_s, outbound_waiting(o));
}

void tell_budget_unwritten(const struct outbound *o, int error)
{
	event_budget_unwritten(o->shard->log, o->destination->name, strerror(-error), outbound_waiting(o));
}

void tell_slowed(const struct outbound *o, const struct host *host, const struct mailbox *mailbox, const char *scope,
		 unsigned times, const struct verdict_fact *fact, const struct ruling *ruling)
{
	struct event_reply reply = {
		.stage = stage_name(fact->stage), .code = fact->code, .text = fact->text, .problem = ruling->say};

	event_slowed(o->shard->log, host_of(o, host), mailbox ? mailbox->user : "", scope, times, ruling->slow_s,
		     &reply, outbound_waiting(o));
}

void tell_mailbox_held(const struct connection *c, enum mailbox_trouble trouble, const struct verdict_fact *fact,
		       const struct ruling *ruling, uint64_t again_ns)
{
	bool login = fact->stage == STAGE_AUTH;
	const struct event_mailbox facts = {
		.at = host_of(c->outbound, c->host),
		.mailbox = c->mailbox->user,
		.mechanism = login ? sasl_name(c->setup.sasl.mechanism) : "",
		.challenge = login ? c->setup.sasl.challenge : "",
		.reason = reason_name(ruling->reason),
		.problem = ruling->say ? ruling->say : "",
		.reply = {.stage = stage_name(fact->stage), .code = fact->code, .text = fact->text},
		.again_ms = again_ns / CLOCK_NS_PER_MS,
		.waiting = outbound_waiting(c->outbound),
	};

	if (trouble == MAILBOX_LATER)
		event_mailbox_deferred(c->outbound->shard->log, &facts);
	else
		event_mailbox_refused(c->outbound->shard->log, &facts);
}

void tell_mailbox_ok(const struct connection *c, uint64_t held_ns)
{
	event_mailbox_accepted(c->outbound->shard->log, host_of(c->outbound, c->host), c->mailbox->user,
			       held_ns / CLOCK_NS_PER_MS, outbound_waiting(c->outbound));
}

void tell_source_failed(const struct outbound *o, const struct config_source *source, int error)
{
	event_source_failed(o->shard->log, o->destination->name, source->text, strerror(-error), SOURCE_PAUSE_MS,
			    outbound_waiting(o));
}

void tell_source_ok(const struct outbound *o, const struct config_source *source, uint64_t since_ns)
{
	event_source_ok(o->shard->log, o->destination->name, source->text, shard_ms_since(o->shard, since_ns));
}

void tell_path_changed(const struct outbound *o, const char *why)
{
	const char *problem = o->failure;

	if (strcmp(why, "limits") == 0)
		problem = "its limits let nothing go for more than a minute";
	else if (strcmp(why, "sign_in") == 0)
		problem = "no mailbox can sign in: see the events mailbox_refused and mailbox_deferred";
	event_path_changed(o->shard->log, o->destination->name, o->other->destination->name, why, problem,
			   outbound_waiting(o));
}

void tell_path_restored(const struct outbound *o)
{
	/* The configuration may have another one by now, or none. */
	event_path_restored(o->shard->log, o->destination->name, o->other ? o->other->destination->name : "",
			    shard_ms_since(o->shard, o->away_ns));
}

/* How an attempt ended, for all its recipients together. */
static const char *result_name(const struct outcome *outcome, const struct attempt *a)
{
	bool sent = false, deferred = false, failed = false, held = false, aside = false;
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
		aside = aside || outcome->results[i] == ATTEMPT_OTHER_PATH;
	}
	if (sent)
		return failed || deferred || held || aside ? "partial" : "delivered";
	if (held)
		return "held";
	if (aside && !failed && !deferred)
		return "other_path";
	return failed && !deferred && !aside ? "failed" : "deferred";
}

/* With the sentence of the rule that fits it, if any does. The rules are asked again: those that were asked when the
 * reply came may be gone with their configuration. */
static struct event_reply reply_of(const struct outbound *o, const struct outcome *outcome)
{
	const struct verdict_fact fact = {outcome->stage, outcome->code, outcome->reply};

	return (struct event_reply){
		.stage = stage_name(outcome->stage),
		.code = outcome->code,
		.text = outcome->reply,
		.problem = verdict_judge(&fact, o->destination->rules).say,
	};
}

void tell_attempt(const struct attempt *a, const struct outcome *outcome)
{
	const struct outbound *o = a->outbound;
	const struct delivery *d = a->delivery;
	const struct connection *c = a->connection;
	struct event_recipients recipients;
	struct event_attempt facts;

	if (!o->shard->config->log_messages || outcome->kind == OUTCOME_UNTRIED || outcome->kind == OUTCOME_DAMAGED)
		return;
	facts = (struct event_attempt){
		.id = delivery_message_id(mail_of(d)->item.id),
		.result = result_name(outcome, a),
		.at = c ? host_of(o, c->host) : (struct event_host){o->destination->name, a->target},
		.mailbox = c && c->mailbox ? c->mailbox->user : NULL,
		.source = c && c->source ? c->source->text : NULL,
		.instead_of = d->home && !o->mx ? o->shard->deliverer->outbound[d->home - 1].destination->name : NULL,
		.tls = c ? tls_of(c) : (struct event_tls){0},
		.recipients = mail_of(d)->recipients,
		.octets = mail_of(d)->content_length,
		.attempt = d->attempts + 1u,
		.ms = a->started_ns ? shard_ms_since(o->shard, a->started_ns) : 0,
		.queued_ms = shard_age_ns(o->shard, mail_of(d)->accepted_wall_ns) / CLOCK_NS_PER_MS,
		.undeclared_8bit = a->exchange.undeclared,
		.converted = a->converted,
		.rewritten = a->rewriting && a->rewriting->facts.changed,
		.signature_broken = a->rewriting && a->rewriting->facts.from_changed && a->rewriting->facts.signed_,
		.reply = reply_of(o, outcome),
	};
	results_told(a, outcome, &recipients);
	event_attempt(o->shard->log, &facts, &recipients);
}

void tell_deferred(const struct outbound *o, const struct delivery *d, const struct outcome *outcome)
{
	uint64_t wait_ns = d->due_ns > o->shard->now_ns ? d->due_ns - o->shard->now_ns : 0;
	struct event_reply reply = reply_of(o, outcome);

	if (!o->shard->config->log_messages)
		return;
	event_deferred(o->shard->log, delivery_message_id(mail_of(d)->item.id), o->destination->name, d->attempts,
		       clock_wall_ns() + wait_ns, d->unknown, &reply);
}

void tell_expired(const struct outbound *o, const struct delivery *d, const struct outcome *outcome)
{
	struct event_reply reply = reply_of(o, outcome);
	struct event_recipients recipients;

	results_pending(outcome->attempt, "expired", &recipients);
	event_expired(o->shard->log, delivery_message_id(mail_of(d)->item.id), o->destination->name, d->attempts,
		      &reply, &recipients);
}

void tell_damaged(const struct attempt *a, const char *why, bool envelope)
{
	const struct delivery *d = a->delivery;
	struct span sender = {NULL, 0};
	struct event_recipients recipients;

	results_pending(envelope ? a : NULL, "held", &recipients);
	if (envelope)
		sender = a->envelope.sender;
	event_damaged(a->outbound->shard->log, delivery_message_id(mail_of(d)->item.id), a->outbound->destination->name,
		      mail_of(d)->recipients, why, sender, &recipients);
}

void tell_unreadable(const struct attempt *a, const char *why)
{
	const struct delivery *d = a->delivery;

	event_unreadable(a->outbound->shard->log, delivery_message_id(mail_of(d)->item.id),
			 a->outbound->destination->name, mail_of(d)->recipients, why);
}

void tell_suspensions_over(struct shard *shard)
{
	char destination[SUSPEND_NAME], domain[SUSPEND_NAME];

	while (suspend_over(&shard->deliverer->shared->suspensions, shard->now_ns, destination, domain))
		event_destination_resumed(shard->log, destination, domain, "its time is over", 0);
}
