/*
 * core/trace/keeper.c - see keeper.h.
 *
 * Between the log's writer and this thread there is a ring (core/base/line_ring.h): the thread looks by itself, twenty
 * times a second while there is something.
 */
#include "core/trace/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/disk_room.h"
#include "core/base/durable.h"
#include "core/base/line_ring.h"
#include "core/base/log.h"
#include "core/base/steady.h"
#include "core/events/tracing.h"
#include "core/trace/file.h"

enum {
	RING = 1 << 22,
	PIECE = 1 << 18,
	LOOK_MS = 50,
	ROWS_MAX = 5000,     /* in a transaction */
	COMMIT_MS = 500,     /* a row is there for readers after so long */
	RETRY_MS = 3000,     /* behind a failure */
	CHORES_MS = 10000,   /* between looks for what is too old */
	CHORES_ROWS = 20000, /* or so many, for what is too much */
	SLICE_MIN = 500,
	SLICE_MAX = 50000,
	PIECES_MAX = RING / PIECE, /* between two looks at all else */
	GAP_MS = 60000,            /* what is left out by intention is told so often */
	STEADY_MS = 3600000        /* before anything goes for its age */
};
#define WAITING_MAX (UINT64_C(128) << 20) /* octets of SQLite's log, while somebody reads for long */
#define READ_FOR_LONG "somebody has been reading it for too long"

struct gap {
	uint64_t count, from_ms, until_ms;
};

struct keeper {
	/* Between both threads. */
	struct line_ring *ring;            /* owned */
	_Atomic(uint64_t) behind, sampled; /* lines that found no room; messages left out by intention */
	_Atomic(int) detail;

	struct sift sift; /* of who writes the log */

	pthread_t thread;
	pthread_mutex_t lock; /* of what follows, down to `stop` */
	pthread_cond_t wake;
	bool stopping;
	char *next_path; /* owned; NULL: as before */
	uint64_t keep_ms, size_max;

	/* The thread's. */
	struct log *log;
	char *path; /* owned */
	struct trace_file *file;
	int owner;         /* a file that is locked while this process writes the trace; -1: not */
	bool stranger;     /* that file was not there: nobody has written a trace here before */
	bool told;         /* that it cannot be written */
	uint64_t retry_ns; /* when it is tried again */
	uint64_t commit_ns, chores_ns, gap_ns;
	uint64_t committed; /* rows, since the last chores */
	uint64_t behind_seen, sampled_seen;
	struct gap unwritten, late;
	struct steady steady;
	char piece[PIECE];
};

/* ---- who writes the log ----------------------------------------------------------------------------------------- */

void keeper_take(void *keeper, const char *lines, size_t length)
{
	struct keeper *k = keeper;
	const char *at = lines, *end = lines + length;

	k->sift.detail = (enum sift_detail)atomic_load_explicit(&k->detail, memory_order_relaxed);
	sift_tick(&k->sift, clock_monotonic_ns() / CLOCK_NS_PER_S);
	while (at < end) {
		const char *eol = memchr(at, '\n', (size_t)(end - at));
		size_t whole = (size_t)((eol ? eol : end) - at) + (eol != NULL);
		if (eol && sift_line(&k->sift, at, whole - 1) && !line_ring_put(k->ring, at, whole))
			atomic_fetch_add_explicit(&k->behind, 1, memory_order_relaxed);
		at += whole;
	}
	atomic_store_explicit(&k->sampled, k->sift.left_out, memory_order_relaxed);
}

/* ---- what was left out ------------------------------------------------------------------------------------------ */

static uint64_t now_ms(void)
{
	return clock_wall_ns() / CLOCK_NS_PER_MS;
}

static void left_out(struct gap *gap, uint64_t count)
{
	uint64_t ms = now_ms();

	if (count == 0)
		return;
	if (gap->count == 0)
		gap->from_ms = ms;
	gap->count += count;
	gap->until_ms = ms;
}

/* ---- the file --------------------------------------------------------------------------------------------------- */

static void give_up(struct keeper *k, const char *problem)
{
	if (!k->told)
		event_trace_unwritten(k->log, k->path, problem);
	k->told = true;
	k->retry_ns = clock_monotonic_ns() + RETRY_MS * CLOCK_NS_PER_MS;
	if (k->file) {
		left_out(&k->unwritten, trace_file_rows(k->file));
		trace_file_rollback(k->file);
		trace_file_close(k->file);
		k->file = NULL;
	}
	if (k->owner >= 0)
		close(k->owner);
	k->owner = -1;
}

