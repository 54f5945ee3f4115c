/*
 * core/deliver/connection_reply.c - octets of a next hop become replies, and each reply goes to the command it answers.
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/config/config.h"
#include "core/deliver/attempt.h"
#include "core/deliver/connection.h"
#include "core/deliver/connection_private.h"
#include "core/deliver/hold.h"
#include "core/deliver/slow.h"
#include "core/deliver/suppress.h"
#include "core/deliver/tell.h"
#include "core/shard/shard.h"

enum { QUOTE_MAX = 100 };

/* Commands that were handed to the kernel and not answered; a chunk counts twice, by its command and by its end. */
static uint64_t handed(const struct connection *c)
{
	return c->transport.marks_handed - c->marks_used;
}

static struct attempt *oldest(const struct connection *c)
{
	return list_empty(&c->attempts) ? NULL : container_of(c->attempts.next, struct attempt, link);
}

/* The greeting is the one reply that no command comes before. */
static bool greets(const struct connection *c)
{
	return c->state == CONNECTION_TALKING && c->setup.step == SETUP_GREETING;
}

/* A reply may come now. Before its command has left us it answers nothing (RFC 5321 4.2): taken for the answer to what
 * is said next it would shift all that follow (PAR-05). */
static bool reply_due(const struct connection *c)
{
	return greets(c) || handed(c) > 0 ||
	       (c->state == CONNECTION_READY && oldest(c) && exchange_in_content(&oldest(c)->exchange));
}

/* 421 may come without a command (RFC 5321 3.8). */
static bool unasked(const uint8_t *data, size_t length)
{
	return memcmp(data, "421", length < 3 ? length : 3) == 0;
}

static bool only_line_end(const uint8_t *data, size_t length)
{
	return memcmp(data, "\r\n", length < 2 ? length : 2) == 0 && length <= 2;
}

/* Whoever sends back what it was sent has sent a secret, which may be in any form and cut anywhere. */
static bool may_repeat_secret(const struct connection *c)
{
	return c->mailbox && c->setup.step >= SETUP_AUTH && c->answered == 0;
}

static void kill_quoting(struct connection *c, const char *what, const uint8_t *data, size_t length)
{
	char reason[QUOTE_MAX + 80], quote[QUOTE_MAX];

	if (may_repeat_secret(c)) {
		snprintf(reason, sizeof(reason), "%s, in answer to AUTH", what);
		connection_kill(c, connection_stage(c), reason);
		return;
	}
	smtp_quote(data, length, quote, sizeof(quote));
	snprintf(reason, sizeof(reason), "%s: \"%s\"", what, quote);
	connection_tls_failed(c, false, 0, span_text(reason));
	connection_kill(c, connection_stage(c), reason);
}

static void not_due(struct connection *c, const uint8_t *data, size_t length)
{
	bool closing = c->state == CONNECTION_READY && length >= 3 && unasked(data, length);

	kill_quoting(c,
		     closing               ? "closed by the next hop"
		     : c->replies_due == 0 ? "a reply without a command"
					   : "a reply before its command",
		     data, length);
}

/* An empty line is no reply, and cannot be taken for one. It is passed over where nothing else is under way, and from a
 * server that was seen to send one there. */
static bool pass_empty_line(struct connection *c)
{
	bool harmless = c->state < CONNECTION_READY || c->replies_due == 0;

	c->empty_lines = c->empty_lines || harmless;
	return c->empty_lines;
}

/* ---- what a reply says of the connection and the host ------------------------------------------------------------ */

/* So long a host that refuses RSET is not asked again. */
#define NO_RESET_NS (3600 * CLOCK_NS_PER_S)

/* All that one attempt teaches is one round, to however many recipients it was said. */
static void learn(struct attempt *a, const struct exchange_heard *heard, unsigned code, struct span text)
{
	struct connection *c = a->connection;
	uint64_t now_ns = a->outbound->shard->now_ns;

	if (!lesson_in_force(&c->host->lessons, heard->lesson, now_ns))
		tell_fallback(c, heard->lesson, heard->stage, code, text);
	lesson_learn(&c->host->lessons, heard->lesson, now_ns);
	if (!a->taught)
		a->delivery->fallbacks++;
	a->taught = true;
}

