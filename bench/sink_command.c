/*
 * bench/sink_command.c - the commands a sink understands.
 *
 * Order is enforced as RFC 5321 4.1.4 wants it, since a relay under test has to be told when it is wrong; a
 * parameter of an extension that was not offered is 555 and counted as a violation. Addresses are not judged.
 */
#include <ctype.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "bench/sink.h"

const char *const sink_verb_names[VERB_COUNT] = {
	"other", "EHLO", "HELO", "MAIL", "RCPT", "DATA",     "BDAT",
	"RSET",  "NOOP", "VRFY", "HELP", "QUIT", "STARTTLS", "AUTH",
};

static enum sink_verb find_verb(const char *line, size_t length)
{
	size_t word = 0;
	while (word < length && line[word] != ' ')
		word++;
	for (unsigned verb = VERB_EHLO; verb < VERB_COUNT; verb++)
		if (strlen(sink_verb_names[verb]) == word && strncasecmp(sink_verb_names[verb], line, word) == 0)
			return (enum sink_verb)verb;
	return VERB_OTHER;
}

/* A fault's answer has been given, or the connection is gone: the command is dealt with. */
static bool struck(struct sink_session *session, enum sink_stage stage)
{
	unsigned code = sink_thread_fault(session, stage);
	if (code == 0)
		return false;
	if (code != UINT_MAX)
		sink_reply_fault(session, code);
	return true;
}

static void on_ehlo(struct sink_session *session)
{
	const struct sink_options *options = &session->thread->run->options;
	const char *lines[9];
	unsigned count = 0;
	char text[512];
	size_t length = 0;
	if (struck(session, STAGE_HELO))
		return;
	sink_session_reset(session);
	session->helo = true;
	lines[count++] = "sink.invalid";
	if (options->pipelining)
		lines[count++] = "PIPELINING";
	if (options->size)
		lines[count++] = "SIZE 1073741824";
	if (options->eight_bit)
		lines[count++] = "8BITMIME";
	if (options->chunking)
		lines[count++] = "CHUNKING";
	if (options->enhanced)
		lines[count++] = "ENHANCEDSTATUSCODES";
	if ((options->tls == SINK_TLS_STARTTLS || options->tls == SINK_TLS_REQUIRED) && !session->secure)
		lines[count++] = "STARTTLS";
	if (options->auth && (session->secure || options->tls == SINK_TLS_OFF))
		lines[count++] = "AUTH PLAIN LOGIN XOAUTH2 OAUTHBEARER";
	for (unsigned i = 0; i < count; i++)
		length += (size_t)snprintf(text + length, sizeof(text) - length, "250%c%s\r\n",
					   i + 1 < count ? '-' : ' ', lines[i]);
	sink_reply_raw(session, text, length);
}

static void on_helo(struct sink_session *session)
{
	if (struck(session, STAGE_HELO))
		return;
	sink_session_reset(session);
	session->helo = true;
	sink_reply(session, 250, "", "sink.invalid");
}

/* Looks at one parameter of MAIL; false when it was answered. */
static bool take_mail_parameter(struct sink_session *session, const char *text, size_t length)
{
	const struct sink_options *options = &session->thread->run->options;
	if (length > 5 && strncasecmp(text, "SIZE=", 5) == 0 && options->size) {
		if (strtoull(text + 5, NULL, 10) <= SINK_SIZE_MAX)
			return true;
		sink_reply(session, 552, "5.3.4", "Message too large");
		return false;
	}
	if (length > 5 && strncasecmp(text, "BODY=", 5) == 0 && options->eight_bit)
		return true;
	sink_session_violation(session, "a parameter of MAIL or RCPT that was not offered");
	sink_reply(session, 555, "5.5.4", "Parameter not recognized");
	return false;
}

/* Looks at "FROM:<...> parameters"; false when it was answered. */
static bool take_path(struct sink_session *session, const char *line, size_t length, const char *keyword,
		      bool parameters)
{
	size_t start = strlen(keyword);
	const char *close = length > start ? memchr(line, '>', length) : NULL;
	if (!close || strncasecmp(line, keyword, start) != 0 || line[start] != '<') {
		sink_reply(session, 501, "5.5.4", "Syntax error in the path");
		return false;
	}
	/* A '>' inside a quoted local part ends the search early; the test peers do not send one. */
	const char *next = close + 1, *end = line + length;
	while (next < end) {
		while (next < end && *next == ' ')
			next++;
		const char *word = next;
		while (next < end && *next != ' ')
			next++;
		if (next > word && (!parameters || !take_mail_parameter(session, word, (size_t)(next - word)))) {
			if (!parameters) {
				sink_session_violation(session, "a parameter of MAIL or RCPT that was not offered");
				sink_reply(session, 555, "5.5.4", "Parameter not recognized");
			}
			return false;
		}
	}
	return true;
}

static void on_mail(struct sink_session *session, const char *line, size_t length)
{
	const struct sink_run *run = session->thread->run;
	if (run->options.tls == SINK_TLS_REQUIRED && !session->secure) {
		sink_reply(session, 530, "5.7.0", "Must issue a STARTTLS command first");
		return;
	}
	if (run->options.auth && !session->signed_in) {
		sink_reply(session, 530, "5.7.0", "Authentication required");
		return;
	}
	if (!session->helo || session->mail) {
		sink_reply(session, 503, "5.5.1", session->mail ? "Nested MAIL" : "EHLO first");
		return;
	}
	if (struck(session, STAGE_MAIL) || !take_path(session, line, length, "MAIL FROM:", true))
		return;
	session->mail = true;
	if (run->options.record_path)
		json_string(&session->envelope, "mail", line + 10, length - 10);
	sink_reply(session, 250, "2.1.0", "Ok");
}

