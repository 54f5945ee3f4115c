/*
 * tests/sim/relay_rig.c - see relay_rig.h.
 */
#include "tests/sim/relay_rig.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/deliver/deliverer.h"
#include "core/deliver/mailbox.h"
#include "core/deliver/outbound.h"
#include "core/deliver/tls_policy.h"
#include "core/receive/inbound_tls.h"
#include "core/receive/listen.h"
#include "core/receive/receiver.h"
#include "core/relay/reload.h"
#include "core/relay/watch.h"
#include "core/relay/worker.h"
#include "core/shard/snapshot.h"
#include "core/store/store.h"
#include "queue/spool_private.h"
#include "queue/state.h"
#include "tests/sim/rig_keepers.h"
#include "tests/sim/sim.h"
#include "tests/sim/sim_dns.h"
#include "tests/sim/sim_rounds.h"
#include "tests/sim/sim_token.h"
#include "tests/sim/sim_verifier.h"

enum {
	RIG_LOG_CAPACITY = 1 << 16,
	RIG_STOP_S = 120,
	RIG_END_DAYS = 4,
	RIG_DEAF_COMMANDS = 20000, /* more answers than sockets hold */
	SAVED_MIN = 48             /* octets of a done record in spool->saved */
};

unsigned rig_failures;
bool rig_trace, rig_log;

void rig_fail(struct rig *rig, const char *format, ...)
{
	va_list arguments;

	rig_failures++;
	rig->failures++;
	fprintf(stderr, "%s seed %llu: ", rig->options.scenario, (unsigned long long)rig->options.seed);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
}

uint64_t rig_pick(uint64_t seed, unsigned what, uint64_t bound)
{
	uint64_t state = seed * UINT64_C(0x9e3779b97f4a7c15) + what;

	(void)sim_mix(&state);
	return sim_mix(&state) % bound;
}

/* ---- the world around the relay ----------------------------------------------------------------------------- */

void rig_open(struct rig *rig, const struct rig_options *options)
{
	struct ledger_config ledger = {
		.seed = options->seed,
		.content_min = options->content_min ? options->content_min : 100,
		.content_max = options->content_max ? options->content_max : 3000,
		.recipients_max = options->recipients_max ? options->recipients_max : 1,
		.wishes = !options->plain,
		.people = options->people,
		.domains = {"a.example", "b.example", "c.example"},
		.archive = options->archive,
		.author = options->author,
	};
	struct world_config config;

	memset(rig, 0, sizeof(*rig));
	rig->options = *options;
	if (options->quiet)
		world_config_quiet(&config, options->seed);
	else
		world_config_random(&config, options->seed);
	if (options->adjust)
		options->adjust(&config);
	config.trace = rig_trace ? stderr : NULL;
	world_open(&config);
	ledger_init(&rig->ledger, &ledger);
	rig->ledger.may_expire = options->may_expire;
	for (unsigned i = 0; i < RIG_HOPS; i++) {
		struct actor_nexthop_config hop = options->hop;
		hop.address = world_address((uint16_t)(RIG_HOP_PORT + i));
		hop.ledger = &rig->ledger;
		hop.dsn = (options->seed / 2 + i) % 2;
		hop.logins = i > 0 ? NULL : hop.logins;
		if (i > 0)
			hop.messages_meter = hop.hour_meter = hop.octets_meter = hop.recipients_meter = NULL;
		rig->hops[i] = actor_nexthop_start(&hop);
	}
}

void rig_clients(struct rig *rig)
{
	static const enum actor_client_mode modes[] = {ACTOR_CLIENT_GROUPED, ACTOR_CLIENT_LOCKSTEP,
						       ACTOR_CLIENT_CHUNKED};

	for (unsigned i = 0; i < rig->options.clients; i++) {
		bool second = rig->options.second_listener && i % 2;
		struct actor_client_config client = {
			.address = world_address(second ? RIG_SECOND_PORT : RIG_PORT),
			.ledger = &rig->ledger,
			.mode = modes[i % 3],
			.window = 1 + i,
			.chunk_rate = 400000,
			.messages = rig->options.messages,
			.messages_per_connection = rig->options.messages_per_connection,
			.abort_rate = rig->options.abort_rate,
			.retry_ns = CLOCK_NS_PER_S,
			.senders = rig->options.hop.logins ? rig->options.hop.logins->senders : 0,
		};
		rig->clients[i] = actor_client_start(&client);
	}
	for (unsigned i = 0; i < rig->options.idlers; i++) {
		struct ring_address address = world_address(RIG_PORT);
		uint64_t delay_ns = rig_pick(rig->options.seed, 200 + i, CLOCK_NS_PER_S);
		if (i < rig->options.deaf)
			rig->idlers[i] = actor_idler_start_deaf(&address, delay_ns, RIG_DEAF_COMMANDS);
		else
			rig->idlers[i] = actor_idler_start(&address, delay_ns,
							   (size_t)rig_pick(rig->options.seed, 300 + i, 1000));
	}
}

