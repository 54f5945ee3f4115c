/*
 * bench/source_session.c - one connection of the load generator, from connecting to its end.
 *
 *     WAITING -> CONNECTING -> GREETING -> HELLO -------------------> READY -> QUITTING --+
 *        ^                                 |  ^                         |                |
 *        |                                 v  |                         |                |
 *        |                          STARTTLS -> HANDSHAKE               |                |
 *        |                 (from any of these) --abort--> CLOSING <-----+                |
 *        |                                                   |                           |
 *        +---------------------------------------------------+------- on_closed() <------+
 *                                                            +------> ENDED
 *
 * Replies arrive in any segmentation and are taken one by one; what they mean on a READY connection is
 * source_transfer.c's. After each batch the session writes what it may.
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/source.h"
#include "core/base/clock.h"

enum { BACKOFF_FIRST_MS = 20, BACKOFF_MAX_MS = 1000 };

#define TO(state) (1u << (state))

static const struct {
	const char *name;
	unsigned next;
} states[] = {
	[SOURCE_WAITING] = {"waiting", TO(SOURCE_CONNECTING) | TO(SOURCE_ENDED)},
	[SOURCE_CONNECTING] = {"connecting",
			       TO(SOURCE_GREETING) | TO(SOURCE_CLOSING) | TO(SOURCE_WAITING) | TO(SOURCE_ENDED)},
	[SOURCE_GREETING] = {"greeting", TO(SOURCE_HELLO) | TO(SOURCE_CLOSING) | TO(SOURCE_WAITING) | TO(SOURCE_ENDED)},
	[SOURCE_HELLO] = {"EHLO", TO(SOURCE_STARTTLS) | TO(SOURCE_READY) | TO(SOURCE_CLOSING) | TO(SOURCE_WAITING) |
					  TO(SOURCE_ENDED)},
	[SOURCE_STARTTLS] = {"STARTTLS",
			     TO(SOURCE_HANDSHAKE) | TO(SOURCE_CLOSING) | TO(SOURCE_WAITING) | TO(SOURCE_ENDED)},
	[SOURCE_HANDSHAKE] = {"TLS handshake",
			      TO(SOURCE_HELLO) | TO(SOURCE_CLOSING) | TO(SOURCE_WAITING) | TO(SOURCE_ENDED)},
	[SOURCE_READY] = {"mail", TO(SOURCE_QUITTING) | TO(SOURCE_CLOSING) | TO(SOURCE_WAITING) | TO(SOURCE_ENDED)},
	[SOURCE_QUITTING] = {"QUIT", TO(SOURCE_CLOSING) | TO(SOURCE_WAITING) | TO(SOURCE_ENDED)},
	[SOURCE_CLOSING] = {"closing", TO(SOURCE_WAITING) | TO(SOURCE_ENDED)},
	[SOURCE_ENDED] = {"ended", 0},
};

static void move(struct source_session *session, enum source_state next)
{
	assert(states[session->state].next & TO(next));
	session->state = next;
}

void source_session_abort(struct source_session *session, const char *why)
{
	struct source_thread *thread = session->thread;
	if (session->state == SOURCE_CLOSING || session->state == SOURCE_WAITING || session->state == SOURCE_ENDED)
		return;
	if (session->state != SOURCE_QUITTING)
		source_thread_error(thread, "%s: %s", states[session->state].name, why);
	move(session, SOURCE_CLOSING);
	list_remove(&session->link);
	tcp_io_stop(&session->io, 0);
}

/* A reply that ends the connection; its text is what the operator wants to see. */
static void abort_on_reply(struct source_session *session)
{
	char why[160];
	const struct smtp_reply_parser *parser = &session->parser;
	snprintf(why, sizeof(why), "answered %u %.*s", parser->code, (int)parser->text_length, parser->text);
	source_session_abort(session, why);
}

static void protocol_error(struct source_session *session, const char *why)
{
	session->thread->stats.protocol_errors++;
	source_session_abort(session, why);
}

static void say_hello(struct source_session *session)
{
	char line[512];
	int length = snprintf(line, sizeof(line), "EHLO %s\r\n", session->thread->run->options.helo);
	move(session, SOURCE_HELLO);
	tcp_io_write(&session->io, line, (size_t)length);
}

