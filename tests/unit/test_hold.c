/* tests/unit/test_hold.c - who may probe a host that refuses this relay, and when (hold.h). */
#include <errno.h>
#include <stdlib.h>

#include "core/base/clock.h"
#include "core/config/config.h"
#include "core/deliver/deliverer.h"
#include "core/deliver/hold.h"
#include "core/deliver/outbound.h"
#include "core/route/plan.h"
#include "tests/unit/check.h"

/* A destination of two hosts with one lane on one shard, as far as hold.c looks. */
static struct config_host config_hosts[2] = {{.text = "one:25"}, {.text = "two:25"}};
static struct config_destination destination = {.name = "smart", .hosts = config_hosts, .host_count = 2};
static struct hold_host hold_hosts[2];
static struct hold_destination holds;
static struct lane_plan lane;
static struct plan plan = {.lanes = &lane, .lane_count = 1};
static _Atomic(uint64_t) suspended_until_ns[1];
static struct deliverers shared = {.holds = &holds, .suspensions = {.until_ns = suspended_until_ns}};
static struct host hosts[2], *host_list[2] = {&hosts[0], &hosts[1]};
static struct shard shard;
static struct deliverer deliverer;
static struct outbound out;
static struct delivery mail;

static const struct ruling ours = {.verdict = VERDICT_HOLD,
				   .action = ACTION_HOLD,
				   .scope = SCOPE_HOST,
				   .reason = REASON_CLIENT,
				   .say = "do something"};
static const struct ruling perhaps = {.verdict = VERDICT_HOLD,
				      .action = ACTION_HOLD,
				      .scope = SCOPE_MESSAGE,
				      .reason = REASON_SENDER,
				      .say = "do something"};

static void setup(void)
{
	memset(hold_hosts, 0, sizeof(hold_hosts));
	memset(&holds, 0, sizeof(holds));
	memset(&shard, 0, sizeof(shard));
	memset(&deliverer, 0, sizeof(deliverer));
	memset(hosts, 0, sizeof(hosts));
	memset(&out, 0, sizeof(out));
	memset(&mail, 0, sizeof(mail));
	holds.hosts = hold_hosts;
	shard.plan = &plan;
	shard.count = 1;
	shard.started_ns = CLOCK_NS_PER_S;
	shard.now_ns = 10 * CLOCK_NS_PER_S;
	shard.deliverer = &deliverer;
	deliverer.shared = &shared;
	deliverer.outbound = &out;
	list_init(&deliverer.outbound_wake);
	out.shard = &shard;
	out.destination = &destination;
	out.holds = &holds;
	out.hosts = host_list;
	out.host_count = out.host_total = 2;
	list_init(&out.wake);
	lane_init(&out.lane);
	for (int i = 0; i < 2; i++)
		hosts[i] = (struct host){.config = &config_hosts[i], .hold = &hold_hosts[i]};
}

static bool refused(int host, enum stage stage, const struct ruling *ruling)
{
	const struct verdict_fact fact = {stage, 550, span_text("no")};

	return hold_refused(&out, &hosts[host], &mail, &fact, ruling);
}

static enum hold_claim claim(int host, uint64_t *next_ns)
{
	*next_ns = UINT64_MAX;
	return hold_claim(&hold_hosts[host], shard.now_ns, next_ns);
}

static void test_probes(void)
{
	uint64_t next_ns, waited_ms = 0;

	setup();
	CHECK_EQ(claim(0, &next_ns), HOLD_NONE);
	CHECK(refused(0, STAGE_RCPT, &ours));
	CHECK_EQ(claim(0, &next_ns), HOLD_WAIT);
	CHECK_EQ(next_ns, shard.now_ns + HOLD_PROBE_FIRST_MS * CLOCK_NS_PER_MS);
	CHECK_EQ(claim(1, &next_ns), HOLD_NONE); /* the other host is none of its business */
	/* What was in flight beside it changes nothing. */
	CHECK(refused(0, STAGE_RCPT, &ours));
	/* Longer each time, up to a minute, and one at a time. */
	for (int i = 0; i < 12; i++) {
		while (claim(0, &next_ns) == HOLD_WAIT) {
			CHECK(next_ns > shard.now_ns && next_ns <= shard.now_ns + HOLD_POLL_MS * CLOCK_NS_PER_MS);
			waited_ms += (next_ns - shard.now_ns) / CLOCK_NS_PER_MS;
			shard.now_ns = next_ns;
		}
		CHECK_EQ(claim(0, &next_ns), HOLD_WAIT); /* nobody else, be it in the same moment */
		hosts[0].probing = true;
		CHECK(refused(0, STAGE_RCPT, &ours));
		CHECK_EQ(waited_ms, i < 6 ? 1000u << i : 60000);
		waited_ms = 0;
	}
}

