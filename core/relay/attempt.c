/*
 * core/relay/attempt.c - see attempt.h. The life of an attempt: loaded, and at its end settled. What it
 * writes is in attempt_write.c, what replies mean to it in attempt_reply.c.
 */
#include "core/relay/attempt.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/relay/attempt_private.h"
#include "core/relay/events.h"
#include "queue/state.h"

/* ---- loading ------------------------------------------------------------------------------------------------ */

void attempt_free(struct attempt *a)
{
	if (a->view_held)
		spool_view_release(&a->view);
	if (a->part_held)
		spool_view_release(&a->part);
	if (a->results != a->results_inline)
		free(a->results);
	results_free(a);
	pool_release(&a->outbound->shard->deliverer->attempts, a);
}

bool attempt_pending(const struct attempt *a, unsigned i)
{
	const uint8_t *statuses = a->delivery->statuses;

	return !statuses || statuses[i] == RECIPIENT_PENDING;
}

/* The recipients this attempt covers: the pending ones, up to the destination's limit. */
static void choose_recipients(struct attempt *a)
{
	unsigned count = 0, i;
	unsigned max = a->outbound->destination->recipients_per_message;

	for (i = 0; i < a->delivery->recipients; i++) {
		if (!attempt_pending(a, i))
			continue;
		if (count == max)
			break;
		if (count == 0)
			a->rcpt_first = (uint16_t)i;
		count++;
		a->rcpt_end = (uint16_t)(i + 1);
	}
	a->rcpt_reply = a->rcpt_first;
}

/* Told while the envelope is in memory. */
static void tell_damage(const struct attempt *a, int error, const char *why, bool envelope)
{
	if (outcome_damaged(error))
		event_damaged(a, why, envelope);
	else
		event_unreadable(a, why);
}

/* Before it had a connection. -EBADMSG: the record is damaged; else the environment failed. */
static void cannot_load(struct attempt *a, int error, const char *why)
{
	struct outbound *o = a->outbound;
	struct delivery *d = a->delivery;
	struct outcome outcome = {
		.kind = OUTCOME_DAMAGED, .error = error, .reply = span_text(why), .stage = STAGE_CONTENT};

	tell_damage(a, error, why, false);
	attempt_free(a);
	settle(o, d, &outcome);
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

	settle(o, a->delivery, &outcome);
	attempt_free(a);
}

static void loaded(struct attempt *a, int result)
{
	struct outbound *o = a->outbound;

	a->view_held = true; /* also when it failed: a view is released in every case */
	if (result < 0) {
		cannot_load(a, result,
			    result == -EBADMSG ? "the message's record in the spool is damaged" : strerror(-result));
		return;
	}
	if (envelope_decode(a->view.envelope, a->view.envelope_length, &a->envelope) < 0 ||
	    a->envelope.recipients != a->delivery->recipients) {
		cannot_load(a, -EBADMSG, "the message's envelope in the spool is damaged");
		return;
	}
	choose_recipients(a);
	if (a->expiring)
		expire(a);
	else
		list_append(&o->loaded, &a->link);
}

static void on_loaded(struct spool_view *view, int result)
{
	struct attempt *a = container_of(view, struct attempt, view);
	struct outbound *o = a->outbound;
	bool expiring = a->expiring;

	o->loading--;
	loaded(a, result);
	if (expiring)
		outbound_expire(o); /* the next one */
	outbound_wake(o->shard, o->index);
}

static bool start(struct outbound *o, struct delivery *d, bool expiring)
{
	struct attempt *a = pool_acquire(&o->shard->deliverer->attempts);

	if (!a)
		return false;
	memset(a, 0, offsetof(struct attempt, reply));
	a->outbound = o;
	a->delivery = d;
	a->expiring = expiring;
	a->results = a->results_inline;
	list_init(&a->link);
	if (d->recipients > ATTEMPT_RESULTS_INLINE) {
		a->results = calloc(1, d->recipients);
		if (!a->results) {
			pool_release(&o->shard->deliverer->attempts, a);
			return false;
		}
	}
	d->item.busy = true;
	if (spool_view(o->shard->store->spool, &a->view, &d->item.message, on_loaded))
		loaded(a, 0);
	else
		o->loading++;
	return true;
}

bool attempt_start(struct outbound *o, struct delivery *d)
{
	return start(o, d, false);
}

bool attempt_expire(struct outbound *o, struct delivery *d)
{
	return start(o, d, true);
}

/* ---- the end ------------------------------------------------------------------------------------------------ */

/* A message that the host dealt with lets go what is held there. */
static void note_passage(struct attempt *a, const struct outcome *outcome)
{
	struct host *host = a->connection->host;
	bool sent = false;
	unsigned i;

	if (outcome->kind != OUTCOME_ANSWERED)
		return;
	/* The usual case: nothing is held anywhere. */
	if (!hold_in_force(host->hold) && host->held_in_row == 0 && a->delivery->holds == 0)
		return;
	for (i = a->rcpt_first; i < a->rcpt_end; i++)
		sent = sent || outcome->results[i] == ATTEMPT_SENT;
	if (!a->held)
		hold_passed(a->outbound, host, a->delivery, outcome->stage, sent);
	else if (sent)
		host->held_in_row = 0; /* it takes mail, be it not for all */
}