static void hold(struct attempt *a, const struct exchange_heard *heard, unsigned code, struct span text)
{
	struct connection *c = a->connection;
	const struct verdict_fact fact = {heard->stage, code, text};
	/* Several recipients of one message are one sign. */
	const struct delivery *d = heard->signs & HEARD_HELD_BEFORE ? NULL : a->delivery;

	/* Whoever else may send goes on with it. */
	if (connection_mailbox_barred(c, d, &fact, &heard->ruling)) {
		a->host_held = true;
		connection_start_no_more(c);
		return;
	}
	a->host_held |= hold_refused(a->outbound, c->host, d, &fact, &heard->ruling);
	if (a->host_held)
		connection_start_no_more(c);
	else if (c->mailbox)
		connection_behind_others(c);
}

/* The message goes over another connection at once, as often as for any other lesson. */
static void sign_in_anew(struct attempt *a, const struct verdict_fact *fact, const struct ruling *ruling)
{
	if (!a->taught)
		a->delivery->fallbacks++;
	a->taught = true;
	connection_sign_in_anew(a->connection, fact, ruling);
	connection_start_no_more(a->connection);
}

static void no_reset(struct connection *c)
{
	c->host->no_reset_until_ns = c->outbound->shard->now_ns + NO_RESET_NS;
	connection_no_resets(c);
	connection_start_no_more(c);
}

static void carry_out(struct attempt *a, const struct exchange_heard *heard, const struct smtp_reply_parser *reply)
{
	struct connection *c = a->connection;
	const struct span text = {reply->text, reply->text_length};
	const struct verdict_fact fact = {heard->stage, reply->code, text};

	if (heard->signs & HEARD_TOLD)
		connection_told(c, reply);
	if (heard->signs & HEARD_LIMIT)
		session_limit_learn(&c->host->session_limit, c->answered, reply->code != 421,
				    a->outbound->shard->now_ns);
	if (heard->signs & HEARD_LESSON)
		learn(a, heard, reply->code, text);
	if (heard->signs & HEARD_NOT_PLAIN)
		lesson_forget(&c->host->lessons, LESSON_PLAIN_MAIL);
	if (heard->signs & HEARD_FELL_BACK)
		c->fell_back = true;
	if (heard->signs & HEARD_NONE_BEHIND)
		c->none_behind = true;
	if (heard->signs & HEARD_RESET) {
		c->reset_next = true;
		if (connection_no_reset(c))
			connection_start_no_more(c);
	}
	if (heard->signs & HEARD_NO_RESET)
		no_reset(c);
	if (heard->signs & HEARD_HELD)
		hold(a, heard, reply->code, text);
	if (heard->signs & HEARD_SLOW)
		slow_down(a->outbound, c->host, c->mailbox, &fact, &heard->ruling);
	if ((heard->signs & HEARD_LEAVE) && c->mailbox) {
		connection_mailbox_leave(c, &fact, &heard->ruling);
		connection_start_no_more(c);
	}
	if (heard->signs & HEARD_SIGN_IN)
		sign_in_anew(a, &fact, &heard->ruling);
	if (heard->signs & HEARD_RECIPIENT) {
		results_refused(a, heard->index, reply);
		suppress_refused(a, heard->index, reply);
	}
}

void connection_unanswered(struct connection *c)
{
	struct attempt *a = oldest(c);
	struct exchange_heard heard;

	exchange_unanswered(&a->exchange, transport_drained(&c->transport), &heard);
	if (heard.signs & HEARD_FELL_BACK)
		c->fell_back = true;
	if (heard.signs & HEARD_LESSON)
		learn(a, &heard, 0, span_text("no reply"));
}

