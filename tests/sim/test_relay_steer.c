/*
 * tests/sim/test_relay_steer.c - an operator holds, releases, retries and deletes at random, and the process dies.
 *
 * What he was told is noted in the ledger: from the moment in which a hold or a deletion is confirmed no next hop may
 * hear of the message any more, through crashes and starts with other numbers of shards, until he lets it go. Where he
 * was told that it is in delivery, what is under way may still come for as long as an attempt takes. What was not
 * deleted is delivered, or its sender hears of it, as always.
 */
#include <stdio.h>
#include <string.h>

#include "core/agents/dns_exchangers.h"
#include "core/deliver/deliverer.h"
#include "core/deliver/outbound.h"
#include "core/deliver/steer.h"
#include "core/deliver/suspend.h"
#include "core/shard/shard.h"
#include "core/shard/visit.h"
#include "core/store/store.h"
#include "queue/spool_private.h"
#include "tests/sim/sim.h"
#include "tests/sim/sim_dns.h"
#include "tests/sim/test_relay.h"

enum { ACTS = 8, STEPS = 90, ANSWER_S = 120, GONE_MAX = 64 };

/* What a connection that has ended may still bring, and an attempt that has not. */
#define LATE_NS (2 * CLOCK_NS_PER_S)
#define ATTEMPT_NS (30 * CLOCK_NS_PER_S)

/* An order for one message, to all shards. */
struct act {
	struct rig *rig;
	struct steer_job jobs[RIG_SHARDS_MAX];
	uint8_t results[RIG_SHARDS_MAX];
	struct message_id id;
	uint32_t sequence;
	enum steer_kind kind;
	bool let_go;  /* it was, before this */
	unsigned out; /* shards that have not answered; 0: this one is free */
};

static struct act acts[ACTS];
static bool gone[GONE_MAX]; /* by sequence: it was confirmed that all of it is deleted */
static unsigned done_of[STEER_DELETE + 1];

static struct ledger_message *message_of(const struct act *act)
{
	return &act->rig->ledger.messages[act->sequence];
}

static void judge(struct act *act)
{
	struct ledger_message *m = message_of(act);
	enum steer_result result = STEER_NOT_FOUND;

	for (unsigned i = 0; i < act->rig->shard_count; i++)
		result = act->results[i] > result ? (enum steer_result)act->results[i] : result;
	done_of[act->kind] += result == STEER_DONE || result == STEER_IN_DELIVERY;
	if (act->kind == STEER_RELEASE && act->let_go && result == STEER_DONE)
		rig_fail(act->rig, "message %u was held again after it was let go", act->sequence);
	m->let_go |= act->kind == STEER_RELEASE && (result == STEER_DONE || result == STEER_AS_IT_WAS);
	/* What one destination has of it: the others' goes on. */
	if (act->kind == STEER_DELETE && result == STEER_DONE && act->jobs[0].order.place < 0 &&
	    act->sequence < GONE_MAX)
		gone[act->sequence] = true;
	if (act->kind == STEER_RETRY || act->kind == STEER_RELEASE || act->jobs[0].order.place >= 0)
		return;
	if (result == STEER_DONE)
		m->stopped_ns = world_now_ns() + LATE_NS;
	else if (result == STEER_IN_DELIVERY)
		m->stopped_ns = world_now_ns() + ATTEMPT_NS;
}

static void on_done(struct steer_job *job)
{
	struct act *act = job->context;

	if (--act->out == 0)
		judge(act);
}

static bool has_act(uint32_t sequence)
{
	for (unsigned i = 0; i < ACTS; i++) {
		if (acts[i].out > 0 && acts[i].sequence == sequence)
			return true;
	}
	return false;
}

