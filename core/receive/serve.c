/*
 * core/receive/serve.c - what happens to a session from outside: its connection opens, brings octets, has room,
 * ends; its time is up; its messages are answered; the shard drains.
 */
#include <stdio.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/config/config.h"
#include "core/receive/session_private.h"
#include "core/shard/load.h"
#include "core/shard/shard.h"
#include "core/shard/snapshot.h"

static size_t on_data(struct transport *t, const uint8_t *data, size_t length);
static void on_end(struct transport *t, int result);
static bool may_handshake(struct transport *t);
static void on_secured(struct transport *t);
static void on_sent(struct transport *t);
static void on_closed(struct transport *t);
static void on_timer(struct wheel_timer *timer);

static const struct transport_handlers handlers = {.on_data = on_data,
						   .on_end = on_end,
						   .may_handshake = may_handshake,
						   .on_secured = on_secured,
						   .on_sent = on_sent,
						   .on_closed = on_closed};

void receive_accepted(struct shard *shard, unsigned listener, int fd)
{
	struct session *s = pool_acquire(&shard->receiver->sessions);
	struct ring_address peer;
	bool room;

	if (!s || ring_peer_address(shard->ring, fd, &peer) < 0) {
		counter_add(&shard->receiver->counters.sessions_refused, 1);
		load_connection_gone(shard);
		ring_drop_fd(shard->ring, fd);
		if (s)
			pool_release(&shard->receiver->sessions, s);
		return;
	}
	memset(s, 0, sizeof(*s));
	s->shard = shard;
	s->snapshot = shard->receiver->snapshot;
	snapshot_hold(s->snapshot, shard->index);
	s->listener = (uint16_t)listener;
	s->opened_ns = shard->now_ns;
	list_init(&s->link);
	list_init(&s->place);
	list_init(&s->tls_place);
	list_init(&s->pending);
	wheel_timer_init(&s->timer, on_timer);
	list_append(&shard->receiver->session_list, &s->link);
	counter_add(&shard->receiver->counters.connections_in, 1);
	counter_add(&receive_counts(s)->sessions, 1);
	transport_init(&s->transport, shard->transport, &handlers, &shard->receiver->reply_buffers);
	transport_accepted(&s->transport, fd);
	room = receive_count(s);
	if (room && receive_proxied(s, &peer))
		receive_expect_header(s, &peer);
	else
		receive_admit(s, &peer, room);
}

static bool may_handshake(struct transport *t)
{
	return receive_may_handshake(container_of(t, struct session, transport));
}

static void on_secured(struct transport *t)
{
	receive_secured(container_of(t, struct session, transport));
}

static void on_closed(struct transport *t)
{
	struct session *s = container_of(t, struct session, transport);

	receive_move(s, SESSION_GONE);
	receive_free_when_alone(s);
}

static const char *end_text(const struct session *s, int result)
{
	if (result == TRANSPORT_TLS_FAILED)
		return s->state == SESSION_HANDSHAKE ? "TLS handshake failed" : "TLS failed";
	return "connection lost";
}

static void on_end(struct transport *t, int result)
{
	struct session *s = container_of(t, struct session, transport);

	if (result < 0) {
		if (s->state == SESSION_HANDSHAKE)
			receive_tell_handshake(s, result == TRANSPORT_TLS_FAILED ? NULL : "the connection was lost");
		receive_end(s, end_text(s, result));
		return;
	}
	/* It sends no more, but may be waiting for its replies (RFC 9293 3.6); behind TLS it hears nothing any more
	 * (STL-05). */
	if (s->state == SESSION_LINGER || s->state == SESSION_PROXY || t->tls) {
		receive_end(s, "closed");
		return;
	}
	receive_finish(s, NULL, "closed by client");
	receive_move(s, SESSION_ENDED);
	receive_say_fin(s);
}

/* The oldest message is with its owners: it is not the client that lets us wait. */
static bool owners_wanted(const struct session *s)
{
	return s->pending_count > 0 &&
	       container_of(s->pending.next, struct submission, link)->state != SUBMISSION_ANSWERED;
}

