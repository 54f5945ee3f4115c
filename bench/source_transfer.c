/*
 * bench/source_transfer.c - the transactions on a READY connection.
 *
 * A session keeps a ring of messages in flight, oldest first. Two cursors move over the steps of a message,
 *
 *     [RESET] MAIL RCPT.. [DATA] CONTENT DONE
 *
 * one for writing (only the newest message has something left to write) and one for answers (answers always
 * belong to the oldest message that still awaits some). The mode only decides when the writing cursor may move:
 * in lockstep while nothing is outstanding, else at once; content under DATA additionally waits for the message's
 * own 354 (RFC 2920 3.1: DATA ends a group), unless --blind. With CHUNKING there is no DATA step and so whole
 * messages follow each other up to the window (RFC 3030 4.2).
 *
 * A refused message is counted under the code that refused it and is not sent again. The one after a refusal
 * begins with RSET, for a server may still be in the refused transaction.
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "bench/source.h"

static const struct source_options *options_of(const struct source_session *session)
{
	return &session->thread->run->options;
}

static struct source_message *message_at(struct source_session *session, unsigned index)
{
	return &session->messages[(session->first + index) % session->window];
}

void source_transfer_begin(struct source_session *session)
{
	const struct source_options *options = options_of(session);
	const struct source_content *content = &session->thread->run->content;
	const struct smtp_extensions *extensions = &session->extensions;
	size_t size = content->head_length + content->body_length;
	session->chunking = options->chunking && extensions->chunking;
	session->lockstep = options->mode == SOURCE_LOCKSTEP || !extensions->pipelining;
	if ((options->mode != SOURCE_LOCKSTEP && session->lockstep) || (options->chunking && !session->chunking))
		session->thread->stats.fallbacks++;
	session->grouped = session->lockstep || options->mode == SOURCE_GROUPED;
	session->needs_reset = false;
	session->taken_here = 0;
	session->first = session->count = session->outstanding = 0;
	session->content_offset = 0;
	session->mail_length =
		(size_t)snprintf(session->mail_line, sizeof(session->mail_line), "MAIL FROM:<%s>", options->sender);
	if (extensions->size_given)
		session->mail_length +=
			(size_t)snprintf(session->mail_line + session->mail_length, 40, " SIZE=%zu", size);
	memcpy(session->mail_line + session->mail_length, "\r\n", 2);
	session->mail_length += 2;
	session->bdat_length =
		(size_t)snprintf(session->bdat_line, sizeof(session->bdat_line), "BDAT %zu LAST\r\n", size);
}

/* ---- writing ------------------------------------------------------------------------------------------------- */

static void write_recipients(struct source_session *session, struct source_message *m)
{
	const struct source_content *content = &session->thread->run->content;
	unsigned all = options_of(session)->recipients;
	unsigned first = m->recipients_written, end = session->lockstep ? first + 1 : all;
	size_t length = content->recipient_ends[end - 1] - (first ? content->recipient_ends[first - 1] : 0);
	source_recipients_copy(content, first, end, m->sequence, tcp_io_reserve(&session->io, length));
	m->recipients_written = end;
	session->outstanding += end - first;
	if (m->recipients_written == all)
		m->writing = session->chunking ? STEP_CONTENT : STEP_DATA;
}

static void write_head(struct source_session *session, const struct source_message *m)
{
	const struct source_content *content = &session->thread->run->content;
	if (session->chunking)
		tcp_io_write(&session->io, session->bdat_line, session->bdat_length);
	uint8_t *head = tcp_io_reserve(&session->io, content->head_length);
	memcpy(head, content->head, content->head_length);
	common_sequence_format(m->sequence, (char *)head + content->sequence_at[0]);
	common_sequence_format(m->sequence, (char *)head + content->sequence_at[1]);
	session->content_offset = content->head_length;
}

