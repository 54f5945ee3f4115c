/*
 * core/deliver/steer.c - see steer.h: one mail.
 */
#include "core/deliver/steer_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/deliver/domain.h"
#include "core/deliver/outbound.h"
#include "core/deliver/park.h"
#include "core/events/steering.h"
#include "core/shard/shard.h"
#include "core/store/intake.h"
#include "core/store/record.h"
#include "core/store/store.h"
#include "queue/state.h"

/* ---- which of its deliveries ------------------------------------------------------------------------------------ */

/* Not in a lane: it has an attempt, or its record waits for room. */
static bool is_away(const struct delivery *d)
{
	return d->place == DELIVERY_ACTIVE || d->place == DELIVERY_NONE;
}

/* It is not durable yet, or not released by who made it, or waits for a start to find whether it is: nobody has seen
 * it. */
static bool arrives(const struct mail *m)
{
	const struct delivery *d = NULL;

	while ((d = mail_next(m, d))) {
		if ((d->place == DELIVERY_NONE && !list_linked(&d->link)) ||
		    (d->place == DELIVERY_KEPT && d->lane != MAIL_NO_LANE && m->recipients > 0))
			return true;
	}
	return false;
}

static bool is_meant(const struct shard *shard, const struct steer_order *order, const struct delivery *d)
{
	unsigned lane = d->home ? d->home - 1u : d->lane;
	const struct outbound *o;

	if (order->place < 0)
		return true;
	if (lane == MAIL_NO_LANE)
		return false;
	o = &shard->deliverer->outbound[lane];
	return o->shard && o->place == (unsigned)order->place;
}

static bool is_being_deleted(const struct delivery *d)
{
	return d->order == DELIVERY_DELETE;
}

static bool is_held(const struct delivery *d)
{
	return (d->place == DELIVERY_HELD || d->order == DELIVERY_HOLD) && !is_being_deleted(d);
}

static unsigned recipients_of(const struct mail *m, const struct delivery *d)
{
	unsigned count = 0, i;

	for (i = 0; i < m->recipients; i++)
		count += mail_stands_in(m, d, i);
	return count;
}

/* Out of its lane, now NONE. */
static void withdraw(struct shard *shard, struct delivery *d)
{
	struct outbound *o;

	if (d->place == DELIVERY_READY || d->place == DELIVERY_WAITING || d->place == DELIVERY_SORTED) {
		o = &shard->deliverer->outbound[d->lane];
		if (d->place != DELIVERY_SORTED)
			lane_withdraw(&o->lane, d);
		else if (o->matching.waiting > 0)
			match_withdraw(&o->matching, d);
		else
			domains_withdraw(o->domains, d);
	} else if (list_linked(&d->link)) {
		list_remove(&d->link); /* deliverer->deleting */
	}
	d->place = DELIVERY_NONE;
}

/* ---- all or nothing --------------------------------------------------------------------------------------------- */

/* What a mail says of its recipients, for when it cannot be written. */
struct before {
	struct mail_recipient *recipients; /* owned */
	uint64_t accepted_wall_ns;
	bool younger;
};

static bool keep_before(struct mail *m, struct before *before)
{
	size_t octets = m->recipients * sizeof(m->fates->recipients[0]);

	if (mail_tell_apart(m) < 0)
		return false;
	*before = (struct before){malloc(octets), m->accepted_wall_ns, m->younger};
	if (before->recipients)
		memcpy(before->recipients, m->fates->recipients, octets);
	return before->recipients;
}

static enum steer_result result_of(int r)
{
	if (r == -EAGAIN)
		return STEER_AGAIN;
	return r == -ENOSPC ? STEER_NO_ROOM : STEER_FAILED;
}

/* The mail's state is on its way to the disk (0), or it is what it was. */
static int append(struct shard *shard, struct mail *m, struct before *before, struct spool_ticket *ticket)
{
	int r = record_state(shard, m, ticket);

	if (r < 0) {
		memcpy(m->fates->recipients, before->recipients, m->recipients * sizeof(m->fates->recipients[0]));
		m->accepted_wall_ns = before->accepted_wall_ns;
		m->younger = before->younger;
	}
	free(before->recipients);
	return r;
}

/* ---- hold ------------------------------------------------------------------------------------------------------- */

static bool is_to_be_held(const struct shard *shard, const struct steer_order *order, const struct delivery *d)
{
	return is_meant(shard, order, d) && !is_held(d) && !is_being_deleted(d);
}

