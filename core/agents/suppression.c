/*
 * core/agents/suppression.c - see suppression.h.
 */
#include "core/agents/suppression.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/agents/suppression_file.h"
#include "core/base/clock.h"
#include "core/base/list.h"
#include "core/base/random.h"
#include "core/base/rounds.h"
#include "core/base/stack.h"
#include "core/events/suppression.h"

enum { LOOK_MS = 1000, READ_SIZE = 1 << 20, ADDITIONS_MAX = 100000, BATCH = 1 << 20 };

struct addition {
	struct stack_link link;
	enum suppression_reason reason;
	uint32_t address_length, note_length;
	char text[]; /* both */
};

struct suppression {
	struct suppressed set;
	struct stack additions;     /* struct addition, owned */
	_Atomic(uint32_t) waiting;  /* of these */
	_Atomic(uint32_t) lost;     /* that found no room */
	_Atomic(uint64_t) grown_ns; /* wall time of the last look that found somebody */
	char *directory, *path;
	struct log *log;
	struct rounds rounds;
	/* Of the thread: which file it has read, and how far. It is kept open (-1: none): else the next one that is
	 * made could get its number. */
	int held;
	dev_t device;
	ino_t inode;
	off_t read;
	size_t bad; /* lines */
	bool failed, unwritten;
};

/* ---- reading ---------------------------------------------------------------------------------------------------- */

struct reading {
	struct suppressed *set;
	bool grew, no_memory;
};

static void apply(void *context, const struct suppression_entry *entry)
{
	struct reading *reading = context;

	if (entry->removed)
		suppressed_remove(reading->set, entry->address);
	else if (suppressed_add(reading->set, entry->address, entry->reason))
		reading->grew = true;
	else
		reading->no_memory = true;
}

/* Of `room`, with `n` octets of the file: what was read of it. *within: of a line that is longer than all of it, and
 * none of ours: the rest is passed over, as far as it goes. */
static size_t read_piece(struct suppression *s, const char *room, size_t n, bool *within, struct reading *reading)
{
	const char *end = *within ? memchr(room, '\n', n) : NULL;
	size_t over = 0, bad, whole;

	if (*within) {
		over = end ? (size_t)(end - room) + 1 : n;
		*within = !end;
	}
	whole = over + suppression_read(room + over, n - over, apply, reading, &bad);
	s->bad += bad;
	if (whole == 0 && n == READ_SIZE) {
		s->bad++;
		*within = true;
		return n;
	}
	return whole;
}

/* Whole lines from `at` on. Where they end; -errno. */
static off_t read_lines(struct suppression *s, int fd, off_t at, struct reading *reading)
{
	char *room = malloc(READ_SIZE);
	bool within = false;
	off_t r = at;

	if (!room)
		return -ENOMEM;
	for (;;) {
		ssize_t n = pread(fd, room, READ_SIZE, r);
		size_t whole;
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			r = -errno;
			break;
		}
		whole = read_piece(s, room, (size_t)n, &within, reading);
		r += (off_t)whole;
		if (reading->no_memory)
			r = -ENOMEM;
		/* The end, or a line that is being written. */
		if (r < 0 || whole == 0)
			break;
	}
	free(room);
	return r;
}

static void hold(struct suppression *s, int fd)
{
	if (s->held >= 0 && s->held != fd)
		close(s->held);
	s->held = fd;
}

/* Another file than before, or the first. */
static int read_all(struct suppression *s, int fd, const struct stat *st)
{
	struct suppressed next;
	struct reading reading = {.set = &next};
	off_t end;

	suppressed_init(&next, s->set.seed);
	s->bad = 0;
	end = read_lines(s, fd, 0, &reading);
	if (end >= 0)
		suppressed_take(&s->set, &next);
	suppressed_deinit(&next);
	if (end < 0)
		return (int)end;
	hold(s, fd);
	s->device = st->st_dev;
	s->inode = st->st_ino;
	s->read = end;
	atomic_store(&s->grown_ns, clock_wall_ns());
	event_suppression_read(s->log, s->path, suppressed_count(&s->set), suppressed_octets(&s->set), s->bad);
	return 0;
}

static int read_more(struct suppression *s, int fd)
{
	struct reading reading = {.set = &s->set};
	off_t end = read_lines(s, fd, s->read, &reading);

	if (reading.grew)
		atomic_store(&s->grown_ns, clock_wall_ns());
	if (end < 0)
		return (int)end;
	s->read = end;
	return 0;
}

/* A list that was taken away is still in force: nobody empties it by accident. */
static int look(struct suppression *s)
{
	int fd = open(s->path, O_RDONLY | O_CLOEXEC), r = 0;
	struct stat st;

	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	if (fstat(fd, &st) < 0)
		r = -errno;
	else if (st.st_dev != s->device || st.st_ino != s->inode || st.st_size < s->read)
		r = read_all(s, fd, &st);
	else if (st.st_size > s->read)
		r = read_more(s, fd);
	if (fd != s->held)
		close(fd);
	return r;
}

static void follow(struct suppression *s)
{
	int r = look(s);

	if (r < 0 && !s->failed)
		event_suppression_unread(s->log, s->path, strerror(-r));
	s->failed = r < 0;
}

/* ---- writing ---------------------------------------------------------------------------------------------------- */

static void give_back(struct suppression *s, struct stack_link *list)
{
	while (list) {
		struct stack_link *next = list->next;
		(void)stack_push(&s->additions, list);
		list = next;
	}
}

