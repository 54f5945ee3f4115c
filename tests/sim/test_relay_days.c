/*
 * tests/sim/test_relay_days.c - the relay on good and bad days of its network and its next hops.
 */
#include <string.h>

#include "core/deliver/deliverer.h"
#include "core/receive/receiver.h"
#include "core/relay/watch.h"
#include "core/relay/watchdog.h"
#include "core/store/store.h"
#include "tests/sim/test_relay.h"

enum { HOUR_S = 3600 };

void bad_hop(struct actor_nexthop_config *hop, uint64_t seed)
{
	*hop = (struct actor_nexthop_config){
		.pipelining = rig_pick(seed, 1, 3) > 0,
		.size = rig_pick(seed, 2, 2),
		.delay_max_ns = rig_pick(seed, 3, 20) * CLOCK_NS_PER_MS,
		.messages_max = rig_pick(seed, 4, 3) ? 0 : 5,
		.connections_max = rig_pick(seed, 5, 4) ? 0 : 2,
		.greeting_refused = (uint32_t)rig_pick(seed, 6, 200000),
		.mail_deferred = (uint32_t)rig_pick(seed, 7, 50000),
		.mail_refused = (uint32_t)rig_pick(seed, 8, 50000),
		.rcpt_deferred = (uint32_t)rig_pick(seed, 9, 100000),
		.rcpt_refused = (uint32_t)rig_pick(seed, 10, 100000),
		.data_deferred = (uint32_t)rig_pick(seed, 11, 50000),
		.end_deferred = (uint32_t)rig_pick(seed, 12, 50000),
		.end_refused = (uint32_t)rig_pick(seed, 13, 50000),
		.close_rate = (uint32_t)rig_pick(seed, 14, 20000),
		.close_after_end = (uint32_t)rig_pick(seed, 15, 30000),
		.close_in_content = (uint32_t)rig_pick(seed, 16, 10000),
	};
	hop->chunking = hop->pipelining && rig_pick(seed, 17, 2);
}

static void expect_all(struct rig *rig)
{
	struct ledger_summary s;

	ledger_summarize(&rig->ledger, &s);
	if (s.refused || s.unknown || s.failed || s.duplicates || s.missing || s.delivered != s.accepted)
		rig_fail(rig, "on a quiet day: accepted %llu delivered %llu refused %llu unknown %llu failed %llu",
			 (unsigned long long)s.accepted, (unsigned long long)s.delivered, (unsigned long long)s.refused,
			 (unsigned long long)s.unknown, (unsigned long long)s.failed);
}

/* A drain in the middle of the day, then the rest: returns the hash of the run. */
static uint64_t quiet_run(uint64_t seed)
{
	struct rig_options options = {
		.scenario = "quiet",
		.seed = seed,
		.quiet = true,
		.clients = 4,
		.messages = 100,
		.recipients_max = 3,
		.hop = {.pipelining = seed % 3 > 0,
			.chunking = seed % 3 > 1,
			.size = true,
			.delay_max_ns = CLOCK_NS_PER_MS},
	};
	struct rig rig;

	rig_open(&rig, &options);
	rig_begin(&rig, 2);
	rig_clients(&rig);
	rig_finish(&rig, 2);
	if (rig.counts.worked != 3)
		rig_fail(&rig, "a shard did nothing");
	if (rig.counts.maybe_duplicates)
		rig_fail(&rig, "duplicates are counted as possible on a quiet day");
	expect_all(&rig);
	rig_close(&rig);
	return rig.hash;
}