void rig_clients_free(struct rig *rig)
{
	for (unsigned i = 0; i < RIG_CLIENTS_MAX; i++) {
		if (rig->clients[i])
			actor_client_free(rig->clients[i]);
		rig->clients[i] = NULL;
	}
}

bool rig_clients_done(void *context)
{
	const struct rig *rig = context;

	for (unsigned i = 0; i < RIG_CLIENTS_MAX; i++) {
		if (rig->clients[i] && !actor_client_done(rig->clients[i]))
			return false;
	}
	return true;
}

static void check_actors(struct rig *rig)
{
	for (unsigned i = 0; i < RIG_CLIENTS_MAX; i++) {
		if (rig->clients[i] && actor_client_protocol_errors(rig->clients[i]))
			rig_fail(rig, "client %u got %u replies that nobody had asked for", i,
				 actor_client_protocol_errors(rig->clients[i]));
	}
	for (unsigned i = 0; i < RIG_HOPS; i++) {
		struct actor_nexthop_stats stats;
		actor_nexthop_stats(rig->hops[i], &stats);
		if (stats.violations)
			rig_fail(rig, "next hop %u saw %llu violations: %s", i, (unsigned long long)stats.violations,
				 stats.problem);
	}
}

void rig_close(struct rig *rig)
{
	check_actors(rig);
	rig->hash = world_trace_hash();
	world_close();
	rig_clients_free(rig);
	for (unsigned i = 0; i < rig->options.idlers; i++)
		actor_idler_free(rig->idlers[i]);
	for (unsigned i = 0; i < RIG_HOPS; i++)
		actor_nexthop_free(rig->hops[i]);
	ledger_deinit(&rig->ledger);
}

/* ---- the process -------------------------------------------------------------------------------------------- */

/* It is the process's, but is read before anything can go wrong. */
static void make_config(struct rig *rig, unsigned shards)
{
	world_engine_enter();
	world_memory_sure(true);
	rig->config = rig_config(rig, shards);
	world_memory_sure(false);
	world_engine_leave();
}

static void drain_log(struct log *log)
{
	if (log)
		log_drain(log, rig_log ? STDERR_FILENO : -1);
}

static void drain_logs(struct rig *rig)
{
	/* Where nobody wants to read it the log is full after a while and drops events. */
	if (!rig_log)
		return;
	drain_log(rig->log);
	for (unsigned i = 0; i < rig->shard_count; i++)
		drain_log(rig->shards[i].log);
}

/* As main() does it, but for its own thread. */
static void watch(struct rig *rig)
{
	unsigned stuck = watch_shards(&rig->relay, clock_monotonic_ns(), rig->log);

	rig->stuck = rig->stuck > stuck ? rig->stuck : stuck;
	if (stuck > 0 && !rig->may_spin) {
		rig_fail(rig, "the watchdog says that %u shards are stuck", stuck);
		rig->may_spin = true; /* once is enough */
	}
}

static uint64_t turn(void *context)
{
	struct rig_shard *s = context;

	if (s->result != 0)
		return UINT64_MAX;
	s->result = worker_turn(s->worker);
	watch(s->rig);
	for (unsigned i = 0; s->rig->spin && s->result == 0 && i < s->rig->relay.plan.lane_count; i++) {
		if (s->shard->deliverer->outbound[i].shard)
			outbound_wake(s->shard, i);
	}
	if (rig_log)
		drain_log(s->log);
	return s->result == 0 ? worker_deadline_ns(s->worker) : UINT64_MAX;
}

