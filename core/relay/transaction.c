/*
 * core/relay/transaction.c - see transaction.h. The life of a transaction: loaded, and at its end settled. What it
 * writes is in transaction_write.c, what replies mean to it in transaction_reply.c.
 */
#include "core/relay/transaction.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/relay/events.h"
#include "core/relay/transaction_private.h"

/* ---- loading ------------------------------------------------------------------------------------------------ */

void transaction_free(struct transaction *tx)
{
	if (tx->view_held)
		spool_view_release(&tx->view);
	if (tx->part_held)
		spool_view_release(&tx->part);
	if (tx->results != tx->results_inline)
		free(tx->results);
	results_free(tx);
	pool_release(&tx->outbound->shard->transactions, tx);
}

bool transaction_pending(const struct transaction *tx, unsigned i)
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
		if (!transaction_pending(tx, i))
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

/* Told while the envelope is in memory. */
static void tell_damage(const struct transaction *tx, int error, const char *why, bool envelope)
{
	if (outcome_damaged(error))
		event_damaged(tx, why, envelope);
	else
		event_unreadable(tx, why);
}

/* Before it had a connection. -EBADMSG: the record is damaged; else the environment failed. */
static void cannot_load(struct transaction *tx, int error, const char *why)
{
	struct outbound *o = tx->outbound;
	struct delivery *d = tx->delivery;
	struct outcome outcome = {
		.kind = OUTCOME_DAMAGED, .error = error, .reply = span_text(why), .stage = STAGE_CONTENT};

	tell_damage(tx, error, why, false);
	transaction_free(tx);
	settle(o, d, &outcome);
}

static void expire(struct transaction *tx)
{
	struct outbound *o = tx->outbound;
	const struct outcome outcome = {
		.kind = OUTCOME_LOST,
		.tx = tx,
		.reply = span_text(o->failure),
		.stage = o->failure_stage,
	};

	settle(o, tx->delivery, &outcome);
	transaction_free(tx);
}

static void loaded(struct transaction *tx, int result)
{
	struct outbound *o = tx->outbound;

	tx->view_held = true; /* also when it failed: a view is released in every case */
	if (result < 0) {
		cannot_load(tx, result,
			    result == -EBADMSG ? "the message's record in the spool is damaged" : strerror(-result));
		return;
	}
	if (envelope_decode(tx->view.envelope, tx->view.envelope_length, &tx->envelope) < 0 ||
	    tx->envelope.recipients != tx->delivery->recipients) {
		cannot_load(tx, -EBADMSG, "the message's envelope in the spool is damaged");
		return;
	}
	choose_recipients(tx);
	if (tx->expiring)
		expire(tx);
	else
		list_append(&o->loaded, &tx->link);
}

static void on_loaded(struct spool_view *view, int result)
{
	struct transaction *tx = container_of(view, struct transaction, view);
	struct outbound *o = tx->outbound;
	bool expiring = tx->expiring;

	o->loading--;
	loaded(tx, result);
	if (expiring)
		outbound_expire(o); /* the next one */
	outbound_wake(o->shard, o->index);
}

