/*
 * core/main.c - the program: postrider run, and which command is whose.
 *
 * run: configuration, probes, recovery, one thread per shard, then this thread waits for signals. Exit status: 0 after
 * a drained SIGTERM, 78 (EX_CONFIG) for a configuration that cannot be used, 69 (EX_UNAVAILABLE) where the system
 * cannot run postrider, 74 (EX_IOERR) where the spool cannot be used, 70 (EX_SOFTWARE) after a fatal error of a shard.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "core/base/address_text.h"
#include "core/base/clock.h"
#include "core/base/disk.h"
#include "core/base/journal.h"
#include "core/base/log.h"
#include "core/base/notify.h"
#include "core/base/running.h"
#include "core/checking.h"
#include "core/config/config.h"
#include "core/control/control.h"
#include "core/deliver/names.h"
#include "core/page/page.h"
#include "core/receive/listen.h"
#include "core/receive/listeners.h"
#include "core/receive/session.h"
#include "core/relay/agents.h"
#include "core/relay/certificates.h"
#include "core/relay/confinement.h"
#include "core/relay/first_files.h"
#include "core/relay/logs.h"
#include "core/relay/recover.h"
#include "core/relay/relay.h"
#include "core/relay/reload.h"
#include "core/relay/sockets_kept.h"
#include "core/relay/spool_tool.h"
#include "core/relay/stats.h"
#include "core/relay/status.h"
#include "core/relay/watch.h"
#include "core/relay/worker.h"
#include "core/shard/snapshot.h"
#include "core/tools/commands.h"
#include "core/tools/shown.h"
#include "core/tools/usage.h"
#include "tls/tls.h"

enum { EXIT_USAGE = 64, EXIT_UNAVAILABLE = 69, EXIT_SOFTWARE = 70, EXIT_IO = 74, EXIT_CONFIG = 78 };
enum {
	DRAIN_LOOK_MS = 20,
	DRAIN_HANGS_S = 20, /* after the drain's time; shards give up before */
	STATUS_MS = 2000,
	RELOAD_WAIT_S = 10,
	RELOAD_LOOK_US = 1000,
	LISTENERS_JSON = 4096
};

struct thread {
	struct worker *worker;
	pthread_t thread;
	struct process *process;
	struct ring_problem problem;
	int result;
	bool started, reported;
};

struct process {
	struct relay relay;
	struct agents agents;
	struct logs logs;
	struct thread *threads;
	struct recovery recovery;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool go, abandon;
	_Atomic(unsigned) running; /* shards */
	struct running running_as;
	struct certificates certificates;
	struct control *control; /* NULL: nobody can ask */
	struct handed handed;    /* sockets of the process before */
	size_t taken_over;       /* of those */
	bool owes_ready;         /* the service manager was behind, and does not know it yet */
};

static struct log *own_log(struct process *p)
{
	return p->logs.list[p->relay.shard_count];
}

/* ---- shards ------------------------------------------------------------------------------------------------- */

static void report(struct thread *t)
{
	pthread_mutex_lock(&t->process->lock);
	t->reported = true;
	pthread_cond_broadcast(&t->process->changed);
	pthread_mutex_unlock(&t->process->lock);
}

/* Waits until every shard has started. False: one of them could not. */
static bool wait_for_go(struct process *p)
{
	bool go;

	pthread_mutex_lock(&p->lock);
	while (!p->go && !p->abandon)
		pthread_cond_wait(&p->changed, &p->lock);
	go = p->go;
	pthread_mutex_unlock(&p->lock);
	return go;
}

static void *run_shard(void *context)
{
	struct thread *t = context;
	char name[16];
	int r;

	snprintf(name, sizeof(name), "shard-%u", t->worker->shard.index);
	(void)prctl(PR_SET_NAME, name);
	t->result = worker_start(t->worker, &t->problem);
	t->started = t->result == 0;
	report(t);
	if (t->result < 0 || !wait_for_go(t->process)) {
		worker_abandon(t->worker);
		tls_thread_end();
		return NULL;
	}
	accept_start(&t->worker->shard);
	while ((r = worker_turn(t->worker)) == 0)
		;
	stats_tell(&t->worker->shard);
	t->result = r < 0 ? r : 0;
	if (r < 0) {
		/* A shard that cannot go on must not leave the others answering for it (I8): stop in order. */
		struct log_event e;
		log_begin_at(&e, t->worker->shard.log, LOG_LEVEL_ERROR, "shard_failed");
		log_text(&e, "error", strerror(-r));
		log_end(&e);
		kill(getpid(), SIGTERM);
	}
	tls_thread_end();
	atomic_fetch_sub(&t->process->running, 1);
	return NULL;
}

