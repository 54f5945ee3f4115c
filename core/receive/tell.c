/*
 * core/receive/tell.c - see tell.h.
 */
#include "core/receive/tell.h"

#include <string.h>

#include "core/base/clock.h"
#include "core/config/config.h"
#include "core/config/device_table.h"
#include "core/events/receiving.h"
#include "core/receive/identity.h"
#include "core/receive/login.h"
#include "core/receive/session.h"
#include "core/shard/shard.h"
#include "core/shard/snapshot.h"

static const char *client_name(const struct session *s)
{
	return s->client >= 0 ? s->snapshot->config->clients[s->client].name : "";
}

static const char *device_name(const struct session *s)
{
	struct device device;

	if (s->device < 0)
		return NULL;
	device_table_get(s->snapshot->config->devices, (size_t)s->device, &device);
	return device.name;
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
		[SMTP_XCLIENT] = "xclient",
		[SMTP_FOREIGN] = "foreign",
		[SESSION_STAGE_CONTENT] = "content",
	};

	return names[s->stage];
}

void tell_session(const struct session *s, uint32_t quiet)
{
	const struct config *config = s->snapshot->config;
	struct tls_info tls = {.version = "", .cipher = ""};
	struct event_session facts;
	char certificate[TLS_FINGERPRINT_TEXT];

	if (!config->log_sessions)
		return;
	const struct tls_identity *identity = identity_certificate(s);
	if (s->transport.secured)
		tls_session_info(s->transport.tls, &tls);
	if (identity)
		tls_fingerprint_text(identity->fingerprint, certificate);
	facts = (struct event_session){
		.tls = tls.version,
		.cipher = tls.cipher,
		.resumed = tls.resumed,
		.certificate = identity ? certificate : NULL,
		.certificate_verified = identity && identity->verified,
		.listener = config->listeners[s->listener].name,
		.client = client_name(s),
		.device = device_name(s),
		.user = s->user,
		.peer = {s->peer, s->peer_length},
		.helo = {s->helo, s->helo_length},
		.messages = s->messages,
		.commands = s->commands,
		.errors = s->errors,
		.octets_in = s->transport.octets_in,
		.octets_out = s->transport.octets_out,
		.ms = shard_ms_since(s->shard, s->opened_ns),
		.refusals = s->refusals,
		.untold = s->untold,
		.quiet = quiet,
		.stage = session_stage(s),
		.reason = s->end_reason ? s->end_reason : "",
	};
	if (s->last_reply)
		facts.reply = (struct span){s->last_reply, (uint32_t)strcspn(s->last_reply, "\r")};
	event_session(s->shard->log, &facts);
}

void tell_handshake_failed(const struct session *s, const char *error, uint32_t untold)
{
	struct tls_offer offer = {.version = ""};
	struct event_handshake facts = {
		.listener = s->snapshot->config->listeners[s->listener].name,
		.client = client_name(s),
		.peer = {s->peer, s->peer_length},
		.version = offer.version,
		.untold = untold,
		.ms = shard_ms_since(s->shard, s->opened_ns),
	};

	if (s->transport.tls) {
		tls_session_offer(s->transport.tls, &offer);
		facts.error = error ? error : tls_error_text(s->transport.tls);
		facts.version = offer.version;
	} else {
		facts.error = error ? error : "";
	}
	facts.server_name = offer.name;
	facts.suites = offer.suites;
	event_handshake_failed(s->shard->log, &facts);
}

void tell_no_proxy_header(const struct session *s, const char *problem, uint32_t untold)
{
	struct event_proxy facts = {
		.listener = s->snapshot->config->listeners[s->listener].name,
		.problem = problem,
		.action = "switch it on there (HAProxy: send-proxy or send-proxy-v2 at the server's line, nginx: "
			  "proxy_protocol on), or take this address out of the listener's proxy_protocol_from",
		.peer = {s->peer, s->peer_length},
		.ms = shard_ms_since(s->shard, s->opened_ns),
		.untold = untold,
	};

	event_proxy_header(s->shard->log, &facts);
}

