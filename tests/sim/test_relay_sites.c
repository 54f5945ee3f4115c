/*
 * tests/sim/test_relay_sites.c - mail to the MX of its recipients' domains: three domains, of which two have the same
 * hosts, recipients of all of them in one message, name servers that are late, silent or fail, exchangers that change,
 * next hops that defer, reloads, kills and power cuts; name servers that are away for hours; fewer lanes than sites.
 */
#include "core/agents/dns_exchangers.h"
#include "tests/sim/sim_dns.h"
#include "tests/sim/test_relay.h"

enum { ROUNDS = 4 };

static const struct dns_exchanger first[] = {{10, "mx1.example"}, {20, "mx2.example"}};

static bool never(void *context)
{
	return false;
}

static void move(const struct dns_exchanger *list, unsigned count, struct rig *rig, uint64_t seed, unsigned round)
{
	switch (rig_pick(seed, 20 + round, 4)) {
	case 0:
		sim_dns_set_exchangers(list, count);
		break;
	case 1:
		(void)rig_reload(rig);
		break;
	default:
		break;
	}
}

/* Some time, in which a process ends now and then, and another goes on. */
static void pass(struct rig *rig, uint64_t seed, unsigned shards, bool steady)
{
	static const struct dns_exchanger second[] = {{10, "mx2.example"}, {10, "mx3.example"}};

	for (unsigned round = 0; round < ROUNDS; round++) {
		(void)rig_run(rig, never, (1 + rig_pick(seed, 10 + round, 60)) * CLOCK_NS_PER_S);
		if (!steady)
			move(rig_pick(seed, 40 + round, 2) ? first : second, 2, rig, seed, round);
		if (rig_pick(seed, 30 + round, 3) > 0)
			continue;
		rig_crash(rig, rig_pick(seed, 50 + round, 2) ? WORLD_KILL : WORLD_POWER_CUT);
		rig_begin(rig, shards);
	}
}

static struct rig_options options_of(const char *scenario, uint64_t seed)
{
	return (struct rig_options){
		.scenario = scenario,
		.seed = seed,
		.clients = 3,
		.messages = 30,
		.recipients_max = 4,
		.sites = true,
		.more = "dns: { allow_private: true }",
		.hop = {.pipelining = true, .chunking = rig_pick(seed, 6, 2)},
	};
}

void scenario_sites(uint64_t seed)
{
	bool steady = rig_pick(seed, 1, 2), well_hop = rig_pick(seed, 2, 3) == 0;
	unsigned shards = 1 + (unsigned)rig_pick(seed, 3, 3), connections = 1 + (unsigned)rig_pick(seed, 4, 4);
	struct rig_options options = options_of("sites", seed);
	struct sim_dns_manner manner = {.delay_max_ns = 2 * CLOCK_NS_PER_S,
					.silent = 100000,
					.failed = rig_pick(seed, 7, 3) ? 200000 : 900000,
					.valid_ns = 20 * CLOCK_NS_PER_S};
	const struct sim_dns_manner well = {.valid_ns = 20 * CLOCK_NS_PER_S};
	struct rig rig;

	options.quiet = rig_pick(seed, 5, 3) == 0;
	options.connections = connections;
	if (!well_hop)
		bad_hop(&options.hop, seed);
	/* One site for each of the two destinations, however many domains and shards. */
	if (steady && well_hop)
		options.hop.connections_most = connections;
	sim_dns_set_exchangers(first, 2);
	sim_dns_set_manner(&manner);
	rig_open(&rig, &options);
	rig_begin(&rig, shards);
	rig_clients(&rig);
	pass(&rig, seed, shards, steady);
	sim_dns_set_manner(&well);
	rig_finish(&rig, shards);
	rig_close(&rig);
	sim_dns_clear();
}

/* Nobody answers for hours, or says that it failed: mail goes on within a minute or so of when somebody
 * does, and nobody was asked all the time. */
void scenario_silence(uint64_t seed)
{
	enum { AWAY_S = 2 * 3600, ASKED_MOST = 2000, PROMPT_S = 90 };
	static const struct sim_dns_manner manners[] = {{.silent = 1000000},
							{.delay_max_ns = CLOCK_NS_PER_S, .failed = 1000000}},
					   well = {.valid_ns = 20 * CLOCK_NS_PER_S};
	unsigned shards = 1 + (unsigned)rig_pick(seed, 1, 2);
	struct rig_options options = {
		.scenario = "silence",
		.seed = seed,
		.quiet = true,
		.clients = 2,
		.messages = 10,
		.recipients_max = 2,
		.sites = true,
		.more = "dns: { allow_private: true }",
		.hop = {.pipelining = true, .chunking = rig_pick(seed, 2, 2)},
	};
	struct rig rig;

	sim_dns_set_exchangers(first, 2);
	sim_dns_set_manner(&manners[seed % 2]);
	rig_open(&rig, &options);
	rig_begin(&rig, shards);
	rig_clients(&rig);
	(void)rig_run(&rig, never, AWAY_S * CLOCK_NS_PER_S);
	if (rig_queued(&rig) == 0)
		rig_fail(&rig, "nothing waits");
	if (sim_dns_asked() > ASKED_MOST * shards)
		rig_fail(&rig, "%llu questions in %u s", (unsigned long long)sim_dns_asked(), AWAY_S);
	sim_dns_set_manner(&well);
	(void)rig_run(&rig, rig_quiet, PROMPT_S * CLOCK_NS_PER_S);
	if (!rig_quiet(&rig))
		rig_fail(&rig, "%llu recipients are still queued %u s after name servers are well again",
			 (unsigned long long)rig_queued(&rig), PROMPT_S);
	rig_finish(&rig, shards);
	rig_close(&rig);
	sim_dns_clear();
}

/* More domains have mail than a shard may have lanes: they have them by turns, and none waits for long. */
void scenario_crowded(uint64_t seed)
{
	enum { PROMPT_S = 900, ASKED_MOST = 2000 };
	const struct sim_dns_manner slow = {.delay_max_ns = 2 * CLOCK_NS_PER_S,
					    .failed = 100000,
					    .valid_ns = CLOCK_NS_PER_S},
				    well = {.valid_ns = rig_pick(seed, 7, 2) ? CLOCK_NS_PER_S : 20 * CLOCK_NS_PER_S};
	unsigned shards = 1 + (unsigned)rig_pick(seed, 1, 2);
	struct rig_options options = options_of("crowded", seed);
	struct rig rig;

	options.quiet = rig_pick(seed, 2, 2) == 0;
	options.sites_room = 1 + (unsigned)rig_pick(seed, 3, 2);
	options.hop.rcpt_deferred = 200000;
	sim_dns_set_apart();
	sim_dns_set_manner(rig_pick(seed, 5, 2) ? &slow : &well);
	rig_open(&rig, &options);
	rig_begin(&rig, shards);
	rig_clients(&rig);
	pass(&rig, seed, shards, true);
	sim_dns_set_manner(&well);
	rig_heal(&rig);
	(void)rig_run(&rig, rig_quiet, PROMPT_S * CLOCK_NS_PER_S);
	if (!rig_quiet(&rig))
		rig_fail(&rig, "%llu recipients are still queued after %u s", (unsigned long long)rig_queued(&rig),
			 PROMPT_S);
	if (sim_dns_asked() > ASKED_MOST)
		rig_fail(&rig, "%llu questions", (unsigned long long)sim_dns_asked());
	rig_finish(&rig, shards);
	rig_close(&rig);
	sim_dns_clear();
}
