/*
 * core/receive/envelope.c - EHLO, MAIL and RCPT: who speaks, and the message that is being made (RFC 5321 3.3).
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "core/agents/suppression.h"
#include "core/base/address_text.h"
#include "core/base/line.h"
#include "core/config/config.h"
#include "core/config/device_table.h"
#include "core/receive/session_private.h"
#include "core/route/route.h"
#include "core/shard/shard.h"
#include "core/shard/snapshot.h"
#include "core/smtp/idna.h"
#include "core/smtp/utf8.h"
#include "queue/envelope.h"

enum { HOSTNAME_MAX = 200 }; /* octets of ours in replies */

static void greet(struct session *s)
{
	const struct config *config = s->snapshot->config;
	size_t name = strlen(config->hostname);
	char text[REPLY_ROOM];
	struct line reply = {.data = text, .size = sizeof(text)};

	line_text(&reply, s->esmtp ? "250-" : "250 ");
	line_put(&reply, config->hostname, name < HOSTNAME_MAX ? name : HOSTNAME_MAX);
	line_text(&reply, "\r\n");
	if (s->esmtp) {
		line_text(&reply, "250-PIPELINING\r\n250-SIZE ");
		line_number(&reply, config->spool.message_size_max);
		line_text(&reply, "\r\n250-8BITMIME\r\n250-CHUNKING\r\n250-SMTPUTF8\r\n");
		if (receive_offers_tls(s))
			line_text(&reply, "250-STARTTLS\r\n");
		/* Twice: some old clients know only the form of a draft, in which it was a parameter. */
		if (receive_auth_offered(s))
			line_text(&reply, "250-AUTH PLAIN LOGIN\r\n250-AUTH=PLAIN LOGIN\r\n");
		receive_offer_wishes(s, &reply);
		receive_offer_xclient(s, &reply);
		/* RFC 9422 */
		line_text(&reply, "250-LIMITS RCPTMAX=");
		line_number(&reply, config->limits.recipients_per_message);
		line_text(&reply, "\r\n250 ENHANCEDSTATUSCODES\r\n");
	}
	s->last_reply = s->esmtp ? "250 ENHANCEDSTATUSCODES" : "250";
	receive_reply(s, reply.data, reply.length);
}

void receive_hello(struct session *s, const struct smtp_command *command)
{
	receive_drop_transaction(s);
	if (!receive_keep_name(s, command->argument)) {
		receive_reply_text(s, "451 4.3.0 Out of memory, try again later\r\n");
		return;
	}
	s->helo_given = true;
	s->esmtp = command->verb == SMTP_EHLO;
	greet(s);
}

/* A local part alone gets the client's default domain, in `room`. False: it has none, or it does not fit a path. */
static bool qualify(const struct session *s, const struct smtp_command *command, char *room, struct span *address)
{
	size_t local = command->address.length, length;
	const char *domain;

	*address = command->address;
	if (!command->unqualified)
		return true;
	domain = s->client >= 0 ? s->snapshot->config->clients[s->client].default_domain : NULL;
	length = domain ? strlen(domain) : 0;
	if (!domain || local + 1 + length > SMTP_PATH_MAX - 2)
		return false;
	memcpy(room, command->address.data, local);
	room[local] = '@';
	memcpy(room + local + 1, domain, length);
	*address = (struct span){room, (uint32_t)(local + 1 + length)};
	return true;
}

/* Where the client's entry says which senders or recipients are, it is one of them. */
static bool allowed(const struct session *s, bool as_sender, struct span address)
{
	const struct config_client_terms *terms = s->client >= 0 ? s->snapshot->config->clients[s->client].terms : NULL;
	char *const *patterns = !terms ? NULL : as_sender ? terms->senders : terms->recipients;
	size_t count = !terms ? 0 : as_sender ? terms->sender_count : terms->recipient_count;

	for (size_t i = 0; i < count; i++) {
		if (route_address_matches(patterns[i], address))
			return true;
	}
	return count == 0;
}

