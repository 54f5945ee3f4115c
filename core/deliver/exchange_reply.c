/*
 * core/deliver/exchange_reply.c - what the next hop's replies mean to an exchange and to its recipients.
 */
#include <assert.h>
#include <string.h>

#include "core/deliver/exchange.h"
#include "core/deliver/exchange_private.h"
#include "core/deliver/session_limit.h"

static struct span text_of(const struct smtp_reply_parser *reply)
{
	return (struct span){reply->text, reply->text_length};
}

static struct ruling judge(const struct exchange *x, enum stage stage, const struct smtp_reply_parser *reply)
{
	const struct verdict_fact fact = {stage, reply->code, text_of(reply)};

	return verdict_judge_lacking(&fact, x->rules, x->lacks);
}

/* What is to be done for it beside the verdict. */
static unsigned sign_of(enum verdict_action action)
{
	switch (action) {
	case ACTION_SLOW:
		return HEARD_SLOW;
	case ACTION_LEAVE_MAILBOX:
		return HEARD_LEAVE;
	case ACTION_SIGN_IN:
		return HEARD_SIGN_IN;
	default:
		return 0;
	}
}

/* The reply worth keeping is the worst: a failure rather than a deferral, else the last one. */
static void remember(struct exchange *x, const struct smtp_reply_parser *reply, enum stage stage,
		     const struct ruling *ruling, struct exchange_heard *heard)
{
	if (ruling->verdict == VERDICT_HOLD) {
		heard->signs |= x->held ? HEARD_HELD | HEARD_HELD_BEFORE : HEARD_HELD;
		heard->ruling = *ruling;
		x->held = true;
	}
	if (sign_of(ruling->action)) {
		heard->signs |= sign_of(ruling->action);
		heard->ruling = *ruling;
	}
	/* Whatever was refused: some servers keep the transaction open (RFC 3030 lets them). Clear it before the next.
	 */
	if (ruling->verdict != VERDICT_SENT)
		heard->signs |= HEARD_RESET;
	if (x->code != 0 && ruling->verdict < (enum verdict)x->code_verdict)
		return;
	x->code = reply->code;
	x->code_verdict = (uint8_t)ruling->verdict;
	x->code_stage = (uint8_t)stage;
	x->reply_length = reply->text_length > EXCHANGE_REPLY_MAX ? EXCHANGE_REPLY_MAX : reply->text_length;
	memcpy(x->reply, reply->text, x->reply_length);
}

static enum attempt_result result_of(const struct exchange *x, const struct ruling *ruling)
{
	static const enum attempt_result results[] = {
		[VERDICT_SENT] = ATTEMPT_SENT,
		[VERDICT_DEFER] = ATTEMPT_DEFER,
		[VERDICT_HOLD] = ATTEMPT_HOLD,
		[VERDICT_FAIL] = ATTEMPT_FAIL,
	};

	if (ruling->action == ACTION_OTHER_PATH)
		return ATTEMPT_OTHER_PATH;
	/* Over a connection that is signed in anew, at once, but not for ever. */
	if (ruling->action == ACTION_SIGN_IN && x->terms.may_go_again)
		return ATTEMPT_NONE;
	return results[ruling->verdict];
}

/* The verdict for every recipient the next hop had accepted so far (or, at MAIL, for all). */
static void decide(struct exchange *x, const struct ruling *ruling, bool all)
{
	enum attempt_result result = result_of(x, ruling);
	unsigned i;

	for (i = x->first; i < x->end; i++) {
		if (!exchange_said(x, i))
			continue;
		if (all || x->results[i] == ATTEMPT_ACCEPTED)
			x->results[i] = (uint8_t)result;
	}
	x->decided = true;
}

/* The reply decides for those accepted. */
static void decide_by(struct exchange *x, const struct smtp_reply_parser *reply, enum stage stage,
		      struct exchange_heard *heard)
{
	struct ruling ruling = judge(x, stage, reply);

	remember(x, reply, stage, &ruling, heard);
	decide(x, &ruling, false);
}