static void finish(struct attempt *a, const struct outcome *outcome)
{
	struct outbound *o = a->outbound;
	struct delivery *d = a->delivery;

	event_attempt(a, outcome);
	list_remove(&a->link);
	note_passage(a, outcome);
	settle(o, d, outcome);
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

bool attempt_damaged(struct attempt *a, int error, const char *why)
{
	struct connection *c = a->connection;

	a->damage = why;
	a->damage_error = error;
	tell_damage(a, error, why, true);
	/* Between two chunks RSET takes back what was sent (RFC 3030 2). DATA cannot be left but by its end. */
	if (c->mode == MODE_CHUNKING && a->step == STEP_BODY) {
		c->reset_next = true;
		c->taken_back++;
		return true;
	}
	c->ours = true;
	connection_kill(c, STAGE_CONTENT, why);
	return false;
}

static void note(uint8_t *times)
{
	if (*times < UINT8_MAX)
		(*times)++;
}

/*
 * The host told that the connection takes no more, as many do after so many errors, and some recipients had been
 * refused for good by then: they stay refused. The others go on at once, and are fewer each time. Else all would be
 * tried again, with the same end, and those that the host knows never get their mail.
 */
static bool keep_refusals(struct attempt *a)
{
	unsigned refused = 0, i;

	for (i = a->rcpt_first; i < a->rcpt_end; i++) {
		if (a->results[i] == ATTEMPT_FAIL)
			refused++;
		else
			a->results[i] = ATTEMPT_NONE;
	}
	a->connection->got_on = a->connection->got_on || refused > 0;
	return refused > 0;
}

/*
 * The connection ended, or is about to, in this message's turn. Where it did so between two messages that says nothing
 * of the one that was next: limits, shutdowns and idle connections that died. It does not go round in circles, because
 * such a connection has taken a message before; one that took none is blamed on the message and on the host alike.
 */
static void lost(struct attempt *a, struct outcome *outcome, bool blameless)
{
	if (a->passed && keep_refusals(a)) {
		outcome->kind = OUTCOME_ANSWERED;
		outcome->results = a->results;
		return;
	}
	outcome->kind = blameless ? OUTCOME_UNTRIED : OUTCOME_LOST;
	outcome->again = a->delivery->broken == 0;
	if (!blameless)
		note(&a->delivery->broken);
}

static bool any_sent(const struct attempt *a)
{
	unsigned i;

	for (i = a->rcpt_first; i < a->rcpt_end; i++) {
		if (a->results[i] == ATTEMPT_SENT)
			return true;
	}
	return false;
}

void attempt_finish(struct attempt *a)
{
	struct outcome outcome = {
		.kind = OUTCOME_ANSWERED,
		.attempt = a,
		.results = a->results,
		.reply = {a->reply, a->reply_length},
		.code = a->code,
		.stage = a->code_stage,
		.host_held = a->host_held,
	};

	if (a->damage) {
		finish_damaged(a);
		return;
	}
	if (a->again)
		outcome.kind = OUTCOME_UNTRIED;
	else if (a->passed && !a->held && !any_sent(a))
		lost(a, &outcome, a->blameless);
	finish(a, &outcome);
}

void attempt_abandon(struct attempt *a, enum stage stage, const char *reason)
{
	struct connection *c = a->connection;
	struct outcome outcome = {.kind = OUTCOME_UNTRIED, .attempt = a, .reply = span_text(reason), .stage = stage};
	bool first = c->attempts.next == &a->link;

	c->attempt_count--;
	/* Its verdict was heard, the replies to the rest of its commands were not needed; or the fault is ours. */
	if (a->damage || a->decided || a->dot_only) {
		attempt_finish(a);
		return;
	}
	if (a->again) {
		outcome.kind = OUTCOME_UNTRIED; /* a command was refused, and not the message */
	} else if (a->end_written && !c->told && (first || !c->none_behind)) {
		outcome.kind = OUTCOME_UNKNOWN;
		outcome.again = a->delivery->unknown == 0;
		note(&a->delivery->unknown);
		/* Those behind the first are likely to have been read by nobody. Where nothing was answered, the next
		 * connection begins with one alone: its answer may be what the others' took along when it was lost. */
		if (first && (a->expect > EXPECT_MAIL || c->answered == 0))
			note(&a->delivery->broken);
	} else if (first && a->any_written && !c->ours && !a->outbound->shard->draining) {
		lost(a, &outcome, c->answered > 0 && a->expect <= EXPECT_MAIL);
	}
	finish(a, &outcome);
}
