/*
 * tests/sim/test_relay_reload.c - the configuration changes while mail flows, and the process dies at any moment.
 *
 * Destinations and listeners go and come back, hosts, limits and retries change, what cannot change is refused: no
 * message is lost, refused or sent twice for it, and all shards have taken the new one soon.
 */
#include <stdio.h>
#include <string.h>

#include "tests/sim/test_relay.h"

enum { STEPS = 40, TAKEN_S = 5 };

/* Something that may change. */
static void vary(struct rig *rig)
{
	static const char *const retries[] = {NULL, "{ first: 10s, factor: 3, max: 20m, expire: 5d }",
					      "{ first: 1m, factor: 1, max: 1m, expire: 4d }"};
	static const char *const hosts[] = {NULL, "\"127.0.0.1:3001\", \"127.0.0.1:3009\"",
					    "\"127.0.0.1:3009\", \"127.0.0.1:3001\""};
	struct rig_options *o = &rig->options;

	switch (world_below(6)) {
	case 0:
		o->gone = !o->gone;
		break;
	case 5:
		o->second_listener = !o->second_listener;
		break;
	case 1:
		o->connections = 1 + (unsigned)world_below(2 * RIG_SHARDS_MAX);
		break;
	case 2:
		o->in_flight = 1 + (unsigned)world_below(16);
		o->each = 1 + (unsigned)world_below(LEDGER_RECIPIENTS_MAX);
		break;
	case 3:
		o->retry = retries[world_below(3)];
		break;
	default:
		o->hosts = hosts[world_below(3)];
		break;
	}
}

static void reload(struct rig *rig)
{
	vary(rig);
	if (!rig_reload(rig))
		rig_fail(rig, "a reload is refused");
	/* Now and then it is not over when something else happens. */
	else if (world_below(4) && rig_run(rig, rig_taken, TAKEN_S * CLOCK_NS_PER_S) != WORLD_DONE && !rig_broken(rig))
		rig_fail(rig, "not all shards have taken the new configuration");
}

/* What cannot change changes nothing. */
static void refused(struct rig *rig)
{
	struct rig_options before = rig->options;

	vary(rig);
	if (world_below(2))
		rig->options.size_mib = 256;
	else
		rig->options.taken_port = true;
	if (rig_reload(rig))
		rig_fail(rig, "a reload changed the size of the spool, or has a port that is another's");
	rig->options = before;
}

static void start(struct rig *rig)
{
	rig_begin(rig, 1 + (unsigned)world_below(3));
}

static void step(struct rig *rig)
{
	(void)rig_run(rig, rig_quiet, world_below(3000) * CLOCK_NS_PER_MS);
	if (!rig_taken(rig))
		return;
	switch (world_below(8)) {
	case 0:
		rig_crash(rig, world_below(2) ? WORLD_KILL : WORLD_POWER_CUT);
		start(rig);
		break;
	case 1:
		if (rig_stop(rig))
			rig_audit(rig, false);
		start(rig);
		break;
	case 2:
		refused(rig);
		break;
	default:
		reload(rig);
		break;
	}
}

/* A destination has another name with nearly each reload, and mail waits for some of them: none is mistaken for
 * another. Where all mail goes before the next name comes, the places of those before are used again. */
void scenario_renamed(uint64_t seed)
{
	enum { NAMES = 50, PLACES = 8 };
	const bool calm = seed % 2;
	struct rig_options options = {
		.scenario = "renamed",
		.seed = seed,
		.quiet = calm,
		.clients = 3,
		.messages = 5,
		.recipients_max = 1 + (unsigned)rig_pick(seed, 3, 4),
		.connections = rig_pick(seed, 4, 3) ? RIG_SHARDS_MAX : 1,
	};
	struct rig rig;

	if (!calm)
		bad_hop(&options.hop, seed);
	rig_open(&rig, &options);
	start(&rig);
	for (unsigned i = 1; i <= NAMES && rig.alive && rig.failures == 0; i++) {
		if (rig_clients_done(&rig)) {
			rig_clients_free(&rig);
			rig_clients(&rig);
		}
		if (calm)
			(void)rig_run(&rig, rig_quiet, 600 * CLOCK_NS_PER_S);
		else
			(void)rig_run(&rig, rig_quiet, world_below(3000) * CLOCK_NS_PER_MS);
		if (!calm && world_below(10) == 0) {
			rig_crash(&rig, world_below(2) ? WORLD_KILL : WORLD_POWER_CUT);
			start(&rig);
		}
		rig.options.name = world_below(5) ? i : 1 + (unsigned)world_below(i);
		if (rig_taken(&rig) && !rig_reload(&rig))
			rig_fail(&rig, "a reload is refused");
		if (rig_run(&rig, rig_taken, TAKEN_S * CLOCK_NS_PER_S) != WORLD_DONE && !rig_broken(&rig))
			rig_fail(&rig, "not all shards have taken the new configuration");
	}
	if (calm && rig.relay.plan.destination_count > PLACES)
		rig_fail(&rig, "%zu places for one destination and those before it", rig.relay.plan.destination_count);
	rig.options.name = NAMES;
	rig.options.all_names = true;
	if (rig.alive && rig_taken(&rig) && !rig_reload(&rig) && !rig_broken(&rig))
		rig_fail(&rig, "the last reload is refused");
	rig_finish(&rig, 3);
	rig_close(&rig);
}

void scenario_reload(uint64_t seed)
{
	struct rig_options options = {
		.scenario = "reload",
		.seed = seed,
		.quiet = seed % 2,
		.clients = 3,
		.second_listener = true,
		.messages = 100,
		.messages_per_connection = rig_pick(seed, 1, 2) ? 0 : 9,
		.content_max = rig_pick(seed, 2, 3) ? 4000 : 100000,
		.recipients_max = 1 + (unsigned)rig_pick(seed, 3, 4),
		.connections = rig_pick(seed, 4, 3) ? RIG_SHARDS_MAX : 1,
	};
	struct rig rig;

	bad_hop(&options.hop, seed);
	rig_open(&rig, &options);
	start(&rig);
	rig_clients(&rig);
	for (unsigned i = 0; i < STEPS && rig.alive && rig.failures == 0; i++)
		step(&rig);
	rig.options.gone = false;
	rig.options.second_listener = true;
	if (rig.alive && rig_run(&rig, rig_taken, TAKEN_S * CLOCK_NS_PER_S) == WORLD_DONE)
		if (!rig_reload(&rig) && !rig_broken(&rig))
			rig_fail(&rig, "the last reload is refused");
	rig_heal(&rig);
	(void)rig_run(&rig, rig_quiet, 86400 * CLOCK_NS_PER_S);
	(void)rig_run(&rig, NULL, 600 * CLOCK_NS_PER_S);
	if (rig.alive && !rig_broken(&rig) && rig_snapshots(&rig) != 1)
		rig_fail(&rig, "%u configurations are in use when nothing is", rig_snapshots(&rig));
	rig_finish(&rig, 3);
	rig_close(&rig);
}
