/*
 * core/deliver/settle.c - what becomes of a delivery after an attempt: gone, waiting, held, or kept as failed. record.h
 * tells the disk.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/config/config.h"
#include "core/deliver/counts.h"
#include "core/deliver/hold.h"
#include "core/deliver/outbound.h"
#include "core/deliver/park.h"
#include "core/deliver/results.h"
#include "core/deliver/settle.h"
#include "core/deliver/tell.h"
#include "core/shard/shard.h"
#include "core/store/record.h"
#include "queue/state.h"

enum {
	JOIN_PART = 5,  /* of its pause: as much as chance lengthens or shortens it */
	ASIDE_MAX = 63, /* that a delivery can tell */
};

static struct state_reply told_of(const struct outcome *outcome)
{
	return (struct state_reply){(uint16_t)outcome->code, (uint8_t)outcome->stage, outcome->reply};
}

/* Stage and code in one number, never 0. Without a code the stage alone tells reasons apart. */
static uint16_t reason_of(const struct outcome *outcome)
{
	return (uint16_t)(1u << 14 | (unsigned)outcome->stage << 10 | (outcome->code & 1023));
}

/* Nobody in it is tried any more. */
static void expire(struct outbound *o, struct delivery *d, const struct outcome *outcome)
{
	const struct state_reply told = told_of(outcome);
	struct mail *m = mail_of(d);
	unsigned reply = mail_keep_reply(m, &told), i;

	tell_expired(o, d, outcome);
	for (i = 0; i < m->recipients; i++) {
		if (!mail_stands_in(m, d, i))
			continue;
		mail_end(m, i, RECIPIENT_FAILED, d->attempts);
		mail_answer(m, i, reply);
		counter_add(&o->shard->deliverer->counters.failed, 1);
		counter_add(&o->counts->failed, 1);
	}
	d->next_place = DELIVERY_NONE;
}

/* `beside`: somebody in it was held. */
static bool expired(const struct outbound *o, const struct delivery *d, bool beside)
{
	const struct verdict_age age = {
		.age_ns = shard_age_ns(o->shard, mail_of(d)->accepted_wall_ns),
		.uptime_ns = hold_uptime_ns(o),
		.expire_ns = o->shard->config->retry.expire_ns,
		.tried = d->attempts,
		.tried_max = o->shard->config->retry.attempts,
		.holds = d->holds,
		.beside = beside,
	};

	return verdict_expired(&age);
}

static void defer(struct outbound *o, struct delivery *d, const struct outcome *outcome, bool beside)
{
	const struct verdict_pause pause = verdict_pause(outcome->kind, d->unknown);
	const struct config_retry *retry = &o->shard->config->retry;
	struct retry_schedule schedule = {retry->first_ns, retry->max_ns, retry->expire_ns, retry->factor};
	struct mail *m = mail_of(d);
	uint64_t delay_ns;

	if (d->attempts < UINT16_MAX)
		d->attempts++;
	if (pause.longest)
		schedule.first_ns = schedule.max_ns;
	delay_ns = retry_delay_ns(&schedule, d->attempts, &o->shard->random);
	d->due_ns = o->shard->now_ns + delay_ns;
	d->next_place = DELIVERY_WAITING;
	/* What is held does not expire. */
	if (!parks(d) && expired(o, d, beside) && mail_tell_apart(m) == 0) {
		expire(o, d, outcome);
		return;
	}
	if (d->told != reason_of(outcome) || pause.news) {
		d->told = reason_of(outcome);
		tell_deferred(o, d, outcome);
	}
	/* Two rounds of one message end one behind the other: what they left goes in one again. */
	if (m->live > 1 && mail_join(m, d, delay_ns / JOIN_PART))
		d->next_place = DELIVERY_NONE;
}

/*
 * Refused for what this relay is (hold.h): no attempt is counted, and its schedule begins anew. Where the host is held
 * it is due at once, as one of those the next probe may be; by itself it waits as the schedule has it, by how often it
 * was held.
 */
static void hold(struct outbound *o, struct delivery *d, bool host_held)
{
	const struct config_retry *retry = &o->shard->config->retry;
	struct retry_schedule schedule = {retry->first_ns, retry->max_ns, retry->expire_ns, retry->factor};

	d->next_place = DELIVERY_WAITING;
	d->attempts = 0;
	d->due_ns = o->shard->now_ns;
	if (host_held) {
		/* Noted, for when it is refused again although the host was let go meanwhile (hold.c). */
		if (d->holds == 0)
			d->holds = 1;
		return;
	}
	if (d->holds < UINT8_MAX)
		d->holds++;
	d->due_ns += retry_delay_ns(&schedule, d->holds, &o->shard->random);
	o->holds_waiting = true;
}

