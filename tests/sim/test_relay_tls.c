/*
 * tests/sim/test_relay_tls.c - a next hop whose TLS comes and goes, by every policy that goes on without proof.
 */
#include "tests/sim/test_relay.h"

/* Longer than a lesson lasts (fallback.h), and than a connection. */
enum { PHASES = 6, PHASE_S = 1200 };

static void nothing(void *context)
{
}

/* Also where there is nothing to do. */
static void let_pass(struct rig *rig, uint64_t ns)
{
	world_after(ns, nothing, NULL);
	(void)rig_run(rig, NULL, ns);
}

static void look(const struct rig *rig, struct actor_nexthop_stats *stats)
{
	actor_nexthop_stats(rig->hops[0], stats);
}

/* All that was sent in this phase has gone, as it must. */
static void check_phase(struct rig *rig, bool required, enum actor_tls tls, const struct actor_nexthop_stats *before)
{
	struct actor_nexthop_stats now;
	uint64_t lanes = rig->shard_count;

	look(rig, &now);
	if (required && now.in_clear > 0)
		rig_fail(rig, "%llu messages in clear where TLS is required", (unsigned long long)now.in_clear);
	if (tls == ACTOR_TLS_OFFERED && now.in_clear > before->in_clear)
		rig_fail(rig, "%llu messages in clear although TLS is there",
			 (unsigned long long)(now.in_clear - before->in_clear));
	if (tls != ACTOR_TLS_OFFERED && now.secured > before->secured)
		rig_fail(rig, "TLS that is not there carries mail");
	if (!required && rig_queued(rig) > 0)
		rig_fail(rig, "%llu messages wait for TLS that need none", (unsigned long long)rig_queued(rig));
	/* Once for each lane, and once more where that was forgotten in the middle of the phase. */
	if (!required && tls >= ACTOR_TLS_BROKEN && now.starttls - before->starttls > 2 * lanes)
		rig_fail(rig, "a handshake that fails is tried %llu times",
			 (unsigned long long)(now.starttls - before->starttls));
}

void scenario_tls(uint64_t seed)
{
	bool required = seed % 2;
	struct rig_options options = {
		.scenario = "tls",
		.seed = seed,
		.quiet = true,
		.clients = 2,
		.messages = 20,
		.recipients_max = 1,
		.signing_in = required ? "tls: { mode: required }" : "tls: { mode: opportunistic }",
		.retry = "{ first: 30s, factor: 2, max: 5m, expire: 5d }",
		.hop = {.pipelining = seed % 4 > 0, .chunking = seed % 4 > 1},
	};
	struct actor_nexthop_stats before;
	struct rig rig;

	rig_open(&rig, &options);
	rig_begin(&rig, 2);
	for (unsigned phase = 0; phase < PHASES && rig_failures == 0; phase++) {
		enum actor_tls tls =
			phase % 2 ? ACTOR_TLS_OFFERED : ACTOR_TLS_OFFERED + rig_pick(seed, phase, ACTOR_TLS_STATES - 1);
		actor_nexthop_config(rig.hops[0])->tls = tls;
		/* What was learned is forgotten, and connections have ended. */
		let_pass(&rig, PHASE_S * CLOCK_NS_PER_S);
		look(&rig, &before);
		rig_clients(&rig);
		if (rig_run(&rig, rig_clients_done, 600 * CLOCK_NS_PER_S) != WORLD_DONE)
			rig_fail(&rig, "mail is not taken");
		let_pass(&rig, 120 * CLOCK_NS_PER_S);
		check_phase(&rig, required, tls, &before);
		rig_clients_free(&rig);
		if (rig_pick(seed, PHASES + phase, 4) == 0) {
			rig_crash(&rig, WORLD_KILL);
			rig_begin(&rig, 2);
		}
	}
	actor_nexthop_config(rig.hops[0])->tls = ACTOR_TLS_OFFERED;
	rig_finish(&rig, 2);
	if (rig.counts.failed)
		rig_fail(&rig, "%llu failed", (unsigned long long)rig.counts.failed);
	rig_close(&rig);
}