static void act_on(struct rig *rig, uint32_t sequence, enum steer_kind kind)
{
	struct ledger_message *m = &rig->ledger.messages[sequence];
	unsigned at = 0;
	int place;

	while (at < ACTS && acts[at].out > 0)
		at++;
	if (m->id_high == 0 || at == ACTS || has_act(sequence))
		return;
	struct act *act = &acts[at];
	*act = (struct act){.rig = rig, .id = {m->id_high, m->id_low}, .sequence = sequence, .kind = kind};
	act->out = rig->shard_count;
	place = world_below(4) ? -1 : (int)world_below(2);
	/* From here on it may go. */
	if (kind == STEER_RELEASE)
		m->stopped_ns = 0;
	m->deleted |= kind == STEER_DELETE;
	act->let_go = m->let_go;
	m->let_go &= kind == STEER_RETRY || kind == STEER_RELEASE;
	world_engine_enter();
	for (unsigned i = 0; i < rig->shard_count; i++) {
		act->jobs[i] = (struct steer_job){
			.order = {.kind = kind,
				  .place = kind == STEER_RELEASE ? -1 : place,
				  .report = world_below(2),
				  .now = world_below(2),
				  .reason = "it was to go",
				  .who = "the operator"},
			.ids = &act->id,
			.results = &act->results[i],
			.count = 1,
			.done = on_done,
			.context = act,
		};
		steer_begin(rig->shards[i].shard, &act->jobs[i]);
	}
	world_engine_leave();
	rig_wake(rig);
}

static void act_at_random(struct rig *rig)
{
	/* Mail that was sent lately is more likely to be there still. */
	uint32_t most = rig->ledger.count < 40 ? rig->ledger.count : 40;

	for (unsigned n = 1 + (unsigned)world_below(ACTS); n > 0 && rig->ledger.count > 0; n--) {
		uint32_t sequence = world_below(2) ? (uint32_t)world_below(rig->ledger.count)
						   : rig->ledger.count - 1 - (uint32_t)world_below(most);
		act_on(rig, sequence, (enum steer_kind)world_below(STEER_DELETE + 1));
	}
}

static void look(struct rig *rig, const char *destination, const char *domain)
{
	world_engine_enter();
	for (unsigned i = 0; i < rig->shard_count; i++)
		outbound_look(rig->shards[i].shard, destination, domain);
	world_engine_leave();
	rig_wake(rig);
}

/* One destination, for a while or until it is resumed; or it is resumed. */
static void suspend_at_random(struct rig *rig)
{
	static const char *const names[RIG_HOPS] = {"one", "two"};
	struct suspensions *all = &rig->relay.deliverers.suspensions;
	unsigned which = (unsigned)world_below(RIG_HOPS);
	struct actor_nexthop_config *hop = actor_nexthop_config(rig->hops[which]);
	uint64_t now_ns = world_now_ns(), for_ns = (1 + world_below(400)) * CLOCK_NS_PER_S, since_ns;
	struct suspend_order order = {names[which], "", world_below(2) ? for_ns : SUSPEND_FOR_EVER, "", "the operator"};
	int r;

	world_engine_enter();
	if (world_below(3)) {
		r = suspend_begin(all, &order);
		if (r == 0 && now_ns >= hop->still_until_ns)
			hop->still_from_ns = now_ns + LATE_NS;
		if (r == 0)
			hop->still_until_ns = order.for_ns == SUSPEND_FOR_EVER ? UINT64_MAX : now_ns + for_ns;
	} else {
		r = suspend_end(all, names[which], "", &since_ns);
		if ((r == 0) != (now_ns < hop->still_until_ns))
			rig_fail(rig, "it is %s suspended, and %d", r == 0 ? "not" : "", r);
		hop->still_until_ns = 0;
	}
	world_engine_leave();
	look(rig, names[which], "");
}

/* Of the second destination, where it sends to the MX of each: the other domains' mail goes on by the same lanes. */
static void suspend_domain(struct rig *rig)
{
	const struct suspend_order order = {"two", "b.example", SUSPEND_FOR_EVER, "", "the operator"};
	struct actor_nexthop_config *hop = actor_nexthop_config(rig->hops[1]);
	struct suspensions *all = &rig->relay.deliverers.suspensions;
	uint64_t since_ns;
	int r;

	world_engine_enter();
	if (hop->still_domain) {
		r = suspend_end(all, order.destination, order.domain, &since_ns);
		hop->still_domain = NULL;
	} else {
		r = suspend_begin(all, &order);
		hop->still_domain = r == 0 ? "@b.example" : NULL;
		hop->domain_from_ns = world_now_ns() + ATTEMPT_NS;
	}
	world_engine_leave();
	if (r < 0)
		rig_fail(rig, "a domain cannot be suspended, or resumed: %d", r);
	look(rig, order.destination, order.domain);
}

