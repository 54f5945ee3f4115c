/*
 * core/relay/transaction_write.c - what a transaction says to a next hop: RSET, MAIL, RCPT, DATA or BDAT, content.
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/relay/transaction.h"
#include "core/relay/transaction_private.h"

enum { COMMAND_ROOM = 1200, CONTENT_ROOM_MIN = 2048 };

static bool write_command(struct transaction *tx, const char *text, size_t length)
{
	struct connection *c = tx->connection;

	if (transport_room(&c->transport) < length || !transport_write(&c->transport, text, length))
		return false;
	transport_mark(&c->transport);
	c->replies_due++;
	tx->any_written = true;
	return true;
}

static enum write_result write_mail(struct transaction *tx)
{
	const struct smtp_extensions *extensions = &tx->connection->extensions;
	bool plain = lesson_in_force(&tx->connection->host->lessons, LESSON_PLAIN_MAIL, tx->outbound->shard->now_ns);
	bool eight_bit = extensions->eight_bit_mime && !plain;
	char line[COMMAND_ROOM];
	int n = snprintf(line, sizeof(line), "MAIL FROM:<%.*s>", (int)tx->envelope.sender.length,
			 tx->envelope.sender.data);

	tx->parameters = false;
	if (extensions->size_given && !plain) {
		tx->parameters = true;
		n += snprintf(line + n, sizeof(line) - (size_t)n, " SIZE=%llu",
			      (unsigned long long)tx->delivery->content_length);
	}
	if (eight_bit && (tx->envelope.flags & ENVELOPE_EIGHT_BIT)) {
		tx->parameters = true;
		n += snprintf(line + n, sizeof(line) - (size_t)n, " BODY=8BITMIME");
	}
	tx->undeclared = !eight_bit && (tx->envelope.flags & ENVELOPE_EIGHT_BIT);
	n += snprintf(line + n, sizeof(line) - (size_t)n, "\r\n");
	assert((size_t)n < sizeof(line)); /* the sender was accepted within SMTP_PATH_MAX */
	if (!write_command(tx, line, (size_t)n))
		return WRITE_NO_ROOM;
	envelope_first(&tx->envelope, &tx->rcpt_cursor);
	tx->step = STEP_RCPT;
	return WRITE_DONE;
}

static enum write_result write_rcpt(struct transaction *tx)
{
	struct envelope_cursor before = tx->rcpt_cursor;
	struct span address;
	char line[COMMAND_ROOM];
	int n;

	if (tx->rcpt_next == tx->rcpt_end) {
		tx->step = STEP_BODY;
		return WRITE_DONE;
	}
	if (!envelope_next(&tx->rcpt_cursor, &address))
		assert(!"envelope_decode() counted the recipients");
	if (tx->rcpt_next < tx->rcpt_first || !transaction_pending(tx, tx->rcpt_next)) {
		tx->rcpt_next++;
		return WRITE_DONE;
	}
	n = snprintf(line, sizeof(line), "RCPT TO:<%.*s>\r\n", (int)address.length, address.data);
	assert((size_t)n < sizeof(line));
	if (!write_command(tx, line, (size_t)n)) {
		tx->rcpt_cursor = before;
		return WRITE_NO_ROOM;
	}
	tx->rcpt_next++;
	return WRITE_DONE;
}

/* ---- content: parts first, then what the message record itself holds ---- */

static void on_part_loaded(struct spool_view *view, int result)
{
	struct transaction *tx = container_of(view, struct transaction, part);

	tx->part_loading = false;
	tx->part_held = true; /* also when it failed: a view is released in every case */
	if (tx->orphan) {
		transaction_free(tx); /* its connection went away meanwhile */
		return;
	}
	if (result < 0) {
		const char *why =
			result == -EBADMSG ? "a part of the message in the spool is damaged" : strerror(-result);
		if (!transaction_damaged(tx, result, why))
			return;
	}
	connection_write(tx->connection);
}

/* The piece now due, or NULL while it is being read. */
static const struct spool_view *piece(struct transaction *tx)
{
	if (tx->piece == tx->delivery->item.part_count)
		return &tx->view;
	if (tx->part_held)
		return &tx->part;
	if (tx->part_loading)
		return NULL;
	if (spool_view(tx->outbound->shard->spool, &tx->part, &tx->delivery->item.parts[tx->piece], on_part_loaded)) {
		tx->part_held = true;
		return &tx->part;
	}
	tx->part_loading = true;
	return NULL;
}

