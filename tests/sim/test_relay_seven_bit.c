/*
 * tests/sim/test_relay_seven_bit.c - 8-bit content for next hops that take none.
 *
 * Content of one record and of several, by DATA and by BDAT, with bad networks, kills and records that are read back:
 * all of it arrives in seven bits and means what it meant, and nothing else is different.
 */
#include "tests/sim/test_relay.h"

void scenario_seven_bit(uint64_t seed)
{
	struct rig_options options = {
		.scenario = "seven_bit",
		.seed = seed,
		.clients = 3,
		.messages = 12,
		.recipients_max = 3,
		.content_max = seed % 3 ? 3000 : 900000,
		.hop = {.pipelining = seed % 4 > 0,
			.chunking = seed % 4 > 1,
			.size = seed % 2,
			.end_deferred = 50000,
			.close_rate = 5000},
	};
	struct rig rig;

	rig_open(&rig, &options);
	rig.ledger.config.eight_bit = true;
	rig.ledger.config.seven_bit = seed % 8 != 7;
	rig_begin(&rig, 1 + (unsigned)rig_pick(seed, 1, 3));
	rig_clients(&rig);
	(void)rig_run(&rig, rig_clients_done, rig_pick(seed, 2, 60000) * CLOCK_NS_PER_MS);
	for (unsigned life = 0; life < 2; life++) {
		rig_crash(&rig, rig_pick(seed, 10 + life, 2) ? WORLD_KILL : WORLD_POWER_CUT);
		rig_begin(&rig, 1 + (unsigned)rig_pick(seed, 20 + life, 3));
		(void)rig_run(&rig, rig_clients_done, rig_pick(seed, 30 + life, 100000) * CLOCK_NS_PER_MS);
	}
	rig_finish(&rig, 2);
	rig_close(&rig);
}
