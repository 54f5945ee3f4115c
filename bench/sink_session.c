/*
 * bench/sink_session.c - one connection of the sink: input, replies, the end of a message.
 *
 *     COMMAND --DATA, 354--> DATA --CRLF.CRLF--> COMMAND
 *     COMMAND --BDAT-------> CHUNK --all octets--> COMMAND
 *     COMMAND --QUIT, STARTTLS, 421--> DEAF (input is thrown away until the replies have left)
 *
 * Replies go to the connection, which sends them together at the end of the turn, or with --delay are held by the
 * thread. Input is taken where the receive buffer lies; only a command cut in two is copied.
 */
#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "bench/sink.h"
#include "core/base/clock.h"

/* ---- replies ------------------------------------------------------------------------------------------------- */

void sink_reply_raw(struct sink_session *session, const char *text, size_t length)
{
	if (session->thread->run->options.delay_ns)
		sink_thread_hold(session->thread, session, text, length);
	else
		tcp_io_write(&session->io, text, length);
}

void sink_reply(struct sink_session *session, unsigned code, const char *enhanced, const char *text)
{
	char line[256];
	size_t length = 4;
	size_t enhanced_length = session->thread->run->options.enhanced ? strlen(enhanced) : 0;
	size_t text_length = strlen(text);
	assert(enhanced_length + text_length + 8 < sizeof(line));
	line[0] = (char)('0' + code / 100);
	line[1] = (char)('0' + code / 10 % 10);
	line[2] = (char)('0' + code % 10);
	line[3] = ' ';
	if (enhanced_length) {
		memcpy(line + length, enhanced, enhanced_length);
		length += enhanced_length;
		line[length++] = ' ';
	}
	memcpy(line + length, text, text_length);
	length += text_length;
	memcpy(line + length, "\r\n", 2);
	sink_reply_raw(session, line, length + 2);
}

void sink_reply_fault(struct sink_session *session, unsigned code)
{
	sink_reply(session, code, code < 500 ? "4.3.0" : "5.3.0", "Refused as the sink was told to");
	if (code == 421) {
		session->quit = true;
		sink_session_then(session, THEN_CLOSE);
	}
}

void sink_session_violation(struct sink_session *session, const char *what)
{
	struct sink_stats *stats = &session->thread->stats;
	stats->violations++;
	if (!stats->first_violation[0])
		snprintf(stats->first_violation, sizeof(stats->first_violation), "%s", what);
}

static void start_tls(struct sink_session *session)
{
	struct tls_session *tls = tls_session_new(session->thread->tls, NULL, NULL);
	if (!tls) {
		tcp_io_stop(&session->io, -ENOMEM);
		return;
	}
	/* All that was said in the clear is forgotten (RFC 3207 4.2, STL-03). */
	sink_session_reset(session);
	session->helo = session->signed_in = false;
	session->auth_lines = 0;
	session->line_length = 0;
	session->input = INPUT_COMMAND;
	tcp_io_start_tls(&session->io, tls);
}

static void count_out(struct sink_session *session)
{
	if (session->counted)
		atomic_fetch_sub(&session->thread->run->open, 1);
	session->counted = false;
}

void sink_session_released(struct sink_session *session)
{
	enum sink_then then = session->then;
	session->then = THEN_NOTHING;
	if (then == THEN_CLOSE) {
		/* Before its last reply leaves: whoever has read that may come back, on another thread too, and is not
		 * to be counted twice. */
		count_out(session);
		tcp_io_finish(&session->io);
	}
	if (then == THEN_STARTTLS)
		start_tls(session);
}

void sink_session_then(struct sink_session *session, enum sink_then then)
{
	session->input = INPUT_DEAF;
	session->then = then;
	if (session->held.length == 0)
		sink_session_released(session);
}

/* ---- messages ------------------------------------------------------------------------------------------------ */

static void forget_content(struct sink_session *session)
{
	session->chunked = false;
	session->content = (struct sink_content){0};
	session->octets = 0;
	session->head_length = 0;
	session->body.length = 0;
}

void sink_session_reset(struct sink_session *session)
{
	session->mail = false;
	session->recipients = 0;
	session->envelope.length = 0;
	forget_content(session);
}

/* The state after a refused BDAT LAST is indeterminate (RFC 3030 2). Most servers end the transaction; with
 * --keep-transaction this one does not, and a client that goes on without RSET adds to the old envelope. */
static void end_refused_chunks(struct sink_session *session)
{
	if (session->thread->run->options.keep_transaction)
		forget_content(session);
	else
		sink_session_reset(session);
}

/* Takes the dots away that DATA put in, and the last line (RFC 5321 4.5.2). */
static void unstuff(struct buffer *body)
{
	size_t to = 0;
	bool line_start = true;
	assert(body->length >= 3);
	body->length -= 3;
	for (size_t from = 0; from < body->length; from++) {
		if (line_start && body->data[from] == '.') {
			line_start = false;
			continue;
		}
		line_start = body->data[from] == '\n' && from > 0 && body->data[from - 1] == '\r';
		body->data[to++] = body->data[from];
	}
	body->length = to;
}