static bool last_piece(const struct transaction *tx)
{
	return tx->piece == tx->delivery->item.part_count;
}

static void next_piece(struct transaction *tx)
{
	if (tx->part_held)
		spool_view_release(&tx->part);
	tx->part_held = false;
	tx->piece++;
	tx->piece_offset = 0;
}

/* Nothing more of it is written; it is over when what was written has been answered. */
static void cut_short(struct transaction *tx)
{
	tx->step = STEP_WRITTEN;
	if (tx->expect == EXPECT_BODY && tx->chunk_replies == tx->chunks_begun)
		tx->expect = EXPECT_NOTHING;
}

/* SMG-03: content that would break the next hop's framing is never sent. It was refused at the door, so this is either
 * damage or our own fault. */
static enum write_result violation(struct transaction *tx)
{
	if (transaction_damaged(tx, -EBADMSG, "the content in the spool has a bare CR, bare LF or NUL")) {
		cut_short(tx);
		return WRITE_DONE;
	}
	return WRITE_WAIT;
}

/* Before BDAT promises its octets, so that the connection can go on. */
static bool check_piece(struct transaction *tx, const struct spool_view *now)
{
	uint8_t end[5];

	if (tx->checked == tx->piece + 1)
		return true; /* it found no room then */
	if (tx->piece == 0)
		content_encoder_init(&tx->encoder);
	tx->checked = (uint16_t)(tx->piece + 1);
	if (!content_encode_check(&tx->encoder, now->content, now->content_length))
		return false;
	return !last_piece(tx) || content_encode_end(&tx->encoder, end) > 0;
}

/* The command that opens the body: DATA, or one BDAT per piece. */
static enum write_result write_body(struct transaction *tx)
{
	struct connection *c = tx->connection;
	const struct spool_view *now;
	char line[48];
	int n;

	if (c->mode != MODE_CHUNKING) {
		if (!write_command(tx, "DATA\r\n", 6))
			return WRITE_NO_ROOM;
		content_encoder_init(&tx->encoder);
		tx->step = STEP_CONTENT;
		return WRITE_DONE;
	}
	if (tx->decided || tx->damage) {
		/* RFC 3030 2: after a refusal no further BDAT may be sent, or the rest might be taken for a whole
		 * message. */
		cut_short(tx);
		return WRITE_DONE;
	}
	/* LAST makes a message of whatever was taken: not before every chunk is known to have been. */
	if (last_piece(tx) && tx->chunk_replies < tx->chunks_begun)
		return WRITE_WAIT;
	now = piece(tx);
	if (!now)
		return WRITE_WAIT;
	if (!check_piece(tx, now))
		return violation(tx);
	n = snprintf(line, sizeof(line), "BDAT %zu%s\r\n", now->content_length, last_piece(tx) ? " LAST" : "");
	if (!write_command(tx, line, (size_t)n))
		return WRITE_NO_ROOM;
	tx->chunks_begun++;
	tx->step = STEP_CONTENT;
	return WRITE_DONE;
}

static enum write_result write_chunk(struct transaction *tx)
{
	struct transport *t = &tx->connection->transport;
	const struct spool_view *now = piece(tx);

	if (!now)
		return WRITE_WAIT;
	while (tx->piece_offset < now->content_length) {
		size_t left = now->content_length - tx->piece_offset;
		size_t room = transport_room(t);
		size_t n = left < room ? left : room;

		if (n < left && n < CONTENT_ROOM_MIN)
			return WRITE_NO_ROOM;
		if (!transport_write(t, now->content + tx->piece_offset, n))
			return WRITE_NO_ROOM;
		tx->piece_offset += n;
	}
	transport_mark(t);
	tx->chunks_written++;
	if (last_piece(tx)) {
		tx->step = STEP_WRITTEN;
		tx->end_written = true;
		return WRITE_DONE;
	}
	next_piece(tx);
	tx->step = STEP_BODY;
	return WRITE_DONE;
}

static enum write_result write_encoded(struct transaction *tx)
{
	struct transport *t = &tx->connection->transport;
	uint8_t out[16384];

