/*
 * core/receive/content.c - content of an inbound message: from 354 to the end of data (RFC 5321 4.1.1.4), and what
 * chunks (chunk.c) need of that.
 */
#include <errno.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/config/config.h"
#include "core/config/quirks.h"
#include "core/receive/session_private.h"
#include "core/shard/shard.h"
#include "core/shard/snapshot.h"

/* Received fields of this relay, ours of now among them, from which on a message loops (LOP-01): from a filter mail may
 * come back once. */
enum { OWN_MAX = 3 };

void receive_content_timer(struct session *s)
{
	switch (receive_pace_look(s)) {
	case PACE_TIMEOUT:
		receive_finish(s, "421 4.4.2 Timeout, closing connection\r\n", "timeout");
		return;
	case PACE_TOO_SLOW:
		receive_finish(s, "421 4.4.2 Content too slow, closing connection\r\n", "content too slow");
		return;
	case PACE_GOOD:
		return;
	}
}

static void start_repair(struct session *s)
{
	unsigned quirks = receive_quirks(s);

	repair_init(&s->repair,
		    (quirks & QUIRK_LINE_ENDINGS ? REPAIR_ENDINGS : 0) | (quirks & QUIRK_LONG_LINES ? REPAIR_WRAP : 0));
}

void receive_start_content(struct session *s, enum session_state state)
{
	struct submission *m = s->message;
	struct shard *shard = s->shard;

	m->letter.wall_ns = clock_wall_ns();
	m->letter.id = message_id_next(&shard->store->ids, m->letter.wall_ns);
	m->state = SUBMISSION_CONTENT;
	receive_archive(s);
	receive_policy_begin(s);
	content_scanner_init(&s->scanner);
	start_repair(s);
	if (m->smtputf8)
		s->scanner.header = CONTENT_HEADER_WATCH;
	s->content_octets = 0;
	s->content_dropped = false;
	receive_move(s, state);
	s->stage = SESSION_STAGE_CONTENT;
	receive_pace_begin(s);
	/* A chunk of no octets needs none. */
	if (receive_memory_dry(shard) && (state == SESSION_CONTENT || s->chunk_left > 0))
		receive_wait(s, WAIT_MEMORY);
	else
		list_append(&shard->receiver->content_readers, &s->place);
}

/* RFC 3848, RFC 6531 3.7.3 */
static const char *protocol_of(const struct session *s)
{
	static const char *const names[2][4] = {{"ESMTP", "ESMTPA", "ESMTPS", "ESMTPSA"},
						{"UTF8SMTP", "UTF8SMTPA", "UTF8SMTPS", "UTF8SMTPSA"}};

	if (!s->esmtp)
		return "SMTP";
	return names[s->message->smtputf8][(s->transport.secured ? 2 : 0) + (s->user ? 1 : 0)];
}

/* The first block, which comes with the first octet: our trace field stands before the content. */
static void begin_content(struct session *s, struct block *block)
{
	struct submission *m = s->message;
	struct trace trace = {
		.helo = {s->helo, s->helo_length},
		.peer = {s->peer, s->peer_length},
		.hostname = span_text(s->snapshot->config->hostname),
		.protocol = protocol_of(s),
		.id = m->letter.id,
		.wall_ns = m->letter.wall_ns,
	};

	block->length = (uint32_t)trace_received(&trace, (char *)block->data);
	m->header_at = block->length;
	m->letter.content_length = block->length;
}

/* Nothing of what the client sends is there yet, but for a dot that was stuffed. */
static bool at_start(const struct submission *m)
{
	return m->letter.content_length == m->header_at;
}

/* `length` octets that begin with a blank would go on with our field, which must say what we know and nothing else. No
 * header field begins like that (RFC 5322 2.2), so they are a body: as Postfix has it, an empty line comes before. */
static void set_apart(struct submission *m, struct block *block, size_t length)
{
	uint8_t *first = block->data + block->length;

	memmove(first + 2, first, length);
	memcpy(first, "\r\n", 2);
	block->length += 2;
	m->letter.content_length += 2;
	(void)fields_watch(&m->header_watch, "\r\n", 2);
}

bool receive_content_empty(struct session *s)
{
	struct block *block = submission_room(s->message);

	if (block)
		begin_content(s, block);
	return block != NULL;
}

/* The header has ended. One that is longer than a block is not searched further, and has its hops counted. */
static void look_for_loop(struct session *s)
{
	struct submission *m = s->message;
	const struct block *first = m->content_before == 0 ? m->letter.first : NULL;

	m->header_seen = true;
	if (s->scanner.hops + 1u >= OWN_MAX && first && !m->refusal &&
	    trace_own((const char *)first->data, first->length, span_text(s->snapshot->config->hostname)) >= OWN_MAX)
		m->refusal = "554 5.4.6 This relay has had the message twice before, it loops\r\n";
}