static void record(struct sink_session *session, bool numbered, uint64_t sequence)
{
	struct buffer out = {0};
	if (!session->chunked)
		unstuff(&session->body);
	json_begin(&out, NULL, '{');
	if (numbered)
		json_number(&out, "sequence", sequence);
	buffer_print(&out, "%s%.*s]", numbered ? "," : "", (int)session->envelope.length,
		     (const char *)session->envelope.data);
	json_string(&out, "by", session->chunked ? "BDAT" : "DATA", 4);
	json_bool(&out, "tls", session->secure);
	json_number(&out, "octets", session->body.length);
	json_end(&out, '}');
	buffer_append(&out, "\n", 1);
	buffer_append(&out, session->body.data, session->body.length);
	buffer_append(&out, "\n", 1);
	line_file_write(&session->thread->run->record, out.data, out.length);
	buffer_free(&out);
}

static void account(struct sink_session *session)
{
	struct sink_thread *thread = session->thread;
	struct sink_run *run = thread->run;
	struct sink_stats *stats = &thread->stats;
	uint64_t sequence = 0;
	bool numbered = sink_account_find(session->head, session->head_length, &sequence);
	stats->messages++;
	stats->octets += session->octets;
	stats->recipients += session->recipients;
	stats->bad += session->content.bad;
	stats->last_ns = thread->loop.now_ns;
	if (stats->first_ns == 0)
		stats->first_ns = thread->loop.now_ns;
	if (run->options.record_path)
		record(session, numbered, sequence);
	if (!numbered) {
		stats->unnumbered++;
		return;
	}
	line_buffer_number(&thread->received, sequence, thread->loop.now_ns);
	if (sink_account_add(&run->account, sequence) == ACCOUNT_DUPLICATE)
		stats->duplicates++;
	if (run->options.messages &&
	    atomic_load_explicit(&run->account.distinct, memory_order_relaxed) >= run->options.messages)
		atomic_store_explicit(&run->stop, true, memory_order_relaxed);
}

void sink_session_message(struct sink_session *session)
{
	unsigned code = sink_thread_fault(session, STAGE_END);
	if (code == 0) {
		account(session);
		code = sink_thread_fault(session, STAGE_ACCEPTED);
		if (code == 0)
			sink_reply(session, 250, "2.0.0", "Ok: taken");
	}
	if (code != 0 && code != UINT_MAX)
		sink_reply_fault(session, code);
	if (code != 0 && session->chunked)
		end_refused_chunks(session);
	else
		sink_session_reset(session);
}

static void keep_content(struct sink_session *session, const uint8_t *data, size_t length)
{
	size_t head = SINK_HEAD_MAX - session->head_length;
	if (head > length)
		head = length;
	if (head > 0) {
		memcpy(session->head + session->head_length, data, head);
		session->head_length = (uint16_t)(session->head_length + head);
	}
	session->octets += length;
	if (session->thread->run->options.record_path)
		buffer_append(&session->body, data, length);
}

/* ---- input --------------------------------------------------------------------------------------------------- */

static size_t take_data(struct sink_session *session, const uint8_t *data, size_t length)
{
	bool end = false;
	size_t consumed = sink_content_data(&session->content, data, length, &end);
	keep_content(session, data, consumed);
	if (end) {
		session->octets -= 3;
		session->input = INPUT_COMMAND;
		sink_session_message(session);
	}
	return consumed;
}

static void chunk_complete(struct sink_session *session)
{
	session->input = INPUT_COMMAND;
	if (session->chunk_refused) {
		if (!session->thread->run->options.chunking)
			sink_reply(session, 502, "5.5.1", "BDAT is not available");
		else
			sink_reply(session, session->mail ? 554 : 503, "5.5.1", "No valid recipients");
		if (session->chunk_last)
			end_refused_chunks(session);
	} else if (session->chunk_last) {
		sink_content_finish(&session->content);
		sink_session_message(session);
	} else {
		sink_reply(session, 250, "2.0.0", "Ok: chunk taken");
	}
}

static size_t take_chunk(struct sink_session *session, const uint8_t *data, size_t length)
{
	if (length > session->chunk_left)
		length = session->chunk_left;
	if (!session->chunk_refused) {
		sink_content_chunk(&session->content, data, length);
		keep_content(session, data, length);
	}
	session->chunk_left -= length;
	if (session->chunk_left == 0)
		chunk_complete(session);
	return length;
}

static void run_line(struct sink_session *session, const char *line, size_t length, bool more)
{
	if (length > 0 && line[length - 1] == '\r')
		length--;
	else
		sink_session_violation(session, "a command that ends in LF without CR");
	sink_command(session, line, length);
	/* BDAT 0 LAST has no octets to wait for. */
	if (session->input == INPUT_CHUNK && session->chunk_left == 0)
		chunk_complete(session);
	if (!more || session->input == INPUT_CHUNK)
		return;
	if (session->input == INPUT_DATA)
		sink_session_violation(session, "content behind DATA before its 354");
	else if (!session->thread->run->options.pipelining && session->input == INPUT_COMMAND)
		sink_session_violation(session, "commands sent together without PIPELINING having been offered");
}

