/*
 * fuzz_exchange.c - what a next hop offers and what it answers, against the rules that must hold whatever it says.
 *
 * Input: an octet of mode, one of what is offered, one of recipients and pieces, two of seed (room, and how much the
 * kernel has taken), then the replies as they come over the wire.
 *
 * - nobody is SENT without a yes to the own RCPT and to the end of the content; nobody refused without a refusal
 * - no second verdict: what was decided stays
 * - nothing is said after a BREAK, LAST is said only when all chunks before it were taken
 * - it never waits for a reply that is not due: every input comes to an end
 */
#include <stdlib.h>
#include <string.h>

#include "core/deliver/exchange.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { RECIPIENTS_MAX = 7, PIECES_MAX = 4, COMMANDS_MAX = 32, ENVELOPE_ROOM = 256 };

static const char *const pieces[PIECES_MAX] = {"a\r\n", ".\r\nb\r\n", "c\nd", "e"}; /* one with a bare LF */

/* What was said, in its order. */
struct said {
	char what; /* T (RSET) M R D B (BDAT) L (LAST) E (end of data) */
	unsigned recipient;
};

struct model {
	struct exchange x;
	struct envelope envelope;
	uint8_t record[ENVELOPE_ROOM], statuses[RECIPIENTS_MAX], results[RECIPIENTS_MAX], before[RECIPIENTS_MAX];
	struct said said[COMMANDS_MAX];
	unsigned said_count, answered, ends, ends_used;
	bool taken[RECIPIENTS_MAX], refused[RECIPIENTS_MAX]; /* by the reply to its RCPT */
	bool all_refused, end_taken, chunk_refused, over, broken;
	unsigned next_recipient;
	bool clean;   /* the content has no fault */
	bool headed;  /* another header is still to come, from one of the pieces */
	size_t given; /* of the piece, in parts */
};

static uint32_t seed;

static void need(bool condition)
{
	if (!condition)
		abort();
}

static size_t draw(size_t most)
{
	seed = seed * 1664525 + 1013904223;
	return (seed >> 16) % most;
}

static bool starts(const struct exchange_say *say, const char *with)
{
	return say->length >= strlen(with) && memcmp(say->data, with, strlen(with)) == 0;
}

static bool pending(const struct model *m, unsigned i)
{
	return m->statuses[i] == RECIPIENT_PENDING;
}

static unsigned next_pending(const struct model *m)
{
	unsigned i = m->next_recipient;

	while (i < m->envelope.recipients && !pending(m, i))
		i++;
	return i;
}

/* One command, with its line end and no other. */
static void note_command(struct model *m, const struct exchange_say *say)
{
	struct said *said = &m->said[m->said_count++];
	const char *text = say->data;

	need(m->said_count < COMMANDS_MAX);
	need(say->length >= 2 && memcmp(text + say->length - 2, "\r\n", 2) == 0);
	if (m->x.step == STEP_END) {
		*said = (struct said){.what = 'E'};
		return;
	}
	need(memchr(text, '\n', say->length) == text + say->length - 1);
	if (starts(say, "RSET"))
		said->what = 'T';
	else if (starts(say, m->x.terms.sender.data ? "MAIL FROM:<mail@box>" : "MAIL FROM:<s@a>"))
		said->what = 'M';
	else if (starts(say, "RCPT TO:<"))
		said->what = 'R';
	else if (starts(say, "DATA\r\n"))
		said->what = 'D';
	else if (starts(say, "BDAT "))
		said->what = memcmp(text + say->length - 6, "LAST\r\n", 6) == 0 ? 'L' : 'B';
	else
		abort();
	if (said->what == 'R') {
		said->recipient = next_pending(m);
		need(said->recipient < m->envelope.recipients);
		m->next_recipient = said->recipient + 1;
	}
	if (said->what == 'B' || said->what == 'L')
		need(!m->chunk_refused && m->x.terms.mode == MODE_CHUNKING);
	/* All chunks before it are answered, and were taken. */
	if (said->what == 'L')
		need(m->answered + 1 == m->said_count || m->said[m->said_count - 2].what != 'B');
}

