/*
 * tests/sim/test_relay_logins.c - who signs in, and is not let in: wrong secrets, tokens that end and are revoked,
 * logins that are put off for days; and rules by which mail goes another way, or by another mailbox.
 */
#include <stdio.h>
#include <string.h>

#include "core/base/clock.h"
#include "tests/sim/pool_rig.h"
#include "tests/sim/sim_token.h"
#include "tests/sim/test_relay.h"

#define MINUTE_NS (60 * CLOCK_NS_PER_S)
#define HOUR_NS (60 * MINUTE_NS)

/* ---- wrong from the begin -------------------------------------------------------------------------------------- */

/* Many mailboxes with a password that is wrong from the begin, or all of them at once after a while: whoever guards
 * logins counts by address, too. */
void scenario_wrong(uint64_t seed)
{
	enum { MOST = 28 };
	struct actor_logins logins = {.count = ACTOR_MAILBOXES,
				      .failures = {.window_ns = 10 * MINUTE_NS, .most = MOST}};
	char signing_in[POOL_SIGNING_IN_MAX];
	struct rig_options options = {
		.scenario = "wrong",
		.seed = seed,
		.quiet = rig_pick(seed, 3, 2),
		.clients = 4,
		.messages = 200,
		.recipients_max = 1,
		.connections = 4,
		.in_flight = 1,
		.signing_in = signing_in,
		.hop = {.pipelining = true,
			.logins = &logins,
			.messages_max = 2,
			.delay_max_ns = 400 * CLOCK_NS_PER_MS},
	};
	uint64_t before;
	struct rig rig;

	logins.locked = rig_pick(seed, 4, 2) ? UINT32_MAX : 0;
	pool_signing_in(signing_in, 0, ACTOR_MAILBOXES, false);
	pool_meter_all(&logins, false, false);
	rig_open(&rig, &options);
	rig_begin(&rig, 1 + (unsigned)rig_pick(seed, 1, 4));
	rig_clients(&rig);
	(void)rig_run(&rig, NULL, 5 * CLOCK_NS_PER_S);
	logins.locked = UINT32_MAX;
	(void)rig_run(&rig, NULL, HOUR_NS);
	/* One is right now: the others, which are not, keep it waiting for a time that an operator bears. */
	logins.locked &= ~1u;
	before = rig_queued(&rig);
	(void)rig_run(&rig, rig_quiet, 2 * HOUR_NS);
	if (before > 0 && rig_queued(&rig) == before)
		rig_fail(&rig, "a mailbox that may sign in did not in two hours");
	logins.locked = 0;
	rig_finish(&rig, 1 + (unsigned)rig_pick(seed, 2, 3));
	pool_close(&rig, &logins);
}

/* ---- put off for days ------------------------------------------------------------------------------------------ */

/* 454 to every login for longer than mail lives: it expires, as where a host is away. 535 instead, which somebody has
 * to act on: it waits. */
void scenario_put_off(uint64_t seed)
{
	bool wrong = rig_pick(seed, 1, 2);
	unsigned count = 2 + (unsigned)rig_pick(seed, 2, 3);
	struct actor_logins logins = {.count = count, .later = wrong ? 0 : 1000000, .locked = wrong ? UINT32_MAX : 0};
	char signing_in[POOL_SIGNING_IN_MAX];
	struct rig_options options = {
		.scenario = "put_off",
		.seed = seed,
		.quiet = rig_pick(seed, 3, 2),
		.clients = 2,
		.messages = 20,
		.recipients_max = 2,
		.signing_in = signing_in,
		.retry = "{ first: 30s, factor: 2, max: 10m, expire: 4h }",
		.may_expire = !wrong,
		.hop = {.pipelining = true, .logins = &logins, .delay_max_ns = 20 * CLOCK_NS_PER_MS},
	};
	uint64_t waiting;
	struct rig rig;

	pool_signing_in(signing_in, 0, count, false);
	pool_meter_all(&logins, false, false);
	rig_open(&rig, &options);
	rig_begin(&rig, 1 + (unsigned)rig_pick(seed, 4, 3));
	rig_clients(&rig);
	(void)rig_run(&rig, NULL, HOUR_NS);
	waiting = rig_queued(&rig);
	(void)rig_run(&rig, NULL, 2 * HOUR_NS);
	/* Only what was in no connection's hands can grow old there before its time: nothing. */
	if (rig_queued(&rig) != waiting)
		rig_fail(&rig, "%llu of %llu recipients are left before retry.expire",
			 (unsigned long long)rig_queued(&rig), (unsigned long long)waiting);
	if (rig_pick(seed, 5, 2))
		pool_die(&rig);
	waiting = rig_queued(&rig);
	(void)rig_run(&rig, NULL, 6 * HOUR_NS);
	if (wrong && rig_queued(&rig) != waiting)
		rig_fail(&rig, "mail is gone, although somebody has to act");
	if (!wrong && rig_queued(&rig) > 0)
		rig_fail(&rig, "%llu recipients lie for ever", (unsigned long long)rig_queued(&rig));
	logins.later = logins.locked = 0;
	rig_finish(&rig, 1 + (unsigned)rig_pick(seed, 6, 3));
	pool_close(&rig, &logins);
}