static int start_shards(struct process *p, char *problem, size_t size)
{
	unsigned i;

	for (i = 0; i < p->relay.shard_count; i++) {
		struct thread *t = &p->threads[i];
		int r = pthread_create(&t->thread, NULL, run_shard, t);
		if (r != 0) {
			snprintf(problem, size, "a thread cannot be started: %s", strerror(r));
			return -r;
		}
		/* One after the other: the first shard's listeners decide the ports. */
		pthread_mutex_lock(&p->lock);
		while (!t->reported)
			pthread_cond_wait(&p->changed, &p->lock);
		pthread_mutex_unlock(&p->lock);
		if (!t->started) {
			snprintf(problem, size, "%s", t->problem.text[0] ? t->problem.text : strerror(-t->result));
			return t->result;
		}
	}
	return 0;
}

static void release_shards(struct process *p, bool go)
{
	pthread_mutex_lock(&p->lock);
	p->go = go;
	p->abandon = !go;
	pthread_cond_broadcast(&p->changed);
	pthread_mutex_unlock(&p->lock);
}

/* Their rings are woken from a small ring of this thread. */
static void on_bell(struct ring_op *op, int result, uint32_t flags)
{
}

static void wake_shards(struct process *p)
{
	struct ring_config config = {.entries = 64, .completions = 128};
	struct ring_problem problem;
	struct ring *ring = NULL;
	unsigned i;

	if (ring_open(&ring, &config, &problem) < 0)
		return; /* they will look when their next timer is due */
	for (i = 0; i < p->relay.shard_count; i++) {
		struct ring_op bell = {.fn = on_bell};
		ring_doorbell(ring, &bell, p->relay.shards[i]->ring);
		while (bell.in_flight && ring_turn(ring, clock_monotonic_ns() + CLOCK_NS_PER_S) >= 0)
			;
	}
	ring_close(ring);
}

static void stop_shards(struct process *p)
{
	unsigned i;

	for (i = 0; i < p->relay.shard_count; i++)
		shard_stop(p->relay.shards[i]);
	wake_shards(p);
}

/* ---- start-up ----------------------------------------------------------------------------------------------- */

/* Tells the service manager a state, if any, and a sentence for people. 0 or -errno: whoever started us and does not
 * listen has no less of a relay. */
__attribute__((format(printf, 2, 3))) static int tell(const char *state, const char *format, ...)
{
	char text[1200];
	va_list arguments;
	size_t length;

	if (!notify_wanted())
		return 0;
	length = (size_t)snprintf(text, sizeof(text), "%sSTATUS=", state);
	va_start(arguments, format);
	vsnprintf(text + length, sizeof(text) - length, format, arguments);
	va_end(arguments);
	return notify(text);
}

static void log_failure(struct process *p, const char *text)
{
	struct log_event e;

	tell("", "failed to start: %s", text);
	log_begin_at(&e, own_log(p), LOG_LEVEL_ERROR, "failed_to_start");
	log_text(&e, "error", text);
	log_end(&e);
}

/* With the ports that the kernel chose. */
static size_t listeners_json(const struct relay *relay, char json[LISTENERS_JSON])
{
	const struct config *config = relay->snapshot->config;
	char address[ADDRESS_TEXT_SIZE];
	size_t n = 0, i;

	json[n++] = '[';
	for (i = 0; i < config->listener_count && n + 200 < LISTENERS_JSON; i++) {
		address_text_format_port(listeners_address(&relay->receivers, relay->snapshot, i), address);
		n += (size_t)snprintf(json + n, LISTENERS_JSON - n, "%s{\"name\":\"%.64s\",\"address\":\"%s\"}",
				      i ? "," : "", config->listeners[i].name, address);
	}
	json[n++] = ']';
	return n;
}

static void log_ready(struct process *p)
{
	char listeners[LISTENERS_JSON];
	struct log_event e;

	log_begin_at(&e, own_log(p), LOG_LEVEL_NOTICE, "ready");
	log_text(&e, "version", POSTRIDER_VERSION);
	log_number(&e, "pid", (uint64_t)getpid());
	log_number(&e, "shards", p->relay.shard_count);
	log_json(&e, "listeners", listeners, listeners_json(&p->relay, listeners));
	log_number(&e, "queued", p->recovery.live);
	log_number(&e, "moved", p->recovery.moved);
	log_number(&e, "held", p->recovery.held);
	log_number(&e, "sockets_taken_over", p->taken_over);
	log_text(&e, "tls_library", tls_library());
	log_text(&e, "acceleration", tls_acceleration());
	log_end(&e);
}