static void give(struct model *m)
{
	const uint8_t *piece = (const uint8_t *)pieces[m->x.piece];
	size_t length = strlen(pieces[m->x.piece]);
	struct exchange_head head = {(const uint8_t *)"..\r\n", 4, length >= 3 ? 3 * draw(2) : 0};

	if (m->headed && m->x.piece < m->x.last && draw(2)) {
		exchange_hold_back(&m->x);
	} else if (m->headed) {
		m->headed = false;
		exchange_give_headed(&m->x, &head, piece, length);
	} else if (m->given < length && draw(3) == 0) {
		size_t n = 1 + draw(length - m->given);
		exchange_give_part(&m->x, piece + m->given, n);
		m->given += n;
	} else {
		exchange_give(&m->x, piece + m->given, length - m->given);
		m->given = 0;
	}
}

static void write_on(struct model *m)
{
	uint8_t out[EXCHANGE_OUT];
	struct exchange_say say, again;
	unsigned rounds = 0;

	for (;;) {
		size_t room = draw(4) ? EXCHANGE_OUT : draw(4000);
		enum exchange_next next = exchange_write(&m->x, out, room, &say);

		need(rounds++ < 1000);
		if (next == EXCHANGE_PIECE) {
			give(m);
			continue;
		}
		if (next == EXCHANGE_ROOM && room < EXCHANGE_OUT)
			continue;
		need(next != EXCHANGE_ROOM);
		if (next == EXCHANGE_DAMAGE) {
			need(!m->clean);
			m->broken = !exchange_damaged(&m->x);
			if (m->broken)
				return;
			continue;
		}
		if (next != EXCHANGE_SAY)
			break;
		need(!m->broken && !m->over && say.length <= room);
		need(exchange_write(&m->x, out, room, &again) == EXCHANGE_SAY && again.length == say.length);
		if (say.due)
			note_command(m, &say);
		m->ends += say.end;
		exchange_written(&m->x);
	}
	m->over = exchange_over(&m->x); /* cut short with all its replies in */
	need(m->over || m->answered < m->said_count);
}

static void note_reply(struct model *m, unsigned code)
{
	struct said said = {.what = 'E'};

	if (m->answered < m->said_count)
		said = m->said[m->answered++];
	else
		need(exchange_in_content(&m->x)); /* the end is not written yet */
	if (code >= 400 && said.what != 'T' && said.what != 'R')
		m->all_refused = true;
	if (said.what == 'R') {
		m->taken[said.recipient] = code < 300;
		m->refused[said.recipient] = code >= 400;
	}
	if (said.what == 'B' && code >= 400)
		m->chunk_refused = true;
	if ((said.what == 'E' || said.what == 'L') && code < 300)
		m->end_taken = true;
}

static const struct verdict_range other_path_codes = {556, 556};
static const struct verdict_rule other_path = {
	.codes = &other_path_codes, .code_count = 1, .action = ACTION_OTHER_PATH};
static const struct verdict_rules own = {.rules = &other_path, .count = 1};

static void check_results(struct model *m)
{
	for (unsigned i = 0; i < m->envelope.recipients; i++) {
		uint8_t now = m->results[i], before = m->before[i];

		need(now <= ATTEMPT_OTHER_PATH && (now == ATTEMPT_NONE || pending(m, i)));
		if (before > ATTEMPT_ACCEPTED)
			need(now == before);
		if (now == ATTEMPT_ACCEPTED || now == ATTEMPT_SENT)
			need(m->taken[i]);
		if (now == ATTEMPT_SENT)
			need(m->end_taken && m->x.end_written);
		need(now != ATTEMPT_OTHER_PATH || !(m->x.lacks & VERDICT_LACKS_PATH));
		if (now > ATTEMPT_SENT)
			need(m->refused[i] || m->all_refused);
		m->before[i] = now;
	}
}

/* Has all that belongs to the command been handed over? As in the connection. */
static bool whole(struct model *m)
{
	unsigned ends = exchange_ends(&m->x), handed = m->ends - m->ends_used;
	bool all = handed >= ends && (handed > ends || draw(8) != 0);

	m->ends_used += all ? ends : handed < ends ? handed : ends;
	return all;
}

