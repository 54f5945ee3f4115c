/*
 * tests/sim/test_relay_slots.c - the connections that a destination may have, shared by the lanes of all shards: never
 * one too many, all of them where they are of use, and no lane without.
 */
#include <string.h>

#include "core/deliver/deliverer.h"
#include "core/deliver/outbound.h"
#include "core/deliver/slots.h"
#include "tests/sim/test_relay.h"

enum kind {
	SPREAD, /* more lanes than connections, all with mail */
	ALONE,  /* mail on one shard only */
	IDLE,   /* what one shard had and does not use any more, when another one has mail */
	KILLS,  /* the process dies, and comes back with other numbers of shards and connections */
	SILENT, /* connections that hang in the middle of something, or in their set-up */
	KINDS,
};

enum { SHARDS = RIG_SHARDS_MAX, PROMPT_S = 3, STARVES_S = 20 };

/* What next hops allow from now on. */
static void allow(struct rig *rig, unsigned most)
{
	for (unsigned i = 0; i < RIG_HOPS; i++)
		actor_nexthop_config(rig->hops[i])->connections_most = most;
}

static bool within(void *context)
{
	const struct rig *rig = context;

	for (size_t d = 0; d < rig->relay.config->destination_count; d++) {
		if (atomic_load(&rig->relay.deliverers.slots[d].taken) > rig->options.connections)
			return false;
	}
	return true;
}

/* Fewer than there are lanes. */
static void lower(struct rig *rig, unsigned connections)
{
	rig->options.connections = connections;
	if (!rig_reload(rig) || rig_run(rig, rig_taken, 5 * CLOCK_NS_PER_S) != WORLD_DONE)
		rig_fail(rig, "fewer connections are refused, or not taken");
	(void)rig_run(rig, within, 20 * CLOCK_NS_PER_S);
	if (!within(rig) && rig_queued(rig) > 0)
		rig_fail(rig, "more connections than are allowed after 20 s");
	else
		allow(rig, connections);
}

static uint64_t held_most(const struct rig *rig)
{
	struct actor_nexthop_stats stats;
	uint64_t most = 0;

	for (unsigned i = 0; i < RIG_HOPS; i++) {
		actor_nexthop_stats(rig->hops[i], &stats);
		most = stats.connections_held > most ? stats.connections_held : most;
	}
	return most;
}

/* Seconds for which a lane with mail that could go had nothing rig_taken, at most. */
static unsigned starved_most(struct rig *rig, unsigned seconds)
{
	uint64_t waited[64] = {0};
	unsigned since[64] = {0}, most = 0;

	for (unsigned s = 0; s < seconds && !rig_quiet(rig); s++) {
		(void)rig_run(rig, rig_quiet, CLOCK_NS_PER_S);
		for (unsigned l = 0; l < rig->relay.plan.lane_count && l < 64; l++) {
			const struct shard *shard = rig->shards[rig->relay.plan.lanes[l].owner].shard;
			const struct outbound *o = &shard->deliverer->outbound[l];
			bool waits = o->lane.ready.count > 0 && o->lane.ready.count == waited[l];
			since[l] = waits ? since[l] + 1 : 0;
			waited[l] = o->lane.ready.count;
			most = since[l] > most ? since[l] : most;
		}
	}
	return most;
}

/* The next client's connection goes to this shard. */
static void lead_to(struct rig *rig, unsigned index)
{
	for (unsigned i = 0; i < rig->shard_count; i++)
		atomic_store(&rig->shards[i].shard->load.connections, i == index ? 0 : 4 * LOAD_CONNECTIONS);
}

static void send_from(struct rig *rig, unsigned client, unsigned shard, unsigned messages)
{
	struct actor_client_config config = {.address = world_address(RIG_PORT),
					     .ledger = &rig->ledger,
					     .mode = ACTOR_CLIENT_GROUPED,
					     .messages = messages,
					     .retry_ns = CLOCK_NS_PER_S};

	lead_to(rig, shard);
	rig->clients[client] = actor_client_start(&config);
	(void)rig_run(rig, NULL, 500 * CLOCK_NS_PER_MS);
}