/* What cannot be read stays for who wants to look at it, in the place of the one before. */
static void set_aside(struct keeper *k, const char *problem)
{
	char kept[PATH_MAX], beside[PATH_MAX];

	if (k->file) {
		left_out(&k->unwritten, trace_file_rows(k->file));
		trace_file_close(k->file);
		k->file = NULL;
	}
	if (durable_set_aside(k->path, kept) < 0) {
		give_up(k, problem);
		return;
	}
	for (int i = 0; i < 2; i++) {
		if (snprintf(beside, sizeof(beside), "%s-%s", k->path, i ? "shm" : "wal") < (int)sizeof(beside))
			(void)unlink(beside);
	}
	event_trace_damaged(k->log, k->path, problem, kept);
}

/* Two processes on one file would cut each other's rows. */
static bool own(struct keeper *k)
{
	char name[PATH_MAX];

	if (k->owner >= 0)
		return true;
	if (snprintf(name, sizeof(name), "%s-owner", k->path) >= (int)sizeof(name))
		return false;
	k->stranger = access(name, F_OK) < 0;
	k->owner = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (k->owner < 0) {
		give_up(k, strerror(errno));
		return false;
	}
	if (flock(k->owner, LOCK_EX | LOCK_NB) < 0) {
		give_up(k, errno == EWOULDBLOCK ? "another process writes it" : strerror(errno));
		return false;
	}
	return true;
}

/* What was there before any trace is somebody else's, whatever it is. */
static void leave_alone(struct keeper *k)
{
	char name[PATH_MAX];

	if (snprintf(name, sizeof(name), "%s-owner", k->path) < (int)sizeof(name))
		(void)unlink(name);
	give_up(k, "it is no trace, and was there before: take it away, or name another file in trace.file");
}

/* True: rows can be written. */
static bool ready(struct keeper *k)
{
	char problem[TRACE_PROBLEM_SIZE];
	enum trace_status status;

	if (k->file)
		return true;
	if (clock_monotonic_ns() < k->retry_ns || !own(k))
		return false;
	/* Before it is opened: an empty one takes 70 KB, and a segment of the spool may fail for want of these. */
	if (!disk_has_room_at(k->owner)) {
		give_up(k, DISK_NEARLY_FULL);
		return false;
	}
	status = trace_file_open(k->path, &k->file, problem);
	if (status == TRACE_DAMAGED && k->stranger) {
		leave_alone(k);
		return false;
	}
	if (status == TRACE_DAMAGED) {
		set_aside(k, problem);
		if (k->owner >= 0)
			status = trace_file_open(k->path, &k->file, problem);
	}
	if (status == TRACE_OK && trace_file_waiting(k->file, WAITING_MAX) > WAITING_MAX) {
		status = TRACE_CANNOT;
		snprintf(problem, sizeof(problem), READ_FOR_LONG);
	}
	if (status != TRACE_OK) {
		give_up(k, problem);
		return false;
	}
	k->stranger = false;
	if (k->told)
		event_trace_written(k->log, k->path, k->unwritten.count);
	k->told = false;
	return true;
}

/* False: it is no more. */
static bool fine(struct keeper *k, enum trace_status status)
{
	char problem[TRACE_PROBLEM_SIZE];

	if (status == TRACE_OK)
		return true;
	snprintf(problem, sizeof(problem), "%s", trace_file_problem(k->file));
	if (status == TRACE_DAMAGED)
		set_aside(k, problem);
	else
		give_up(k, problem);
	return false;
}

/* ---- rows ------------------------------------------------------------------------------------------------------- */

static bool write_gap(struct keeper *k, struct gap *gap, const char *why)
{
	if (gap->count == 0)
		return true;
	if (!fine(k, trace_file_gap(k->file, gap->from_ms, gap->until_ms, gap->count, why)))
		return false;
	*gap = (struct gap){.count = 0};
	return true;
}

