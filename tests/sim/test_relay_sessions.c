/*
 * tests/sim/test_relay_sessions.c - what happened to a connection is not the message's fault.
 *
 * Next hops that end sessions early in every way there is, while the retry schedule would let mail wait for half a
 * minute and more.
 */
#include "core/deliver/deliverer.h"
#include "tests/sim/test_relay.h"

enum { PROMPT_S = 5, MESSAGES = 40, CLIENTS = 4 };

static const struct kind {
	const char *name;
	struct actor_nexthop_config hop;
	bool copies; /* an answer may be lost on the way, and so a message come twice */
} kinds[] = {
	{"421 behind the last", {.messages_max = 10, .session_end = ACTOR_END_TOLD}, false},
	{"421 to the next MAIL", {.messages_max = 10, .session_end = ACTOR_END_AT_MAIL}, false},
	{"closes", {.messages_max = 10, .session_end = ACTOR_END_CLOSE}, true},
	{"resets", {.messages_max = 10, .session_end = ACTOR_END_RESET}, true},
	{"452 for ever", {.messages_max = 10, .session_end = ACTOR_END_REFUSE}, false},
	{"one a session", {.messages_max = 1, .session_end = ACTOR_END_AT_MAIL}, false},
	{"RSET refused", {.rset_refused = true, .rcpt_refused = 100000}, false},
	{"RSET closes", {.rset_closes = true, .rcpt_refused = 100000}, true},
	{"reset in the content", {.resets_in_content = 1}, true},
	{"dies when idle", {.idle_death_ns = 2 * CLOCK_NS_PER_S}, true},
	{"one message breaks it", {.poison = 7}, true},
	{"503 to each RCPT", {.one_at_a_time = true}, false},
	{"closes at EHLO", {.ehlo_refused = ""}, false},
	{"521 to EHLO", {.ehlo_refused = "521 5.3.2 No service\r\n"}, false},
	{"554 to EHLO", {.ehlo_refused = "554 No SMTP service here\r\n"}, false},
};

enum { KINDS = sizeof(kinds) / sizeof(kinds[0]) };

static void expect_prompt(struct rig *rig, const struct kind *kind, const char *when, uint64_t left)
{
	uint64_t begun = world_now_ns();

	while (rig_queued(rig) > left && world_now_ns() - begun < PROMPT_S * CLOCK_NS_PER_S)
		(void)rig_run(rig, rig_quiet, CLOCK_NS_PER_S / 10);
	if (rig_queued(rig) > left)
		rig_fail(rig, "%s, %s: %llu recipients are still queued after %u s", kind->name, when,
			 (unsigned long long)rig_queued(rig), PROMPT_S);
}

/* So many that every host has had its way with some of them, and as many again after a pause. */
void scenario_sessions(uint64_t seed)
{
	const struct kind *kind = &kinds[seed % KINDS];
	struct rig_options options = {
		.scenario = "sessions",
		.seed = seed,
		.quiet = true,
		.clients = CLIENTS,
		.messages = MESSAGES,
		.connections = 1 + (unsigned)rig_pick(seed, 1, 4),
		/* More than there are rounds for one message: each attempt is one. */
		.recipients_max = kind->hop.one_at_a_time ? 12 : 1,
		.hop = kind->hop,
	};
	struct ledger_summary s;
	uint64_t connections = 0, left = 0;
	struct rig rig;

	/* The one that breaks connections waits, and so do the few whose answer a reset took along twice. */
	if (kind->hop.poison)
		left = 1;
	else if (kind->copies && rig_pick(seed, 2, 4) > 0)
		left = 4;
	options.hop.pipelining = kind->hop.one_at_a_time || rig_pick(seed, 2, 4) > 0;
	options.hop.chunking = kind->hop.one_at_a_time || rig_pick(seed, 2, 4) > 1;
	options.hop.delay_max_ns = 3 * CLOCK_NS_PER_MS;
	rig_open(&rig, &options);
	rig_begin(&rig, 1 + (unsigned)rig_pick(seed, 3, 2));
	for (unsigned round = 0; round < 2; round++) {
		rig_clients(&rig);
		(void)rig_run(&rig, rig_clients_done, 60 * CLOCK_NS_PER_S);
		expect_prompt(&rig, kind, round ? "after a pause" : "at first", left);
		(void)rig_run(&rig, NULL, 5 * CLOCK_NS_PER_S);
		rig_clients_free(&rig);
	}
	for (unsigned i = 0; i < rig.shard_count; i++)
		connections += counter_get(&rig.shards[i].shard->deliverer->counters.connections_out);
	if (connections > (uint64_t)2 * CLIENTS * MESSAGES * 2)
		rig_fail(&rig, "%s: %llu connections for %u messages", kind->name, (unsigned long long)connections,
			 2 * CLIENTS * MESSAGES);
	for (unsigned i = 0; i < RIG_HOPS; i++)
		actor_nexthop_config(rig.hops[i])->poison = 0;
	rig_finish(&rig, 1);
	ledger_summarize(&rig.ledger, &s);
	/* A close on our pipelined commands is a reset, and that takes answers along which were on their way. */
	if (!kind->copies && !options.hop.pipelining && s.duplicates > 0)
		rig_fail(&rig, "%s: %llu copies although no answer was lost", kind->name,
			 (unsigned long long)s.duplicates);
	rig_close(&rig);
}

