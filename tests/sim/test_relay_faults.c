/*
 * tests/sim/test_relay_faults.c - the relay when its own machine fails: crashes, disk errors, no memory.
 */
#include <errno.h>
#include <string.h>

#include "core/store/store.h"
#include "tests/sim/test_relay.h"

enum { LIVES = 4, STRIDES = 30 };

static enum world_crash_kind crash_kind(uint64_t seed, unsigned what)
{
	return rig_pick(seed, what, 2) ? WORLD_KILL : WORLD_POWER_CUT;
}

static struct rig_options short_run(const char *scenario, uint64_t seed)
{
	struct rig_options options = {
		.scenario = scenario,
		.seed = seed,
		.quiet = rig_pick(seed, 30, 2),
		.clients = 2,
		.messages = 8,
		.recipients_max = 2,
		.hop = {.pipelining = true, .chunking = rig_pick(seed, 31, 2), .delay_max_ns = CLOCK_NS_PER_MS},
	};

	return options;
}

/* Crashes at random times, several lives, everything else bad as well. */
void scenario_crash(uint64_t seed)
{
	struct rig_options options = {
		.scenario = "crash",
		.seed = seed,
		.quiet = rig_pick(seed, 20, 3) == 0,
		.clients = 3,
		.messages = 60,
		.content_max = rig_pick(seed, 22, 3) ? 4000 : 100000,
		.recipients_max = 1 + (unsigned)rig_pick(seed, 23, 3),
		.in_flight = 1 + (unsigned)rig_pick(seed, 25, 40),
	};
	unsigned shards = 1 + (unsigned)rig_pick(seed, 26, 3);
	struct rig rig;

	bad_hop(&options.hop, seed);
	rig_open(&rig, &options);
	for (unsigned life = 0; life < LIVES; life++) {
		int r = rig_start(&rig, shards);
		if (r < 0) {
			rig_fail(&rig, "life %u does not start: %s: %s", life, strerror(-r), rig.recovery.problem);
			break;
		}
		if (life == 0)
			rig_clients(&rig);
		(void)rig_run(&rig, rig_quiet, rig_pick(seed, 40 + life, 3000) * CLOCK_NS_PER_MS);
		rig_crash(&rig, crash_kind(seed, 50 + life));
	}
	rig_finish(&rig, shards);
	rig_close(&rig);
}

/* ---- a crash at each disk operation ------------------------------------------------------------------------- */

struct guarded {
	struct rig *rig;
	unsigned shards;
	int result;
};

static void guarded_life(void *context)
{
	struct guarded *g = context;

	g->result = rig_start(g->rig, g->shards);
	if (g->result < 0)
		return;
	if (!g->rig->clients[0])
		rig_clients(g->rig);
	(void)rig_run(g->rig, rig_quiet, 600 * CLOCK_NS_PER_S);
}

/* Runs a life with a crash at disk operation `io`; false if it ended before that. */
static bool crash_life(struct rig *rig, unsigned shards, uint64_t io, enum world_crash_kind kind)
{
	struct guarded g = {rig, shards, 0};

	world_crash_at_io(io, kind);
	if (world_guard(guarded_life, &g)) {
		/* The guard has crashed the world already: what was in flight is bounded by the limits of the lanes. */
		rig->window += rig_window_max(rig);
		rig_crashed(rig);
		return true;
	}
	world_crash_at_io(0, kind);
	if (g.result < 0)
		rig_fail(rig, "does not start: %s", strerror(-g.result));
	return false;
}

static uint64_t measure_io(struct rig_options *options, uint64_t *recovery)
{
	struct guarded g;
	struct rig rig;
	uint64_t n;

	rig_open(&rig, options);
	g = (struct guarded){&rig, 2, 0};
	guarded_life(&g);
	n = world_io_count();
	rig_crash(&rig, WORLD_KILL);
	*recovery = world_io_count();
	(void)rig_start(&rig, 2);
	*recovery = world_io_count() - *recovery;
	rig_crash(&rig, WORLD_KILL);
	rig_close(&rig);
	return n;
}

static void crash_at(struct rig_options *options, uint64_t io, uint64_t second)
{
	struct rig rig;

	run_label(options->scenario, options->seed, "disk operation", io);
	rig_open(&rig, options);
	/* The second crash falls into the recovery from the first. */
	if (crash_life(&rig, 2, io, crash_kind(options->seed, (unsigned)io)) && second)
		(void)crash_life(&rig, 2, io + second, crash_kind(options->seed, (unsigned)io + 1));
	rig_finish(&rig, 2);
	rig_close(&rig);
}

