/*
 * core/base/log_writer.c - moves finished lines from the shards' buffers to a descriptor.
 *
 * Purpose
 *   The one thread that may wait for a slow terminal, a full pipe or a busy journal, so that no shard does.
 *
 * Design
 *   The writer looks at the logs every few milliseconds instead of being woken: a wake-up would cost the
 *   shards a system call or a full fence per event, and lines are better moved in large pieces. Each log is
 *   moved up to the line's end seen on arrival before the next log's turn, so lines do not mix.
 *   It never sits in a write that nobody reads, or log_writer_stop() would hang with it: sockets are
 *   asked not to wait, a pipe gets at most PIPE_BUF octets after poll() said there is room. (A terminal
 *   stopped by its user in the middle of a write is the exception; it ends when the user lets it go on.)
 *
 *   Where the descriptor leads to the journal, lines go there one by one as its entries (journal.h) and not by the
 *   descriptor. What the journal does not take is counted, and said by an event when it takes one again: the writer
 *   has a log of its own for that.
 *
 * Ownership
 *   The caller owns descriptor and logs and keeps both until log_writer_stop() has returned.
 *
 * Failure
 *   No thread or memory: log_writer_start() returns NULL. A descriptor that fails for good loses the
 *   lines: a relay goes on without its log. A reader that takes nothing for LOG_PATIENCE_MS after the stop
 *   loses the rest. The thread blocks all signals, so its broken pipe is an error and no SIGPIPE; log_drain()
 *   runs on the caller's thread, where the program ignores that signal.
 */
#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/base/journal.h"
#include "core/base/line_ring.h"
#include "core/base/log.h"
#include "core/base/log_private.h"

enum {
	LOG_PERIOD_BUSY_MS = 5,
	LOG_PERIOD_IDLE_MS = 20,
	LOG_STALL_MS = 100,     /* how often a stalled write looks whether to stop */
	LOG_PATIENCE_MS = 2000, /* without progress, once stopping */
	LOG_OWN_CAPACITY = 1 << 14,
};

enum log_sink { LOG_SINK_FILE, LOG_SINK_SOCKET, LOG_SINK_PIPE };

struct log_writer {
	pthread_t thread;
	int fd;
	enum log_sink sink;
	struct log **logs; /* owned array of the caller's logs; with a journal, the writer's own behind them */
	unsigned count;
	struct journal *journal;  /* owned; NULL: lines go to fd */
	struct log *own;          /* owned; NULL without a journal */
	time_t told_s;            /* when it was last said that entries are missing */
	pthread_mutex_t tap_lock; /* guards the next */
	struct {
		log_tap_fn *fn; /* NULL: nobody */
		void *context;
		bool unusual; /* sees these alone */
	} taps[LOG_TAPS];
	pthread_mutex_t lock; /* guards stopping */
	pthread_cond_t wake;
	bool stopping;
	struct log *const *adopted; /* guarded by adopt_lock, held while they are moved */
	unsigned adopted_count;
	pthread_mutex_t adopt_lock;
};

static enum log_sink log_sink_of(int fd)
{
	struct stat status;

	if (fstat(fd, &status) < 0)
		return LOG_SINK_PIPE;
	if (S_ISREG(status.st_mode))
		return LOG_SINK_FILE;
	return S_ISSOCK(status.st_mode) ? LOG_SINK_SOCKET : LOG_SINK_PIPE;
}

/* What can be moved in one piece, up to `end`; 0 when there is nothing. */
static size_t log_peek(const struct log *log, uint64_t end, const char **data)
{
	uint64_t tail = atomic_load_explicit(&log->tail, memory_order_relaxed);
	uint64_t at = tail & (log->capacity - 1);
	uint64_t length = end - tail;

	*data = log->buffer + at;
	return (size_t)(length < log->capacity - at ? length : log->capacity - at);
}

static void log_consume(struct log *log, uint64_t length)
{
	uint64_t tail = atomic_load_explicit(&log->tail, memory_order_relaxed);

	/* Release: our reads are done before the producer writes here again. */
	atomic_store_explicit(&log->tail, tail + length, memory_order_release);
}