	for (;;) {
		const struct spool_view *now = piece(tx);
		size_t room, consumed, written;

		if (!now)
			return WRITE_WAIT;
		if (tx->piece_offset == now->content_length) {
			if (last_piece(tx))
				break;
			next_piece(tx);
			continue;
		}
		room = transport_room(t);
		if (room < CONTENT_ROOM_MIN)
			return WRITE_NO_ROOM;
		if (room > sizeof(out))
			room = sizeof(out);
		if (!content_encode(&tx->encoder, now->content + tx->piece_offset,
				    now->content_length - tx->piece_offset, &consumed, out, room, &written))
			return violation(tx);
		if (!transport_write(t, out, written))
			return WRITE_NO_ROOM;
		tx->piece_offset += consumed;
	}
	tx->step = STEP_END;
	return WRITE_DONE;
}

/* DATA's content may be written only behind 354. */
static enum write_result write_content(struct transaction *tx)
{
	if (tx->connection->mode == MODE_CHUNKING)
		return write_chunk(tx);
	/* Even when every recipient was refused: a 354 that comes all the same must be ended by a dot first. A refused
	 * DATA ends the transaction, and the connection goes on behind it. */
	if (!tx->body_accepted)
		return WRITE_WAIT;
	if (tx->dot_only) {
		tx->step = STEP_END;
		return WRITE_DONE;
	}
	return write_encoded(tx);
}

static enum write_result write_end(struct transaction *tx)
{
	uint8_t end[5] = {'.', '\r', '\n'};
	size_t n = 3;

	if (!tx->dot_only) {
		n = content_encode_end(&tx->encoder, end);
		if (n == 0)
			return violation(tx);
	}
	if (!write_command(tx, (const char *)end, n))
		return WRITE_NO_ROOM;
	tx->end_written = !tx->dot_only;
	tx->step = STEP_WRITTEN;
	return WRITE_DONE;
}

/* Before a command in lockstep every earlier reply must be in. */
static bool must_wait(const struct transaction *tx)
{
	return tx->connection->mode == MODE_LOCKSTEP && tx->connection->replies_due > 0;
}

/*
 * RFC 3030 lets a server keep a transaction open whose BDAT LAST it refused. A MAIL that is in flight behind it would
 * then be refused as nested, but its RCPT and BDAT would be taken into the older envelope: the message would reach the
 * wrong people. So whole transactions in flight are kept apart by RSET; it is left out only where everything before has
 * been answered.
 */
static bool needs_reset(const struct transaction *tx)
{
	const struct connection *c = tx->connection;

	if (c->mode == MODE_CHUNKING && c->transactions.next != &tx->link)
		return true;
	if (connection_no_reset(c))
		return false;
	return c->reset_next || lesson_in_force(&c->host->lessons, LESSON_RESET, tx->outbound->shard->now_ns);
}

enum write_result transaction_write(struct transaction *tx)
{
	if (!tx->started) {
		tx->started = true;
		tx->started_ns = tx->outbound->shard->now_ns;
		tx->step = needs_reset(tx) ? STEP_RSET : STEP_MAIL;
		tx->expect = tx->step == STEP_RSET ? EXPECT_RSET : EXPECT_MAIL;
		tx->connection->reset_next = false;
		tx->behind = tx->connection->transactions.next != &tx->link;
		tx->later = tx->step == STEP_MAIL && tx->connection->messages > 1;
	}
	while (tx->step != STEP_WRITTEN) {
		enum write_result r = WRITE_DONE;

		if (must_wait(tx) && tx->step != STEP_CONTENT && tx->step != STEP_END)
			return WRITE_WAIT;
		switch (tx->step) {
		case STEP_RSET:
			if (!write_command(tx, "RSET\r\n", 6))
				return WRITE_NO_ROOM;
			tx->step = STEP_MAIL;
			break;
		case STEP_MAIL:
			r = write_mail(tx);
			break;
		case STEP_RCPT:
			r = write_rcpt(tx);
			break;
		case STEP_BODY:
			r = write_body(tx);
			break;
		case STEP_CONTENT:
			r = write_content(tx);
			break;
		case STEP_END:
			r = write_end(tx);
			break;
		}
		if (r != WRITE_DONE)
			return r;
	}
	/* The content has left this transaction's hands; its memory is of use to others. */
	if (tx->view_held) {
		results_keep(tx);
		spool_view_release(&tx->view);
		tx->view_held = false;
	}
	return WRITE_DONE;
}