/*
 * The address as clients' entries and routes know it: a domain in UTF-8 by its A-labels, in `room` (RFC 6531 3.3), so
 * that no way of writing a domain leads round a rule. What is passed on is the address as it came. NULL, or the
 * refusal.
 */
static const char *known_as(const struct smtp_command *command, struct span address, char *room, struct span *known)
{
	*known = address;
	if (!command->wide)
		return NULL;
	switch (idna_address(address, room, known)) {
	case IDNA_NONE:
		return command->verb == SMTP_MAIL ? "501 5.1.7 The sender's domain is none\r\n"
						  : "501 5.1.3 The recipient's domain is none\r\n";
	case IDNA_NO_MEMORY:
		return "452 4.3.1 Out of memory, try again later\r\n";
	default:
		return NULL;
	}
}

/* Of the device, or of all that its client's entry is about. */
static struct span owner_of(const struct session *s)
{
	const struct config *config = s->snapshot->config;
	const struct config_client_terms *terms;
	struct device device;

	if (s->device >= 0) {
		device_table_get(config->devices, (size_t)s->device, &device);
		if (device.owner[0])
			return span_text(device.owner);
	}
	terms = s->client >= 0 ? config->clients[s->client].terms : NULL;
	return span_text(terms && terms->owner ? terms->owner : "");
}

/* Empty: it is none. */
static struct span device_of(const struct session *s)
{
	struct device device;

	if (s->device < 0)
		return span_text("");
	device_table_get(s->snapshot->config->devices, (size_t)s->device, &device);
	return span_text(device.name);
}

void receive_mail(struct session *s, const struct smtp_command *command)
{
	const struct config *config = s->snapshot->config;
	struct span helo = {s->helo, s->helo_length}, sender, known;
	char room[SMTP_PATH_MAX], known_room[SMTP_PATH_MAX];
	const char *refusal;
	char other[CONFIG_ADDRESS_MAX];

	if (!s->helo_given) {
		receive_error(s, "503 5.5.1 Send EHLO or HELO first\r\n");
		return;
	}
	if (s->message) {
		receive_error(s, "503 5.5.1 Sender already given\r\n");
		return;
	}
	if (!s->user && config->listeners[s->listener].auth == CONFIG_LISTENER_AUTH_REQUIRED) {
		receive_error(s, "530 5.7.0 Authentication required\r\n");
		return;
	}
	if (!receive_sign_in_holds(s)) {
		receive_finish(s, "421 4.7.0 Sign in again, closing connection\r\n", "user changed");
		return;
	}
	if (s->shard->draining) {
		receive_finish(s, "421 4.3.2 Shutting down, try again later\r\n", "shutting down");
		return;
	}
	if (command->has_size && command->size > config->spool.message_size_max) {
		receive_error(s, "552 5.3.4 Message exceeds the size limit\r\n");
		return;
	}
	refusal = receive_refuse_wishes(s, &command->mail);
	if (refusal) {
		receive_error(s, refusal);
		return;
	}
	if (!qualify(s, command, room, &sender)) {
		receive_error(s, "501 5.1.7 The sender needs a domain, as in MAIL FROM:<user@example.org>\r\n");
		return;
	}
	refusal = known_as(command, sender, known_room, &known);
	if (refusal) {
		receive_error(s, refusal);
		return;
	}
	if (!allowed(s, true, known)) {
		receive_error(s, "553 5.7.1 This sender is not allowed to you\r\n");
		return;
	}
	if (!receive_map_sender(s, other, &sender)) {
		receive_reply_text(s, "452 4.3.1 Out of memory, try again later\r\n");
		return;
	}
	refusal = receive_charge_message(s, command->has_size ? command->size : 0);
	if (refusal) {
		receive_count_refused(s);
		receive_reply_text(s, refusal);
		return;
	}
	s->message = submission_new(s->shard, &receive_submissions, s);
	if (!s->message)
		receive_give_back_unused(s, QUOTA_MESSAGES);
	if (!s->message || !submission_envelope_start(s->message, sender, helo) ||
	    !receive_note_wishes(s->message, &command->mail)) {
		receive_drop_transaction(s);
		receive_reply_text(s, "452 4.3.1 Out of memory, try again later\r\n");
		return;
	}
	s->message->letter.client = span_text(s->client >= 0 ? config->clients[s->client].name : "");
	s->message->letter.peer = (struct span){s->peer, s->peer_length};
	s->message->letter.owner = owner_of(s);
	s->message->letter.device = device_of(s);
	s->message->size_announced = command->has_size ? command->size : 0;
	if (command->body == SMTP_BODY_8BITMIME)
		s->message->letter.flags |= ENVELOPE_EIGHT_BIT;
	if (command->body != SMTP_BODY_NONE)
		s->message->letter.flags |= ENVELOPE_BODY_GIVEN;
	s->message->smtputf8 = command->smtputf8;
	s->message->letter.wide = command->wide && utf8_needed(sender) ? ENVELOPE_WIDE_ADDRESS : 0;
	receive_reply_text(s, "250 2.1.0 Ok\r\n");
}