/* All that may be open at a time. */
static rlim_t files_needed(const struct config *config)
{
	/* Standard streams, certificates and other files while they are read; a name needs two questions. */
	enum { PROCESS_FILES = 64, RING_FILES = 4, NAMES_FILES_MAX = 640 };
	/* Other listeners may come before these go. */
	rlim_t shard = SPOOL_FILES_MAX + RING_FILES + SESSION_REFUSED_MAX + 2 * config->listener_count;
	rlim_t need = PROCESS_FILES + config->limits.connections + config->shards * shard;
	size_t d;

	for (d = 0; d < config->destination_count; d++)
		need += config_connections(&config->destinations[d]);
	if (config->control.socket)
		need += CONTROL_FILES;
	return need + (names_wanted(config) ? NAMES_FILES_MAX : 0);
}

static int check_limits(const struct config *config, char *problem, size_t size)
{
	rlim_t need = files_needed(config);
	struct rlimit limit;

	getrlimit(RLIMIT_NOFILE, &limit);
	if (limit.rlim_cur < need) {
		limit.rlim_cur = limit.rlim_max < need ? limit.rlim_max : need;
		(void)setrlimit(RLIMIT_NOFILE, &limit);
	}
	if (limit.rlim_cur >= need)
		return 0;
	snprintf(problem, size,
		 "the limit of open files is %llu, but the configured connections and shards need %llu: run \"ulimit "
		 "-n %llu\", set LimitNOFILE=%llu in the service unit, or lower limits.connections",
		 (unsigned long long)limit.rlim_cur, (unsigned long long)need, (unsigned long long)need,
		 (unsigned long long)need);
	return -EMFILE;
}

static int make_shards(struct process *p, struct config *config)
{
	unsigned i;
	int r = relay_init(&p->relay, config, config->shards);

	if (r < 0)
		return r;
	p->threads = calloc(config->shards, sizeof(*p->threads));
	if (!p->threads || logs_make(&p->logs, config) < 0)
		return -ENOMEM;
	for (i = 0; i < config->shards; i++) {
		p->threads[i].worker = worker_new(&p->relay, i, p->logs.list[i]);
		if (!p->threads[i].worker)
			return -ENOMEM;
		p->relay.shards[i] = &p->threads[i].worker->shard;
		p->threads[i].process = p;
	}
	p->agents = (struct agents){.relay = &p->relay,
				    .log = p->logs.list[config->shards + 1],
				    .device_log = p->logs.list[config->shards + 2],
				    .suppression_log = p->logs.list[config->shards + 3],
				    .trace_log = p->logs.list[config->shards + 5],
				    .tls_report_log = p->logs.list[config->shards + 6],
				    .sign_in_log = p->logs.list[config->shards + 7],
				    .webhook_log = p->logs.list[config->shards + 8],
				    .writer = p->logs.writer,
				    .kept = p->logs.kept,
				    .incidents_wanted = control_wanted(config)};
	return 0;
}

/* ---- reload ----------------------------------------------------------------------------------------------------- */

/* For `postrider reload`, which waits for it (running.h). */
static void tell_reload(struct process *p, const char *refusal)
{
	p->running_as.reloads++;
	snprintf(p->running_as.refusal, sizeof(p->running_as.refusal), "%s", refusal);
	(void)running_tell(p->recovery.lock, &p->running_as);
}

static void reload_refused(struct process *p, const struct config_problems *problems)
{
	struct log_event e;

	log_begin_at(&e, own_log(p), LOG_LEVEL_ERROR, "reload_refused");
	log_text(&e, "file", p->relay.config->file);
	log_text(&e, "problem", config_problems_first(problems));
	log_number(&e, "problems", problems->errors);
	log_end(&e);
	tell_reload(p, config_problems_first(problems));
}