static void resume_all(struct rig *rig)
{
	uint64_t since_ns;

	world_engine_enter();
	(void)suspend_end(&rig->relay.deliverers.suspensions, "one", "", &since_ns);
	(void)suspend_end(&rig->relay.deliverers.suspensions, "two", "", &since_ns);
	(void)suspend_end(&rig->relay.deliverers.suspensions, "two", "b.example", &since_ns);
	world_engine_leave();
	for (unsigned i = 0; i < RIG_HOPS; i++) {
		actor_nexthop_config(rig->hops[i])->still_until_ns = 0;
		actor_nexthop_config(rig->hops[i])->still_domain = NULL;
	}
}

static bool answered(void *context)
{
	for (unsigned i = 0; i < ACTS; i++) {
		if (acts[i].out > 0)
			return false;
	}
	return true;
}

/* Nobody will hear what became of those that are out. */
static void forget_acts(struct rig *rig)
{
	for (unsigned i = 0; i < ACTS; i++)
		acts[i].out = 0;
}

static void start(struct rig *rig)
{
	rig_begin(rig, 1 + (unsigned)world_below(3));
}

static void step(struct rig *rig)
{
	uint16_t port = (uint16_t)(RIG_HOP_PORT + world_below(RIG_HOPS));
	uint64_t most_ms = world_below(4) ? 500 : 300 * 1000;

	if (rig_clients_done(rig) && world_below(2)) {
		rig_clients_free(rig);
		rig_clients(rig);
	}
	(void)rig_run(rig, NULL, world_below(most_ms) * CLOCK_NS_PER_MS);
	switch (world_below(12)) {
	case 0:
		rig_crash(rig, world_below(2) ? WORLD_KILL : WORLD_POWER_CUT);
		forget_acts(rig);
		start(rig);
		break;
	case 1:
		if (rig_stop(rig) && !answered(rig))
			rig_fail(rig, "an order was not answered before the process ended");
		forget_acts(rig);
		start(rig);
		break;
	case 2:
	case 3:
		world_reach(port, world_below(3) ? WORLD_REFUSE : WORLD_OPEN);
		break;
	case 4:
		if (rig->options.sites && world_below(2))
			suspend_domain(rig);
		else
			suspend_at_random(rig);
		break;
	case 5:
	case 6:
		/* What was confirmed is so, though the process ends in the next moment; what was not may be. */
		act_at_random(rig);
		(void)rig_run(rig, world_below(3) ? answered : NULL, (1 + world_below(40)) * CLOCK_NS_PER_MS);
		rig_crash(rig, world_below(2) ? WORLD_KILL : WORLD_POWER_CUT);
		forget_acts(rig);
		start(rig);
		break;
	default:
		act_at_random(rig);
		break;
	}
}

/* All is as it is to be, and what was done to get there is said. */
static void end_acts(struct rig *rig)
{
	forget_acts(rig);
	rig_finish(rig, 2);
	if (rig_log)
		fprintf(stderr, "held %u, released %u, tried %u, deleted %u\n", done_of[STEER_HOLD],
			done_of[STEER_RELEASE], done_of[STEER_RETRY], done_of[STEER_DELETE]);
	rig_close(rig);
}

/* All that he holds he lets go, so that it can be seen what became of it. */
static void let_all_go(struct rig *rig)
{
	for (unsigned round = 0; round < 2; round++) {
		for (uint32_t i = 0; i < rig->ledger.count && rig->alive && !rig_broken(rig); i++) {
			if (answered(rig) || i % ACTS) {
				act_on(rig, i, STEER_RELEASE);
				continue;
			}
			if (rig_run(rig, answered, ANSWER_S * CLOCK_NS_PER_S) != WORLD_DONE)
				rig_fail(rig, "orders are not answered");
			act_on(rig, i, STEER_RELEASE);
		}
		(void)rig_run(rig, answered, ANSWER_S * CLOCK_NS_PER_S);
		/* What was in an attempt when it was deleted, or held, is back. */
		(void)rig_run(rig, NULL, 900 * CLOCK_NS_PER_S);
	}
}

