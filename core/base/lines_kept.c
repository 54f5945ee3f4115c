/*
 * core/base/lines_kept.c - see lines_kept.h.
 */
#include "core/base/lines_kept.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "core/base/line_ring.h"
#include "core/base/log.h"
#include "core/base/log_private.h"
#include "core/base/text_mark.h"

#define TMPFS 0x01021994
/* Another one whenever the header, struct log or struct line_ring changes. */
#define MAGIC "postrider lines3"
enum { PAGE = 4096, LOGS_MAX = 4096 };
#define CAPACITY_MAX (UINT64_C(1) << 30)

/* At the beginning of a file. */
struct header {
	char magic[16]; /* written last */
	uint64_t generation;
	uint64_t tries; /* processes that began to move what is there, and have not said that they survived it */
	uint64_t shards, others, shard_capacity, other_capacity, ring;
	char of[PAGE / 2];
};

struct file {
	int fd;               /* -1: there is none */
	struct header *there; /* mapped; NULL: it is empty */
	size_t length;
	struct log **logs; /* owned; of others: those that hold something */
	unsigned log_count;
	struct line_ring *ring;
};

struct lines_kept {
	struct file own, before[LINES_KEPT_FILES];
	unsigned before_count, unsound;
	struct log **logs; /* owned; all of `before` */
	unsigned log_count;
	struct line_ring *rings[LINES_KEPT_FILES];
	uint64_t lines;
};

static_assert(sizeof(struct header) <= PAGE, "a page");

/* ---- where what is ---------------------------------------------------------------------------------------------- */

static size_t in_pages(size_t octets)
{
	return (octets + PAGE - 1) / PAGE * PAGE;
}

static size_t log_at(const struct header *h, unsigned index)
{
	size_t shard = in_pages(log_footprint(h->shard_capacity)), other = in_pages(log_footprint(h->other_capacity));

	return index < h->shards ? PAGE + index * shard : PAGE + h->shards * shard + (index - h->shards) * other;
}

static size_t ring_at(const struct header *h)
{
	return log_at(h, (unsigned)(h->shards + h->others));
}

static size_t length_of(const struct header *h)
{
	return ring_at(h) + in_pages(line_ring_footprint(h->ring));
}

static void *within(const struct file *f, size_t at)
{
	return (char *)f->there + at;
}

static bool is_power(uint64_t size)
{
	return size >= (uint64_t)4 * LOG_EVENT_MAX && size <= CAPACITY_MAX && (size & (size - 1)) == 0;
}

/* ---- files ------------------------------------------------------------------------------------------------------ */

static const char *directory_of(const struct lines_kept_plan *plan, char out[PATH_MAX])
{
	const char *runtime = getenv("RUNTIME_DIRECTORY");

	if (plan->directory)
		return plan->directory;
	if (!runtime || runtime[0] != '/')
		return "/dev/shm";
	/* There may be several of them. */
	snprintf(out, PATH_MAX, "%.*s", (int)strcspn(runtime, ":"), runtime);
	return out;
}

