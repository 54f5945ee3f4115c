/*
 * tests/sim/test_relay_pool.c - mailboxes that sign in, each with limits of its own, and the other path, through kills,
 * power cuts, reloads and next hops that refuse logins: never too much by anybody, nothing lost, and an end.
 */
#include <errno.h>

#include "core/base/clock.h"
#include "core/deliver/budget.h"
#include "core/deliver/mailbox.h"
#include "core/store/store.h"
#include "tests/sim/pool_rig.h"
#include "tests/sim/test_relay.h"

#define MINUTE_NS (60 * CLOCK_NS_PER_S)
#define HOUR_NS (60 * MINUTE_NS)

/* A mailbox's day is being written ahead, and nothing of it may be spent yet. */
static bool writes_ahead(void *context)
{
	const struct rig *rig = context;
	const struct mailbox_home *home = &rig->relay.deliverers.mailboxes[0];

	for (size_t i = 0; i < home->count; i++) {
		struct budget *day = home->list[i]->account.day;
		if (day && atomic_load(&day->writing))
			return true;
	}
	return false;
}

static void slow_disk(struct world_config *config)
{
	config->disk_delay_min_ns = CLOCK_NS_PER_MS;
	config->disk_delay_max_ns = 200 * CLOCK_NS_PER_MS;
}

/* The disk is full for a while, or a write fails just when a budget is to be written. */
static void trouble_disk(struct rig *rig)
{
	const struct world_io_fault fault = {
		.operations = WORLD_IO_WRITE, .nth = 1 + world_below(4), .count = 1, .error = -EIO};

	(void)rig_run(rig, writes_ahead, HOUR_NS);
	if (world_below(2)) {
		world_fault_io(&fault);
		return;
	}
	world_disk_capacity(1);
	(void)rig_run(rig, NULL, world_below(600) * CLOCK_NS_PER_S);
	world_disk_capacity(0);
}

/* A pool with day budgets that are spent before all is sent, through deaths at any moment. */
void scenario_pool(uint64_t seed)
{
	bool paced = rig_pick(seed, 10, 2);
	unsigned count = 1 + (unsigned)rig_pick(seed, 1, 4);
	struct actor_logins logins = {.count = count, .connections_max = 1 + (unsigned)rig_pick(seed, 2, 3)};
	char signing_in[POOL_SIGNING_IN_MAX];
	struct rig_options options = {
		.scenario = "pool",
		.seed = seed,
		.quiet = rig_pick(seed, 3, 2),
		.clients = 2,
		.messages = 25 * count,
		.recipients_max = 1 + (unsigned)rig_pick(seed, 4, 5),
		.connections = logins.connections_max,
		.each = 1 + (unsigned)rig_pick(seed, 5, 5),
		.signing_in = signing_in,
		.adjust = rig_pick(seed, 11, 2) ? slow_disk : NULL,
		.limits = paced ? ", recipients_per_day: 30, messages_per_minute: 20" : ", recipients_per_day: 30",
		.pacing = rig_pick(seed, 6, 2) ? "even" : "burst",
		.hop = {.pipelining = true,
			.chunking = rig_pick(seed, 7, 2),
			.logins = &logins,
			.delay_max_ns = 20 * CLOCK_NS_PER_MS},
	};
	struct rig rig;

	pool_signing_in(signing_in, 0, count, false);
	pool_meter_all(&logins, true, paced);
	rig_open(&rig, &options);
	rig_begin(&rig, 1 + (unsigned)rig_pick(seed, 8, 3));
	rig_clients(&rig);
	for (unsigned i = 0; seed % 4 && i < 12 && rig.alive; i++) {
		(void)rig_run(&rig, NULL, rig_pick(seed, 50 + i, i < 6 ? 20 : 7200) * CLOCK_NS_PER_S);
		if (rig_pick(seed, 110 + i, 4) == 0)
			trouble_disk(&rig);
		if (rig_pick(seed, 70 + i, 3) && rig_run(&rig, writes_ahead, HOUR_NS) == WORLD_DONE)
			(void)rig_run(&rig, NULL, rig_pick(seed, 90 + i, 100) * CLOCK_NS_PER_MS);
		pool_die(&rig);
	}
	rig_finish(&rig, 1 + (unsigned)rig_pick(seed, 9, 3));
	pool_close(&rig, &logins);
}