void scenario_crash_io(uint64_t seed)
{
	struct rig_options options = short_run("crash_io", seed);
	uint64_t recovery, total = measure_io(&options, &recovery), step = total / STRIDES + 1;

	for (uint64_t io = 1 + rig_pick(seed, 60, step); io <= total; io += step)
		crash_at(&options, io, io % 2 ? 1 + rig_pick(seed, (unsigned)io, recovery + 10) : 0);
}

/* ---- disk errors -------------------------------------------------------------------------------------------- */

static const int disk_errors[] = {-EIO, -ENOSPC, -EDQUOT, -EROFS, 0 /* short */};

static void disk_fault_run(struct rig_options *options, uint64_t index, unsigned which)
{
	struct world_io_fault fault = {
		.operations = WORLD_IO_ALL,
		.nth = index,
		.count = 1 + rig_pick(options->seed, (unsigned)index, 3) * 2,
		.error = disk_errors[which],
		.short_write = disk_errors[which] == 0,
	};
	struct rig rig;
	int r;

	run_label(options->scenario, options->seed, "disk operation", index);
	if (fault.short_write)
		fault.operations = WORLD_IO_WRITE;
	rig_open(&rig, options);
	world_fault_io(&fault);
	r = rig_start(&rig, 2);
	/* It may refuse to start, if it says why (main() prints problem or the ring's). */
	if (r == 0) {
		rig_clients(&rig);
		(void)rig_run(&rig, rig_quiet, 120 * CLOCK_NS_PER_S);
		if (rig_broken(&rig))
			rig_fail(&rig, "a shard stopped after a disk error at operation %llu",
				 (unsigned long long)index);
		if (rig_pick(options->seed, (unsigned)index + 7, 2))
			rig_crash(&rig, crash_kind(options->seed, (unsigned)index + 9));
	} else {
		world_faults_clear();
		if (rig_start(&rig, 2) == 0)
			rig_clients(&rig);
	}
	world_faults_clear();
	/* A spool that has failed says so and accepts nothing until the next start (I8). */
	if (rig.alive) {
		for (unsigned i = 0; i < rig.shard_count; i++) {
			struct spool_stats stats;
			spool_stats(rig.shards[i].shard->store->spool, &stats);
			if (stats.failed) {
				rig_crash(&rig, WORLD_KILL);
				break;
			}
		}
	}
	rig_finish(&rig, 2);
	rig_close(&rig);
}

void scenario_disk(uint64_t seed)
{
	struct rig_options options = short_run("disk", seed);
	uint64_t recovery, total = measure_io(&options, &recovery), step = total / STRIDES + 1;

	for (uint64_t io = 1 + rig_pick(seed, 60, step); io <= total; io += step)
		disk_fault_run(&options, io, (unsigned)rig_pick(seed, (unsigned)io + 3, 5));
}

/* ---- another number of shards ------------------------------------------------------------------------------- */

void scenario_reshard(uint64_t seed)
{
	static const unsigned tables[][5] = {{2, 1, 3, 1, 2}, {3, 2, 3, 2, 3}};
	const unsigned *counts = tables[seed % 3 == 0];
	struct rig_options options = short_run("reshard", seed);
	struct rig rig;

	options.messages = 20;
	options.recipients_max = LEDGER_RECIPIENTS_MAX;
	/* With fewer connections than shards a destination's lanes move to other shards, and recipients with them. */
	options.connections = (unsigned)rig_pick(seed, 60, 4);
	options.each = 1 + (unsigned)rig_pick(seed, 61, LEDGER_RECIPIENTS_MAX);
	options.content_max = seed % 3 ? 3000 : 400000;
	options.hop.end_deferred = 500000;
	options.hop.rcpt_refused = 100000;
	options.hop.rcpt_deferred = 300000;
	rig_open(&rig, &options);
	for (unsigned life = 0; life < 5; life++) {
		uint64_t io = world_io_count() + 1 + rig_pick(seed, 70 + life, 60);
		int r;
		/* Sometimes the recovery itself is cut short, and repeated. */
		if (life && rig_pick(seed, 80 + life, 2) &&
		    crash_life(&rig, counts[life], io, crash_kind(seed, 90 + life)) && rig_pick(seed, 85 + life, 2))
			(void)crash_life(&rig, counts[life], world_io_count() + 1 + rig_pick(seed, 75 + life, 60),
					 crash_kind(seed, 95 + life));
		if (rig.alive)
			rig_crash(&rig, crash_kind(seed, 100 + life));
		r = rig_start(&rig, counts[life]);
		if (r < 0) {
			rig_fail(&rig, "%u shards do not start: %s: %s", counts[life], strerror(-r),
				 rig.recovery.problem);
			break;
		}
		if (life == 0)
			rig_clients(&rig);
		(void)rig_run(&rig, rig_quiet, rig_pick(seed, 110 + life, 60000) * CLOCK_NS_PER_MS);
		if (rig_pick(seed, 120 + life, 2)) {
			rig_crash(&rig, crash_kind(seed, 100 + life));
		} else if (rig_stop(&rig)) {
			rig_audit(&rig, false);
		}
	}
	rig_finish(&rig, 3);
	rig_close(&rig);
}

