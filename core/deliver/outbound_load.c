/*
 * core/deliver/outbound_load.c - deliveries become attempts: their content is read, and at their end they are settled;
 * those that have grown too old end.
 */
#include <stdio.h>

#include "core/base/clock.h"
#include "core/config/config.h"
#include "core/deliver/attempt.h"
#include "core/deliver/hold.h"
#include "core/deliver/outbound_private.h"
#include "core/deliver/park.h"
#include "core/deliver/settle.h"
#include "core/deliver/strict_tls.h"
#include "core/deliver/suppress.h"
#include "core/shard/shard.h"

static void on_loaded(struct attempt *a)
{
	list_append(&a->outbound->loaded, &a->link);
}

static void on_read(struct outbound *o, bool expiring)
{
	o->loading--;
	if (expiring)
		outbound_expire(o); /* the next one */
	outbound_wake(o->shard, o->index);
}

/* False: no memory. */
static bool start(struct outbound *o, struct delivery *d, bool expiring)
{
	static const struct attempt_handlers handlers = {.on_loaded = on_loaded, .on_read = on_read, .on_over = settle};
	enum attempt_started started = attempt_start(o, d, expiring, &handlers);

	o->loading += started == ATTEMPT_READING;
	return started != ATTEMPT_NO_MEMORY;
}

bool outbound_load(struct outbound *o, struct delivery *d)
{
	return start(o, d, false);
}

bool outbound_refused(struct attempt *a, struct connection *c)
{
	const char *why = a->envelope.require_tls ? strict_tls_lacks(c) : NULL;
	char large[ATTEMPT_WHY];
	unsigned code = 550; /* as the next hop would have to */

	if (attempt_parked(a))
		return true;
	if (!why)
		why = suppress_withhold(a);
	if (!why)
		why = attempt_narrow(a, c);
	if (!why && attempt_too_large(a, c, large)) {
		why = large;
		code = 552;
	}
	if (why)
		attempt_refuse(a, c, code, why);
	return why != NULL;
}

/* False: nothing to expire here, or not now. */
static bool expire(struct outbound *o, struct match_class *class, struct delivery *d, unsigned attempts_seen,
		   const char *why)
{
	struct verdict_age age = {.expire_ns = o->shard->config->retry.expire_ns, .tried = attempts_seen};
	struct outcome outcome;

	if (!d || o->loading >= OUTBOUND_LOADING_MAX)
		return false;
	age.age_ns = shard_age_ns(o->shard, mail_of(d)->accepted_wall_ns);
	age.uptime_ns = hold_uptime_ns(o);
	if (!verdict_expired(&age))
		return false;
	if (why) {
		o->failure_stage = STAGE_MAIL;
		snprintf(o->failure, sizeof(o->failure), "%s", why);
	}
	outcome = (struct outcome){.kind = OUTCOME_LOST, .stage = o->failure_stage, .reply = span_text(o->failure)};
	if (class)
		match_remove(&o->matching, class, d);
	else
		lane_remove(&o->lane, d);
	if (parks(d)) {
		park(o->shard, d);
		return true;
	}
	/* Failed connections count as attempts. */
	d->attempts = d->attempts < 2 ? 2 : d->attempts;
	/* Without memory its recipients are not named. */
	if (!start(o, d, true))
		settle(o, d, &outcome);
	return true;
}

/* Where somebody has to act for its mailboxes that is no fault of its mail, which does not grow old by it. `put_off`:
 * only what none can send at present. */
static void expire_classes(struct outbound *o, unsigned attempts_seen, const char *why, bool put_off)
{
	size_t k, i;

	for (k = 0; o->mailboxes && k < o->matching.count; k++) {
		struct match_class *class = o->matching.classes[k];
		enum mailbox_use use;
		if (!fair_next(&class->mail))
			continue;
		use = mailbox_use(o->mailboxes, class->members);
		if (use == MAILBOXES_STOPPED || (put_off && use == MAILBOXES_USABLE))
			continue;
		for (i = 0; i < fair_heads(&class->mail); i++) {
			while (expire(o, class, fair_head(&class->mail, i), attempts_seen, why))
				;
		}
	}
}

static void expire_all(struct outbound *o, unsigned attempts_seen, const char *why)
{
	size_t i;

	/* The oldest of each client. */
	for (i = 0; i < fair_heads(&o->lane.ready); i++) {
		while (expire(o, NULL, fair_head(&o->lane.ready, i), attempts_seen, why))
			;
	}
	while (expire(o, NULL, lane_first_due(&o->lane, o->shard->now_ns), attempts_seen, why))
		;
	expire_classes(o, attempts_seen, why, false);
}

/* Mail that no connection was ever found for grows old in the lane; its oldest are the first of each kind. */
void outbound_expire(struct outbound *o)
{
	expire_all(o, o->failures_seen, NULL);
}

void outbound_expire_put_off(struct outbound *o)
{
	if (mailbox_use(o->mailboxes, NULL) == MAILBOXES_PUT_OFF)
		outbound_expire(o);
	else
		expire_classes(o, o->failures_seen, NULL, true);
}

void outbound_expire_limited(struct outbound *o)
{
	expire_all(o, 2,
		   "it has waited for its turn for longer than retry.expire: the destination's limits are too low for "
		   "its mail");
}