static void skip_to_pending(struct exchange *x)
{
	while (x->rcpt_reply < x->end && !exchange_said(x, x->rcpt_reply))
		x->rcpt_reply++;
}

static void reply_mail(struct exchange *x, const struct smtp_reply_parser *reply, struct exchange_heard *heard)
{
	struct ruling ruling = judge(x, STAGE_MAIL, reply);

	exchange_await(x, EXPECT_RCPT);
	skip_to_pending(x);
	if (ruling.verdict == VERDICT_SENT)
		return;
	/* Without parameters it is no better: it was not they. */
	if (!x->parameters && !x->require_tls && reply->code >= 500)
		heard->signs |= HEARD_NOT_PLAIN;
	remember(x, reply, STAGE_MAIL, &ruling, heard);
	x->mail_refused = true;
	decide(x, &ruling, true);
	if (x->terms.mode == MODE_LOCKSTEP)
		exchange_await(x, EXPECT_NOTHING);
}

static void one_recipient(struct exchange *x, const struct smtp_reply_parser *reply, struct exchange_heard *heard)
{
	struct ruling ruling = judge(x, STAGE_RCPT, reply);

	if (ruling.verdict == VERDICT_SENT) {
		x->results[x->rcpt_reply] = ATTEMPT_ACCEPTED;
		x->accepted++;
		return;
	}
	/* NONE: it has not been tried, as those that were too many for one attempt have not. */
	if (!ruling.too_many || x->accepted == 0)
		x->results[x->rcpt_reply] = (uint8_t)result_of(x, &ruling);
	remember(x, reply, STAGE_RCPT, &ruling, heard);
	heard->signs |= HEARD_RECIPIENT;
	heard->index = x->rcpt_reply;
}

static void reply_rcpt(struct exchange *x, const struct smtp_reply_parser *reply, struct exchange_heard *heard)
{
	if (x->again && !x->mail_refused) {
		x->results[x->rcpt_reply] = ATTEMPT_NONE; /* see fall_back() */
		x->again = false;
		heard->signs |= HEARD_RESET;
	} else if (!x->mail_refused) {
		one_recipient(x, reply, heard);
	}
	x->rcpt_reply++;
	skip_to_pending(x);
	if (x->rcpt_reply < x->end)
		return;
	exchange_await(x, EXPECT_BODY);
	if (x->accepted == 0) {
		x->decided = true;
		if (x->terms.mode == MODE_LOCKSTEP)
			exchange_await(x, EXPECT_NOTHING);
	}
	/* In case the body was cut short before this reply. */
	if (x->terms.mode == MODE_CHUNKING && x->step == STEP_WRITTEN && x->chunks_begun == 0)
		exchange_await(x, EXPECT_NOTHING);
}

void exchange_refuse(struct exchange *x, unsigned code, const char *text)
{
	struct smtp_reply_parser reply = {.code = (uint16_t)code, .text_length = (uint16_t)strlen(text)};
	struct exchange_heard heard = {.stage = STAGE_MAIL};
	struct ruling ruling;

	assert(!x->any_written && reply.text_length <= sizeof(reply.text));
	memcpy(reply.text, text, reply.text_length);
	ruling = judge(x, STAGE_MAIL, &reply);
	remember(x, &reply, STAGE_MAIL, &ruling, &heard);
	decide(x, &ruling, true);
}

/* ---- the connection and the host ---------------------------------------------------------------------------- */

static enum exchange_go broken(struct exchange *x, enum exchange_break why, struct exchange_heard *heard)
{
	x->broken = true;
	heard->why = why;
	return EXCHANGE_BREAK;
}

static enum exchange_go unexpected(struct exchange *x, struct exchange_heard *heard)
{
	return broken(x, x->again ? BREAK_COMMAND : BREAK_UNEXPECTED, heard);
}

static enum exchange_go so_far(const struct exchange *x)
{
	return exchange_over(x) ? EXCHANGE_OVER : EXCHANGE_GO_ON;
}

/* The host does not bear something, and the message goes again at once. Not where it has made as many of these rounds
 * as there are lessons: then it waits like any other. */