static uint64_t turns(const struct rig *rig)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < rig->shard_count; i++) {
		struct ring_stats stats;
		ring_stats(rig->shards[i].shard->ring, &stats);
		sum += stats.turns;
	}
	return sum;
}

/* One mailbox may not sign in and has all of its day left, the other has spent nearly all of its own: mail waits for
 * them, and does not ask in each turn. */
void scenario_spent(uint64_t seed)
{
	enum { MAILBOXES = 2, TURNS = 20000 };
	struct actor_logins logins = {.count = MAILBOXES, .locked = 1};
	char signing_in[POOL_SIGNING_IN_MAX];
	struct rig_options options = {
		.scenario = "spent",
		.seed = seed,
		.quiet = true,
		.clients = 1,
		.messages = 40,
		.recipients_max = 5,
		.connections = 2,
		.signing_in = signing_in,
		.limits = ", recipients_per_day: 30",
		.hop = {.pipelining = true, .logins = &logins, .delay_max_ns = 20 * CLOCK_NS_PER_MS},
	};
	struct rig rig;
	uint64_t before;

	pool_signing_in(signing_in, 0, MAILBOXES, false);
	pool_meter_all(&logins, true, false);
	rig_open(&rig, &options);
	rig_begin(&rig, 1 + (unsigned)rig_pick(seed, 1, 2));
	rig_clients(&rig);
	(void)rig_run(&rig, NULL, HOUR_NS);
	before = turns(&rig);
	(void)rig_run(&rig, NULL, HOUR_NS);
	if (turns(&rig) - before > TURNS)
		rig_fail(&rig, "%llu turns in an hour in which there is nothing to do",
			 (unsigned long long)(turns(&rig) - before));
	logins.locked = 0;
	rig_finish(&rig, 1 + (unsigned)rig_pick(seed, 2, 3));
	pool_close(&rig, &logins);
}

/*
 * Logins that are refused, put off, cut off or not answered for hours: no mail fails or expires for it, no password is
 * said more often than whoever guards logins bears, and when it is over all mail goes.
 */
void scenario_logins(uint64_t seed)
{
	enum { FIRST_TRIES = 4 };
	static const uint32_t rates[] = {1000000, 600000, 200000};
	uint32_t rate = rates[rig_pick(seed, 1, 3)];
	unsigned count = 1 + (unsigned)rig_pick(seed, 2, 4), kind = (unsigned)rig_pick(seed, 3, 4);
	struct actor_logins logins = {.count = count,
				      .refused = kind == 0 ? rate : 0,
				      .later = kind == 1 ? rate : 0,
				      .closed = kind == 2 ? rate : 0,
				      .silent = kind == 3 ? rate : 0,
				      .failures = {.window_ns = 10 * MINUTE_NS}};
	char signing_in[POOL_SIGNING_IN_MAX];
	struct rig_options options = {
		.scenario = "logins",
		.seed = seed,
		.quiet = rig_pick(seed, 4, 2),
		.clients = 2,
		.messages = 40,
		.recipients_max = 2,
		.connections = 1 + (unsigned)rig_pick(seed, 5, 4),
		.signing_in = signing_in,
		.hop = {.pipelining = true, .logins = &logins, .delay_max_ns = 50 * CLOCK_NS_PER_MS},
	};
	struct rig rig;

	pool_signing_in(signing_in, 0, count, false);
	pool_meter_all(&logins, false, false);
	/* A process that begins anew knows nothing of the tries before. */
	if (kind == 0 && rate == 1000000)
		logins.failures.most = (uint64_t)FIRST_TRIES * count;
	rig_open(&rig, &options);
	rig_begin(&rig, 1 + (unsigned)rig_pick(seed, 6, 3));
	rig_clients(&rig);
	for (unsigned i = 0; i < 4 && rig.alive; i++) {
		(void)rig_run(&rig, NULL, rig_pick(seed, 50 + i, 7200) * CLOCK_NS_PER_S);
		if (rig_pick(seed, 60 + i, 4) == 0 && logins.failures.most == 0)
			pool_die(&rig);
	}
	logins.refused = logins.later = logins.closed = logins.silent = 0;
	rig_finish(&rig, 1 + (unsigned)rig_pick(seed, 7, 3));
	pool_close(&rig, &logins);
}