/* SIGTERM under load: nothing twice, nothing lost, the next life delivers what was left (SYS-04). */
static void drained_run(uint64_t seed)
{
	struct rig_options options = {
		.scenario = "quiet",
		.seed = seed,
		.quiet = true,
		.clients = 4,
		.messages = 60,
		.recipients_max = 2,
		.hop = {.pipelining = true, .chunking = seed % 2, .delay_max_ns = 20 * CLOCK_NS_PER_MS},
	};
	struct rig rig;

	rig_open(&rig, &options);
	rig_begin(&rig, 2);
	rig_clients(&rig);
	(void)rig_run(&rig, NULL, (1 + rig_pick(seed, 1, 200)) * CLOCK_NS_PER_MS);
	if (rig_stop(&rig)) {
		rig_audit(&rig, false);
		rig_finish(&rig, 2);
	}
	if (rig.counts.maybe_duplicates)
		rig_fail(&rig, "a drain counted %llu possible duplicates",
			 (unsigned long long)rig.counts.maybe_duplicates);
	rig_close(&rig);
}

void scenario_quiet(uint64_t seed)
{
	uint64_t hash = quiet_run(seed);

	if (seed == 1 && quiet_run(seed) != hash) {
		rig_failures++;
		fprintf(stderr, "quiet seed 1: two runs differ\n");
	}
	drained_run(seed);
}

static void lose_doorbells(struct world_config *config)
{
	config->doorbell_lost = 200000;
}

static uint64_t random_run(uint64_t seed)
{
	struct rig_options options = {
		.scenario = "random",
		.seed = seed,
		.adjust = seed % 4 ? NULL : lose_doorbells,
		.clients = 3,
		.messages = 40,
		.messages_per_connection = rig_pick(seed, 20, 2) ? 0 : 9,
		.abort_rate = rig_pick(seed, 21, 3) ? 0 : 3000,
		.content_max = rig_pick(seed, 22, 3) ? 4000 : 60000,
		.recipients_max = 1 + (unsigned)rig_pick(seed, 23, 4),
		.connections = 1 + (unsigned)rig_pick(seed, 24, 6),
		.in_flight = 1 + (unsigned)rig_pick(seed, 25, 40),
	};
	struct rig rig;

	bad_hop(&options.hop, seed);
	rig_open(&rig, &options);
	rig_begin(&rig, 1 + (unsigned)rig_pick(seed, 26, 3));
	rig_clients(&rig);
	(void)rig_run(&rig, rig_quiet, (10 + rig_pick(seed, 27, 600)) * CLOCK_NS_PER_S);
	if (rig_pick(seed, 28, 2) && rig_stop(&rig))
		rig_audit(&rig, false);
	rig_finish(&rig, 2);
	rig_close(&rig);
	return rig.hash;
}

void scenario_random(uint64_t seed)
{
	uint64_t hash = random_run(seed);

	if (seed == 1 && random_run(seed) != hash) {
		rig_failures++;
		fprintf(stderr, "random seed 1: two runs differ\n");
	}
}

/* Messages that do not fit one record: content leaves for the spool, and for the next hop, in parts. */
void scenario_parts(uint64_t seed)
{
	struct rig_options options = {
		.scenario = "parts",
		.seed = seed,
		.quiet = seed % 2,
		.clients = seed % 2 ? 8 : 2,
		.messages = 6,
		.memory_mib = seed % 3 ? 0 : 4,
		.abort_rate = seed % 3 ? 0 : 20000,
		.content_min = 100000,
		.content_max = 900000,
		.recipients_max = 3,
		.hop = {.pipelining = true, .chunking = rig_pick(seed, 1, 2), .size = true},
	};
	struct rig rig;

	if (seed % 4 == 0)
		bad_hop(&options.hop, seed);
	rig_open(&rig, &options);
	rig_begin(&rig, 2);
	rig_clients(&rig);
	if (rig_pick(seed, 2, 3) == 0) {
		(void)rig_run(&rig, rig_quiet, rig_pick(seed, 3, 2000) * CLOCK_NS_PER_MS);
		rig_crash(&rig, rig_pick(seed, 4, 2) ? WORLD_KILL : WORLD_POWER_CUT);
	}
	rig_finish(&rig, 2);
	rig_close(&rig);
}