/* ---- tokens ---------------------------------------------------------------------------------------------------- */

/* An endpoint that is slow, silent, away or overrun, or refuses the application's secret. */
static void change_endpoint(void)
{
	struct sim_token_manner manner = {.life_s = 120 + world_below(3600)};

	switch (world_below(5)) {
	case 0:
		manner.delay_max_ns = world_below(90) * CLOCK_NS_PER_S;
		break;
	case 1:
		manner.away = 1000000;
		break;
	case 2:
		manner.throttled = 500000;
		break;
	case 3:
		manner.refused = 1000000;
		break;
	}
	sim_token_set_manner(&manner);
}

static void happen(struct rig *rig, struct actor_logins *logins)
{
	switch (world_below(6)) {
	case 0:
		change_endpoint();
		break;
	case 1:
		sim_token_revoke();
		break;
	case 2:
		logins->locked = (uint32_t)world_below(1u << logins->count);
		break;
	case 3:
		logins->later = world_below(2) ? 100000 : 0;
		logins->closed = world_below(2) ? 50000 : 0;
		break;
	case 4:
		if (!rig_reload(rig) && !rig_broken(rig))
			rig_fail(rig, "a reload is refused");
		(void)rig_run(rig, rig_taken, MINUTE_NS);
		break;
	default:
		pool_die(rig);
	}
}

/*
 * A pool that signs in by one application's tokens: which end, are revoked, cannot be had, while the process dies, and
 * mailboxes are locked. Nobody says again what it was refused with, the endpoint is not asked before it wants to be, no
 * budget is overspent, nothing is lost, and when all is well again everything goes.
 */
void scenario_tokens(uint64_t seed)
{
	enum { FETCHES_AN_HOUR = 60 };
	unsigned count = 1 + (unsigned)rig_pick(seed, 1, 5);
	struct actor_logins logins = {
		.count = count, .token_good = sim_token_good, .challenge = rig_pick(seed, 2, 2), .connections_max = 2};
	char signing_in[POOL_SIGNING_IN_MAX];
	struct rig_options options = {
		.scenario = "tokens",
		.seed = seed,
		.quiet = true,
		.clients = 2,
		.messages = 30 * count,
		.recipients_max = 2,
		.connections = 2,
		.signing_in = signing_in,
		.limits = ", recipients_per_day: 30, messages_per_minute: 20",
		.pacing = rig_pick(seed, 3, 2) ? "even" : "burst",
		.hop = {.pipelining = true,
			.logins = &logins,
			.messages_max = 1 + (unsigned)rig_pick(seed, 4, 8),
			.delay_max_ns = 100 * CLOCK_NS_PER_MS},
	};
	uint64_t hours = 0;
	struct rig rig;

	sim_token_clear();
	pool_signing_in_by_token(signing_in, count);
	pool_meter_all(&logins, true, true);
	rig_open(&rig, &options);
	rig_begin(&rig, 1 + (unsigned)rig_pick(seed, 5, 3));
	rig_clients(&rig);
	for (unsigned i = 0; i < 60 && rig.alive && rig.failures == 0; i++) {
		uint64_t s = world_below(i % 10 == 9 ? 7200 : 120);
		(void)rig_run(&rig, NULL, s * CLOCK_NS_PER_S);
		hours += s;
		happen(&rig, &logins);
	}
	hours = hours / 3600 + 1;
	if (sim_token_fetches() > FETCHES_AN_HOUR * (hours + rig.lives))
		rig_fail(&rig, "%llu tokens were asked for in %llu hours and %u lives",
			 (unsigned long long)sim_token_fetches(), (unsigned long long)hours, rig.lives);
	if (sim_token_early())
		rig_fail(&rig, "%llu times before Retry-After", (unsigned long long)sim_token_early());
	if (logins.stale)
		rig_fail(&rig, "%u times a token was said again by who had been refused with it", logins.stale);
	sim_token_set_manner(&(struct sim_token_manner){0});
	logins.locked = logins.later = logins.closed = 0;
	rig_finish(&rig, 1 + (unsigned)rig_pick(seed, 6, 3));
	pool_close(&rig, &logins);
	sim_token_clear();
}

