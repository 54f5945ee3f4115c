/*
 * core/receive/content.c - content of an inbound message: from 354 to the end of data (RFC 5321 4.1.1.4).
 */
#include <errno.h>

#include "core/base/clock.h"
#include "core/config/config.h"
#include "core/receive/session_private.h"
#include "core/shard/shard.h"
#include "core/shard/snapshot.h"

enum { HOPS_MAX = 100 };

/* The timer of content: when what the octets have bought is used up, or timeouts.data. */
static void arm_content_timer(struct session *s, uint64_t bought_ns)
{
	uint64_t now_ns = s->shard->now_ns;
	uint64_t left_ns = s->content_deadline_ns > now_ns ? s->content_deadline_ns - now_ns : 0;

	s->content_look_ns = now_ns + bought_ns;
	receive_arm_timer(s, bought_ns < left_ns ? bought_ns : left_ns);
}

/* Its time was up: is it still fast enough? If so, it has time again. */
static enum receive_pace look_at_pace(struct session *s)
{
	uint64_t octets = s->transport.octets_in - s->content_seen;
	uint64_t most_ns = s->snapshot->config->timeouts.command_ns;

	if (s->shard->now_ns >= s->content_deadline_ns)
		return PACE_TIMEOUT;
	if (octets < SESSION_RATE_MIN)
		return PACE_TOO_SLOW;
	s->content_seen = s->transport.octets_in;
	arm_content_timer(s, octets < most_ns / CLOCK_NS_PER_S * SESSION_RATE_MIN
				     ? octets * (CLOCK_NS_PER_S / SESSION_RATE_MIN)
				     : most_ns);
	return PACE_GOOD;
}

void receive_content_timer(struct session *s)
{
	switch (look_at_pace(s)) {
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

/* While we do not read it is not the client that is slow. */
void receive_content_waits(struct session *s)
{
	uint64_t now_ns = s->shard->now_ns, left_ns = s->content_look_ns > now_ns ? s->content_look_ns - now_ns : 0;

	arm_content_timer(s, UINT64_MAX - now_ns);
	s->content_look_ns = left_ns;
}

void receive_content_goes_on(struct session *s)
{
	list_append(&s->shard->receiver->content_readers, &s->place);
	arm_content_timer(s, s->content_look_ns);
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
	s->content_octets = 0;
	s->content_dropped = false;
	receive_move(s, SESSION_CONTENT);
	s->stage = SESSION_STAGE_CONTENT;
	s->content_deadline_ns = shard->now_ns + config->timeouts.data_ns;
	s->content_seen = s->transport.octets_in;
	arm_content_timer(s, config->timeouts.command_ns);
	if (receive_memory_dry(shard))
		receive_wait(s, WAIT_MEMORY);
	else
		list_append(&shard->receiver->content_readers, &s->place);
}

/* The first block, which comes with the first octet: our trace field stands before the content. */
static void begin_content(struct session *s, struct block *block)
{
	struct submission *m = s->message;
	struct trace trace = {
		.helo = {s->helo, s->helo_length},
		.peer = {s->peer, s->peer_length},
		.hostname = span_text(s->snapshot->config->hostname),
		.protocol = s->esmtp ? "ESMTP" : "SMTP",
		.id = m->letter.id,
		.wall_ns = m->letter.wall_ns,
	};

	block->length = (uint32_t)trace_received(&trace, (char *)block->data);
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

/* May content be taken in now? If not, the session waits. When memory is dry all that read content wait: what their
 * clients send stays in the sockets. */
static bool content_room(struct session *s, struct block **block)
{
	struct submission *m = s->message;

	if (m->block_count == PART_BLOCKS && BLOCK_DATA - m->last->length < 8) {
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
		if (keep && !content_room(s, &block))
			return at;
		if (keep)
			result = content_scan_data(&s->scanner, data + at, length - at, &consumed,
						   block->data + block->length, BLOCK_DATA - block->length, &written);
		else
			result = content_scan_data(&s->scanner, data + at, length - at, &consumed, discard, BLOCK_DATA,
						   &written);
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