/* By intention, once a minute: the rows are for reports, which count what they do not see. */
static bool write_sampled(struct keeper *k, bool now)
{
	uint64_t sampled = atomic_load_explicit(&k->sampled, memory_order_relaxed), ns = clock_monotonic_ns();
	struct gap gap = {.count = sampled - k->sampled_seen, .until_ms = now_ms()};

	if (gap.count == 0) {
		k->gap_ns = ns;
		return true;
	}
	if (!now && ns < k->gap_ns + GAP_MS * CLOCK_NS_PER_MS)
		return true;
	gap.from_ms = gap.until_ms - (ns - k->gap_ns) / CLOCK_NS_PER_MS;
	k->gap_ns = ns;
	k->sampled_seen = sampled;
	return write_gap(k, &gap, "sampled");
}

static bool write_gaps(struct keeper *k, bool now)
{
	uint64_t behind = atomic_load_explicit(&k->behind, memory_order_relaxed);

	left_out(&k->late, behind - k->behind_seen);
	k->behind_seen = behind;
	return write_gap(k, &k->unwritten, "unwritten") && write_gap(k, &k->late, "behind") && write_sampled(k, now);
}

/* What is written to a file that has no name any more nobody finds, and it holds the disk for nothing. */
static bool still_there(struct keeper *k)
{
	if (!trace_file_moved(k->file))
		return true;
	give_up(k, "it was taken away, and is begun anew");
	return false;
}

static bool commit(struct keeper *k)
{
	unsigned rows = trace_file_rows(k->file);

	k->commit_ns = clock_monotonic_ns() + COMMIT_MS * CLOCK_NS_PER_MS;
	if (!still_there(k) || !fine(k, trace_file_commit(k->file)))
		return false;
	k->committed += rows;
	return true;
}

static void one_line(struct keeper *k, const char *line, size_t length)
{
	static struct fact fact; /* of the one thread */

	if (!fact_parse(line, length, &fact))
		return;
	if (!ready(k)) {
		left_out(&k->unwritten, 1);
		return;
	}
	if (fact.kind == FACT_LOST) {
		struct gap lost = {fact.number[FACT_COUNT], fact.time_ms, fact.time_ms};
		(void)write_gap(k, &lost, "events");
		return;
	}
	if (fine(k, trace_file_put(k->file, &fact)) && trace_file_rows(k->file) >= ROWS_MAX)
		(void)commit(k);
}

/* Whole lines from the ring; false: there are none. */
static bool take_piece(struct keeper *k)
{
	size_t length = line_ring_take(k->ring, k->piece, PIECE);
	const char *line = k->piece, *end = k->piece + length;

	while (line < end) {
		const char *eol = memchr(line, '\n', (size_t)(end - line));
		one_line(k, line, (size_t)(eol - line));
		line = eol + 1;
	}
	return length > 0;
}

/* ---- chores ----------------------------------------------------------------------------------------------------- */

static bool chores_due(const struct keeper *k)
{
	return clock_monotonic_ns() >= k->chores_ns || k->committed >= CHORES_ROWS;
}

/* A clock that was set to another year makes nothing old. */
static uint64_t too_old_ms(struct keeper *k, uint64_t keep_ms)
{
	bool steady = steady_look(&k->steady, clock_wall_ns(), clock_monotonic_ns(), STEADY_MS * CLOCK_NS_PER_MS);

	return steady && now_ms() > keep_ms ? now_ms() - keep_ms : 0;
}

/* As many go as came, twice over. */
static void chores(struct keeper *k)
{
	uint64_t ns = clock_monotonic_ns(), oldest, size_max, slice = 2 * k->committed;
	bool more = false;

	if (!chores_due(k) || !still_there(k))
		return;
	slice = slice < SLICE_MIN ? SLICE_MIN : slice > SLICE_MAX ? SLICE_MAX : slice;
	k->committed = 0;
	pthread_mutex_lock(&k->lock);
	oldest = too_old_ms(k, k->keep_ms);
	size_max = k->size_max;
	pthread_mutex_unlock(&k->lock);
	if (!disk_has_room_at(k->owner)) {
		give_up(k, DISK_NEARLY_FULL);
		return;
	}
	if (trace_file_waiting(k->file, WAITING_MAX) > WAITING_MAX) {
		give_up(k, READ_FOR_LONG);
		return;
	}
	if (!fine(k, trace_file_prune(k->file, oldest, size_max, (unsigned)slice, &more)))
		return;
	/* More of it soon, but not before what waits to be written. */
	k->chores_ns = ns + (more ? LOOK_MS : CHORES_MS) * CLOCK_NS_PER_MS;
}