static void learn(struct exchange *x, enum lesson lesson, struct exchange_heard *heard)
{
	heard->signs |= HEARD_LESSON;
	heard->lesson = lesson;
	x->again = x->terms.may_go_again;
}

/* A reply that shows that replies and commands have come apart. One at a time they cannot. What was not surely accepted
 * is not recorded as delivered. */
static enum exchange_go came_apart(struct exchange *x, struct exchange_heard *heard)
{
	if (x->terms.mode == MODE_LOCKSTEP)
		return unexpected(x, heard);
	heard->signs |= HEARD_FELL_BACK;
	learn(x, LESSON_NO_PIPELINING, heard);
	x->again = x->again && !x->end_written;
	return unexpected(x, heard);
}

/*
 * The connection takes no more: 421 (RFC 5321 3.8, 4.2.3), or a limit of messages that is told to every MAIL. Replies
 * come in order, so nothing behind was accepted. Before the end of a message's content such a reply is not about it.
 */
static void hear_of_the_end(struct exchange *x, const struct smtp_reply_parser *reply, unsigned taken,
			    struct exchange_heard *heard)
{
	if (reply->code != 421 && !(x->expect == EXPECT_MAIL && session_limit_told(reply, taken)))
		return;
	heard->signs |= HEARD_TOLD;
	if (x->passed || (x->expect >= EXPECT_BODY && x->end_written))
		return;
	x->passed = true;
	x->crowded = x->expect == EXPECT_RCPT;
	x->blameless = x->expect <= EXPECT_MAIL && taken > 0;
	if (x->blameless)
		heard->signs |= HEARD_LIMIT;
}

/*
 * RSET was refused. Nobody knows what would become of a MAIL that is not written yet. One that is under way begins a
 * new transaction if it is taken, since that forgets what was before (RFC 5321 4.1.1.2).
 */
static enum exchange_go reply_reset(struct exchange *x, const struct smtp_reply_parser *reply,
				    struct exchange_heard *heard)
{
	exchange_await(x, EXPECT_MAIL);
	if (reply->code >= 200 && reply->code < 300)
		return EXCHANGE_GO_ON;
	heard->signs |= HEARD_NO_RESET;
	x->reset_refused = true;
	if (reply->code >= 400 && reply->code != 421 && x->step != STEP_MAIL)
		return EXCHANGE_GO_ON;
	return unexpected(x, heard);
}

/* ---- the content -------------------------------------------------------------------------------------------- */

static enum exchange_go reply_body_data(struct exchange *x, const struct smtp_reply_parser *reply,
					struct exchange_heard *heard)
{
	if (reply->code < 400 && reply->code >= 300) {
		x->body_accepted = true;
		/* All recipients refused and yet 3yz: end the data at once, nothing is delivered by it (POL-02). */
		x->dot_only = x->decided;
		x->decided = false;
		exchange_await(x, EXPECT_END);
		return EXCHANGE_GO_ON;
	}
	if (reply->code < 400)
		return came_apart(x, heard); /* 250 where the content should follow */
	if (!x->decided)
		decide_by(x, reply, STAGE_DATA, heard);
	exchange_await(x, EXPECT_NOTHING);
	return EXCHANGE_OVER;
}

/* The next hop answers while its content is still being written. A refusal is heard, but the rest of the content would
 * be read as commands or not: nobody knows, so the connection ends. Anything else makes no sense. */
static enum exchange_go refused_early(struct exchange *x, const struct smtp_reply_parser *reply,
				      struct exchange_heard *heard)
{
	if (reply->code < 400)
		return unexpected(x, heard);
	if (!x->decided)
		decide_by(x, reply, STAGE_CONTENT, heard);
	exchange_await(x, EXPECT_NOTHING);
	return broken(x, BREAK_EARLY, heard);
}

static enum exchange_go reply_body_chunk(struct exchange *x, const struct smtp_reply_parser *reply, bool whole,
					 struct exchange_heard *heard)
{
	bool last;