const struct config_route *receive_route(const struct session *s, struct span recipient)
{
	const struct letter *letter = &s->message->letter;
	struct span sender = {letter->text, letter->sender_length};
	char room[SMTP_PATH_MAX];

	/* It was one when MAIL was answered. */
	if (letter->wide)
		(void)idna_address(sender, room, &sender);
	const struct route_question question = {
		.recipient = recipient,
		.sender = sender,
		.client = (size_t)(s->client + 1),
		.listener = s->listener + 1u,
		.size = s->message->size_announced,
	};

	return route_find(s->snapshot->config, &question);
}

/* An address literal that leads to the host that would deliver it, or nowhere: this relay, or the next one (REL-04). */
static bool is_inward(struct span recipient)
{
	const char *literal = recipient.length ? memrchr(recipient.data, '[', recipient.length) : NULL;
	size_t length = literal ? (size_t)(recipient.data + recipient.length - literal) : 0;
	char text[ADDRESS_TEXT_SIZE];
	struct ring_address address;

	if (length < 3 || length > sizeof(text) || literal == recipient.data || literal[-1] != '@' ||
	    literal[length - 1] != ']')
		return false;
	literal++;
	length -= 2;
	if (length > 5 && strncasecmp(literal, "IPv6:", 5) == 0) {
		literal += 5;
		length -= 5;
	}
	memcpy(text, literal, length);
	text[length] = '\0';
	return address_text_numeric(text, 1, &address) && address_text_inward(&address);
}

static void refuse_by_route(struct session *s, const struct config_route *route)
{
	char reply[REPLY_MAX];

	receive_count_refused(s);
	snprintf(reply, sizeof(reply), "550 5.7.1 %.400s\r\n", route ? route->refuse : "No route to this recipient");
	receive_error(s, reply);
}

/* Its ORCPT, as every next hop may be told it. NULL, or the refusal. */
static const char *original_of(const struct session *s, const struct smtp_command *command, char *room,
			       struct span *orcpt)
{
	*orcpt = command->rcpt.orcpt;
	if (!command->rcpt.orcpt_wide)
		return NULL;
	if (!s->message->smtputf8) {
		/* As what is no value at all. */
		*orcpt = (struct span){NULL, 0};
		return command->syntax == SMTP_SYNTAX_TOLERANT ? NULL
							       : "553 5.6.7 ORCPT with letters needs SMTPUTF8\r\n";
	}
	return parameter_orcpt_ascii(command->rcpt.orcpt, room, orcpt) ? NULL : "501 5.5.4 ORCPT is too long\r\n";
}

/* One more that it may have in this minute; else it has been told. */
static bool charged(struct session *s)
{
	const char *refusal = receive_charge_recipient(s);

	if (!refusal)
		return true;
	receive_count_refused(s);
	receive_reply_text(s, refusal);
	return false;
}

