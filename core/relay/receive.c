/*
 * core/relay/receive.c - the life of an inbound session: accept, read lines and content, answer in order, close.
 * What the commands do is in receive_command.c, and content in receive_content.c.
 */
#include "core/relay/receive.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/base/address_text.h"
#include "core/base/clock.h"
#include "core/base/line.h"
#include "core/relay/events.h"
#include "core/relay/peers.h"
#include "core/relay/receive_private.h"

/* Of the shard's memory: an eighth for what waiting sessions hold (store.c has the other shares). */
enum { HELD_SHARE = 8, DRY_MS = 1000 };

static size_t on_data(struct transport *t, const uint8_t *data, size_t length);
static void on_end(struct transport *t, int result);
static void on_sent(struct transport *t);
static void on_closed(struct transport *t);
static void on_timer(struct wheel_timer *timer);
static void say_fin(struct session *s);

static const struct transport_handlers handlers = {
	.on_data = on_data, .on_end = on_end, .on_sent = on_sent, .on_closed = on_closed};

/* ---- birth and death ---------------------------------------------------------------------------------------- */

/* The socket may be gone, but the text says the same. */
static bool session_address(const struct session *s, struct ring_address *out)
{
	char text[sizeof(s->peer) + 1];

	memcpy(text, s->peer, s->peer_length);
	text[s->peer_length] = '\0';
	return address_text_numeric(text, 1, out);
}

static void uncount_peer(struct session *s)
{
	struct ring_address peer;

	if (!s->peer_counted)
		return;
	if (session_address(s, &peer))
		peers_leave(s->shard->relay->peers, &peer);
	s->peer_counted = false;
}

/* It counts toward the limits no more, whatever is left of it. */
static void uncount(struct session *s)
{
	struct relay *relay = s->shard->relay;

	if (!s->counted)
		return;
	s->counted = false;
	atomic_fetch_sub_explicit(&relay->connections_in, 1, memory_order_relaxed);
	if (s->client >= 0)
		atomic_fetch_sub_explicit(&relay->client_connections[s->client], 1, memory_order_relaxed);
	uncount_peer(s);
}

static bool over_limits(struct session *s, const struct ring_address *peer)
{
	struct relay *relay = s->shard->relay;
	const struct config *config = s->shard->config;
	unsigned all = atomic_fetch_add_explicit(&relay->connections_in, 1, memory_order_relaxed);
	bool over = all >= config->limits.connections;

	s->counted = true;
	if (s->client >= 0) {
		unsigned max = config->clients[s->client].connections_max;
		unsigned n = atomic_fetch_add_explicit(&relay->client_connections[s->client], 1, memory_order_relaxed);
		over = over || (max && n >= max);
	}
	if (relay->peers && !peers_enter(relay->peers, peer, config->limits.connections_per_client, &s->peer_counted))
		over = true;
	return over;
}

void receive_arm_timer(struct session *s, uint64_t after_ns)
{
	wheel_arm(&s->shard->wheel, &s->timer, s->shard->now_ns + after_ns);
}

void receive_accepted(struct shard *shard, unsigned listener, int fd)
{
	const struct config *config = shard->config;
	struct session *s = pool_acquire(&shard->receiver->sessions);
	struct ring_address peer;
	char greeting[REPLY_ROOM];
	int n;

	if (!s || ring_peer_address(shard->ring, fd, &peer) < 0) {
		counter_add(&shard->receiver->counters.sessions_refused, 1);
		balance_connection_gone(shard);
		ring_drop_fd(shard->ring, fd);
		if (s)
			pool_release(&shard->receiver->sessions, s);
		return;
	}
	memset(s, 0, sizeof(*s));
	s->shard = shard;
	s->listener = (uint16_t)listener;
	s->opened_ns = shard->now_ns;
	list_init(&s->link);
	list_init(&s->place);
	list_init(&s->pending);
	wheel_timer_init(&s->timer, on_timer);
	s->client = relay_client(config, &peer);
	char text[ADDRESS_TEXT_SIZE];
	s->peer_length = (uint8_t)address_text_format(&peer, text);
	memcpy(s->peer, text, s->peer_length);
	list_append(&shard->receiver->session_list, &s->link);
	counter_add(&shard->receiver->counters.connections_in, 1);
	transport_init(&s->transport, shard->transport, &handlers, &shard->receiver->reply_buffers);
	transport_accepted(&s->transport, fd);
	if (over_limits(s, &peer)) {
		counter_add(&shard->receiver->counters.sessions_refused, 1);
		uncount(s);
		s->told_no = true;
		/* Those that knock and stay must not use up the sessions of those that may come in. */
		if (++shard->receiver->sessions_told_no > SESSION_REFUSED_MAX) {
			receive_end(s, "too many connections");
			return;
		}
		receive_finish(s, "421 4.3.2 Too many connections, try again later\r\n", "too many connections");
		return;
	}
	n = snprintf(greeting, sizeof(greeting), "220 %.200s ESMTP postrider\r\n", config->hostname);
	/* The timer first: a reply that finds no memory ends the session. */
	receive_arm_timer(s, config->timeouts.command_ns);
	s->last_reply = "220";
	receive_reply(s, greeting, (size_t)n);
}