static void content_written(struct source_session *session, struct source_message *m)
{
	struct source_stats *stats = &session->thread->stats;
	if (!session->chunking)
		tcp_io_write(&session->io, ".\r\n", 3);
	m->writing = STEP_DONE;
	m->end_ns = session->thread->loop.now_ns;
	session->outstanding++;
	stats->octets += session->content_offset;
	stats->sent += session->content_offset > 0;
	session->content_offset = 0;
}

/* False when the output has no room, or 354 has not come. */
static bool write_content(struct source_session *session, struct source_message *m)
{
	const struct source_content *content = &session->thread->run->content;
	size_t total = content->head_length + content->body_length;
	if (!session->chunking && !options_of(session)->blind) {
		if (!m->go_ahead)
			return false;
		if (m->recipients_accepted == 0) {
			/* A server that says 354 without a recipient gets an empty message (RFC 2920 3.1). */
			content_written(session, m);
			return true;
		}
	}
	size_t room = tcp_io_room(&session->io);
	if (session->content_offset == 0) {
		if (room == 0)
			return false;
		write_head(session, m);
		room = room > content->head_length ? room - content->head_length : 0;
	}
	size_t length = total - session->content_offset;
	if (length > room)
		length = room;
	tcp_io_write(&session->io, content->body + (session->content_offset - content->head_length), length);
	session->content_offset += length;
	if (session->content_offset < total)
		return false;
	content_written(session, m);
	return true;
}

/* True when the cursor moved. */
static bool write_step(struct source_session *session, struct source_message *m)
{
	if (session->lockstep && session->outstanding > 0)
		return false;
	switch (m->writing) {
	case STEP_RESET:
		tcp_io_write(&session->io, "RSET\r\n", 6);
		session->outstanding++;
		m->writing = STEP_MAIL;
		return true;
	case STEP_MAIL:
		tcp_io_write(&session->io, session->mail_line, session->mail_length);
		session->outstanding++;
		m->writing = STEP_RCPT;
		return true;
	case STEP_RCPT:
		write_recipients(session, m);
		return true;
	case STEP_DATA:
		tcp_io_write(&session->io, "DATA\r\n", 6);
		session->outstanding++;
		m->writing = STEP_CONTENT;
		return true;
	case STEP_CONTENT:
		return write_content(session, m);
	default:
		return false;
	}
}

/* The next message, or NULL while there may be none; then the session knows who will wake it. */
static struct source_message *begin_message(struct source_session *session)
{
	const struct source_options *options = options_of(session);
	struct source_message message = {.awaiting = STEP_MAIL, .writing = STEP_MAIL};
	enum source_next next = SOURCE_NEXT_NONE;
	if (session->count == (session->grouped ? 1 : session->window))
		return NULL;
	if (options->messages_per_connection == 0 || session->taken_here < options->messages_per_connection)
		next = source_thread_next(session->thread, &message);
	if (next == SOURCE_NEXT_NONE) {
		if (session->count == 0)
			source_session_quit(session);
		return NULL;
	}
	if (next == SOURCE_NEXT_LATER) {
		if (!list_linked(&session->link))
			list_append(&session->thread->idle, &session->link);
		return NULL;
	}
	if (session->needs_reset)
		message.writing = message.awaiting = STEP_RESET;
	session->needs_reset = false;
	session->taken_here++;
	struct source_message *m = message_at(session, session->count++);
	*m = message;
	return m;
}

void source_transfer_pump(struct source_session *session)
{
	bool began = false;
	while (session->state == SOURCE_READY && session->io.state == TCP_OPEN) {
		struct source_message *m = session->count ? message_at(session, session->count - 1) : NULL;
		if (!m || m->writing == STEP_DONE) {
			/* On a schedule the sessions take turns. */
			if (began && options_of(session)->rate > 0) {
				if (!list_linked(&session->link))
					list_append(&session->thread->idle, &session->link);
				return;
			}
			m = begin_message(session);
			if (!m)
				return;
			began = true;
		}
		if (!write_step(session, m))
			return;
	}
}

/* ---- answers ------------------------------------------------------------------------------------------------- */

