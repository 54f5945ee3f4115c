/*
 * core/agents/webhook.c - see webhook.h.
 *
 * The thread looks at the ring twenty times a second, as nobody wakes it, and blocks in its poll and where it writes to
 * its disk.
 */
#include "core/agents/webhook.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/agents/agent_thread.h"
#include "core/agents/fetch.h"
#include "core/agents/webhook_journal.h"
#include "core/agents/webhook_sign.h"
#include "core/base/clock.h"
#include "core/base/disk_room.h"
#include "core/base/line_ring.h"
#include "core/base/list.h"
#include "core/base/log.h"
#include "core/base/secret.h"
#include "core/events/webhook.h"

enum {
	PIECE = 1 << 17,
	LOOK_MS = 50,
	SAVE_S = 5,            /* what is done is on disk after so long where nothing more is sent */
	ANSWER_MOST = 4 << 10, /* octets of an answer */
	PAUSE_MOST_S = 300,
	AFTER_MOST_S = 3600, /* Retry-After is believed so far */
	TOLD_S = 3600,
	ALONE_MOST = 3,  /* an event that is too large by itself is not sent more often */
	LEFT_OUT_S = 10, /* between two events that say so */
	PIECES_MOST = 2 * WEBHOOK_RING / PIECE,
	HOST_SIZE = 256,
};
#define GONE_S (UINT64_C(86400) * 365 * 10)

struct settings {
	char *url, *secret_file, *relay, *ca_file; /* owned */
	char host[HOST_SIZE];
	unsigned batch;
	uint64_t delay_ns, size_max;
};

/* What the log's writer goes by. */
struct kinds {
	size_t count;
	char *names[WEBHOOK_KINDS_MAX]; /* owned */
};

struct webhook {
	struct agent_thread thread;
	struct line_ring *ring;
	bool own_ring;
	pthread_mutex_t lock;  /* of the next two */
	struct settings *next; /* owned; to be taken */
	struct kinds *kinds;   /* owned */
	struct webhook_counts counts;

	/* The thread's. */
	struct log *log;
	struct settings *settings; /* owned */
	struct webhook_journal journal;
	struct fetcher *fetcher;
	struct fetch fetch;
	char id[WEBHOOK_ID_SIZE], stamp[32], signature[WEBHOOK_SIGNATURE_SIZE];
	const char *headers[7];
	char *body; /* owned; NULL: no batch is in the making */
	uint64_t first, last;
	unsigned limit; /* events of a batch, where the receiver found one too large */
	unsigned alone; /* how often it found one event too large */
	uint64_t came_ns, retry_ns, told_ns, failed_ns, save_ns;
	uint64_t failures;              /* in a row */
	uint64_t left_out, left_out_ns; /* not told yet, and not before */
	char left_out_why[160];
	bool unsaved;
	char lines[WEBHOOK_BODY_MAX / 2], piece[PIECE];
};

/* ---- who writes the log ----------------------------------------------------------------------------------------- */

/* What was left out stands in the next batch; where the event that says so found no room either, it would make the
 * next one, and so on. */
static bool wanted(const struct kinds *kinds, struct span event)
{
	if (line_event_fits(event, "webhook_left_out"))
		return false;
	for (size_t i = 0; i < kinds->count; i++) {
		if (line_event_fits(event, kinds->names[i]))
			return true;
	}
	return false;
}

/* The lock is held for some instructions by who reloads, and by nobody else. All lines are shown to the thread at once,
 * and then the log notes that they were: a kill in between is unlikely, and makes some come twice. */
void webhook_take(void *context, const char *lines, size_t length)
{
	struct webhook *w = context;
	const char *end = lines + length, *eol;

	pthread_mutex_lock(&w->lock);
	for (; lines < end; lines = eol + 1) {
		eol = memchr(lines, '\n', (size_t)(end - lines));
		struct span event = line_event(lines, (size_t)(eol - lines));
		if (event.length > 0 && wanted(w->kinds, event))
			(void)line_ring_add(w->ring, lines, (size_t)(eol + 1 - lines));
	}
	line_ring_show(w->ring);
	pthread_mutex_unlock(&w->lock);
}