void scenario_steer(uint64_t seed)
{
	struct rig_options options = {
		.scenario = "steer",
		.seed = seed,
		.quiet = seed % 2,
		.clients = 3,
		.messages = 4,
		.content_max = rig_pick(seed, 2, 3) ? 4000 : 400000,
		.recipients_max = 1 + (unsigned)rig_pick(seed, 3, 4),
		.in_flight = 1 + (unsigned)rig_pick(seed, 4, 16),
		.connections = 1 + (unsigned)rig_pick(seed, 6, 4),
		.sites = rig_pick(seed, 5, 3) == 0,
		.more = "reports: { delay_after: 10m }\ndns: { allow_private: true }",
		.retry = rig_pick(seed, 7, 2) ? "{ first: 10s, factor: 2, max: 2m, expire: 5d }" : NULL,
	};
	static const struct dns_exchanger exchangers[] = {{10, "mx1.example"}, {20, "mx2.example"}};
	const struct sim_dns_manner manner = {.delay_max_ns = 2 * CLOCK_NS_PER_S,
					      .silent = 100000,
					      .failed = 300000,
					      .valid_ns = 20 * CLOCK_NS_PER_S},
				    well = {.valid_ns = 20 * CLOCK_NS_PER_S};
	struct rig rig;

	memset(done_of, 0, sizeof(done_of));
	sim_dns_set_exchangers(exchangers, 2);
	sim_dns_set_manner(&manner);
	bad_hop(&options.hop, seed);
	options.hop.rcpt_deferred = (uint32_t)rig_pick(seed, 9, 900000);
	/* So that orders find mail in delivery. */
	if (seed % 3 == 0)
		options.hop.delay_max_ns = 4 * CLOCK_NS_PER_S;
	rig_open(&rig, &options);
	start(&rig);
	rig_clients(&rig);
	for (unsigned i = 0; i < STEPS && rig.alive && rig.failures == 0; i++)
		step(&rig);
	rig_heal(&rig);
	sim_dns_set_manner(&well);
	if (rig.alive && !rig_broken(&rig)) {
		resume_all(&rig);
		let_all_go(&rig);
	}
	end_acts(&rig);
}

/* ---- many ------------------------------------------------------------------------------------------------------- */

enum { MANY = 5000 };

static struct orders {
	struct steer_job many, one;
	struct message_id ids[MANY];
	uint8_t results[MANY + 1];
	uint64_t many_ns, one_ns; /* when they were answered */
} orders;

static void on_orders(struct steer_job *job)
{
	*(uint64_t *)job->context = world_now_ns();
}

static bool orders_over(void *context)
{
	return orders.many_ns > 0 && orders.one_ns > 0;
}

/* Of messages that are not there: looking for them is all that it takes. */
static struct steer_job order_for(size_t count, uint8_t *results, uint64_t *when_ns)
{
	return (struct steer_job){
		.order = {.kind = STEER_RETRY, .place = -1, .reason = "", .who = "the operator"},
		.ids = orders.ids,
		.results = results,
		.count = count,
		.done = on_orders,
		.context = when_ns,
	};
}

/* An order for many has a slice now and then, whatever else there is to do, and one for a single message, given behind
 * it, does not wait until it is over. */
void scenario_orders(uint64_t seed)
{
	struct rig_options options = {
		.scenario = "orders", .seed = seed, .quiet = true, .clients = 1, .messages = 4, .connections = 1};
	struct rig rig;
	uint64_t began_ns;

	memset(&orders, 0, sizeof(orders));
	for (uint64_t i = 0; i < MANY; i++)
		orders.ids[i] = (struct message_id){1 + i, 1 + i};
	rig_open(&rig, &options);
	if (!rig_begin(&rig, 1)) {
		rig_close(&rig);
		return;
	}
	began_ns = world_now_ns();
	world_engine_enter();
	orders.many = order_for(MANY, orders.results, &orders.many_ns);
	orders.one = order_for(1, orders.results + MANY, &orders.one_ns);
	steer_begin(rig.shards[0].shard, &orders.many);
	steer_begin(rig.shards[0].shard, &orders.one);
	world_engine_leave();
	rig_wake(&rig);
	if (rig_run(&rig, orders_over, ANSWER_S * CLOCK_NS_PER_S) != WORLD_DONE)
		rig_fail(&rig, "orders are not answered");
	else if (orders.one_ns >= orders.many_ns)
		rig_fail(&rig, "an order for one message waited for one for %u", MANY);
	else if (orders.many_ns - began_ns < (uint64_t)10 * VISIT_PAUSE_LEAST_NS)
		rig_fail(&rig, "an order for %u messages was carried out at once", MANY);
	rig_clients(&rig);
	rig_finish(&rig, 1);
	rig_close(&rig);
}

/* ---- one that stops ---------------------------------------------------------------------------------------------- */