static void pop(struct source_session *session)
{
	session->first = (session->first + 1) % session->window;
	session->count--;
}

static void finish_refused(struct source_session *session, struct source_message *m)
{
	struct source_stats *stats = &session->thread->stats;
	assert(m->code > 0 && m->code < SOURCE_CODE_MAX);
	stats->refused++;
	stats->refused_by_code[m->code]++;
	stats->last_ns = session->thread->loop.now_ns;
	pop(session);
}

static void finish_accepted(struct source_session *session, struct source_message *m)
{
	struct source_thread *thread = session->thread;
	uint64_t now_ns = thread->loop.now_ns;
	line_buffer_number(&thread->acknowledged, m->sequence, now_ns);
	thread->stats.accepted++;
	thread->stats.last_ns = now_ns;
	histogram_record(&thread->stats.content_latency, now_ns - m->end_ns);
	histogram_record(&thread->stats.message_latency, now_ns - m->due_ns);
	pop(session);
}

static void on_recipient(struct source_session *session, struct source_message *m, unsigned code)
{
	m->recipients_answered++;
	if (code / 100 == 2)
		m->recipients_accepted++;
	else
		session->thread->stats.recipients_refused++;
	if (m->recipients_answered < options_of(session)->recipients)
		return;
	/* The last code stands for all when not one was taken; MAIL's, if it failed, came first. */
	if (m->recipients_accepted == 0 && m->code == 0)
		m->code = (uint16_t)code;
	m->awaiting = session->chunking ? STEP_CONTENT : STEP_DATA;
}

static void on_data_reply(struct source_session *session, struct source_message *m, unsigned code)
{
	m->awaiting = STEP_CONTENT;
	if (code == 354) {
		m->go_ahead = true;
		return;
	}
	if (options_of(session)->blind) {
		/* The content is on its way already and is read as commands: there is no way back in step. */
		source_session_abort(session, "DATA was refused while content was sent blindly");
		return;
	}
	if (m->code == 0)
		m->code = (uint16_t)code;
	session->needs_reset = true;
	finish_refused(session, m);
}

static void on_content_reply(struct source_session *session, struct source_message *m, unsigned code)
{
	if (code / 100 == 2 && m->code == 0) {
		finish_accepted(session, m);
		return;
	}
	/* After BDAT the transaction's state is unknown (RFC 3030 2); the end of DATA always closes it. */
	if (session->chunking)
		session->needs_reset = true;
	if (m->code == 0)
		m->code = (uint16_t)code;
	finish_refused(session, m);
}

void source_transfer_reply(struct source_session *session, unsigned code)
{
	if (session->outstanding == 0 || session->count == 0) {
		session->thread->stats.protocol_errors++;
		source_session_abort(session, "an answer that nothing was asked for");
		return;
	}
	struct source_message *m = message_at(session, 0);
	session->outstanding--;
	switch (m->awaiting) {
	case STEP_RESET:
		m->awaiting = STEP_MAIL;
		break;
	case STEP_MAIL:
		m->awaiting = STEP_RCPT;
		if (code / 100 != 2)
			m->code = (uint16_t)code;
		break;
	case STEP_RCPT:
		on_recipient(session, m, code);
		break;
	case STEP_DATA:
		on_data_reply(session, m, code);
		return;
	case STEP_CONTENT:
		on_content_reply(session, m, code);
		return;
	case STEP_DONE:
		assert(false);
	}
	/* In lockstep there is nothing behind it yet, so a message without a chance ends here. */
	if (session->lockstep && m->code != 0) {
		session->needs_reset = true;
		finish_refused(session, m);
	}
}

void source_transfer_lost(struct source_session *session)
{
	struct source_thread *thread = session->thread;
	for (; session->count > 0; pop(session)) {
		if (options_of(session)->reconnect)
			source_thread_send_again(thread, message_at(session, 0));
		else
			thread->stats.unacknowledged++;
	}
	session->outstanding = 0;
	session->content_offset = 0;
}