/* 0 or -errno; -EBUSY: of a process that runs. */
static int open_file(struct file *f, const char *path)
{
	struct stat status;

	f->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (f->fd < 0 || fstat(f->fd, &status) < 0)
		return -errno;
	/* In a directory that everybody writes somebody else may have been faster. */
	if (!S_ISREG(status.st_mode) || status.st_uid != geteuid() || status.st_nlink != 1)
		return -EPERM;
	if (flock(f->fd, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? -EBUSY : -errno;
	/* Who had it may have emptied it meanwhile. */
	if (fstat(f->fd, &status) < 0)
		return -errno;
	f->length = (size_t)status.st_size;
	return 0;
}

static int map_file(struct file *f)
{
	void *memory = mmap(NULL, f->length, PROT_READ | PROT_WRITE, MAP_SHARED, f->fd, 0);

	if (memory == MAP_FAILED)
		return -errno;
	f->there = memory;
	return 0;
}

static void empty(struct file *f)
{
	if (f->there)
		(void)munmap(f->there, f->length);
	f->there = NULL;
	free(f->logs);
	f->logs = NULL;
	f->log_count = 0;
	f->ring = NULL;
	if (f->fd >= 0)
		(void)ftruncate(f->fd, 0);
	f->length = 0;
}

static void leave(struct file *f)
{
	if (f->there)
		(void)munmap(f->there, f->length);
	f->there = NULL;
	free(f->logs);
	f->logs = NULL;
	if (f->fd >= 0)
		close(f->fd);
	f->fd = -1;
}

/* ---- what others have left -------------------------------------------------------------------------------------- */

/* From where it is read on: a line that was half written is not begun in its middle. */
static uint64_t whole_from(const struct log *log, uint64_t at, uint64_t head)
{
	static const char begins[] = "{\"time\":";
	const char *line = log->buffer + (at & (log->capacity - 1)), *eol;

	if (at == head || memcmp(line, begins, sizeof(begins) - 1) == 0)
		return at;
	eol = memchr(line, '\n', LOG_EVENT_MAX);
	return eol ? at + (uint64_t)(eol + 1 - line) : head + 1;
}

/* False: it cannot be believed. *lines: those that no tap has seen. */
static bool take_log(struct log *log, uint64_t capacity, uint64_t *lines)
{
	uint64_t tail = atomic_load(&log->tail), head = atomic_load(&log->head), shown = atomic_load(&log->shown), at;

	*lines = 0;
	if (log->capacity != capacity || tail > head || head - tail > capacity || shown > head)
		return false;
	log->buffer = (char *)(log + 1);
	log->kept = true;
	tail = at = whole_from(log, tail, head);
	while (at < head) {
		const char *line = log->buffer + (at & (capacity - 1)), *eol = memchr(line, '\n', LOG_EVENT_MAX);
		if (!eol || line[0] != '{' || memchr(line, '\0', (size_t)(eol - line)))
			return false;
		*lines += at >= shown;
		at += (uint64_t)(eol + 1 - line);
	}
	if (at != head)
		return false;
	atomic_store(&log->tail, tail);
	return true;
}

static bool is_whole(const struct file *f, const char *of)
{
	const struct header *h = f->there;

	return f->length > PAGE && memcmp(h->magic, MAGIC, sizeof(h->magic)) == 0 && h->shards <= LOGS_MAX &&
	       h->others <= LOGS_MAX && is_power(h->shard_capacity) && is_power(h->other_capacity) &&
	       is_power(h->ring) && length_of(h) == f->length && h->tries < LINES_KEPT_TRIES &&
	       strncmp(h->of, of, sizeof(h->of)) == 0;
}

/* False: it cannot be believed. */
static bool take_before(struct lines_kept *kept, struct file *f, const char *of)
{
	unsigned count;
	uint64_t lines, all = 0;

	if (map_file(f) < 0 || !is_whole(f, of))
		return false;
	count = (unsigned)(f->there->shards + f->there->others);
	f->logs = calloc(count ? count : 1, sizeof(*f->logs));
	for (unsigned i = 0; f->logs && i < count; i++) {
		struct log *log = within(f, log_at(f->there, i));
		if (!take_log(log, i < f->there->shards ? f->there->shard_capacity : f->there->other_capacity, &lines))
			return false;
		all += lines;
		if (!log_is_moved(log))
			f->logs[f->log_count++] = log;
	}
	f->ring = within(f, ring_at(f->there));
	if (!f->logs || !line_ring_is_sound(f->ring, f->there->ring))
		return false;
	kept->lines += all;
	return true;
}

/* A start that failed, or was killed before it had anything to say. An empty ring that somebody has taken from is not
 * nothing: its mark tells up to where. */
static bool says_nothing(const struct file *f)
{
	return f->log_count == 0 && line_ring_is_empty(f->ring) && line_ring_mark(f->ring) == 0 &&
	       line_ring_refused(f->ring) == 0;
}

static int by_generation(const void *a, const void *b)
{
	const struct file *one = a, *other = b;

	return one->there->generation < other->there->generation ? -1 : 1;
}

static bool collect(struct lines_kept *kept)
{
	unsigned count = 0;

	qsort(kept->before, kept->before_count, sizeof(kept->before[0]), by_generation);
	for (unsigned i = 0; i < kept->before_count; i++)
		count += kept->before[i].log_count;
	kept->logs = calloc(count ? count : 1, sizeof(*kept->logs));
	for (unsigned i = 0; kept->logs && i < kept->before_count; i++) {
		struct file *f = &kept->before[i];
		memcpy(kept->logs + kept->log_count, f->logs, f->log_count * sizeof(*f->logs));
		kept->log_count += f->log_count;
		kept->rings[i] = f->ring;
	}
	return kept->logs;
}

/* ---- one of its own --------------------------------------------------------------------------------------------- */

static int make_own(struct lines_kept *kept, const struct lines_kept_plan *plan)
{
	struct header h = {.generation = 1,
			   .shards = plan->shards,
			   .others = plan->others,
			   .shard_capacity = plan->shard_capacity,
			   .other_capacity = plan->other_capacity,
			   .ring = plan->ring};
	struct file *f = &kept->own;
	int r;

	for (unsigned i = 0; i < kept->before_count; i++) {
		if (kept->before[i].there->generation >= h.generation)
			h.generation = kept->before[i].there->generation + 1;
	}
	snprintf(h.of, sizeof(h.of), "%s", plan->of);
	f->length = length_of(&h);
	r = -posix_fallocate(f->fd, 0, (off_t)f->length);
	if (r == 0)
		r = map_file(f);
	if (r < 0) {
		(void)ftruncate(f->fd, 0);
		return r;
	}
	*f->there = h;
	f->ring = line_ring_make(within(f, ring_at(&h)), plan->ring);
	return 0;
}

struct log *lines_kept_log(struct lines_kept *kept, unsigned index, int shard)
{
	struct header *h = kept->own.there;
	struct log *log;

	if (!h)
		return NULL;
	assert(index < h->shards + h->others);
	log = log_make(within(&kept->own, log_at(h, index)), shard,
		       index < h->shards ? h->shard_capacity : h->other_capacity);
	/* With the last of them there is all that the next process looks at. */
	if (index + 1 == h->shards + h->others)
		memcpy(h->magic, MAGIC, sizeof(h->magic));
	return log;
}

struct line_ring *lines_kept_ring(struct lines_kept *kept)
{
	return kept->own.ring;
}

/* ---- life ------------------------------------------------------------------------------------------------------- */

/* -errno of what is in the way. */
static int look_at(struct lines_kept *kept, const char *path, const char *of)
{
	struct file f = {.fd = -1};
	int r = open_file(&f, path);

	if (r == 0 && f.length > 0 && !take_before(kept, &f, of)) {
		/* One that was killed before it had begun has said nothing. */
		kept->unsound += f.there && f.there->magic[0] != '\0';
		empty(&f);
	} else if (r == 0 && f.length > 0 && says_nothing(&f)) {
		empty(&f);
	}
	if (r == 0 && f.length > 0) {
		kept->before[kept->before_count++] = f;
		return 0;
	}
	if (r == 0 && kept->own.fd < 0)
		kept->own = f;
	else
		leave(&f);
	return r;
}

/* All files, and where one is somebody else's the others: 0, or -errno of what ends it; *why, with the path: of what
 * keeps files from being its own. */
static int look_at_all(struct lines_kept *kept, const char *directory, const char *of, char path[PATH_MAX + 64],
		       int *why)
{
	char at[PATH_MAX + 64];
	int r = 0;

	*why = -EMFILE;
	for (unsigned i = 0; i < LINES_KEPT_FILES && r != -EBUSY; i++) {
		snprintf(at, sizeof(at), "%s/postrider-%016llx-%u", directory, (unsigned long long)text_mark(of), i);
		r = look_at(kept, at, of);
		if (r < 0 && *why == -EMFILE) {
			*why = r;
			memcpy(path, at, sizeof(at));
		}
	}
	return r == -EBUSY ? r : collect(kept) ? 0 : -ENOMEM;
}

static void tell_why(char problem[LINES_KEPT_PROBLEM], const char *path, int r)
{
	snprintf(problem, LINES_KEPT_PROBLEM, "%.120s: %s", path,
		 r == -EMEDIUMTYPE ? "it is no file system in memory (tmpfs)"
		 : r == -EBUSY     ? "another process has it"
		 : r == -EMFILE    ? "all files there hold what processes before have left"
				   : strerror(-r));
}

struct lines_kept *lines_kept_open(const struct lines_kept_plan *plan, char problem[LINES_KEPT_PROBLEM])
{
	struct lines_kept *kept = calloc(1, sizeof(*kept));
	char path[PATH_MAX + 64], room[PATH_MAX];
	const char *directory = directory_of(plan, room);
	struct statfs fs;
	int r = kept ? 0 : -ENOMEM, why;

	problem[0] = '\0';
	if (kept)
		kept->own.fd = -1;
	snprintf(path, sizeof(path), "%s", directory);
	if (r == 0 && statfs(directory, &fs) < 0)
		r = -errno;
	if (r == 0 && fs.f_type != TMPFS)
		r = -EMEDIUMTYPE;
	if (r == 0)
		r = look_at_all(kept, directory, plan->of, path, &why);
	/* What others have left is there, whether or not this one has memory of its own. */
	if (r == 0 && (why = kept->own.fd < 0 ? why : make_own(kept, plan)) < 0)
		tell_why(problem, path, why);
	if (r < 0)
		tell_why(problem, path, r);
	if (r == 0 && (!problem[0] || kept->before_count > 0))
		return kept;
	lines_kept_close(kept);
	return NULL;
}

struct log *const *lines_kept_logs_before(const struct lines_kept *kept, unsigned *count)
{
	*count = kept->log_count;
	return kept->logs;
}

struct line_ring *const *lines_kept_rings_before(const struct lines_kept *kept, unsigned *count)
{
	*count = kept->before_count;
	return kept->rings;
}

uint64_t lines_kept_lines_before(const struct lines_kept *kept, unsigned *unsound)
{
	*unsound = kept->unsound;
	return kept->lines;
}

void lines_kept_taking(struct lines_kept *kept, bool taking)
{
	for (unsigned i = 0; i < kept->before_count; i++) {
		struct header *there = kept->before[i].there;
		if (there)
			there->tries = taking ? there->tries + 1 : 0;
	}
}

static bool is_taken(const struct file *f)
{
	for (unsigned i = 0; i < f->log_count; i++) {
		if (!log_is_moved(f->logs[i]))
			return false;
	}
	return line_ring_is_empty(f->ring);
}

bool lines_kept_emptied(struct lines_kept *kept)
{
	bool all = true;

	for (unsigned i = 0; i < kept->before_count; i++) {
		if (kept->before[i].there && is_taken(&kept->before[i])) {
			empty(&kept->before[i]);
			kept->rings[i] = NULL;
		}
		all = all && !kept->before[i].there;
	}
	return all;
}

void lines_kept_close(struct lines_kept *kept)
{
	if (!kept)
		return;
	for (unsigned i = 0; i < kept->before_count; i++)
		leave(&kept->before[i]);
	if (kept->own.there && kept->own.there->magic[0] && !line_ring_is_empty(kept->own.ring))
		leave(&kept->own);
	if (kept->own.fd >= 0)
		empty(&kept->own);
	leave(&kept->own);
	free(kept->logs);
	free(kept);
}
