/*
 * core/receive/line.c - octets of a client become lines: whole ones are read where they lie, of others the
 * beginning is kept.
 */
#include <string.h>

#include "core/config/config.h"
#include "core/config/quirks.h"
#include "core/receive/login.h"
#include "core/receive/session_private.h"
#include "core/shard/shard.h"
#include "core/shard/snapshot.h"

static bool keep_partial_line(struct session *s, const uint8_t *data, size_t length)
{
	if (!s->line && !(s->line = pool_acquire(&s->shard->receiver->lines)))
		return false;
	memcpy(s->line + s->line_length, data, length);
	s->line_length += (uint16_t)length;
	return true;
}

/* The line is not read as a command. */
static void refuse_line(struct session *s, const char *line, size_t length, const char *reply)
{
	if (receive_begins_content(line, length))
		receive_finish(s, reply, "DATA refused");
	else
		receive_error(s, reply);
}

/* The line without what ends it; `length` counts the LF. Lines end in CRLF, or for clients of which that is known, in
 * LF with any number of CRs. */
static size_t text_length(struct session *s, const char *line, size_t length)
{
	bool any = receive_quirks(s) & QUIRK_ANY_ENDINGS;
	size_t text = length - 1;

	s->odd_line = false;
	if (text > 0 && line[text - 1] == '\r' && (!any || text == 1 || line[text - 2] != '\r'))
		return text - 1;
	s->odd_line = any;
	while (any && text > 0 && line[text - 1] == '\r')
		text--;
	return text;
}

static void complete_line(struct session *s, const char *line, size_t length)
{
	size_t text = text_length(s, line, length);
	/* A bare LF ends the line, too, but it is never executed. */
	bool bare = !s->odd_line && text == length - 1;

	if (s->state == SESSION_AUTH) {
		/* It is shown to nobody. */
		if (bare)
			receive_auth_bare_line(s);
		else
			receive_auth_line(s, line, text);
	} else {
		s->shard->receiver->asked = (struct span){line, (uint32_t)text};
		if (bare)
			refuse_line(s, line, length, "500 5.5.2 Lines must end in CRLF\r\n");
		else
			receive_command(s, line, text);
		s->shard->receiver->asked.length = 0;
	}
	if ((s->state == SESSION_COMMAND && !receive_paced(s)) || s->state == SESSION_AUTH)
		receive_arm_command(s);
}

static void refuse_long_line(struct session *s, const uint8_t *data, size_t length, bool complete)
{
	char start[5];
	size_t before = s->line_length, kept = before < sizeof(start) ? before : sizeof(start);
	size_t rest = length < sizeof(start) - kept ? length : sizeof(start) - kept;

	if (kept)
		memcpy(start, s->line, kept);
	memcpy(start + kept, data, rest);
	s->line_length = 0;
	if (!complete)
		receive_move(s, SESSION_LINE_TOO_LONG);
	s->shard->receiver->asked =
		(struct span){kept ? s->line : (const char *)data, (uint32_t)(kept ? before : length)};
	refuse_line(s, start, kept + rest, "500 5.5.2 Line too long\r\n");
	s->shard->receiver->asked.length = 0;
}

/* Of AUTH: longer than anybody's password is. It is read to its end, of which the beginning is kept no more. */
static void discard(struct session *s, size_t length, bool complete)
{
	size_t before = s->line_length;

	s->line_length = 0;
	receive_forget_line(s);
	receive_auth_discard(s, before + length, complete);
}

size_t receive_line(struct session *s, const uint8_t *data, size_t length)
{
	const uint8_t *lf = memchr(data, '\n', length);
	size_t n = lf ? (size_t)(lf - data) + 1 : length;

	if (s->state == SESSION_LINE_TOO_LONG) {
		if (lf)
			receive_move(s, SESSION_COMMAND);
		return n;
	}
	if (s->state == SESSION_AUTH && (s->login->discarded > 0 || s->line_length + n > SMTP_COMMAND_LINE_MAX)) {
		discard(s, n, lf != NULL);
		return n;
	}
	if (s->line_length + n > SMTP_COMMAND_LINE_MAX) {
		refuse_long_line(s, data, n, lf != NULL);
		return n;
	}
	if (lf && s->line_length == 0) {
		complete_line(s, (const char *)data, n);
		return n;
	}
	if (!keep_partial_line(s, data, n)) {
		receive_end(s, "out of memory");
		return n;
	}
	if (lf) {
		size_t total = s->line_length;
		s->line_length = 0;
		complete_line(s, s->line, total);
		if (s->line_length == 0)
			receive_forget_line(s);
	}
	return n;
}
