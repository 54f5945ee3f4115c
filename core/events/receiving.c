/*
 * core/events/receiving.c - see receiving.h.
 */
#include "core/events/receiving.h"

#include "core/events/fields.h"

void event_session(struct log *log, const struct event_session *s)
{
	struct log_event e;

	log_begin(&e, log, "session");
	log_text(&e, "listener", s->listener);
	log_string(&e, "peer", s->peer.data, s->peer.length);
	log_text(&e, "client", s->client);
	if (s->device)
		log_text(&e, "device", s->device);
	if (s->user)
		log_text(&e, "user", s->user);
	if (s->helo.data)
		log_string(&e, "helo", s->helo.data, s->helo.length);
	if (s->tls[0]) {
		log_text(&e, "tls", s->tls);
		log_text(&e, "cipher", s->cipher);
		log_bool(&e, "resumed", s->resumed);
		if (s->certificate) {
			log_text(&e, "certificate", s->certificate);
			log_bool(&e, "certificate_verified", s->certificate_verified);
		}
	}
	log_number(&e, "messages", s->messages);
	log_number(&e, "commands", s->commands);
	log_number(&e, "errors", s->errors);
	log_number(&e, "octets_in", s->octets_in);
	log_number(&e, "octets_out", s->octets_out);
	log_number(&e, "ms", s->ms);
	log_number(&e, "refusals", s->refusals);
	if (s->untold > 0)
		log_number(&e, "untold", s->untold);
	if (s->quiet > 0)
		log_number(&e, "quiet", s->quiet);
	log_text(&e, "stage", s->stage);
	if (s->reply.data)
		log_string(&e, "reply", s->reply.data, s->reply.length);
	log_text(&e, "reason", s->reason);
	log_end(&e);
}

void event_handshake_failed(struct log *log, const struct event_handshake *h)
{
	struct log_event e;

	log_begin_at(&e, log, LOG_LEVEL_NOTICE, "handshake_failed");
	log_text(&e, "listener", h->listener);
	log_string(&e, "peer", h->peer.data, h->peer.length);
	log_text(&e, "client", h->client);
	log_text(&e, "error", h->error);
	if (h->version[0]) {
		log_text(&e, "offers", h->version);
		log_text(&e, "suites", h->suites);
	}
	if (h->server_name[0])
		log_text(&e, "server_name", h->server_name);
	log_number(&e, "ms", h->ms);
	if (h->untold > 0)
		log_number(&e, "untold", h->untold);
	log_end(&e);
}

void event_proxy_header(struct log *log, const struct event_proxy *p)
{
	struct log_event e;

	log_begin_at(&e, log, LOG_LEVEL_WARNING, "proxy_header");
	log_text(&e, "listener", p->listener);
	log_string(&e, "peer", p->peer.data, p->peer.length);
	log_text(&e, "problem", p->problem);
	log_text(&e, "action", p->action);
	log_number(&e, "ms", p->ms);
	if (p->untold > 0)
		log_number(&e, "untold", p->untold);
	log_end(&e);
}

static void message_fields(struct log_event *e, const struct event_message *m)
{
	log_string(e, "peer", m->peer.data, m->peer.length);
	log_text(e, "client", m->client);
	if (m->device)
		log_text(e, "device", m->device);
	if (m->user)
		log_text(e, "user", m->user);
	log_string(e, "sender", m->sender.data, m->sender.length);
	log_number(e, "recipients", m->recipients);
	log_number(e, "octets", m->octets);
}

void event_accepted(struct log *log, const struct event_message *m, struct span recipient, const char *destination,
		    struct span message_id, uint64_t ms)
{
	struct log_event e;

	log_begin(&e, log, "accepted");
	event_id_field(&e, m->id);
	message_fields(&e, m);
	log_string(&e, "recipient", recipient.data, recipient.length);
	log_text(&e, "destination", destination);
	if (message_id.length > 0)
		log_string(&e, "message_id", message_id.data, message_id.length);
	if (m->rewritten)
		log_bool(&e, "rewritten", true);
	if (m->signature_broken)
		log_bool(&e, "signature_broken", true);
	if (m->archived)
		log_bool(&e, "archived", true);
	log_number(&e, "ms", ms);
	log_end(&e);
}

void event_archive_left_out(struct log *log, const struct event_archive *a)
{
	struct log_event e;

	log_begin_at(&e, log, LOG_LEVEL_ERROR, "archive_left_out");
	event_id_field(&e, a->message.id);
	message_fields(&e, &a->message);
	log_string(&e, "archive", a->archive.data, a->archive.length);
	log_text(&e, "problem", a->problem);
	if (a->untold > 0)
		log_number(&e, "untold", a->untold);
	log_end(&e);
}

void event_not_stored(struct log *log, const struct event_message *m, const char *error)
{
	struct log_event e;

	log_begin_at(&e, log, LOG_LEVEL_WARNING, "not_stored");
	event_id_field(&e, m->id);
	message_fields(&e, m);
	log_text(&e, "error", error);
	log_end(&e);
}

static void sign_in_fields(struct log_event *e, const struct event_sign_in *s)
{
	log_text(e, "listener", s->listener);
	log_string(e, "peer", s->peer.data, s->peer.length);
	log_string(e, "user", s->user.data, s->user.length);
	log_text(e, "mechanism", s->mechanism);
	log_number(e, "ms", s->ms);
}

void event_signed_in(struct log *log, const struct event_sign_in *s)
{
	struct log_event e;

	log_begin(&e, log, "signed_in");
	sign_in_fields(&e, s);
	log_text(&e, "client", s->client);
	if (s->known)
		log_bool(&e, "known", true);
	log_end(&e);
}

void event_sign_in_refused(struct log *log, const struct event_sign_in *s, const char *reason)
{
	struct log_event e;

	log_begin_at(&e, log, LOG_LEVEL_NOTICE, "sign_in_refused");
	sign_in_fields(&e, s);
	log_text(&e, "reason", reason);
	log_string(&e, "reply", s->reply.data, s->reply.length);
	if (s->untold > 0)
		log_number(&e, "untold", s->untold);
	log_end(&e);
}

void event_refused(struct log *log, const struct event_refused *r)
{
	struct log_event e;

	log_begin_at(&e, log, LOG_LEVEL_NOTICE, "refused");
	log_text(&e, "listener", r->listener);
	log_string(&e, "peer", r->peer.data, r->peer.length);
	log_text(&e, "client", r->client);
	if (r->device)
		log_text(&e, "device", r->device);
	log_text(&e, "stage", r->stage);
	log_string(&e, "reply", r->reply.data, r->reply.length);
	if (r->sender.data)
		log_string(&e, "sender", r->sender.data, r->sender.length);
	if (r->recipient.data)
		log_string(&e, "recipient", r->recipient.data, r->recipient.length);
	if (r->transaction)
		log_number(&e, "recipients", r->recipients);
	if (r->content)
		log_number(&e, "octets", r->octets);
	if (r->untold > 0)
		log_number(&e, "untold", r->untold);
	if (r->command.length > 0)
		log_string(&e, "command", r->command.data, r->command.length);
	log_end(&e);
}
