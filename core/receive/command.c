/*
 * core/receive/command.c - what each command does to a session (RFC 5321 4.1.1, 4.1.4, 3.3); those that make a
 * message are in envelope.c.
 */
#include <strings.h>

#include "core/config/config.h"
#include "core/receive/session_private.h"
#include "core/shard/shard.h"
#include "core/shard/snapshot.h"

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
	(void)receive_count_error(s);
	receive_finish(s, refusal, "DATA refused");
}

static void data(struct session *s)
{
	if (!s->message) {
		refuse_data(s, "503 5.5.1 Send MAIL first\r\n");
		return;
	}
	if (receive_content_begun(s)) {
		refuse_data(s, "503 5.5.1 The message was begun by BDAT\r\n");
		return;
	}
	if (s->message->recipients == 0) {
		refuse_data(s, "554 5.5.1 No valid recipients\r\n");
		return;
	}
	receive_start_content(s, SESSION_CONTENT);
	receive_reply_text(s, "354 End data with <CR><LF>.<CR><LF>\r\n");
}

void receive_command(struct session *s, const char *line, size_t length)
{
	struct smtp_command command;
	const char *refusal = smtp_command_parse(line, length, receive_syntax(s), &command);

	s->commands++;
	if (command.verb != SMTP_UNKNOWN && command.verb != SMTP_QUIT)
		s->stage = (uint8_t)command.verb;
	if (command.verb == SMTP_FOREIGN) {
		receive_finish(s, "421 4.7.0 Not an SMTP client, closing connection\r\n", "another protocol");
		return;
	}
	if (receive_wants_tls(s, command.verb)) {
		static const char refusal_text[] = "530 5.7.0 Must issue a STARTTLS command first\r\n";
		if (receive_begins_content(line, length))
			refuse_data(s, refusal_text);
		else
			receive_error(s, refusal_text);
		return;
	}
	/* PAR-07: what the octets are matters only where they may be there. */
	if (refusal && command.verb == SMTP_RCPT && command.wide && !(s->message && s->message->smtputf8))
		refusal = "553 5.6.7 An address with 8-bit characters needs SMTPUTF8 in MAIL\r\n";
	/* Of BDAT with a fault nobody knows how many octets follow (BDT-01). */
	if (refusal) {
		if (receive_begins_content(line, length))
			refuse_data(s, refusal);
		else
			receive_error(s, refusal);
		return;
	}
	if (command.verb != SMTP_BDAT)
		s->chunks_refused = false;
	switch (command.verb) {
	case SMTP_EHLO:
	case SMTP_HELO:
		receive_hello(s, &command);
		return;
	case SMTP_MAIL:
		receive_mail(s, &command);
		return;
	case SMTP_RCPT:
		receive_recipient(s, &command);
		return;
	case SMTP_DATA:
		data(s);
		return;
	case SMTP_BDAT:
		receive_bdat(s, &command);
		return;
	case SMTP_XCLIENT:
		receive_xclient(s, &command);
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
		receive_reply_text(s,
				   "214 2.0.0 EHLO HELO MAIL RCPT DATA BDAT RSET NOOP VRFY HELP QUIT (RFC 5321)\r\n");
		return;
	case SMTP_STARTTLS:
		receive_starttls(s);
		return;
	case SMTP_AUTH:
		receive_auth(s, &command);
		return;
	case SMTP_QUIT:
		receive_finish(s, "221 2.0.0 Bye\r\n", "quit");
		return;
	default:
		receive_error(s, "502 5.5.1 Command not implemented\r\n");
		return;
	}
}