static void reloaded(struct process *p, uint64_t started_ns)
{
	const struct config *config = p->relay.snapshot->config;
	char listeners[LISTENERS_JSON];
	struct log_event e;

	log_begin_at(&e, own_log(p), LOG_LEVEL_NOTICE, "reloaded");
	log_text(&e, "file", config->file);
	log_json(&e, "listeners", listeners, listeners_json(&p->relay, listeners));
	log_number(&e, "clients", config->client_count);
	log_number(&e, "destinations", config->destination_count);
	log_number(&e, "routes", config->route_count);
	log_number(&e, "in_use", reload_sweep(&p->relay));
	log_number(&e, "ms", (clock_monotonic_ns() - started_ns) / CLOCK_NS_PER_MS);
	log_end(&e);
	sockets_kept_followed(&p->relay, own_log(p));
	tell_reload(p, "");
}

/* True: it is taken, or is being. */
static bool try_reload(struct process *p, struct config_problems *problems)
{
	const char *file = p->relay.config->file;
	struct config *next;
	char problem[1024];
	const char *why = problem;

	if (reload_under_way(&p->relay)) {
		config_problems_init(problems);
		config_problems_add(problems, false, file, (struct config_place){0},
				    "the last reload is still under way");
		return false;
	}
	next = config_load(file, problems);
	if (!next)
		return false;
	if (!p->control && next->incidents.watched) {
		config_problems_add(problems, false, file, (struct config_place){0},
				    "incidents: nobody watches for them in this process: restart it");
		config_free(next);
		return false;
	}
	/* The next one counts as well as what it was started with. */
	if (check_limits(next, problem, sizeof(problem)) == 0 && !(why = confinement_refuses(next)) &&
	    !(why = agents_prepare(&p->agents, next))) {
		if (reload_begin(&p->relay, next, problems)) {
			agents_taken(&p->agents);
			control_follow(p->control, next);
			return true;
		}
		agents_refused(&p->agents);
	} else {
		config_problems_add(problems, false, file, (struct config_place){0}, "%s", why);
	}
	config_free(next);
	return false;
}

/* SIGHUP. The manager is told with the time, so that it knows which of its requests this was (sd_notify(3)). */
static void reload(struct process *p)
{
	static struct config_problems problems;
	uint64_t started_ns = clock_monotonic_ns(), end_ns = started_ns + RELOAD_WAIT_S * CLOCK_NS_PER_S;
	char state[80];

	p->running_as.begun++;
	(void)running_tell(p->recovery.lock, &p->running_as);
	snprintf(state, sizeof(state), "RELOADING=1\nMONOTONIC_USEC=%" PRIu64 "\n", started_ns / 1000);
	tell(state, "reading the configuration anew");
	if (try_reload(p, &problems)) {
		wake_shards(p);
		while (reload_under_way(&p->relay) && clock_monotonic_ns() < end_ns)
			(void)usleep(RELOAD_LOOK_US);
		reloaded(p, started_ns);
	} else {
		reload_refused(p, &problems);
	}
	p->owes_ready = tell("READY=1\n", "the configuration was %s",
			     problems.errors ? "refused: the one before stays" : "read anew") < 0;
}

/* The next SIGTERM, SIGINT or SIGHUP, or 0 when none came within `wait_ms`. */
static int next_signal(const sigset_t *signals, unsigned wait_ms)
{
	struct timespec wait = {.tv_sec = wait_ms / 1000, .tv_nsec = (long)(wait_ms % 1000) * 1000000};
	int which = sigtimedwait(signals, NULL, &wait);

	return which < 0 ? 0 : which;
}

/* Until SIGTERM or SIGINT: reloads, looks whether the shards run, and tells the service manager how it goes. */
static void wait_for_end(struct process *p, const sigset_t *signals)
{
	struct status status = {0};
	char text[160], told[160];
	uint64_t status_ns = clock_monotonic_ns() + STATUS_MS * CLOCK_NS_PER_MS;
	unsigned stuck;

	status_format(&status, &p->relay, clock_monotonic_ns(), text, sizeof(text));
	p->owes_ready = tell("READY=1\n", "%s", text) < 0;
	for (;;) {
		int which = next_signal(signals, WATCHDOG_LOOK_MS);
		uint64_t now_ns = clock_monotonic_ns();
		if (which == SIGHUP)
			reload(p);
		else if (which != 0)
			return;
		(void)reload_sweep(&p->relay);
		agents_sweep(&p->agents);
		confinement_sweep(own_log(p));
		certificates_look(&p->certificates, &p->relay, now_ns, (int64_t)time(NULL), own_log(p));
		control_look(p->control, now_ns, own_log(p));
		stuck = watch_shards(&p->relay, now_ns, own_log(p));
		if (!notify_wanted() || now_ns < status_ns)
			continue;
		if (stuck == 0)
			notify_well();
		status_ns = now_ns + STATUS_MS * CLOCK_NS_PER_MS;
		memcpy(told, text, sizeof(told));
		status_format(&status, &p->relay, now_ns, text, sizeof(text));
		/* It waits for this for as long as its unit says, or for ever. */
		if (p->owes_ready)
			p->owes_ready = tell("READY=1\n", "%s", text) < 0;
		else if (strcmp(text, told) != 0)
			tell("", "%s", text);
	}
}

