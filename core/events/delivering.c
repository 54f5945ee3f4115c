/*
 * core/events/delivering.c - see delivering.h.
 */
#include "core/events/delivering.h"

#include <string.h>

#include "core/base/address_text.h"
#include "core/events/fields.h"

/* ---- hosts -------------------------------------------------------------------------------------------------- */

static void host_fields(struct log_event *e, struct event_host at)
{
	log_text(e, "destination", at.destination);
	log_text(e, "host", at.host);
}

static void tls_fields(struct log_event *e, const struct event_tls *tls)
{
	if (!tls->version || !tls->version[0])
		return;
	log_text(e, "tls", tls->version);
	log_text(e, "cipher", tls->cipher);
	log_bool(e, "verified", tls->verified);
	if (tls->proof[0])
		log_text(e, "proof", tls->proof);
}

static void reply_fields(struct log_event *e, const struct event_reply *reply)
{
	log_text(e, "stage", reply->stage);
	if (reply->code)
		log_number(e, "code", reply->code);
	log_string(e, "reply", reply->text.data, reply->text.length);
}

static void problem_field(struct log_event *e, const struct event_reply *reply)
{
	if (reply->problem)
		log_text(e, "problem", reply->problem);
}

void event_connection(struct log *log, const struct event_connection *c)
{
	struct log_event e;

	log_begin(&e, log, "connection");
	host_fields(&e, c->at);
	if (c->mailbox)
		log_text(&e, "mailbox", c->mailbox);
	if (c->source)
		log_text(&e, "source", c->source);
	tls_fields(&e, &c->tls);
	if (c->tls.version[0])
		log_bool(&e, "resumed", c->resumed);
	if (c->tls.version[0] && c->unverified[0])
		log_text(&e, "unverified", c->unverified);
	log_text(&e, "policy", c->policy);
	log_number(&e, "messages", c->messages);
	log_number(&e, "octets_in", c->octets_in);
	log_number(&e, "octets_out", c->octets_out);
	log_number(&e, "ms", c->ms);
	log_text(&e, "stage", c->stage);
	log_text(&e, "reason", c->reason);
	log_end(&e);
}

static void failed_fields(struct log_event *e, const struct event_failed *f)
{
	char text[ADDRESS_TEXT_SIZE];

	host_fields(e, f->at);
	if (f->address)
		log_string(e, "address", text, address_text_format(f->address, text));
	log_text(e, "stage", f->stage);
	log_text(e, "reason", f->reason);
	log_number(e, "failures", f->failures);
	log_number(e, "again_ms", f->again_ms);
}

void event_address_failed(struct log *log, const struct event_failed *f)
{
	struct log_event e;

	log_begin_at(&e, log, LOG_LEVEL_WARNING, "address_failed");
	failed_fields(&e, f);
	log_end(&e);
}

void event_host_failed(struct log *log, const struct event_failed *f, uint64_t waiting)
{
	struct log_event e;

	log_begin_at(&e, log, LOG_LEVEL_WARNING, "host_failed");
	failed_fields(&e, f);
	log_number(&e, "waiting", waiting);
	log_end(&e);
}

void event_exchangers(struct log *log, const char *destination, const char *domain, const char *hosts)
{
	struct log_event e;

	log_begin_at(&e, log, LOG_LEVEL_NOTICE, "exchangers");
	log_text(&e, "destination", destination);
	log_text(&e, "domain", domain);
	log_text(&e, "hosts", hosts);
	log_end(&e);
}

void event_exchangers_failed(struct log *log, const char *destination, const char *domain, const char *problem,
			     bool kept, uint64_t again_ms, uint64_t waiting)
{
	struct log_event e;

	log_begin_at(&e, log, LOG_LEVEL_WARNING, "exchangers_failed");
	log_text(&e, "destination", destination);
	log_text(&e, "domain", domain);
	log_text(&e, "problem", problem);
	log_bool(&e, "kept", kept);
	log_number(&e, "again_ms", again_ms);
	log_number(&e, "waiting", waiting);
	log_end(&e);
}

void event_domain_failed(struct log *log, const char *destination, const char *domain, const char *problem, bool kept,
			 uint64_t again_ms)
{
	struct log_event e;

	log_begin_at(&e, log, LOG_LEVEL_WARNING, "domain_failed");
	log_text(&e, "destination", destination);
	log_text(&e, "domain", domain);
	log_text(&e, "problem", problem);
	log_bool(&e, "kept", kept);
	log_number(&e, "again_ms", again_ms);
	log_end(&e);
}