/*
 * Several connections stand idle behind messages whose recipients were all refused, and at the RSET of the first one
 * the host closes. The message that it was for must not go over another one without RSET: its MAIL would be refused,
 * and its recipients taken for the message before.
 */
void scenario_unreset(uint64_t seed)
{
	struct rig_options options = {
		.scenario = "unreset",
		.seed = seed,
		.quiet = true,
		.clients = RIG_CLIENTS_MAX,
		.messages = 1,
		.hop = {.rcpt_refused = 1000000,
			.pipelining = seed % 2,
			.chunking = seed % 4 == 3,
			.delay_max_ns = 20 * CLOCK_NS_PER_MS},
	};
	struct rig rig;

	rig_open(&rig, &options);
	rig_begin(&rig, 1);
	rig_clients(&rig);
	(void)rig_run(&rig, rig_quiet, CLOCK_NS_PER_S);
	for (unsigned i = 0; i < RIG_HOPS; i++) {
		actor_nexthop_config(rig.hops[i])->rcpt_refused = 0;
		actor_nexthop_config(rig.hops[i])->rset_closes = true;
	}
	rig_clients_free(&rig);
	rig_clients(&rig);
	(void)rig_run(&rig, rig_quiet, 60 * CLOCK_NS_PER_S);
	rig_finish(&rig, 1);
	rig_close(&rig);
}

static bool never(void *context)
{
	return false;
}

/* A host that never takes a message is left alone, longer each time; nothing goes round in circles. */
void scenario_closers(uint64_t seed)
{
	struct rig_options options = {
		.scenario = "closers",
		.seed = seed,
		.quiet = true,
		.clients = 2,
		.messages = 30,
		.hop = {.pipelining = seed % 3 > 0, .chunking = seed % 3 > 1},
	};
	uint64_t connections = 0, helos = 0, copies;
	struct actor_nexthop_stats stats;
	struct rig rig;

	switch (seed % 5) {
	case 0:
		options.hop.close_rate = 1000000; /* even at EHLO */
		break;
	case 1:
		options.hop.close_in_content = 1000000;
		break;
	case 2:
		options.hop.close_after_end = 1000000;
		break;
	case 3: /* before a connection that is ready can be given a message */
		options.hop.hello_closes = true;
		break;
	default:
		options.hop.close_rate = 400000;
		options.hop.close_in_content = 1000000;
		break;
	}
	rig_open(&rig, &options);
	rig_begin(&rig, 2);
	rig_clients(&rig);
	(void)rig_run(&rig, never, 3600 * CLOCK_NS_PER_S);
	for (unsigned i = 0; i < rig.shard_count; i++)
		connections += counter_get(&rig.shards[i].shard->deliverer->counters.connections_out);
	if (connections > 4 * 60)
		rig_fail(&rig, "%llu connections in an hour to hosts that take nothing",
			 (unsigned long long)connections);
	/* Each shard finds out by itself, once an hour, whether it is EHLO that they mind. */
	for (unsigned i = 0; i < RIG_HOPS; i++) {
		actor_nexthop_stats(rig.hops[i], &stats);
		helos += stats.helos;
	}
	if (helos > (uint64_t)2 * RIG_HOPS * rig.shard_count)
		rig_fail(&rig, "%llu times HELO to hosts that do not bear that either", (unsigned long long)helos);
	rig_finish(&rig, 2);
	copies = rig.counts.maybe_duplicates;
	if (seed % 5 == 2 && copies > (uint64_t)60 * 16)
		rig_fail(&rig, "%llu copies in an hour of 60 messages", (unsigned long long)copies);
	rig_close(&rig);
}

/* Clients that come while the process is asked to end: each connection is taken by a shard that still runs, and closed;
 * which shard has it and which accepts it are two things. */
void scenario_leaving(uint64_t seed)
{
	enum { COMERS = 300, MOMENT_NS = 40000 };
	static struct actor_idler *comers[COMERS];
	struct rig_options options = {.scenario = "leaving", .seed = seed, .quiet = true, .clients = 1, .messages = 3};
	struct ring_address address = world_address(RIG_PORT);
	struct rig rig;

	rig_open(&rig, &options);
	rig_begin(&rig, 2 + (unsigned)rig_pick(seed, 1, 3));
	rig_clients(&rig);
	(void)rig_run(&rig, rig_clients_done, 60 * CLOCK_NS_PER_S);
	(void)rig_run(&rig, rig_quiet, 60 * CLOCK_NS_PER_S);
	for (unsigned i = 0; i < COMERS; i++)
		comers[i] = actor_idler_start(&address, rig_pick(seed, 100 + i, MOMENT_NS), 0);
	(void)rig_run(&rig, never, rig_pick(seed, 2, MOMENT_NS));
	(void)rig_stop(&rig);
	rig_begin(&rig, 1);
	rig_finish(&rig, 1);
	rig_close(&rig);
	for (unsigned i = 0; i < COMERS; i++)
		actor_idler_free(comers[i]);
}