/* However long the draining may take: the manager must not end it before (sd_notify(3)). */
static void tell_stopping(const struct config *config)
{
	enum { SPARE_S = 30 };
	uint64_t drain_s = config->timeouts.drain_ns / CLOCK_NS_PER_S;
	char state[80];

	snprintf(state, sizeof(state), "STOPPING=1\nEXTEND_TIMEOUT_USEC=%" PRIu64 "\n", (drain_s + SPARE_S) * 1000000);
	tell(state, "draining: transactions may take up to %" PRIu64 " s to finish", drain_s);
}

/* Shards are draining. A second signal says not to wait for slow peers any longer. False: one of them hangs. */
static bool wait_for_shards(struct process *p, const sigset_t *signals)
{
	uint64_t end_ns = clock_monotonic_ns() + p->relay.config->timeouts.drain_ns + DRAIN_HANGS_S * CLOCK_NS_PER_S;

	while (atomic_load(&p->running) > 0) {
		uint64_t now_ns = clock_monotonic_ns();
		int which = next_signal(signals, DRAIN_LOOK_MS);
		if (which != 0 && which != SIGHUP)
			atomic_store(&p->relay.hurry, true);
		agents_hasten(&p->agents);
		(void)watch_shards(&p->relay, now_ns, own_log(p));
		if (now_ns > end_ns)
			return false;
	}
	return true;
}

/* A shard that can end does so long before. What is durable is durable; nothing else was promised. */
static _Noreturn void end_by_force(struct process *p)
{
	struct log_event e;

	log_begin_at(&e, own_log(p), LOG_LEVEL_ERROR, "shard_failed");
	log_text(&e, "error", "it does not end; the process does");
	log_end(&e);
	log_writer_stop(p->logs.writer);
	_exit(EXIT_SOFTWARE);
}

/* When every shard has a ring to be called by. */
static int start_control(struct process *p, char *problem, size_t size)
{
	const struct config *config = p->relay.config;

	if (!control_wanted(config))
		return 0;
	p->control = control_start(&p->relay, p->logs.list[config->shards + 4], p->logs.list[config->shards + 9],
				   &page_more, problem, size);
	return p->control ? 0 : -EADDRNOTAVAIL;
}

static int serve(struct process *p, const sigset_t *signals)
{
	char problem[1024];
	unsigned i;
	int status = 0, r;

	sockets_kept_begin(&p->relay, &p->handed);
	r = start_shards(p, problem, sizeof(problem));
	if (r == 0) {
		p->taken_over = sockets_kept_started(&p->relay, own_log(p));
		r = start_control(p, problem, sizeof(problem));
	}
	if (r < 0) {
		log_failure(p, problem);
		release_shards(p, false);
		for (i = 0; i < p->relay.shard_count && p->threads[i].reported; i++)
			pthread_join(p->threads[i].thread, NULL);
		return EXIT_UNAVAILABLE;
	}
	atomic_store(&p->running, p->relay.shard_count);
	release_shards(p, true);
	atomic_store(&p->relay.ready, true);
	confinement_tell(own_log(p), ring_restricted(p->relay.shards[0]->ring));
	log_ready(p);
	p->running_as.pid = getpid();
	(void)running_tell(p->recovery.lock, &p->running_as); /* no reason to end: only `reload` looks there */
	wait_for_end(p, signals);
	tell_stopping(p->relay.config);
	stop_shards(p);
	if (!wait_for_shards(p, signals))
		end_by_force(p);
	for (i = 0; i < p->relay.shard_count; i++) {
		pthread_join(p->threads[i].thread, NULL);
		if (p->threads[i].result < 0)
			status = EXIT_SOFTWARE;
	}
	control_stop(p->control);
	control_free(p->control);
	return status;
}

static int cannot_ask(struct process *p, const char *why)
{
	char problem[128];

	snprintf(problem, sizeof(problem), "%s: %s", why, strerror(errno));
	log_failure(p, problem);
	return EXIT_UNAVAILABLE;
}

