/*
 * core/relay/attempt_write.c - what an attempt says to a next hop: RSET, MAIL, RCPT, DATA or BDAT, content.
 */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "core/base/line.h"
#include "core/relay/attempt.h"
#include "core/relay/attempt_private.h"

enum { COMMAND_ROOM = 1200, CONTENT_ROOM_MIN = 2048 };

static bool write_command(struct attempt *a, const char *text, size_t length)
{
	struct connection *c = a->connection;

	if (transport_room(&c->transport) < length || !transport_write(&c->transport, text, length))
		return false;
	transport_mark(&c->transport);
	c->replies_due++;
	a->any_written = true;
	return true;
}

static enum write_result write_mail(struct attempt *a)
{
	const struct smtp_extensions *extensions = &a->connection->extensions;
	bool plain = lesson_in_force(&a->connection->host->lessons, LESSON_PLAIN_MAIL, a->outbound->shard->now_ns);
	bool eight_bit = extensions->eight_bit_mime && !plain;
	char text[COMMAND_ROOM]; /* the sender was accepted within SMTP_PATH_MAX */
	struct line line = {.data = text, .size = sizeof(text)};

	line_text(&line, "MAIL FROM:<");
	line_put(&line, a->envelope.sender.data, a->envelope.sender.length);
	line_text(&line, ">");
	a->parameters = false;
	if (extensions->size_given && !plain) {
		a->parameters = true;
		line_text(&line, " SIZE=");
		line_number(&line, a->delivery->content_length);
	}
	if (eight_bit && (a->envelope.flags & ENVELOPE_EIGHT_BIT)) {
		a->parameters = true;
		line_text(&line, " BODY=8BITMIME");
	}
	a->undeclared = !eight_bit && (a->envelope.flags & ENVELOPE_EIGHT_BIT);
	line_text(&line, "\r\n");
	if (!write_command(a, line.data, line.length))
		return WRITE_NO_ROOM;
	envelope_first(&a->envelope, &a->rcpt_cursor);
	a->step = STEP_RCPT;
	return WRITE_DONE;
}

static enum write_result write_rcpt(struct attempt *a)
{
	struct envelope_cursor before = a->rcpt_cursor;
	struct envelope_recipient recipient;
	char text[COMMAND_ROOM];
	struct line line = {.data = text, .size = sizeof(text)};

	if (a->rcpt_next == a->rcpt_end) {
		a->step = STEP_BODY;
		return WRITE_DONE;
	}
	if (!envelope_next(&a->rcpt_cursor, &recipient))
		assert(!"envelope_decode() counted the recipients");
	if (a->rcpt_next < a->rcpt_first || !attempt_pending(a, a->rcpt_next)) {
		a->rcpt_next++;
		return WRITE_DONE;
	}
	line_text(&line, "RCPT TO:<");
	line_put(&line, recipient.address.data, recipient.address.length);
	line_text(&line, ">\r\n");
	if (!write_command(a, line.data, line.length)) {
		a->rcpt_cursor = before;
		return WRITE_NO_ROOM;
	}
	a->rcpt_next++;
	return WRITE_DONE;
}

/* ---- content: parts first, then what the message record itself holds ---- */

static void on_part_loaded(struct spool_view *view, int result)
{
	struct attempt *a = container_of(view, struct attempt, part);

	a->part_loading = false;
	a->part_held = true; /* also when it failed: a view is released in every case */
	if (a->orphan) {
		attempt_free(a); /* its connection went away meanwhile */
		return;
	}
	if (result < 0) {
		const char *why =
			result == -EBADMSG ? "a part of the message in the spool is damaged" : strerror(-result);
		if (!attempt_damaged(a, result, why))
			return;
	}
	connection_write(a->connection);
}

/* The piece now due, or NULL while it is being read. */
static const struct spool_view *piece(struct attempt *a)
{
	if (a->piece == a->delivery->item.part_count)
		return &a->view;
	if (a->part_held)
		return &a->part;
	if (a->part_loading)
		return NULL;
	if (spool_view(a->outbound->shard->store->spool, &a->part, &a->delivery->item.parts[a->piece],
		       on_part_loaded)) {
		a->part_held = true;
		return &a->part;
	}
	a->part_loading = true;
	return NULL;
}