static void test_passes(void)
{
	uint64_t next_ns;

	setup();
	refused(0, STAGE_RCPT, &ours);
	/* Something that came less far says nothing. */
	hold_passed(&out, &hosts[0], &mail, STAGE_MAIL, false);
	hold_passed(&out, &hosts[0], &mail, STAGE_RCPT, false);
	CHECK_EQ(claim(0, &next_ns), HOLD_WAIT);
	hold_passed(&out, &hosts[0], &mail, STAGE_CONTENT, false);
	CHECK_EQ(claim(0, &next_ns), HOLD_NONE);
	CHECK_EQ(atomic_load(&holds.releases), 1);
	refused(0, STAGE_CONTENT, &ours);
	hold_passed(&out, &hosts[0], &mail, STAGE_CONTENT, true);
	CHECK_EQ(claim(0, &next_ns), HOLD_NONE);
}

/* So many different messages in a row, with none taken between: it is the host. */
static void test_in_a_row(void)
{
	setup();
	for (int i = 1; i < HOLD_ROW; i++)
		CHECK(!refused(0, STAGE_CONTENT, &perhaps));
	hold_passed(&out, &hosts[0], &mail, STAGE_CONTENT, true);
	for (int i = 1; i < HOLD_ROW; i++)
		CHECK(!refused(0, STAGE_CONTENT, &perhaps));
	CHECK(refused(0, STAGE_CONTENT, &perhaps));
	/* The same few again and again are not. */
	setup();
	mail.holds = 1;
	for (int i = 0; i < 10 * HOLD_ROW; i++)
		CHECK(!refused(0, STAGE_CONTENT, &perhaps));
}

/* Nothing grows old while it cannot go; it can while one host is left. */
static void test_age(void)
{
	setup();
	CHECK_EQ(hold_uptime_ns(&out), 9 * CLOCK_NS_PER_S);
	refused(0, STAGE_MAIL, &ours);
	CHECK(!hold_stops(&out));
	CHECK_EQ(hold_uptime_ns(&out), 9 * CLOCK_NS_PER_S);
	refused(1, STAGE_MAIL, &ours);
	CHECK(hold_stops(&out));
	CHECK_EQ(hold_uptime_ns(&out), 0);
	shard.now_ns += 100 * CLOCK_NS_PER_S;
	CHECK_EQ(hold_uptime_ns(&out), 0);
	hold_passed(&out, &hosts[1], &mail, STAGE_CONTENT, true);
	CHECK(!hold_stops(&out));
	shard.now_ns += CLOCK_NS_PER_S;
	CHECK_EQ(hold_uptime_ns(&out), CLOCK_NS_PER_S); /* as if its time began anew */
	/* One held, the other not to be reached. */
	hosts[1].blocked_until_ns = shard.now_ns + CLOCK_NS_PER_S;
	CHECK(hold_stops(&out));
}

/* What was held one by one is tried when one of its kind gets through, once in a while. */
static void test_follow(void)
{
	struct delivery held = {.holds = 1}, other = {0};
	uint64_t next_ns = UINT64_MAX;

	setup();
	lane_defer(&out.lane, &held, shard.now_ns + 500 * CLOCK_NS_PER_S);
	lane_defer(&out.lane, &other, shard.now_ns + 400 * CLOCK_NS_PER_S);
	out.holds_waiting = true;
	hold_follow(&out, &next_ns);
	CHECK_EQ(next_ns, shard.now_ns + HOLD_POLL_MS * CLOCK_NS_PER_MS);
	CHECK(!lane_has(&out.lane, shard.now_ns));
	shard.now_ns += 100 * CLOCK_NS_PER_S;
	mail.holds = 1;
	hold_passed(&out, &hosts[0], &mail, STAGE_CONTENT, true);
	hold_follow(&out, &next_ns);
	CHECK(lane_first_due(&out.lane, shard.now_ns) == &held);
	lane_remove(&out.lane, &held);
	CHECK(!lane_has(&out.lane, shard.now_ns));
	/* Not again at once. */
	hold_passed(&out, &hosts[0], &mail, STAGE_CONTENT, true);
	CHECK_EQ(atomic_load(&holds.releases), 1);
	shard.now_ns += HOLD_RELEASE_MS * CLOCK_NS_PER_MS;
	hold_passed(&out, &hosts[0], &mail, STAGE_CONTENT, true);
	CHECK_EQ(atomic_load(&holds.releases), 2);
	lane_deinit(&out.lane);
}

