/*
 * core/relay/transaction_reply.c - what the next hop's replies mean to a transaction and to its recipients.
 */
#include <string.h>

#include "core/base/clock.h"
#include "core/relay/connection_private.h"
#include "core/relay/events.h"
#include "core/relay/transaction.h"
#include "core/relay/transaction_private.h"

static struct ruling judge(enum stage stage, const struct smtp_reply_parser *reply)
{
	return verdict_reply(stage, reply->code, (struct span){reply->text, reply->text_length});
}

/* So long a host that refuses RSET is not asked again. */
#define NO_RESET_NS (3600 * CLOCK_NS_PER_S)

/* The reply worth keeping is the worst: a failure rather than a deferral, else the last one. */
static void remember(struct transaction *tx, const struct smtp_reply_parser *reply, enum stage stage)
{
	const struct verdict_fact fact = {stage, reply->code, {reply->text, reply->text_length}};
	const struct ruling ruling = verdict_judge(&fact, NULL);
	enum verdict verdict = ruling.verdict;

	if (verdict == VERDICT_HOLD) {
		/* Several recipients of one message are one sign. */
		const struct delivery *d = tx->held ? NULL : tx->delivery;
		tx->held = true;
		tx->host_held |= hold_refused(tx->outbound, tx->connection->host, d, &fact, &ruling);
		if (tx->host_held)
			connection_start_no_more(tx->connection);
	}
	/* Whatever was refused: some servers keep the transaction open (RFC 3030 lets them). Clear it before the next.
	 */
	if (verdict != VERDICT_SENT)
		tx->connection->reset_next = true;
	if (tx->code != 0 && verdict < (enum verdict)tx->code_verdict)
		return;
	tx->code = reply->code;
	tx->code_verdict = (uint8_t)verdict;
	tx->code_stage = (uint8_t)stage;
	tx->reply_length = reply->text_length > TRANSACTION_REPLY_MAX ? TRANSACTION_REPLY_MAX : reply->text_length;
	memcpy(tx->reply, reply->text, tx->reply_length);
}

static enum attempt_result result_of(enum verdict verdict)
{
	static const enum attempt_result results[] = {
		[VERDICT_SENT] = ATTEMPT_SENT,
		[VERDICT_DEFER] = ATTEMPT_DEFER,
		[VERDICT_HOLD] = ATTEMPT_HOLD,
		[VERDICT_FAIL] = ATTEMPT_FAIL,
	};

	return results[verdict];
}

/* The verdict for every recipient the next hop had accepted so far (or, at MAIL, for all). */
static void decide(struct transaction *tx, enum verdict verdict, bool all)
{
	unsigned i;

	for (i = tx->rcpt_first; i < tx->rcpt_end; i++) {
		if (!transaction_pending(tx, i))
			continue;
		if (all || tx->results[i] == ATTEMPT_ACCEPTED)
			tx->results[i] = (uint8_t)result_of(verdict);
	}
	tx->decided = true;
}

static void skip_to_pending(struct transaction *tx)
{
	while (tx->rcpt_reply < tx->rcpt_end && !transaction_pending(tx, tx->rcpt_reply))
		tx->rcpt_reply++;
}

static void reply_mail(struct transaction *tx, const struct smtp_reply_parser *reply)
{
	enum verdict verdict = judge(STAGE_MAIL, reply).verdict;

	tx->expect = EXPECT_RCPT;
	skip_to_pending(tx);
	if (verdict == VERDICT_SENT)
		return;
	/* Without parameters it is no better: it was not they. */
	if (!tx->parameters && reply->code >= 500)
		lesson_forget(&tx->connection->host->lessons, LESSON_PLAIN_MAIL);
	remember(tx, reply, STAGE_MAIL);
	tx->mail_refused = true;
	decide(tx, verdict, true);
	if (tx->connection->mode == MODE_LOCKSTEP)
		tx->expect = EXPECT_NOTHING;
}

