/*
 * core/deliver/settle.c - what becomes of a delivery after an attempt: gone, waiting, held, or kept as failed. record.h
 * tells the disk.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/config/config.h"
#include "core/deliver/hold.h"
#include "core/deliver/outbound.h"
#include "core/events/events.h"
#include "core/shard/shard.h"
#include "core/store/record.h"
#include "queue/state.h"

enum {
	DAMAGED_RETRY_S = 3600,
	OUR_RETRY_S = 10,
	UNKNOWN_MAX = 2, /* lost answers of one message, from which on it waits for retry.max */
	/* What was held by itself is old by our fault: so many times the attempts before it may expire. */
	HELD_ATTEMPTS = 4,
};

/* Stage and code in one number, never 0. Without a code the stage alone tells reasons apart. */
static uint16_t reason_of(const struct outcome *outcome)
{
	return (uint16_t)(1u << 14 | (unsigned)outcome->stage << 10 | (outcome->code & 1023));
}

/* Its answer was lost again: it may be delivered as often as it was sent, so it is sent as seldom as mail ever is. */
static bool copies_feared(const struct delivery *d, const struct outcome *outcome)
{
	return outcome->kind == OUTCOME_UNKNOWN && d->unknown >= UNKNOWN_MAX;
}

static void defer(struct outbound *o, struct delivery *d, const struct outcome *outcome, bool may_expire)
{
	const struct config_retry *retry = &o->shard->config->retry;
	struct retry_schedule schedule = {retry->first_ns, retry->max_ns, retry->expire_ns, retry->factor};

	if (d->attempts < UINT16_MAX)
		d->attempts++;
	if (copies_feared(d, outcome))
		schedule.first_ns = schedule.max_ns;
	d->due_ns = o->shard->now_ns + retry_delay_ns(&schedule, d->attempts, &o->shard->random);
	d->next_place = DELIVERY_WAITING;
	if (may_expire &&
	    verdict_expired(shard_age_ns(o->shard, d->accepted_wall_ns), hold_uptime_ns(o), retry->expire_ns,
			    d->holds > 0 ? d->attempts / HELD_ATTEMPTS : d->attempts) &&
	    record_statuses(d)) {
		unsigned i;
		event_expired(o, d, outcome);
		for (i = 0; i < d->recipients; i++) {
			if (d->statuses[i] == RECIPIENT_PENDING) {
				d->statuses[i] = RECIPIENT_FAILED;
				counter_add(&o->shard->deliverer->counters.failed, 1);
			}
		}
		d->next_place = DELIVERY_FAILED;
	} else if (d->told != reason_of(outcome) || (copies_feared(d, outcome) && d->unknown == UNKNOWN_MAX)) {
		d->told = reason_of(outcome);
		event_deferred(o, d, outcome);
	}
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

struct tally {
	unsigned pending, failed, deferred, held;
};

static struct tally apply(struct outbound *o, struct delivery *d, const uint8_t *results)
{
	struct deliverer_counters *counters = &o->shard->deliverer->counters;
	struct tally tally = {0};
	unsigned i;

	for (i = 0; i < d->recipients; i++) {
		uint8_t status = d->statuses ? d->statuses[i] : RECIPIENT_PENDING;
		if (status == RECIPIENT_PENDING) {
			switch (results[i]) {
			case ATTEMPT_SENT:
				status = RECIPIENT_DELIVERED;
				counter_add(&counters->delivered, 1);
				break;
			case ATTEMPT_FAIL:
				status = RECIPIENT_FAILED;
				counter_add(&counters->failed, 1);
				break;
			case ATTEMPT_HOLD:
				tally.held++;
				counter_add(&counters->deferred, 1);
				break;
			case ATTEMPT_DEFER:
			case ATTEMPT_ACCEPTED:
				tally.deferred++;
				counter_add(&counters->deferred, 1);
				break;
			}
		}
		if (d->statuses)
			d->statuses[i] = status;
		tally.pending += status == RECIPIENT_PENDING;
		tally.failed += status == RECIPIENT_FAILED;
	}
	return tally;
}

static struct state_reply told_of(const struct outcome *outcome)
{
	return (struct state_reply){(uint16_t)outcome->code, (uint8_t)outcome->stage, outcome->reply};
}

static void settle_answered(struct outbound *o, struct delivery *d, const struct outcome *outcome)
{
	const struct state_reply told = told_of(outcome);
	struct tally tally;
	bool uniform = true;
	unsigned i;

	/* Statuses are kept per recipient only where they differ or something failed. */
	for (i = 0; i < d->recipients; i++)
		uniform = uniform && outcome->results[i] == outcome->results[0] && outcome->results[i] != ATTEMPT_FAIL;
	if (!uniform && !record_statuses(d)) {
		/* No memory to tell recipients apart: all are tried again, which may repeat a delivery but loses none.
		 */
		counter_add(&o->shard->store->counters.maybe_duplicates, 1);
		defer(o, d, outcome, true);
		record_append(o->shard, d, &told);
		return;
	}
	tally = apply(o, d, outcome->results);
	d->finished = tally.pending == 0 && tally.failed == 0;
	if (d->finished)
		counter_add(&o->shard->deliverer->counters.delivered_octets, d->content_length);
	else if (tally.pending == 0)
		d->next_place = DELIVERY_FAILED;
	else if (tally.deferred > 0)
		defer(o, d, outcome, tally.held == 0);
	else if (tally.held > 0)
		hold(o, d, outcome->host_held);
	else
		d->next_place = DELIVERY_READY; /* more recipients than one transaction takes */
	record_append(o->shard, d, &told);
}

/*
 * What the disk gave back is not what was written, or it gave nothing. That is our fault and no verdict on the message:
 * nothing is recorded, so it stays what it is on disk, and is looked at again, in case it was the way to the disk. A
 * lack of memory or descriptors passes sooner.
 */
static void settle_damaged(struct outbound *o, struct delivery *d, const struct outcome *outcome)
{
	bool damaged = outcome_damaged(outcome->error);

	(void)lane_defer(&o->lane, d, o->shard->now_ns + (damaged ? DAMAGED_RETRY_S : OUR_RETRY_S) * CLOCK_NS_PER_S);
	outbound_wake(o->shard, d->lane);
}

void settle(struct outbound *o, struct delivery *d, const struct outcome *outcome)
{
	const struct state_reply told = told_of(outcome);

	assert(d->place == DELIVERY_ACTIVE);
	switch (outcome->kind) {
	case OUTCOME_ANSWERED:
		counter_add(&o->shard->deliverer->counters.attempts, 1);
		settle_answered(o, d, outcome);
		return;
	case OUTCOME_UNTRIED:
		lane_ready_first(&o->lane, d);
		return;
	case OUTCOME_UNKNOWN:
		counter_add(&o->shard->store->counters.maybe_duplicates, 1);
		/* fall through */
	case OUTCOME_LOST:
		/* No attempt is counted, so nothing has changed that the disk should know. */
		if (outcome->again) {
			lane_ready_first(&o->lane, d);
			return;
		}
		counter_add(&o->shard->deliverer->counters.attempts, 1);
		counter_add(&o->shard->deliverer->counters.deferred, 1);
		defer(o, d, outcome, true);
		record_append(o->shard, d, &told);
		return;
	case OUTCOME_DAMAGED:
		settle_damaged(o, d, outcome);
		return;
	}
}