/* Once for each reason, then by the hour, until it heals. */
static void test_alarms(void)
{
	uint64_t told_ns;

	setup();
	refused(0, STAGE_MAIL, &ours);
	told_ns = atomic_load(&holds.tell_ns[REASON_CLIENT]);
	CHECK_EQ(told_ns, shard.now_ns + HOLD_TELL_S * CLOCK_NS_PER_S);
	shard.now_ns += 60 * CLOCK_NS_PER_S;
	refused(0, STAGE_MAIL, &ours);
	refused(1, STAGE_MAIL, &ours);
	CHECK_EQ(atomic_load(&holds.tell_ns[REASON_CLIENT]), told_ns);
	refused(1, STAGE_MAIL, &perhaps);
	CHECK_EQ(atomic_load(&holds.tell_ns[REASON_SENDER]), shard.now_ns + HOLD_TELL_S * CLOCK_NS_PER_S);
	shard.now_ns = told_ns;
	refused(0, STAGE_MAIL, &ours);
	CHECK_EQ(atomic_load(&holds.tell_ns[REASON_CLIENT]), told_ns + HOLD_TELL_S * CLOCK_NS_PER_S);
	hold_passed(&out, &hosts[0], &mail, STAGE_CONTENT, true);
	CHECK_EQ(atomic_load(&holds.tell_ns[REASON_CLIENT]), 0);
	CHECK_EQ(atomic_load(&holds.tell_ns[REASON_SENDER]), 0);
}

/* As many hosts at a time as there is room for, and any number one after the other; who is in use keeps his place. */
static void test_places(void)
{
	struct config_host config[2] = {{.text = "first:25"}, {.text = "second:25"}};
	struct config_destination changing = {.name = "changing", .hosts = config, .host_count = 2};
	struct hold_destination places = {0};
	struct hold_host *first, *taken[HOLD_HOSTS_ROOM];
	char name[20];

	CHECK_EQ(hold_extend(&places, &changing), 0);
	first = hold_host_take(&places, "first:25");
	atomic_store(&first->probe_ns, 7);
	for (unsigned i = 0; i < 1000; i++) {
		snprintf(name, sizeof(name), "host-%u:25", i);
		config[1].text = name;
		CHECK_EQ(hold_extend(&places, &changing), 0);
		taken[0] = hold_host_take(&places, name);
		CHECK(taken[0] && !hold_in_force(taken[0]));
		CHECK(hold_host_take(&places, name) == taken[0]);
		atomic_store(&taken[0]->probe_ns, 8);
		hold_host_give_back(&places, taken[0]);
		hold_host_give_back(&places, taken[0]);
		CHECK(hold_host_take(&places, "first:25") == first && hold_in_force(first));
		hold_host_give_back(&places, first);
	}
	/* The last one is the configuration's, whoever has it. */
	for (unsigned i = 0; i < HOLD_HOSTS_ROOM; i++) {
		snprintf(name, sizeof(name), "full-%u:25", i);
		taken[i] = hold_host_take(&places, name);
		CHECK(taken[i] != NULL);
	}
	CHECK(hold_host_take(&places, "one more:25") == NULL);
	config[1].text = name;
	CHECK_EQ(hold_extend(&places, &changing), 0);
	CHECK((taken[0] = hold_host_take(&places, "one more:25")) != NULL);
	config[1].text = (char *)"another:25";
	CHECK_EQ(hold_extend(&places, &changing), -EXFULL);
	hold_host_give_back(&places, taken[0]);
	CHECK_EQ(hold_extend(&places, &changing), 0);
	hold_deinit(&places);
}

int main(void)
{
	RUN(test_probes);
	RUN(test_passes);
	RUN(test_in_a_row);
	RUN(test_age);
	RUN(test_follow);
	RUN(test_alarms);
	RUN(test_places);
	return check_end();
}