static int make_shards(struct rig *rig, unsigned count)
{
	rig->shard_count = count;
	if (relay_init(&rig->relay, rig->config, count) < 0)
		return -ENOMEM;
	rig->relay.snapshot->dns = rig->relay.deliverers.dns = sim_dns_open();
	rig->relay.snapshot->verifiers = rig->relay.receivers.verifiers = sim_verifiers_open();
	if (mailbox_tokens_wanted(rig->config))
		rig->relay.deliverers.tokens = sim_tokens_open();
	rig->log = log_new(-1, RIG_LOG_CAPACITY);
	if (!rig->log || rig_keepers_start(rig) < 0)
		return -ENOMEM;
	for (unsigned i = 0; i < count; i++) {
		struct rig_shard *s = &rig->shards[i];
		*s = (struct rig_shard){.rig = rig, .log = log_new((int)i, RIG_LOG_CAPACITY)};
		if (!s->log)
			return -ENOMEM;
		s->worker = worker_new(&rig->relay, i, s->log);
		if (!s->worker)
			return -ENOMEM;
		s->shard = rig->relay.shards[i] = &s->worker->shard;
		if (rig->options.sites_room)
			s->shard->deliverer->site_room = rig->options.sites_room;
	}
	return 0;
}

/* As main() does it. */
static int load_files(struct rig *rig)
{
	struct snapshot *snapshot = rig->relay.snapshot;
	struct deliverers *deliverers = &rig->relay.deliverers;
	struct mailbox_problem mailbox_problem;
	struct tls_problem tls_problem;
	int r = tls_policies_make(snapshot->tls, rig->config, &tls_problem);

	if (r == 0)
		r = inbound_tls_make(&snapshot->inbound, rig->config, rig->shard_count, &tls_problem);
	if (r == 0)
		r = mailbox_sets_make(snapshot->mailboxes, deliverers->mailboxes, deliverers->tokens, rig->config,
				      &mailbox_problem);
	r = r ? r : deliverers_extend_mailboxes(deliverers, rig->config, snapshot->mailboxes);
	r = r ? r : suspensions_load(&deliverers->suspensions);
	if (r == 0)
		deliverers_follow(deliverers, rig->config, snapshot->mailboxes);
	return r;
}

static int serve(struct rig *rig)
{
	struct ring_problem problem;

	for (unsigned i = 0; i < rig->shard_count; i++) {
		int r = worker_start(rig->shards[i].worker, &problem);
		if (r < 0) {
			if (rig_log)
				fprintf(stderr, "worker_start: %s\n", problem.text);
			return r;
		}
	}
	for (unsigned i = 0; i < rig->shard_count; i++) {
		struct shard *shard = rig->shards[i].shard;
		/* The few clients here would all be the first shard's, had each not some already. */
		atomic_store(&shard->load.connections, (uint32_t)world_below(2 * LOAD_CONNECTIONS));
		accept_start(shard);
	}
	return 0;
}

/* What main() does at its end. */
static void free_process(struct rig *rig)
{
	sim_dns_close();
	sim_tokens_close();
	sim_verifiers_close();
	rig_keepers_stop(rig);
	for (unsigned i = 0; i < rig->shard_count; i++)
		worker_free(rig->shards[i].worker);
	relay_recover_release(&rig->recovery);
	drain_logs(rig);
	for (unsigned i = 0; i < rig->shard_count; i++)
		log_free(rig->shards[i].log);
	log_free(rig->log);
	relay_deinit(&rig->relay);
	config_free(rig->config);
	rig->config = NULL;
	memset(rig->shards, 0, sizeof(rig->shards));
	rig->log = NULL;
	rig->alive = false;
}

/* As worker_abandon(), which here would wait for a clock that only the world moves. */
static void abandon(struct rig *rig)
{
	enum { STEPS_MAX = 100000 };

	bool busy = true;

	for (unsigned n = 0; busy && n < STEPS_MAX; n++) {
		busy = false;
		(void)world_step();
		for (unsigned i = 0; i < rig->shard_count; i++) {
			struct shard *shard = rig->shards[i].shard;
			if (!shard->ring)
				continue;
			(void)ring_turn(shard->ring, 0);
			busy = busy || !spool_idle(shard->store->spool);
		}
	}
}