/* ---- settings --------------------------------------------------------------------------------------------------- */

static void free_settings(struct settings *s)
{
	if (!s)
		return;
	free(s->url);
	free(s->secret_file);
	free(s->relay);
	free(s->ca_file);
	free(s);
}

static void free_kinds(struct kinds *kinds)
{
	for (size_t i = 0; kinds && i < kinds->count; i++)
		free(kinds->names[i]);
	free(kinds);
}

/* https://user:password@HOST:PORT/path */
static void host_of(const char *url, char out[HOST_SIZE])
{
	const char *begin = strstr(url, "://"), *at;
	size_t length;

	begin = begin ? begin + 3 : url;
	length = strcspn(begin, "/?#");
	at = memrchr(begin, '@', length);
	if (at) {
		length -= (size_t)(at + 1 - begin);
		begin = at + 1;
	}
	snprintf(out, HOST_SIZE, "%.*s", (int)(length < HOST_SIZE ? length : HOST_SIZE - 1), begin);
}

static struct settings *settings_of(const struct webhook_settings *from)
{
	struct settings *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->url = from->url ? strdup(from->url) : NULL;
	s->secret_file = from->secret_file ? strdup(from->secret_file) : NULL;
	s->relay = strdup(from->relay);
	s->ca_file = from->ca_file ? strdup(from->ca_file) : NULL;
	s->batch = from->batch;
	s->delay_ns = from->delay_ns;
	s->size_max = from->size_max;
	if (s->relay && !s->url == !from->url && !s->secret_file == !from->secret_file &&
	    !s->ca_file == !from->ca_file) {
		host_of(s->url ? s->url : "", s->host);
		return s;
	}
	free_settings(s);
	return NULL;
}

static struct kinds *kinds_of(const struct webhook_settings *from)
{
	struct kinds *kinds = calloc(1, sizeof(*kinds));
	bool ok = kinds != NULL;

	for (size_t i = 0; ok && i < from->kind_count && i < WEBHOOK_KINDS_MAX; i++) {
		kinds->names[i] = strdup(from->kinds[i]);
		ok = kinds->names[i] != NULL;
		kinds->count += ok;
	}
	if (ok)
		return kinds;
	free_kinds(kinds);
	return NULL;
}

bool webhook_follow(struct webhook *w, const struct webhook_settings *from)
{
	struct settings *next = settings_of(from), *before;
	struct kinds *kinds = kinds_of(from), *kinds_before;

	if (!next || !kinds) {
		free_settings(next);
		free_kinds(kinds);
		return false;
	}
	pthread_mutex_lock(&w->lock);
	before = w->next;
	w->next = next;
	kinds_before = w->kinds;
	w->kinds = kinds;
	pthread_mutex_unlock(&w->lock);
	free_settings(before);
	free_kinds(kinds_before);
	agent_bell(&w->thread.agent);
	return true;
}

/* The batch that is under way, with what of an answer has come. */
static void give_up(struct webhook *w)
{
	if (!fetch_under_way(&w->fetch))
		return;
	fetch_cancel(w->fetcher, &w->fetch);
	fetch_wipe(&w->fetch);
}

/* What was refused may be taken now. */
static void take_settings(struct webhook *w)
{
	struct settings *next;

	pthread_mutex_lock(&w->lock);
	next = w->next;
	w->next = NULL;
	pthread_mutex_unlock(&w->lock);
	if (!next)
		return;
	/* What is under way goes by the ones before. */
	give_up(w);
	free(w->body);
	w->body = NULL;
	/* What waits stays, though nothing is said of it any more. */
	if (!next->url)
		next->size_max = w->settings->size_max;
	free_settings(w->settings);
	w->settings = next;
	w->retry_ns = w->told_ns = 0;
	w->limit = WEBHOOK_BATCH_MAX;
}

/* ---- the journal ------------------------------------------------------------------------------------------------ */