void event_sts_policy(struct log *log, const struct event_sts_policy *p)
{
	struct log_event e;

	log_begin_at(&e, log, LOG_LEVEL_NOTICE, "sts_policy");
	log_text(&e, "destination", p->destination);
	log_text(&e, "domain", p->domain);
	log_text(&e, "mode", p->mode);
	log_text(&e, "id", p->id);
	log_number(&e, "hosts", p->hosts);
	log_number(&e, "max_age_s", p->max_age_s);
	log_number(&e, "end_s", p->end_s);
	log_end(&e);
}

void event_sts_failed(struct log *log, const char *destination, const char *domain, const char *problem, bool in_force)
{
	struct log_event e;

	log_begin_at(&e, log, LOG_LEVEL_WARNING, "sts_failed");
	log_text(&e, "destination", destination);
	log_text(&e, "domain", domain);
	log_text(&e, "problem", problem);
	log_bool(&e, "in_force", in_force);
	log_end(&e);
}

void event_exchanger_refused(struct log *log, const char *destination, const char *domain, const char *host)
{
	struct log_event e;

	log_begin_at(&e, log, LOG_LEVEL_ERROR, "exchanger_refused");
	log_text(&e, "destination", destination);
	log_text(&e, "domain", domain);
	log_text(&e, "host", host);
	log_end(&e);
}

void event_host_ok(struct log *log, struct event_host at, uint64_t failures, uint64_t ms, uint64_t waiting)
{
	struct log_event e;

	log_begin_at(&e, log, LOG_LEVEL_NOTICE, "host_ok");
	host_fields(&e, at);
	log_number(&e, "failures", failures);
	log_number(&e, "ms", ms);
	log_number(&e, "waiting", waiting);
	log_end(&e);
}

static void mailbox_fields(struct log_event *e, const struct event_mailbox *m)
{
	host_fields(e, m->at);
	log_text(e, "mailbox", m->mailbox);
	if (m->mechanism[0])
		log_text(e, "mechanism", m->mechanism);
	reply_fields(e, &m->reply);
	if (m->challenge[0])
		log_text(e, "challenge", m->challenge);
	log_number(e, "again_ms", m->again_ms);
	log_number(e, "waiting", m->waiting);
}

void event_mailbox_refused(struct log *log, const struct event_mailbox *m)
{
	struct log_event e;

	log_begin_at(&e, log, LOG_LEVEL_ERROR, "mailbox_refused");
	log_text(&e, "reason", m->reason);
	log_text(&e, "problem", m->problem);
	mailbox_fields(&e, m);
	log_end(&e);
}

void event_mailbox_deferred(struct log *log, const struct event_mailbox *m)
{
	struct log_event e;

	log_begin_at(&e, log, LOG_LEVEL_WARNING, "mailbox_deferred");
	mailbox_fields(&e, m);
	log_end(&e);
}

void event_mailbox_accepted(struct log *log, struct event_host at, const char *mailbox, uint64_t ms, uint64_t waiting)
{
	struct log_event e;

	log_begin_at(&e, log, LOG_LEVEL_NOTICE, "mailbox_accepted");
	host_fields(&e, at);
	log_text(&e, "mailbox", mailbox);
	log_number(&e, "ms", ms);
	log_number(&e, "waiting", waiting);
	log_end(&e);
}

void event_fallback(struct log *log, struct event_host at, const char *without, const struct event_reply *reply,
		    uint64_t for_s)
{
	struct log_event e;

	log_begin_at(&e, log, LOG_LEVEL_NOTICE, "fallback");
	host_fields(&e, at);
	log_text(&e, "without", without);
	reply_fields(&e, reply);
	log_number(&e, "for_s", for_s);
	log_end(&e);
}

void event_tls_lost(struct log *log, struct event_host at, const char *what, const char *reason, uint64_t ms,
		    bool in_clear)
{
	struct log_event e;

	log_begin_at(&e, log, LOG_LEVEL_WARNING, "tls_lost");
	host_fields(&e, at);
	log_text(&e, "what", what);
	log_text(&e, "reason", reason);
	log_number(&e, "ms", ms);
	log_bool(&e, "in_clear", in_clear);
	log_end(&e);
}

