/*
 * tests/sim/test_relay_limits.c - what a next hop may be given of messages and octets, by all shards together, through
 * kills and power cuts: never more than it allows, and nearly all of it.
 */
#include <errno.h>
#include <stdio.h>

#include "tests/sim/test_relay.h"

#define MINUTE_NS (60 * CLOCK_NS_PER_S)

enum { WARM_MINUTES = 2, MINUTES = 5 };

struct limits_case {
	unsigned per_minute, per_hour, octets; /* octets a minute */
	bool burst, crashes;
};

/* Of seeds that follow each other each is another one. */
static struct limits_case case_of(uint64_t seed)
{
	static const unsigned rates[] = {30, 100, 300};
	struct limits_case c = {.per_minute = rates[seed % 3], .burst = seed / 3 % 2, .crashes = seed / 6 % 2};

	if (seed % 5 == 4)
		c.per_hour = c.per_minute * 40;
	if (seed % 7 == 5)
		c.octets = c.per_minute * 1000;
	return c;
}

static void write_limits(const struct limits_case *c, char *out, size_t size)
{
	int n = snprintf(out, size, ", messages_per_minute: %u", c->per_minute);

	if (c->per_hour)
		n += snprintf(out + n, size - (size_t)n, ", messages_per_hour: %u", c->per_hour);
	if (c->octets)
		n += snprintf(out + n, size - (size_t)n, ", octets_per_minute: %uB", c->octets);
}

/* Nobody was kept waiting for what was there. */
static void expect_used(struct rig *rig, const struct limits_case *c, const struct actor_meter *messages,
			uint64_t from_ns)
{
	uint64_t allowed = (uint64_t)(c->per_hour ? c->per_hour / 60 : c->per_minute) * MINUTES;
	uint64_t used = actor_meter_between(messages, from_ns, from_ns + MINUTES * MINUTE_NS);

	if (!c->octets && used * 100 < 95 * allowed)
		rig_fail(rig, "%llu messages in %u minutes, where %llu are allowed", (unsigned long long)used, MINUTES,
			 (unsigned long long)allowed);
}

static void live_through(struct rig *rig, uint64_t seed)
{
	enum world_crash_kind kind = rig_pick(seed, 20, 2) ? WORLD_POWER_CUT : WORLD_KILL;

	for (unsigned i = 0; i < 6; i++) {
		(void)rig_run(rig, NULL, rig_pick(seed, 30 + i, 100) * CLOCK_NS_PER_S);
		rig_crash(rig, kind);
		rig_begin(rig, 1 + (unsigned)rig_pick(seed, 40 + i, 3));
	}
}

void scenario_limits(uint64_t seed)
{
	struct limits_case c = case_of(seed);
	struct actor_meter messages = {.window_ns = MINUTE_NS, .most = c.per_minute};
	struct actor_meter hour = {.window_ns = 60 * MINUTE_NS, .most = c.per_hour};
	struct actor_meter octets = {.window_ns = MINUTE_NS, .most = c.octets};
	char limits[160];
	struct rig_options options = {
		.scenario = "limits",
		.seed = seed,
		.quiet = true,
		.clients = 2,
		.messages = c.per_minute * 12,
		.content_max = c.octets ? 6000 : 300,
		.connections = 1 + (unsigned)rig_pick(seed, 1, 5),
		.limits = limits,
		.pacing = c.burst ? "burst" : "even",
		.hop = {.pipelining = true,
			.chunking = seed % 2,
			.messages_meter = &messages,
			.hour_meter = &hour,
			.octets_meter = &octets,
			.delay_min_ns = CLOCK_NS_PER_MS,
			.delay_max_ns = 20 * CLOCK_NS_PER_MS},
	};
	struct rig rig;
	uint64_t from_ns;

	write_limits(&c, limits, sizeof(limits));
	rig_open(&rig, &options);
	rig_begin(&rig, 1 + (unsigned)rig_pick(seed, 2, 3));
	rig_clients(&rig);
	(void)rig_run(&rig, NULL, WARM_MINUTES * MINUTE_NS);
	from_ns = world_now_ns();
	if (c.crashes)
		live_through(&rig, seed);
	else
		(void)rig_run(&rig, NULL, MINUTES * MINUTE_NS);
	if (!c.crashes)
		expect_used(&rig, &c, &messages, from_ns);
	rig_finish(&rig, 1 + (unsigned)rig_pick(seed, 3, 3));
	rig_meter(&rig, "messages in a minute", &messages);
	rig_meter(&rig, "messages in an hour", &hour);
	/* One that is larger than all that is allowed goes alone. */
	rig_meter(&rig, "octets in a minute", &octets);
	rig_close(&rig);
	actor_meter_free(&messages);
	actor_meter_free(&hour);
	actor_meter_free(&octets);
}