	if (reply->code >= 300 && reply->code < 400)
		return unexpected(x, heard);
	/* The answer to a chunk before all of it was sent: taken it cannot have been. */
	if (!whole || x->chunk_replies == x->chunks_written)
		return refused_early(x, reply, heard);
	x->chunk_replies++;
	/* The last one sent, be it that there was more: see cut_short(). */
	last = x->step == STEP_WRITTEN && x->chunk_replies == x->chunks_begun;
	/* A yes to what is damaged is no yes to the message: LAST was never said. */
	if (!x->decided && (reply->code >= 400 || (last && !x->damaged)))
		decide_by(x, reply, STAGE_CONTENT, heard);
	if (last)
		exchange_await(x, EXPECT_NOTHING);
	return so_far(x);
}

static enum exchange_go reply_end(struct exchange *x, const struct smtp_reply_parser *reply, bool whole,
				  struct exchange_heard *heard)
{
	if (!whole || x->step != STEP_WRITTEN)
		return refused_early(x, reply, heard);
	if (!x->dot_only)
		decide_by(x, reply, STAGE_CONTENT, heard);
	x->decided = true;
	exchange_await(x, EXPECT_NOTHING);
	return EXCHANGE_OVER;
}

/* ---- fallbacks ---------------------------------------------------------------------------------------------- */

static enum fallback_command asked(const struct exchange *x)
{
	switch (x->expect) {
	case EXPECT_RSET:
		return FALLBACK_RSET;
	case EXPECT_MAIL:
		return FALLBACK_MAIL;
	case EXPECT_RCPT:
		return FALLBACK_RCPT;
	case EXPECT_BODY:
		return x->terms.mode == MODE_CHUNKING ? FALLBACK_BDAT : FALLBACK_DATA;
	default:
		return FALLBACK_END;
	}
}

enum stage exchange_stage(const struct exchange *x)
{
	static const enum stage stages[] = {
		[FALLBACK_RSET] = STAGE_MAIL, [FALLBACK_MAIL] = STAGE_MAIL,    [FALLBACK_RCPT] = STAGE_RCPT,
		[FALLBACK_DATA] = STAGE_DATA, [FALLBACK_BDAT] = STAGE_CONTENT, [FALLBACK_END] = STAGE_CONTENT};

	return stages[asked(x)];
}

static struct fallback_fact fact_of(const struct exchange *x, const struct smtp_reply_parser *reply)
{
	return (struct fallback_fact){
		.command = asked(x),
		.pipelined = x->terms.mode != MODE_LOCKSTEP,
		.parameters = x->parameters,
		.wishes = x->wishes,
		.unnamed = x->unnamed,
		.behind = x->terms.behind,
		.later = x->terms.later,
		.enhanced = x->terms.enhanced,
		.code = reply->code,
		.text = text_of(reply),
	};
}

/*
 * The command was refused, not the message. Mostly the connection ends: content was sent that may be read as commands,
 * or a reply is missing. It goes on behind a MAIL in need of RSET, where nothing can have come apart. (And behind one
 * of several RCPT whose message is sent already: the others may be taken, and it with them.)
 */
static enum exchange_go fall_back(struct exchange *x, enum lesson lesson, unsigned code, struct exchange_heard *heard)
{
	learn(x, lesson, heard);
	if (lesson == LESSON_RESET && x->again) {
		heard->signs |= HEARD_RESET;
		x->mail_refused = true;
		x->decided = true;
		exchange_await(x, EXPECT_RCPT);
		skip_to_pending(x);
		if (x->terms.mode == MODE_LOCKSTEP)
			exchange_await(x, EXPECT_NOTHING);
		return so_far(x);
	}
	heard->signs |= HEARD_FELL_BACK;
	/* BDAT or what is behind a message is not known there at all. */
	if (lesson == LESSON_ALONE || (lesson == LESSON_NO_CHUNKING && code != 501))
		heard->signs |= HEARD_NONE_BEHIND;
	return unexpected(x, heard);
}