static enum steer_result hold(struct shard *shard, struct mail *m, const struct steer_order *order,
			      struct spool_ticket *ticket)
{
	enum steer_result result = STEER_AS_IT_WAS;
	uint64_t wall_ns = clock_wall_ns();
	struct delivery *d = NULL;
	struct before before;
	int r;

	while ((d = mail_next(m, d))) {
		if (is_meant(shard, order, d) && is_being_deleted(d))
			return STEER_BEING_DELETED;
		if (is_to_be_held(shard, order, d))
			result = is_away(d) || result == STEER_IN_DELIVERY ? STEER_IN_DELIVERY : STEER_DONE;
	}
	if (result == STEER_AS_IT_WAS)
		return result;
	if (!keep_before(m, &before))
		return STEER_FAILED;
	while ((d = mail_next(m, d))) {
		if (is_to_be_held(shard, order, d))
			mail_hold(m, d, true);
	}
	r = append(shard, m, &before, ticket);
	if (r < 0)
		return result_of(r);
	while ((d = mail_next(m, d))) {
		if (!is_to_be_held(shard, order, d))
			continue;
		if (is_away(d)) {
			d->order = DELIVERY_HOLD;
			continue;
		}
		withdraw(shard, d);
		park(shard, d);
		d->due_ns = wall_ns;
	}
	return result;
}

/* ---- release ---------------------------------------------------------------------------------------------------- */

/* The time for which it was held does not count in its age. */
static void make_younger(struct mail *m, uint64_t held_ns, uint64_t wall_ns)
{
	if (m->accepted_wall_ns >= wall_ns || held_ns == 0)
		return;
	m->accepted_wall_ns = wall_ns - m->accepted_wall_ns > held_ns ? m->accepted_wall_ns + held_ns : wall_ns;
	m->younger = true;
}

/* When it may go: at once, but not before the time that its sender has asked for (RFC 4865), from which its age is
 * counted. */
static uint64_t goes_ns(const struct shard *shard, const struct mail *m, uint64_t wall_ns)
{
	return m->accepted_wall_ns > wall_ns ? shard->now_ns + (m->accepted_wall_ns - wall_ns) : STORE_DUE_NOW;
}

static void let_go(struct shard *shard, struct mail *m, struct delivery *d, uint64_t when_ns)
{
	d->order = DELIVERY_GO_ON;
	if (d->place != DELIVERY_HELD)
		return;
	d->place = DELIVERY_NONE;
	if (d->lane == MAIL_NO_LANE)
		d->place = DELIVERY_KEPT;
	else
		shard->store->due(shard, d, when_ns);
}

static enum steer_result release(struct shard *shard, struct mail *m, const struct steer_order *order,
				 struct spool_ticket *ticket)
{
	uint64_t wall_ns = clock_wall_ns(), held_ns = 0;
	struct delivery *d = NULL;
	struct before before;
	bool any = false;
	int r;

	while ((d = mail_next(m, d))) {
		if (is_meant(shard, order, d) && is_being_deleted(d))
			return STEER_BEING_DELETED;
		if (!is_meant(shard, order, d) || !is_held(d))
			continue;
		any = true;
		if (d->place == DELIVERY_HELD && d->due_ns > 0 && wall_ns > d->due_ns && wall_ns - d->due_ns > held_ns)
			held_ns = wall_ns - d->due_ns;
	}
	if (!any)
		return STEER_AS_IT_WAS;
	if (!keep_before(m, &before))
		return STEER_FAILED;
	while ((d = mail_next(m, d))) {
		if (is_meant(shard, order, d) && is_held(d))
			mail_hold(m, d, false);
	}
	make_younger(m, held_ns, wall_ns);
	r = append(shard, m, &before, ticket);
	if (r < 0)
		return result_of(r);
	while ((d = mail_next(m, d))) {
		if (is_meant(shard, order, d) && is_held(d))
			let_go(shard, m, d, goes_ns(shard, m, wall_ns));
	}
	return STEER_DONE;
}

/* ---- retry ------------------------------------------------------------------------------------------------------ */

static enum steer_result retry(struct shard *shard, struct mail *m, const struct steer_order *order)
{
	enum steer_result result = STEER_AS_IT_WAS, its;
	struct delivery *d = NULL;