static bool start(struct outbound *o, struct delivery *d, bool expiring)
{
	struct transaction *tx = pool_acquire(&o->shard->transactions);

	if (!tx)
		return false;
	memset(tx, 0, offsetof(struct transaction, reply));
	tx->outbound = o;
	tx->delivery = d;
	tx->expiring = expiring;
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

bool transaction_start(struct outbound *o, struct delivery *d)
{
	return start(o, d, false);
}

bool transaction_expire(struct outbound *o, struct delivery *d)
{
	return start(o, d, true);
}

/* ---- the end ------------------------------------------------------------------------------------------------ */

/* A message that the host dealt with lets go what is held there. */
static void note_passage(struct transaction *tx, const struct outcome *outcome)
{
	struct host *host = tx->connection->host;
	bool sent = false;
	unsigned i;

	if (outcome->kind != OUTCOME_ANSWERED)
		return;
	/* The usual case: nothing is held anywhere. */
	if (!hold_in_force(host->hold) && host->held_in_row == 0 && tx->delivery->holds == 0)
		return;
	for (i = tx->rcpt_first; i < tx->rcpt_end; i++)
		sent = sent || outcome->results[i] == ATTEMPT_SENT;
	if (!tx->held)
		hold_passed(tx->outbound, host, tx->delivery, outcome->stage, sent);
	else if (sent)
		host->held_in_row = 0; /* it takes mail, be it not for all */
}

static void finish(struct transaction *tx, const struct outcome *outcome)
{
	struct outbound *o = tx->outbound;
	struct delivery *d = tx->delivery;

	event_attempt(tx, outcome);
	list_remove(&tx->link);
	note_passage(tx, outcome);
	settle(o, d, outcome);
	if (tx->part_loading)
		tx->orphan = true; /* on_part_loaded() frees it */
	else
		transaction_free(tx);
}

/* The fault is ours: neither the host nor the messages beside it have to do with it. */
static void finish_damaged(struct transaction *tx)
{
	const struct outcome outcome = {.kind = OUTCOME_DAMAGED,
					.error = tx->damage_error,
					.reply = span_text(tx->damage),
					.stage = STAGE_CONTENT};

	finish(tx, &outcome);
}

bool transaction_damaged(struct transaction *tx, int error, const char *why)
{
	struct connection *c = tx->connection;

	tx->damage = why;
	tx->damage_error = error;
	c->ours = true;
	tell_damage(tx, error, why, true);
	/* Between two chunks RSET takes back what was sent (RFC 3030 2). DATA cannot be left but by its end. */
	if (c->mode == MODE_CHUNKING && tx->step == STEP_BODY) {
		c->reset_next = true;
		return true;
	}
	connection_kill(c, STAGE_CONTENT, why);
	return false;
}

static void note(uint8_t *times)
{
	if (*times < UINT8_MAX)
		(*times)++;
}

/*
 * The connection ended, or is about to, in this message's turn. Where it did so between two messages that says nothing
 * of the one that was next: limits, shutdowns and idle connections that died. It does not go round in circles, because
 * such a connection has taken a message before; one that took none is blamed on the message and on the host alike.
 */
static void lost(struct transaction *tx, struct outcome *outcome, bool blameless)
{
	outcome->kind = blameless ? OUTCOME_UNTRIED : OUTCOME_LOST;
	outcome->again = tx->delivery->broken == 0;
	if (!blameless)
		note(&tx->delivery->broken);
}

static bool any_sent(const struct transaction *tx)
{
	unsigned i;

	for (i = tx->rcpt_first; i < tx->rcpt_end; i++) {
		if (tx->results[i] == ATTEMPT_SENT)
			return true;
	}
	return false;
}

void transaction_finish(struct transaction *tx)
{
	struct outcome outcome = {
		.kind = OUTCOME_ANSWERED,
		.tx = tx,
		.results = tx->results,
		.reply = {tx->reply, tx->reply_length},
		.code = tx->code,
		.stage = tx->code_stage,
		.host_held = tx->host_held,
	};

	if (tx->damage) {
		finish_damaged(tx);
		return;
	}
	if (tx->again)
		outcome.kind = OUTCOME_UNTRIED;
	else if (tx->passed && !tx->held && !any_sent(tx))
		lost(tx, &outcome, tx->blameless);
	finish(tx, &outcome);
}

void transaction_abandon(struct transaction *tx, enum stage stage, const char *reason)
{
	struct connection *c = tx->connection;
	struct outcome outcome = {.kind = OUTCOME_UNTRIED, .tx = tx, .reply = span_text(reason), .stage = stage};
	bool first = c->transactions.next == &tx->link;

	c->transaction_count--;
	/* Its verdict was heard, the replies to the rest of its commands were not needed; or the fault is ours. */
	if (tx->damage || tx->decided || tx->dot_only) {
		transaction_finish(tx);
		return;
	}
	if (tx->again) {
		outcome.kind = OUTCOME_UNTRIED; /* a command was refused, and not the message */
	} else if (tx->end_written && !c->told && (first || !c->none_behind)) {
		outcome.kind = OUTCOME_UNKNOWN;
		outcome.again = tx->delivery->unknown == 0;
		note(&tx->delivery->unknown);
		/* Those behind the first are likely to have been read by nobody. Where nothing was answered, the next
		 * connection begins with one alone: its answer may be what the others' took along when it was lost. */
		if (first && (tx->expect > EXPECT_MAIL || c->answered == 0))
			note(&tx->delivery->broken);
	} else if (first && tx->any_written && !c->ours && !tx->outbound->shard->draining) {
		lost(tx, &outcome, c->answered > 0 && tx->expect <= EXPECT_MAIL);
	}
	finish(tx, &outcome);
}