static void left_out(struct webhook *w, uint64_t count, const char *reason)
{
	if (count == 0)
		return;
	atomic_fetch_add_explicit(&w->counts.left_out, count, memory_order_relaxed);
	w->left_out += count;
	snprintf(w->left_out_why, sizeof(w->left_out_why), "%s", reason);
	w->unsaved = true;
}

/* One for all of some seconds: a disk that is full stays so. */
static void tell_left_out(struct webhook *w)
{
	uint64_t now_ns = clock_monotonic_ns();

	if (w->left_out == 0 || now_ns < w->left_out_ns)
		return;
	event_webhook_left_out(w->log, w->left_out, w->left_out_why);
	w->left_out = 0;
	w->left_out_ns = now_ns + LEFT_OUT_S * CLOCK_NS_PER_S;
}

static uint64_t count_lines(const char *lines, size_t length)
{
	uint64_t count = 0;

	for (const char *at = lines; (at = memchr(at, '\n', length - (size_t)(at - lines))); at++)
		count++;
	return count;
}

static void keep(struct webhook *w, const char *lines, size_t length)
{
	uint64_t count = count_lines(lines, length);
	int r = -ENOSPC;

	if (w->came_ns == 0)
		w->came_ns = clock_monotonic_ns();
	if (disk_has_room(w->journal.directory))
		r = webhook_journal_add(&w->journal, lines, length, count);
	else
		webhook_journal_skip(&w->journal, count);
	if (r < 0)
		left_out(w, count, r == -ENOSPC ? DISK_NEARLY_FULL : strerror(-r));
}

/* What found no room in a ring. */
static void count_refused(struct webhook *w, struct line_ring *ring)
{
	uint64_t refused = line_ring_refused(ring), more = refused - line_ring_told(ring);

	if (more == 0)
		return;
	webhook_journal_skip(&w->journal, more);
	left_out(w, more, "they came faster than they could be written");
	line_ring_drop(ring, 0, w->journal.next);
	line_ring_tell(ring, refused);
}

static void collect(struct webhook *w)
{
	size_t length;

	/* As much as was there; a log that is faster than this disk does not keep it from all else. A line leaves the
	 * ring when the kernel has it, so it is not lost when this process is killed. */
	for (unsigned i = 0; i < PIECES_MOST && (length = line_ring_look(w->ring, w->piece, sizeof(w->piece))) > 0;
	     i++) {
		keep(w, w->piece, length);
		line_ring_drop(w->ring, length, w->journal.next);
	}
	count_refused(w, w->ring);
	left_out(w, webhook_journal_bound(&w->journal, w->settings->size_max), "events.webhook.size_max was reached");
	tell_left_out(w);
}

/* What waited for the thread when a process was killed: behind the lines that it had kept, which its mark tells. */
static void take_before(struct webhook *w, struct line_ring *ring)
{
	uint64_t there;
	size_t length;

	webhook_journal_at(&w->journal, line_ring_mark(ring));
	there = w->journal.next - line_ring_mark(ring);
	while ((length = line_ring_look(ring, w->piece, sizeof(w->piece))) > 0) {
		const char *at = w->piece, *end = w->piece + length;
		/* No more than one piece was kept and not dropped; of another journal nothing is known. */
		there = there > count_lines(w->piece, length) ? 0 : there;
		for (; there > 0 && at < end; there--)
			at = (const char *)memchr(at, '\n', (size_t)(end - at)) + 1;
		if (at < end)
			keep(w, at, (size_t)(end - at));
		line_ring_drop(ring, length, w->journal.next - there);
	}
	count_refused(w, ring);
}

static void save(struct webhook *w)
{
	w->unsaved = webhook_journal_save(&w->journal) < 0;
	w->save_ns = clock_monotonic_ns() + SAVE_S * CLOCK_NS_PER_S;
}

/* ---- one batch -------------------------------------------------------------------------------------------------- */

/* RFC 3339 in the first field of a line. */
static uint64_t time_of(const char *line)
{
	const char *text = line + strlen("{\"time\":\"");
	struct tm tm = {0};
	const char *end = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);

	return end ? (uint64_t)timegm(&tm) * CLOCK_NS_PER_S : 0;
}