/* More senders of large messages at once than content memory has room for: they wait for each other, not for ever. */
void scenario_budget(uint64_t seed)
{
	struct rig_options options = {
		.scenario = "budget",
		.seed = seed,
		.quiet = seed % 2,
		.clients = RIG_CLIENTS_MAX,
		.messages = 3,
		.memory_mib = 1,
		.content_min = 300000,
		.content_max = 900000,
		.hop = {.pipelining = true, .chunking = true},
	};
	struct rig rig;

	rig_open(&rig, &options);
	rig_begin(&rig, 1);
	rig_clients(&rig);
	if (rig_run(&rig, rig_clients_done, 600 * CLOCK_NS_PER_S) != WORLD_DONE)
		rig_fail(&rig, "the senders wait for each other");
	rig_finish(&rig, 1);
	rig_close(&rig);
}

/* ---- peers and networks that stop ---------------------------------------------------------------------------- */

static void partition(void *context)
{
	struct rig *rig = context;
	uint16_t port = world_below(3) ? (uint16_t)(RIG_HOP_PORT + world_below(RIG_HOPS)) : RIG_PORT;

	if (rig->stalls == 0)
		return;
	rig->stalls--;
	world_partition(port, true);
	if (world_below(2))
		world_partition((uint16_t)(RIG_HOP_PORT + world_below(RIG_HOPS)), false);
	if (world_below(3) == 0)
		world_partition(RIG_PORT, false);
	world_after((1 + world_below(900)) * CLOCK_NS_PER_S, partition, rig);
}

/* Networks that fall silent, clients that never go on: timeouts end what must end, SIGTERM still works. */
void scenario_stall(uint64_t seed)
{
	struct rig_options options = {
		.scenario = "stall",
		.seed = seed,
		.quiet = seed % 2,
		.clients = 3,
		.messages = 40,
		.idlers = RIG_IDLERS_MAX,
		.content_max = 20000,
		.recipients_max = 2,
		.hop = {.pipelining = seed % 4 > 0, .chunking = seed % 4 > 1, .delay_max_ns = 200 * CLOCK_NS_PER_MS},
	};
	struct rig rig;

	rig_open(&rig, &options);
	rig_begin(&rig, 2);
	rig_clients(&rig);
	rig.stalls = 12;
	world_after(CLOCK_NS_PER_S / 2, partition, &rig);
	if (seed % 3) {
		(void)rig_run(&rig, NULL, (1 + rig_pick(seed, 1, 2000)) * CLOCK_NS_PER_S);
		(void)rig_stop(&rig);
	}
	rig.stalls = 0;
	world_partition(RIG_PORT, false);
	rig_finish(&rig, 2);
	(void)world_run(NULL, NULL, HOUR_S * CLOCK_NS_PER_S);
	for (unsigned i = 0; i < options.idlers; i++) {
		if (!actor_idler_ended(rig.idlers[i]))
			rig_fail(&rig, "an idle client is still connected");
	}
	rig_close(&rig);
}

static void starve(struct world_config *config)
{
	config->at_once = 500000;
	config->starved = 1000000;
}

/*
 * A connect that is never answered and a send whose peer does not read reach their deadlines, on a kernel that keeps
 * their end away as long as the relay finds something at each turn that was done at once.
 */
void scenario_starved(uint64_t seed)
{
	struct rig_options options = {
		.scenario = "starved",
		.seed = seed,
		.quiet = seed % 2,
		.adjust = starve,
		.clients = 3,
		.messages = 30,
		.idlers = 4,
		.deaf = 2,
		.content_max = 3000,
		.hop = {.pipelining = seed % 3 > 0, .chunking = seed % 3 > 1},
	};
	struct rig rig;

	rig_open(&rig, &options);
	world_reach(RIG_HOP_PORT, WORLD_BLACK_HOLE);
	rig_begin(&rig, 2);
	rig_clients(&rig);
	/* What is for the other next hop is not kept waiting. */
	if (rig_run(&rig, rig_clients_done, 600 * CLOCK_NS_PER_S) != WORLD_DONE)
		rig_fail(&rig, "clients wait");
	/* Some are stopped while a connect or a send is under way. */
	if (rig_pick(seed, 1, 3) == 0) {
		(void)rig_run(&rig, NULL, rig_pick(seed, 2, 1000) * CLOCK_NS_PER_S);
		(void)rig_stop(&rig);
	} else {
		(void)rig_run(&rig, NULL, HOUR_S * CLOCK_NS_PER_S);
		for (unsigned i = 0; i < rig.shard_count; i++) {
			if (rig.shards[i].shard->receiver->sessions.in_use > 0)
				rig_fail(&rig, "a client that does not read has outlived its time");
		}
	}
	rig_finish(&rig, 2);
	rig_close(&rig);
}