/*
 * Recipients a day, for days: with kills, power cuts and other numbers of shards in between, never one too many in any
 * 24 hours; without them nearly all. Messages with more recipients than are left go in parts.
 */
void scenario_day(uint64_t seed)
{
	enum { A_DAY = 120 };
	bool crashes = seed % 2;
	struct actor_meter recipients = {.window_ns = 24 * 60 * MINUTE_NS, .most = A_DAY};
	struct rig_options options = {
		.scenario = "day",
		.seed = seed,
		.quiet = true,
		.clients = 2,
		.messages = 150,
		.recipients_max = 1 + (unsigned)rig_pick(seed, 1, 5),
		.each = 1 + (unsigned)rig_pick(seed, 2, 5),
		.connections = 1 + (unsigned)rig_pick(seed, 3, 4),
		.limits = ", recipients_per_day: 120",
		.hop = {.pipelining = true,
			.chunking = rig_pick(seed, 4, 2),
			.recipients_meter = &recipients,
			.delay_max_ns = 20 * CLOCK_NS_PER_MS},
	};
	struct rig rig;
	uint64_t from_ns;

	rig_open(&rig, &options);
	rig_begin(&rig, 1 + (unsigned)rig_pick(seed, 5, 3));
	from_ns = world_now_ns();
	rig_clients(&rig);
	for (unsigned i = 0; crashes && i < 12; i++) {
		(void)rig_run(&rig, NULL, rig_pick(seed, 50 + i, i < 6 ? 2 : 7200) * CLOCK_NS_PER_S);
		rig_crash(&rig, rig_pick(seed, 70 + i, 2) ? WORLD_POWER_CUT : WORLD_KILL);
		rig_begin(&rig, 1 + (unsigned)rig_pick(seed, 90 + i, 3));
	}
	(void)rig_run(&rig, NULL, 50 * 60 * MINUTE_NS);
	if (!crashes &&
	    actor_meter_between(&recipients, from_ns, from_ns + 49 * 60 * MINUTE_NS) <
		    (rig.ledger.count ? 2 * A_DAY / 100 * 95 : 0) &&
	    rig_queued(&rig) > 0)
		rig_fail(&rig, "%llu recipients in two days, where %u are allowed",
			 (unsigned long long)recipients.total, 2 * A_DAY);
	rig_finish(&rig, 1 + (unsigned)rig_pick(seed, 6, 3));
	rig_meter(&rig, "recipients in 24 hours", &recipients);
	rig_close(&rig);
	actor_meter_free(&recipients);
}

/* The day's budget cannot be written for a while: mail waits, the disk is asked now and then, and all goes on then. */
void scenario_unwritten(uint64_t seed)
{
	enum { FAILS_S = 600, ASKED_MOST = 3 * FAILS_S };
	static const struct world_io_fault fault = {
		.operations = WORLD_IO_WRITE, .nth = 1, .count = UINT64_MAX, .error = -EIO};
	struct rig_options options = {
		.scenario = "unwritten",
		.seed = seed,
		.quiet = true,
		.clients = 2,
		.messages = 20,
		.content_max = 500,
		.limits = ", recipients_per_day: 1000",
		.hop = {.pipelining = true, .chunking = seed % 2},
	};
	struct world_stats before, after;
	struct rig rig;

	rig_open(&rig, &options);
	world_reach(RIG_HOP_PORT, WORLD_REFUSE);
	world_reach(RIG_HOP_PORT + 1, WORLD_REFUSE);
	rig_begin(&rig, 1 + (unsigned)rig_pick(seed, 1, 3));
	rig_clients(&rig);
	(void)rig_run(&rig, rig_clients_done, 60 * CLOCK_NS_PER_S);
	world_fault_io(&fault);
	world_reach(RIG_HOP_PORT, WORLD_OPEN);
	world_stats(&before);
	(void)rig_run(&rig, NULL, FAILS_S * CLOCK_NS_PER_S);
	world_stats(&after);
	if (after.disk_faults - before.disk_faults > ASKED_MOST)
		rig_fail(&rig, "the disk was asked %llu times in %u s, where it fails each time",
			 (unsigned long long)(after.disk_faults - before.disk_faults), FAILS_S);
	if (after.disk_faults == before.disk_faults)
		rig_fail(&rig, "nothing was written");
	world_faults_clear();
	world_reach(RIG_HOP_PORT + 1, WORLD_OPEN);
	/* What failed to be written was not sent, and is not spent. */
	(void)rig_run(&rig, rig_quiet, 1800 * CLOCK_NS_PER_S);
	if (!rig_quiet(&rig))
		rig_fail(&rig, "%llu recipients wait half an hour after the disk is well",
			 (unsigned long long)rig_queued(&rig));
	rig_finish(&rig, 1 + (unsigned)rig_pick(seed, 2, 3));
	rig_close(&rig);
}
