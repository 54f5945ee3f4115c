/*
 * tests/sim/test_relay_quota.c - what clients may send in a minute, whichever shards their connections are on.
 */
#include <stdio.h>

#include "tests/sim/test_relay.h"

static unsigned accepted(const struct rig *rig)
{
	unsigned sum = 0;

	for (unsigned i = 0; i < rig->options.clients; i++)
		sum += actor_client_accepted(rig->clients[i]);
	return sum;
}

static void nothing(void *context)
{
}

/* Also where nothing happens. */
static void pass(struct rig *rig, uint64_t ns)
{
	world_after(ns, nothing, NULL);
	(void)rig_run(rig, NULL, ns);
}

/*
 * Eight of a client's machines have more to send than it may: exactly so much of it is taken in each minute, over all
 * shards, also where transactions are given up, vanish in the middle or are refused for something else; all others hear
 * 452, and nothing of theirs is delivered.
 */
void scenario_quota(uint64_t seed)
{
	enum { ROUNDS = 3 };
	unsigned most = 20 + (unsigned)rig_pick(seed, 1, 60);
	bool in_all = rig_pick(seed, 2, 3) == 0, aborts = seed % 3 == 2;
	char relaying[160], all[80] = "";
	struct rig_options options = {
		.scenario = "quota",
		.seed = seed,
		.quiet = true,
		.clients = 8,
		.messages = 40,
		.content_max = 500,
		.abort_rate = aborts ? 100000 : 0,
		.relaying = relaying,
		.all_limits = all,
		.hop = {.pipelining = true},
	};
	struct rig rig;

	snprintf(relaying, sizeof(relaying),
		 "{ name: all, networks: [127.0.0.0/8], limits: { messages_per_minute: %u } }", in_all ? 0 : most);
	if (in_all)
		snprintf(all, sizeof(all), ", messages_per_minute: %u", most);
	rig_open(&rig, &options);
	if (rig_start(&rig, 1 + (unsigned)rig_pick(seed, 3, 4)) < 0)
		rig_fail(&rig, "does not start");
	for (unsigned i = 0; i < ROUNDS; i++) {
		rig_clients(&rig);
		pass(&rig, 50 * CLOCK_NS_PER_S);
		if (accepted(&rig) > most || (!aborts && accepted(&rig) < most))
			rig_fail(&rig, "%u messages were taken in a minute, where %u may be", accepted(&rig), most);
		(void)rig_run(&rig, rig_clients_done, 300 * CLOCK_NS_PER_S);
		rig_clients_free(&rig);
		pass(&rig, 62 * CLOCK_NS_PER_S);
	}
	rig_finish(&rig, 1 + (unsigned)rig_pick(seed, 4, 4));
	rig_close(&rig);
}