static void failed(struct webhook *w, unsigned status, const char *problem, uint64_t after_s)
{
	uint64_t now_ns = clock_monotonic_ns(), pause_s = UINT64_C(1) << (w->failures < 9 ? w->failures : 9);

	pause_s = pause_s < PAUSE_MOST_S ? pause_s : PAUSE_MOST_S;
	if (after_s > 0)
		pause_s = after_s < AFTER_MOST_S ? after_s : AFTER_MOST_S;
	if (status == 410)
		pause_s = GONE_S;
	if (w->failures++ == 0)
		w->failed_ns = now_ns;
	atomic_fetch_add_explicit(&w->counts.failures, 1, memory_order_relaxed);
	w->retry_ns = now_ns + pause_s * CLOCK_NS_PER_S;
	if (w->told_ns && now_ns < w->told_ns + TOLD_S * CLOCK_NS_PER_S && status != 410)
		return;
	w->told_ns = now_ns;
	event_webhook_failed(w->log,
			     &(struct event_webhook_failed){.host = w->settings->host,
							    .status = status,
							    .problem = problem,
							    .failures = w->failures,
							    .waiting = webhook_journal_waiting(&w->journal),
							    .again_s = status == 410 ? 0 : pause_s,
							    .act = status >= 400 && status < 500 && status != 408 &&
								   status != 425 && status != 429});
}

static const char *meaning_of(const struct fetch *fetch)
{
	switch (fetch->status) {
	case 0:
		return fetch->problem;
	case 401:
	case 403:
		return "it does not let this relay in: look at events.webhook.secret_file and at the URL";
	case 404:
		return "there is nobody at that URL: look at events.webhook.url";
	case 410:
		return "it wants nothing more: nothing is sent until postrider is reloaded or restarted";
	case 413:
		return "a batch is too large for it: the next one is half as large, and one event by itself is left "
		       "out when it was refused three times";
	case 429:
		return "it wants to be asked less often";
	default:
		return fetch->status < 200   ? "it wants to say more, and does not"
		       : fetch->status < 300 ? "it is taken"
		       : fetch->status < 400 ? "it is somewhere else, which is not followed: write that URL into "
					       "events.webhook.url"
		       : fetch->status < 500 ? "it does not want what it was sent"
					     : "the receiver has failed";
	}
}

/* Those behind it would wait for ever. */
static void pass_over(struct webhook *w)
{
	webhook_journal_pass(&w->journal);
	left_out(w, 1, "the receiver says that one by itself is too large for it (413)");
	w->alone = 0;
	w->retry_ns = 0;
}

static void on_answer(struct fetch *fetch)
{
	struct webhook *w = container_of(fetch, struct webhook, fetch);
	uint64_t count = w->last - w->first + 1;
	const char *meaning = meaning_of(fetch);

	free(w->body);
	w->body = NULL;
	if (fetch->status >= 200 && fetch->status < 300) {
		webhook_journal_done(&w->journal, w->last);
		w->unsaved = true;
		w->limit = w->limit < WEBHOOK_BATCH_MAX / 2 ? w->limit * 2 : WEBHOOK_BATCH_MAX;
		atomic_fetch_add_explicit(&w->counts.sent, count, memory_order_relaxed);
		w->retry_ns = 0;
		if (w->failures > 0)
			event_webhook_ok(w->log, w->settings->host, w->failures,
					 (clock_monotonic_ns() - w->failed_ns) / CLOCK_NS_PER_MS,
					 webhook_journal_waiting(&w->journal));
		w->failures = w->told_ns = 0;
		w->came_ns = webhook_journal_waiting(&w->journal) > 0 ? 1 : 0;
		w->alone = 0;
	} else {
		/* Other events are another batch, and have another id. */
		if (fetch->status == 413 && count > 1) {
			w->limit = (unsigned)(count / 2);
			w->journal.sending = w->journal.done;
		}
		w->alone = fetch->status == 413 && count == 1 ? w->alone + 1 : 0;
		failed(w, fetch->status, meaning, fetch->retry_after_s);
		if (w->alone == ALONE_MOST)
			pass_over(w);
	}
	fetch_wipe(fetch);
}

