/*
 * core/deliver/attempt.c - see attempt.h.
 */
#include "core/deliver/attempt.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/agents/suppression.h"
#include "core/base/clock.h"
#include "core/config/config.h"
#include "core/deliver/attempt_private.h"
#include "core/deliver/budget.h"
#include "core/deliver/connection.h"
#include "core/deliver/hold.h"
#include "core/deliver/park.h"
#include "core/deliver/suits.h"
#include "core/deliver/tell.h"
#include "core/shard/shard.h"

enum {
	CROWD_S = 3600,     /* so long recipients go in the number that a host was seen to take */
	REFUSED_HERE = 550, /* as the next hop would have to */
	TOO_LARGE = 552,    /* RFC 1870 6.1 */
	ASKED_ANEW = 451,   /* what it offers is not known */
};

static const char asked_anew[] =
	"4.4.2 EHLO was not answered, and by HELO it is not known that the next hop offers what this message needs";

/* ---- loading ------------------------------------------------------------------------------------------------ */

/* Before it had a connection. -EBADMSG: the record is damaged; else the environment failed. */
static void cannot_load(struct attempt *a, int error, const char *why)
{
	struct outbound *o = a->outbound;
	struct delivery *d = a->delivery;
	struct outcome outcome = {
		.kind = OUTCOME_DAMAGED, .error = error, .reply = span_text(why), .stage = STAGE_CONTENT};
	const struct attempt_handlers *handlers = a->handlers;

	attempt_tell_damage(a, error, why, false);
	attempt_free(a);
	handlers->on_over(o, d, &outcome);
}

static void expire(struct attempt *a)
{
	struct outbound *o = a->outbound;
	const struct outcome outcome = {
		.kind = OUTCOME_LOST,
		.attempt = a,
		.reply = span_text(o->failure),
		.stage = o->failure_stage,
	};

	a->handlers->on_over(o, a->delivery, &outcome);
	attempt_free(a);
}

/* Who stands in the delivery; NULL: all of the mail's recipients. */
static const uint8_t *statuses(struct attempt *a, const struct mail *m)
{
	uint8_t *out = a->results == a->results_inline ? a->statuses_inline : a->results + m->recipients;
	unsigned i;

	if (!m->fates)
		return NULL;
	for (i = 0; i < m->recipients; i++)
		out[i] = mail_stands_in(m, a->delivery, i) ? RECIPIENT_PENDING : RECIPIENT_ELSEWHERE;
	return out;
}

static bool behind(const void *context, unsigned i)
{
	return i >= ((const struct exchange *)context)->end;
}

/* Those that one transaction does not take are tried apart, at once. Without memory they stay, and come next. */
static void leave_rest(struct attempt *a)
{
	struct mail *m = mail_of(a->delivery);
	struct shard *shard = a->outbound->shard;
	struct delivery *rest;
	unsigned i = a->exchange.end;

	while (i < m->recipients && !mail_stands_in(m, a->delivery, i))
		i++;
	if (i == m->recipients)
		return;
	rest = mail_tell_apart(m) < 0 ? NULL : mail_split(m, a->delivery, behind, &a->exchange);
	if (!rest)
		return;
	a->exchange.statuses = statuses(a, m);
	shard->store->due(shard, rest, STORE_DUE_NOW);
}

static uint64_t left_of(const struct outbound *o, const struct account *account)
{
	uint64_t when_ns;

	return account->day ? budget_left(account->day, o->shard->now_ns, &when_ns) : UINT32_MAX;
}

/* The most that one of those has who may sign in. What others have may be out of reach for hours. */
static uint64_t left_of_usable(const struct outbound *o, unsigned most)
{
	uint64_t left = 0;
	size_t i;

	for (i = 0; i < o->mailboxes->count && left < most; i++) {
		if (o->matching.at && !match_has(o->matching.at, i))
			continue;
		const struct mailbox *mailbox = o->mailboxes->entries[i].mailbox;
		uint64_t its = mailbox_held(mailbox) ? 0 : left_of(o, &mailbox->account);
		left = its > left ? its : left;
	}
	return left;
}

