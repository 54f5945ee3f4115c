/*
 * core/relay/transaction.c - see transaction.h.
 */
#include "core/relay/transaction.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/relay/events.h"

enum { COMMAND_ROOM = 1200, CONTENT_ROOM_MIN = 2048 };

/* ---- loading ------------------------------------------------------------------------------------------------ */

static void free_transaction(struct transaction *tx)
{
	if (tx->view_held)
		spool_view_release(&tx->view);
	if (tx->part_held)
		spool_view_release(&tx->part);
	if (tx->results != tx->results_inline)
		free(tx->results);
	pool_release(&tx->outbound->shard->transactions, tx);
}

static bool pending(const struct transaction *tx, unsigned i)
{
	const uint8_t *statuses = tx->delivery->statuses;

	return !statuses || statuses[i] == RECIPIENT_PENDING;
}

/* The recipients this attempt covers: the pending ones, up to the destination's limit. */
static void choose_recipients(struct transaction *tx)
{
	unsigned count = 0, i;
	unsigned max = tx->outbound->destination->recipients_per_message;

	for (i = 0; i < tx->delivery->recipients; i++) {
		if (!pending(tx, i))
			continue;
		if (count == max)
			break;
		if (count == 0)
			tx->rcpt_first = (uint16_t)i;
		count++;
		tx->rcpt_end = (uint16_t)(i + 1);
	}
	tx->rcpt_reply = tx->rcpt_first;
}

static void damaged(struct transaction *tx, const char *why)
{
	struct outbound *o = tx->outbound;
	struct delivery *d = tx->delivery;
	struct outcome outcome = {.kind = OUTCOME_DAMAGED, .reply = span_text(why), .stage = STAGE_CONTENT};

	free_transaction(tx);
	settle(o, d, &outcome);
}

/* The environment failed, not the message: no memory, no descriptor, a read error. It is tried again. */
static void unreadable(struct transaction *tx, int error)
{
	struct outbound *o = tx->outbound;
	struct delivery *d = tx->delivery;
	struct outcome outcome = {.kind = OUTCOME_LOST, .reply = span_text(strerror(-error)), .stage = STAGE_CONTENT};

	free_transaction(tx);
	settle(o, d, &outcome);
}

static void loaded(struct transaction *tx, int result)
{
	struct outbound *o = tx->outbound;

	tx->view_held = true; /* also when it failed: a view is released in every case */
	if (result == -EBADMSG) {
		damaged(tx, "the message cannot be read back from the spool: its record is damaged");
		return;
	}
	if (result < 0) {
		unreadable(tx, result);
		return;
	}
	if (envelope_decode(tx->view.envelope, tx->view.envelope_length, &tx->envelope) < 0 ||
	    tx->envelope.recipients != tx->delivery->recipients) {
		damaged(tx, "the message's envelope in the spool is damaged");
		return;
	}
	choose_recipients(tx);
	list_append(&o->loaded, &tx->link);
}

static void on_loaded(struct spool_view *view, int result)
{
	struct transaction *tx = container_of(view, struct transaction, view);
	struct outbound *o = tx->outbound;

	o->loading--;
	loaded(tx, result);
	outbound_wake(o->shard, o->index);
}

bool transaction_start(struct outbound *o, struct delivery *d)
{
	struct transaction *tx = pool_acquire(&o->shard->transactions);

	if (!tx)
		return false;
	memset(tx, 0, offsetof(struct transaction, reply));
	tx->outbound = o;
	tx->delivery = d;
	tx->results = tx->results_inline;
	list_init(&tx->link);
	if (d->recipients > TRANSACTION_RESULTS_INLINE) {
		tx->results = calloc(1, d->recipients);
		if (!tx->results) {
			pool_release(&o->shard->transactions, tx);
			return false;
		}
	}
	d->item.busy = true;
	if (spool_view(o->shard->spool, &tx->view, &d->item.message, on_loaded))
		loaded(tx, 0);
	else
		o->loading++;
	return true;
}