static void free_when_alone(struct session *s)
{
	struct shard *shard = s->shard;

	if (!s->transport_gone || s->pending_count > 0)
		return;
	uncount(s);
	shard->receiver->sessions_told_no -= s->told_no;
	balance_connection_gone(shard);
	if (s->line)
		pool_release(&shard->receiver->lines, s->line);
	if (s->helo)
		pool_release(&shard->receiver->names, s->helo);
	list_remove(&s->link);
	pool_release(&shard->receiver->sessions, s);
}

void receive_end(struct session *s, const char *reason)
{
	if (s->state == SESSION_CLOSED)
		return;
	s->state = SESSION_CLOSED;
	if (!s->end_reason)
		s->end_reason = reason;
	event_session(s);
	wheel_disarm(&s->shard->wheel, &s->timer);
	list_remove(&s->place);
	receive_drop_transaction(s);
	transport_close(&s->transport);
}

static void on_closed(struct transport *t)
{
	struct session *s = container_of(t, struct session, transport);

	s->transport_gone = true;
	free_when_alone(s);
}

static void on_end(struct transport *t, int result)
{
	struct session *s = container_of(t, struct session, transport);

	if (result < 0) {
		receive_end(s, "connection lost");
		return;
	}
	/* It sends no more, but may be waiting for its replies (RFC 9293 3.6). */
	s->peer_ended = true;
	if (s->state == SESSION_LINGER)
		receive_end(s, "closed");
	else
		receive_finish(s, NULL, "closed by client");
	say_fin(s);
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

	if (s->state == SESSION_CONTENT)
		receive_content_timer(s);
	else if (s->state == SESSION_LINGER)
		receive_end(s, "closed");
	else if (owners_wanted(s))
		receive_arm_timer(s, s->shard->config->timeouts.command_ns);
	else if (s->state == SESSION_FINISHING)
		receive_end(s, "replies not read");
	else
		receive_finish(s, "421 4.4.2 Timeout, closing connection\r\n", "timeout");
}

void receive_drop_transaction(struct session *s)
{
	if (s->message)
		submission_abort(s->message);
	s->message = NULL;
}

/* ---- replies ------------------------------------------------------------------------------------------------ */

static struct submission *last_pending(struct session *s)
{
	return container_of(s->pending.prev, struct submission, link);
}

/* May another command be taken, whose reply may need REPLY_ROOM octets? */
static bool can_reply(struct session *s)
{
	if (s->pending_count > 0)
		return s->pending_count < SESSION_PENDING_MAX && REPLY_MAX - last_pending(s)->tail_length >= REPLY_ROOM;
	return transport_room(&s->transport) >= REPLY_ROOM;
}

void receive_reply(struct session *s, const char *text, size_t length)
{
	if (s->state == SESSION_CLOSED)
		return;
	if (s->pending_count > 0) {
		struct submission *m = last_pending(s);
		assert(m->tail_length + length <= REPLY_MAX);
		memcpy(m->tail + m->tail_length, text, length);
		m->tail_length += (uint32_t)length;
		return;
	}
	if (!transport_write(&s->transport, text, length))
		receive_end(s, "out of memory");
}

/* A refusal, told before anything is done about it. */
static void tell_refusal(struct session *s, const char *reply)
{
	struct shard *shard = s->shard;
	struct smtp_command command = {.verb = SMTP_UNKNOWN};
	struct ring_address peer;
	uint32_t untold = 0;

	s->refusals++;
	if (!shard->config->log_messages)
		return;
	if (shard->receiver->asked.length > 0)
		(void)smtp_command_parse(shard->receiver->asked.data, shard->receiver->asked.length,
					 SMTP_SYNTAX_TOLERANT, &command);
	/* What comes next may be the password, also where this line was refused before it was read as a command. */
	if (command.verb == SMTP_AUTH)
		s->stage = SMTP_AUTH;
	if (!session_address(s, &peer) || !refusals_tell(&shard->receiver->refusals, &peer, shard->now_ns, &untold)) {
		s->untold++;
		return;
	}
	event_refused(s, &command, reply, untold);
}