unsigned attempt_most_recipients(const struct outbound *o)
{
	unsigned most = o->destination->recipients_per_message, day = o->destination->limits.recipients_per_day;
	uint64_t left;

	/* First they are parted by their domains. */
	if (o->destination->mx && !o->mx)
		return ENVELOPE_RECIPIENTS_MAX;
	if (o->crowd_until_ns > o->shard->now_ns && o->crowd < most)
		most = o->crowd;
	if (!day)
		return most;
	most = most < day ? most : day;
	if (o->mailboxes && mailbox_all_held(o->mailboxes))
		return most;
	left = o->mailboxes ? left_of_usable(o, most) : left_of(o, o->account);
	return left >= most ? most : left ? (unsigned)left : 1;
}

static void loaded(struct attempt *a, int result)
{
	const struct mail *m = mail_of(a->delivery);

	a->view_held = true; /* also when it failed: a view is released in every case */
	if (result < 0) {
		cannot_load(a, result,
			    result == -EBADMSG ? "the message's record in the spool is damaged" : strerror(-result));
		return;
	}
	if (envelope_decode(a->view.envelope, a->view.envelope_length, &a->envelope) < 0 ||
	    a->envelope.recipients != m->recipients) {
		cannot_load(a, -EBADMSG, "the message's envelope in the spool is damaged");
		return;
	}
	exchange_init(&a->exchange, &(struct exchange_message){
					    .envelope = &a->envelope,
					    .statuses = statuses(a, m),
					    .results = a->results,
					    .content_length = m->content_length,
					    .most = attempt_most_recipients(a->outbound),
					    .last = m->item.part_count,
				    });
	if (a->expiring) {
		expire(a);
		return;
	}
	leave_rest(a);
	a->handlers->on_loaded(a);
}

static void on_loaded(struct spool_view *view, int result)
{
	struct attempt *a = container_of(view, struct attempt, view);
	const struct attempt_handlers *handlers = a->handlers;
	struct outbound *o = a->outbound;
	bool expiring = a->expiring;

	loaded(a, result);
	handlers->on_read(o, expiring);
}

enum attempt_started attempt_start(struct outbound *o, struct delivery *d, bool expiring,
				   const struct attempt_handlers *handlers)
{
	struct attempt *a = pool_acquire(&o->shard->deliverer->attempts);
	const struct mail *m = mail_of(d);

	if (!a)
		return ATTEMPT_NO_MEMORY;
	memset(a, 0, offsetof(struct attempt, exchange));
	a->outbound = o;
	a->delivery = d;
	a->expiring = expiring;
	a->handlers = handlers;
	a->results = a->results_inline;
	list_init(&a->link);
	if (m->recipients > ATTEMPT_RESULTS_INLINE) {
		a->results = calloc(2, m->recipients);
		if (!a->results) {
			pool_release(&o->shard->deliverer->attempts, a);
			return ATTEMPT_NO_MEMORY;
		}
	}
	if (spool_view(o->shard->store->spool, &a->view, &m->item.message, on_loaded)) {
		loaded(a, 0);
		return ATTEMPT_LOADED;
	}
	return ATTEMPT_READING;
}

struct delivery *attempt_undo(struct attempt *a)
{
	struct delivery *d = a->delivery;

	list_remove(&a->link);
	attempt_free(a);
	return d;
}

bool attempt_hand_on(struct attempt *a, struct outbound *to)
{
	if (mail_of(a->delivery)->recipients > attempt_most_recipients(to))
		return false;
	list_remove(&a->link);
	list_append(&to->loaded, &a->link);
	a->outbound = to;
	return true;
}

void attempt_give_up(struct attempt *a, const char *reason)
{
	const struct outcome outcome = {
		.kind = OUTCOME_LOST, .attempt = a, .reply = span_text(reason), .stage = STAGE_MAIL};

	list_remove(&a->link);
	a->handlers->on_over(a->outbound, a->delivery, &outcome);
	attempt_free(a);
}

/* HELO was said at once, for what another connection met: perhaps EHLO offers all that is wanted. */
static bool is_guess(const struct connection *c)
{
	return c->setup.helo && c->setup.terms.helo;
}

/* Somebody whom the attempt covers can be told to the host; `all`: everybody. */
static bool may_be_told(const struct attempt *a, bool all)
{
	struct span unused;
	unsigned i;

	for (i = a->exchange.first; i < a->exchange.end; i++) {
		if (exchange_pending(&a->exchange, i) && a->results[i] != ATTEMPT_WITHHELD &&
		    narrow_recipient(a->narrow, i, &unused) != all)
			return !all;
	}
	return all;
}

