/*
 * core/receive/chunk.c - content by BDAT (RFC 3030): chunks between commands, whose lengths the client says.
 *
 *     COMMAND --BDAT n--> CHUNK: n octets are read, whatever becomes of them --> the reply, COMMAND
 *
 * A chunk that is of no use is read as well, because its octets are no commands (BDT-03), and answered behind it. Only
 * where nobody knows how long it is, or it is longer than any message may be, the session ends. The transaction ends
 * with the first chunk that is refused: what was sent behind it in advance finds none, so the rest of a message never
 * becomes a whole one, and a later MAIL never meets an older envelope (RFC 3030 2 leaves that to the server).
 *
 * Octets of all chunks are scanned as one stream, as content by DATA is, but for the dots: a CR at the end of a chunk
 * waits for the LF of the next. BINARYMIME is not offered, so bare CR, bare LF and NUL are refused here as there, and
 * what is a dot line here gets a second dot on its way out (SMG-04).
 */
#include <stdio.h>

#include "core/config/config.h"
#include "core/receive/session_private.h"
#include "core/shard/shard.h"
#include "core/shard/snapshot.h"

/* What a chunk's octets are for. */
enum chunk_use { CHUNK_CONTENT, CHUNK_NO_MAIL, CHUNK_NO_RECIPIENTS };

static enum chunk_use use_of_chunk(const struct session *s)
{
	if (!s->message)
		return CHUNK_NO_MAIL;
	return s->message->recipients == 0 ? CHUNK_NO_RECIPIENTS : CHUNK_CONTENT;
}

static void refuse(struct session *s, const char *refusal)
{
	bool counts = !s->chunks_refused;

	/* Those behind it were sent before this can have been read: no errors of theirs. */
	s->chunks_refused = !s->chunk_last;
	if (counts)
		receive_error(s, refusal);
	else
		receive_reply_text(s, refusal);
}

/* Of all of it. */
static const char *content_refusal(struct session *s)
{
	receive_content_ended(s);
	return receive_content_refusal(s);
}

static void end_of_content_chunk(struct session *s)
{
	const char *refusal;
	char reply[64];
	int n;

	if (s->chunk_last) {
		content_scan_finish(&s->scanner);
		if (s->message->letter.content_length == 0 && receive_keeps_content(s) && !receive_content_empty(s))
			refusal = "452 4.3.1 Out of memory, try again later\r\n";
		else
			refusal = content_refusal(s);
		receive_finish_content(s, refusal);
		return;
	}
	refusal = receive_content_refusal(s);
	if (refusal) {
		s->chunks_refused = true;
		receive_finish_content(s, refusal);
		return;
	}
	receive_move(s, SESSION_COMMAND);
	n = snprintf(reply, sizeof(reply), "250 2.0.0 Ok, %llu octets so far\r\n",
		     (unsigned long long)s->content_octets);
	s->last_reply = "250 2.0.0 Ok";
	receive_reply(s, reply, (size_t)n);
}

static void end_of_chunk(struct session *s)
{
	enum chunk_use use = (enum chunk_use)s->chunk_use;

	if (use == CHUNK_CONTENT) {
		end_of_content_chunk(s);
		return;
	}
	receive_move(s, SESSION_COMMAND);
	receive_arm_timer(s, s->snapshot->config->timeouts.command_ns);
	refuse(s, use == CHUNK_NO_MAIL ? "503 5.5.1 Send MAIL first\r\n" : "554 5.5.1 No valid recipients\r\n");
	receive_drop_transaction(s);
}

void receive_bdat(struct session *s, const struct smtp_command *command)
{
	uint64_t most = s->snapshot->config->spool.message_size_max;

	if (command->size > most) {
		(void)receive_count_error(s);
		receive_finish(s, "552 5.3.4 Chunk exceeds the size limit, closing connection\r\n", "chunk too large");
		return;
	}
	s->chunk_use = use_of_chunk(s);
	s->chunk_left = command->size;
	s->chunk_last = command->last;
	if (s->chunk_use != CHUNK_CONTENT) {
		receive_move(s, SESSION_CHUNK);
		receive_pace_begin(s);
	} else if (!receive_content_begun(s)) {
		receive_start_content(s, SESSION_CHUNK);
	} else {
		receive_move(s, SESSION_CHUNK);
		s->stage = SESSION_STAGE_CONTENT;
	}
	/* Known before it comes, so nothing of it is kept. What has come before is no more than `most`, or dropped. */
	if (s->chunk_use == CHUNK_CONTENT && !s->content_dropped && command->size > most - s->content_octets)
		s->content_dropped = true;
	if (s->chunk_left == 0)
		end_of_chunk(s);
}

/* Some of what is content. 0: the session waits. */
static size_t take(struct session *s, const uint8_t *data, size_t length)
{
	struct block *block = NULL;
	size_t n = length, written = length, room;

	if (receive_keeps_content(s)) {
		if (!receive_content_room(s, &block, &room))
			return 0;
		receive_scan_chunk(s, data, length, &n, block->data + block->length, room, &written);
		receive_content_came(s, block, written);
	}
	s->content_octets += written;
	/* Repaired it may be more than was announced. */
	if (s->content_octets > s->snapshot->config->spool.message_size_max)
		s->content_dropped = true;
	return n;
}

size_t receive_chunk(struct session *s, const uint8_t *data, size_t length)
{
	size_t most = s->chunk_left < length ? (size_t)s->chunk_left : length, at = 0;

	while (at < most) {
		size_t n = s->chunk_use == CHUNK_CONTENT ? take(s, data + at, most - at) : most - at;
		if (n == 0)
			return at;
		at += n;
		s->chunk_left -= n;
	}
	if (s->chunk_left == 0)
		end_of_chunk(s);
	return at;
}