void receive_reply_text(struct session *s, const char *text)
{
	if (s->state == SESSION_CLOSED)
		return;
	s->last_reply = text;
	if (text[0] >= '4')
		tell_refusal(s, text);
	receive_reply(s, text, strlen(text));
}

/* Once all that is owed is with the kernel: FIN, and where the client's has not come yet, read on for a while. */
static void say_fin(struct session *s)
{
	if (s->state != SESSION_FINISHING || s->pending_count > 0 || !transport_drained(&s->transport))
		return;
	if (s->peer_ended) {
		receive_end(s, "closed");
		return;
	}
	s->state = SESSION_LINGER;
	receive_arm_timer(s, SESSION_LINGER_MS * CLOCK_NS_PER_MS);
	transport_shutdown(&s->transport);
}

void receive_finish(struct session *s, const char *reply, const char *reason)
{
	if (s->state >= SESSION_FINISHING)
		return;
	s->end_reason = reason;
	list_remove(&s->place);
	/* A timeout can come while the replies' room is used up: then nobody reads them anyway. 221 says what the
	 * reason says: the session's event keeps what was said before. */
	if (reply && (can_reply(s) || s->pending_count == 0)) {
		if (reply[0] == '2')
			receive_reply(s, reply, strlen(reply));
		else
			receive_reply_text(s, reply);
	}
	if (s->state == SESSION_CLOSED)
		return;
	receive_drop_transaction(s);
	s->state = SESSION_FINISHING;
	receive_arm_timer(s, s->shard->config->timeouts.command_ns);
	if (s->wait != WAIT_NONE) {
		s->wait = WAIT_NONE;
		transport_resume(&s->transport);
	}
}

/* ---- waiting ------------------------------------------------------------------------------------------------ */

/* What paused sessions may hold together. */
static size_t held_max(const struct shard *shard)
{
	return shard->config->spool.memory_max / shard->relay->shard_count / HELD_SHARE;
}

void receive_wait(struct session *s, enum session_wait wait)
{
	struct shard *shard = s->shard;

	if (s->state == SESSION_CONTENT && s->wait == WAIT_NONE)
		receive_content_waits(s);
	s->wait = (uint8_t)wait;
	list_remove(&s->place);
	if (wait == WAIT_REPLIES)
		list_append(&shard->receiver->reply_waiters, &s->place);
	else if (wait == WAIT_MEMORY)
		list_append(&shard->receiver->memory_waiters, &s->place);
	/* One that waits for its own replies has usually sent all it will. */
	if (wait != WAIT_REPLIES)
		transport_pause(&s->transport);
}

void receive_go_on(struct session *s, enum session_wait wait)
{
	if (s->wait != wait || s->state == SESSION_CLOSED || (wait == WAIT_REPLIES && !can_reply(s)))
		return;
	s->wait = WAIT_NONE;
	list_remove(&s->place);
	if (s->state == SESSION_CONTENT)
		receive_content_goes_on(s);
	transport_resume(&s->transport);
}

/*
 * What a client has sent ahead of its replies, or of 354, may be as much as the kernel had received before it was
 * stopped. Where many do so they hear their last words, and what they sent is forgotten (I7): first those that do not
 * read, the oldest before the others; then those that sent content before they could know that there is no memory.
 */
static void thin_out(struct shard *shard)
{
	static const char sent_ahead[] = "421 4.3.1 Too much sent ahead of the replies, closing connection\r\n";
	struct list *link, *next;
	size_t held = 0;

	for (link = shard->receiver->reply_waiters.next; link != &shard->receiver->reply_waiters; link = link->next)
		held += container_of(link, struct session, place)->transport.held_octets;
	for (link = shard->receiver->reply_waiters.next;
	     held > held_max(shard) / 2 && link != &shard->receiver->reply_waiters; link = next) {
		struct session *s = container_of(link, struct session, place);
		next = link->next;
		if (s->transport.held_octets == 0)
			continue;
		held -= s->transport.held_octets;
		receive_finish(s, sent_ahead, "sent too far ahead");
	}
	for (link = shard->receiver->memory_waiters.prev;
	     shard->transport->held_octets > held_max(shard) && link != &shard->receiver->memory_waiters; link = next) {
		struct session *s = container_of(link, struct session, place);
		next = link->prev;
		if (s->transport.held_octets > 0 && s->message->letter.content_length == 0)
			receive_finish(s, sent_ahead, "sent too far ahead");
	}
}

