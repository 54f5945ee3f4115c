/*
 * core/relay/receive_command.c - what each command does to a session (RFC 5321 4.1.1, 4.1.4, 3.3).
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "core/relay/events.h"
#include "core/relay/receive_private.h"
#include "queue/envelope.h"

void receive_error(struct session *s, const char *reply)
{
	const struct config *config = s->shard->config;

	s->errors++;
	if (config->limits.errors_per_session && s->errors >= config->limits.errors_per_session) {
		receive_finish(s, "421 4.7.0 Too many errors, closing connection\r\n", "too many errors");
		return;
	}
	receive_reply_text(s, reply);
}

static void hello(struct session *s, const struct smtp_command *command)
{
	const struct config *config = s->shard->config;
	char reply[REPLY_ROOM];
	int n;

	struct span name = command->argument;

	receive_drop_transaction(s);
	if (!s->helo && !(s->helo = pool_acquire(&s->shard->receiver->names))) {
		receive_reply_text(s, "451 4.3.0 Out of memory, try again later\r\n");
		return;
	}
	/* The start of a name that is too long to be one might be somebody else's. */
	s->helo_length = (uint8_t)(name.length > 255 ? 0 : name.length);
	if (s->helo_length > 0)
		memcpy(s->helo, name.data, s->helo_length);
	s->helo_given = true;
	s->esmtp = command->verb == SMTP_EHLO;
	if (!s->esmtp) {
		n = snprintf(reply, sizeof(reply), "250 %.200s\r\n", config->hostname);
	} else {
		n = snprintf(reply, sizeof(reply),
			     "250-%.200s\r\n250-PIPELINING\r\n250-SIZE %llu\r\n250-8BITMIME\r\n"
			     "250 ENHANCEDSTATUSCODES\r\n",
			     config->hostname, (unsigned long long)config->spool.message_size_max);
	}
	s->last_reply = s->esmtp ? "250 ENHANCEDSTATUSCODES" : "250";
	receive_reply(s, reply, (size_t)n);
}

/* What kind of syntax this client may use: only who may relay is worth forgiving. */
static enum smtp_syntax syntax_of(const struct session *s)
{
	const struct config *config = s->shard->config;
	bool tolerant = s->client >= 0 && config->clients[s->client].syntax == CONFIG_SYNTAX_TOLERANT;

	return tolerant ? SMTP_SYNTAX_TOLERANT : SMTP_SYNTAX_STRICT;
}

/* A local part alone gets the client's default domain, in `room`. False: it has none, or it does not fit a path. */
static bool qualify(const struct session *s, const struct smtp_command *command, char *room, struct span *address)
{
	const char *domain = s->client >= 0 ? s->shard->config->clients[s->client].default_domain : NULL;
	size_t local = command->address.length, length = domain ? strlen(domain) : 0;

	*address = command->address;
	if (!command->unqualified)
		return true;
	if (!domain || local + 1 + length > SMTP_PATH_MAX - 2)
		return false;
	memcpy(room, command->address.data, local);
	room[local] = '@';
	memcpy(room + local + 1, domain, length);
	*address = (struct span){room, (uint32_t)(local + 1 + length)};
	return true;
}

