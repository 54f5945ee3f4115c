/*
 * core/relay/attempt_reply.c - what the next hop's replies mean to an attempt and to its recipients.
 */
#include <string.h>

#include "core/base/clock.h"
#include "core/relay/attempt.h"
#include "core/relay/attempt_private.h"
#include "core/relay/connection_private.h"
#include "core/relay/events.h"

static struct ruling judge(enum stage stage, const struct smtp_reply_parser *reply)
{
	return verdict_reply(stage, reply->code, (struct span){reply->text, reply->text_length});
}

/* So long a host that refuses RSET is not asked again. */
#define NO_RESET_NS (3600 * CLOCK_NS_PER_S)

/* The reply worth keeping is the worst: a failure rather than a deferral, else the last one. */
static void remember(struct attempt *a, const struct smtp_reply_parser *reply, enum stage stage)
{
	const struct verdict_fact fact = {stage, reply->code, {reply->text, reply->text_length}};
	const struct ruling ruling = verdict_judge(&fact, NULL);
	enum verdict verdict = ruling.verdict;

	if (verdict == VERDICT_HOLD) {
		/* Several recipients of one message are one sign. */
		const struct delivery *d = a->held ? NULL : a->delivery;
		a->held = true;
		a->host_held |= hold_refused(a->outbound, a->connection->host, d, &fact, &ruling);
		if (a->host_held)
			connection_start_no_more(a->connection);
	}
	/* Whatever was refused: some servers keep the transaction open (RFC 3030 lets them). Clear it before the next.
	 */
	if (verdict != VERDICT_SENT)
		a->connection->reset_next = true;
	if (a->code != 0 && verdict < (enum verdict)a->code_verdict)
		return;
	a->code = reply->code;
	a->code_verdict = (uint8_t)verdict;
	a->code_stage = (uint8_t)stage;
	a->reply_length = reply->text_length > ATTEMPT_REPLY_MAX ? ATTEMPT_REPLY_MAX : reply->text_length;
	memcpy(a->reply, reply->text, a->reply_length);
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
static void decide(struct attempt *a, enum verdict verdict, bool all)
{
	unsigned i;

	for (i = a->rcpt_first; i < a->rcpt_end; i++) {
		if (!attempt_pending(a, i))
			continue;
		if (all || a->results[i] == ATTEMPT_ACCEPTED)
			a->results[i] = (uint8_t)result_of(verdict);
	}
	a->decided = true;
}

static void skip_to_pending(struct attempt *a)
{
	while (a->rcpt_reply < a->rcpt_end && !attempt_pending(a, a->rcpt_reply))
		a->rcpt_reply++;
}

static void reply_mail(struct attempt *a, const struct smtp_reply_parser *reply)
{
	enum verdict verdict = judge(STAGE_MAIL, reply).verdict;

	a->expect = EXPECT_RCPT;
	skip_to_pending(a);
	if (verdict == VERDICT_SENT)
		return;
	/* Without parameters it is no better: it was not they. */
	if (!a->parameters && reply->code >= 500)
		lesson_forget(&a->connection->host->lessons, LESSON_PLAIN_MAIL);
	remember(a, reply, STAGE_MAIL);
	a->mail_refused = true;
	decide(a, verdict, true);
	if (a->connection->mode == MODE_LOCKSTEP)
		a->expect = EXPECT_NOTHING;
}

static void refused_recipient(struct attempt *a, const struct smtp_reply_parser *reply)
{
	remember(a, reply, STAGE_RCPT);
	results_refused(a, a->rcpt_reply, reply);
}

/* ATTEMPT_NONE: it has not been tried, as those that were too many for `recipients_per_message` have not. */
static uint8_t recipient_result(const struct attempt *a, const struct ruling *ruling)
{
	if (ruling->verdict == VERDICT_SENT)
		return ATTEMPT_ACCEPTED;
	return ruling->too_many && a->accepted > 0 ? ATTEMPT_NONE : (uint8_t)result_of(ruling->verdict);
}

static void reply_rcpt(struct attempt *a, const struct smtp_reply_parser *reply)
{
	const struct ruling ruling = judge(STAGE_RCPT, reply);

	if (a->again && !a->mail_refused) {
		a->results[a->rcpt_reply] = ATTEMPT_NONE; /* see fall_back() */
		a->again = false;
		a->connection->reset_next = true;
	} else if (!a->mail_refused) {
		a->results[a->rcpt_reply] = recipient_result(a, &ruling);
		if (ruling.verdict == VERDICT_SENT)
			a->accepted++;
		else
			refused_recipient(a, reply);
	}
	a->rcpt_reply++;
	skip_to_pending(a);
	if (a->rcpt_reply < a->rcpt_end)
		return;
	a->expect = EXPECT_BODY;
	if (a->accepted == 0) {
		a->decided = true;
		if (a->connection->mode == MODE_LOCKSTEP)
			a->expect = EXPECT_NOTHING;
	}
	/* In case the body was cut short before this reply. */
	if (a->connection->mode == MODE_CHUNKING && a->step == STEP_WRITTEN && a->chunks_begun == 0)
		a->expect = EXPECT_NOTHING;
}

static bool came_apart(struct attempt *a, const struct smtp_reply_parser *reply);

static bool reply_body_data(struct attempt *a, const struct smtp_reply_parser *reply)
{
	if (reply->code < 400 && reply->code >= 300) {
		a->body_accepted = true;
		/* All recipients refused and yet 3yz: end the data at once, nothing is delivered by it (POL-02). */
		a->dot_only = a->decided;
		a->decided = false;
		a->expect = EXPECT_END;
		return true;
	}
	if (reply->code < 400)
		return came_apart(a, reply); /* 250 where the content should follow */
	if (!a->decided) {
		remember(a, reply, STAGE_DATA);
		decide(a, judge(STAGE_DATA, reply).verdict, false);
	}
	a->expect = EXPECT_NOTHING;
	return true;
}

/* The next hop answers while its content is still being written. A refusal is heard, but the rest of the content would
 * be read as commands or not: nobody knows, so the connection ends. Anything else makes no sense. */
static bool refused_early(struct attempt *a, const struct smtp_reply_parser *reply)
{
	enum verdict verdict = judge(STAGE_CONTENT, reply).verdict;

	if (verdict == VERDICT_SENT || reply->code < 400)
		return false;
	if (!a->decided) {
		remember(a, reply, STAGE_CONTENT);
		decide(a, verdict, false);
	}
	a->early = true;
	a->expect = EXPECT_NOTHING;
	return true;
}

static bool reply_body_chunk(struct attempt *a, const struct smtp_reply_parser *reply, bool whole)
{
	enum verdict verdict = judge(STAGE_CONTENT, reply).verdict;
	bool last;

	if (reply->code >= 300 && reply->code < 400)
		return false;
	/* The answer to a chunk before all of it was sent: taken it cannot have been. */
	if (!whole || a->chunk_replies == a->chunks_written)
		return refused_early(a, reply);
	a->chunk_replies++;
	/* The last one sent, be it that there was more: see cut_short(). */
	last = a->step == STEP_WRITTEN && a->chunk_replies == a->chunks_begun;
	if (!a->decided && (verdict != VERDICT_SENT || last)) {
		remember(a, reply, STAGE_CONTENT);
		decide(a, verdict, false);
	}
	if (last)
		a->expect = EXPECT_NOTHING;
	return true;
}

static bool reply_end(struct attempt *a, const struct smtp_reply_parser *reply, bool whole)
{
	if (!whole || a->step != STEP_WRITTEN)
		return refused_early(a, reply);
	if (!a->dot_only) {
		remember(a, reply, STAGE_CONTENT);
		decide(a, judge(STAGE_CONTENT, reply).verdict, false);
	}
	a->decided = true;
	a->expect = EXPECT_NOTHING;
	return true;
}

/*
 * The connection takes no more: 421 (RFC 5321 3.8, 4.2.3), or a limit of messages that is told to every MAIL. Replies
 * come in order, so nothing behind was accepted. Before the end of a message's content such a reply is not about it.
 */
static void hear_of_the_end(struct attempt *a, const struct smtp_reply_parser *reply)
{
	struct connection *c = a->connection;

	if (reply->code != 421 && !(a->expect == EXPECT_MAIL && session_limit_told(reply, c->answered)))
		return;
	connection_told(c, reply);
	if (a->passed || (a->expect >= EXPECT_BODY && a->end_written))
		return;
	a->passed = true;
	a->blameless = a->expect <= EXPECT_MAIL && c->answered > 0;
	if (a->blameless)
		session_limit_learn(&c->host->session_limit, c->answered, reply->code != 421,
				    a->outbound->shard->now_ns);
}

/*
 * RSET was refused. Nobody knows what would become of a MAIL that is not written yet. One that is under way begins a
 * new transaction if it is taken, since that forgets what was before (RFC 5321 4.1.1.2).
 */
static bool reply_reset(struct attempt *a, const struct smtp_reply_parser *reply)
{
	struct connection *c = a->connection;

	a->expect = EXPECT_MAIL;
	if (reply->code >= 200 && reply->code < 300)
		return true;
	c->host->no_reset_until_ns = a->outbound->shard->now_ns + NO_RESET_NS;
	a->reset_refused = true;
	connection_start_no_more(c);
	return reply->code >= 400 && reply->code != 421 && a->step != STEP_MAIL;
}

/* ---- fallbacks ---------------------------------------------------------------------------------------------- */

static enum fallback_command asked(const struct attempt *a)
{
	switch (a->expect) {
	case EXPECT_RSET:
		return FALLBACK_RSET;
	case EXPECT_MAIL:
		return FALLBACK_MAIL;
	case EXPECT_RCPT:
		return FALLBACK_RCPT;
	case EXPECT_BODY:
		return a->connection->mode == MODE_CHUNKING ? FALLBACK_BDAT : FALLBACK_DATA;
	default:
		return FALLBACK_END;
	}
}

enum stage attempt_stage(const struct attempt *a)
{
	static const enum stage stages[] = {
		[FALLBACK_RSET] = STAGE_MAIL, [FALLBACK_MAIL] = STAGE_MAIL,    [FALLBACK_RCPT] = STAGE_RCPT,
		[FALLBACK_DATA] = STAGE_DATA, [FALLBACK_BDAT] = STAGE_CONTENT, [FALLBACK_END] = STAGE_CONTENT};

	return stages[asked(a)];
}

/* False: this message has made as many of these rounds as there are lessons, and waits like any other. */
static bool learn(struct attempt *a, enum lesson lesson, unsigned code, struct span text)
{
	struct host *host = a->connection->host;
	uint64_t now_ns = a->outbound->shard->now_ns;

	if (!lesson_in_force(&host->lessons, lesson, now_ns))
		event_fallback(a->connection, lesson, attempt_stage(a), code, text);
	lesson_learn(&host->lessons, lesson, now_ns);
	if (a->delivery->fallbacks >= LESSON_COUNT)
		return false;
	a->delivery->fallbacks++;
	return true;
}

/* A reply that shows that replies and commands have come apart. One at a time they cannot. What was not surely accepted
 * is not recorded as delivered. */
static bool came_apart(struct attempt *a, const struct smtp_reply_parser *reply)
{
	bool again;

	if (a->connection->mode == MODE_LOCKSTEP)
		return false;
	a->connection->fell_back = true;
	again = learn(a, LESSON_NO_PIPELINING, reply->code, (struct span){reply->text, reply->text_length});
	a->again = again && !a->end_written;
	return false;
}

/*
 * The command was refused, not the message. Mostly the connection ends: content was sent that may be read as commands,
 * or a reply is missing. False then. It goes on behind a MAIL in need of RSET, where nothing can have come apart. (And
 * behind one of several RCPT whose message is sent already: the others may be taken, and it with them.)
 */
static bool fall_back(struct attempt *a, const struct fallback_fact *fact, enum lesson lesson)
{
	a->again = learn(a, lesson, fact->code, fact->text);
	if (lesson == LESSON_RESET && a->again) {
		a->connection->reset_next = true;
		a->mail_refused = true;
		a->decided = true;
		a->expect = EXPECT_RCPT;
		skip_to_pending(a);
		if (a->connection->mode == MODE_LOCKSTEP)
			a->expect = EXPECT_NOTHING;
		return true;
	}
	a->connection->fell_back = true;
	/* BDAT or what is behind a message is not known there at all. */
	a->connection->none_behind = lesson == LESSON_ALONE || (lesson == LESSON_NO_CHUNKING && fact->code != 501);
	return false;
}

static bool may_teach(const struct attempt *a)
{
	switch (a->expect) {
	case EXPECT_MAIL:
		return true;
	case EXPECT_RCPT:
		return !a->mail_refused;
	case EXPECT_BODY:
		return !a->decided && a->accepted > 0;
	default:
		return false;
	}
}

void attempt_unanswered(struct attempt *a)
{
	struct connection *c = a->connection;
	enum lesson lesson = LESSON_NO_PIPELINING;
	bool again;

	/* Where a part of what came together was answered the rest was lost; where nothing was it is the host. */
	if (c->mode == MODE_LOCKSTEP || !a->heard || a->expect == EXPECT_END)
		return;
	if (c->mode == MODE_CHUNKING && a->expect == EXPECT_BODY) {
		if (!transport_drained(&c->transport))
			return;
		lesson = LESSON_NO_CHUNKING;
	}
	c->fell_back = true;
	again = learn(a, lesson, 0, span_text("no reply"));
	a->again = again && !a->end_written;
}

static struct fallback_fact fact_of(const struct attempt *a, const struct smtp_reply_parser *reply)
{
	return (struct fallback_fact){
		.command = asked(a),
		.pipelined = a->connection->mode != MODE_LOCKSTEP,
		.parameters = a->parameters,
		.behind = a->behind,
		.later = a->later,
		.enhanced = a->connection->extensions.enhanced_codes,
		.code = reply->code,
		.text = {reply->text, reply->text_length},
	};
}

bool attempt_teaches(const struct attempt *a, const struct smtp_reply_parser *reply)
{
	struct fallback_fact fact = fact_of(a, reply);

	return may_teach(a) && fallback_lesson(&fact) != LESSON_NONE;
}

bool attempt_reply(struct attempt *a, const struct smtp_reply_parser *reply, bool whole)
{
	const struct fallback_fact fact = fact_of(a, reply);
	enum lesson lesson = may_teach(a) ? fallback_lesson(&fact) : LESSON_NONE;

	/* Behind a RSET that was refused MAIL is refused for that reason, or because nothing is taken there. */
	if (a->reset_refused && lesson != LESSON_ALONE && a->expect == EXPECT_MAIL)
		lesson = LESSON_NONE;
	a->heard = true;
	/* The first digit decides (RFC 5321 4.2.1): 3yz asks for content, and only DATA has some to follow. */
	if (reply->code < 200 || (reply->code >= 300 && reply->code < 400 && a->expect != EXPECT_BODY) ||
	    fallback_misfit(&fact))
		return came_apart(a, reply);
	hear_of_the_end(a, reply);
	if (lesson != LESSON_NONE && !(a->expect == EXPECT_RCPT && a->end_written))
		return fall_back(a, &fact, lesson);
	if (lesson != LESSON_NONE)
		a->again = learn(a, lesson, fact.code, fact.text);
	switch (a->expect) {
	case EXPECT_RSET:
		return reply_reset(a, reply);
	case EXPECT_MAIL:
		if (a->reset_refused && reply->code >= 400)
			return false;
		reply_mail(a, reply);
		return true;
	case EXPECT_RCPT:
		reply_rcpt(a, reply);
		return true;
	case EXPECT_BODY:
		return a->connection->mode == MODE_CHUNKING ? reply_body_chunk(a, reply, whole)
							    : reply_body_data(a, reply);
	case EXPECT_END:
		return reply_end(a, reply, whole);
	default:
		return false;
	}
}

unsigned attempt_marks(const struct attempt *a)
{
	return a->expect == EXPECT_BODY && a->connection->mode == MODE_CHUNKING ? 2 : 1;
}

bool attempt_in_content(const struct attempt *a)
{
	return a->expect == EXPECT_END && a->step != STEP_WRITTEN;
}

bool attempt_over(const struct attempt *a)
{
	return a->expect == EXPECT_NOTHING;
}