/* From w->lines. */
static bool compose(struct webhook *w, size_t length)
{
	size_t size = length + 512, n;
	uint64_t gap = w->first - w->journal.done - 1;

	w->body = malloc(size);
	if (!w->body)
		return false;
	snprintf(w->id, sizeof(w->id), "%s-%" PRIu64 "-%" PRIu64, w->journal.name, w->first, w->last);
	n = (size_t)snprintf(w->body, size,
			     "{\"id\":\"%s\",\"relay\":\"%.255s\",\"first\":%" PRIu64 ",\"last\":%" PRIu64
			     ",\"left_out\":%" PRIu64 ",\"events\":[",
			     w->id, w->settings->relay, w->first, w->last, gap);
	memcpy(w->body + n, w->lines, length);
	for (size_t i = n; i + 1 < n + length; i++) {
		if (w->body[i] == '\n')
			w->body[i] = ',';
	}
	n += length - 1;
	memcpy(w->body + n, "]}", 3);
	w->fetch = (struct fetch){.body = w->body, .body_length = n + 2};
	return true;
}

/* By what is in the file now: whoever replaces a secret need not reload. */
static bool sign_batch(struct webhook *w, char problem[FETCH_PROBLEM_SIZE])
{
	const struct span body = {w->fetch.body, (uint32_t)w->fetch.body_length};
	int64_t now_s = (int64_t)(clock_wall_ns() / CLOCK_NS_PER_S);
	struct secret secret = {0};
	int r = secret_read(w->settings->secret_file, &secret);
	bool ok = r == 0 && webhook_sign(secret.text, secret.length, w->id, now_s, body, w->signature);

	if (!ok)
		snprintf(problem, FETCH_PROBLEM_SIZE, "events.webhook.secret_file: %s",
			 r < 0 ? strerror(-r) : "a secret has 16 to 256 octets, and a file at most two of them");
	secret_wipe(&secret);
	snprintf(w->stamp, sizeof(w->stamp), "%" PRId64, now_s);
	return ok;
}

static void post(struct webhook *w)
{
	const char *headers[] = {"webhook-id", w->id, "webhook-timestamp", w->stamp, "webhook-signature",
				 w->signature, NULL};

	memcpy(w->headers, headers, sizeof(headers));
	w->fetch.url = w->settings->url;
	w->fetch.ca_file = w->settings->ca_file;
	w->fetch.content_type = "application/json";
	w->fetch.more_headers = w->headers;
	w->fetch.most = ANSWER_MOST;
	w->fetch.any_length = true;
	w->fetch.fn = on_answer;
	fetch_start(w->fetcher, &w->fetch);
}

static void begin_batch(struct webhook *w)
{
	char problem[FETCH_PROBLEM_SIZE];
	unsigned most = w->limit < w->settings->batch ? w->limit : w->settings->batch;
	size_t length;
	int n;

	if (w->journal.sending <= webhook_journal_behind(&w->journal))
		webhook_journal_rename(&w->journal);
	/* A batch of which more were being sent, when the limit was another, goes as it was. */
	if (w->journal.sending > webhook_journal_behind(&w->journal) && w->limit == WEBHOOK_BATCH_MAX)
		most = WEBHOOK_BATCH_MAX;
	n = webhook_journal_read(&w->journal, most, w->lines, sizeof(w->lines), &w->first, &length);
	if (n == -ENOENT || n == -EBADMSG) {
		left_out(w, webhook_journal_lose(&w->journal), "a file of theirs beside the spool is gone, or cut off");
		return;
	}
	if (n < 0)
		failed(w, 0, strerror(-n), 0);
	if (n <= 0)
		return;
	w->last = w->first + (unsigned)n - 1;
	atomic_store_explicit(&w->counts.oldest_wall_ns, time_of(w->lines), memory_order_relaxed);
	if (!compose(w, length)) {
		failed(w, 0, "out of memory", 0);
		return;
	}
	n = webhook_journal_send(&w->journal, w->last);
	if (n == 0 && sign_batch(w, problem)) {
		post(w);
		return;
	}
	failed(w, 0, n < 0 ? strerror(-n) : problem, 0);
	free(w->body);
	w->body = NULL;
}