	while ((d = mail_next(m, d))) {
		if (!is_meant(shard, order, d))
			continue;
		its = STEER_AS_IT_WAS;
		if (is_being_deleted(d)) {
			its = STEER_BEING_DELETED;
		} else if (is_held(d)) {
			its = STEER_IS_HELD;
		} else if (is_away(d)) {
			its = STEER_IN_DELIVERY;
		} else if (d->place != DELIVERY_KEPT) {
			its = STEER_DONE;
			if (order->now)
				outbound_try_now(&shard->deliverer->outbound[d->lane]);
		}
		if (d->place == DELIVERY_WAITING) {
			withdraw(shard, d);
			shard->store->due(shard, d, goes_ns(shard, m, clock_wall_ns()));
		}
		result = its > result ? its : result;
	}
	return result;
}

/* ---- delete ----------------------------------------------------------------------------------------------------- */

/* What waited for its attempt to end: all that is back. */
enum { BACK = STEER_DELETE + 1 };

static bool is_to_be_deleted(const struct shard *shard, const struct steer_order *order, const struct delivery *d)
{
	if (order->kind == (enum steer_kind)BACK)
		return is_being_deleted(d) && d->place == DELIVERY_HELD;
	return is_meant(shard, order, d) && !is_being_deleted(d);
}

/* All of it ends with one record, and the mail is gone. */
static enum steer_result end_whole(struct shard *shard, struct mail *m, struct spool_ticket *ticket)
{
	struct delivery *d;
	int r = spool_done(shard->store->spool, &m->item, ticket);

	if (r < 0)
		return result_of(r);
	while ((d = mail_next(m, NULL))) {
		withdraw(shard, d);
		mail_retire(m, d);
	}
	/* It was not counted where it was found. */
	if (m->recipients == 0)
		counter_add(&shard->store->counters.queued, 1);
	store_forget(shard, m);
	return STEER_DONE;
}

/* Another order waits for attempts to end, with a report of its own, or none: it would be told as this one. */
static bool is_another_waiting(const struct mail *m, const struct steer_order *order)
{
	const struct mail_deletion *deletion = m->fates ? m->fates->deletion : NULL;
	const struct delivery *d = NULL;

	if (!deletion || (deletion->report == order->report && strcmp(deletion->reason, order->reason) == 0 &&
			  strcmp(deletion->who, order->who) == 0))
		return false;
	while ((d = mail_next(m, d))) {
		if (is_being_deleted(d))
			return true;
	}
	return false;
}

static bool note_deletion(struct mail *m, const struct steer_order *order)
{
	size_t reason = strlen(order->reason) + 1, who = strlen(order->who) + 1;
	struct mail_deletion *deletion = malloc(sizeof(*deletion) + reason + who);

	if (!deletion)
		return false;
	deletion->report = order->report;
	deletion->who = deletion->reason + reason;
	memcpy(deletion->reason, order->reason, reason);
	memcpy(deletion->who, order->who, who);
	free(m->fates->deletion);
	m->fates->deletion = deletion;
	return true;
}

static void end_recipients(struct shard *shard, struct mail *m, const struct delivery *d, bool report, unsigned reply)
{
	for (unsigned i = 0; i < m->recipients; i++) {
		if (!mail_stands_in(m, d, i))
			continue;
		mail_end(m, i, RECIPIENT_FAILED, d->attempts);
		if (report)
			mail_answer(m, i, reply);
		else
			mail_mark(m, i, STATE_MARK_TOLD);
	}
}

/* Nobody hears of what became of others, either. */
static void forgive(struct mail *m)
{
	for (unsigned i = 0; i < m->recipients; i++) {
		if (mail_owes_of(m, i))
			mail_mark(m, i, STATE_MARK_TOLD);
	}
}

/* Those that stand in lanes end; those that are away are held, and end when they are back. */
static enum steer_result end_some(struct shard *shard, struct mail *m, const struct steer_order *order, bool away,
				  struct spool_ticket *ticket)
{
	struct state_reply why = {0, STATE_STAGE_NONE, span_text(order->reason)};
	struct delivery *d = NULL, *next;
	struct before before;
	unsigned reply;
	int r;

	if (mail_tell_apart(m) < 0 || (away && !note_deletion(m, order)) || !keep_before(m, &before))
		return STEER_FAILED;
	reply = order->report ? mail_keep_reply(m, &why) : 0;
	while ((d = mail_next(m, d))) {
		if (!is_to_be_deleted(shard, order, d))
			continue;
		if (is_away(d))
			mail_hold(m, d, true);
		else
			end_recipients(shard, m, d, order->report, reply);
	}
	if (order->kind == STEER_DELETE && order->place < 0 && !order->report)
		forgive(m);
	r = append(shard, m, &before, ticket);
	if (r < 0)
		return result_of(r);
	for (d = mail_next(m, NULL); d; d = next) {
		next = mail_next(m, d);
		if (!is_to_be_deleted(shard, order, d))
			continue;
		if (is_away(d)) {
			d->order = DELIVERY_DELETE;
			continue;
		}
		withdraw(shard, d);
		mail_retire(m, d);
	}
	if (mail_owes(m))
		shard->store->owing(shard, m);
	return away ? STEER_IN_DELIVERY : STEER_DONE;
}

