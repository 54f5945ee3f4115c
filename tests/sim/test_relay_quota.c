/*
 * tests/sim/test_relay_quota.c - what clients may send in a minute, whichever shards their connections are on.
 */
#include <stdio.h>
#include <string.h>

#include "tests/sim/actor_script.h"
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

/* ---- transactions that are held open --------------------------------------------------------------------------- */

enum { HOLDERS = 4, NAMED = 40 };

static unsigned times(const char *codes, const char *code)
{
	unsigned n = 0;

	for (; (codes = strstr(codes, code)) != NULL; codes += strlen(code))
		n++;
	return n;
}

/* They begin a message each, over minutes, and name its recipients within a second. */
static void hold(struct actor_script *holders[HOLDERS])
{
	static const char begin[] = "EHLO a.example\r\nMAIL FROM:<a@a.example>\r\n";
	char names[NAMED * 32], *end = names;

	for (unsigned i = 0; i < NAMED; i++)
		end += snprintf(end, 32, "RCPT TO:<b%u@a.example>\r\n", i);
	for (unsigned i = 0; i < HOLDERS; i++)
		holders[i] = actor_script_start(&(struct actor_script_config){
			.address = world_address(RIG_PORT),
			.text = begin,
			.length = sizeof(begin) - 1,
			.later = names,
			.later_length = (size_t)(end - names),
			.delay_ns = i * 65 * CLOCK_NS_PER_S,
			.later_ns = (HOLDERS - i) * 65 * CLOCK_NS_PER_S + i * 100 * CLOCK_NS_PER_MS,
		});
}

/*
 * Of what a minute may bring nothing is had for a minute that is over: whoever holds his transactions open for longer
 * has no more recipients in them than all others.
 */
void scenario_held(uint64_t seed)
{
	unsigned most = 30 + (unsigned)rig_pick(seed, 1, 40), named = 0;
	char relaying[160], all[80] = "";
	struct rig_options options = {
		.scenario = "held",
		.seed = seed,
		.quiet = true,
		.relaying = relaying,
		.all_limits = all,
	};
	struct actor_script *holders[HOLDERS];
	unsigned whose = seed % 3;
	struct rig rig;

	snprintf(relaying, sizeof(relaying),
		 "{ name: all, networks: [127.0.0.0/8], limits: { recipients_per_minute: %u } }",
		 whose == 0 ? most : 0);
	if (whose > 0)
		snprintf(all, sizeof(all),
			 whose == 1 ? ", recipients_per_minute: %u" : ", address: { recipients_per_minute: %u }", most);
	rig_open(&rig, &options);
	if (rig_start(&rig, 1 + (unsigned)rig_pick(seed, 2, 4)) < 0)
		rig_fail(&rig, "does not start");
	hold(holders);
	pass(&rig, (HOLDERS + 1) * 65 * CLOCK_NS_PER_S);
	for (unsigned i = 0; i < HOLDERS; i++)
		/* EHLO and MAIL have theirs. */
		named += times(actor_script_codes(holders[i]), " 250") - 2;
	/* What an address has had comes back evenly. */
	if (named < most || named > most + (whose == 2 ? 2 : 0))
		rig_fail(&rig, "%u recipients were named at once, where %u may be in a minute: %s", named, most,
			 actor_script_codes(holders[0]));
	for (unsigned i = 0; i < HOLDERS; i++)
		actor_script_close(holders[i]);
	rig_finish(&rig, 1);
	rig_close(&rig);
	for (unsigned i = 0; i < HOLDERS; i++)
		actor_script_free(holders[i]);
}
