/*
 * core/deliver/exchange.c - what is said: RSET, MAIL, RCPT, DATA or BDAT, content. What replies mean is in
 * exchange_reply.c.
 */
#include "core/deliver/exchange.h"

#include <assert.h>
#include <string.h>

#include "core/base/line.h"
#include "core/deliver/exchange_private.h"
#include "core/smtp/parameters.h"

/* Paths were accepted within SMTP_PATH_MAX. */
enum { COMMAND_ROOM = 1200, CONTENT_ROOM_MIN = 2048 };

static_assert((int)COMMAND_ROOM < (int)EXCHANGE_OUT, "every command fits the caller's buffer");

static const struct states_row steps[] = {
	[STEP_RSET] = {"RSET", STATES_BIT(STEP_MAIL)},
	[STEP_MAIL] = {"MAIL", STATES_BIT(STEP_RCPT)},
	[STEP_RCPT] = {"RCPT", STATES_BIT(STEP_BODY)},
	/* WRITTEN: cut short. */
	[STEP_BODY] = {"BODY", STATES_BIT(STEP_CONTENT) | STATES_BIT(STEP_WRITTEN)},
	/* BODY: another chunk. */
	[STEP_CONTENT] = {"CONTENT", STATES_BIT(STEP_BODY) | STATES_BIT(STEP_END) | STATES_BIT(STEP_WRITTEN)},
	[STEP_END] = {"END", STATES_BIT(STEP_WRITTEN)},
	[STEP_WRITTEN] = {"WRITTEN", 0},
};
const struct states exchange_steps = {"exchange, written next", steps, sizeof(steps) / sizeof(steps[0])};

static const struct states_row expects[] = {
	[EXPECT_RSET] = {"RSET", STATES_BIT(EXPECT_MAIL)},
	[EXPECT_MAIL] = {"MAIL", STATES_BIT(EXPECT_RCPT)},
	[EXPECT_RCPT] = {"RCPT", STATES_BIT(EXPECT_BODY) | STATES_BIT(EXPECT_NOTHING)},
	[EXPECT_BODY] = {"BODY", STATES_BIT(EXPECT_END) | STATES_BIT(EXPECT_NOTHING)},
	[EXPECT_END] = {"END", STATES_BIT(EXPECT_NOTHING)},
	[EXPECT_NOTHING] = {"NOTHING", 0},
};
const struct states exchange_expects = {"exchange, answered next", expects, sizeof(expects) / sizeof(expects[0])};

/* The recipients this attempt covers: the pending ones, up to the destination's limit. */
static void choose_recipients(struct exchange *x, unsigned most)
{
	unsigned count = 0, i;

	for (i = 0; i < x->recipients; i++) {
		if (!exchange_pending(x, i))
			continue;
		if (count == most)
			break;
		if (count == 0)
			x->first = (uint16_t)i;
		count++;
		x->end = (uint16_t)(i + 1);
	}
	x->rcpt_reply = x->first;
}

void exchange_init(struct exchange *x, const struct exchange_message *message)
{
	memset(x, 0, offsetof(struct exchange, reply));
	x->envelope = message->envelope;
	x->statuses = message->statuses;
	x->results = message->results;
	x->recipients = message->envelope->recipients;
	x->content_length = message->content_length;
	x->last = message->last;
	x->require_tls = message->envelope->require_tls;
	choose_recipients(x, message->most);
}

/* Those who cannot be told to this host have their verdict. There are others: who starts an exchange has seen to it. */
static void withhold(struct exchange *x)
{
	struct span unused;
	unsigned i;

	for (i = x->first; i < x->end; i++) {
		if (!exchange_pending(x, i) || narrow_recipient(x->terms.narrow, i, &unused))
			continue;
		x->results[i] = ATTEMPT_WITHHELD;
		x->withheld = true;
	}
}