/* In the list of those that are sent nothing. NULL: it is not, or this client does not go by it. A list of recipients
 * is full of them, so the refusal is no error of the client's. */
static const char *suppressed(const struct session *s, struct span address)
{
	const struct config *config = s->snapshot->config;
	const char *client = config->clients[s->client].name;

	if (suppression_find(s->snapshot->suppression, s->shard->index, address) == SUPPRESSION_NONE ||
	    config_suppression_use(config, client, strlen(client)) == CONFIG_SUPPRESSION_IGNORE)
		return NULL;
	return "550 " SUPPRESSION_REFUSAL "\r\n";
}

/* It may be one; it is told what becomes of that. */
static void add_recipient(struct session *s, const struct smtp_command *command, struct addressee who)
{
	if (!charged(s))
		return;
	switch (submission_add_recipient(s->message, &who)) {
	case SUBMISSION_ADDED:
		s->message->letter.wide |= command->wide ? ENVELOPE_WIDE_ADDRESS : 0;
		receive_reply_text(s, "250 2.1.5 Ok\r\n");
		return;
	case SUBMISSION_TOO_MANY:
		receive_give_back_unused(s, QUOTA_RECIPIENTS);
		receive_reply_text(s, "452 4.5.3 Too many recipients\r\n");
		return;
	case SUBMISSION_NO_MEMORY:
		receive_give_back_unused(s, QUOTA_RECIPIENTS);
		receive_reply_text(s, "452 4.3.1 Out of memory, try again later\r\n");
		return;
	}
}

void receive_recipient(struct session *s, const struct smtp_command *command)
{
	const struct config *config = s->snapshot->config;
	char room[SMTP_PATH_MAX], known_room[SMTP_PATH_MAX], orcpt_room[PARAMETERS_ORCPT_MAX];
	const struct config_route *route;
	struct addressee who;
	const char *refusal;
	struct span address, known, orcpt;

	if (!s->message) {
		receive_error(s, "503 5.5.1 Send MAIL first\r\n");
		return;
	}
	if (receive_content_begun(s)) {
		receive_error(s, "503 5.5.1 The message was begun by BDAT\r\n");
		return;
	}
	if (s->client < 0) {
		receive_count_refused(s);
		receive_error(s, "550 5.7.1 Relaying not permitted\r\n");
		return;
	}
	if (command->wide && !s->message->smtputf8) {
		receive_error(s, "553 5.6.7 An address with 8-bit characters needs SMTPUTF8 in MAIL\r\n");
		return;
	}
	if (s->message->recipients >= config->limits.recipients_per_message) {
		receive_reply_text(s, "452 4.5.3 Too many recipients\r\n");
		return;
	}
	if (!qualify(s, command, room, &address)) {
		receive_error(s, "501 5.1.3 The recipient needs a domain, as in RCPT TO:<user@example.org>\r\n");
		return;
	}
	if (is_inward(address)) {
		receive_count_refused(s);
		receive_error(s, "550 5.1.2 No mail goes to an address of this machine or site\r\n");
		return;
	}
	refusal = known_as(command, address, known_room, &known);
	if (refusal) {
		receive_error(s, refusal);
		return;
	}
	if (!allowed(s, false, known)) {
		receive_count_refused(s);
		receive_error(s, "550 5.7.1 This recipient is not allowed to you\r\n");
		return;
	}
	refusal = original_of(s, command, orcpt_room, &orcpt);
	if (refusal) {
		receive_error(s, refusal);
		return;
	}
	route = receive_route(s, known);
	if (!route || route->refuse) {
		refuse_by_route(s, route);
		return;
	}
	refusal = suppressed(s, known);
	if (refusal) {
		receive_count_refused(s);
		receive_reply_text(s, refusal);
		return;
	}
	who = (struct addressee){.destination = (uint16_t)route->destination,
				 .notify = command->rcpt.notify,
				 .address = address,
				 .orcpt = orcpt};
	add_recipient(s, command, who);
}
