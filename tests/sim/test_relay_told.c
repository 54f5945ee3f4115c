/*
 * tests/sim/test_relay_told.c - who sent a message hears what became of it: each once, whenever the process dies.
 *
 * Next hops refuse many recipients for good and others for hours, and the process ends while reports are on their way.
 * The ledger (actor_ledger.h) reads what arrives. With an owner most of it comes in digests, and no more than so many
 * reports in an hour from each process.
 */
#include "tests/sim/test_relay.h"

enum { TOLD_LIVES = 6, HOURS_S = 3600 };

static void slow_disk(struct world_config *config)
{
	config->disk_delay_min_ns = CLOCK_NS_PER_MS;
	config->disk_delay_max_ns = 4 * CLOCK_NS_PER_S;
}

void scenario_told(uint64_t seed)
{
	bool owner = seed % 2;
	struct rig_options options = {
		.scenario = "told",
		.seed = seed,
		.quiet = seed % 4 < 2,
		/* So that one shard's fates are on their way to the disk while another one's reports are there. */
		.adjust = seed % 3 == 1 ? slow_disk : NULL,
		.clients = 3,
		.messages = 20,
		/* A line of a digest names one recipient. */
		.recipients_max = owner ? 1 : LEDGER_RECIPIENTS_MAX,
		.content_max = seed % 3 ? 3000 : 400000,
		.relaying = owner ? "{ name: all, networks: [127.0.0.0/8], owner: it@client.example }" : NULL,
		.more = "reports: { delay_after: 20m, to_owner_per_hour: 4 }",
		.retry = "{ first: 30s, factor: 2, max: 30m, expire: 5d }",
		.hop = {.pipelining = true, .chunking = seed % 2, .rcpt_refused = 400000, .rcpt_deferred = 100000},
	};
	uint64_t reports = 0;
	struct rig rig;

	rig_open(&rig, &options);
	rig_begin(&rig, 1 + (unsigned)rig_pick(seed, 1, 3));
	rig_clients(&rig);
	for (unsigned life = 0; life < TOLD_LIVES; life++) {
		/* While most of it happens, or long after that. */
		uint64_t most_s = rig_pick(seed, 10 + life, 2) ? 10 : 2 * HOURS_S;
		(void)rig_run(&rig, NULL, rig_pick(seed, 20 + life, most_s * 1000) * CLOCK_NS_PER_MS);
		if (rig_broken(&rig))
			break;
		rig_crash(&rig, rig_pick(seed, 30 + life, 2) ? WORLD_KILL : WORLD_POWER_CUT);
		rig_begin(&rig, 1 + (unsigned)rig_pick(seed, 40 + life, 3));
	}
	(void)rig_run(&rig, rig_quiet, 24 * (uint64_t)HOURS_S * CLOCK_NS_PER_S);
	rig_finish(&rig, 2);
	for (uint32_t i = 0; i < rig.ledger.count; i++)
		reports += rig.ledger.messages[i].recipients[0].told != 0;
	if (owner && reports > 40 && rig.ledger.digests == 0)
		rig_fail(&rig, "the owner had %llu reports, and no digest", (unsigned long long)reports);
	rig_close(&rig);
}

/* Disks that take their time: mail is delivered while a report that it is late is being made, read, stored or noted. It
 * ends then like any other. */
void scenario_told_meanwhile(uint64_t seed)
{
	struct rig_options options = {
		.scenario = "told_meanwhile",
		.seed = seed,
		.quiet = true,
		.adjust = slow_disk,
		.clients = 3,
		.messages = 20,
		.content_max = 3000,
		.more = "reports: { delay_after: 2m }",
		.retry = "{ first: 10s, factor: 1, max: 10s, expire: 5d }",
		.hop = {.pipelining = true, .rcpt_deferred = 800000},
	};
	struct rig rig;

	rig_open(&rig, &options);
	rig_begin(&rig, 1);
	rig_clients(&rig);
	(void)rig_run(&rig, rig_clients_done, 60 * 60 * CLOCK_NS_PER_S);
	/* So that all of it has to be read. */
	rig_crash(&rig, WORLD_KILL);
	rig_begin(&rig, 1);
	(void)rig_run(&rig, rig_quiet, HOURS_S * CLOCK_NS_PER_S);
	rig_finish(&rig, 1);
	rig_close(&rig);
}

/* A spool full of mail that fails, all of it: there is room for reports, and as those leave for everything. */
void scenario_told_full(uint64_t seed)
{
	struct rig_options options = {
		.scenario = "told_full",
		.seed = seed,
		.quiet = true,
		.clients = 4,
		.messages = seed % 2 ? 100 : 1000,
		.content_min = seed % 2 ? 100000 : 1000,
		.content_max = seed % 2 ? 500000 : 60000,
		.recipients_max = seed % 3 ? 1 : LEDGER_RECIPIENTS_MAX,
		.size_mib = 48,
		.hop = {.pipelining = true, .chunking = seed % 2},
	};
	struct rig rig;

	rig_open(&rig, &options);
	rig_fill(&rig, 1);
	/* More shards have less each. */
	rig_crash(&rig, WORLD_POWER_CUT);
	rig_begin(&rig, 1 + (unsigned)rig_pick(seed, 3, 3));
	/* What is delivered leaves holes, which copies fill. */
	for (unsigned i = 0; i < RIG_HOPS; i++) {
		actor_nexthop_config(rig.hops[i])->rcpt_refused = 300000 + 100000 * (uint32_t)rig_pick(seed, 5, 8);
		world_reach((uint16_t)(RIG_HOP_PORT + i), WORLD_OPEN);
	}
	if (rig_pick(seed, 4, 2))
		world_reach(RIG_HOP_PORT + 1, WORLD_REFUSE);
	/* What fails fails first, and the way of all reports is away for longer. */
	(void)rig_run(&rig, rig_quiet, rig_pick(seed, 4, 2) * 2 * HOURS_S * CLOCK_NS_PER_S);
	rig_reach(WORLD_OPEN);
	if (rig_run(&rig, rig_quiet, 24 * (uint64_t)HOURS_S * CLOCK_NS_PER_S) != WORLD_DONE)
		rig_fail(&rig, "a full spool keeps its reports: %llu wait", (unsigned long long)rig_owed(&rig));
	rig_finish(&rig, 2);
	rig_close(&rig);
}