static size_t take_command(struct sink_session *session, const uint8_t *data, size_t length)
{
	const uint8_t *newline = memchr(data, '\n', length);
	size_t taken = newline ? (size_t)(newline - data) + 1 : length;
	size_t text = newline ? taken - 1 : taken;
	if (session->line_length + text > SINK_LINE_MAX) {
		sink_reply(session, 500, "5.5.6", "Line too long");
		sink_session_then(session, THEN_CLOSE);
		return length;
	}
	if (newline && session->line_length == 0) {
		run_line(session, (const char *)data, text, taken < length);
		return taken;
	}
	memcpy(session->line + session->line_length, data, text);
	session->line_length = (uint16_t)(session->line_length + text);
	if (newline) {
		size_t line_length = session->line_length;
		session->line_length = 0;
		run_line(session, session->line, line_length, taken < length);
	}
	return taken;
}

static void on_data(struct tcp_io *io, const uint8_t *data, size_t length)
{
	struct sink_session *session = container_of(io, struct sink_session, io);
	/* When STARTTLS engages, what is left of this buffer was not protected and is thrown away. */
	const struct tls_session *tls = io->tls;
	while (length > 0 && session->input != INPUT_DEAF && io->state == TCP_OPEN && io->tls == tls) {
		size_t taken = 0;
		switch (session->input) {
		case INPUT_COMMAND:
			taken = take_command(session, data, length);
			break;
		case INPUT_DATA:
			taken = take_data(session, data, length);
			break;
		case INPUT_CHUNK:
			taken = take_chunk(session, data, length);
			break;
		case INPUT_DEAF:
			return;
		}
		assert(taken > 0 && taken <= length);
		data += taken;
		length -= taken;
	}
}

/* ---- life ---------------------------------------------------------------------------------------------------- */

static void greet(struct sink_session *session)
{
	unsigned code = sink_thread_fault(session, STAGE_CONNECT);
	if (code == 0) {
		sink_reply(session, 220, "", "sink.invalid ESMTP sink");
	} else if (code != UINT_MAX) {
		session->quit = true;
		sink_reply_fault(session, code);
		if (code != 421)
			sink_session_then(session, THEN_CLOSE);
	}
}

static void on_open(struct tcp_io *io)
{
	struct sink_session *session = container_of(io, struct sink_session, io);
	struct sink_stats *stats = &session->thread->stats;
	struct tls_info info;
	tls_session_info(io->tls, &info);
	stats->handshakes++;
	stats->handshakes_resumed += info.resumed;
	sink_names_add(&stats->versions, info.version, 1);
	sink_names_add(&stats->ciphers, info.cipher, 1);
	session->secure = true;
	if (session->thread->run->options.tls == SINK_TLS_IMPLICIT)
		greet(session);
}

static void on_closed(struct tcp_io *io)
{
	struct sink_session *session = container_of(io, struct sink_session, io);
	struct sink_thread *thread = session->thread;
	struct sink_stats *stats = &thread->stats;
	if (io->error == -EPROTO && !session->secure) {
		stats->handshake_failures++;
		if (!stats->first_tls_error[0])
			memcpy(stats->first_tls_error, io->error_text, sizeof(stats->first_tls_error));
	} else if (!session->quit) {
		stats->disconnects++;
	}
	thread->open--;
	count_out(session);
	session->life++;
	list_append(&thread->free, &session->free_link);
}

static const struct tcp_io_events events = {on_open, on_data, NULL, on_closed};

static void count_in(struct sink_session *session, uint64_t *open)
{
	struct sink_run *run = session->thread->run;
	*open = atomic_fetch_add(&run->open, 1) + 1;
	uint64_t peak = atomic_load(&run->open_peak);
	while (*open > peak && !atomic_compare_exchange_weak(&run->open_peak, &peak, *open))
		;
	session->counted = true;
	session->thread->open++;
	session->thread->stats.connections++;
}

void sink_session_start(struct sink_session *session, int fd)
{
	const struct sink_options *options = &session->thread->run->options;
	uint64_t open;
	session->input = INPUT_COMMAND;
	session->then = THEN_NOTHING;
	session->helo = session->secure = session->quit = session->signed_in = false;
	session->auth_lines = 0;
	session->line_length = 0;
	session->held.length = 0;
	sink_session_reset(session);
	tcp_io_accept(&session->io, &session->thread->loop, &events, fd);
	count_in(session, &open);
	if (options->connections_max && open > options->connections_max) {
		session->thread->stats.connections_refused++;
		session->quit = true;
		sink_reply(session, 421, "4.7.0", "Too many connections");
		sink_session_then(session, THEN_CLOSE);
	} else if (options->tls == SINK_TLS_IMPLICIT) {
		start_tls(session);
	} else {
		greet(session);
	}
}