const char *attempt_narrow(struct attempt *a, const struct connection *c)
{
	const struct span identity = connection_identity(c);
	/* Where mail goes under a mailbox's name, that is what MAIL says (rewriting.h). */
	bool own = identity.length == 0 || a->envelope.sender.length == 0;

	narrow_free(a->narrow);
	a->narrow = NULL;
	if (!a->envelope.wide || c->setup.extensions.smtputf8)
		return NULL;
	a->narrow = narrow_new(&a->envelope, own ? a->envelope.sender : identity);
	return !a->narrow || may_be_told(a, is_guess(c)) ? NULL : narrow_refusal;
}

bool attempt_too_large(const struct attempt *a, const struct connection *c, char why[ATTEMPT_WHY])
{
	uint64_t most = c->setup.extensions.size_max;
	uint64_t octets = mail_of(a->delivery)->content_length + (uint64_t)a->growth;

	if (!c->setup.extensions.size_given || most == 0 || octets <= most)
		return false;
	snprintf(why, ATTEMPT_WHY, "5.3.4 The message has %llu octets, and the next hop takes no more than %llu",
		 (unsigned long long)octets, (unsigned long long)most);
	return true;
}

/* From here on they have failed like others. */
static void withheld_fail(struct attempt *a)
{
	unsigned i;

	for (i = a->exchange.first; a->exchange.withheld && i < a->exchange.end; i++) {
		if (a->results[i] == ATTEMPT_WITHHELD)
			a->results[i] = ATTEMPT_FAIL;
	}
}

/* Somebody is to be told to the host. */
static bool any_left(const struct attempt *a)
{
	unsigned i;

	for (i = a->exchange.first; i < a->exchange.end; i++) {
		if (exchange_pending(&a->exchange, i) && a->results[i] != ATTEMPT_WITHHELD)
			return true;
	}
	return false;
}

/* Its recipients have their results. */
static void refuse(struct attempt *a, struct connection *c, unsigned code, const char *why)
{
	bool guess = is_guess(c) && (c->transport.secured || !a->envelope.require_tls) && any_left(a);
	struct exchange *x = &a->exchange;

	/* The next connection asks again. */
	if (guess)
		lesson_forget(&c->host->lessons, LESSON_HELO);
	x->rules = a->outbound->destination->rules;
	x->lacks = connection_lacks(c);
	exchange_refuse(x, guess ? ASKED_ANEW : code, guess ? asked_anew : why);
}

static struct outcome answered(const struct attempt *a)
{
	const struct exchange *x = &a->exchange;

	return (struct outcome){
		.kind = OUTCOME_ANSWERED,
		.attempt = a,
		.started_ns = a->started_ns,
		.results = a->results,
		.reply = {x->reply, x->reply_length},
		.code = x->code,
		.stage = x->code_stage,
	};
}

/* The host was not asked, and has shown nothing. */
static void over_unasked(struct attempt *a)
{
	struct outcome outcome = answered(a);

	outcome.stage = STAGE_MAIL;
	withheld_fail(a);
	list_remove(&a->link);
	tell_attempt(a, &outcome);
	a->handlers->on_over(a->outbound, a->delivery, &outcome);
	attempt_free(a);
}

void attempt_refuse(struct attempt *a, struct connection *c, unsigned code, const char *why)
{
	a->connection = c;
	refuse(a, c, code, why);
	over_unasked(a);
}

void attempt_reject(struct attempt *a, const char *domain, unsigned code, const char *why)
{
	a->target = domain;
	a->exchange.rules = a->outbound->destination->rules;
	a->exchange.lacks = VERDICT_LACKS_LOGIN | VERDICT_LACKS_PATH;
	exchange_refuse(&a->exchange, code, why);
	over_unasked(a);
}

void attempt_give_back(struct attempt *a)
{
	struct outbound *o = a->outbound;
	struct delivery *d = attempt_undo(a);

	if (parks(d))
		park(o->shard, d);
	else
		lane_ready_first(&o->lane, d);
}

void attempt_give_back_loaded(struct outbound *o)
{
	/* Last to first, as each comes to the head of the line. */
	while (!list_empty(&o->loaded))
		attempt_give_back(container_of(o->loaded.prev, struct attempt, link));
}