static void connected_once(struct source_session *session)
{
	if (session->counted_connecting)
		session->thread->connecting--;
	session->counted_connecting = false;
}

static void on_hello(struct source_session *session)
{
	bool wants_tls = session->thread->run->options.tls == SOURCE_TLS_START && !session->io.tls;
	if (session->parser.code != 250) {
		abort_on_reply(session);
	} else if (wants_tls && !session->extensions.starttls) {
		source_session_abort(session, "STARTTLS is not offered");
	} else if (wants_tls) {
		move(session, SOURCE_STARTTLS);
		tcp_io_write(&session->io, "STARTTLS\r\n", 10);
	} else {
		connected_once(session);
		session->backoff_ns = 0;
		move(session, SOURCE_READY);
		source_transfer_begin(session);
	}
}

static void start_tls(struct source_session *session)
{
	struct source_thread *thread = session->thread;
	struct tls_session *tls = tls_session_new(thread->tls, thread->run->options.server_name, session->ticket);
	if (tls)
		tcp_io_start_tls(&session->io, tls);
	else
		source_session_abort(session, "no memory for TLS");
}

static void on_reply(struct source_session *session)
{
	unsigned code = session->parser.code;
	if (code == 421 && session->state != SOURCE_QUITTING) {
		abort_on_reply(session);
		return;
	}
	switch (session->state) {
	case SOURCE_GREETING:
		if (code == 220)
			say_hello(session);
		else
			abort_on_reply(session);
		break;
	case SOURCE_HELLO:
		on_hello(session);
		break;
	case SOURCE_STARTTLS:
		if (code == 220)
			move(session, SOURCE_HANDSHAKE);
		else
			abort_on_reply(session);
		break;
	case SOURCE_READY:
		source_transfer_reply(session, code);
		break;
	case SOURCE_QUITTING:
		tcp_io_finish(&session->io);
		break;
	default:
		protocol_error(session, "an answer before anything was asked");
	}
}

static void on_data(struct tcp_io *io, const uint8_t *data, size_t length)
{
	struct source_session *session = container_of(io, struct source_session, io);
	session->thread->progress_ns = session->thread->loop.now_ns;
	while (length > 0 && io->state == TCP_OPEN) {
		size_t consumed = 0;
		enum smtp_reply_result result = smtp_reply_parse(&session->parser, data, length, &consumed);
		data += consumed;
		length -= consumed;
		if (result == SMTP_REPLY_MORE)
			break;
		if (result == SMTP_REPLY_BAD) {
			protocol_error(session, "a malformed answer");
			return;
		}
		on_reply(session);
		smtp_reply_start(&session->parser, session->state == SOURCE_HELLO ? &session->extensions : NULL);
		if (session->state == SOURCE_HANDSHAKE) {
			/* What comes in the clear behind the 220 was put there by somebody else (STL-06). */
			if (length > 0)
				protocol_error(session, "octets behind the answer to STARTTLS");
			else
				start_tls(session);
			return;
		}
	}
	if (session->state == SOURCE_READY)
		source_transfer_pump(session);
}

static void on_drain(struct tcp_io *io)
{
	struct source_session *session = container_of(io, struct source_session, io);
	if (session->state == SOURCE_READY)
		source_transfer_pump(session);
}

static void note_tls(struct source_session *session)
{
	struct source_stats *stats = &session->thread->stats;
	struct tls_info info;
	tls_session_info(session->io.tls, &info);
	stats->handshakes++;
	stats->handshakes_resumed += info.resumed;
	if (!stats->tls_text[0])
		snprintf(stats->tls_text, sizeof(stats->tls_text), "%s %s %s", info.version, info.cipher, info.group);
}

static void on_open(struct tcp_io *io)
{
	struct source_session *session = container_of(io, struct source_session, io);
	if (session->state == SOURCE_CLOSING)
		return;
	if (session->thread->run->options.tls == SOURCE_TLS_IMPLICIT && !io->tls) {
		start_tls(session);
		return;
	}
	if (io->tls)
		note_tls(session);
	if (session->state == SOURCE_HANDSHAKE) {
		say_hello(session);
		smtp_reply_start(&session->parser, &session->extensions);
	} else {
		move(session, SOURCE_GREETING);
		smtp_reply_start(&session->parser, NULL);
	}
}