/* Not to be had by this lane, at once by the next of its other paths. It has been tried nowhere else yet. */
static void go_aside(struct outbound *o, struct delivery *d)
{
	const struct outbound *at = d->home ? &o->shard->deliverer->outbound[d->home - 1] : o;

	d->next_place = DELIVERY_READY;
	for (d->aside = 1; at != o && at->other && d->aside < ASIDE_MAX; at = at->other)
		d->aside++;
}

/* ---- what was said to each recipient ---------------------------------------------------------------------------- */

struct answers {
	const struct mail *mail;
	const struct delivery *delivery;
	const uint8_t *results; /* enum attempt_result */
	unsigned delivered, failed, deferred, held, untried, aside;
};

static bool was_untried(const void *context, unsigned i)
{
	return ((const struct answers *)context)->results[i] == ATTEMPT_NONE;
}

static bool was_held(const void *context, unsigned i)
{
	return ((const struct answers *)context)->results[i] == ATTEMPT_HOLD;
}

static bool was_put_aside(const void *context, unsigned i)
{
	return ((const struct answers *)context)->results[i] == ATTEMPT_OTHER_PATH;
}

static struct answers count(const struct delivery *d, const uint8_t *results)
{
	struct answers a = {.mail = mail_of(d), .delivery = d, .results = results};
	unsigned i;

	for (i = 0; i < a.mail->recipients; i++) {
		if (!mail_stands_in(a.mail, d, i))
			continue;
		a.delivered += results[i] == ATTEMPT_SENT;
		a.failed += results[i] == ATTEMPT_FAIL;
		a.held += results[i] == ATTEMPT_HOLD;
		a.untried += results[i] == ATTEMPT_NONE;
		a.aside += results[i] == ATTEMPT_OTHER_PATH;
		a.deferred += results[i] == ATTEMPT_DEFER || results[i] == ATTEMPT_ACCEPTED;
	}
	return a;
}

/* The recipient's own reply, or the one for all. */
static unsigned reply_to(struct mail *m, const struct attempt *attempt, unsigned i, unsigned reply)
{
	const struct results_refused *one = attempt ? results_refused_at(attempt, i) : NULL;
	struct state_reply own;

	if (!one)
		return reply;
	own = (struct state_reply){one->code, STAGE_RCPT, {one->text, one->length}};
	return mail_keep_reply(m, &own);
}

/* What each of the delivery's recipients was told; those whose fate is decided leave it. */
static void apply(const struct answers *a, struct mail *m, const struct outcome *outcome)
{
	const struct state_reply told = told_of(outcome);
	unsigned attempts = a->delivery->attempts + 1u, reply = mail_keep_reply(m, &told), i;

	for (i = 0; i < m->recipients; i++) {
		if (!mail_stands_in(m, a->delivery, i) || a->results[i] == ATTEMPT_NONE)
			continue;
		mail_answer(m, i, a->results[i] == ATTEMPT_SENT ? 0 : reply_to(m, outcome->attempt, i, reply));
		if (a->results[i] == ATTEMPT_SENT)
			mail_end(m, i, RECIPIENT_DELIVERED, attempts);
		else if (a->results[i] == ATTEMPT_FAIL)
			mail_end(m, i, RECIPIENT_FAILED, attempts);
	}
	mail_sweep_replies(m);
}

/* Those of the delivery that were told something else than the others go their own way. NULL: none, or no memory. */
static struct delivery *cut_off(struct mail *m, struct delivery *d, const struct answers *a, unsigned number,
				mail_choice_fn *chosen)
{
	return number > 0 && m->fates ? mail_split(m, d, chosen, a) : NULL;
}

/* Who stays in the delivery was deferred, held or not tried; without memory to cut it, several of these. */
static void settle_rest(struct outbound *o, struct delivery *d, struct answers *a, const struct outcome *outcome)
{
	const struct state_reply told = told_of(outcome);
	struct delivery *untried = NULL, *held = NULL, *aside = NULL;
	struct mail *m = mail_of(d);

	if (a->deferred + a->held + a->aside > 0 && (untried = cut_off(m, d, a, a->untried, was_untried)))
		untried->next_place = DELIVERY_READY;
	if (a->deferred + a->held > 0 && (aside = cut_off(m, d, a, a->aside, was_put_aside)))
		go_aside(o, aside);
	if (a->deferred > 0 && (held = cut_off(m, d, a, a->held, was_held)))
		hold(o, held, outcome->host_held);
	if (a->deferred > 0)
		defer(o, d, outcome, a->held > 0 && !held);
	else if (a->held > 0)
		hold(o, d, outcome->host_held);
	else if (a->aside > 0)
		go_aside(o, d);
	else if (a->untried > 0)
		d->next_place = DELIVERY_READY;
	else
		d->next_place = DELIVERY_NONE;
	record_append(o->shard, d, &told);
	if (untried)
		record_beside(o->shard, untried);
	if (held)
		record_beside(o->shard, held);
	if (aside)
		record_beside(o->shard, aside);
}