/* ---- each by a mailbox that may -------------------------------------------------------------------------------- */

static unsigned still_queued(const struct rig *rig, const struct actor_logins *logins)
{
	unsigned left = 0;

	for (uint32_t n = 0; n < rig->ledger.count; n++) {
		const struct ledger_message *m = &rig->ledger.messages[n];
		uint32_t who = 0;
		for (unsigned i = 0; i < logins->count; i++)
			who |= (logins->may[i] >> n % logins->senders & 1) << i;
		for (unsigned i = 0; (who & ~logins->locked) && i < m->recipient_count; i++)
			left += m->recipients[i].fate == LEDGER_ACCEPTED && m->recipients[i].delivered == 0 &&
				m->recipients[i].failed == 0;
	}
	return left;
}

/* Each message goes by a mailbox that may send as its sender and by no other; some cannot sign in, reloads change whom
 * they may send for, and the process dies. What another may send does not wait for those. */
void scenario_match(uint64_t seed)
{
	unsigned count = 2 + (unsigned)rig_pick(seed, 1, ACTOR_MAILBOXES - 1);
	struct actor_logins logins = {.count = count, .senders = 2 + (unsigned)rig_pick(seed, 2, 5)};
	char signing_in[POOL_SIGNING_IN_MAX];
	struct rig_options options = {
		.scenario = "match",
		.seed = seed,
		.quiet = rig_pick(seed, 3, 2),
		.clients = 3,
		.messages = 80,
		.recipients_max = 1 + (unsigned)rig_pick(seed, 4, 4),
		.connections = 1 + (unsigned)rig_pick(seed, 5, 3),
		.signing_in = signing_in,
		.limits = rig_pick(seed, 6, 2) ? ", messages_per_minute: 20" : NULL,
		.hop = {.pipelining = true, .logins = &logins, .delay_max_ns = 50 * CLOCK_NS_PER_MS},
	};
	struct rig rig;

	pool_allot(&logins, seed);
	pool_signing_in_as(signing_in, &logins);
	pool_meter_all(&logins, false, options.limits != NULL);
	rig_open(&rig, &options);
	logins.locked = (uint32_t)rig_pick(seed, 7, 1u << count);
	rig_begin(&rig, 1 + (unsigned)rig_pick(seed, 8, 3));
	rig_clients(&rig);
	for (unsigned i = 0; i < 6 && rig.alive; i++) {
		(void)rig_run(&rig, NULL, rig_pick(seed, 50 + i, 60) * CLOCK_NS_PER_S);
		if (rig_pick(seed, 60 + i, 3) == 0)
			pool_die(&rig);
		else if (rig_pick(seed, 70 + i, 2) && rig_reload(&rig))
			(void)rig_run(&rig, rig_taken, MINUTE_NS);
	}
	(void)rig_run(&rig, rig_quiet, 2 * HOUR_NS);
	if (rig.alive && still_queued(&rig, &logins))
		rig_fail(&rig, "%u recipients wait although a mailbox may send for them", still_queued(&rig, &logins));
	logins.locked = 0;
	rig_finish(&rig, 1 + (unsigned)rig_pick(seed, 9, 3));
	if (logins.foreign)
		rig_fail(&rig, "%u messages went by a mailbox that may not send as their sender", logins.foreign);
	pool_close(&rig, &logins);
}

/* ---- rules ----------------------------------------------------------------------------------------------------- */

static const enum actor_setup_stage stages[] = {ACTOR_SETUP_MAIL, ACTOR_SETUP_RCPT, ACTOR_SETUP_END};

static void say(struct rig *rig, const char *said, uint64_t seed, unsigned i)
{
	struct actor_nexthop_config *hop = actor_nexthop_config(rig->hops[0]);

	hop->setup_refused = rig_pick(seed, 20 + i, 3) ? said : NULL;
	hop->setup_stage = stages[rig_pick(seed, 30 + i, 3)];
	hop->setup_each = (unsigned)rig_pick(seed, 40 + i, 4);
}