/* Those from `i` on stay untried, and come next. */
static void leave(struct exchange *x, unsigned i)
{
	for (unsigned k = i; k < x->end; k++)
		x->results[k] = ATTEMPT_NONE;
	x->end = (uint16_t)i;
}

/* Those that are too many for the host. */
static void leave_crowd(struct exchange *x, unsigned most)
{
	unsigned count = 0, i = x->first;

	while (i < x->end && (!exchange_said(x, i) || count++ < most))
		i++;
	leave(x, i);
}

/* A host that is not told NEVER may write to the sender, who does not know of an archive's copy: that goes alone, and
 * without him. One that takes nothing so gets it as it is: better that than no copy. */
static void leave_unnamed(struct exchange *x)
{
	struct envelope_recipient recipient;
	struct envelope_cursor cursor;
	bool any = false, unknown;

	if (x->terms.dsn || x->terms.named || x->terms.sender.data || !x->envelope->parameters ||
	    x->envelope->sender.length == 0)
		return;
	envelope_first(x->envelope, &cursor);
	for (unsigned i = 0; i < x->end && envelope_next(&cursor, &recipient); i++) {
		if (i < x->first || !exchange_said(x, i))
			continue;
		unknown = recipient.notify & ENVELOPE_NOTIFY_UNKNOWN;
		if (any && unknown != x->unnamed) {
			leave(x, i);
			return;
		}
		x->unnamed = unknown;
		any = true;
	}
}

void exchange_begin(struct exchange *x, const struct exchange_terms *terms)
{
	x->terms = *terms;
	if (terms->narrow)
		withhold(x);
	if (terms->most > 0)
		leave_crowd(x, terms->most);
	leave_unnamed(x);
	content_encoder_init(&x->encoder);
	if (terms->reset)
		return;
	exchange_step(x, STEP_MAIL);
	exchange_await(x, EXPECT_MAIL);
}

/* ---- commands ----------------------------------------------------------------------------------------------- */

static enum exchange_next command(const struct line *line, size_t room, struct exchange_say *say)
{
	*say = (struct exchange_say){line->data, line->length, true, true};
	return say->length <= room ? EXCHANGE_SAY : EXCHANGE_ROOM;
}

static enum exchange_next say_reset(char *out, size_t room, struct exchange_say *say)
{
	struct line line = {.data = out, .size = COMMAND_ROOM};

	line_text(&line, "RSET\r\n");
	return command(&line, room, say);
}

/* What reports are asked for, as it came (RFC 3461 5.2.1). */
static void put_wishes(const struct envelope *e, struct line *line)
{
	if (e->ret)
		line_text(line, e->ret == ENVELOPE_RET_FULL ? " RET=FULL" : " RET=HDRS");
	if (e->envid.length) {
		line_text(line, " ENVID=");
		line_put(line, e->envid.data, e->envid.length);
	}
}

static enum exchange_next say_mail(struct exchange *x, char *out, size_t room, struct exchange_say *say)
{
	const struct span sender = x->unnamed             ? (struct span){"", 0}
				   : x->terms.narrow      ? narrow_sender(x->terms.narrow)
				   : x->terms.sender.data ? x->terms.sender
							  : x->envelope->sender;
	bool wide = x->envelope->wide && !x->terms.narrow;
	bool eight_bit = (x->envelope->flags & ENVELOPE_EIGHT_BIT) && !x->terms.converted;
	struct line line = {.data = out, .size = COMMAND_ROOM};