static bool may_teach(const struct exchange *x)
{
	switch (x->expect) {
	case EXPECT_MAIL:
		return true;
	case EXPECT_RCPT:
		return !x->mail_refused;
	case EXPECT_BODY:
		return !x->decided && x->accepted > 0;
	default:
		return false;
	}
}

bool exchange_teaches(const struct exchange *x, const struct smtp_reply_parser *reply)
{
	struct fallback_fact fact = fact_of(x, reply);

	return may_teach(x) && fallback_lesson(&fact) != LESSON_NONE;
}

void exchange_unanswered(struct exchange *x, bool drained, struct exchange_heard *heard)
{
	enum lesson lesson = LESSON_NO_PIPELINING;

	*heard = (struct exchange_heard){.stage = exchange_stage(x)};
	x->broken = true;
	/* Where a part of what came together was answered the rest was lost; where nothing was it is the host. */
	if (x->terms.mode == MODE_LOCKSTEP || !x->heard || x->expect == EXPECT_END)
		return;
	if (x->terms.mode == MODE_CHUNKING && x->expect == EXPECT_BODY) {
		if (!drained)
			return;
		lesson = LESSON_NO_CHUNKING;
	}
	heard->signs |= HEARD_FELL_BACK;
	learn(x, lesson, heard);
	x->again = x->again && !x->end_written;
}

/* ---- replies ------------------------------------------------------------------------------------------------ */

static enum exchange_go answer(struct exchange *x, const struct smtp_reply_parser *reply, bool whole,
			       struct exchange_heard *heard)
{
	switch (x->expect) {
	case EXPECT_RSET:
		return reply_reset(x, reply, heard);
	case EXPECT_MAIL:
		if (x->reset_refused && reply->code >= 400)
			return unexpected(x, heard);
		reply_mail(x, reply, heard);
		return so_far(x);
	case EXPECT_RCPT:
		reply_rcpt(x, reply, heard);
		return so_far(x);
	case EXPECT_BODY:
		return x->terms.mode == MODE_CHUNKING ? reply_body_chunk(x, reply, whole, heard)
						      : reply_body_data(x, reply, heard);
	case EXPECT_END:
		return reply_end(x, reply, whole, heard);
	default:
		return unexpected(x, heard);
	}
}

enum exchange_go exchange_reply(struct exchange *x, const struct smtp_reply_parser *reply, bool whole, unsigned taken,
				struct exchange_heard *heard)
{
	const struct fallback_fact fact = fact_of(x, reply);
	enum lesson lesson = may_teach(x) ? fallback_lesson(&fact) : LESSON_NONE;

	assert(!x->broken);
	heard->signs = 0;
	heard->stage = exchange_stage(x);
	/* Behind a RSET that was refused MAIL is refused for that reason, or because nothing is taken there. */
	if (x->reset_refused && lesson != LESSON_ALONE && x->expect == EXPECT_MAIL)
		lesson = LESSON_NONE;
	x->heard = true;
	if (x->due > 0)
		x->due--;
	/* The first digit decides (RFC 5321 4.2.1): 3yz asks for content, and only DATA has some to follow. */
	if (reply->code < 200 || (reply->code >= 300 && reply->code < 400 && x->expect != EXPECT_BODY) ||
	    fallback_misfit(&fact))
		return came_apart(x, heard);
	hear_of_the_end(x, reply, taken, heard);
	if (lesson != LESSON_NONE && !(x->expect == EXPECT_RCPT && x->end_written))
		return fall_back(x, lesson, fact.code, heard);
	if (lesson != LESSON_NONE)
		learn(x, lesson, heard);
	return answer(x, reply, whole, heard);
}

unsigned exchange_ends(const struct exchange *x)
{
	return x->expect == EXPECT_BODY && x->terms.mode == MODE_CHUNKING ? 2 : 1;
}

unsigned exchange_crowd(const struct exchange *x)
{
	return x->crowded || x->expect == EXPECT_RCPT ? x->accepted : 0;
}

bool exchange_in_content(const struct exchange *x)
{
	return x->expect == EXPECT_END && x->step != STEP_WRITTEN;
}