static void mail(struct session *s, const struct smtp_command *command)
{
	const struct config *config = s->shard->config;
	struct span helo = {s->helo, s->helo_length}, sender;
	char room[SMTP_PATH_MAX];

	if (!s->helo_given) {
		receive_error(s, "503 5.5.1 Send EHLO or HELO first\r\n");
		return;
	}
	if (s->message) {
		receive_error(s, "503 5.5.1 Sender already given\r\n");
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
	if (!qualify(s, command, room, &sender)) {
		receive_error(s, "501 5.1.7 The sender needs a domain, as in MAIL FROM:<user@example.org>\r\n");
		return;
	}
	s->message = submission_new(s->shard, &receive_submissions, s);
	if (!s->message || !submission_envelope_start(s->message, sender, helo)) {
		receive_drop_transaction(s);
		receive_reply_text(s, "452 4.3.1 Out of memory, try again later\r\n");
		return;
	}
	s->message->letter.client = span_text(s->client >= 0 ? config->clients[s->client].name : "");
	s->message->letter.peer = (struct span){s->peer, s->peer_length};
	if (command->body == SMTP_BODY_8BITMIME)
		s->message->letter.flags |= ENVELOPE_EIGHT_BIT;
	if (command->body != SMTP_BODY_NONE)
		s->message->letter.flags |= ENVELOPE_BODY_GIVEN;
	receive_reply_text(s, "250 2.1.0 Ok\r\n");
}

static void recipient(struct session *s, const struct smtp_command *command)
{
	const struct config *config = s->shard->config;
	char room[SMTP_PATH_MAX];
	struct span address;
	int destination;

	if (!s->message) {
		receive_error(s, "503 5.5.1 Send MAIL first\r\n");
		return;
	}
	if (s->client < 0) {
		counter_add(&s->shard->receiver->counters.refused, 1);
		receive_error(s, "550 5.7.1 Relaying not permitted\r\n");
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
	destination = relay_route(config, address.data, address.length);
	if (destination < 0) {
		counter_add(&s->shard->receiver->counters.refused, 1);
		receive_error(s, "550 5.7.1 No route to this recipient\r\n");
		return;
	}
	switch (submission_add_recipient(s->message, (unsigned)destination, address)) {
	case SUBMISSION_ADDED:
		receive_reply_text(s, "250 2.1.5 Ok\r\n");
		return;
	case SUBMISSION_TOO_MANY:
		receive_reply_text(s, "452 4.5.3 Too many recipients\r\n");
		return;
	case SUBMISSION_NO_MEMORY:
		receive_reply_text(s, "452 4.3.1 Out of memory, try again later\r\n");
		return;
	}
}

bool receive_begins_content(const char *line, size_t length)
{
	char behind = length > 4 ? line[4] : ' ';

	if (length < 4 || (strncasecmp(line, "DATA", 4) != 0 && strncasecmp(line, "BDAT", 4) != 0))
		return false;
	return !((behind >= 'a' && behind <= 'z') || (behind >= 'A' && behind <= 'Z'));
}

/*
 * The one way out for DATA that is not answered 354. A client that does not wait for the answer sends its content
 * right behind, in this segment or in the next, and not one line of that may be read as a command (SMG-05). Nothing
 * tells content from commands, so the session ends. A client that waits loses a connection, and only where nothing it
 * said before was of use (RFC 2920 3.1).
 */
static void refuse_data(struct session *s, const char *refusal)
{
	s->errors++;
	receive_finish(s, refusal, "DATA refused");
}

static void data(struct session *s)
{
	if (!s->message) {
		refuse_data(s, "503 5.5.1 Send MAIL first\r\n");
		return;
	}
	if (s->message->recipients == 0) {
		refuse_data(s, "554 5.5.1 No valid recipients\r\n");
		return;
	}
	receive_start_content(s);
	receive_reply_text(s, "354 End data with <CR><LF>.<CR><LF>\r\n");
}

void receive_command(struct session *s, const char *line, size_t length)
{
	struct smtp_command command;
	const char *refusal = smtp_command_parse(line, length, syntax_of(s), &command);

	s->commands++;
	if (command.verb != SMTP_UNKNOWN && command.verb != SMTP_QUIT)
		s->stage = (uint8_t)command.verb;
	if (command.verb == SMTP_FOREIGN) {
		receive_finish(s, "421 4.7.0 Not an SMTP client, closing connection\r\n", "another protocol");
		return;
	}
	if (command.verb == SMTP_BDAT) {
		/* Not offered. The chunk behind it must not be read as commands (BDT-01). */
		receive_finish(s, "502 5.5.1 BDAT not offered, closing connection\r\n", "BDAT not offered");
		return;
	}
	if (refusal) {
		if (receive_begins_content(line, length))
			refuse_data(s, refusal);
		else
			receive_error(s, refusal);
		return;
	}
	switch (command.verb) {
	case SMTP_EHLO:
	case SMTP_HELO:
		hello(s, &command);
		return;
	case SMTP_MAIL:
		mail(s, &command);
		return;
	case SMTP_RCPT:
		recipient(s, &command);
		return;
	case SMTP_DATA:
		data(s);
		return;
	case SMTP_RSET:
		receive_drop_transaction(s);
		receive_reply_text(s, "250 2.0.0 Ok\r\n");
		return;
	case SMTP_NOOP:
		receive_reply_text(s, "250 2.0.0 Ok\r\n");
		return;
	case SMTP_VRFY:
		receive_reply_text(s, "252 2.5.0 Cannot verify, send mail and see\r\n");
		return;
	case SMTP_HELP:
		receive_reply_text(s, "214 2.0.0 EHLO HELO MAIL RCPT DATA RSET NOOP VRFY HELP QUIT (RFC 5321)\r\n");
		return;
	case SMTP_QUIT:
		receive_finish(s, "221 2.0.0 Bye\r\n", "quit");
		return;
	default:
		receive_error(s, "502 5.5.1 Command not implemented\r\n");
		return;
	}
}