static bool last_piece(const struct attempt *a)
{
	return a->piece == a->delivery->item.part_count;
}

static void next_piece(struct attempt *a)
{
	if (a->part_held)
		spool_view_release(&a->part);
	a->part_held = false;
	a->piece++;
	a->piece_offset = 0;
}

/* Nothing more of it is written; it is over when what was written has been answered. */
static void cut_short(struct attempt *a)
{
	a->step = STEP_WRITTEN;
	if (a->expect == EXPECT_BODY && a->chunk_replies == a->chunks_begun)
		a->expect = EXPECT_NOTHING;
}

/* SMG-03: content that would break the next hop's framing is never sent. It was refused at the door, so this is either
 * damage or our own fault. */
static enum write_result violation(struct attempt *a)
{
	if (attempt_damaged(a, -EBADMSG, "the content in the spool has a bare CR, bare LF or NUL")) {
		cut_short(a);
		return WRITE_DONE;
	}
	return WRITE_WAIT;
}

/* Before BDAT promises its octets, so that the connection can go on. */
static bool check_piece(struct attempt *a, const struct spool_view *now)
{
	uint8_t end[5];

	if (a->checked == a->piece + 1)
		return true; /* it found no room then */
	if (a->piece == 0)
		content_encoder_init(&a->encoder);
	a->checked = (uint16_t)(a->piece + 1);
	if (!content_encode_check(&a->encoder, now->content, now->content_length))
		return false;
	return !last_piece(a) || content_encode_end(&a->encoder, end) > 0;
}

/* The command that opens the body: DATA, or one BDAT per piece. */
static enum write_result write_body(struct attempt *a)
{
	struct connection *c = a->connection;
	const struct spool_view *now;
	char text[48];
	struct line line = {.data = text, .size = sizeof(text)};

	if (c->mode != MODE_CHUNKING) {
		if (!write_command(a, "DATA\r\n", 6))
			return WRITE_NO_ROOM;
		content_encoder_init(&a->encoder);
		a->step = STEP_CONTENT;
		return WRITE_DONE;
	}
	if (a->decided || a->damage) {
		/* RFC 3030 2: after a refusal no further BDAT may be sent, or the rest might be taken for a whole
		 * message. */
		cut_short(a);
		return WRITE_DONE;
	}
	/* LAST makes a message of whatever was taken: not before every chunk is known to have been. */
	if (last_piece(a) && a->chunk_replies < a->chunks_begun)
		return WRITE_WAIT;
	now = piece(a);
	if (!now)
		return WRITE_WAIT;
	if (!check_piece(a, now))
		return violation(a);
	line_text(&line, "BDAT ");
	line_number(&line, now->content_length);
	line_text(&line, last_piece(a) ? " LAST\r\n" : "\r\n");
	if (!write_command(a, line.data, line.length))
		return WRITE_NO_ROOM;
	a->chunks_begun++;
	a->step = STEP_CONTENT;
	return WRITE_DONE;
}

static enum write_result write_chunk(struct attempt *a)
{
	struct transport *t = &a->connection->transport;
	const struct spool_view *now = piece(a);

	if (!now)
		return WRITE_WAIT;
	while (a->piece_offset < now->content_length) {
		size_t left = now->content_length - a->piece_offset;
		size_t room = transport_room(t);
		size_t n = left < room ? left : room;

		if (n < left && n < CONTENT_ROOM_MIN)
			return WRITE_NO_ROOM;
		if (!transport_write(t, now->content + a->piece_offset, n))
			return WRITE_NO_ROOM;
		a->piece_offset += n;
	}
	transport_mark(t);
	a->chunks_written++;
	if (last_piece(a)) {
		a->step = STEP_WRITTEN;
		a->end_written = true;
		return WRITE_DONE;
	}
	next_piece(a);
	a->step = STEP_BODY;
	return WRITE_DONE;
}

static enum write_result write_encoded(struct attempt *a)
{
	struct transport *t = &a->connection->transport;
	uint8_t out[16384];