static void on_timer(struct wheel_timer *timer)
{
	struct session *s = container_of(timer, struct session, timer);

	if (receive_paced(s))
		receive_content_timer(s);
	else if (s->state == SESSION_LINGER)
		receive_end(s, "closed");
	else if (s->state == SESSION_HANDSHAKE)
		receive_handshake_late(s);
	else if (s->state == SESSION_PROXY)
		receive_header_late(s);
	else if (owners_wanted(s) || s->wait == WAIT_LOGIN)
		receive_arm_timer(s, s->snapshot->config->timeouts.command_ns);
	else if (s->state >= SESSION_FINISHING)
		receive_end(s, "replies not read");
	else if (receive_too_long(s))
		receive_finish(s, "421 4.4.2 This session has lasted long enough, come again\r\n", "session too long");
	else
		receive_finish(s, "421 4.4.2 Timeout, closing connection\r\n", "timeout");
}

static void on_answered(struct submission *m)
{
	receive_message_answered(m->context);
}

static void on_part_stored(struct submission *m)
{
	receive_part_stored(m->context);
}

const struct submission_handlers receive_submissions = {.on_answered = on_answered, .on_part_stored = on_part_stored};

static void on_sent(struct transport *t)
{
	struct session *s = container_of(t, struct session, transport);

	if (s->pending_count > 0)
		receive_message_answered(s);
	else
		receive_replies_left(s);
	receive_say_fin(s);
	receive_begin_tls(s);
}

/* A TLS ClientHello need not contain a line end (STL-09): it shows in the first octets. */
static void begin(struct session *s, uint8_t first)
{
	if (first == 0x16)
		receive_finish(s, "421 4.7.0 Not an SMTP client, closing connection\r\n", "another protocol");
	else
		receive_move(s, SESSION_COMMAND);
}

/* A line of AUTH may be a password: nothing of it stays where it was received, if it came whole. The buffer is ours. */
static void wipe(const struct session *s, const uint8_t *data, size_t length)
{
	if (s->stage == SMTP_AUTH)
		explicit_bzero((uint8_t *)(uintptr_t)data, length);
}

static size_t on_data(struct transport *t, const uint8_t *data, size_t length)
{
	struct session *s = container_of(t, struct session, transport);
	size_t at = 0, used;

	while (at < length) {
		if (s->wait != WAIT_NONE)
			return at;
		switch (s->state) {
		case SESSION_PROXY:
			at += receive_header(s, data + at, length - at);
			break;
		case SESSION_HANDSHAKE: /* behind the header: it is for TLS */
			return at;
		case SESSION_GREETING:
			begin(s, data[at]);
			break;
		case SESSION_COMMAND:
		case SESSION_LINE_TOO_LONG:
		case SESSION_AUTH:
			if (!receive_can_reply(s)) {
				receive_wait(s, WAIT_REPLIES);
				return at;
			}
			used = receive_line(s, data + at, length - at);
			wipe(s, data + at, used);
			at += used;
			if (s->state == SESSION_SECURING)
				receive_answer_starttls(s, length - at);
			break;
		case SESSION_SECURING:
			receive_finish(s, NULL, "commands behind STARTTLS");
			break;
		case SESSION_CONTENT:
			if (!receive_can_reply(s)) {
				receive_wait(s, WAIT_REPLIES);
				return at;
			}
			at += receive_content(s, data + at, length - at);
			break;
		case SESSION_CHUNK:
			if (!receive_can_reply(s)) {
				receive_wait(s, WAIT_REPLIES);
				return at;
			}
			at += receive_chunk(s, data + at, length - at);
			break;
		default: /* FINISHING and behind: read and forget */
			return length;
		}
	}
	return at;
}

/* ---- drain ------------------------------------------------------------------------------------------------------ */

void receive_drain(struct shard *shard, bool hard)
{
	struct list *link, *next;

	for (link = shard->receiver->session_list.next; link != &shard->receiver->session_list; link = next) {
		struct session *s = container_of(link, struct session, link);
		next = link->next;
		if (hard)
			receive_end(s, "shutting down");
		else if (!s->message && s->pending_count == 0 && s->line_length == 0)
			receive_finish(s, "421 4.3.2 Shutting down, try again later\r\n", "shutting down");
	}
}

bool receive_idle(const struct shard *shard)
{
	return list_empty(&shard->receiver->session_list);
}