/* Another file, from here on. */
static void follow_path(struct keeper *k)
{
	char *next;

	pthread_mutex_lock(&k->lock);
	next = k->next_path;
	k->next_path = NULL;
	pthread_mutex_unlock(&k->lock);
	if (!next || strcmp(next, k->path) == 0) {
		free(next);
		return;
	}
	if (k->file && write_gaps(k, true) && commit(k)) {
		trace_file_close(k->file);
		k->file = NULL;
	}
	if (k->owner >= 0)
		close(k->owner);
	k->owner = -1;
	k->retry_ns = 0;
	k->told = false;
	free(k->path);
	k->path = next;
}

static bool pause_thread(struct keeper *k, unsigned ms)
{
	struct timespec until;
	bool stopping;
	int r = 0;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += ms * 1000000L;
	if (until.tv_nsec >= 1000000000) {
		until.tv_nsec -= 1000000000;
		until.tv_sec++;
	}
	pthread_mutex_lock(&k->lock);
	while (!k->stopping && r == 0)
		r = pthread_cond_timedwait(&k->wake, &k->lock, &until);
	stopping = k->stopping;
	pthread_mutex_unlock(&k->lock);
	return stopping;
}

static void *run(void *context)
{
	struct keeper *k = context;
	bool stopping = false, more = false;

	(void)prctl(PR_SET_NAME, "trace");
	while (!stopping) {
		stopping = pause_thread(k, more ? 0 : LOOK_MS);
		follow_path(k);
		/* What comes faster than it can be written keeps nobody from the chores. */
		more = true;
		for (unsigned i = 0; more && (stopping || i < PIECES_MAX); i++)
			more = take_piece(k);
		if (!ready(k) || !write_gaps(k, stopping))
			continue;
		if ((stopping || clock_monotonic_ns() >= k->commit_ns || chores_due(k)) && !commit(k))
			continue;
		if (trace_file_rows(k->file) == 0)
			chores(k);
	}
	return NULL;
}

/* ---- its life --------------------------------------------------------------------------------------------------- */

static void free_keeper(struct keeper *k)
{
	trace_file_close(k->file);
	if (k->owner >= 0)
		close(k->owner);
	pthread_cond_destroy(&k->wake);
	pthread_mutex_destroy(&k->lock);
	line_ring_free(k->ring);
	free(k->next_path);
	free(k->path);
	free(k);
}

bool keeper_follow(struct keeper *k, const struct keeper_settings *settings)
{
	char *path = strdup(settings->path);

	if (!path)
		return false;
	pthread_mutex_lock(&k->lock);
	free(k->next_path);
	k->next_path = path;
	k->keep_ms = settings->keep_ms;
	k->size_max = settings->size_max;
	pthread_mutex_unlock(&k->lock);
	atomic_store(&k->detail, (int)settings->detail);
	return true;
}

static int launch(struct keeper *k)
{
	sigset_t all, before;
	int r;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	r = pthread_create(&k->thread, NULL, run, k);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return r;
}

struct keeper *keeper_start(const struct keeper_settings *settings, struct log *log)
{
	struct keeper *k = malloc(sizeof(*k));
	pthread_condattr_t monotonic;

	if (!k)
		return NULL;
	memset(k, 0, offsetof(struct keeper, piece));
	k->log = log;
	k->owner = -1;
	k->gap_ns = clock_monotonic_ns();
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_mutex_init(&k->lock, NULL);
	pthread_cond_init(&k->wake, &monotonic);
	pthread_condattr_destroy(&monotonic);
	k->path = strdup(settings->path);
	k->ring = line_ring_new(RING);
	if (!k->path || !k->ring || !keeper_follow(k, settings) || launch(k) != 0) {
		free_keeper(k);
		return NULL;
	}
	return k;
}

void keeper_stop(struct keeper *k)
{
	if (!k)
		return;
	pthread_mutex_lock(&k->lock);
	k->stopping = true;
	pthread_cond_signal(&k->wake);
	pthread_mutex_unlock(&k->lock);
	pthread_join(k->thread, NULL);
	free_keeper(k);
}