/* The disk hangs behind a write error: nothing can be written for so long. */
enum { HANGS_S = 45 };

enum { FAILS, STOPS, LEFT, BEHIND, ORDERS };

static struct stopping {
	struct steer_job jobs[ORDERS];
	struct message_id ids[ORDERS];
	uint8_t results[ORDERS];
	uint64_t answered_ns[ORDERS];
} stopping;

static bool is_wanted(const struct steer_job *job)
{
	return job != &stopping.jobs[LEFT];
}

static void give(struct rig *rig, unsigned which, enum steer_kind kind, uint32_t sequence)
{
	const struct ledger_message *m = &rig->ledger.messages[sequence];
	struct steer_job *job = &stopping.jobs[which];

	stopping.ids[which] = (struct message_id){m->id_high, m->id_low};
	*job = (struct steer_job){
		.order = {.kind = kind, .place = -1, .reason = "", .who = "the operator"},
		.ids = &stopping.ids[which],
		.results = &stopping.results[which],
		.count = 1,
		.wanted = is_wanted,
		.done = on_orders,
		.context = &stopping.answered_ns[which],
	};
	world_engine_enter();
	steer_begin(rig->shards[0].shard, job);
	world_engine_leave();
}

static bool cannot_write(void *context)
{
	const struct rig *rig = context;
	const struct spool *spool = rig->shards[0].shard->store->spool;

	return spool->stopping || spool->cut;
}

static bool stopping_over(void *context)
{
	return stopping.answered_ns[FAILS] > 0 && stopping.answered_ns[STOPS] > 0;
}

/* An order that cannot be written now waits, and holds up neither what needs no record nor what nobody waits for any
 * more. */
void scenario_stopped(uint64_t seed)
{
	const struct world_io_fault error = {.operations = WORLD_IO_WRITE, .error = -EIO},
				    hang = {.operations = WORLD_IO_WRITE | WORLD_IO_SYNC,
					    .nth = 2,
					    .delay_ns = HANGS_S * CLOCK_NS_PER_S};
	struct rig_options options = {
		.scenario = "stopped", .seed = seed, .quiet = true, .clients = 1, .messages = 4, .connections = 1};
	uint64_t began_ns;
	struct rig rig;

	memset(&stopping, 0, sizeof(stopping));
	rig_open(&rig, &options);
	rig_reach(WORLD_REFUSE);
	if (!rig_begin(&rig, 1)) {
		rig_close(&rig);
		return;
	}
	rig_clients(&rig);
	(void)rig_run(&rig, rig_clients_done, ANSWER_S * CLOCK_NS_PER_S);
	world_fault_io(&error);
	world_fault_io(&hang);
	give(&rig, FAILS, STEER_HOLD, 0);
	rig_wake(&rig);
	if (rig_run(&rig, cannot_write, ANSWER_S * CLOCK_NS_PER_S) != WORLD_DONE)
		rig_fail(&rig, "no write has failed");
	began_ns = world_now_ns();
	give(&rig, STOPS, STEER_HOLD, 1);
	give(&rig, LEFT, STEER_DELETE, 2);
	give(&rig, BEHIND, STEER_RETRY, 3);
	rig_wake(&rig);
	if (rig_run(&rig, stopping_over, ANSWER_S * CLOCK_NS_PER_S) != WORLD_DONE)
		rig_fail(&rig, "an order that waited for the disk is not answered");
	else if (stopping.answered_ns[STOPS] - began_ns < HANGS_S * CLOCK_NS_PER_S / 2)
		rig_fail(&rig, "the disk did not hang");
	else if (stopping.answered_ns[BEHIND] >= stopping.answered_ns[STOPS])
		rig_fail(&rig, "an order that needs no disk waited for one that does");
	else if (stopping.answered_ns[LEFT] >= stopping.answered_ns[STOPS] || stopping.results[LEFT] != STEER_FAILED)
		rig_fail(&rig, "an order for which nobody waits any more was not given up");
	rig_heal(&rig);
	give(&rig, FAILS, STEER_RELEASE, 0);
	give(&rig, STOPS, STEER_RELEASE, 1);
	rig_wake(&rig);
	rig_finish(&rig, 1);
	rig_close(&rig);
}

/* ---- back from attempts ------------------------------------------------------------------------------------------ */

enum { REPORTED, SILENT };

static uint32_t pair[2]; /* their sequences */