static void on_rcpt(struct sink_session *session, const char *line, size_t length)
{
	if (!session->mail || session->chunked) {
		sink_reply(session, 503, "5.5.1", "MAIL first");
		return;
	}
	if (struck(session, STAGE_RCPT) || !take_path(session, line, length, "RCPT TO:", false))
		return;
	if (session->thread->run->options.record_path) {
		if (session->recipients == 0)
			json_begin(&session->envelope, "rcpt", '[');
		json_string(&session->envelope, NULL, line + 8, length - 8);
	}
	session->recipients++;
	sink_reply(session, 250, "2.1.5", "Ok");
}

static void on_data(struct sink_session *session)
{
	if (session->chunked) {
		sink_reply(session, 503, "5.5.1", "BDAT was begun");
		return;
	}
	if (!session->mail || session->recipients == 0) {
		sink_reply(session, session->mail ? 554 : 503, "5.5.1", "No valid recipients");
		return;
	}
	if (struck(session, STAGE_DATA))
		return;
	session->input = INPUT_DATA;
	sink_reply(session, 354, "", "End data with <CR><LF>.<CR><LF>");
}

static void on_bdat(struct sink_session *session, const char *line, size_t length)
{
	char text[40];
	char *end;
	if (length < 6 || length - 5 >= sizeof(text) || !isdigit((unsigned char)line[5])) {
		/* The length of the chunk is unknown, so its octets would be read as commands. */
		sink_reply(session, 501, "5.5.4", "Syntax error in BDAT");
		sink_session_then(session, THEN_CLOSE);
		return;
	}
	memcpy(text, line + 5, length - 5);
	text[length - 5] = '\0';
	session->chunk_left = strtoull(text, &end, 10);
	while (*end == ' ')
		end++;
	session->chunk_last = strcasecmp(end, "LAST") == 0;
	if ((*end && !session->chunk_last) || session->chunk_left > SINK_SIZE_MAX) {
		sink_reply(session, 501, "5.5.4", "Syntax error in BDAT");
		sink_session_then(session, THEN_CLOSE);
		return;
	}
	if (!session->thread->run->options.chunking)
		sink_session_violation(session, "BDAT without CHUNKING having been offered");
	session->chunk_refused = !session->mail || session->recipients == 0 || !session->thread->run->options.chunking;
	session->chunked = session->chunked || !session->chunk_refused;
	session->input = INPUT_CHUNK;
}

static void on_starttls(struct sink_session *session)
{
	enum sink_tls tls = session->thread->run->options.tls;
	if (session->secure || (tls != SINK_TLS_STARTTLS && tls != SINK_TLS_REQUIRED)) {
		sink_reply(session, session->secure ? 503 : 502, "5.5.1", "STARTTLS is not available");
		return;
	}
	sink_reply(session, 220, "2.0.0", "Ready to start TLS");
	/* What was sent in the clear behind the command is thrown away (STL-01). */
	sink_session_then(session, THEN_STARTTLS);
}

/* One line more of what signs in, or the last. Whoever it is may. */
static void on_auth_line(struct sink_session *session)
{
	if (session->auth_lines > 0)
		session->auth_lines--;
	if (session->auth_lines > 0) {
		sink_reply_raw(session, "334 \r\n", 6);
		return;
	}
	session->signed_in = true;
	sink_reply(session, 235, "2.7.0", "Accepted");
}

static void on_auth(struct sink_session *session, const char *line, size_t length)
{
	bool login = length >= 10 && strncasecmp(line, "AUTH LOGIN", 10) == 0;
	bool initial = length > 5 && memchr(line + 5, ' ', length - 5) != NULL;
	if (!session->thread->run->options.auth || !session->helo || session->signed_in || length < 6) {
		sink_reply(session, 503, "5.5.1", "AUTH is not available");
		return;
	}
	/* LOGIN asks for two lines, the others for one. */
	session->auth_lines = (login ? 2 : 1) - initial;
	if (session->auth_lines == 0)
		on_auth_line(session);
	else
		sink_reply_raw(session, "334 \r\n", 6);
}

void sink_command(struct sink_session *session, const char *line, size_t length)
{
	enum sink_verb verb = find_verb(line, length);
	if (session->auth_lines > 0) {
		on_auth_line(session);
		return;
	}
	session->thread->stats.commands[verb]++;
	switch (verb) {
	case VERB_EHLO:
		on_ehlo(session);
		break;
	case VERB_HELO:
		on_helo(session);
		break;
	case VERB_MAIL:
		on_mail(session, line, length);
		break;
	case VERB_RCPT:
		on_rcpt(session, line, length);
		break;
	case VERB_DATA:
		on_data(session);
		break;
	case VERB_BDAT:
		on_bdat(session, line, length);
		break;
	case VERB_RSET:
		sink_session_reset(session);
		sink_reply(session, 250, "2.0.0", "Ok");
		break;
	case VERB_NOOP:
	case VERB_HELP:
		sink_reply(session, verb == VERB_NOOP ? 250 : 214, "2.0.0", "Ok");
		break;
	case VERB_VRFY:
		sink_reply(session, 252, "2.1.5", "Send some mail, I'll try my best");
		break;
	case VERB_QUIT:
		session->quit = true;
		sink_reply(session, 221, "2.0.0", "Bye");
		sink_session_then(session, THEN_CLOSE);
		break;
	case VERB_STARTTLS:
		on_starttls(session);
		break;
	case VERB_AUTH:
		on_auth(session, line, length);
		break;
	default:
		sink_reply(session, 500, "5.5.2", "Command not recognized");
	}
}
