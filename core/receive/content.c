/*
 * core/receive/content.c - content of an inbound message: from 354 to the end of data (RFC 5321 4.1.1.4).
 */
#include <errno.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/config/config.h"
#include "core/config/quirks.h"
#include "core/receive/session_private.h"
#include "core/shard/shard.h"
#include "core/shard/snapshot.h"

enum { HOPS_MAX = 100 };

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

void receive_start_content(struct session *s)
{
	struct submission *m = s->message;
	struct shard *shard = s->shard;
	const struct config *config = s->snapshot->config;

	m->letter.wall_ns = clock_wall_ns();
	m->letter.id = message_id_next(&shard->store->ids, m->letter.wall_ns);
	m->state = SUBMISSION_CONTENT;
	content_scanner_init(&s->scanner);
	start_repair(s);
	s->content_octets = 0;
	s->content_dropped = false;
	receive_move(s, SESSION_CONTENT);
	s->stage = SESSION_STAGE_CONTENT;
	s->content_deadline_ns = shard->now_ns + config->timeouts.data_ns;
	s->content_seen = s->transport.octets_in;
	receive_pace_arm(s, config->timeouts.command_ns);
	if (receive_memory_dry(shard))
		receive_wait(s, WAIT_MEMORY);
	else
		list_append(&shard->receiver->content_readers, &s->place);
}

/* RFC 3848 */
static const char *protocol_of(const struct session *s)
{
	if (!s->esmtp)
		return "SMTP";
	if (s->transport.secured)
		return s->user ? "ESMTPSA" : "ESMTPS";
	return s->user ? "ESMTPA" : "ESMTP";
}

/* The first block, which comes with the first octet: our trace field stands before the content. */
static void begin_content(struct session *s, struct block *block, uint8_t first)
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
	/* It would go on with our field, which must say what we know and nothing else. No header field begins like
	 * that (RFC 5322 2.2), so it is a body: as Postfix has it, an empty line comes before. */
	if (first == ' ' || first == '\t') {
		memcpy(block->data + block->length, "\r\n", 2);
		block->length += 2;
	}
	m->letter.content_length = block->length;
}

static void finish_content(struct session *s)
{
	struct submission *m = s->message;
	const char *refusal = NULL;

	receive_move(s, SESSION_COMMAND);
	list_remove(&s->place);
	receive_arm_timer(s, s->snapshot->config->timeouts.command_ns);
	/* Whatever the client declared: what is in it is known (RFC 6152 3). */
	if (s->scanner.eight_bit)
		m->letter.flags |= ENVELOPE_EIGHT_BIT;
	if (s->scanner.faults)
		refusal = "550 5.6.11 Message has a bare CR, bare LF or NUL; lines must end in CRLF\r\n";
	else if (s->content_dropped)
		refusal = "552 5.3.4 Message exceeds the size limit\r\n";
	else if (s->scanner.hops >= HOPS_MAX)
		refusal = "554 5.4.6 Too many hops, this message loops\r\n";
	else if (m->result == -ENOSPC)
		refusal = "452 4.3.1 Insufficient storage, try again later\r\n";
	else if (m->result < 0)
		refusal = "451 4.3.0 Message not stored, try again later\r\n";
	if (refusal) {
		counter_add(&s->shard->receiver->counters.refused, 1);
		receive_reply_text(s, refusal);
		receive_drop_transaction(s);
		return;
	}
	s->message = NULL;
	list_append(&s->pending, &m->link);
	s->pending_count++;
	submission_commit(m);
}

/* May content be taken in now, of which `next` is the first octet? If not, the session waits. When memory is dry all
 * that read content wait: what their clients send stays in the sockets. */
static bool content_room(struct session *s, struct block **block, uint8_t next)
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
			begin_content(s, *block, next);
		return true;
	}
	/* Content memory is dry. Who only waited would wait for others who wait as well: what is held goes to the
	 * spool. */
	if (m->block_count > 0 && m->parts_out == 0)
		(void)submission_flush_part(m);
	receive_wait(s, WAIT_MEMORY);
	receive_stop_readers(s->shard);
	return false;
}

size_t receive_content(struct session *s, const uint8_t *data, size_t length)
{
	const struct config *config = s->snapshot->config;
	struct submission *m = s->message;
	uint8_t *discard = s->shard->store->scratch;
	size_t at = 0;

	while (at < length) {
		struct block *block = NULL;
		enum content_result result;
		size_t consumed, written;

		/* A message that is refused anyway is read to its end, but not kept. */
		bool keep = !s->scanner.faults && !s->content_dropped && m->result == 0;
		if (keep && !content_room(s, &block, data[at]))
			return at;
		if (keep)
			result = receive_scan(s, data + at, length - at, &consumed, block->data + block->length,
					      BLOCK_DATA - block->length, &written);
		else
			result = receive_scan(s, data + at, length - at, &consumed, discard, BLOCK_DATA, &written);
		at += consumed;
		s->content_octets += written;
		if (keep) {
			block->length += (uint32_t)written;
			m->letter.content_length += written;
		}
		if (s->content_octets > config->spool.message_size_max)
			s->content_dropped = true;
		if (result == CONTENT_END) {
			finish_content(s);
			return at;
		}
	}
	return at;
}

void receive_part_stored(struct session *s)
{
	receive_go_on(s, WAIT_PARTS);
}
