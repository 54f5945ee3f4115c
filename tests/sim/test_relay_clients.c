/*
 * tests/sim/test_relay_clients.c - the relay and what clients do that no book describes.
 */
#include <string.h>

#include "tests/sim/actor_script.h"
#include "tests/sim/test_relay.h"

enum { SCRIPTS_MAX = 128 };

/* Scripts of one run. */
struct crowd {
	struct actor_script *scripts[SCRIPTS_MAX];
	unsigned count;
};

static struct actor_script *crowd_add(struct crowd *crowd, struct actor_script_config *config)
{
	config->address = world_address(RIG_PORT);
	crowd->scripts[crowd->count] = actor_script_start(config);
	return crowd->scripts[crowd->count++];
}

static void crowd_close(struct crowd *crowd)
{
	for (unsigned i = 0; i < crowd->count; i++)
		actor_script_close(crowd->scripts[i]);
}

static void crowd_free(struct crowd *crowd)
{
	for (unsigned i = 0; i < crowd->count; i++)
		actor_script_free(crowd->scripts[i]);
}

static bool ends_with(const char *text, const char *end)
{
	size_t length = strlen(text), n = strlen(end);

	return length >= n && strcmp(text + length - n, end) == 0;
}

/*
 * More clients than content memory has blocks get their 354 and stop there, or send an octet now and then. The first
 * cost nothing, the second lose their session and what they held (SMG-05, DOS-01). Meanwhile nobody's DATA is refused.
 */
void scenario_dry(uint64_t seed)
{
	static const char text[] = "EHLO slow.example\r\nMAIL FROM:<slow@client.example>\r\n"
				   "RCPT TO:<slow@a.example>\r\nDATA\r\nx";
	bool trickling = seed % 2;
	struct rig_options options = {
		.scenario = "dry",
		.seed = seed,
		.quiet = seed % 4 < 2,
		.clients = 3,
		.messages = 10,
		.content_max = 20000,
		.memory_mib = 1,
		.hop = {.pipelining = true, .chunking = true},
	};
	struct crowd crowd = {.count = 0};
	struct ledger_summary s;
	struct rig rig;

	rig_open(&rig, &options);
	if (rig_start(&rig, 1) < 0)
		rig_fail(&rig, "does not start");
	while (crowd.count < 80) {
		struct actor_script_config script = {
			.delay_ns = rig_pick(seed, crowd.count, CLOCK_NS_PER_S),
			.text = text,
			.length = sizeof(text) - (trickling ? 1 : 2),
			.trickle_ns = trickling ? CLOCK_NS_PER_S : 0,
		};
		(void)crowd_add(&crowd, &script);
	}
	(void)rig_run(&rig, NULL, 20 * CLOCK_NS_PER_S);
	for (unsigned i = 0; i < crowd.count; i++) {
		if (!ends_with(actor_script_codes(crowd.scripts[i]), "354"))
			rig_fail(&rig, "client %u heard %s", i, actor_script_codes(crowd.scripts[i]));
	}
	rig_clients(&rig);
	/* Those that trickle have five minutes in advance. */
	if (rig_run(&rig, rig_clients_done, (trickling ? 400 : 60) * CLOCK_NS_PER_S) != WORLD_DONE)
		rig_fail(&rig, "idle clients keep the memory");
	ledger_summarize(&rig.ledger, &s);
	if (s.refused || s.accepted != 30)
		rig_fail(&rig, "accepted %llu, refused %llu", (unsigned long long)s.accepted,
			 (unsigned long long)s.refused);
	(void)rig_run(&rig, NULL, 400 * CLOCK_NS_PER_S);
	for (unsigned i = 0; i < crowd.count; i++) {
		if (!actor_script_ended(crowd.scripts[i], NULL, NULL) ||
		    !ends_with(actor_script_codes(crowd.scripts[i]), "354 421"))
			rig_fail(&rig, "client %u is still there, or heard %s", i,
				 actor_script_codes(crowd.scripts[i]));
	}
	crowd_close(&crowd);
	rig_finish(&rig, 1);
	rig_close(&rig);
	crowd_free(&crowd);
}