bool attempt_parked(struct attempt *a)
{
	if (!parks(a->delivery))
		return false;
	attempt_give_back(a);
	return true;
}

/* ---- writing ------------------------------------------------------------------------------------------------ */

static bool say(struct attempt *a, const struct exchange_say *say)
{
	struct connection *c = a->connection;

	if (say->length > 0 && !transport_write(&c->transport, say->data, say->length))
		return false;
	if (say->end)
		transport_mark(&c->transport);
	c->replies_due += say->due;
	exchange_written(&a->exchange);
	attempt_release_past(a);
	return true;
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

static void learn_crowd(struct outbound *o, unsigned at_most)
{
	o->crowd = at_most;
	o->crowd_until_ns = o->shard->now_ns + CROWD_S * CLOCK_NS_PER_S;
}

/* Under the name of the mailbox, where that is wanted; so many octets longer. False: no memory. */
static bool begin_rewriting(struct attempt *a)
{
	const struct outbound *o = a->outbound;
	const struct span address = connection_identity(a->connection);
	struct rewriting *r;

	if (address.length == 0 ||
	    !rewriting_begin(o->shard->config, o->destination, &a->envelope, address, a->narrow != NULL, &a->rewriting))
		return true;
	r = a->rewriting;
	if (!r)
		return false;
	a->growth = REWRITING_GROWTH;
	if (a->exchange.last > 0)
		return true;
	if (rewriting_take(r, a->view.content, a->view.content_length, true) == REWRITING_NO_MEMORY)
		return false;
	a->growth = (int64_t)r->head.size - (int64_t)r->head.replaced;
	return true;
}

/* What a host that takes no 8-bit content is to be asked for is known only when all of it was looked at. */
static bool is_to_be_looked_at(const struct attempt *a)
{
	return (a->envelope.flags & ENVELOPE_EIGHT_BIT) && !a->connection->setup.extensions.eight_bit_mime &&
	       a->outbound->destination->eight_bit != CONFIG_EIGHT_BIT_SEND;
}

/* Before the first command. Others may have their turn meanwhile. */
static enum attempt_wrote prepare(struct attempt *a)
{
	struct connection *c = a->connection;
	const char *refusal = NULL;
	char why[ATTEMPT_WHY];
	enum attempt_wrote looked;

	if (a->damage)
		return ATTEMPT_TURNED_AWAY;
	if (!a->prepared && !begin_rewriting(a))
		return attempt_damaged_before(a, -ENOMEM, "no memory to rewrite its header");
	a->prepared = true;
	if (!is_to_be_looked_at(a))
		return ATTEMPT_WRITTEN;
	looked = attempt_look(a, &refusal);
	a->elsewhere = refusal && suits_elsewhere(a, c);
	if (refusal && !a->elsewhere)
		refuse(a, c, REFUSED_HERE, refusal);
	if (looked != ATTEMPT_WRITTEN || !attempt_too_large(a, c, why))
		return looked;
	refuse(a, c, TOO_LARGE, why);
	return ATTEMPT_TURNED_AWAY;
}

/* Those whom the host is not asked for have a reply of their own, which is ours. */
static void tell_withheld(struct attempt *a)
{
	struct smtp_reply_parser reply = {.code = REFUSED_HERE};
	const struct exchange *x = &a->exchange;
	struct span unused;
	unsigned i;

	for (i = x->first; x->withheld && i < x->end; i++) {
		const char *why =
			a->narrow && !narrow_recipient(a->narrow, i, &unused) ? narrow_refusal : SUPPRESSION_REFUSAL;
		if (x->results[i] != ATTEMPT_WITHHELD)
			continue;
		reply.text_length = (uint16_t)strlen(why);
		memcpy(reply.text, why, reply.text_length);
		results_refused(a, i, &reply);
	}
}

static void begin(struct attempt *a)
{
	struct connection *c = a->connection;
	uint64_t now_ns = a->outbound->shard->now_ns;
	bool plain = lesson_in_force(&c->host->lessons, LESSON_PLAIN_MAIL, now_ns), reset = needs_reset(a);
	struct exchange_terms terms = {
		.mode = c->mode,
		.size = c->setup.extensions.size_given && !plain,
		.eight_bit = c->setup.extensions.eight_bit_mime && !plain,
		.dsn = c->setup.extensions.dsn && !plain && !lesson_in_force(&c->host->lessons, LESSON_NO_DSN, now_ns),
		.named = lesson_in_force(&c->host->lessons, LESSON_NAMED, now_ns),
		.most = c->setup.extensions.recipients_max,
		.narrow = a->narrow,
		.converted = a->converted,
		.wide_header = a->converted && converting_leaves_some(a->converting),
		.growth = a->growth,
		.enhanced = c->setup.extensions.enhanced_codes,
		.reset = reset,
		.behind = c->attempts.next != &a->link,
		.later = !reset && c->messages > 1,
		.may_go_again = a->delivery->fallbacks < LESSON_MESSAGE_COUNT,
	};

	a->started = true;
	a->started_ns = now_ns;
	c->reset_next = false;
	/* So that messages which are loaded from now on are cut in time. */
	if (terms.most > 0 && mail_of(a->delivery)->recipients > terms.most)
		learn_crowd(a->outbound, terms.most);
	if (a->rewriting && !a->rewriting->null)
		terms.sender = a->rewriting->address;
	exchange_begin(&a->exchange, &terms);
	tell_withheld(a);
	/* Without memory attempt_narrow() has made none. */
	if (a->envelope.wide && !c->setup.extensions.smtputf8 && !a->narrow)
		(void)attempt_no_memory(a);
}

/* The content has left this attempt's hands; its memory is of use to others. */
static void all_written(struct attempt *a)
{
	if (!a->view_held)
		return;
	results_keep(a);
	rewriting_written(a->rewriting);
	attempt_stop_converting(a);
	spool_view_release(&a->view);
	a->view_held = false;
}

enum attempt_wrote attempt_write(struct attempt *a)
{
	struct exchange *x = &a->exchange;
	uint8_t out[EXCHANGE_OUT];
	struct exchange_say now;
	enum attempt_wrote given;

	if (!a->started) {
		given = prepare(a);
		if (given != ATTEMPT_WRITTEN)
			return given;
		begin(a);
	}
	if (a->exchange.broken)
		return ATTEMPT_DAMAGED;
	for (;;) {
		switch (exchange_write(x, out, transport_room(&a->connection->transport), &now)) {
		case EXCHANGE_SAY:
			if (!say(a, &now))
				return ATTEMPT_WAITS;
			break;
		case EXCHANGE_PIECE:
			given = attempt_give_piece(a);
			if (given != ATTEMPT_WRITTEN)
				return given;
			break;
		case EXCHANGE_DAMAGE:
			/* It was refused at the door, so this is either damage or our own fault. */
			if (!attempt_damaged(a, -EBADMSG, "the content in the spool has a bare CR, bare LF or NUL"))
				return ATTEMPT_DAMAGED;
			break;
		case EXCHANGE_ROOM:
		case EXCHANGE_WAIT:
			return ATTEMPT_WAITS;
		case EXCHANGE_DONE:
			all_written(a);
			return ATTEMPT_WRITTEN;
		}
	}
}

/* ---- the end ------------------------------------------------------------------------------------------------ */

/* A message that the host dealt with lets go what is held there. */
static void note_passage(struct attempt *a, const struct outcome *outcome)
{
	struct host *host = a->connection->host;
	bool sent;

	if (outcome->kind != OUTCOME_ANSWERED)
		return;
	/* The usual case: nothing is held anywhere. */
	if (!hold_in_force(host->hold) && host->held_in_row == 0 && a->delivery->holds == 0)
		return;
	sent = exchange_any_sent(&a->exchange);
	if (!a->exchange.held)
		hold_passed(a->outbound, host, a->delivery, outcome->stage, sent);
	else if (sent)
		host->held_in_row = 0; /* it takes mail, be it not for all */
}

static void finish(struct attempt *a, const struct outcome *outcome)
{
	struct outbound *o = a->outbound;
	struct delivery *d = a->delivery;

	withheld_fail(a);
	tell_attempt(a, outcome);
	list_remove(&a->link);
	note_passage(a, outcome);
	a->handlers->on_over(o, d, outcome);
	if (a->part_loading)
		a->orphan = true; /* on_part_loaded() frees it */
	else
		attempt_free(a);
}

/* The fault is ours: neither the host nor the messages beside it have to do with it. */
static void finish_damaged(struct attempt *a)
{
	const struct outcome outcome = {.kind = OUTCOME_DAMAGED,
					.error = a->damage_error,
					.reply = span_text(a->damage),
					.stage = STAGE_CONTENT};

	finish(a, &outcome);
}

static void note(uint8_t *times)
{
	if (*times < UINT8_MAX)
		(*times)++;
}

/* This host need not be asked again. */
static bool settled_here(uint8_t result)
{
	return result == ATTEMPT_FAIL || result == ATTEMPT_OTHER_PATH || result == ATTEMPT_WITHHELD;
}

static unsigned refused_for_good(const struct attempt *a)
{
	unsigned refused = 0, i;

	for (i = a->exchange.first; i < a->exchange.end; i++)
		refused += settled_here(a->results[i]);
	return refused;
}

/*
 * The host told that the connection takes no more, as many do after so many errors, and some recipients had been
 * refused for good by then: they stay refused. Else all would be tried again, with the same end, and those that the
 * host knows never get their mail.
 */
static void keep_refusals(struct attempt *a)
{
	unsigned i;

	for (i = a->exchange.first; i < a->exchange.end; i++) {
		if (!settled_here(a->results[i]))
			a->results[i] = ATTEMPT_NONE;
	}
	a->connection->got_on = true;
}

/* The connection ended, or is about to, before the message had its verdict. */
static void cut(struct attempt *a, struct verdict_cut *fact, struct outcome *outcome)
{
	struct verdict_ending ending;

	fact->command = a->exchange.again;
	fact->refused = a->exchange.passed && refused_for_good(a) > 0;
	fact->taken = a->connection->answered;
	fact->crowd = exchange_crowd(&a->exchange);
	fact->broken = a->delivery->broken;
	fact->unknown = a->delivery->unknown;
	ending = verdict_cut(fact);
	outcome->kind = ending.kind;
	outcome->again = ending.again;
	if (ending.at_most > 0)
		learn_crowd(a->outbound, ending.at_most);
	if (ending.broken)
		note(&a->delivery->broken);
	if (ending.unknown)
		note(&a->delivery->unknown);
	if (ending.kind == OUTCOME_ANSWERED) {
		keep_refusals(a);
		outcome->results = a->results;
	}
}

void attempt_finish(struct attempt *a)
{
	const struct exchange *x = &a->exchange;
	struct verdict_cut told = {.next = true, .begun = true, .unread = true, .between = x->blameless};
	struct outcome outcome = answered(a);

	outcome.host_held = a->host_held;
	if (a->damage) {
		finish_damaged(a);
		return;
	}
	if (x->again || (x->passed && !x->held && !exchange_any_sent(x)))
		cut(a, &told, &outcome);
	finish(a, &outcome);
}

/* Nothing of it was sent: it has used nothing of what is limited. */
static void give_back(struct attempt *a)
{
	struct mailbox *mailbox = a->connection->mailbox;
	struct account *account = mailbox ? &mailbox->account : a->outbound->account;

	if (a->granted)
		budget_give_back(account->day, a->granted_ns, a->granted);
	account_give_back(account, &a->outbound->destination->limits, mail_of(a->delivery)->content_length,
			  a->granted_ns);
}

void attempt_turn_away(struct attempt *a)
{
	if (a->granted_ns)
		give_back(a);
	if (a->damage)
		finish_damaged(a);
	else if (a->elsewhere)
		attempt_give_back(a);
	else
		over_unasked(a);
}

void attempt_abandon(struct attempt *a, enum stage stage, const char *reason)
{
	const struct exchange *x = &a->exchange;
	struct connection *c = a->connection;
	bool first = c->attempts.next == &a->link;
	struct outcome outcome = {.attempt = a, .reply = span_text(reason), .stage = stage};
	struct verdict_cut fact = {
		.next = first,
		.begun = x->any_written,
		.end_written = x->end_written,
		.unread = c->told || (c->none_behind && !first),
		.between = x->expect <= EXPECT_MAIL,
		.ours = c->ours || a->outbound->shard->draining,
	};

	c->attempt_count--;
	if (!x->any_written && a->granted_ns)
		give_back(a);
	/* Its verdict was heard, the replies to the rest of its commands were not needed; or the fault is ours. */
	if (a->damage || x->decided || x->dot_only) {
		c->got_on |= x->decided && !a->damage && !x->again && !x->passed;
		attempt_finish(a);
		return;
	}
	cut(a, &fact, &outcome);
	finish(a, &outcome);
}
