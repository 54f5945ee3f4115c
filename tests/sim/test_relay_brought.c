/*
 * tests/sim/test_relay_brought.c - sessions that a proxy brings by XCLIENT, with mail that is not to leave before its
 * time (FUTURERELEASE), through kills and power cuts and next hops that misbehave.
 *
 * Who may relay is the client that was brought, and nobody else: of a proxy that has brought none nothing is taken, and
 * it can be said once. What is to wait is told to no next hop before its time, in whatever life of the process, and all
 * of it arrives then.
 */
#include <string.h>

#include "core/base/clock.h"
#include "tests/sim/test_relay.h"

enum { LIVES = 4, CLIENTS = 4, HOLD_S = 7200, ATTEMPTS = 10 };

static const char *const ways[] = {"GEXE", "GEXE", "GEXEx", "GE"};

static void start_client(struct rig *rig, struct actor_entry *entry, unsigned i)
{
	static const enum actor_client_mode modes[] = {ACTOR_CLIENT_LOCKSTEP, ACTOR_CLIENT_GROUPED,
						       ACTOR_CLIENT_CHUNKED};
	uint64_t seed = rig->options.seed;

	*entry = (struct actor_entry){
		.way = i == 0 ? ways[0] : ways[rig_pick(seed, 100 + i, sizeof(ways) / sizeof(ways[0]))],
		.from = world_address(0),
		.cut_rate = rig_pick(seed, 10, 3) ? 50000 : 0,
	};
	const struct actor_client_config client = {
		.address = world_address(2525),
		.ledger = &rig->ledger,
		.mode = modes[rig_pick(seed, 120 + i, 3)],
		.window = 4,
		.messages = 40,
		.messages_per_connection = 1 + (unsigned)rig_pick(seed, 140 + i, 6),
		.abort_rate = rig_pick(seed, 11, 2) ? 5000 : 0,
		.retry_ns = CLOCK_NS_PER_S,
		.attempts_max = strchr(entry->way, 'X') ? 0 : ATTEMPTS,
		.entry = entry,
	};
	rig->clients[i] = actor_client_start(&client);
}

void scenario_brought(uint64_t seed)
{
	struct actor_entry entries[CLIENTS];
	struct rig_options options = {
		.scenario = "brought",
		.seed = seed,
		.quiet = rig_pick(seed, 1, 3) == 0,
		.content_max = rig_pick(seed, 2, 3) ? 4000 : 300000,
		.recipients_max = 1 + (unsigned)rig_pick(seed, 3, 3),
		.listeners = "{ name: lan, address: \"127.0.0.1:2525\", xclient_from: [127.0.0.0/8] }",
		.relaying = "{ name: brought, networks: [10.1.0.0/16] }",
		.all_limits = ", future_release: 1d",
	};
	unsigned shards = 1 + (unsigned)rig_pick(seed, 4, 3);
	struct rig rig;

	bad_hop(&options.hop, seed);
	rig_open(&rig, &options);
	rig.ledger.config.hold_s = HOLD_S;
	for (unsigned life = 0; life < LIVES; life++) {
		if (!rig_begin(&rig, shards))
			break;
		for (unsigned i = 0; life == 0 && i < CLIENTS; i++)
			start_client(&rig, &entries[i], i);
		(void)rig_run(&rig, rig_quiet, rig_pick(seed, 40 + life, life ? HOLD_S : 20) * CLOCK_NS_PER_S);
		rig_crash(&rig, rig_pick(seed, 50 + life, 2) ? WORLD_KILL : WORLD_POWER_CUT);
	}
	rig_finish(&rig, shards);
	for (unsigned i = 0; i < CLIENTS; i++) {
		if (entries[i].violations)
			rig_fail(&rig, "client %u, %u violations: %s", i, entries[i].violations, entries[i].problem);
	}
	if (entries[0].let_in == 0)
		rig_fail(&rig, "nobody was brought");
	rig_close(&rig);
}