static void nothing(void *context)
{
}

/* An engine that finds something to do at each turn and does nothing: the watchdog sees it, beside mail too. */
void scenario_spin(uint64_t seed)
{
	struct rig_options options = {
		.scenario = "spin",
		.seed = seed,
		.quiet = true,
		.clients = 2,
		.messages = 20,
		.hop = {.pipelining = true, .delay_max_ns = 200 * CLOCK_NS_PER_MS},
	};
	struct rig rig;

	rig_open(&rig, &options);
	rig_begin(&rig, 2);
	(void)rig_run(&rig, NULL, 3 * CLOCK_NS_PER_S);
	if (rig.stuck > 0)
		rig_fail(&rig, "an idle shard is told to be stuck");
	rig.may_spin = rig.spin = true;
	if (seed % 2)
		world_reach(RIG_HOP_PORT, WORLD_BLACK_HOLE);
	rig_clients(&rig);
	(void)rig_run(&rig, NULL, 3 * CLOCK_NS_PER_S);
	if (rig.stuck != 2)
		rig_fail(&rig, "of two shards that spin, %u are told", rig.stuck);
	rig.spin = false;
	for (unsigned i = 0; i < 12; i++) {
		world_after(WATCHDOG_LOOK_MS * CLOCK_NS_PER_MS, nothing, NULL);
		(void)rig_run(&rig, NULL, WATCHDOG_LOOK_MS * CLOCK_NS_PER_MS);
		(void)watch_shards(&rig.relay, world_now_ns(), rig.log);
	}
	if (watch_shards(&rig.relay, world_now_ns(), rig.log) > 0)
		rig_fail(&rig, "a shard that runs again is told to be stuck");
	rig.may_spin = false;
	rig_finish(&rig, 2);
	rig_close(&rig);
}

/* More mail than the disk may hold, while no next hop is there: 452, and all is well again when they are. */
void scenario_full(uint64_t seed)
{
	struct rig_options options = {
		.scenario = "full",
		.seed = seed,
		.quiet = true,
		.clients = 4,
		.messages = 60,
		.content_min = 100000,
		.content_max = 500000,
		.recipients_max = 2,
		.size_mib = 32,
		.hop = {.pipelining = true, .chunking = seed % 2},
	};
	struct rig rig;

	rig_open(&rig, &options);
	rig_fill(&rig, 2);
	if (seed % 2) {
		rig_crash(&rig, WORLD_POWER_CUT);
	} else {
		/* Room comes back as mail leaves. */
		rig_heal(&rig);
		(void)rig_run(&rig, rig_quiet, HOUR_S * CLOCK_NS_PER_S);
		rig_clients_free(&rig);
		rig.options.messages = 5;
		rig_clients(&rig);
		(void)rig_run(&rig, rig_quiet, HOUR_S * CLOCK_NS_PER_S);
		for (unsigned i = 0; i < rig.options.clients; i++) {
			if (actor_client_accepted(rig.clients[i]) != 5)
				rig_fail(&rig, "the spool stays full: %u of 5 accepted",
					 actor_client_accepted(rig.clients[i]));
		}
	}
	rig_finish(&rig, 2);
	rig_close(&rig);
}

/* ---- next hops that are away -------------------------------------------------------------------------------- */