static struct event_sign_in sign_in_of(const struct session *s)
{
	const struct sasl_server *sasl = &s->login->sasl;

	return (struct event_sign_in){
		.listener = s->snapshot->config->listeners[s->listener].name,
		.peer = {s->peer, s->peer_length},
		.user = {sasl->user, sasl->user_length},
		.mechanism = sasl_name(sasl->mechanism),
		.ms = shard_ms_since(s->shard, s->login->started_ns),
	};
}

void tell_signed_in(const struct session *s, bool known)
{
	struct event_sign_in facts;

	if (!s->shard->config->log_sessions)
		return;
	facts = sign_in_of(s);
	facts.client = client_name(s);
	facts.known = known;
	event_signed_in(s->shard->log, &facts);
}

void tell_sign_in_refused(const struct session *s, const char *reply, const char *reason, uint32_t untold)
{
	struct event_sign_in facts = sign_in_of(s);

	facts.untold = untold;
	facts.reply = (struct span){reply, (uint32_t)strlen(reply) - 2};
	event_sign_in_refused(s->shard->log, &facts, reason);
}

static struct event_message message_of(const struct session *s, const struct submission *m)
{
	return (struct event_message){
		.id = m->letter.id,
		.peer = {s->peer, s->peer_length},
		.sender = {m->letter.text, m->letter.sender_length},
		.client = client_name(s),
		.device = device_name(s),
		.user = s->user,
		.recipients = m->recipients,
		.octets = m->letter.content_length,
		.rewritten = m->rewritten,
		.signature_broken = m->signature_broken,
		.archived = m->archived,
	};
}

void tell_archive_left_out(const struct session *s, struct span archive, const char *problem)
{
	struct receiver *receiver = s->shard->receiver;
	struct event_archive facts = {
		.message = message_of(s, s->message),
		.archive = archive,
		.problem = problem,
		.untold = receiver->archives_untold,
	};

	if (s->shard->now_ns < receiver->archive_next_ns) {
		receiver->archives_untold++;
		return;
	}
	receiver->archive_next_ns = s->shard->now_ns + 60 * CLOCK_NS_PER_S;
	receiver->archives_untold = 0;
	event_archive_left_out(s->shard->log, &facts);
}

void tell_accepted(const struct session *s, const struct submission *m)
{
	const struct shard *shard = s->shard;
	struct event_message facts;
	struct addressee first;

	if (!shard->config->log_messages)
		return;
	(void)addressee_read(letter_recipients(&m->letter), &first);
	facts = message_of(s, m);
	event_accepted(shard->log, &facts, first.address, shard->config->destinations[first.destination].name,
		       (struct span){m->field, m->field_length}, shard_ms_since(shard, m->started_ns));
}

void tell_not_stored(const struct session *s, const struct submission *m)
{
	struct event_message facts = message_of(s, m);

	event_not_stored(s->shard->log, &facts, strerror(-m->result));
}

void tell_refused(const struct session *s, const struct smtp_command *command, const char *reply, uint32_t untold)
{
	const struct submission *m = s->message;
	struct event_refused facts = {
		.listener = s->snapshot->config->listeners[s->listener].name,
		.client = client_name(s),
		.device = device_name(s),
		.stage = session_stage(s),
		.peer = {s->peer, s->peer_length},
		.reply = {reply, (uint32_t)strlen(reply) - 2},
		.untold = untold,
		.command = refusals_command(s->shard->receiver->asked, command->verb, s->stage == SMTP_AUTH),
	};

	if (m) {
		facts.sender = (struct span){m->letter.text, m->letter.sender_length};
		facts.transaction = true;
		facts.recipients = m->recipients;
		facts.content = s->stage == SESSION_STAGE_CONTENT;
		facts.octets = m->letter.content_length;
	} else if (command->verb == SMTP_MAIL && command->address.data) {
		facts.sender = command->address;
	}
	if (command->verb == SMTP_RCPT && command->address.length > 0)
		facts.recipient = command->address;
	event_refused(s->shard->log, &facts);
}