bool receive_memory_dry(const struct shard *shard)
{
	return shard->store->blocks.in_use >= shard->store->blocks.limit;
}

void receive_stop_readers(struct shard *shard)
{
	while (!list_empty(&shard->receiver->content_readers)) {
		struct session *s = container_of(shard->receiver->content_readers.next, struct session, place);
		/* Its client may have fallen silent: others need the memory. A part is worth a full block. */
		if (s->message->block_count > 1 && s->message->parts_out == 0)
			(void)submission_flush_part(s->message);
		receive_wait(s, WAIT_MEMORY);
	}
}

/* All wait, or hold memory that others wait for: what they hold goes to the spool, however little. */
static void empty_waiters(struct shard *shard)
{
	struct list *link;

	receive_stop_readers(shard);
	for (link = shard->receiver->memory_waiters.next; link != &shard->receiver->memory_waiters; link = link->next) {
		struct submission *m = container_of(link, struct session, place)->message;
		if (m->block_count > 0 && m->parts_out == 0)
			(void)submission_flush_part(m);
	}
}

/* Clients that sent a little and fell silent keep a block each. */
static void watch_memory(struct shard *shard)
{
	if (!receive_memory_dry(shard)) {
		shard->receiver->dry_since_ns = 0;
	} else if (shard->receiver->dry_since_ns == 0) {
		shard->receiver->dry_since_ns = shard->now_ns;
	} else if (shard->now_ns - shard->receiver->dry_since_ns >= DRY_MS * CLOCK_NS_PER_MS) {
		shard->receiver->dry_since_ns = shard->now_ns;
		empty_waiters(shard);
	}
}

/*
 * As many go on as there are blocks. What a session holds already only moves; to read from a socket besides there must
 * be room for what then comes at once.
 */
void receive_run(struct shard *shard)
{
	struct list *link = &shard->receiver->memory_waiters, *last = shard->receiver->memory_waiters.prev, *next;
	size_t blocks = shard->store->blocks.limit - shard->store->blocks.in_use;

	if (link != last)
		watch_memory(shard);
	if (shard->transport->held_octets > held_max(shard))
		thin_out(shard);
	/* Each once: those that still find none are in the list again. */
	for (next = link->next; link != last && blocks > 0 && !receive_memory_dry(shard);) {
		struct session *s = container_of(next, struct session, place);
		link = next;
		next = link->next;
		if (s->transport.held_octets == 0 && shard->transport->held_octets >= held_max(shard))
			continue;
		blocks--;
		receive_go_on(s, WAIT_MEMORY);
	}
}

/* ---- answers ------------------------------------------------------------------------------------------------ */

static const char *not_stored_reply(const struct submission *m)
{
	if (m->result == -ENOSPC)
		return "452 4.3.1 Insufficient storage, try again later\r\n";
	return "451 4.3.0 Message not stored, try again later\r\n";
}

static void message_reply(const struct submission *m, struct line *reply)
{
	char id[MESSAGE_ID_TEXT];

	if (m->result != 0) {
		line_text(reply, not_stored_reply(m));
		return;
	}
	message_id_text(m->letter.id, id);
	line_text(reply, "250 2.0.0 Ok: queued as ");
	line_put(reply, id, sizeof(id));
	line_text(reply, "\r\n");
}

static void answer_one(struct session *s, struct submission *m)
{
	struct shard *shard = s->shard;
	char text[80];
	struct line reply = {.data = text, .size = sizeof(text)};

	message_reply(m, &reply);
	/* Replies to what came behind it are later ones. */
	if (m->tail_length == 0 && m->result != SUBMISSION_UNDECIDED)
		s->last_reply = m->result == 0 ? "250 2.0.0 Ok: queued" : not_stored_reply(m);
	if (m->result == 0) {
		counter_add(&shard->receiver->counters.accepted, 1);
		counter_add(&shard->receiver->counters.recipients, m->recipients);
		counter_add(&shard->receiver->counters.accepted_octets, m->letter.content_length);
		s->messages++;
		event_accepted(s, m);
	} else {
		counter_add(&shard->receiver->counters.refused, 1);
		s->refusals += m->result != SUBMISSION_UNDECIDED;
		event_not_stored(s, m);
	}
	list_remove(&m->link);
	s->pending_count--;
	if (m->result == SUBMISSION_UNDECIDED) {
		/* The client learns nothing and tries again, which may repeat what the failed disk kept; but it should
		 * learn of the messages before. */
		transport_flush(&s->transport);
		submission_free(m);
		receive_end(s, "the disk failed, and a message may be stored or not");
		return;
	}
	/* The client may have vanished: the record stays valid all the same (P15). */
	if (s->state != SESSION_CLOSED) {
		if (!transport_write(&s->transport, reply.data, reply.length) ||
		    (m->tail_length > 0 && !transport_write(&s->transport, m->tail, m->tail_length))) {
			submission_free(m);
			receive_end(s, "out of memory");
			return;
		}
	}
	submission_free(m);
}

