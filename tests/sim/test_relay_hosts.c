/*
 * tests/sim/test_relay_hosts.c - hosts with several addresses, several hosts, and greetings that take their time.
 */
#include "core/base/address_text.h"
#include "core/deliver/deliverer.h"
#include "tests/sim/sim_dns.h"
#include "tests/sim/test_relay.h"

/* Of the host at RIG_HOP_PORT: nobody, or a server that is slow to greet, is at OTHER. */
enum { OTHER = 3011, HOSTS_MESSAGES = 30, PROMPT_S = 20, SOURCE_S = 35, QUICK_S = 4 };

enum kind {
	DEAD_ADDRESS,   /* one of two addresses refuses */
	LOST_ADDRESS,   /* or answers nothing */
	DYING_ADDRESS,  /* or closes every session */
	SILENT_ADDRESS, /* or takes five minutes to greet */
	LOST_SOURCE,    /* the machine lacks one of its own addresses for a while */
	NO_SOURCE,      /* or all it has */
	SILENT_HOST,    /* as the first of two hosts */
	SILENT_ALONE,   /* the first of two hosts, and one connection is allowed */
	LATE_GREETING,  /* the only host greets after 40 s */
	LATE_HELLO,     /* or answers EHLO after 40 s */
	KINDS,
};

static void expect_delivered(struct rig *rig, unsigned seconds)
{
	(void)rig_run(rig, rig_quiet, seconds * CLOCK_NS_PER_S);
	if (!rig_quiet(rig))
		rig_fail(rig, "%llu recipients are still queued after %u s", (unsigned long long)rig_queued(rig),
			 seconds);
}

/* And nobody is blamed for it. */
static void expect_waiting(struct rig *rig, unsigned seconds)
{
	(void)rig_run(rig, rig_quiet, seconds * CLOCK_NS_PER_S);
	if (rig_queued(rig) == 0)
		rig_fail(rig, "mail went from an address that this machine does not have");
}

void scenario_hosts(uint64_t seed)
{
	static const uint16_t both[] = {OTHER, RIG_HOP_PORT};
	enum kind kind = (enum kind)(seed % KINDS);
	struct rig_options options = {
		.scenario = "hosts",
		.seed = seed,
		.quiet = true,
		.clients = 2,
		.messages = HOSTS_MESSAGES,
		.connections = kind == SILENT_ALONE ? 1 : 2 + (unsigned)rig_pick(seed, 1, 4),
		.hosts = kind == SILENT_HOST || kind == SILENT_ALONE ? "\"127.0.0.1:3011\", \"127.0.0.1:3001\""
			 : kind <= SILENT_ADDRESS                    ? "\"hop.example:3001\""
								     : NULL,
		.signing_in = kind == LOST_SOURCE ? "tls: { mode: none }, source_addresses: [127.0.0.7, 127.0.0.8]"
			      : kind == NO_SOURCE ? "tls: { mode: none }, source_addresses: [127.0.0.7]"
						  : NULL,
		.hop = {.pipelining = true, .chunking = seed % 2},
	};
	struct actor_nexthop_config other = options.hop;
	struct actor_nexthop *silent = NULL;
	uint64_t connections = 0;
	struct ring_address own;
	struct rig rig;

	if (kind == LATE_GREETING)
		options.hop.greeting_ns = 40 * CLOCK_NS_PER_S;
	if (kind == LATE_HELLO)
		options.hop.hello_ns = 40 * CLOCK_NS_PER_S;
	rig_open(&rig, &options);
	if (kind <= SILENT_ADDRESS)
		sim_dns_set(RIG_HOP_PORT, both, 2);
	world_reach(OTHER, kind == LOST_ADDRESS ? WORLD_BLACK_HOLE : kind == DEAD_ADDRESS ? WORLD_REFUSE : WORLD_OPEN);
	if (kind >= DYING_ADDRESS && kind <= SILENT_ALONE) {
		other.address = world_address(OTHER);
		other.ledger = &rig.ledger;
		other.close_rate = kind == DYING_ADDRESS ? 1000000 : 0;
		other.greeting_ns = kind == DYING_ADDRESS ? 0 : 299 * CLOCK_NS_PER_S;
		silent = actor_nexthop_start(&other);
	}
	if (kind == LOST_SOURCE || kind == NO_SOURCE) {
		(void)address_text_numeric("127.0.0.7", 0, &own);
		world_lose_source(&own);
	}
	rig_begin(&rig, 1);
	rig_clients(&rig);
	if (kind == NO_SOURCE)
		expect_waiting(&rig, 40);
	world_lose_source(kind == LOST_SOURCE ? &own : NULL);
	/* One connection alone gives way after 30 s. */
	expect_delivered(&rig, kind >= SILENT_ALONE   ? 45
			       : kind == NO_SOURCE    ? SOURCE_S
			       : kind == LOST_ADDRESS ? QUICK_S
						      : PROMPT_S);
	world_lose_source(NULL);
	connections = counter_get(&rig.shards[0].shard->deliverer->counters.connections_out);
	/* A late greeting is waited for on the connection that is there. */
	if (kind >= LATE_GREETING && connections > 2 * options.connections)
		rig_fail(&rig, "%llu connections while a greeting is awaited", (unsigned long long)connections);
	/* And SIGTERM does not wait for it. */
	rig_finish(&rig, 1);
	rig_close(&rig);
	if (silent)
		actor_nexthop_free(silent);
	sim_dns_clear();
}