/*
 * A copy of a message is durable in its new spool, and the record that it was copied from does not say yet that
 * somebody else has those recipients: what ends there, at each disk operation in between, ends with one of them for
 * each.
 */
struct narrowing {
	struct rig_options options;
	unsigned from, to, then; /* shards: before, while it ends, and after that */
	unsigned connections;    /* after that: recipients belong to other shards once more */
	uint64_t moved;          /* messages that change their spool */
};

/* All mail is queued by so many shards, stopped. False: it did not come to that. */
static bool narrowing_open(struct rig *rig, const struct narrowing *n)
{
	rig_open(rig, &n->options);
	if (!rig_begin(rig, n->from))
		return false;
	rig_clients(rig);
	(void)rig_run(rig, rig_clients_done, 60 * CLOCK_NS_PER_S);
	return rig_stop(rig);
}

/* What a start with other shards takes. */
static uint64_t narrowing_measure(struct narrowing *n)
{
	uint64_t operations = 0;
	struct rig rig;

	if (narrowing_open(&rig, n)) {
		operations = world_io_count();
		if (rig_begin(&rig, n->to))
			n->moved = rig.recovery.moved;
		if (rig.alive)
			rig_crash(&rig, WORLD_KILL);
		operations = world_io_count() - operations;
	}
	rig_close(&rig);
	return operations;
}

/* How many recipients stood in two spools after a crash at this operation of the start; then one at `second` of the
 * next. */
static unsigned narrowing_end(const struct narrowing *n, uint64_t first, uint64_t second)
{
	const uint64_t seed = n->options.seed;
	unsigned twice = 0;
	struct rig rig;

	run_label(n->options.scenario, seed, "disk operation", first * 1000 + second);
	if (narrowing_open(&rig, n)) {
		const uint64_t window = rig.window; /* nothing is delivered before the end, so nothing is in flight */
		if (crash_life(&rig, n->to, world_io_count() + first, crash_kind(seed, 200 + (unsigned)first)))
			twice = rig_twice(&rig);
		rig.options.connections = n->connections;
		if (second > 0 &&
		    crash_life(&rig, n->then, world_io_count() + second, crash_kind(seed, 201 + (unsigned)second)))
			(void)rig_twice(&rig);
		if (rig.alive)
			rig_crash(&rig, WORLD_KILL);
		rig.window = window;
		rig_finish(&rig, n->then);
	}
	rig_close(&rig);
	return twice;
}

void scenario_narrowed(uint64_t seed)
{
	enum { SECONDS = 4 };
	static const unsigned counts[][2] = {{1, 2}, {1, 3}, {2, 3}, {3, 2}};
	struct narrowing n = {.options = short_run("narrowed", seed)};
	uint64_t operations, hits = 0;

	n.from = counts[seed % 4][0];
	n.to = counts[seed % 4][1];
	n.then = rig_pick(seed, 62, 2) ? n.to : 1 + (unsigned)rig_pick(seed, 63, 3);
	n.options.quiet = true;
	n.options.messages = 6;
	n.options.recipients_max = LEDGER_RECIPIENTS_MAX;
	/* With fewer connections than shards some lanes move, and recipients with them. */
	n.options.connections = 1 + (unsigned)rig_pick(seed, 60, 2);
	n.connections = 1 + (unsigned)rig_pick(seed, 61, 4);
	n.options.content_max = seed % 3 ? 3000 : 400000;
	n.options.hop.mail_deferred = 1000000;
	operations = narrowing_measure(&n);
	for (uint64_t first = 1; first <= operations; first++) {
		if (narrowing_end(&n, first, 0) == 0)
			continue;
		hits++;
		for (unsigned i = 0; i < SECONDS; i++)
			(void)narrowing_end(&n, first,
					    1 + rig_pick(seed, (unsigned)first * SECONDS + i + 300, operations));
	}
	if (n.moved > 0 && hits == 0) {
		struct rig rig;
		rig_open(&rig, &n.options);
		rig_fail(&rig, "of %llu operations none lay between a copy and what narrows the original",
			 (unsigned long long)operations);
		rig_close(&rig);
	}
}

