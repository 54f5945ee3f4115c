/*
 * tests/sim/test_relay.c - the whole relay on the simulated kernel, seed after seed: see tests/sim/README.md.
 *
 *     test_relay [SCENARIO...] [SEED...]     SIM_SEEDS=n, SIM_WHOLE=1, SIM_TRACE=1, SIM_LOG=1 in the environment
 *     test_relay --part N                    of PARTS that take about as long: processors share them
 *
 * Without seeds each scenario runs SIM_SEEDS of them; or, with SIM_WHOLE (as tests/run does under the sanitizers), its
 * own number; or a quarter of that.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/sim/test_relay.h"

/* One a line. */
/* clang-format off */
static const struct scenario scenarios[] = {
	{"quiet", scenario_quiet, 6, 100},
	{"random", scenario_random, 40, 70},
	{"crash", scenario_crash, 24, 60},
	{"crash_io", scenario_crash_io, 3, 370},
	{"disk", scenario_disk, 8, 240},
	{"reshard", scenario_reshard, 8, 80},
	{"narrowed", scenario_narrowed, 12, 1950},
	{"full_reshard", scenario_full_reshard, 4, 850},
	{"reload", scenario_reload, 12, 430},
	{"renamed", scenario_renamed, 12, 70},
	{"held_apart", scenario_held_apart, 2, 40},
	{"memory", scenario_memory, 2, 1500},
	{"outage", scenario_outage, 4, 10},
	{"weekend", scenario_weekend, 4, 120},
	{"expiry", scenario_expiry, 2, 20},
	{"parts", scenario_parts, 8, 530},
	{"stall", scenario_stall, 8, 60},
	{"full", scenario_full, 2, 610},
	{"budget", scenario_budget, 2, 180},
	{"dry", scenario_dry, 4, 30},
	{"farewell", scenario_farewell, 9, 10},
	{"ahead", scenario_ahead, 4, 130},
	{"siege", scenario_siege, 6, 120},
	{"hold", scenario_hold, 10, 120},
	{"tls", scenario_tls, 16, 40},
	{"starved", scenario_starved, 8, 30},
	{"spin", scenario_spin, 2, 150},
	{"damage", scenario_damage, 8, 820},
	{"damage-refused", scenario_damage_refused, 16, 750},
	{"sessions", scenario_sessions, 60, 30},
	{"unreset", scenario_unreset, 8, 10},
	{"leaving", scenario_leaving, 272, 20},
	{"hosts", scenario_hosts, 16, 10},
	{"names", scenario_names, 24, 20},
	{"sites", scenario_sites, 24, 20},
	{"silence", scenario_silence, 4, 60},
	{"crowded", scenario_crowded, 16, 40},
	{"closers", scenario_closers, 8, 20},
	{"apart", scenario_apart, 12, 50},
	{"seven_bit", scenario_seven_bit, 16, 30},
	{"told", scenario_told, 12, 50},
	{"told_meanwhile", scenario_told_meanwhile, 32, 70},
	{"told_full", scenario_told_full, 8, 900},
	{"listed", scenario_listed, 24, 140},
	{"look", scenario_look, 12, 60},
	{"steer", scenario_steer, 16, 800},
	{"orders", scenario_orders, 2, 10},
	{"stopped", scenario_stopped, 4, 10},
	{"back", scenario_back, 8, 10},
	{"moved", scenario_moved, 60, 30},
	{"newer", scenario_newer, 4, 30},
	{"space", scenario_space, 2, 7290},
	{"limits", scenario_limits, 12, 60},
	{"slots", scenario_slots, 20, 20},
	{"day", scenario_day, 8, 60},
	{"unwritten", scenario_unwritten, 6, 10},
	{"pool", scenario_pool, 12, 110},
	{"spent", scenario_spent, 8, 20},
	{"logins", scenario_logins, 12, 70},
	{"changed", scenario_changed, 8, 130},
	{"wrong", scenario_wrong, 8, 90},
	{"put_off", scenario_put_off, 8, 60},
	{"tokens", scenario_tokens, 12, 70},
	{"match", scenario_match, 12, 40},
	{"other_path", scenario_other_path, 12, 30},
	{"anew", scenario_anew, 12, 30},
	{"paths", scenario_paths, 12, 40},
	{"pool_reload", scenario_pool_reload, 12, 50},
	{"sign_in", scenario_sign_in, 50, 170},
	{"brought", scenario_brought, 24, 100},
	{"policy", scenario_policy, 24, 450},
	{"quota", scenario_quota, 12, 20},
	{"held", scenario_held, 8, 20},
	{"devices", scenario_devices, 4, 900},
};
/* clang-format on */