void receive_message_answered(struct session *s)
{
	unsigned before = s->pending_count;

	while (!list_empty(&s->pending)) {
		struct submission *m = container_of(s->pending.next, struct submission, link);
		if (m->state != SUBMISSION_ANSWERED)
			break;
		/* Not enough room: on_sent() comes back here. */
		if (s->state != SESSION_CLOSED && transport_room(&s->transport) < 80 + m->tail_length)
			break;
		answer_one(s, m);
	}
	if (s->state == SESSION_CLOSED) {
		free_when_alone(s);
		return;
	}
	/* From this reply on the client may take its time for the next command, or to read. */
	if (s->pending_count < before && s->state != SESSION_CONTENT)
		receive_arm_timer(s, s->shard->config->timeouts.command_ns);
	if (s->state < SESSION_FINISHING)
		receive_go_on(s, WAIT_REPLIES);
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
		receive_go_on(s, WAIT_REPLIES);
	say_fin(s);
}

/* ---- input -------------------------------------------------------------------------------------------------- */

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

static void complete_line(struct session *s, const char *line, size_t length)
{
	/* `length` counts the LF. Lines end in CRLF; a bare LF ends the line, too, but it is never executed. */
	s->shard->receiver->asked =
		(struct span){line, (uint32_t)(length - (length < 2 || line[length - 2] != '\r' ? 1 : 2))};
	if (length < 2 || line[length - 2] != '\r')
		refuse_line(s, line, length, "500 5.5.2 Lines must end in CRLF\r\n");
	else
		receive_command(s, line, length - 2);
	s->shard->receiver->asked.length = 0;
	if (s->state == SESSION_COMMAND)
		receive_arm_timer(s, s->shard->config->timeouts.command_ns);
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
	s->state = complete ? SESSION_COMMAND : SESSION_LINE_TOO_LONG;
	s->shard->receiver->asked =
		(struct span){kept ? s->line : (const char *)data, (uint32_t)(kept ? before : length)};
	refuse_line(s, start, kept + rest, "500 5.5.2 Line too long\r\n");
	s->shard->receiver->asked.length = 0;
}

static size_t take_line(struct session *s, const uint8_t *data, size_t length)
{
	const uint8_t *lf = memchr(data, '\n', length);
	size_t n = lf ? (size_t)(lf - data) + 1 : length;

	if (s->state == SESSION_LINE_TOO_LONG) {
		if (lf)
			s->state = SESSION_COMMAND;
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
		if (s->line && s->line_length == 0) {
			pool_release(&s->shard->receiver->lines, s->line);
			s->line = NULL;
		}
	}
	return n;
}

static size_t on_data(struct transport *t, const uint8_t *data, size_t length)
{
	struct session *s = container_of(t, struct session, transport);
	size_t at = 0;

	/* A TLS ClientHello need not contain a line end (STL-09): it shows in the first octets. */
	if (s->commands == 0 && s->line_length == 0 && s->state == SESSION_COMMAND && data[0] == 0x16) {
		receive_finish(s, "421 4.7.0 Not an SMTP client, closing connection\r\n", "another protocol");
		return length;
	}
	while (at < length) {
		if (s->wait != WAIT_NONE)
			return at;
		switch (s->state) {
		case SESSION_COMMAND:
		case SESSION_LINE_TOO_LONG:
			if (!can_reply(s)) {
				receive_wait(s, WAIT_REPLIES);
				return at;
			}
			at += take_line(s, data + at, length - at);
			break;
		case SESSION_CONTENT:
			if (!can_reply(s)) {
				receive_wait(s, WAIT_REPLIES);
				return at;
			}
			at += receive_content(s, data + at, length - at);
			break;
		default: /* FINISHING, LINGER, CLOSED: read and forget */
			return length;
		}
	}
	return at;
}

/* ---- drain -------------------------------------------------------------------------------------------------- */

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