void source_session_quit(struct source_session *session)
{
	struct tcp_io *io = &session->io;
	if (session->thread->run->options.resume && io->tls) {
		struct tls_ticket *ticket = tls_ticket_take(io->tls);
		if (ticket) {
			tls_ticket_free(session->ticket);
			session->ticket = ticket;
		}
	}
	move(session, SOURCE_QUITTING);
	tcp_io_write(io, "QUIT\r\n", 6);
}

/* Counts and tells an end that was not ours. */
static void note_loss(struct source_session *session)
{
	struct source_thread *thread = session->thread;
	const struct tcp_io *io = &session->io;
	if (session->state == SOURCE_CONNECTING && !io->tls && io->error != -EPROTO)
		thread->stats.connect_failures++;
	else if (io->error == -EPROTO)
		thread->stats.handshake_failures++;
	else
		thread->stats.disconnects++;
	if (session->state == SOURCE_GREETING)
		thread->stats.ungreeted++;
	if (session->state == SOURCE_CLOSING)
		return; /* The reason was told when we gave up. */
	const char *why = io->error_text[0] ? io->error_text : "the server closed the connection";
	if (io->error && !io->error_text[0])
		why = strerror(-io->error);
	source_thread_error(thread, "%s: %s", states[session->state].name, why);
}

/* Decides what follows a connection's end. */
static void on_closed(struct tcp_io *io)
{
	struct source_session *session = container_of(io, struct source_session, io);
	struct source_thread *thread = session->thread;
	bool in_order = session->state == SOURCE_QUITTING;
	connected_once(session);
	list_remove(&session->link);
	if (!in_order)
		note_loss(session);
	source_transfer_lost(session);
	if (source_thread_exhausted(thread) || !(in_order || thread->run->options.reconnect)) {
		move(session, SOURCE_ENDED);
		thread->sessions_ended++;
		return;
	}
	move(session, SOURCE_WAITING);
	if (!in_order) {
		session->backoff_ns =
			session->backoff_ns ? session->backoff_ns * 2 : BACKOFF_FIRST_MS * CLOCK_NS_PER_MS;
		if (session->backoff_ns > BACKOFF_MAX_MS * CLOCK_NS_PER_MS)
			session->backoff_ns = BACKOFF_MAX_MS * CLOCK_NS_PER_MS;
	}
	source_thread_connect_later(thread, session, thread->loop.now_ns + session->backoff_ns);
}

static const struct tcp_io_events events = {on_open, on_data, on_drain, on_closed};

void source_session_connect(struct source_session *session)
{
	struct source_thread *thread = session->thread;
	assert(session->state == SOURCE_WAITING);
	/* All may have been sent while this one waited for its turn. */
	if (source_thread_exhausted(thread)) {
		move(session, SOURCE_ENDED);
		thread->sessions_ended++;
		return;
	}
	int error = tcp_io_connect(&session->io, &thread->loop, &events, &thread->run->options.target);
	if (error < 0)
		common_fail(COMMON_EXIT_ENVIRONMENT, "no socket for a connection: %s (ulimit -n raises the limit)",
			    strerror(-error));
	thread->stats.connections++;
	thread->connecting++;
	session->counted_connecting = true;
	move(session, SOURCE_CONNECTING);
}

void source_session_init(struct source_session *session, struct source_thread *thread)
{
	const struct source_options *options = &thread->run->options;
	session->thread = thread;
	session->state = SOURCE_WAITING;
	session->window = options->mode == SOURCE_PIPELINED ? options->window : 1;
	session->messages = calloc(session->window, sizeof(session->messages[0]));
	if (!session->messages)
		common_fail(COMMON_EXIT_ENVIRONMENT, "out of memory");
	list_init(&session->link);
}

void source_session_deinit(struct source_session *session)
{
	assert(session->state == SOURCE_ENDED);
	tls_ticket_free(session->ticket);
	tcp_io_free(&session->io);
	free(session->messages);
}