/* One attempt that does not wait. Octets taken, or -errno; -EAGAIN when the reader is behind. */
static ssize_t log_write_some(int fd, enum log_sink sink, const char *data, size_t length)
{
	ssize_t put;

	if (sink == LOG_SINK_SOCKET) {
		put = send(fd, data, length, MSG_DONTWAIT | MSG_NOSIGNAL);
	} else {
		if (sink == LOG_SINK_PIPE) {
			struct pollfd ready = {.fd = fd, .events = POLLOUT};
			if (poll(&ready, 1, 0) == 0)
				return -EAGAIN;
			length = length < PIPE_BUF ? length : PIPE_BUF;
		}
		put = write(fd, data, length);
	}
	if (put < 0)
		return errno == EINTR ? -EAGAIN : -errno;
	return put;
}

static bool log_writer_stopping(struct log_writer *writer)
{
	pthread_mutex_lock(&writer->lock);
	bool stopping = writer->stopping;
	pthread_mutex_unlock(&writer->lock);
	return stopping;
}

/*
 * Moves what `log` holds up to `head`, waiting for a slow reader. `writer` may be NULL (log_drain(): waits as long as
 * it takes). Returns false when nothing more can be written: a dead descriptor, or patience is over.
 */
static bool log_move(struct log *log, uint64_t head, int fd, enum log_sink sink, struct log_writer *writer)
{
	const char *data;
	size_t length;
	int waited_ms = 0;

	while ((length = log_peek(log, head, &data)) > 0) {
		ssize_t put = log_write_some(fd, sink, data, length);
		if (put > 0) {
			log_consume(log, (uint64_t)put);
			waited_ms = 0;
			continue;
		}
		if (put < 0 && put != -EAGAIN)
			return false;

		struct pollfd ready = {.fd = fd, .events = POLLOUT};
		if (poll(&ready, 1, LOG_STALL_MS) > 0)
			continue;
		if (writer == NULL || !log_writer_stopping(writer))
			continue;
		waited_ms += LOG_STALL_MS;
		if (waited_ms >= LOG_PATIENCE_MS)
			return false;
	}
	return true;
}

static uint64_t log_head(const struct log *log)
{
	return atomic_load_explicit(&log->head, memory_order_acquire);
}

static bool log_waiting(const struct log *log)
{
	return log_head(log) != atomic_load_explicit(&log->tail, memory_order_relaxed);
}

bool log_is_moved(const struct log *log)
{
	return !log_waiting(log);
}

static void log_discard(struct log *log, uint64_t head)
{
	log_consume(log, head - atomic_load_explicit(&log->tail, memory_order_relaxed));
}

void log_drain(struct log *log, int fd)
{
	uint64_t head = log_head(log);

	if (log_waiting(log) && !log_move(log, head, fd, log_sink_of(fd), NULL))
		log_discard(log, head);
}

static void log_show_to(struct log_writer *writer, bool unusual, const char *lines, size_t length)
{
	for (unsigned i = 0; i < LOG_TAPS && length > 0; i++) {
		if (writer->taps[i].fn && writer->taps[i].unusual == unusual)
			writer->taps[i].fn(writer->taps[i].context, lines, length);
	}
}

/* Who wants no usual lines is not called for them: of a flood one looks at each line, and not all. */
static void log_show_lines(struct log_writer *writer, const char *lines, size_t length)
{
	const char *line = lines, *from = lines, *end = lines + length, *next;

	log_show_to(writer, false, lines, length);
	for (; line < end; line = next) {
		next = (const char *)memchr(line, '\n', (size_t)(end - line)) + 1;
		if (!line_is_usual(line, (size_t)(next - 1 - line)))
			continue;
		log_show_to(writer, true, from, (size_t)(line - from));
		from = next;
	}
	log_show_to(writer, true, from, (size_t)(end - from));
}

/*
 * Shows the taps what is about to be moved, in whole lines, and notes that they have seen it: what is left behind when
 * the process is killed is not shown again by the next. A line that goes over the ring's end is whole in the slack
 * behind it: the producer writes there again only when it comes to the ring's end once more, and that it cannot while
 * the line's beginning is unread.
 */