int rig_start(struct rig *rig, unsigned shards)
{
	int r;

	make_config(rig, shards);
	memset(rig->shards, 0, sizeof(rig->shards));
	memset(&rig->relay, 0, sizeof(rig->relay));
	rig->recovery = (struct recovery){.directory = -1, .lock = -1};
	rig->log = rig->keeper_log = NULL;
	rig->lives++;
	rig->alive = true;
	world_engine_enter();
	r = make_shards(rig, shards);
	if (r < 0) {
		/* main() ends here without giving anything back. */
		world_engine_leave();
		rig_crash(rig, WORLD_KILL);
		return r;
	}
	r = load_files(rig);
	if (r == 0)
		r = relay_recover(&rig->relay, rig->log, &rig->recovery);
	if (r < 0 && rig_log)
		fprintf(stderr, "%s: %s\n", strerror(-r), rig->recovery.problem);
	if (r == 0)
		r = serve(rig);
	if (r < 0) {
		abandon(rig);
		free_process(rig);
		world_engine_leave();
		rig_crash(rig, WORLD_KILL);
		return r;
	}
	drain_logs(rig);
	world_engine_leave();
	for (unsigned i = 0; i < shards; i++)
		world_runnable_add(turn, &rig->shards[i]);
	return 0;
}

bool rig_begin(struct rig *rig, unsigned shards)
{
	int r = rig_start(rig, shards);

	if (r < 0)
		rig_fail(rig, "does not start: %s: %s", strerror(-r), rig->recovery.problem);
	return r >= 0;
}

bool rig_broken(const struct rig *rig)
{
	for (unsigned i = 0; i < rig->shard_count; i++) {
		if (rig->shards[i].result < 0)
			return true;
	}
	return false;
}

static bool rig_ended(const struct rig *rig)
{
	for (unsigned i = 0; i < rig->shard_count; i++) {
		if (rig->shards[i].result == 0)
			return false;
	}
	return true;
}

static void add_pending(void *context, struct mail *m)
{
	const struct delivery *d = NULL;
	uint64_t *queued = context;

	while ((d = mail_next(m, d))) {
		for (unsigned i = 0; d->place != DELIVERY_KEPT && i < m->recipients; i++)
			*queued += mail_stands_in(m, d, i);
	}
}

uint64_t rig_queued(const struct rig *rig)
{
	uint64_t queued = 0;

	for (unsigned i = 0; i < rig->shard_count; i++)
		store_mails(rig->shards[i].shard, add_pending, &queued);
	return queued;
}

bool rig_quiet(void *context)
{
	return rig_clients_done(context) && rig_queued(context) == 0 && rig_owed(context) == 0;
}

struct until {
	struct rig *rig;
	bool (*done)(void *rig);
};

static bool until(void *context)
{
	const struct until *u = context;

	return rig_broken(u->rig) || (u->done && u->done(u->rig));
}

enum world_end rig_run(struct rig *rig, bool (*done)(void *rig), uint64_t limit_ns)
{
	struct until u = {rig, done};

	return world_run(until, &u, limit_ns);
}

static void harvest(struct rig *rig)
{
	struct rig_counts *sum = &rig->counts;

	for (unsigned i = 0; i < rig->shard_count; i++) {
		const struct shard *shard = rig->shards[i].shard;
		const struct receiver_counters *in;
		const struct deliverer_counters *out;
		struct spool_stats spool;
		if (!shard)
			continue;
		in = &shard->receiver->counters;
		out = &shard->deliverer->counters;
		sum->accepted += counter_get(&in->accepted);
		sum->refused += counter_get(&in->refused);
		sum->delivered += counter_get(&out->delivered);
		sum->deferred += counter_get(&out->deferred);
		sum->failed += counter_get(&out->failed);
		sum->attempts += counter_get(&out->attempts);
		sum->connections_out += counter_get(&out->connections_out);
		sum->maybe_duplicates += counter_get(&shard->store->counters.maybe_duplicates);
		sum->handoffs += counter_get(&shard->counters.handoffs);
		if (counter_get(&in->accepted) + counter_get(&out->delivered) > 0)
			sum->worked |= 1u << i;
		if (!shard->store->spool)
			continue;
		spool_stats(shard->store->spool, &spool);
		sum->spool_failures += spool.failures;
		sum->compacted += spool.compacted;
	}
}

/* ---- ends --------------------------------------------------------------------------------------------------- */

struct bell {
	struct ring_op op;
	int result;
};

static void on_bell(struct ring_op *op, int result, uint32_t flags)
{
	container_of(op, struct bell, op)->result = result;
}