static void spread(struct rig *rig, uint64_t seed)
{
	unsigned most = 1 + (unsigned)rig_pick(seed, 3, 3), starved;

	allow(rig, SHARDS);
	for (unsigned i = 0; i < SHARDS; i++)
		send_from(rig, i, i, 120);
	lower(rig, most);
	starved = starved_most(rig, 600);
	if (starved > STARVES_S)
		rig_fail(rig, "a lane with mail had nothing sent for %u s, with %u connections for %u lanes", starved,
			 most, SHARDS);
	if (!rig_quiet(rig))
		rig_fail(rig, "%llu recipients are still queued", (unsigned long long)rig_queued(rig));
}

static void alone(struct rig *rig)
{
	allow(rig, rig->options.connections);
	send_from(rig, 0, (unsigned)rig_pick(rig->options.seed, 4, SHARDS), 100);
	(void)rig_run(rig, rig_quiet, 600 * CLOCK_NS_PER_S);
	if (held_most(rig) != rig->options.connections)
		rig_fail(rig, "%llu connections with mail on one shard, where %u are allowed",
			 (unsigned long long)held_most(rig), rig->options.connections);
}

static void idle(struct rig *rig)
{
	allow(rig, SHARDS);
	lower(rig, 1);
	for (unsigned i = 0; i < SHARDS; i++) {
		send_from(rig, i, i, 3);
		(void)rig_run(rig, rig_quiet, PROMPT_S * CLOCK_NS_PER_S);
		if (!rig_quiet(rig))
			rig_fail(rig, "mail waits while another shard has the connection and no use for it");
	}
}

static void kills(struct rig *rig, uint64_t seed)
{
	rig_clients(rig);
	for (unsigned i = 0; i < 8 && rig->failures == 0; i++) {
		(void)rig_run(rig, rig_quiet, rig_pick(seed, 30 + i, 4000) * CLOCK_NS_PER_MS);
		if (rig_pick(seed, 50 + i, 3) == 0) {
			rig_crash(rig, rig_pick(seed, 60 + i, 2) ? WORLD_POWER_CUT : WORLD_KILL);
			rig->options.connections = 1 + (unsigned)rig_pick(seed, 70 + i, SHARDS);
			allow(rig, rig->options.connections);
			rig_begin(rig, 1 + (unsigned)rig_pick(seed, 80 + i, SHARDS));
		} else if (rig_taken(rig)) {
			/* What is allowed while it changes is the larger of the two. */
			allow(rig, 2 * SHARDS);
			lower(rig, 1 + (unsigned)rig_pick(seed, 90 + i, SHARDS));
		}
	}
}

static void silent(struct rig *rig, uint64_t seed)
{
	allow(rig, SHARDS);
	for (unsigned i = 0; i < SHARDS; i++)
		send_from(rig, i, i, 40);
	lower(rig, 1 + (unsigned)rig_pick(seed, 3, 3));
	for (unsigned i = 0; i < 6; i++) {
		world_partition(RIG_HOP_PORT, i % 2 == 0);
		(void)rig_run(rig, NULL, rig_pick(seed, 30 + i, 400) * CLOCK_NS_PER_S);
	}
	world_partition(RIG_HOP_PORT, false);
}

void scenario_slots(uint64_t seed)
{
	enum kind kind = (enum kind)(seed % KINDS);
	struct rig_options options = {
		.scenario = "slots",
		.seed = seed,
		.quiet = kind != KILLS,
		.clients = 3,
		.messages = 120,
		.content_max = 1000,
		.in_flight = 1 + (unsigned)rig_pick(seed, 1, 4),
		.connections = kind == ALONE ? 3 : SHARDS,
		.hop = {.pipelining = seed % 2, .chunking = rig_pick(seed, 2, 2)},
	};
	struct rig rig;

	options.hop.delay_min_ns = CLOCK_NS_PER_MS;
	options.hop.delay_max_ns = kind == IDLE ? 2 * CLOCK_NS_PER_MS : 60 * CLOCK_NS_PER_MS;
	rig_open(&rig, &options);
	rig_begin(&rig, SHARDS);
	switch (kind) {
	case SPREAD:
		spread(&rig, seed);
		break;
	case ALONE:
		alone(&rig);
		break;
	case IDLE:
		idle(&rig);
		break;
	case KILLS:
		kills(&rig, seed);
		break;
	default:
		silent(&rig, seed);
		break;
	}
	rig_finish(&rig, SHARDS);
	rig_close(&rig);
}