/* A password that was right is so no more, on many connections of all shards: whoever guards logins bears four wrong
 * ones within ten minutes. */
void scenario_changed(uint64_t seed)
{
	enum { MOST = 4 };
	struct actor_logins logins = {.count = 1, .failures = {.window_ns = 10 * MINUTE_NS, .most = MOST}};
	char signing_in[POOL_SIGNING_IN_MAX];
	struct rig_options options = {
		.scenario = "changed",
		.seed = seed,
		.quiet = true,
		.clients = 4,
		.messages = 300,
		.recipients_max = 1,
		.connections = 12,
		.in_flight = 1,
		.signing_in = signing_in,
		.hop = {.pipelining = true,
			.logins = &logins,
			.messages_max = 3,
			.delay_max_ns = 400 * CLOCK_NS_PER_MS},
	};
	struct rig rig;

	pool_signing_in(signing_in, 0, 1, false);
	pool_meter_all(&logins, false, false);
	rig_open(&rig, &options);
	rig_begin(&rig, 4);
	rig_clients(&rig);
	(void)rig_run(&rig, NULL, (5 + rig_pick(seed, 1, 20)) * CLOCK_NS_PER_S);
	logins.locked = 1;
	(void)rig_run(&rig, NULL, HOUR_NS);
	logins.locked = 0;
	rig_finish(&rig, 1 + (unsigned)rig_pick(seed, 2, 3));
	pool_close(&rig, &logins);
}

static void write_path(struct rig_options *options, bool fallback)
{
	options->signing_in =
		fallback ? "tls: { mode: none }, fallback: two, fallback_after: 1m" : "tls: { mode: none }";
}

/* There is another path or none, or it is gone with all mail that was lent to it. */
static void change_path(struct rig *rig)
{
	bool fallback = world_below(3) > 0;

	write_path(&rig->options, fallback);
	rig->options.gone = !fallback && world_below(2);
	if (!rig_reload(rig) && !rig_broken(rig))
		rig_fail(rig, "a reload is refused");
	if (rig_run(rig, rig_taken, 60 * CLOCK_NS_PER_S) != WORLD_DONE)
		rig_fail(rig, "not all shards have taken the new configuration");
}

static void count_lent(void *context, struct mail *m)
{
	const struct delivery *d = NULL;
	unsigned *lent = context;

	while ((d = mail_next(m, d)))
		*lent += d->home != 0;
}

/* The other path goes while mail is on loan there: all of it is home soon. */
static void expect_home(struct rig *rig)
{
	struct actor_nexthop_config *slow = actor_nexthop_config(rig->hops[1]);
	unsigned lent = 0;

	slow->delay_min_ns = slow->delay_max_ns = 20 * CLOCK_NS_PER_S;
	world_reach(RIG_HOP_PORT, WORLD_REFUSE);
	(void)rig_run(rig, NULL, 3 * MINUTE_NS);
	slow->delay_min_ns = slow->delay_max_ns = 0;
	write_path(&rig->options, false);
	rig->options.gone = true;
	if (!rig->alive || rig_run(rig, rig_taken, 60 * CLOCK_NS_PER_S) != WORLD_DONE || !rig_reload(rig))
		return;
	(void)rig_run(rig, NULL, HOUR_NS);
	for (unsigned i = 0; i < rig->shard_count; i++)
		store_mails(rig->shards[i].shard, count_lent, &lent);
	if (lent > 0)
		rig_fail(rig, "%u deliveries are on loan where the destination is gone", lent);
}

/* The first destination's host is away from time to time, for longer than the other path waits; and the process dies.
 * The ledger counts what comes twice. */