static void log_show(struct log_writer *writer, struct log *log, uint64_t head)
{
	uint64_t tail = atomic_load_explicit(&log->tail, memory_order_relaxed);
	uint64_t shown = atomic_load_explicit(&log->shown, memory_order_relaxed), from = shown > tail ? shown : tail;
	uint64_t at = from & (log->capacity - 1), length = head - from;

	uint64_t first = length;
	if (at + length > log->capacity) {
		const char *last = log->buffer + log->capacity - 1;
		const char *eol = memchr(last, '\n', LOG_EVENT_MAX);
		first = (uint64_t)(eol + 1 - (log->buffer + at));
	}
	pthread_mutex_lock(&writer->tap_lock);
	log_show_lines(writer, log->buffer + at, (size_t)first);
	if (first < length)
		log_show_lines(writer, log->buffer + ((at + first) & (log->capacity - 1)), (size_t)(length - first));
	atomic_store_explicit(&log->shown, head, memory_order_release);
	pthread_mutex_unlock(&writer->tap_lock);
}

/* Sleeps for a while or until the stop; true when stopping. */
static bool log_writer_pause(struct log_writer *writer, unsigned ms)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += (long)ms * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_nsec -= 1000000000;
		until.tv_sec++;
	}
	pthread_mutex_lock(&writer->lock);
	int result = 0;
	while (!writer->stopping && result == 0)
		result = pthread_cond_timedwait(&writer->wake, &writer->lock, &until);
	bool stopping = writer->stopping;
	pthread_mutex_unlock(&writer->lock);
	return stopping;
}

/* ---- the journal ------------------------------------------------------------------------------------------------ */

/* Once a second at most: each such event is an entry as well, and one that is slow would have one behind each. */
static void log_tell_missed(struct log_writer *writer)
{
	struct journal *journal = writer->journal;
	struct timespec now;
	struct log_event e;

	if (!journal || journal->missed == 0 || !journal->took)
		return;
	clock_gettime(CLOCK_MONOTONIC, &now);
	if (now.tv_sec == writer->told_s)
		return;
	writer->told_s = now.tv_sec;
	log_begin_at(&e, writer->own, LOG_LEVEL_WARNING, "journal_lost");
	log_number(&e, "events", journal->missed);
	log_end(&e);
	journal->missed = 0;
}

/* Line for line, in the order they came. One that goes over the ring's end is whole in the slack behind it, as for
 * log_show(). */
static void log_move_to_journal(struct log_writer *writer, struct log *log, uint64_t head)
{
	uint64_t tail;

	while ((tail = atomic_load_explicit(&log->tail, memory_order_relaxed)) != head) {
		const char *line = log->buffer + (tail & (log->capacity - 1));
		const char *eol = memchr(line, '\n', LOG_EVENT_MAX);
		assert(eol);
		(void)journal_send(writer->journal, line, (size_t)(eol - line));
		log_consume(log, (uint64_t)(eol + 1 - line));
	}
}

/* What each of them holds. True: there was something. */
static bool log_writer_round(struct log_writer *writer, struct log *const *logs, unsigned count, bool *dead)
{
	bool busy = false;

	for (unsigned i = 0; i < count; i++) {
		struct log *log = logs[i];
		if (!log_waiting(log))
			continue;
		busy = true;
		uint64_t head = log_head(log);
		log_show(writer, log, head);
		if (writer->journal) {
			log_move_to_journal(writer, log, head);
			continue;
		}
		if (!*dead && !log_move(log, head, writer->fd, writer->sink, writer))
			*dead = true;
		if (*dead)
			log_discard(log, head);
	}
	return busy;
}

static void *log_writer_run(void *context)
{
	struct log_writer *writer = context;
	bool stopping = false, dead = false;
	unsigned period_ms = LOG_PERIOD_BUSY_MS;

	(void)prctl(PR_SET_NAME, "log");
	/* One more round after the stop takes what was written before it. */
	while (!stopping) {
		stopping = log_writer_pause(writer, period_ms);
		pthread_mutex_lock(&writer->adopt_lock);
		bool busy = log_writer_round(writer, writer->adopted, writer->adopted_count, &dead);
		pthread_mutex_unlock(&writer->adopt_lock);
		busy |= log_writer_round(writer, writer->logs, writer->count, &dead);
		log_tell_missed(writer);
		period_ms = busy ? LOG_PERIOD_BUSY_MS : LOG_PERIOD_IDLE_MS;
	}
	return NULL;
}