/* What a rule sends by the other path goes there at once and arrives once, and none of it fails. */
void scenario_other_path(uint64_t seed)
{
	static const char *const said[] = {"550 5.7.705 Access denied, tenant has exceeded threshold\r\n",
					   "451 4.7.705 Not by this way\r\n"};
	struct rig_options options = {
		.scenario = "other_path",
		.seed = seed,
		.quiet = rig_pick(seed, 1, 2),
		.clients = 3,
		.messages = 80,
		.recipients_max = 1 + (unsigned)rig_pick(seed, 2, 4),
		.connections = RIG_SHARDS_MAX,
		.in_flight = 1 + (unsigned)rig_pick(seed, 3, 4),
		.signing_in = "tls: { mode: none }, fallback: two, fallback_after: 2m, "
			      "verdicts: [{ enhanced: [5.7.705, 4.7.705], do: other_path }]",
		.hop = {.pipelining = true, .chunking = rig_pick(seed, 7, 2), .delay_max_ns = 50 * CLOCK_NS_PER_MS},
	};
	struct actor_nexthop_config *hop;
	struct rig rig;

	rig_open(&rig, &options);
	hop = actor_nexthop_config(rig.hops[0]);
	rig_begin(&rig, 1 + (unsigned)rig_pick(seed, 4, 3));
	for (unsigned i = 0; i < 8 && rig.alive; i++) {
		say(&rig, said[rig_pick(seed, 80 + i, 2)], seed, i);
		world_reach(RIG_HOP_PORT + 1, rig_pick(seed, 90 + i, 4) ? WORLD_OPEN : WORLD_REFUSE);
		if (i == 0)
			rig_clients(&rig);
		(void)rig_run(&rig, NULL, rig_pick(seed, 50 + i, 60) * CLOCK_NS_PER_S);
		if (rig_pick(seed, 60 + i, 4) == 0)
			pool_die(&rig);
	}
	world_reach(RIG_HOP_PORT + 1, WORLD_OPEN);
	hop->setup_refused = said[rig_pick(seed, 5, 2)];
	hop->setup_each = 0;
	/* Nothing is taken there, and nothing waits. */
	if (rig.alive && rig_run(&rig, rig_quiet, 2 * HOUR_NS) != WORLD_DONE)
		rig_fail(&rig, "%llu recipients wait although there is another path",
			 (unsigned long long)rig_queued(&rig));
	rig_finish(&rig, 1 + (unsigned)rig_pick(seed, 6, 3));
	rig_close(&rig);
}

/* A rule has mailboxes sign in anew: of what is refused so now and then none fails, and the login is not said for each
 * message. */
void scenario_anew(uint64_t seed)
{
	enum { LOGINS_AN_HOUR = 60 };
	struct actor_logins logins = {.count = 1 + (unsigned)rig_pick(seed, 7, 3)};
	char signing_in[POOL_SIGNING_IN_MAX];
	struct rig_options options = {
		.scenario = "anew",
		.seed = seed,
		.quiet = rig_pick(seed, 1, 2),
		.clients = 3,
		.messages = 80,
		.recipients_max = 1 + (unsigned)rig_pick(seed, 2, 4),
		.connections = 1 + (unsigned)rig_pick(seed, 8, 3),
		.in_flight = 1 + (unsigned)rig_pick(seed, 3, 4),
		.signing_in = signing_in,
		.hop = {.pipelining = true, .logins = &logins, .delay_max_ns = 50 * CLOCK_NS_PER_MS},
	};
	struct actor_nexthop_config *hop;
	unsigned before;
	struct rig rig;

	pool_signing_in(signing_in, 0, logins.count, false);
	strcat(signing_in, ", verdicts: [{ code: 530, do: sign_in }]");
	pool_meter_all(&logins, false, false);
	rig_open(&rig, &options);
	hop = actor_nexthop_config(rig.hops[0]);
	rig_begin(&rig, 1 + (unsigned)rig_pick(seed, 4, 3));
	for (unsigned i = 0; i < 6 && rig.alive; i++) {
		say(&rig, "530 5.7.57 Client not authenticated to send mail\r\n", seed, i);
		if (i == 0)
			rig_clients(&rig);
		(void)rig_run(&rig, NULL, rig_pick(seed, 50 + i, 120) * CLOCK_NS_PER_S);
		if (rig_pick(seed, 60 + i, 4) == 0)
			pool_die(&rig);
	}
	/* Now all is: each mailbox is held, and tried now and then. */
	hop->setup_refused = "530 5.7.57 Client not authenticated to send mail\r\n";
	hop->setup_each = 0;
	(void)rig_run(&rig, NULL, 10 * MINUTE_NS);
	before = logins.tries;
	(void)rig_run(&rig, NULL, HOUR_NS);
	if (logins.tries - before > LOGINS_AN_HOUR * logins.count)
		rig_fail(&rig, "%u logins in an hour, of %u mailboxes that may not send", logins.tries - before,
			 logins.count);
	rig_finish(&rig, 1 + (unsigned)rig_pick(seed, 6, 3));
	pool_close(&rig, &logins);
}