void scenario_paths(uint64_t seed)
{
	struct rig_options options = {
		.scenario = "paths",
		.seed = seed,
		.quiet = rig_pick(seed, 1, 2),
		.clients = 3,
		.messages = 60,
		.recipients_max = 1 + (unsigned)rig_pick(seed, 2, 4),
		/* As many lanes as shards: any may take over for any. */
		.connections = RIG_SHARDS_MAX,
		.in_flight = 1 + (unsigned)rig_pick(seed, 7, 2),
		.hop = {.pipelining = true, .chunking = rig_pick(seed, 3, 2), .delay_max_ns = 50 * CLOCK_NS_PER_MS},
	};
	struct rig rig;

	write_path(&options, true);
	rig_open(&rig, &options);
	rig_begin(&rig, 1 + (unsigned)rig_pick(seed, 4, 3));
	for (unsigned i = 0; i < 10 && rig.alive; i++) {
		world_reach(RIG_HOP_PORT, rig_pick(seed, 50 + i, 2) ? WORLD_REFUSE : WORLD_OPEN);
		world_partition(RIG_HOP_PORT, rig_pick(seed, 60 + i, 3) == 0);
		if (i == 0)
			world_reach(RIG_HOP_PORT, WORLD_REFUSE);
		if (i == 0)
			rig_clients(&rig);
		(void)rig_run(&rig, NULL, rig_pick(seed, 70 + i, 300) * CLOCK_NS_PER_S);
		if (rig_pick(seed, 80 + i, 3) == 0)
			pool_die(&rig);
		else if (rig_pick(seed, 90 + i, 2))
			change_path(&rig);
		if (i == 0)
			expect_home(&rig);
	}
	rig.options.gone = false;
	if (rig.alive && rig_run(&rig, rig_taken, 60 * CLOCK_NS_PER_S) == WORLD_DONE && !rig_reload(&rig))
		rig_fail(&rig, "the last reload is refused");
	rig_finish(&rig, 1 + (unsigned)rig_pick(seed, 5, 3));
	rig_close(&rig);
}

/* Mailboxes, limits and pacing come and go while mail flows; each reload is taken or refused as a whole, and no mailbox
 * does more than it ever might. */
void scenario_pool_reload(uint64_t seed)
{
	struct actor_logins logins = {.count = ACTOR_MAILBOXES};
	char signing_in[POOL_SIGNING_IN_MAX];
	struct rig_options options = {
		.scenario = "pool_reload",
		.seed = seed,
		.quiet = rig_pick(seed, 1, 2),
		.clients = 2,
		.messages = 60,
		.recipients_max = 1 + (unsigned)rig_pick(seed, 2, 4),
		.connections = 3,
		.signing_in = signing_in,
		.limits = ", recipients_per_day: 30, messages_per_minute: 20",
		.hop = {.pipelining = true, .logins = &logins, .delay_max_ns = 20 * CLOCK_NS_PER_MS},
	};
	struct rig rig;

	pool_signing_in(signing_in, 0, 3, false);
	pool_meter_all(&logins, true, true);
	rig_open(&rig, &options);
	rig_begin(&rig, 1 + (unsigned)rig_pick(seed, 3, 3));
	rig_clients(&rig);
	for (unsigned i = 0; i < 30 && rig.alive && rig.failures == 0; i++) {
		static const char *const limits[] = {
			", recipients_per_day: 30, messages_per_minute: 20",
			", recipients_per_day: 10, messages_per_minute: 20",
			", recipients_per_day: 30, messages_per_minute: 7",
		};
		(void)rig_run(&rig, NULL, world_below(i < 20 ? 30 : 7200) * CLOCK_NS_PER_S);
		pool_signing_in(signing_in, (unsigned)world_below(4), 1 + (unsigned)world_below(4), false);
		rig.options.limits = limits[world_below(3)];
		rig.options.pacing = world_below(2) ? "even" : "burst";
		if (!rig_reload(&rig) && !rig_broken(&rig))
			rig_fail(&rig, "a reload is refused");
		if (world_below(5) == 0)
			pool_die(&rig);
		else if (rig_run(&rig, rig_taken, 60 * CLOCK_NS_PER_S) != WORLD_DONE)
			rig_fail(&rig, "not all shards have taken the new configuration");
	}
	rig_finish(&rig, 1 + (unsigned)rig_pick(seed, 4, 3));
	pool_close(&rig, &logins);
}