static int run(struct config *config)
{
	static struct process process;
	struct process *p = &process;
	char problem[1024];
	const char *why;
	sigset_t signals;
	unsigned i;
	int status, r;

	handed_take(&p->handed);
	/* Threads inherit the mask: signals reach sigwait() only. A broken log pipe is no reason to end. */
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGHUP);
	pthread_sigmask(SIG_BLOCK, &signals, NULL);
	signal(SIGPIPE, SIG_IGN);
	/* Limits while we may raise them. */
	if (check_limits(config, problem, sizeof(problem)) < 0 ||
	    confinement_begin(config, &p->logs, problem, sizeof(problem)) < 0) {
		fprintf(stderr, "postrider: %s\n", problem);
		return EXIT_UNAVAILABLE;
	}
	tls_global_init();
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->changed, NULL);
	r = make_shards(p, config);
	if (r < 0) {
		tell("", "failed to start: the spool %s: %s", config->spool.directory, strerror(-r));
		fprintf(stderr, "postrider: %s: %s\n", r == -ENOMEM ? "the shards" : config->spool.directory,
			strerror(-r));
		return r == -ENOMEM ? EXIT_UNAVAILABLE : EXIT_IO;
	}
	status = first_files_load(&p->relay, &p->agents, config);
	if (status != 0)
		return status;
	tell("", "reading the spool %s", config->spool.directory);
	if (relay_recover(&p->relay, own_log(p), &p->recovery) < 0) {
		log_failure(p, p->recovery.problem);
		status = EXIT_IO;
	} else {
		/* Recovery had a segment in memory: nothing like it comes again. */
		malloc_trim(0);
		why = agents_start(&p->agents, config);
		/* Else who would be shown it is not there: it stays for the next start. */
		if (!why)
			logs_take_over(&p->logs, own_log(p));
		status = why ? cannot_ask(p, why) : serve(p, &signals);
		agents_stop(&p->agents);
	}
	/* After a fatal error the kernel may still own memory of that shard: the end of the process gives it back. */
	for (i = 0; i < config->shards && status != EXIT_SOFTWARE; i++)
		worker_free(p->threads[i].worker);
	relay_recover_release(&p->recovery);
	if (status == 0) {
		struct log_event e;
		log_begin_at(&e, own_log(p), LOG_LEVEL_NOTICE, "stopped");
		log_end(&e);
	}
	log_writer_stop(p->logs.writer);
	agents_stop_takers(&p->agents);
	logs_free(&p->logs);
	free(p->threads);
	certificates_deinit(&p->certificates);
	relay_deinit(&p->relay);
	return status;
}

/* ---- command line ------------------------------------------------------------------------------------------- */

static int run_command(int argc, char **argv)
{
	static const struct option options[] = {
		{"config", required_argument, NULL, 'c'}, {"help", no_argument, NULL, 'h'}, {NULL, 0, NULL, 0}};
	static struct config_problems problems;
	const char *file = NULL;
	struct config *config;
	int option, status;

	optind = 1;
	while ((option = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
		if (option != 'c')
			return option == 'h' ? usage(stdout, 0) : usage(stderr, EXIT_USAGE);
		file = optarg;
	}
	if (!file || optind != argc)
		return usage(stderr, EXIT_USAGE);
	config = config_load(file, &problems);
	config_problems_print(&problems);
	if (!config)
		return EXIT_CONFIG;
	status = run(config);
	config_free(config);
	return status;
}

int main(int argc, char **argv)
{
	const char *command = argc > 1 ? argv[1] : "";
	command_fn *tool;

	/* What top draws is made of what may be shown. */
	shown_begin(strcmp(command, "top") != 0);
	tool = command_called(argc > 0 ? argv[0] : NULL);
	if (tool)
		return command_end(tool(argc, argv));
	if (strcmp(command, "version") == 0 || strcmp(command, "--version") == 0)
		return command_end(version_command(argc - 1, argv + 1));
	if (strcmp(command, "--help") == 0 || strcmp(command, "-h") == 0 || strcmp(command, "help") == 0)
		return command_end(usage(stdout, 0));
	if (strcmp(command, "run") == 0)
		return run_command(argc - 1, argv + 1);
	if (strcmp(command, "check") == 0)
		return command_end(check_command(argc - 1, argv + 1));
	if (strcmp(command, "spool") == 0)
		return command_end(spool_tool(argc - 1, argv + 1));
	tool = command_find(command);
	return tool ? command_end(tool(argc - 1, argv + 1)) : usage(stderr, EXIT_USAGE);
}