void scenario_outage(uint64_t seed)
{
	struct rig_options options = {
		.scenario = "outage",
		.seed = seed,
		.quiet = true,
		.clients = 2,
		.messages = 30,
		.recipients_max = 2,
		.hop = {.pipelining = true, .chunking = true},
	};
	enum world_reach reach = seed % 2 ? WORLD_REFUSE : WORLD_BLACK_HOLE;
	uint64_t tried, delivered_at;
	struct ledger_summary s;
	struct rig rig;

	rig_open(&rig, &options);
	for (unsigned i = 0; i < RIG_HOPS; i++)
		world_reach((uint16_t)(RIG_HOP_PORT + i), reach);
	rig_begin(&rig, 2);
	rig_clients(&rig);
	(void)rig_run(&rig, NULL, HOUR_S * CLOCK_NS_PER_S);
	if (!rig_clients_done(&rig))
		rig_fail(&rig, "mail is not taken while the next hops are away");
	ledger_summarize(&rig.ledger, &s);
	if (s.refused || rig_queued(&rig) != s.accepted)
		rig_fail(&rig, "queued %llu of %llu", (unsigned long long)rig_queued(&rig),
			 (unsigned long long)s.accepted);
	tried = 0;
	for (unsigned i = 0; i < 2; i++)
		tried += counter_get(&rig.shards[i].shard->deliverer->counters.connections_out);
	/* Four lanes; 1 s doubling to 300 s makes about 20 attempts an hour each. */
	if (tried < 4 * 8 || tried > 4 * 40)
		rig_fail(&rig, "%llu connections were tried in an hour", (unsigned long long)tried);
	rig_heal(&rig);
	if (rig_run(&rig, rig_quiet, HOUR_S * CLOCK_NS_PER_S) != WORLD_DONE)
		rig_fail(&rig, "not everything is delivered an hour after");
	delivered_at = world_now_ns();
	if (delivered_at > (1000 + HOUR_S + 400) * CLOCK_NS_PER_S)
		rig_fail(&rig, "the next hops were found %llu s after they came back",
			 (unsigned long long)(delivered_at / CLOCK_NS_PER_S - 1000 - HOUR_S));
	rig_finish(&rig, 2);
	expect_all(&rig);
	rig_close(&rig);
}

/*
 * A weekend in fast motion: the next hops are away for 60 hours while mail arrives, and the process is restarted or
 * killed now and then. Nothing is refused, nothing expires, and when they are back everything arrives once.
 */
void scenario_weekend(uint64_t seed)
{
	enum { HOURS = 60, EACH = 2 };
	struct rig_options options = {
		.scenario = "weekend",
		.seed = seed,
		.quiet = true,
		.clients = 2,
		.messages = 15,
		.content_max = seed % 4 == 0 ? 60000
			       : seed % 2    ? 3000
					     : 20000,
		.recipients_max = 3,
		.retry = "{ first: 30s, factor: 2, max: 4h, expire: 5d }",
		.hop = {.pipelining = true, .chunking = seed % 2},
	};
	struct rig rig;

	rig_open(&rig, &options);
	for (unsigned i = 0; i < RIG_HOPS; i++)
		world_reach((uint16_t)(RIG_HOP_PORT + i), (seed + i) % 2 ? WORLD_REFUSE : WORLD_BLACK_HOLE);
	rig_begin(&rig, 2);
	for (unsigned hour = 0; hour < HOURS && rig.failures == 0; hour += EACH) {
		rig_clients_free(&rig);
		rig_clients(&rig);
		(void)rig_run(&rig, NULL, EACH * HOUR_S * CLOCK_NS_PER_S);
		if (!rig_clients_done(&rig))
			rig_fail(&rig, "after %u hours mail is not taken any more", hour);
		if (rig_pick(seed, hour, 6))
			continue;
		if (rig_pick(seed, 100 + hour, 2))
			rig_crash(&rig, rig_pick(seed, 200 + hour, 2) ? WORLD_KILL : WORLD_POWER_CUT);
		else if (rig_stop(&rig))
			rig_audit(&rig, false);
		rig_begin(&rig, 1 + (unsigned)rig_pick(seed, 300 + hour, 3));
	}
	rig_heal(&rig);
	if (rig_run(&rig, rig_quiet, 5 * HOUR_S * CLOCK_NS_PER_S) != WORLD_DONE)
		rig_fail(&rig, "not everything is delivered five hours after");
	rig_finish(&rig, 2);
	expect_all(&rig);
	rig_close(&rig);
}