static const struct mail *mail_at(const struct rig *rig, uint32_t sequence)
{
	const struct ledger_message *m = &rig->ledger.messages[sequence];

	return store_find_part(rig->shards[0].shard, (struct message_id){m->id_high, m->id_low}, 0);
}

/* Finds two that are in attempts. */
static bool both_away(void *context)
{
	const struct rig *rig = context;
	unsigned found = 0;

	for (uint32_t i = 0; i < rig->ledger.count && found < 2; i++) {
		const struct mail *m = mail_at(rig, i);
		if (m && m->first.place == DELIVERY_ACTIVE)
			pair[found++] = i;
	}
	return found == 2;
}

static bool silent_gone(void *context)
{
	return !mail_at(context, pair[SILENT]);
}

static bool both_answered(void *context)
{
	return stopping.answered_ns[REPORTED] > 0 && stopping.answered_ns[SILENT] > 0;
}

/* Two are deleted while they are in attempts. When these have ended the first cannot be, for want of memory, which the
 * second does not need: it does not wait for the first. */
void scenario_back(uint64_t seed)
{
	struct rig_options options = {
		.scenario = "back",
		.seed = seed,
		.quiet = true,
		.clients = 1,
		.messages = 20,
		.plain = true,
		.hop = {.pipelining = true, .end_deferred = 1000000, .delay_max_ns = 4 * CLOCK_NS_PER_S},
	};
	struct rig rig;

	memset(&stopping, 0, sizeof(stopping));
	rig_open(&rig, &options);
	if (!rig_begin(&rig, 1)) {
		rig_close(&rig);
		return;
	}
	rig_clients(&rig);
	if (rig_run(&rig, both_away, ANSWER_S * CLOCK_NS_PER_S) != WORLD_DONE)
		rig_fail(&rig, "they are not in attempts");
	world_partition(RIG_HOP_PORT, true);
	world_partition(RIG_HOP_PORT + 1, true);
	give(&rig, REPORTED, STEER_DELETE, pair[REPORTED]);
	stopping.jobs[REPORTED].order.report = true;
	give(&rig, SILENT, STEER_DELETE, pair[SILENT]);
	rig.ledger.messages[pair[REPORTED]].deleted = rig.ledger.messages[pair[SILENT]].deleted = true;
	rig_wake(&rig);
	if (rig_run(&rig, both_answered, ANSWER_S * CLOCK_NS_PER_S) != WORLD_DONE ||
	    stopping.results[REPORTED] != STEER_IN_DELIVERY || stopping.results[SILENT] != STEER_IN_DELIVERY)
		rig_fail(&rig, "they are not to be deleted: %u, %u", stopping.results[REPORTED],
			 stopping.results[SILENT]);
	world_fail_allocations(1, UINT32_MAX);
	world_partition(RIG_HOP_PORT, false);
	world_partition(RIG_HOP_PORT + 1, false);
	if (rig_run(&rig, silent_gone, ANSWER_S * CLOCK_NS_PER_S) != WORLD_DONE)
		rig_fail(&rig, "one that could be deleted waits for one that cannot");
	else if (!mail_at(&rig, pair[REPORTED]))
		rig_fail(&rig, "both could be deleted");
	world_fail_allocation(0);
	rig_finish(&rig, 1);
	rig_close(&rig);
}

/* ---- another number of shards ------------------------------------------------------------------------------------ */

enum { MOVES = 4, MOVE_OPERATIONS = 160 };

struct move {
	struct rig *rig;
	unsigned shards;
	bool all; /* answers are waited for, or only the first of them */
};

static unsigned acts_out;

static bool one_answered(void *context)
{
	unsigned out = 0;

	for (unsigned i = 0; i < ACTS; i++)
		out += acts[i].out > 0;
	return out == 0 || out < acts_out;
}

/* For as many as there may be orders. */
static void stop_some(struct rig *rig)
{
	static const enum steer_kind kinds[] = {STEER_HOLD, STEER_DELETE, STEER_DELETE, STEER_RELEASE, STEER_RETRY};
	uint32_t first = rig->ledger.count > 0 ? (uint32_t)world_below(rig->ledger.count) : 0;

	for (uint32_t i = 0; i < rig->ledger.count; i++)
		act_on(rig, (first + i) % rig->ledger.count, kinds[world_below(sizeof(kinds) / sizeof(kinds[0]))]);
	acts_out = 0;
	for (unsigned i = 0; i < ACTS; i++)
		acts_out += acts[i].out > 0;
}