/* As many as fit `out`. Returns those that are left. */
static struct stack_link *format(struct stack_link *list, char *out, size_t *length)
{
	uint64_t wall_s = clock_wall_ns() / CLOCK_NS_PER_S;

	for (*length = 0; list && *length + SUPPRESSION_LINE_MAX <= BATCH; list = list->next) {
		const struct addition *one = container_of(list, struct addition, link);
		const struct suppression_entry entry = {
			.wall_s = wall_s,
			.reason = one->reason,
			.address = {one->text, one->address_length},
			.note = {one->text + one->address_length, one->note_length},
		};
		*length += suppression_format(&entry, out + *length);
	}
	return list;
}

static void forget(struct suppression *s, struct stack_link *from, const struct stack_link *to)
{
	while (from != to) {
		struct stack_link *next = from->next;
		free(container_of(from, struct addition, link));
		atomic_fetch_sub(&s->waiting, 1);
		from = next;
	}
}

static void write_additions(struct suppression *s)
{
	struct stack_link *list = stack_take_in_order(&s->additions);
	char *out = list ? malloc(BATCH) : NULL;
	uint32_t lost = atomic_exchange(&s->lost, 0);
	int r = list && !out ? -ENOMEM : 0;

	while (list && r == 0) {
		size_t length;
		struct stack_link *rest = format(list, out, &length);
		r = suppression_append(s->path, out, length);
		if (r == 0) {
			forget(s, list, rest);
			list = rest;
		}
	}
	free(out);
	/* Again with the next look. */
	give_back(s, list);
	if ((r < 0 && !s->unwritten) || lost > 0)
		event_suppression_unwritten(s->log, s->path, r < 0 ? strerror(-r) : "too many at a time",
					    atomic_load(&s->waiting), lost);
	s->unwritten = r < 0;
}

void suppression_add(struct suppression *s, struct span address, enum suppression_reason reason, struct span note)
{
	char name[SMTP_PATH_MAX];
	size_t length = suppressed_name(address, name);
	size_t said = note.length < SUPPRESSION_NOTE_MAX ? note.length : SUPPRESSION_NOTE_MAX;
	struct addition *one = NULL;

	if (length == 0)
		return;
	if (atomic_fetch_add(&s->waiting, 1) < ADDITIONS_MAX)
		one = malloc(sizeof(*one) + length + said);
	if (!one) {
		atomic_fetch_sub(&s->waiting, 1);
		atomic_fetch_add(&s->lost, 1);
		return;
	}
	*one = (struct addition){.reason = reason, .address_length = (uint32_t)length, .note_length = (uint32_t)said};
	memcpy(one->text, name, length);
	if (said > 0)
		memcpy(one->text + length, note.data, said);
	(void)stack_push(&s->additions, &one->link);
}

/* ---- asked by shards -------------------------------------------------------------------------------------------- */

enum suppression_reason suppression_find(struct suppression *s, unsigned shard, struct span address)
{
	return s ? suppressed_find(&s->set, shard, address) : SUPPRESSION_NONE;
}

bool suppression_grew_since(const struct suppression *s, uint64_t wall_ns)
{
	return s && atomic_load_explicit((_Atomic(uint64_t) *)(uintptr_t)&s->grown_ns, memory_order_relaxed) >= wall_ns;
}

const char *suppression_directory(const struct suppression *s)
{
	return s->directory;
}

/* ---- the thread ------------------------------------------------------------------------------------------------- */

static void *run(void *context)
{
	struct suppression *s = context;

	(void)prctl(PR_SET_NAME, "suppression");
	pthread_mutex_lock(&s->rounds.lock);
	while (!s->rounds.stopping) {
		(void)rounds_sleep(&s->rounds, LOOK_MS * CLOCK_NS_PER_MS);
		pthread_mutex_unlock(&s->rounds.lock);
		write_additions(s);
		follow(s);
		pthread_mutex_lock(&s->rounds.lock);
	}
	pthread_mutex_unlock(&s->rounds.lock);
	/* What was added while it looked, and the end came before it slept. */
	write_additions(s);
	return NULL;
}

static void free_all(struct suppression *s)
{
	forget(s, stack_take(&s->additions), NULL);
	hold(s, -1);
	suppressed_deinit(&s->set);
	free(s->directory);
	free(s->path);
	free(s);
}

struct suppression *suppression_start(const char *directory, struct log *log)
{
	struct suppression *s = aligned_alloc(_Alignof(struct suppression), sizeof(*s));
	uint64_t seed;

	if (!s)
		return NULL;
	memset(s, 0, sizeof(*s));
	s->held = -1;
	random_bytes(&seed, sizeof(seed));
	suppressed_init(&s->set, seed);
	s->log = log;
	s->directory = strdup(directory);
	s->path = malloc(strlen(directory) + sizeof("/suppressed"));
	if (s->path)
		sprintf(s->path, "%s/suppressed", directory);
	if (s->directory && s->path) {
		/* Before the first client is answered. Of a list that is there and cannot be read nobody is known: all
		 * who are in it would get mail. */
		follow(s);
		if (!s->failed && rounds_start(&s->rounds, run, s))
			return s;
	}
	free_all(s);
	return NULL;
}

void suppression_stop(struct suppression *s)
{
	if (!s)
		return;
	rounds_stop(&s->rounds);
	free_all(s);
}