static void hear(struct model *m, const struct smtp_reply_parser *reply)
{
	struct exchange_heard heard;
	enum exchange_go go;
	bool all = whole(m);

	need(!m->broken && !m->over);
	(void)exchange_teaches(&m->x, reply);
	note_reply(m, reply->code);
	go = exchange_reply(&m->x, reply, all, (unsigned)draw(3), &heard);
	check_results(m);
	m->broken = go == EXCHANGE_BREAK;
	m->over = go == EXCHANGE_OVER;
	if (go == EXCHANGE_OVER)
		need(m->answered == m->said_count && exchange_over(&m->x));
	if (go == EXCHANGE_GO_ON)
		need(!exchange_over(&m->x));
	need(m->x.due == m->said_count - m->answered);
	if (heard.signs & HEARD_LESSON)
		need(heard.lesson != LESSON_NONE);
	if (heard.signs & HEARD_RECIPIENT)
		need(heard.index < m->envelope.recipients && m->refused[heard.index]);
}

static void open_model(struct model *m, const uint8_t *data)
{
	struct exchange_terms terms = {
		.mode = (enum exchange_mode)(data[0] % 3),
		.size = data[1] & 1,
		.eight_bit = data[1] & 2,
		.dsn = data[0] & 16,
		.enhanced = data[1] & 4,
		.reset = data[1] & 8,
		.behind = data[1] & 16,
		.later = (data[1] & 32) && !(data[1] & 8),
		.may_go_again = data[1] & 64,
	};
	struct exchange_message message = {.envelope = &m->envelope,
					   .statuses = data[1] & 128 ? m->statuses : NULL,
					   .results = m->results,
					   .most = RECIPIENTS_MAX};
	struct envelope fields = {.sender = span_text("s@a"), .flags = data[0] & 64 ? ENVELOPE_EIGHT_BIT : 0};
	struct envelope_writer writer;
	unsigned i, count = 1 + data[2] % RECIPIENTS_MAX;
	size_t length;

	memset(m, 0, sizeof(*m));
	if (data[0] & 8) {
		fields.ret = ENVELOPE_RET_FULL;
		fields.envid = span_text("E+2B1");
	}
	fields.require_tls = data[0] & 4;
	envelope_begin(&writer, m->record, sizeof(m->record), &fields);
	envelope_add_destination(&writer, span_text("d"));
	for (i = 0; i < count; i++) {
		envelope_add_recipient(&writer, 0, span_text("r@b"));
		if ((data[0] & 8) && i % 2)
			envelope_add_parameters(&writer, i, span_text("rfc822;o"));
	}
	length = envelope_end(&writer);
	need(length > 0 && envelope_decode(m->record, length, &m->envelope) == 0);
	/* One is pending, or there would be no attempt. */
	for (i = 1; i < count && message.statuses; i++)
		m->statuses[i] = data[3] >> i & 1 ? RECIPIENT_FAILED : RECIPIENT_PENDING;
	message.last = (data[2] >> 4) % PIECES_MAX;
	m->clean = message.last < 2;
	m->headed = data[0] & 32;
	if (m->headed)
		terms.sender = span_text("mail@box");
	seed = (uint32_t)(data[3] << 8 | data[4]);
	exchange_init(&m->x, &message);
	exchange_begin(&m->x, &terms);
	m->x.rules = &own;
	m->x.lacks = (uint8_t)draw(4);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct model m;
	struct smtp_reply_parser parser;
	struct exchange_heard heard;
	struct exchange_say say;
	uint8_t out[EXCHANGE_OUT];
	size_t at = 5, consumed;

	if (size < 5)
		return 0;
	open_model(&m, data);
	write_on(&m);
	while (!m.over && !m.broken) {
		smtp_reply_start(&parser, NULL);
		if (smtp_reply_parse(&parser, data + at, size - at, &consumed) != SMTP_REPLY_DONE)
			break;
		at += consumed;
		hear(&m, &parser);
		if (!m.over && !m.broken)
			write_on(&m);
	}
	if (!m.over && !m.broken) {
		exchange_unanswered(&m.x, draw(2), &heard);
		m.broken = true;
		check_results(&m);
	}
	if (m.broken)
		need(exchange_write(&m.x, out, sizeof(out), &say) == EXCHANGE_DONE);
	return 0;
}