/*
 * As main() does it: from a small ring of its own. A kernel loses the bell only of a ring that has plenty to wake it;
 * the simulated one that of an idle one too, so it is rung until it is heard.
 */
void rig_wake(struct rig *rig)
{
	struct ring_config config = {.entries = 64, .completions = 128};
	struct ring_problem problem;
	struct ring *ring;

	(void)ring_open(&ring, &config, &problem);
	for (unsigned i = 0; i < rig->shard_count; i++) {
		struct bell bell = {.op.fn = on_bell};
		do {
			ring_doorbell(ring, &bell.op, rig->shards[i].shard->ring);
			while (bell.op.in_flight) {
				(void)world_step();
				(void)ring_turn(ring, 0);
			}
		} while (bell.result == -EOVERFLOW);
	}
	ring_close(ring);
}

/* As main() does it. What is read anew belongs to the process that reads it. */
bool rig_reload(struct rig *rig)
{
	static struct config_problems problems;
	bool taken;

	if (reload_under_way(&rig->relay))
		return false;
	world_engine_enter();
	struct config *next = rig_config(rig, rig->shard_count);
	config_problems_init(&problems);
	taken = reload_begin(&rig->relay, next, &problems);
	if (!taken && rig_log)
		fprintf(stderr, "reload: %s\n", config_problems_first(&problems));
	if (!taken)
		config_free(next);
	world_engine_leave();
	if (taken)
		rig_wake(rig);
	return taken;
}

bool rig_taken(void *context)
{
	const struct rig *rig = context;

	return !reload_under_way(&rig->relay);
}

unsigned rig_snapshots(struct rig *rig)
{
	world_engine_enter();
	unsigned left = reload_sweep(&rig->relay);
	world_engine_leave();
	return left;
}

static bool ended(void *context)
{
	return rig_ended(context);
}

bool rig_stop(struct rig *rig)
{
	enum world_end end;

	for (unsigned i = 0; i < rig->shard_count; i++)
		shard_stop(rig->shards[i].shard);
	rig_wake(rig);
	end = world_run(ended, rig, RIG_STOP_S * CLOCK_NS_PER_S);
	if (end != WORLD_DONE) {
		rig_fail(rig, "SIGTERM: no end (%s), results %d %d", end == WORLD_IDLE ? "idle" : "time is up",
			 rig->shards[0].result, rig->shards[1].result);
		rig_crash(rig, WORLD_KILL);
		return false;
	}
	for (unsigned i = 0; i < rig->shard_count; i++) {
		if (rig->shards[i].result < 0)
			rig_fail(rig, "shard %u ended with %s", i, strerror(-rig->shards[i].result));
	}
	/* As main() does it: what a shard did not get back, the kernel may still write to. */
	if (rig_broken(rig)) {
		rig_crash(rig, WORLD_KILL);
		return false;
	}
	harvest(rig);
	/* A spool that failed in the end has lost done records: the next life delivers them again, as after a crash. */
	for (unsigned i = 0; i < rig->shard_count; i++)
		rig->spool_failed = rig->spool_failed || rig->shards[i].shard->store->spool->failed;
	if (rig->spool_failed)
		rig->window += rig_window_max(rig);
	world_runnables_clear();
	world_engine_enter();
	free_process(rig);
	world_engine_leave();
	if (world_allocations_live() > 0)
		rig_fail(rig, "%zu allocations are left after a clean stop", world_allocations_live());
	if (world_descriptors() > 0)
		rig_fail(rig, "%u descriptors are left after a clean stop", world_descriptors());
	/* The process exits. */
	rig_crash(rig, WORLD_KILL);
	return true;
}

uint64_t rig_window_max(const struct rig *rig)
{
	unsigned connections = rig->options.connections ? rig->options.connections : 4;
	unsigned in_flight = rig->options.in_flight ? rig->options.in_flight : 16;

	return (uint64_t)RIG_HOPS * connections * in_flight * rig->ledger.config.recipients_max;
}

static void note_active(void *context, struct mail *m)
{
	const struct delivery *d = NULL;
	struct rig *rig = context;

	while ((d = mail_next(m, d))) {
		if (d->place == DELIVERY_ACTIVE || d->place == DELIVERY_NONE)
			rig->window += m->recipients;
	}
}