void event_setup_refused(struct log *log, struct event_host at, const char *reason, const char *problem,
			 const struct event_reply *reply, bool all, uint64_t waiting)
{
	struct log_event e;

	log_begin_at(&e, log, LOG_LEVEL_ERROR, "setup_refused");
	host_fields(&e, at);
	log_text(&e, "reason", reason);
	log_text(&e, "problem", problem);
	reply_fields(&e, reply);
	log_text(&e, "held", all ? "all" : "message");
	log_number(&e, "waiting", waiting);
	log_end(&e);
}

void event_setup_accepted(struct log *log, struct event_host at, uint64_t ms, uint64_t waiting)
{
	struct log_event e;

	log_begin_at(&e, log, LOG_LEVEL_NOTICE, "setup_accepted");
	host_fields(&e, at);
	if (ms)
		log_number(&e, "ms", ms);
	log_number(&e, "waiting", waiting);
	log_end(&e);
}

void event_budget_spent(struct log *log, const char *destination, const char *whose, uint64_t allowed,
			const char *problem, uint64_t wait_s, uint64_t waiting)
{
	struct log_event e;

	log_begin_at(&e, log, LOG_LEVEL_WARNING, "budget_spent");
	log_text(&e, "destination", destination);
	log_text(&e, "whose", whose);
	log_number(&e, "recipients_per_day", allowed);
	if (problem)
		log_text(&e, "problem", problem);
	log_number(&e, "wait_s", wait_s);
	log_number(&e, "waiting", waiting);
	log_end(&e);
}

void event_budget_unwritten(struct log *log, const char *destination, const char *reason, uint64_t waiting)
{
	struct log_event e;

	log_begin_at(&e, log, LOG_LEVEL_ERROR, "budget_unwritten");
	log_text(&e, "destination", destination);
	log_text(&e, "reason", reason);
	log_number(&e, "waiting", waiting);
	log_end(&e);
}

void event_slowed(struct log *log, struct event_host at, const char *mailbox, const char *scope, uint64_t times,
		  uint64_t for_s, const struct event_reply *reply, uint64_t waiting)
{
	struct log_event e;

	log_begin_at(&e, log, LOG_LEVEL_WARNING, "slowed");
	host_fields(&e, at);
	if (mailbox[0])
		log_text(&e, "mailbox", mailbox);
	log_text(&e, "scope", scope);
	log_number(&e, "times", times);
	log_number(&e, "for_s", for_s);
	reply_fields(&e, reply);
	problem_field(&e, reply);
	log_number(&e, "waiting", waiting);
	log_end(&e);
}

void event_path_changed(struct log *log, const char *destination, const char *to, const char *why, const char *problem,
			uint64_t waiting)
{
	struct log_event e;

	log_begin_at(&e, log, LOG_LEVEL_WARNING, "path_changed");
	log_text(&e, "destination", destination);
	log_text(&e, "to", to);
	log_text(&e, "reason", why);
	log_text(&e, "problem", problem);
	log_number(&e, "waiting", waiting);
	log_end(&e);
}

void event_path_restored(struct log *log, const char *destination, const char *from, uint64_t ms)
{
	struct log_event e;

	log_begin_at(&e, log, LOG_LEVEL_NOTICE, "path_restored");
	log_text(&e, "destination", destination);
	log_text(&e, "from", from);
	log_number(&e, "ms", ms);
	log_end(&e);
}

/* ---- messages ----------------------------------------------------------------------------------------------- */

/* "recipient" where there is one, else "results", and "more" for how many found no room. */
static void recipient_fields(struct log_event *e, const struct event_recipients *r)
{
	enum { ITEM_ROOM = 640 };
	unsigned i;

	if (r->all == 0)
		return;
	if (r->single) {
		log_string(e, "recipient", r->list[0].address.data, r->list[0].address.length);
		return;
	}
	log_list_begin(e, "results");
	for (i = 0; i < r->count && log_item(e, ITEM_ROOM); i++) {
		const struct event_recipient *one = &r->list[i];
		log_string(e, "recipient", one->address.data, one->address.length);
		log_text(e, "result", one->result);
		if (one->code) {
			log_number(e, "code", one->code);
			log_string(e, "reply", one->reply.data, one->reply.length);
		}
	}
	log_list_end(e);
	if (i < r->all)
		log_number(e, "more", r->all - i);
}