void receive_content_came(struct session *s, struct block *block, size_t length)
{
	struct submission *m = s->message;

	if (length > 0 && at_start(m) && (block->data[block->length] == ' ' || block->data[block->length] == '\t'))
		set_apart(m, block, length);
	block->length += (uint32_t)length;
	m->letter.content_length += length;
	if (!s->scanner.in_header && !m->header_seen)
		look_for_loop(s);
	if (m->header_held)
		receive_policy_take(s, block->data + block->length - length, length);
}

void receive_content_ended(struct session *s)
{
	if (!s->message->header_seen)
		look_for_loop(s);
	if (receive_keeps_content(s))
		receive_policy_end(s);
}

const char *receive_content_refusal(const struct session *s)
{
	const struct submission *m = s->message;

	if (s->scanner.faults)
		return "550 5.6.11 Message has a bare CR, bare LF or NUL; lines must end in CRLF\r\n";
	if (s->content_dropped)
		return "552 5.3.4 Message exceeds the size limit\r\n";
	if (s->scanner.hops >= s->snapshot->config->limits.hops)
		return "554 5.4.6 Too many hops, this message loops\r\n";
	if (m->refusal)
		return m->refusal;
	if (m->result == -ENOSPC)
		return "452 4.3.1 Insufficient storage, try again later\r\n";
	if (m->result < 0)
		return "451 4.3.0 Message not stored, try again later\r\n";
	return NULL;
}

void receive_finish_content(struct session *s, const char *refusal)
{
	struct submission *m = s->message;

	receive_move(s, SESSION_COMMAND);
	list_remove(&s->place);
	receive_arm_command(s);
	/* Whatever the client declared: what is in it is known (RFC 6152 3). */
	if (s->scanner.eight_bit)
		m->letter.flags |= ENVELOPE_EIGHT_BIT;
	if (s->scanner.header & CONTENT_HEADER_WIDE)
		m->letter.wide |= ENVELOPE_WIDE_HEADER;
	if (!refusal)
		refusal = receive_charge_octets(s);
	if (refusal) {
		receive_count_refused(s);
		receive_reply_text(s, refusal);
		receive_drop_transaction(s);
		return;
	}
	s->message = NULL;
	list_append(&s->pending, &m->link);
	s->pending_count++;
	submission_commit(m);
}

bool receive_keeps_content(const struct session *s)
{
	return !s->scanner.faults && !s->content_dropped && s->message->result == 0 && !s->message->refusal;
}

/* When memory is dry all that read content wait: what their clients send stays in the sockets. */
bool receive_content_room(struct session *s, struct block **block, size_t *room)
{
	struct submission *m = s->message;

	if (m->block_count == PART_BLOCKS && BLOCK_DATA - m->last->length < SUBMISSION_ROOM) {
		if (m->parts_out >= PARTS_OUTSTANDING_MAX * m->transfer_count) {
			receive_wait(s, WAIT_PARTS);
			return false;
		}
		if (!submission_flush_part(m)) {
			receive_wait(s, WAIT_MEMORY);
			return false;
		}
	}
	*block = submission_room(m);
	if (*block) {
		if (m->letter.content_length == 0)
			begin_content(s, *block);
		/* It may yet be set apart. */
		*room = BLOCK_DATA - (*block)->length - (at_start(m) ? 2 : 0);
		return true;
	}
	/* Content memory is dry. Who only waited would wait for others who wait as well: what is held goes to the
	 * spool. */
	if (m->block_count > 0 && m->parts_out == 0 && !m->header_held)
		(void)submission_flush_part(m);
	receive_wait(s, WAIT_MEMORY);
	receive_stop_readers(s->shard);
	return false;
}

size_t receive_content(struct session *s, const uint8_t *data, size_t length)
{
	const struct config *config = s->snapshot->config;
	uint8_t *discard = s->shard->store->scratch;
	size_t at = 0;

	while (at < length) {
		struct block *block = NULL;
		enum content_result result;
		size_t consumed, written, room;

		bool keep = receive_keeps_content(s);
		if (keep && !receive_content_room(s, &block, &room))
			return at;
		if (keep)
			result = receive_scan(s, data + at, length - at, &consumed, block->data + block->length, room,
					      &written);
		else
			result = receive_scan(s, data + at, length - at, &consumed, discard, BLOCK_DATA, &written);
		at += consumed;
		s->content_octets += written;
		if (keep)
			receive_content_came(s, block, written);
		if (s->content_octets > config->spool.message_size_max)
			s->content_dropped = true;
		if (result == CONTENT_END) {
			receive_content_ended(s);
			receive_finish_content(s, receive_content_refusal(s));
			return at;
		}
	}
	return at;
}

void receive_part_stored(struct session *s)
{
	receive_go_on(s, WAIT_PARTS);
}