/* Recipients that a next hop may have and the disk may not know of (I4). */
void rig_note_window(struct rig *rig)
{
	for (unsigned i = 0; i < rig->shard_count; i++) {
		const struct shard *shard = rig->shards[i].shard;
		if (!shard || !shard->store->spool)
			continue;
		store_mails(shard, note_active, rig);
		/* Done and state records that are not durable. */
		for (unsigned b = 0; b < shard->store->spool->batch_count; b++) {
			const struct spool *spool = shard->store->spool;
			rig->window += spool->batches[(spool->batch_head + b) % spool->batches_capacity].records *
				       rig->ledger.config.recipients_max;
		}
		/* Once a spool has failed, done records are lost that it had taken. */
		if (shard->store->spool->failed)
			rig->window += rig_window_max(rig);
		if (shard->store->spool->saved)
			rig->window +=
				(shard->store->spool->saved_length / SAVED_MIN + 1) * rig->ledger.config.recipients_max;
	}
}

void rig_crashed(struct rig *rig)
{
	rig->config = NULL; /* it went with the process's memory */
	sim_dns_close();
	sim_tokens_end();
	sim_verifiers_close();
	sim_rounds_end();
	rig->keeper_log = NULL;
	memset(rig->shards, 0, sizeof(rig->shards));
	rig->log = NULL;
	rig->shard_count = 0;
	rig->alive = false;
}

void rig_crash(struct rig *rig, enum world_crash_kind kind)
{
	if (rig->alive) {
		rig_note_window(rig);
		harvest(rig);
	}
	world_crash(kind);
	rig_crashed(rig);
}

void rig_reach(enum world_reach reach)
{
	for (unsigned i = 0; i < RIG_HOPS; i++)
		world_reach((uint16_t)(RIG_HOP_PORT + i), reach);
}

void rig_fill(struct rig *rig, unsigned shards)
{
	struct ledger_summary s;

	rig_reach(WORLD_REFUSE);
	rig_begin(rig, shards);
	rig_clients(rig);
	(void)rig_run(rig, rig_clients_done, 6 * 3600 * CLOCK_NS_PER_S);
	ledger_summarize(&rig->ledger, &s);
	if (!rig_clients_done(rig) || s.refused == 0 || s.accepted == 0)
		rig_fail(rig, "the spool is not full: accepted %llu, refused %llu, clients %s",
			 (unsigned long long)s.accepted, (unsigned long long)s.refused,
			 rig_clients_done(rig) ? "done" : "not done");
}

void rig_heal(struct rig *rig)
{
	world_faults_clear();
	world_fail_allocation(0);
	for (unsigned i = 0; i < RIG_HOPS; i++) {
		struct actor_nexthop_config *hop = actor_nexthop_config(rig->hops[i]);
		hop->greeting_refused = hop->mail_deferred = hop->mail_refused = 0;
		hop->rcpt_deferred = hop->rcpt_refused = hop->data_deferred = 0;
		hop->end_deferred = hop->end_refused = 0;
		hop->setup_refused = NULL;
		hop->close_rate = hop->close_after_end = hop->close_in_content = 0;
		hop->hello_closes = false;
		world_reach((uint16_t)(RIG_HOP_PORT + i), WORLD_OPEN);
		world_partition((uint16_t)(RIG_HOP_PORT + i), false);
	}
}

void rig_finish(struct rig *rig, unsigned shards)
{
	enum world_end end;

	rig_heal(rig);
	if (rig->alive && rig_broken(rig))
		rig_crash(rig, WORLD_KILL);
	if (!rig->alive && !rig_begin(rig, shards))
		return;
	end = rig_run(rig, rig_quiet, (uint64_t)RIG_END_DAYS * 86400 * CLOCK_NS_PER_S);
	if (end != WORLD_DONE || rig_broken(rig)) {
		rig_fail(rig, "does not come to an end (%s): %llu recipients queued, clients %s",
			 end == WORLD_IDLE ? "idle" : "time is up", (unsigned long long)rig_queued(rig),
			 rig_clients_done(rig) ? "done" : "not done");
		rig_crash(rig, WORLD_KILL);
		return;
	}
	if (!rig_stop(rig))
		return;
	if (rig->spool_failed) {
		rig->spool_failed = false;
		rig_finish(rig, shards);
		return;
	}
	rig_audit(rig, true);
}