static void refused_recipient(struct transaction *tx, const struct smtp_reply_parser *reply)
{
	remember(tx, reply, STAGE_RCPT);
	results_refused(tx, tx->rcpt_reply, reply);
}

static void reply_rcpt(struct transaction *tx, const struct smtp_reply_parser *reply)
{
	enum verdict verdict = judge(STAGE_RCPT, reply).verdict;

	if (tx->again && !tx->mail_refused) {
		tx->results[tx->rcpt_reply] = ATTEMPT_NONE; /* see fall_back() */
		tx->again = false;
		tx->connection->reset_next = true;
	} else if (!tx->mail_refused) {
		tx->results[tx->rcpt_reply] = verdict == VERDICT_SENT ? ATTEMPT_ACCEPTED : (uint8_t)result_of(verdict);
		if (verdict == VERDICT_SENT)
			tx->accepted++;
		else
			refused_recipient(tx, reply);
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

static bool came_apart(struct transaction *tx, const struct smtp_reply_parser *reply);

static bool reply_body_data(struct transaction *tx, const struct smtp_reply_parser *reply)
{
	if (reply->code < 400 && reply->code >= 300) {
		tx->body_accepted = true;
		/* All recipients refused and yet 3yz: end the data at once, nothing is delivered by it (POL-02). */
		tx->dot_only = tx->decided;
		tx->decided = false;
		tx->expect = EXPECT_END;
		return true;
	}
	if (reply->code < 400)
		return came_apart(tx, reply); /* 250 where the content should follow */
	if (!tx->decided) {
		remember(tx, reply, STAGE_DATA);
		decide(tx, judge(STAGE_DATA, reply).verdict, false);
	}
	tx->expect = EXPECT_NOTHING;
	return true;
}

/* The next hop answers while its content is still being written. A refusal is heard, but the rest of the content would
 * be read as commands or not: nobody knows, so the connection ends. Anything else makes no sense. */
static bool refused_early(struct transaction *tx, const struct smtp_reply_parser *reply)
{
	enum verdict verdict = judge(STAGE_CONTENT, reply).verdict;

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

static bool reply_body_chunk(struct transaction *tx, const struct smtp_reply_parser *reply, bool whole)
{
	enum verdict verdict = judge(STAGE_CONTENT, reply).verdict;
	bool last;

	if (reply->code >= 300 && reply->code < 400)
		return false;
	/* The answer to a chunk before all of it was sent: taken it cannot have been. */
	if (!whole || tx->chunk_replies == tx->chunks_written)
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

static bool reply_end(struct transaction *tx, const struct smtp_reply_parser *reply, bool whole)
{
	if (!whole || tx->step != STEP_WRITTEN)
		return refused_early(tx, reply);
	if (!tx->dot_only) {
		remember(tx, reply, STAGE_CONTENT);
		decide(tx, judge(STAGE_CONTENT, reply).verdict, false);
	}
	tx->decided = true;
	tx->expect = EXPECT_NOTHING;
	return true;
}

/*
 * The connection takes no more: 421 (RFC 5321 3.8, 4.2.3), or a limit of messages that is told to every MAIL. Replies
 * come in order, so nothing behind was accepted. Before the end of a message's content such a reply is not about it.
 */
static void hear_of_the_end(struct transaction *tx, const struct smtp_reply_parser *reply)
{
	struct connection *c = tx->connection;

	if (reply->code != 421 && !(tx->expect == EXPECT_MAIL && session_limit_told(reply, c->answered)))
		return;
	connection_told(c, reply);
	if (tx->passed || (tx->expect >= EXPECT_BODY && tx->end_written))
		return;
	tx->passed = true;
	tx->blameless = tx->expect <= EXPECT_MAIL && c->answered > 0;
	if (tx->blameless)
		session_limit_learn(&c->host->session_limit, c->answered, reply->code != 421,
				    tx->outbound->shard->now_ns);
}

/*
 * RSET was refused. Nobody knows what would become of a MAIL that is not written yet. One that is under way begins a
 * new transaction if it is taken, since that forgets what was before (RFC 5321 4.1.1.2).
 */
static bool reply_reset(struct transaction *tx, const struct smtp_reply_parser *reply)
{
	struct connection *c = tx->connection;

	tx->expect = EXPECT_MAIL;
	if (reply->code >= 200 && reply->code < 300)
		return true;
	c->host->no_reset_until_ns = tx->outbound->shard->now_ns + NO_RESET_NS;
	tx->reset_refused = true;
	connection_start_no_more(c);
	return reply->code >= 400 && reply->code != 421 && tx->step != STEP_MAIL;
}

/* ---- fallbacks ---------------------------------------------------------------------------------------------- */

static enum fallback_command asked(const struct transaction *tx)
{
	switch (tx->expect) {
	case EXPECT_RSET:
		return FALLBACK_RSET;
	case EXPECT_MAIL:
		return FALLBACK_MAIL;
	case EXPECT_RCPT:
		return FALLBACK_RCPT;
	case EXPECT_BODY:
		return tx->connection->mode == MODE_CHUNKING ? FALLBACK_BDAT : FALLBACK_DATA;
	default:
		return FALLBACK_END;
	}
}

static enum stage stage_asked(const struct transaction *tx)
{
	static const enum stage stages[] = {
		[FALLBACK_RSET] = STAGE_MAIL, [FALLBACK_MAIL] = STAGE_MAIL,    [FALLBACK_RCPT] = STAGE_RCPT,
		[FALLBACK_DATA] = STAGE_DATA, [FALLBACK_BDAT] = STAGE_CONTENT, [FALLBACK_END] = STAGE_CONTENT};

	return stages[asked(tx)];
}

/* False: this message has made as many of these rounds as there are lessons, and waits like any other. */
static bool learn(struct transaction *tx, enum lesson lesson, unsigned code, struct span text)
{
	struct host *host = tx->connection->host;
	uint64_t now_ns = tx->outbound->shard->now_ns;

	if (!lesson_in_force(&host->lessons, lesson, now_ns))
		event_fallback(tx->connection, lesson, stage_asked(tx), code, text);
	lesson_learn(&host->lessons, lesson, now_ns);
	if (tx->delivery->fallbacks >= LESSON_COUNT)
		return false;
	tx->delivery->fallbacks++;
	return true;
}

/* A reply that shows that replies and commands have come apart. One at a time they cannot. What was not surely accepted
 * is not recorded as delivered. */
static bool came_apart(struct transaction *tx, const struct smtp_reply_parser *reply)
{
	bool again;

	if (tx->connection->mode == MODE_LOCKSTEP)
		return false;
	tx->connection->fell_back = true;
	again = learn(tx, LESSON_NO_PIPELINING, reply->code, (struct span){reply->text, reply->text_length});
	tx->again = again && !tx->end_written;
	return false;
}

/*
 * The command was refused, not the message. Mostly the connection ends: content was sent that may be read as commands,
 * or a reply is missing. False then. It goes on behind a MAIL in need of RSET, where nothing can have come apart. (And
 * behind one of several RCPT whose message is sent already: the others may be taken, and it with them.)
 */
static bool fall_back(struct transaction *tx, const struct fallback_fact *fact, enum lesson lesson)
{
	tx->again = learn(tx, lesson, fact->code, fact->text);
	if (lesson == LESSON_RESET && tx->again) {
		tx->connection->reset_next = true;
		tx->mail_refused = true;
		tx->decided = true;
		tx->expect = EXPECT_RCPT;
		skip_to_pending(tx);
		if (tx->connection->mode == MODE_LOCKSTEP)
			tx->expect = EXPECT_NOTHING;
		return true;
	}
	tx->connection->fell_back = true;
	/* BDAT or what is behind a message is not known there at all. */
	tx->connection->none_behind = lesson == LESSON_ALONE || (lesson == LESSON_NO_CHUNKING && fact->code != 501);
	return false;
}

static bool may_teach(const struct transaction *tx)
{
	switch (tx->expect) {
	case EXPECT_MAIL:
		return true;
	case EXPECT_RCPT:
		return !tx->mail_refused;
	case EXPECT_BODY:
		return !tx->decided && tx->accepted > 0;
	default:
		return false;
	}
}

void transaction_unanswered(struct transaction *tx)
{
	struct connection *c = tx->connection;
	enum lesson lesson = LESSON_NO_PIPELINING;
	bool again;

	/* Where a part of what came together was answered the rest was lost; where nothing was it is the host. */
	if (c->mode == MODE_LOCKSTEP || !tx->heard || tx->expect == EXPECT_END)
		return;
	if (c->mode == MODE_CHUNKING && tx->expect == EXPECT_BODY) {
		if (!transport_drained(&c->transport))
			return;
		lesson = LESSON_NO_CHUNKING;
	}
	c->fell_back = true;
	again = learn(tx, lesson, 0, span_text("no reply"));
	tx->again = again && !tx->end_written;
}

static struct fallback_fact fact_of(const struct transaction *tx, const struct smtp_reply_parser *reply)
{
	return (struct fallback_fact){
		.command = asked(tx),
		.pipelined = tx->connection->mode != MODE_LOCKSTEP,
		.parameters = tx->parameters,
		.behind = tx->behind,
		.later = tx->later,
		.enhanced = tx->connection->extensions.enhanced_codes,
		.code = reply->code,
		.text = {reply->text, reply->text_length},
	};
}

bool transaction_teaches(const struct transaction *tx, const struct smtp_reply_parser *reply)
{
	struct fallback_fact fact = fact_of(tx, reply);

	return may_teach(tx) && fallback_lesson(&fact) != LESSON_NONE;
}

bool transaction_reply(struct transaction *tx, const struct smtp_reply_parser *reply, bool whole)
{
	const struct fallback_fact fact = fact_of(tx, reply);
	enum lesson lesson = may_teach(tx) ? fallback_lesson(&fact) : LESSON_NONE;

	/* Behind a RSET that was refused MAIL is refused for that reason, or because nothing is taken there. */
	if (tx->reset_refused && lesson != LESSON_ALONE && tx->expect == EXPECT_MAIL)
		lesson = LESSON_NONE;
	tx->heard = true;
	/* The first digit decides (RFC 5321 4.2.1): 3yz asks for content, and only DATA has some to follow. */
	if (reply->code < 200 || (reply->code >= 300 && reply->code < 400 && tx->expect != EXPECT_BODY) ||
	    fallback_misfit(&fact))
		return came_apart(tx, reply);
	hear_of_the_end(tx, reply);
	if (lesson != LESSON_NONE && !(tx->expect == EXPECT_RCPT && tx->end_written))
		return fall_back(tx, &fact, lesson);
	if (lesson != LESSON_NONE)
		tx->again = learn(tx, lesson, fact.code, fact.text);
	switch (tx->expect) {
	case EXPECT_RSET:
		return reply_reset(tx, reply);
	case EXPECT_MAIL:
		if (tx->reset_refused && reply->code >= 400)
			return false;
		reply_mail(tx, reply);
		return true;
	case EXPECT_RCPT:
		reply_rcpt(tx, reply);
		return true;
	case EXPECT_BODY:
		return tx->connection->mode == MODE_CHUNKING ? reply_body_chunk(tx, reply, whole)
							     : reply_body_data(tx, reply);
	case EXPECT_END:
		return reply_end(tx, reply, whole);
	default:
		return false;
	}
}

unsigned transaction_marks(const struct transaction *tx)
{
	return tx->expect == EXPECT_BODY && tx->connection->mode == MODE_CHUNKING ? 2 : 1;
}

bool transaction_in_content(const struct transaction *tx)
{
	return tx->expect == EXPECT_END && tx->step != STEP_WRITTEN;
}

bool transaction_over(const struct transaction *tx)
{
	return tx->expect == EXPECT_NOTHING;
}