/* What is known of each delivery, in the order of the shard's list. */
static struct {
	uint16_t attempts[16];
	unsigned seen;
} schedule;

/* Is the delivery's time of being due what the schedule says? */
static void check_schedule(struct rig *rig, const struct delivery *d, uint64_t deferred_at)
{
	uint64_t expected = 30 * CLOCK_NS_PER_S, wait = d->due_ns - deferred_at;

	for (unsigned i = 1; i < d->attempts && expected < 600 * CLOCK_NS_PER_S; i++)
		expected *= 2;
	if (expected > 600 * CLOCK_NS_PER_S)
		expected = 600 * CLOCK_NS_PER_S;
	if (wait < expected * 79 / 100 || wait > expected * 121 / 100)
		rig_fail(rig, "after attempt %u it waits %llu ms, expected about %llu ms", d->attempts,
			 (unsigned long long)(wait / CLOCK_NS_PER_MS),
			 (unsigned long long)(expected / CLOCK_NS_PER_MS));
}

struct watched {
	struct rig *rig;
	unsigned index;
};

static void watch_one(void *context, struct mail *m)
{
	struct watched *watched = context;
	const struct delivery *d = &m->first;

	if (watched->index == 16)
		return;
	if (d->place == DELIVERY_WAITING && d->attempts != schedule.attempts[watched->index]) {
		schedule.attempts[watched->index] = d->attempts;
		check_schedule(watched->rig, d, world_now_ns());
		schedule.seen++;
	}
	watched->index++;
}

/* After each step of the world; never done. */
static bool watch(void *context)
{
	struct rig *rig = context;
	struct watched watched = {rig, 0};

	for (unsigned i = 0; i < rig->shard_count; i++)
		store_mails(rig->shards[i].shard, watch_one, &watched);
	return false;
}

static bool all_failed(void *context)
{
	const struct rig *rig = context;

	return counter_get(&rig->shards[0].shard->deliverer->counters.failed) == 4;
}

/* A next hop that defers everything: first, factor, max, jitter; then the end, not before its time (SYS-06). */
void scenario_expiry(uint64_t seed)
{
	struct rig_options options = {
		.scenario = "expiry",
		.seed = seed,
		.quiet = true,
		.clients = 1,
		.messages = 4,
		.may_expire = true,
		.retry = "{ first: 30s, factor: 2, max: 10m, expire: 6h }",
		.more = "reports: { delay_after: 0 }",
		.hop = {.pipelining = true, .chunking = seed % 2, .end_deferred = 1000000},
	};
	struct rig rig;

	memset(&schedule, 0, sizeof(schedule));

	rig_open(&rig, &options);
	rig_begin(&rig, 1);
	rig_clients(&rig);
	(void)rig_run(&rig, rig_clients_done, HOUR_S * CLOCK_NS_PER_S);
	(void)rig_run(&rig, watch, 5 * HOUR_S * CLOCK_NS_PER_S);
	if (schedule.seen < 4 * 25)
		rig_fail(&rig, "only %u retries in five hours", schedule.seen);
	if (rig_queued(&rig) != 4)
		rig_fail(&rig, "expired before its time: %llu queued", (unsigned long long)rig_queued(&rig));
	if (rig_run(&rig, all_failed, 2 * HOUR_S * CLOCK_NS_PER_S) != WORLD_DONE)
		rig_fail(&rig, "does not expire");
	rig_finish(&rig, 1);
	if (rig.counts.failed != 4)
		rig_fail(&rig, "%llu expired, expected 4", (unsigned long long)rig.counts.failed);
	rig_close(&rig);
}