	line_text(&line, "MAIL FROM:<");
	line_put(&line, sender.data, sender.length);
	line_text(&line, ">");
	if (x->terms.size) {
		line_text(&line, " SIZE=");
		line_number(&line, x->content_length + (uint64_t)x->terms.growth);
	}
	if (x->terms.eight_bit && eight_bit)
		line_text(&line, " BODY=8BITMIME");
	if (x->terms.dsn)
		put_wishes(x->envelope, &line);
	/* Who sends it has seen that it may go here (RFC 8689 4.2.1). */
	if (x->require_tls)
		line_text(&line, " REQUIRETLS");
	if (wide)
		line_text(&line, " SMTPUTF8");
	line_text(&line, "\r\n");
	x->parameters = x->terms.size || (x->terms.eight_bit && eight_bit) ||
			(x->terms.dsn && (x->envelope->ret || x->envelope->envid.length));
	x->wishes = x->terms.dsn && x->envelope->parameters;
	x->undeclared = !x->terms.eight_bit && (eight_bit || x->terms.wide_header);
	return command(&line, room, say);
}

/* False: all are written. */
static bool next_recipient(struct exchange *x, struct envelope_recipient *recipient)
{
	for (; x->rcpt_next < x->end; x->rcpt_next++) {
		x->cursor_after = x->cursor;
		if (!envelope_next(&x->cursor_after, recipient))
			assert(!"envelope_decode() counted the recipients");
		if (x->rcpt_next >= x->first && exchange_said(x, x->rcpt_next))
			return true;
		x->cursor = x->cursor_after;
	}
	return false;
}

static void put_notify(unsigned notify, struct line *line)
{
	char words[PARAMETERS_NOTIFY_SIZE];

	if (*parameter_notify_text(notify, words) == '\0')
		return;
	line_text(line, " NOTIFY=");
	line_text(line, words);
}

static enum exchange_next say_rcpt(const struct exchange *x, const struct envelope_recipient *recipient, char *out,
				   size_t room, struct exchange_say *say)
{
	struct line line = {.data = out, .size = COMMAND_ROOM};

	line_text(&line, "RCPT TO:<");
	line_put(&line, recipient->address.data, recipient->address.length);
	line_text(&line, ">");
	if (x->wishes) {
		put_notify(recipient->notify, &line);
		if (recipient->orcpt.length) {
			line_text(&line, " ORCPT=");
			line_put(&line, recipient->orcpt.data, recipient->orcpt.length);
		}
	}
	line_text(&line, "\r\n");
	return command(&line, room, say);
}

/* ---- content: parts first, then what the message record itself holds ---- */

/* Nothing follows what is given. */
static bool last_piece(const struct exchange *x)
{
	return x->piece == x->last && !x->more;
}

/* Or what follows in the same one. */
static void next_piece(struct exchange *x)
{
	x->piece += !x->more;
	x->more = false;
	x->content = NULL;
	x->content_offset = 0;
	x->head_size = 0;
}

void exchange_give(struct exchange *x, const uint8_t *content, size_t size)
{
	assert(content && x->content_offset == 0);
	x->content = content;
	x->content_size = size;
	x->checked = false;
}

void exchange_give_part(struct exchange *x, const uint8_t *content, size_t size)
{
	exchange_give(x, content, size);
	x->more = true;
}

void exchange_give_headed(struct exchange *x, const struct exchange_head *head, const uint8_t *content, size_t size)
{
	assert(head->replaced <= size);
	exchange_give(x, content + head->replaced, head->size + size - head->replaced);
	x->head = head->data;
	x->head_size = head->size;
}

void exchange_hold_back(struct exchange *x)
{
	assert(!x->content && !last_piece(x));
	next_piece(x);
}

/* What is said of the piece next, in one run: its head, or the rest. */
static const uint8_t *run(const struct exchange *x, size_t *length)
{
	if (x->content_offset < x->head_size) {
		*length = x->head_size - x->content_offset;
		return x->head + x->content_offset;
	}
	*length = x->content_size - x->content_offset;
	return x->content + (x->content_offset - x->head_size);
}

/* Nothing more of it is written; it is over when what was written has been answered. */
static void cut_short(struct exchange *x)
{
	exchange_step(x, STEP_WRITTEN);
	if (x->expect == EXPECT_BODY && x->chunk_replies == x->chunks_begun)
		exchange_await(x, EXPECT_NOTHING);
}