/* ---- writing ------------------------------------------------------------------------------------------------ */

static bool write_command(struct transaction *tx, const char *text, size_t length)
{
	struct connection *c = tx->connection;

	if (transport_room(&c->transport) < length || !transport_write(&c->transport, text, length))
		return false;
	c->replies_due++;
	tx->any_written = true;
	return true;
}

static enum write_result write_mail(struct transaction *tx)
{
	const struct smtp_extensions *extensions = &tx->connection->extensions;
	char line[COMMAND_ROOM];
	int n = snprintf(line, sizeof(line), "MAIL FROM:<%.*s>", (int)tx->envelope.sender.length,
			 tx->envelope.sender.data);

	if (extensions->size_given)
		n += snprintf(line + n, sizeof(line) - (size_t)n, " SIZE=%llu",
			      (unsigned long long)tx->delivery->content_length);
	if (extensions->eight_bit_mime && (tx->envelope.flags & ENVELOPE_EIGHT_BIT))
		n += snprintf(line + n, sizeof(line) - (size_t)n, " BODY=8BITMIME");
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
	if (tx->rcpt_next < tx->rcpt_first || !pending(tx, tx->rcpt_next)) {
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
		free_transaction(tx); /* its connection went away meanwhile */
		return;
	}
	if (result < 0) {
		/* The connection is in the middle of this message: it cannot be used on. */
		tx->code = 0;
		connection_kill(tx->connection, STAGE_CONTENT,
				"a part of the message cannot be read back from the spool");
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
	if (tx->decided) {
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
	if (tx->piece == 0)
		content_encoder_init(&tx->encoder);
	n = snprintf(line, sizeof(line), "BDAT %zu%s\r\n", now->content_length, last_piece(tx) ? " LAST" : "");
	if (!write_command(tx, line, (size_t)n))
		return WRITE_NO_ROOM;
	tx->chunks_begun++;
	tx->step = STEP_CONTENT;
	return WRITE_DONE;
}

/* SMG-03: content that would break the next hop's framing is never sent. It was refused at the door, so this is either
 * damage or our own fault. */
static enum write_result violation(struct transaction *tx)
{
	connection_kill(tx->connection, STAGE_CONTENT, "the content in the spool has a bare CR, bare LF or NUL");
	return WRITE_WAIT;
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
		if (!content_encode_check(&tx->encoder, now->content + tx->piece_offset, n))
			return violation(tx);
		if (!transport_write(t, now->content + tx->piece_offset, n))
			return WRITE_NO_ROOM;
		tx->piece_offset += n;
	}
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

	return c->host->rset_between || c->reset_next ||
	       (c->mode == MODE_CHUNKING && c->transactions.next != &tx->link);
}

enum write_result transaction_write(struct transaction *tx)
{
	if (!tx->started) {
		tx->started = true;
		tx->started_ns = tx->outbound->shard->now_ns;
		tx->step = needs_reset(tx) ? STEP_RSET : STEP_MAIL;
		tx->expect = tx->step == STEP_RSET ? EXPECT_RSET : EXPECT_MAIL;
		tx->connection->reset_next = false;
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
		spool_view_release(&tx->view);
		tx->view_held = false;
	}
	return WRITE_DONE;
}

/* ---- replies ------------------------------------------------------------------------------------------------ */

/* The reply worth keeping is the worst: a failure rather than a deferral, else the last one. */
static void remember(struct transaction *tx, const struct smtp_reply_parser *reply, enum stage stage)
{
	enum verdict verdict = verdict_reply(stage, reply->code);

	/* Whatever was refused: some servers keep the transaction open (RFC 3030 lets them). Clear it before the next.
	 */
	if (verdict != VERDICT_SENT)
		tx->connection->reset_next = true;
	if (tx->code != 0 && verdict < verdict_reply(tx->code_stage, tx->code))
		return;
	tx->code = reply->code;
	tx->code_stage = (uint8_t)stage;
	tx->reply_length = reply->text_length > TRANSACTION_REPLY_MAX ? TRANSACTION_REPLY_MAX : reply->text_length;
	memcpy(tx->reply, reply->text, tx->reply_length);
}

static enum attempt_result result_of(enum verdict verdict)
{
	return verdict == VERDICT_FAIL ? ATTEMPT_FAIL : verdict == VERDICT_DEFER ? ATTEMPT_DEFER : ATTEMPT_SENT;
}

/* The verdict for every recipient the next hop had accepted so far (or, at MAIL, for all). */
static void decide(struct transaction *tx, enum verdict verdict, bool all)
{
	unsigned i;

	for (i = tx->rcpt_first; i < tx->rcpt_end; i++) {
		if (!pending(tx, i))
			continue;
		if (all || tx->results[i] == ATTEMPT_ACCEPTED)
			tx->results[i] = (uint8_t)result_of(verdict);
	}
	tx->decided = true;
}

static void skip_to_pending(struct transaction *tx)
{
	while (tx->rcpt_reply < tx->rcpt_end && !pending(tx, tx->rcpt_reply))
		tx->rcpt_reply++;
}

static void reply_mail(struct transaction *tx, const struct smtp_reply_parser *reply)
{
	enum verdict verdict = verdict_reply(STAGE_MAIL, reply->code);

	tx->expect = EXPECT_RCPT;
	skip_to_pending(tx);
	if (verdict == VERDICT_SENT)
		return;
	if (reply->code == 503)
		tx->connection->host->rset_between = true; /* it keeps refused transactions open */
	remember(tx, reply, STAGE_MAIL);
	tx->mail_refused = true;
	decide(tx, verdict, true);
	if (tx->connection->mode == MODE_LOCKSTEP)
		tx->expect = EXPECT_NOTHING;
}

static void reply_rcpt(struct transaction *tx, const struct smtp_reply_parser *reply)
{
	enum verdict verdict = verdict_reply(STAGE_RCPT, reply->code);

	if (!tx->mail_refused) {
		tx->results[tx->rcpt_reply] = verdict == VERDICT_SENT ? ATTEMPT_ACCEPTED : (uint8_t)result_of(verdict);
		if (verdict == VERDICT_SENT)
			tx->accepted++;
		else
			remember(tx, reply, STAGE_RCPT);
	}
	tx->rcpt_reply++;
	skip_to_pending(tx);
	if (tx->rcpt_reply < tx->rcpt_end)
		return;
	tx->expect = EXPECT_BODY;
	if (tx->accepted == 0) {
		tx->decided = true;
		if (tx->connection->mode == MODE_LOCKSTEP)
			tx->expect = EXPECT_NOTHING;
	}
	/* In case the body was cut short before this reply. */
	if (tx->connection->mode == MODE_CHUNKING && tx->step == STEP_WRITTEN && tx->chunks_begun == 0)
		tx->expect = EXPECT_NOTHING;
}

static bool reply_body_data(struct transaction *tx, const struct smtp_reply_parser *reply)
{
	if (reply->code == 354) {
		tx->body_accepted = true;
		/* All recipients refused and yet 354: end the data at once, nothing is delivered by it (POL-02). */
		tx->dot_only = tx->decided;
		tx->decided = false;
		tx->expect = EXPECT_END;
		return true;
	}
	if (reply->code < 400)
		return false; /* 250 instead of 354 */
	if (!tx->decided) {
		remember(tx, reply, STAGE_DATA);
		decide(tx, verdict_reply(STAGE_DATA, reply->code), false);
	}
	tx->expect = EXPECT_NOTHING;
	return true;
}

/* The next hop answers while its content is still being written. A refusal is heard, but the rest of the content would
 * be read as commands or not: nobody knows, so the connection ends. Anything else makes no sense. */
static bool refused_early(struct transaction *tx, const struct smtp_reply_parser *reply)
{
	enum verdict verdict = verdict_reply(STAGE_CONTENT, reply->code);

	if (verdict == VERDICT_SENT || reply->code < 400)
		return false;
	if (!tx->decided) {
		remember(tx, reply, STAGE_CONTENT);
		decide(tx, verdict, false);
	}
	tx->early = true;
	tx->expect = EXPECT_NOTHING;
	return true;
}

static bool reply_body_chunk(struct transaction *tx, const struct smtp_reply_parser *reply)
{
	enum verdict verdict = verdict_reply(STAGE_CONTENT, reply->code);
	bool last;

	if (reply->code == 354)
		return false;
	/* The answer to a chunk before all of it was written: taken it cannot have been. */
	if (tx->chunk_replies == tx->chunks_written)
		return refused_early(tx, reply);
	tx->chunk_replies++;
	/* The last one sent, be it that there was more: see cut_short(). */
	last = tx->step == STEP_WRITTEN && tx->chunk_replies == tx->chunks_begun;
	if (!tx->decided && (verdict != VERDICT_SENT || last)) {
		remember(tx, reply, STAGE_CONTENT);
		decide(tx, verdict, false);
	}
	if (last)
		tx->expect = EXPECT_NOTHING;
	return true;
}

static bool reply_end(struct transaction *tx, const struct smtp_reply_parser *reply)
{
	if (reply->code == 354)
		return false;
	if (tx->step != STEP_WRITTEN)
		return refused_early(tx, reply);
	if (!tx->dot_only) {
		remember(tx, reply, STAGE_CONTENT);
		decide(tx, verdict_reply(STAGE_CONTENT, reply->code), false);
	}
	tx->decided = true;
	tx->expect = EXPECT_NOTHING;
	return true;
}

bool transaction_reply(struct transaction *tx, const struct smtp_reply_parser *reply)
{
	if (reply->code < 200 || (reply->code >= 300 && reply->code < 400 && reply->code != 354))
		return false;
	switch (tx->expect) {
	case EXPECT_RSET:
		/* Where RSET is refused nobody knows what the next MAIL would mean. */
		tx->expect = EXPECT_MAIL;
		return reply->code >= 200 && reply->code < 300;
	case EXPECT_MAIL:
		if (reply->code == 354)
			return false;
		reply_mail(tx, reply);
		return true;
	case EXPECT_RCPT:
		if (reply->code == 354)
			return false;
		reply_rcpt(tx, reply);
		return true;
	case EXPECT_BODY:
		return tx->connection->mode == MODE_CHUNKING ? reply_body_chunk(tx, reply) : reply_body_data(tx, reply);
	case EXPECT_END:
		return reply_end(tx, reply);
	default:
		return false;
	}
}

bool transaction_over(const struct transaction *tx)
{
	return tx->expect == EXPECT_NOTHING;
}

/* ---- the end ------------------------------------------------------------------------------------------------ */

static void finish(struct transaction *tx, const struct outcome *outcome)
{
	struct outbound *o = tx->outbound;
	struct delivery *d = tx->delivery;

	event_attempt(tx, outcome);
	list_remove(&tx->link);
	settle(o, d, outcome);
	if (tx->part_loading)
		tx->orphan = true; /* on_part_loaded() frees it */
	else
		free_transaction(tx);
}

void transaction_finish(struct transaction *tx)
{
	struct outcome outcome = {
		.kind = OUTCOME_ANSWERED,
		.results = tx->results,
		.reply = {tx->reply, tx->reply_length},
		.code = tx->code,
		.stage = tx->code_stage,
	};

	finish(tx, &outcome);
}

void transaction_abandon(struct transaction *tx, enum stage stage, const char *reason)
{
	struct outcome outcome = {.reply = span_text(reason), .stage = stage, .results = tx->results};
	bool first = tx->connection->transactions.next == &tx->link;

	tx->connection->transaction_count--;
	if (tx->end_written && !tx->decided)
		outcome.kind = OUTCOME_UNKNOWN;
	else if (!tx->any_written || !first)
		outcome.kind = OUTCOME_UNTRIED; /* whatever happened, it was not this message's turn */
	else
		outcome.kind = OUTCOME_LOST;
	finish(tx, &outcome);
}