enum { SCENARIOS = sizeof(scenarios) / sizeof(scenarios[0]), SEEDS_MAX = 64, PARTS = 6 };

static unsigned long cost_of(const struct scenario *scenario)
{
	return (unsigned long)scenario->seeds * scenario->seed_ms;
}

/* What the C library allocates by itself, for trees of names (core/shard/counts.c), a simulated crash does not give
 * back: world.h. For LeakSanitizer. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
	return "leak:tsearch\n";
}

/* Where an assertion or the world stops the program, this says which run it was. */
static char running[128];

static void on_abort(int number)
{
	size_t length = strlen(running);

	if (length)
		(void)!write(STDERR_FILENO, running, length);
}

void run_label(const char *scenario, uint64_t seed, const char *what, uint64_t n)
{
	snprintf(running, sizeof(running), "replay with: test_relay %s %llu (%s %llu)\n", scenario,
		 (unsigned long long)seed, what, (unsigned long long)n);
}

static void run(const struct scenario *scenario, uint64_t seed)
{
	unsigned before = rig_failures;

	run_label(scenario->name, seed, "run", 0);
	scenario->fn(seed);
	if (rig_failures != before)
		fprintf(stderr, "%s", running);
}

static unsigned run_all(const struct scenario *scenario)
{
	const char *text = getenv("SIM_SEEDS");
	unsigned own = getenv("SIM_WHOLE") ? scenario->seeds : (scenario->seeds + 3) / 4;
	unsigned count = text ? (unsigned)atoi(text) : own;

	for (uint64_t seed = 1; seed <= count; seed++)
		run(scenario, seed);
	return count;
}

/* The longest first, each to the part that has least so far; as of the seeds that are run by default. */
static void choose_part(unsigned part, bool wanted[SCENARIOS])
{
	unsigned long taken[PARTS] = {0};
	bool given[SCENARIOS] = {false};

	for (unsigned n = 0; n < SCENARIOS; n++) {
		unsigned longest = SCENARIOS, least = 0;
		for (unsigned s = 0; s < SCENARIOS; s++) {
			if (!given[s] &&
			    (longest == SCENARIOS || cost_of(&scenarios[s]) > cost_of(&scenarios[longest])))
				longest = s;
		}
		for (unsigned p = 1; p < PARTS; p++)
			least = taken[p] < taken[least] ? p : least;
		given[longest] = true;
		taken[least] += cost_of(&scenarios[longest]);
		wanted[longest] = least == part;
	}
}

int main(int argc, char **argv)
{
	uint64_t seeds[SEEDS_MAX];
	unsigned seed_count = 0;
	bool named = false, wanted[SCENARIOS] = {false};

	if (argc == 3 && strcmp(argv[1], "--part") == 0) {
		named = true;
		choose_part((unsigned)atoi(argv[2]), wanted);
		argc = 1;
	}
	for (int i = 1; i < argc; i++) {
		char *end;
		unsigned long long value = strtoull(argv[i], &end, 10);
		bool known = false;
		if (*argv[i] && !*end && seed_count < SEEDS_MAX) {
			seeds[seed_count++] = value;
			continue;
		}
		for (unsigned s = 0; s < SCENARIOS; s++) {
			if (strcmp(argv[i], scenarios[s].name) == 0)
				known = named = wanted[s] = true;
		}
		if (!known) {
			fprintf(stderr, "test_relay: no scenario \"%s\"\n", argv[i]);
			return 64;
		}
	}
	rig_trace = getenv("SIM_TRACE") != NULL;
	rig_log = getenv("SIM_LOG") != NULL;
	signal(SIGABRT, on_abort);
	for (unsigned s = 0; s < SCENARIOS; s++) {
		unsigned before = rig_failures, count = seed_count;
		if (named && !wanted[s])
			continue;
		for (unsigned i = 0; i < seed_count; i++)
			run(&scenarios[s], seeds[i]);
		if (seed_count == 0)
			count = run_all(&scenarios[s]);
		printf("%s %s, %u seeds\n", rig_failures == before ? "ok" : "FAILED", scenarios[s].name, count);
		fflush(stdout);
	}
	return rig_failures ? 1 : 0;
}