	for (;;) {
		const struct spool_view *now = piece(a);
		size_t room, consumed, written;

		if (!now)
			return WRITE_WAIT;
		if (a->piece_offset == now->content_length) {
			if (last_piece(a))
				break;
			next_piece(a);
			continue;
		}
		room = transport_room(t);
		if (room < CONTENT_ROOM_MIN)
			return WRITE_NO_ROOM;
		if (room > sizeof(out))
			room = sizeof(out);
		if (!content_encode(&a->encoder, now->content + a->piece_offset, now->content_length - a->piece_offset,
				    &consumed, out, room, &written))
			return violation(a);
		if (!transport_write(t, out, written))
			return WRITE_NO_ROOM;
		a->piece_offset += consumed;
	}
	a->step = STEP_END;
	return WRITE_DONE;
}

/* DATA's content may be written only behind 354. */
static enum write_result write_content(struct attempt *a)
{
	if (a->connection->mode == MODE_CHUNKING)
		return write_chunk(a);
	/* Even when every recipient was refused: a 354 that comes all the same must be ended by a dot first. A refused
	 * DATA ends the transaction, and the connection goes on behind it. */
	if (!a->body_accepted)
		return WRITE_WAIT;
	if (a->dot_only) {
		a->step = STEP_END;
		return WRITE_DONE;
	}
	return write_encoded(a);
}

static enum write_result write_end(struct attempt *a)
{
	uint8_t end[5] = {'.', '\r', '\n'};
	size_t n = 3;

	if (!a->dot_only) {
		n = content_encode_end(&a->encoder, end);
		if (n == 0)
			return violation(a);
	}
	if (!write_command(a, (const char *)end, n))
		return WRITE_NO_ROOM;
	a->end_written = !a->dot_only;
	a->step = STEP_WRITTEN;
	return WRITE_DONE;
}

/* Before a command in lockstep every earlier reply must be in. */
static bool must_wait(const struct attempt *a)
{
	return a->connection->mode == MODE_LOCKSTEP && a->connection->replies_due > 0;
}

/*
 * RFC 3030 lets a server keep a transaction open whose BDAT LAST it refused. A MAIL that is in flight behind it would
 * then be refused as nested, but its RCPT and BDAT would be taken into the older envelope: the message would reach the
 * wrong people. So whole transactions in flight are kept apart by RSET; it is left out only where everything before has
 * been answered.
 */
static bool needs_reset(const struct attempt *a)
{
	const struct connection *c = a->connection;

	if (c->mode == MODE_CHUNKING && c->attempts.next != &a->link)
		return true;
	if (connection_no_reset(c))
		return false;
	return c->reset_next || lesson_in_force(&c->host->lessons, LESSON_RESET, a->outbound->shard->now_ns);
}

enum write_result attempt_write(struct attempt *a)
{
	if (!a->started) {
		a->started = true;
		a->started_ns = a->outbound->shard->now_ns;
		a->step = needs_reset(a) ? STEP_RSET : STEP_MAIL;
		a->expect = a->step == STEP_RSET ? EXPECT_RSET : EXPECT_MAIL;
		a->connection->reset_next = false;
		a->behind = a->connection->attempts.next != &a->link;
		a->later = a->step == STEP_MAIL && a->connection->messages > 1;
	}
	while (a->step != STEP_WRITTEN) {
		enum write_result r = WRITE_DONE;

		if (must_wait(a) && a->step != STEP_CONTENT && a->step != STEP_END)
			return WRITE_WAIT;
		switch (a->step) {
		case STEP_RSET:
			if (!write_command(a, "RSET\r\n", 6))
				return WRITE_NO_ROOM;
			a->step = STEP_MAIL;
			break;
		case STEP_MAIL:
			r = write_mail(a);
			break;
		case STEP_RCPT:
			r = write_rcpt(a);
			break;
		case STEP_BODY:
			r = write_body(a);
			break;
		case STEP_CONTENT:
			r = write_content(a);
			break;
		case STEP_END:
			r = write_end(a);
			break;
		}
		if (r != WRITE_DONE)
			return r;
	}
	/* The content has left this attempt's hands; its memory is of use to others. */
	if (a->view_held) {
		results_keep(a);
		spool_view_release(&a->view);
		a->view_held = false;
	}
	return WRITE_DONE;
}