/* Some recipients of a message go to another shard while others are held: when their destination is back they are one
 * shard's. */
void scenario_held_apart(uint64_t seed)
{
	struct rig_options options = short_run("held_apart", seed);
	unsigned shards = 1;
	struct rig rig;

	options.messages = 20;
	options.recipients_max = LEDGER_RECIPIENTS_MAX;
	options.quiet = true;
	options.hop.end_deferred = 800000;
	rig_open(&rig, &options);
	for (unsigned life = 0; life < 3; life++) {
		rig.options.gone = life == 1;
		rig.options.connections = life == 1 ? 1 : 4;
		if (rig_start(&rig, shards) < 0) {
			rig_fail(&rig, "does not start: %s", rig.recovery.problem);
			break;
		}
		if (life == 0)
			rig_clients(&rig);
		(void)rig_run(&rig, rig_quiet, 10 * CLOCK_NS_PER_S);
		if (life < 2 && rig_stop(&rig))
			rig_audit(&rig, false);
		shards = 2 + seed % 2;
	}
	rig_finish(&rig, shards);
	rig_close(&rig);
}

/* ---- no memory ---------------------------------------------------------------------------------------------- */

static uint64_t memory_run(struct rig_options *options, uint64_t nth)
{
	uint64_t allocations;
	struct rig rig;
	int r;

	run_label(options->scenario, options->seed, "allocation", nth);
	rig_open(&rig, options);
	/* Some shortages last. */
	world_fail_allocations(nth, 1 + (nth % 3 == 0) * rig_pick(options->seed, (unsigned)nth, 40));
	r = rig_start(&rig, 2);
	if (r < 0) {
		world_fail_allocation(0);
		r = rig_start(&rig, 2);
		if (r < 0)
			rig_fail(&rig, "does not start: %s", strerror(-r));
	}
	rig_clients(&rig);
	(void)rig_run(&rig, rig_quiet, 120 * CLOCK_NS_PER_S);
	allocations = world_allocations();
	if (rig_broken(&rig))
		rig_fail(&rig, "a shard stopped for want of memory");
	rig_finish(&rig, 2);
	rig_close(&rig);
	return allocations;
}

void scenario_memory(uint64_t seed)
{
	struct rig_options options = short_run("memory", seed);

	/* Parts and statuses take memory of their own. */
	options.content_max = 400000;
	options.messages = 5;
	options.hop.rcpt_deferred = 300000;
	uint64_t total = memory_run(&options, 0), step = total / STRIDES + 1;

	for (uint64_t nth = 1 + rig_pick(seed, 60, step); nth <= total; nth += step)
		(void)memory_run(&options, nth);
}

/* A spool without room, and other numbers of shards: each start finds room for what it moves, and nothing is lost. */
void scenario_full_reshard(uint64_t seed)
{
	struct rig_options options = short_run("full_reshard", seed);
	struct rig rig;

	options.quiet = true;
	options.clients = 4;
	options.messages = seed % 2 ? 60 : 700;
	options.recipients_max = LEDGER_RECIPIENTS_MAX;
	options.connections = (unsigned)rig_pick(seed, 60, 4);
	options.content_min = 1000;
	options.content_max = seed % 2 ? 700000 : 60000;
	options.size_mib = 64;
	rig_open(&rig, &options);
	rig_reach(WORLD_REFUSE);
	for (unsigned life = 0; life < 5; life++) {
		unsigned shards = 1 + (unsigned)rig_pick(seed, 70 + life, RIG_SHARDS_MAX);
		int r = rig_start(&rig, shards);
		if (r < 0) {
			rig_fail(&rig, "%u shards do not start: %s: %s", shards, strerror(-r), rig.recovery.problem);
			break;
		}
		if (life == 0)
			rig_clients(&rig);
		(void)rig_run(&rig, life ? rig_quiet : rig_clients_done, 120 * CLOCK_NS_PER_S);
		if (rig_pick(seed, 80 + life, 2))
			rig_crash(&rig, crash_kind(seed, 90 + life));
		else if (rig_stop(&rig))
			rig_audit(&rig, false);
	}
	rig_finish(&rig, 1 + (unsigned)rig_pick(seed, 100, RIG_SHARDS_MAX));
	rig_close(&rig);
}
