/*
 * tests/sim/test_relay_hold.c - next hops that refuse what the relay is or how it is set up: mail is held (hold.h).
 */
#include "core/deliver/deliverer.h"
#include "core/deliver/hold.h"
#include "tests/sim/test_relay.h"

enum { HOUR_S = 3600, HELD_HOURS = 5 };

static const struct {
	enum actor_setup_stage stage;
	const char *reply;
	unsigned each; /* of so many messages one is refused; 0: all are */
} kinds[] = {
	{ACTOR_SETUP_RCPT, "550 5.7.64 TenantAttribution; Relay Access Denied [next.hop.example]\r\n", 0},
	{ACTOR_SETUP_MAIL, "530 5.7.0 Must issue a STARTTLS command first\r\n", 0},
	{ACTOR_SETUP_GREETING, "554 5.7.1 Your address is not welcome here\r\n", 0},
	{ACTOR_SETUP_RCPT, "504 5.5.2 <relay>: Helo command rejected: need fully-qualified hostname\r\n", 0},
	{ACTOR_SETUP_END, "550 5.7.60 SMTP; Client does not have permissions to send as this sender\r\n", 3},
	{ACTOR_SETUP_EHLO, "550 Access denied\r\n", 0},
	{ACTOR_SETUP_RCPT, "554 5.7.1 <unknown[192.0.2.1]>: Client host rejected: Access denied\r\n", 0},
	{ACTOR_SETUP_MAIL, "550 5.7.64 TenantAttribution\r\n", 2},
	{ACTOR_SETUP_END, "550 5.7.60 SMTP; Client does not have permissions to send as this sender\r\n", 0},
	{ACTOR_SETUP_RCPT, "554 5.7.1 <user@example.net>: Relay access denied\r\n", 4},
};

static uint64_t refusals(struct rig *rig)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < RIG_HOPS; i++) {
		struct actor_nexthop_stats stats;
		actor_nexthop_stats(rig->hops[i], &stats);
		sum += stats.setup_refusals;
	}
	return sum;
}

static uint64_t failed(const struct rig *rig)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < rig->shard_count; i++)
		sum += counter_get(&rig->shards[i].shard->deliverer->counters.failed);
	return sum;
}

/* While it lasts: what may go has gone, what may not is there, and the next hops have not been pestered. */
static void check_held(struct rig *rig, unsigned kind)
{
	unsigned each = kinds[kind].each;
	uint64_t lanes = 2 * RIG_HOPS, windows = rig_window_max(rig), before = refusals(rig), probes;
	struct ledger_summary s;

	ledger_summarize(&rig->ledger, &s);
	if (failed(rig) || s.failed)
		rig_fail(rig, "%llu recipients failed for a fault of the relay", (unsigned long long)failed(rig));
	if (each ? s.delivered == 0 || s.delivered == s.accepted : s.delivered > 0)
		rig_fail(rig, "held one of %u: %llu of %llu delivered", each, (unsigned long long)s.delivered,
			 (unsigned long long)s.accepted);
	/* At most what was in flight at first, then a message in each interval, for the process as a whole. */
	probes = RIG_HOPS * (12 + HELD_HOURS * HOUR_S / (HOLD_PROBE_MAX_MS / 1000));
	/* EHLO is followed by HELO. */
	if (kinds[kind].stage == ACTOR_SETUP_EHLO)
		probes *= 2;
	if (!each && before > windows + lanes * HOLD_ROW + probes)
		rig_fail(rig, "%llu refusals in %u hours", (unsigned long long)before, HELD_HOURS);
	if (each && before > s.accepted * 40)
		rig_fail(rig, "%llu refusals of %llu recipients", (unsigned long long)before,
			 (unsigned long long)s.accepted);
}

/* What is read again from the disk for connections that never come is given back at the end. */
static void restart_twice(struct rig *rig)
{
	for (unsigned i = 0; i < 2; i++) {
		if (!rig_stop(rig) || rig_start(rig, 2) < 0)
			rig_fail(rig, "does not start again");
		(void)rig_run(rig, NULL, 60 * CLOCK_NS_PER_S);
	}
}

/* Five hours, where mail expires after one: nothing fails by it. Then the set-up is mended, and all mail follows. */
void scenario_hold(uint64_t seed)
{
	unsigned kind = (unsigned)(seed % (sizeof(kinds) / sizeof(kinds[0])));
	struct rig_options options = {
		.scenario = "hold",
		.seed = seed,
		.plain = true, /* refusals that teach to do without would do so */
		.quiet = true,
		.clients = 3,
		.messages = 60,
		.recipients_max = 1,
		.retry = "{ first: 30s, factor: 2, max: 10m, expire: 1h }",
		.hop = {.pipelining = seed % 4 > 0,
			.chunking = seed % 4 > 1,
			.setup_refused = kinds[kind].reply,
			.setup_stage = kinds[kind].stage,
			.setup_each = kinds[kind].each},
	};
	uint64_t mended_ns;
	struct rig rig;

	/* And it defers and closes as it likes, which proves nothing. */
	if (seed % 3 == 1) {
		options.hop.mail_deferred = options.hop.rcpt_deferred = 100000;
		options.hop.close_rate = 20000;
	}

	rig_open(&rig, &options);
	rig_begin(&rig, 2);
	rig_clients(&rig);
	(void)rig_run(&rig, NULL, HELD_HOURS * HOUR_S * CLOCK_NS_PER_S);
	if (!rig_clients_done(&rig))
		rig_fail(&rig, "mail is not taken while the next hops refuse it");
	check_held(&rig, kind);
	if (seed % 3 == 0)
		rig_crash(&rig, WORLD_POWER_CUT);
	else if (seed % 3 == 1)
		restart_twice(&rig);
	rig_heal(&rig);
	mended_ns = world_now_ns();
	if (seed % 3 == 0 && rig_start(&rig, 2) < 0)
		rig_fail(&rig, "does not start again");
	/* Those held one by one are found by the first of them whose time has come. */
	if (rig_run(&rig, rig_quiet, (kinds[kind].each ? 800 : 90) * CLOCK_NS_PER_S) != WORLD_DONE)
		rig_fail(&rig, "%llu s after the set-up was mended %llu are still queued",
			 (unsigned long long)((world_now_ns() - mended_ns) / CLOCK_NS_PER_S),
			 (unsigned long long)rig_queued(&rig));
	rig_finish(&rig, 2);
	if (rig.counts.failed)
		rig_fail(&rig, "%llu failed", (unsigned long long)rig.counts.failed);
	rig_close(&rig);
}