/* Starts the thread with every signal blocked: the main thread handles those meant for the process. */
static int log_writer_launch(struct log_writer *writer)
{
	sigset_t all, before;

	sigfillset(&all);
	int result = pthread_sigmask(SIG_SETMASK, &all, &before);
	assert(result == 0);
	int launched = pthread_create(&writer->thread, NULL, log_writer_run, writer);
	result = pthread_sigmask(SIG_SETMASK, &before, NULL);
	assert(result == 0);
	return launched;
}

static void log_writer_free(struct log_writer *writer)
{
	pthread_cond_destroy(&writer->wake);
	pthread_mutex_destroy(&writer->lock);
	pthread_mutex_destroy(&writer->tap_lock);
	pthread_mutex_destroy(&writer->adopt_lock);
	if (writer->journal)
		journal_deinit(writer->journal);
	free(writer->journal);
	log_free(writer->own);
	free(writer->logs);
	free(writer);
}

/* Without memory for it, lines go to the descriptor. */
static void log_writer_take_journal(struct log_writer *writer, const char *path)
{
	writer->journal = malloc(sizeof(*writer->journal));
	writer->own = writer->journal ? log_new(-1, LOG_OWN_CAPACITY) : NULL;
	if (writer->own) {
		journal_init(writer->journal, path);
		writer->logs[writer->count++] = writer->own;
		return;
	}
	free(writer->journal);
	writer->journal = NULL;
}

struct log_writer *log_writer_start_with(int fd, const char *journal, struct log **logs, unsigned count)
{
	struct log_writer *writer = calloc(1, sizeof(*writer));

	assert(count > 0);
	if (writer == NULL)
		return NULL;
	writer->logs = calloc(count + 1, sizeof(writer->logs[0]));
	if (writer->logs == NULL) {
		free(writer);
		return NULL;
	}
	memcpy(writer->logs, logs, count * sizeof(writer->logs[0]));
	writer->fd = fd;
	writer->sink = log_sink_of(fd);
	writer->count = count;
	if (journal)
		log_writer_take_journal(writer, journal);

	pthread_condattr_t monotonic;
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_mutex_init(&writer->lock, NULL);
	pthread_mutex_init(&writer->tap_lock, NULL);
	pthread_mutex_init(&writer->adopt_lock, NULL);
	pthread_cond_init(&writer->wake, &monotonic);
	pthread_condattr_destroy(&monotonic);
	if (log_writer_launch(writer) != 0) {
		log_writer_free(writer);
		return NULL;
	}
	return writer;
}

struct log_writer *log_writer_start(int fd, struct log **logs, unsigned count)
{
	return log_writer_start_with(fd, NULL, logs, count);
}

static void log_writer_set(struct log_writer *writer, enum log_tap which, log_tap_fn *tap, void *context, bool unusual)
{
	pthread_mutex_lock(&writer->tap_lock);
	writer->taps[which].fn = tap;
	writer->taps[which].context = context;
	writer->taps[which].unusual = unusual;
	pthread_mutex_unlock(&writer->tap_lock);
}

void log_writer_tap(struct log_writer *writer, enum log_tap which, log_tap_fn *tap, void *context)
{
	log_writer_set(writer, which, tap, context, false);
}

void log_writer_tap_unusual(struct log_writer *writer, enum log_tap which, log_tap_fn *tap, void *context)
{
	log_writer_set(writer, which, tap, context, true);
}

void log_writer_adopt(struct log_writer *writer, struct log *const *logs, unsigned count)
{
	pthread_mutex_lock(&writer->adopt_lock);
	writer->adopted = logs;
	writer->adopted_count = count;
	pthread_mutex_unlock(&writer->adopt_lock);
}

void log_writer_stop(struct log_writer *writer)
{
	pthread_mutex_lock(&writer->lock);
	writer->stopping = true;
	pthread_cond_signal(&writer->wake);
	pthread_mutex_unlock(&writer->lock);
	pthread_join(writer->thread, NULL);
	log_writer_free(writer);
}
