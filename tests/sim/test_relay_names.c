/*
 * tests/sim/test_relay_names.c - next hops by name, or by a domain's MX, and name servers that are late, silent,
 * wrong or away for a while.
 */
#include "core/agents/dns_exchangers.h"
#include "core/deliver/deliverer.h"
#include "tests/sim/sim_dns.h"
#include "tests/sim/test_relay.h"

enum { MESSAGES = 20, TROUBLE_S = 300, PROMPT_S = 75 /* the longest pause between two questions, and some */ };

enum kind {
	LATE,    /* answers take seconds */
	SILENT,  /* none for five minutes */
	FAILED,  /* servers fail for so long */
	MISSING, /* or say that there is no such name */
	MIXED,   /* a bit of each all the time */
	BUSY,    /* the agent takes one question at a time */
	MOVED,   /* another address after a while; the old one is dead */
	STOPPED, /* SIGTERM, or the end of the process, while an answer is awaited */
	KINDS,
};

static void manner_of(enum kind kind, struct sim_dns_manner *out)
{
	static const struct sim_dns_manner manners[KINDS] = {
		[LATE] = {.delay_min_ns = CLOCK_NS_PER_S, .delay_max_ns = 9 * CLOCK_NS_PER_S},
		[SILENT] = {.silent = 1000000},
		[FAILED] = {.delay_max_ns = CLOCK_NS_PER_S, .failed = 1000000},
		[MISSING] = {.missing = 1000000},
		[MIXED] = {.delay_max_ns = 3 * CLOCK_NS_PER_S, .silent = 200000, .failed = 200000, .missing = 200000},
		[BUSY] = {.delay_min_ns = CLOCK_NS_PER_S, .delay_max_ns = 2 * CLOCK_NS_PER_S, .most = 1},
		[MOVED] = {.valid_ns = 10 * CLOCK_NS_PER_S},
		[STOPPED] = {.silent = 1000000},
	};

	*out = manners[kind];
}

static bool never(void *context)
{
	return false;
}

static void expect_delivered(struct rig *rig, const char *when)
{
	(void)rig_run(rig, rig_quiet, PROMPT_S * CLOCK_NS_PER_S);
	if (!rig_quiet(rig))
		rig_fail(rig, "%llu recipients are still queued %u s after %s", (unsigned long long)rig_queued(rig),
			 PROMPT_S, when);
}

void scenario_names(uint64_t seed)
{
	static const struct dns_exchanger hosts[] = {
		{10, "a.hop.example"}, {10, "b.hop.example"}, {20, "c.hop.example"}};
	static const uint16_t dead[] = {3013}, right[] = {RIG_HOP_PORT};
	enum kind kind = (enum kind)(seed % KINDS);
	struct rig_options options = {
		.scenario = "names",
		.seed = seed,
		.quiet = true,
		.clients = 2,
		.messages = MESSAGES,
		.connections = 1 + (unsigned)rig_pick(seed, 1, 4),
		.hosts = "\"hop.example:3001\"",
		.exchangers = rig_pick(seed, 3, 2) == 1,
		.hop = {.pipelining = true, .chunking = seed % 2},
	};
	struct sim_dns_manner manner, well = {.valid_ns = 10 * CLOCK_NS_PER_S};
	unsigned shards = 1 + (unsigned)rig_pick(seed, 2, 2);
	struct rig rig;

	manner_of(kind, &manner);
	sim_dns_set_exchangers(hosts, 1 + (unsigned)rig_pick(seed, 4, 3));
	sim_dns_set_manner(&manner);
	rig_open(&rig, &options);
	world_reach(dead[0], WORLD_REFUSE);
	if (kind == MOVED)
		sim_dns_set(RIG_HOP_PORT, dead, 1);
	rig_begin(&rig, shards);
	rig_clients(&rig);
	if (kind == LATE || kind == BUSY)
		expect_delivered(&rig, "the start");
	else
		(void)rig_run(&rig, kind == MIXED ? rig_quiet : never, TROUBLE_S * CLOCK_NS_PER_S);
	/* One lane after the other for a name that nobody answers: some questions in five minutes, not thousands. */
	if (kind <= MISSING && sim_dns_asked() > 60 * shards)
		rig_fail(&rig, "%llu questions", (unsigned long long)sim_dns_asked());
	if (kind == STOPPED && seed / KINDS % 2)
		rig_crash(&rig, WORLD_KILL);
	else if (kind == STOPPED && !rig_stop(&rig))
		rig_fail(&rig, "does not stop while a name is asked for");
	sim_dns_set_manner(&well);
	sim_dns_set(RIG_HOP_PORT, right, 1);
	if (kind != STOPPED)
		expect_delivered(&rig, "name servers are well again");
	rig_finish(&rig, shards);
	rig_close(&rig);
	sim_dns_clear();
}