/* It cannot go on. */
static void break_off(struct connection *c, enum exchange_break why)
{
	static const char *const whats[] = {
		[BREAK_UNEXPECTED] = "unexpected reply",
		[BREAK_COMMAND] = "the command is refused, not the message",
		[BREAK_EARLY] = "refused in the middle of the content",
	};
	char reason[160];

	if (c->told && why != BREAK_EARLY)
		snprintf(reason, sizeof(reason), "closed by the next hop");
	else if (why == BREAK_EARLY)
		snprintf(reason, sizeof(reason), "%s", whats[why]);
	else
		snprintf(reason, sizeof(reason), "%s: %u %.*s", whats[why], c->parser.code,
			 c->parser.text_length < QUOTE_MAX ? c->parser.text_length : QUOTE_MAX, c->parser.text);
	connection_kill(c, STAGE_CONTENT, reason);
}

static void on_attempt_reply(struct connection *c, bool whole)
{
	const struct config *config = connection_config(c);
	struct attempt *a = oldest(c);
	struct exchange_heard heard;
	enum exchange_go go;

	assert(a); /* every command in READY is an attempt's */
	c->stale = false;
	a->exchange.rules = a->outbound->destination->rules;
	a->exchange.lacks = connection_lacks(c);
	go = exchange_reply(&a->exchange, &c->parser, whole, c->answered, &heard);
	/* Every other message hears nothing of that. */
	if (heard.signs != 0)
		carry_out(a, &heard, &c->parser);
	if (go == EXCHANGE_BREAK && heard.why != BREAK_EARLY) {
		break_off(c, heard.why);
		return;
	}
	connection_arm(c, a->exchange.end_written ? config->timeouts.data_reply_ns : config->timeouts.reply_ns);
	if (go == EXCHANGE_GO_ON)
		return;
	if (c->parser.code != 421)
		connection_dealt_with(c, a);
	connection_attempt_over(c, a);
	if (go == EXCHANGE_BREAK)
		break_off(c, heard.why);
}

static void on_reply(struct connection *c, const uint8_t *behind, size_t length)
{
	const struct attempt *a = oldest(c);
	unsigned marks = greets(c) ? 0 : a ? exchange_ends(&a->exchange) : 1;
	bool whole = handed(c) >= marks;

	c->marks_used += whole ? marks : handed(c);
	if (c->replies_due > 0)
		c->replies_due--;
	if (c->state != CONNECTION_READY) {
		connection_on_setup_reply(c, length);
		return;
	}
	/* One reply too many, so nobody knows which of them answers what. Not where a command is unknown: what lay
	 * behind it was read as commands. */
	if (handed(c) == 0 && length > 0 && !exchange_teaches(&a->exchange, &c->parser) && !unasked(behind, length) &&
	    !only_line_end(behind, length)) {
		kill_quoting(c, "more replies than commands, the last", behind, length);
		return;
	}
	on_attempt_reply(c, whole);
}

size_t connection_on_data(struct transport *t, const uint8_t *data, size_t length)
{
	struct connection *c = container_of(t, struct connection, transport);
	size_t at = 0;

	while (at < length && c->state != CONNECTION_CLOSED) {
		const uint8_t *begin = data + at;
		bool due = reply_due(c);
		size_t consumed;
		enum smtp_reply_result result = smtp_reply_parse(&c->parser, begin, length - at, &consumed);

		at += consumed;
		if (result == SMTP_REPLY_EMPTY && pass_empty_line(c))
			continue;
		if (result == SMTP_REPLY_EMPTY || result == SMTP_REPLY_BAD) {
			kill_quoting(
				c, result == SMTP_REPLY_EMPTY ? "an empty line instead of a reply" : "malformed reply",
				begin, length - (size_t)(begin - data));
			return length;
		}
		if (!due) {
			not_due(c, begin, length - (size_t)(begin - data));
			return length;
		}
		if (result == SMTP_REPLY_MORE)
			break;
		on_reply(c, data + at, length - at);
		if (c->state == CONNECTION_READY)
			smtp_reply_start(&c->parser, NULL);
	}
	if (c->state == CONNECTION_READY)
		connection_write(c);
	return length;
}