static enum steer_result end(struct shard *shard, struct mail *m, const struct steer_order *order,
			     struct spool_ticket *ticket)
{
	bool any = false, away = false, rest = false, deleting = false, owes = mail_owes(m);
	struct delivery *d = NULL;

	while ((d = mail_next(m, d))) {
		bool chosen = is_to_be_deleted(shard, order, d);
		any = any || chosen;
		rest = rest || !chosen;
		away = away || (chosen && is_away(d));
		deleting = deleting || is_being_deleted(d);
	}
	if (any && away && is_another_waiting(m, order))
		return STEER_BEING_DELETED;
	if (!any && !(m->live == 0 && owes && order->place < 0 && !order->report))
		return deleting ? STEER_BEING_DELETED : STEER_AS_IT_WAS;
	if (!rest && !away && !order->report && !m->reporting &&
	    (!owes || (order->kind == STEER_DELETE && order->place < 0)))
		return end_whole(shard, m, ticket);
	return end_some(shard, m, order, away, ticket);
}

/* ---- all of them ------------------------------------------------------------------------------------------------ */

static void tell(struct shard *shard, const struct steer_order *order, struct event_steered *facts,
		 enum steer_result result)
{
	if (result != STEER_DONE && result != STEER_IN_DELIVERY)
		return;
	facts->who = order->who;
	facts->reason = order->reason;
	facts->in_delivery = result == STEER_IN_DELIVERY;
	switch (order->kind) {
	case STEER_HOLD:
		event_queue_held(shard->log, facts);
		break;
	case STEER_RELEASE:
		event_queue_released(shard->log, facts);
		break;
	case STEER_RETRY:
		if (result == STEER_DONE)
			event_queue_retried(shard->log, facts);
		break;
	default:
		event_queue_deleted(shard->log, facts, order->report);
		break;
	}
}

/* Before it is gone. */
static struct event_steered facts_of(const struct shard *shard, const struct mail *m, const struct steer_order *order)
{
	struct event_steered facts = {.id = delivery_message_id(m->item.id)};
	const struct delivery *d = NULL;

	while ((d = mail_next(m, d))) {
		if (order->kind == STEER_HOLD     ? is_to_be_held(shard, order, d)
		    : order->kind >= STEER_DELETE ? is_to_be_deleted(shard, order, d)
						  : is_meant(shard, order, d))
			facts.recipients += recipients_of(m, d);
	}
	return facts;
}

enum steer_result steer_mail(struct shard *shard, struct mail *m, const struct steer_order *order,
			     struct spool_ticket *ticket, bool *recorded)
{
	struct event_steered facts = facts_of(shard, m, order);
	enum steer_result result = STEER_NOT_FOUND;

	*recorded = false;
	if (arrives(m))
		return result;
	if (m->recipients == 0 && (order->kind != STEER_DELETE || order->report || order->place >= 0))
		return STEER_UNREADABLE;
	switch (order->kind) {
	case STEER_HOLD:
		result = hold(shard, m, order, ticket);
		break;
	case STEER_RELEASE:
		result = release(shard, m, order, ticket);
		break;
	case STEER_RETRY:
		result = retry(shard, m, order);
		break;
	default:
		result = end(shard, m, order, ticket);
		break;
	}
	*recorded = order->kind != STEER_RETRY && (result == STEER_DONE || result == STEER_IN_DELIVERY);
	tell(shard, order, &facts, result);
	return result;
}

bool steer_back(struct shard *shard, struct delivery *d)
{
	struct mail *m = mail_of(d);
	const struct mail_deletion *deletion = m->fates->deletion;
	/* It goes with the mail. */
	char *reason = strdup(deletion->reason), *who = strdup(deletion->who);
	const struct steer_order order = {.kind = (enum steer_kind)BACK,
					  .place = -1,
					  .report = deletion->report,
					  .reason = reason ? reason : "",
					  .who = who ? who : ""};
	struct event_steered facts = facts_of(shard, m, &order);
	enum steer_result result = end(shard, m, &order, NULL);

	tell(shard, &order, &facts, result);
	free(reason);
	free(who);
	return result == STEER_DONE;
}