static void count_answered(const struct outbound *o, const struct mail *m, const struct answers *a,
			   const struct outcome *outcome)
{
	uint64_t age_ns, transfer_ns = 0;

	counter_add(&o->counts->delivered, a->delivered);
	counter_add(&o->counts->failed, a->failed);
	counter_add(&o->counts->deferred, a->deferred + a->held + a->aside);
	if (a->delivered == 0)
		return;
	age_ns = shard_age_ns(o->shard, m->accepted_wall_ns);
	if (outcome->started_ns)
		transfer_ns = o->shard->now_ns - outcome->started_ns;
	histogram_add(&o->counts->all, age_ns);
	histogram_add(&o->counts->transfer, transfer_ns);
	histogram_add(&o->counts->queue, age_ns > transfer_ns ? age_ns - transfer_ns : 0);
}

static void settle_answered(struct outbound *o, struct delivery *d, const struct outcome *outcome)
{
	struct deliverer_counters *counters = &o->shard->deliverer->counters;
	struct answers a = count(d, outcome->results);
	struct mail *m = mail_of(d);
	unsigned kinds =
		(a.delivered > 0) + (a.failed > 0) + (a.deferred > 0) + (a.held > 0) + (a.untried > 0) + (a.aside > 0);
	bool owed = outcome->attempt && a.delivered > 0 && results_to_report(outcome->attempt, outcome, NULL) > 0;

	/* Fates are kept for each recipient only where they differ, or somebody is to be told of one; and where a
	 * report is being written, because then a state record says what a done record would. */
	if ((kinds > 1 || a.failed > 0 || owed || m->reporting) && mail_tell_apart(m) < 0) {
		/* No memory to tell recipients apart: all are tried again, which may repeat a delivery but loses none.
		 */
		counter_add(&o->shard->store->counters.maybe_duplicates, 1);
		a = (struct answers){.mail = m, .delivery = d, .results = outcome->results, .deferred = m->recipients};
		settle_rest(o, d, &a, outcome);
		return;
	}
	counter_add(&counters->delivered, a.delivered);
	counter_add(&counters->failed, a.failed);
	counter_add(&counters->deferred, a.deferred + a.held + a.aside);
	count_answered(o, m, &a, outcome);
	if (m->fates)
		apply(&a, m, outcome);
	if (owed)
		(void)results_to_report(outcome->attempt, outcome, m);
	if (a.delivered > 0 && m->live == 1 && a.deferred + a.held + a.untried + a.aside == 0) {
		counter_add(&counters->delivered_octets, m->content_length);
		counter_add(&o->counts->octets, m->content_length);
	}
	settle_rest(o, d, &a, outcome);
}

/*
 * What the disk gave back is not what was written, or it gave nothing. That is our fault and no verdict on the message:
 * nothing is recorded, so it stays what it is on disk.
 */
static void settle_damaged(struct outbound *o, struct delivery *d, const struct outcome *outcome)
{
	const struct verdict_fault fault = verdict_fault(outcome->error);

	if (parks(d)) {
		park(o->shard, d);
		return;
	}
	(void)lane_defer(&o->lane, d, o->shard->now_ns + fault.again_s * CLOCK_NS_PER_S);
	outbound_wake(o->shard, d->lane);
}

/* As if it had not been tried. */
static void go_on(struct outbound *o, struct delivery *d)
{
	if (parks(d))
		park(o->shard, d);
	else
		lane_ready_first(&o->lane, d);
}

void settle(struct outbound *o, struct delivery *d, const struct outcome *outcome)
{
	const struct state_reply told = told_of(outcome);

	assert(d->place == DELIVERY_ACTIVE);
	switch (outcome->kind) {
	case OUTCOME_ANSWERED:
		counter_add(&o->shard->deliverer->counters.attempts, 1);
		counter_add(&o->counts->attempts, 1);
		settle_answered(o, d, outcome);
		return;
	case OUTCOME_UNTRIED:
		go_on(o, d);
		return;
	case OUTCOME_UNKNOWN:
		counter_add(&o->shard->store->counters.maybe_duplicates, 1);
		/* fall through */
	case OUTCOME_LOST:
		/* No attempt is counted, so nothing has changed that the disk should know. */
		if (outcome->again) {
			go_on(o, d);
			return;
		}
		counter_add(&o->shard->deliverer->counters.attempts, 1);
		counter_add(&o->shard->deliverer->counters.deferred, 1);
		counter_add(&o->counts->attempts, 1);
		counter_add(&o->counts->deferred, 1);
		if (mail_of(d)->fates)
			mail_answer_all(mail_of(d), d, &told);
		defer(o, d, outcome, false);
		record_append(o->shard, d, &told);
		return;
	case OUTCOME_DAMAGED:
		settle_damaged(o, d, outcome);
		return;
	}
}