/* Somebody's mail is not delivered: nobody else will tell them. */
static enum log_level attempt_level(const char *result)
{
	if (strcmp(result, "delivered") == 0)
		return LOG_LEVEL_INFO;
	return strcmp(result, "failed") == 0 || strcmp(result, "partial") == 0 ? LOG_LEVEL_WARNING : LOG_LEVEL_NOTICE;
}

void event_attempt(struct log *log, const struct event_attempt *a, const struct event_recipients *recipients)
{
	struct log_event e;

	log_begin_at(&e, log, attempt_level(a->result), "attempt");
	event_id_field(&e, a->id);
	log_text(&e, "result", a->result);
	host_fields(&e, a->at);
	if (a->mailbox)
		log_text(&e, "mailbox", a->mailbox);
	if (a->instead_of)
		log_text(&e, "instead_of", a->instead_of);
	if (a->source)
		log_text(&e, "source", a->source);
	tls_fields(&e, &a->tls);
	log_number(&e, "recipients", a->recipients);
	recipient_fields(&e, recipients);
	log_number(&e, "octets", a->octets);
	if (a->undeclared_8bit)
		log_bool(&e, "undeclared_8bit", true);
	if (a->converted)
		log_bool(&e, "converted", true);
	if (a->rewritten)
		log_bool(&e, "rewritten", true);
	if (a->signature_broken)
		log_bool(&e, "signature_broken", true);
	log_number(&e, "attempt", a->attempt);
	reply_fields(&e, &a->reply);
	problem_field(&e, &a->reply);
	log_number(&e, "ms", a->ms);
	log_number(&e, "queued_ms", a->queued_ms);
	log_end(&e);
}

void event_deferred(struct log *log, struct message_id id, const char *destination, uint64_t attempts,
		    uint64_t next_wall_ns, uint64_t answers_lost, const struct event_reply *reply)
{
	struct log_event e;

	log_begin_at(&e, log, LOG_LEVEL_NOTICE, "deferred");
	event_id_field(&e, id);
	log_text(&e, "destination", destination);
	log_number(&e, "attempts", attempts);
	log_time(&e, "next", next_wall_ns);
	if (answers_lost > 0)
		log_number(&e, "answers_lost", answers_lost);
	reply_fields(&e, reply);
	problem_field(&e, reply);
	log_end(&e);
}

void event_expired(struct log *log, struct message_id id, const char *destination, uint64_t attempts,
		   const struct event_reply *reply, const struct event_recipients *recipients)
{
	struct log_event e;

	log_begin_at(&e, log, LOG_LEVEL_WARNING, "expired");
	event_id_field(&e, id);
	log_text(&e, "destination", destination);
	log_number(&e, "attempts", attempts);
	reply_fields(&e, reply);
	problem_field(&e, reply);
	recipient_fields(&e, recipients);
	log_end(&e);
}

static void damage_fields(struct log_event *e, struct message_id id, const char *destination, uint64_t recipient_count,
			  const char *reason)
{
	event_id_field(e, id);
	log_text(e, "destination", destination);
	log_number(e, "recipients", recipient_count);
	log_text(e, "reason", reason);
}

void event_damaged(struct log *log, struct message_id id, const char *destination, uint64_t recipient_count,
		   const char *reason, struct span sender, const struct event_recipients *recipients)
{
	struct log_event e;

	log_begin_at(&e, log, LOG_LEVEL_ERROR, "damaged");
	damage_fields(&e, id, destination, recipient_count, reason);
	log_text(&e, "problem",
		 "the disk does not give back what was written: look at it (dmesg, smartctl), and ask the sender for "
		 "the message again (event `accepted` with this id names him); it is kept, and looked at again every "
		 "hour");
	if (sender.data)
		log_string(&e, "sender", sender.data, sender.length);
	recipient_fields(&e, recipients);
	log_end(&e);
}

void event_unreadable(struct log *log, struct message_id id, const char *destination, uint64_t recipient_count,
		      const char *reason)
{
	struct log_event e;

	log_begin_at(&e, log, LOG_LEVEL_WARNING, "unreadable");
	damage_fields(&e, id, destination, recipient_count, reason);
	log_end(&e);
}