bool exchange_damaged(struct exchange *x)
{
	x->damaged = true;
	if (x->terms.mode == MODE_CHUNKING && x->step == STEP_BODY)
		return true;
	x->broken = true;
	return false;
}

/* Before BDAT promises its octets, so that the connection can go on. */
static bool check_piece(struct exchange *x)
{
	uint8_t end[5];

	if (x->checked)
		return true; /* it found no room then */
	x->checked = true;
	if ((x->head_size > 0 && !content_encode_check(&x->encoder, x->head, x->head_size)) ||
	    !content_encode_check(&x->encoder, x->content, x->content_size - x->head_size))
		return false;
	return !last_piece(x) || content_encode_end(&x->encoder, end) > 0;
}

static enum exchange_next say_bdat(struct exchange *x, char *out, size_t room, struct exchange_say *say)
{
	struct line line = {.data = out, .size = COMMAND_ROOM};

	if (!x->content)
		return EXCHANGE_PIECE;
	/* LAST makes a message of whatever was taken: not before every chunk is known to have been. */
	if (last_piece(x) && x->chunk_replies < x->chunks_begun)
		return EXCHANGE_WAIT;
	if (!check_piece(x))
		return EXCHANGE_DAMAGE;
	line_text(&line, "BDAT ");
	line_number(&line, x->content_size);
	line_text(&line, last_piece(x) ? " LAST\r\n" : "\r\n");
	return command(&line, room, say);
}

/* The command that opens the body: DATA, or one BDAT per piece. */
static enum exchange_next say_body(struct exchange *x, char *out, size_t room, struct exchange_say *say)
{
	struct line line = {.data = out, .size = COMMAND_ROOM};

	if (x->terms.mode == MODE_CHUNKING)
		return say_bdat(x, out, room, say);
	line_text(&line, "DATA\r\n");
	return command(&line, room, say);
}

static enum exchange_next say_chunk(struct exchange *x, size_t room, struct exchange_say *say)
{
	size_t left = x->content_size - x->content_offset, n;
	const uint8_t *data = run(x, &n);

	if (room < left && room < CONTENT_ROOM_MIN)
		return EXCHANGE_ROOM;
	n = n < room ? n : room;
	x->said = n;
	*say = (struct exchange_say){data, n, n == left, false};
	return EXCHANGE_SAY;
}

static enum exchange_next say_encoded(struct exchange *x, uint8_t *out, size_t room, struct exchange_say *say)
{
	const uint8_t *data;
	size_t length;

	*say = (struct exchange_say){.data = out};
	if (!x->content)
		return EXCHANGE_PIECE;
	if (room < CONTENT_ROOM_MIN)
		return EXCHANGE_ROOM;
	data = run(x, &length);
	x->encoder_after = x->encoder;
	if (!content_encode(&x->encoder_after, data, length, &x->said, out, room < EXCHANGE_OUT ? room : EXCHANGE_OUT,
			    &say->length))
		return EXCHANGE_DAMAGE;
	return EXCHANGE_SAY;
}

/* DATA's content may be written only behind 354. True: there is more of it than what is written. */
static bool content_left(struct exchange *x)
{
	if (x->dot_only)
		return false;
	while (x->content && x->content_offset == x->content_size) {
		if (last_piece(x))
			return false;
		next_piece(x);
	}
	return true;
}

static enum exchange_next say_end(struct exchange *x, uint8_t *out, size_t room, struct exchange_say *say)
{
	size_t n = 3;

	memcpy(out, ".\r\n", n);
	x->encoder_after = x->encoder;
	if (!x->dot_only)
		n = content_encode_end(&x->encoder_after, out);
	if (n == 0)
		return EXCHANGE_DAMAGE;
	*say = (struct exchange_say){out, n, true, true};
	return n <= room ? EXCHANGE_SAY : EXCHANGE_ROOM;
}