/* One of the first writes takes its time, so that a shard's spool may be far behind another's. */
static void slow_write(void)
{
	const struct world_io_fault slow = {
		.operations = WORLD_IO_WRITE,
		.nth = 1 + world_below(3),
		.delay_ns = world_below(500) * CLOCK_NS_PER_MS,
	};

	world_fault_io(&slow);
}

/* What is gone is so in every spool. */
static void look_for_gone(struct rig *rig)
{
	for (uint32_t i = 0; i < rig->ledger.count && i < GONE_MAX; i++) {
		const struct ledger_message *m = &rig->ledger.messages[i];
		for (unsigned k = 0; gone[i] && k < rig->shard_count; k++) {
			const struct mail *mail =
				store_find_part(rig->shards[k].shard, (struct message_id){m->id_high, m->id_low}, 0);
			if (mail && mail->live > 0)
				rig_fail(rig, "message %u was deleted, and shard %u has it", i, k);
		}
	}
}

/* As soon as the shards run he stops what they have found, and in the moment in which that is confirmed the process is
 * no more, if it has not died before. */
static void moved_life(void *context)
{
	struct move *m = context;

	if (!rig_begin(m->rig, m->shards))
		return;
	look_for_gone(m->rig);
	slow_write();
	stop_some(m->rig);
	if (rig_run(m->rig, m->all ? answered : one_answered, ANSWER_S * CLOCK_NS_PER_S) != WORLD_DONE)
		rig_fail(m->rig, "orders are not answered");
}

/* Never as many as before. */
static void move(struct rig *rig, unsigned *shards)
{
	struct move m = {rig, 1 + (*shards + (unsigned)world_below(RIG_SHARDS_MAX - 1)) % RIG_SHARDS_MAX,
			 world_below(3) == 0};
	enum world_crash_kind kind = world_below(3) ? WORLD_POWER_CUT : WORLD_KILL;

	*shards = m.shards;
	world_crash_at_io(world_below(3) ? 0 : world_io_count() + 1 + world_below(MOVE_OPERATIONS), kind);
	if (world_guard(moved_life, &m)) {
		rig->window += rig_window_max(rig);
		rig_crashed(rig);
	} else if (rig->alive) {
		rig_crash(rig, kind);
	}
	world_crash_at_io(0, kind);
	world_faults_clear();
	forget_acts(rig);
}

/* What lies in spools of other shards than those that have it now is stopped in the moment of the start, and the
 * process dies: what was confirmed is so in whichever spool the next start finds the message, with whatever number of
 * shards. */
void scenario_moved(uint64_t seed)
{
	struct rig_options options = {
		.scenario = "moved",
		.seed = seed,
		.quiet = rig_pick(seed, 1, 2),
		.clients = 2,
		.messages = 3 + (unsigned)rig_pick(seed, 2, 6),
		.content_max = rig_pick(seed, 3, 3) ? 4000 : 400000,
		.recipients_max = 1 + (unsigned)rig_pick(seed, 4, 4),
		.connections = 1 + (unsigned)rig_pick(seed, 5, 4),
		.hop = {.pipelining = true, .delay_max_ns = CLOCK_NS_PER_MS},
	};
	unsigned shards = 1 + (unsigned)rig_pick(seed, 6, RIG_SHARDS_MAX);
	struct rig rig;

	memset(done_of, 0, sizeof(done_of));
	memset(gone, 0, sizeof(gone));
	rig_open(&rig, &options);
	rig_reach(WORLD_REFUSE);
	rig_begin(&rig, shards);
	rig_clients(&rig);
	(void)rig_run(&rig, rig_clients_done, 60 * CLOCK_NS_PER_S);
	rig_crash(&rig, WORLD_KILL);
	for (unsigned i = 0; i < MOVES && rig.failures == 0; i++)
		move(&rig, &shards);
	start(&rig);
	look_for_gone(&rig);
	/* What may still come of what was confirmed has come. */
	(void)rig_run(&rig, NULL, ATTEMPT_NS + CLOCK_NS_PER_S);
	rig_reach(WORLD_OPEN);
	(void)rig_run(&rig, NULL, 900 * CLOCK_NS_PER_S);
	if (rig.alive && !rig_broken(&rig))
		let_all_go(&rig);
	end_acts(&rig);
}
