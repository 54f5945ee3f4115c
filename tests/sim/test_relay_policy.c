/*
 * tests/sim/test_relay_policy.c - clients whose messages become others as they come in, and an archive's copies.
 */
#include "tests/sim/test_relay.h"

enum { LIVES = 3 };

/*
 * Senders are mapped, missing fields written, a recipient added, through kills and power cuts, bad next hops, several
 * shards, little memory and messages of many parts: what was taken arrives once with the same header in every attempt,
 * and so does the archive's copy; what a next hop refuses of that hurts nobody.
 */
void scenario_policy(uint64_t seed)
{
	bool small = rig_pick(seed, 1, 2);
	struct rig_options options = {
		.scenario = "policy",
		.seed = seed,
		.quiet = rig_pick(seed, 2, 3) == 0,
		.clients = 4,
		.messages = 30,
		.content_max = rig_pick(seed, 3, 3) ? 6000 : 400000,
		.recipients_max = 1 + (unsigned)rig_pick(seed, 4, 3),
		.abort_rate = rig_pick(seed, 5, 2) ? 20000 : 0,
		.memory_mib = small ? 2 : 0,
		.relaying = "{ name: all, networks: [127.0.0.0/8], add_missing_headers: true, archive: all@b.example,\n"
			    "    from: { map: [{ from: \"*@client.example\", to: \"*@author.example\" }] } }",
		.archive = "all@b.example",
		.author = "author.example",
	};
	unsigned shards = 1 + (unsigned)rig_pick(seed, 6, 3);
	struct rig rig;

	bad_hop(&options.hop, seed);
	rig_open(&rig, &options);
	for (unsigned life = 0; life < LIVES; life++) {
		if (!rig_begin(&rig, shards))
			break;
		if (life == 0)
			rig_clients(&rig);
		(void)rig_run(&rig, rig_quiet, rig_pick(seed, 40 + life, 3000) * CLOCK_NS_PER_MS);
		rig_crash(&rig, rig_pick(seed, 50 + life, 2) ? WORLD_KILL : WORLD_POWER_CUT);
	}
	rig_finish(&rig, shards);
	rig_close(&rig);
}