/* Before a command in lockstep every earlier reply must be in. */
static bool must_wait(const struct exchange *x)
{
	return x->terms.mode == MODE_LOCKSTEP && x->due > 0 && x->step < STEP_CONTENT;
}

enum exchange_next exchange_write(struct exchange *x, void *out, size_t room, struct exchange_say *say)
{
	struct envelope_recipient recipient;

	if (x->broken)
		return EXCHANGE_DONE;
	if (must_wait(x))
		return EXCHANGE_WAIT;
	if (x->step == STEP_RCPT) {
		if (next_recipient(x, &recipient)) {
			if (x->terms.narrow)
				(void)narrow_recipient(x->terms.narrow, x->rcpt_next, &recipient.address);
			return say_rcpt(x, &recipient, out, room, say);
		}
		exchange_step(x, STEP_BODY);
	}
	/* RFC 3030 2: after a refusal no further BDAT may be sent, or the rest might be taken for a whole message. */
	if (x->step == STEP_BODY && x->terms.mode == MODE_CHUNKING && (x->decided || x->damaged))
		cut_short(x);
	if (x->step == STEP_CONTENT && x->terms.mode != MODE_CHUNKING) {
		/* Even when every recipient was refused: a 354 that comes all the same must be ended by a dot first. A
		 * refused DATA ends the transaction, and the connection goes on behind it. */
		if (!x->body_accepted)
			return EXCHANGE_WAIT;
		if (!content_left(x))
			exchange_step(x, STEP_END);
	}
	switch (x->step) {
	case STEP_RSET:
		return say_reset(out, room, say);
	case STEP_MAIL:
		return say_mail(x, out, room, say);
	case STEP_BODY:
		return say_body(x, out, room, say);
	case STEP_CONTENT:
		return x->terms.mode == MODE_CHUNKING ? say_chunk(x, room, say) : say_encoded(x, out, room, say);
	case STEP_END:
		return say_end(x, out, room, say);
	default:
		return EXCHANGE_DONE;
	}
}

/* ---- and it has left ---------------------------------------------------------------------------------------- */

static void chunk_written(struct exchange *x)
{
	x->content_offset += x->said;
	if (x->content_offset < x->content_size)
		return;
	x->chunks_written++;
	if (last_piece(x)) {
		exchange_step(x, STEP_WRITTEN);
		x->end_written = true;
		return;
	}
	next_piece(x);
	exchange_step(x, STEP_BODY);
}

static void content_written(struct exchange *x)
{
	if (x->terms.mode == MODE_CHUNKING) {
		chunk_written(x);
		return;
	}
	x->content_offset += x->said;
	x->encoder = x->encoder_after;
}

static void body_written(struct exchange *x)
{
	exchange_step(x, STEP_CONTENT);
	if (x->terms.mode == MODE_CHUNKING)
		x->chunks_begun++;
	else
		content_encoder_init(&x->encoder);
}

void exchange_written(struct exchange *x)
{
	assert(!x->broken);
	x->any_written = true;
	if (x->step != STEP_CONTENT)
		x->due++;
	switch (x->step) {
	case STEP_RSET:
		exchange_step(x, STEP_MAIL);
		return;
	case STEP_MAIL:
		envelope_first(x->envelope, &x->cursor);
		exchange_step(x, STEP_RCPT);
		return;
	case STEP_RCPT:
		x->cursor = x->cursor_after;
		x->rcpt_next++;
		return;
	case STEP_BODY:
		body_written(x);
		return;
	case STEP_CONTENT:
		content_written(x);
		return;
	case STEP_END:
		x->end_written = !x->dot_only;
		exchange_step(x, STEP_WRITTEN);
		return;
	default:
		assert(!"nothing was said");
	}
}

bool exchange_any_sent(const struct exchange *x)
{
	unsigned i;

	for (i = x->first; i < x->end; i++) {
		if (x->results[i] == ATTEMPT_SENT)
			return true;
	}
	return false;
}