static void look(struct webhook *w)
{
	uint64_t waiting = webhook_journal_waiting(&w->journal), now_ns = clock_monotonic_ns();

	atomic_store_explicit(&w->counts.waiting, waiting, memory_order_relaxed);
	if (waiting == 0)
		atomic_store_explicit(&w->counts.oldest_wall_ns, 0, memory_order_relaxed);
	if (!w->settings->url || w->body || waiting == 0 || now_ns < w->retry_ns)
		return;
	if (waiting >= w->settings->batch || w->journal.sending > webhook_journal_behind(&w->journal) ||
	    now_ns >= w->came_ns + w->settings->delay_ns)
		begin_batch(w);
}

/* ---- the thread ------------------------------------------------------------------------------------------------- */

static void run(struct agent_thread *thread)
{
	struct webhook *w = container_of(thread, struct webhook, thread);

	while (!agent_thread_stopping(thread)) {
		uint64_t wait_ns = LOOK_MS * CLOCK_NS_PER_MS, fetcher_ns;
		take_settings(w);
		collect(w);
		look(w);
		if (w->unsaved && clock_monotonic_ns() >= w->save_ns)
			save(w);
		fetcher_ns = fetcher_wait_ns(w->fetcher, clock_monotonic_ns());
		(void)agent_thread_wait(thread, fetcher_fd(w->fetcher), wait_ns < fetcher_ns ? wait_ns : fetcher_ns);
		fetcher_process(w->fetcher);
	}
	give_up(w);
	collect(w);
	save(w);
}

static void free_all(struct webhook *w)
{
	fetcher_free(w->fetcher);
	webhook_journal_close(&w->journal);
	if (w->own_ring)
		line_ring_free(w->ring);
	free(w->body);
	free_settings(w->settings);
	free_settings(w->next);
	free_kinds(w->kinds);
	pthread_mutex_destroy(&w->lock);
	free(w);
}

static bool open_journal(struct webhook *w, const char *directory)
{
	bool damaged;
	int r = webhook_journal_open(&w->journal, directory, &damaged);

	if (r < 0)
		event_webhook_unread(w->log, directory, strerror(-r));
	else if (damaged)
		event_webhook_unread(
			w->log, directory,
			"its state is no file of this version, or cut off, and was set aside: events may be "
			"sent again under another id");
	return r == 0;
}

/* What was said before comes before what is said now. */
static void begin(struct webhook *w, const struct webhook_memory *memory)
{
	for (unsigned i = 0; i < memory->before_count; i++) {
		if (memory->before[i])
			take_before(w, memory->before[i]);
	}
	line_ring_drop(w->ring, 0, w->journal.next);
	if (webhook_journal_waiting(&w->journal) > 0)
		w->came_ns = 1;
}

struct webhook *webhook_start(const char *directory, const struct webhook_settings *settings,
			      const struct webhook_memory *memory, struct log *log)
{
	struct webhook *w = fetch_global_init() == 0 ? calloc(1, sizeof(*w)) : NULL;

	if (!w)
		return NULL;
	pthread_mutex_init(&w->lock, NULL);
	w->log = log;
	w->journal.fd = -1;
	w->limit = WEBHOOK_BATCH_MAX;
	w->own_ring = !memory->ring;
	w->ring = w->own_ring ? line_ring_new(WEBHOOK_RING) : memory->ring;
	w->fetcher = fetcher_new();
	w->settings = settings_of(settings);
	w->kinds = kinds_of(settings);
	if (w->ring && w->fetcher && w->settings && w->kinds && open_journal(w, directory)) {
		begin(w, memory);
		if (agent_thread_start(&w->thread, "webhook", 1, run) == 0)
			return w;
	}
	free_all(w);
	return NULL;
}

void webhook_stop(struct webhook *w)
{
	if (!w)
		return;
	agent_thread_stop(&w->thread);
	free_all(w);
}

const struct webhook_counts *webhook_counts(const struct webhook *w)
{
	return &w->counts;
}
