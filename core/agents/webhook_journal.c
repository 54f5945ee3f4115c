/*
 * core/agents/webhook_journal.c - see webhook_journal.h.
 */
#include "core/agents/webhook_journal.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/durable.h"
#include "core/base/random.h"
#include "core/config/text_file.h"

#define FORMAT "postrider webhook 1\n"
enum { DIGITS = 20, STATE_MAX = 4096, PIECE = 1 << 16 };

static bool path_of(const struct webhook_journal *journal, uint64_t first, char out[PATH_MAX])
{
	return snprintf(out, PATH_MAX, "%s/%0*" PRIu64, journal->directory, DIGITS, first) < PATH_MAX;
}

static bool beside(const struct webhook_journal *journal, const char *name, char out[PATH_MAX])
{
	return snprintf(out, PATH_MAX, "%s/%s", journal->directory, name) < PATH_MAX;
}

/* ---- state ------------------------------------------------------------------------------------------------------ */

bool webhook_state_read(struct webhook_journal *journal, const char *text, size_t length)
{
	char copy[STATE_MAX + 1], name[WEBHOOK_NAME_SIZE];
	uint64_t done, sending, next;
	int end = -1;

	if (length > STATE_MAX || memchr(text, '\0', length))
		return false;
	memcpy(copy, text, length);
	copy[length] = '\0';
	if (sscanf(copy,
		   FORMAT "name %16[0-9a-f]\ndone %20" SCNu64 "\nsending %20" SCNu64 "\nnext %20" SCNu64 "\nend%n",
		   name, &done, &sending, &next, &end) != 4 ||
	    end < 0 || strcmp(copy + end, "\n") != 0 || done > INT64_MAX || sending > INT64_MAX || next > INT64_MAX ||
	    strlen(name) != WEBHOOK_NAME_SIZE - 1)
		return false;
	memcpy(journal->name, name, sizeof(name));
	journal->done = done;
	journal->sending = sending;
	journal->next = next;
	return true;
}

int webhook_journal_save(struct webhook_journal *journal)
{
	char path[PATH_MAX], text[256];
	int n = snprintf(text, sizeof(text),
			 FORMAT "name %s\ndone %" PRIu64 "\nsending %" PRIu64 "\nnext %" PRIu64 "\nend\n",
			 journal->name, journal->done, journal->sending, journal->next);

	return beside(journal, "state", path) ? durable_replace(path, text, (size_t)n) : -ENAMETOOLONG;
}

static void new_name(char name[WEBHOOK_NAME_SIZE])
{
	uint64_t octets;

	random_bytes(&octets, sizeof(octets));
	snprintf(name, WEBHOOK_NAME_SIZE, "%016" PRIx64, octets);
}

void webhook_journal_rename(struct webhook_journal *journal)
{
	memcpy(journal->name, journal->own, sizeof(journal->name));
}

/* 0 or -errno. */
static int read_state(struct webhook_journal *journal, bool *damaged)
{
	char path[PATH_MAX], kept[PATH_MAX], *text;
	size_t length;
	bool opened;
	int r;

	new_name(journal->own);
	webhook_journal_rename(journal);
	if (!beside(journal, "state", path))
		return -ENAMETOOLONG;
	r = text_file_read(path, STATE_MAX, &text, &length, &opened);
	if (r == -ENOENT)
		return 0;
	*damaged = r < 0 || !webhook_state_read(journal, text, length);
	if (r == 0)
		free(text);
	if (*damaged)
		(void)durable_set_aside(path, kept);
	return 0;
}

/* ---- files ------------------------------------------------------------------------------------------------------ */

static struct webhook_file *new_file(struct webhook_journal *journal, uint64_t first)
{
	size_t room = journal->room ? 2 * journal->room : 8;
	struct webhook_file *more;

	if (journal->file_count == journal->room) {
		more = realloc(journal->files, room * sizeof(*more));
		if (!more)
			return NULL;
		journal->files = more;
		journal->room = room;
	}
	more = &journal->files[journal->file_count++];
	*more = (struct webhook_file){.first = first};
	return more;
}

/* Lines up to the first that is torn, as a crash leaves the last. */
static int count_lines(struct webhook_file *file, int fd)
{
	char *data = malloc(PIECE);
	size_t at = 0, line = 0;
	bool begins = true, torn = false;
	ssize_t n = 1;

	if (!data)
		return -ENOMEM;
	file->count = 0;
	while (!torn && (n = pread(fd, data, PIECE, (off_t)at)) > 0) {
		for (ssize_t i = 0; i < n && !torn; i++) {
			torn = data[i] == '\0' || (begins && data[i] != '{');
			begins = data[i] == '\n';
			file->count += begins && !torn;
			line = begins && !torn ? at + (size_t)i + 1 : line;
		}
		at += (size_t)n;
	}
	free(data);
	file->octets = line;
	file->counted = true;
	return n < 0 ? -errno : 0;
}

/* 0 or -errno. */
static int count_file(const struct webhook_journal *journal, struct webhook_file *file)
{
	char path[PATH_MAX];
	int fd, r;

	if (file->counted)
		return 0;
	if (!path_of(journal, file->first, path))
		return -ENAMETOOLONG;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	r = count_lines(file, fd);
	close(fd);
	return r;
}

static int look_at_file(struct webhook_journal *journal, uint64_t first)
{
	struct webhook_file *file = new_file(journal, first);
	char path[PATH_MAX];
	struct stat status;

	if (!file || !path_of(journal, first, path))
		return -ENOMEM;
	if (stat(path, &status) < 0)
		return -errno;
	file->octets = (size_t)status.st_size;
	return 0;
}

/* It goes on behind its last whole line. */
static int mend_last(struct webhook_journal *journal)
{
	struct webhook_file *file = &journal->files[journal->file_count - 1];
	char path[PATH_MAX];
	int fd, r;

	if (!path_of(journal, file->first, path))
		return -ENAMETOOLONG;
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	r = count_lines(file, fd);
	if (r == 0 && ftruncate(fd, (off_t)file->octets) < 0)
		r = -errno;
	close(fd);
	if (r == 0 && file->count == 0) {
		(void)unlink(path);
		journal->file_count--;
	}
	return r;
}

static int compare(const void *a, const void *b)
{
	uint64_t one = ((const struct webhook_file *)a)->first, other = ((const struct webhook_file *)b)->first;

	return one < other ? -1 : one > other;
}

static int find_files(struct webhook_journal *journal)
{
	DIR *directory = opendir(journal->directory);
	struct dirent *entry;
	int r = directory ? 0 : -errno;

	while (r == 0 && (entry = readdir(directory))) {
		char *end;
		uint64_t first = strtoull(entry->d_name, &end, 10);
		if (strlen(entry->d_name) == DIGITS && *end == '\0' && first > 0 && first < INT64_MAX)
			r = look_at_file(journal, first);
	}
	if (directory)
		closedir(directory);
	if (r < 0 || journal->file_count == 0)
		return r;
	qsort(journal->files, journal->file_count, sizeof(journal->files[0]), compare);
	for (size_t i = 0; i + 1 < journal->file_count; i++)
		journal->files[i].count = journal->files[i + 1].first - journal->files[i].first;
	return mend_last(journal);
}

static void forget(struct webhook_journal *journal, size_t index)
{
	char path[PATH_MAX];

	if (path_of(journal, journal->files[index].first, path))
		(void)unlink(path);
	if (index == journal->file_count - 1 && journal->fd >= 0) {
		close(journal->fd);
		journal->fd = -1;
	}
	memmove(&journal->files[index], &journal->files[index + 1],
		(--journal->file_count - index) * sizeof(journal->files[0]));
	journal->read_number = 0;
}

int webhook_journal_open(struct webhook_journal *journal, const char *directory, bool *damaged)
{
	int r;

	*journal = (struct webhook_journal){.directory = strdup(directory), .fd = -1};
	*damaged = false;
	if (!journal->directory)
		return -ENOMEM;
	if (mkdir(directory, 0700) < 0 && errno != EEXIST)
		r = -errno;
	else if ((r = read_state(journal, damaged)) == 0)
		r = find_files(journal);
	if (r < 0) {
		webhook_journal_close(journal);
		return r;
	}
	if (journal->next <= journal->done)
		journal->next = journal->done + 1;
	for (size_t i = 0; i < journal->file_count; i++) {
		uint64_t end = journal->files[i].first + journal->files[i].count;
		journal->next = journal->next < end ? end : journal->next;
	}
	/* Of a state that is gone: what is there is not left out. */
	if ((*damaged || journal->done == 0) && journal->file_count > 0)
		journal->done = journal->files[0].first - 1;
	return 0;
}

void webhook_journal_close(struct webhook_journal *journal)
{
	if (journal->fd >= 0)
		close(journal->fd);
	free(journal->files);
	free(journal->directory);
	*journal = (struct webhook_journal){.fd = -1};
}

/* ---- events come ------------------------------------------------------------------------------------------------ */

static int begin_file(struct webhook_journal *journal)
{
	char path[PATH_MAX];

	if (journal->fd >= 0 && journal->files[journal->file_count - 1].octets < WEBHOOK_FILE_OCTETS)
		return 0;
	if (journal->fd >= 0) {
		(void)fdatasync(journal->fd);
		close(journal->fd);
		journal->fd = -1;
	}
	if (!path_of(journal, journal->next, path))
		return -ENAMETOOLONG;
	journal->fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (journal->fd < 0)
		return -errno;
	if (new_file(journal, journal->next)) {
		journal->files[journal->file_count - 1].counted = true;
		return durable_sync_directory(path);
	}
	close(journal->fd);
	journal->fd = -1;
	return -ENOMEM;
}

int webhook_journal_add(struct webhook_journal *journal, const char *lines, size_t length, uint64_t count)
{
	int r = begin_file(journal);
	struct webhook_file *file;

	if (r < 0) {
		webhook_journal_skip(journal, count);
		return r;
	}
	file = &journal->files[journal->file_count - 1];
	r = durable_write(journal->fd, lines, length, file->octets);
	if (r < 0) {
		(void)ftruncate(journal->fd, (off_t)file->octets);
		if (file->count == 0)
			forget(journal, journal->file_count - 1);
		webhook_journal_skip(journal, count);
		return r;
	}
	file->octets += length;
	file->count += count;
	journal->next += count;
	return 0;
}

void webhook_journal_skip(struct webhook_journal *journal, uint64_t count)
{
	if (count == 0)
		return;
	if (journal->fd >= 0) {
		(void)fdatasync(journal->fd);
		close(journal->fd);
	}
	journal->fd = -1;
	journal->next += count;
}

void webhook_journal_at(struct webhook_journal *journal, uint64_t number)
{
	if (journal->next >= number)
		return;
	/* Of a journal that is gone nothing is known, and so nothing is missing. */
	if (journal->done == 0 && journal->file_count == 0)
		journal->done = number - 1;
	webhook_journal_skip(journal, number - journal->next);
}

uint64_t webhook_journal_bound(struct webhook_journal *journal, uint64_t octets_max)
{
	uint64_t octets = 0, left_out = 0;

	for (size_t i = 0; i < journal->file_count; i++)
		octets += journal->files[i].octets;
	while (octets > octets_max && journal->file_count > 1) {
		struct webhook_file *file = &journal->files[0];
		(void)count_file(journal, file);
		left_out += webhook_journal_waiting_in(journal, file);
		octets -= file->octets;
		forget(journal, 0);
	}
	return left_out;
}

/* ---- events go -------------------------------------------------------------------------------------------------- */

/* Which file has the first event that is to be sent; file_count: none. *r: -errno of one that cannot be counted. */
static size_t file_behind(struct webhook_journal *journal, int *r)
{
	size_t i = 0;

	for (*r = 0; i < journal->file_count; i++) {
		struct webhook_file *file = &journal->files[i];
		if (webhook_journal_waiting_in(journal, file) == 0)
			continue;
		*r = count_file(journal, file);
		if (*r < 0 || webhook_journal_waiting_in(journal, file) > 0 || file->count == 0)
			break;
	}
	return i;
}

/* Passes over the lines before `number`. */
static int seek(struct webhook_journal *journal, int fd, const struct webhook_file *file, uint64_t number)
{
	bool known = journal->read_number >= file->first && journal->read_number <= number;
	uint64_t at_number = known ? journal->read_number : file->first;
	size_t at = known ? journal->read_at : 0;
	char *data = malloc(PIECE);
	ssize_t n = 1;

	while (data && at_number < number && (n = pread(fd, data, PIECE, (off_t)at)) > 0) {
		for (ssize_t i = 0; i < n && at_number < number; i++, at++)
			at_number += data[i] == '\n';
	}
	free(data);
	if (!data || n < 0)
		return data ? -errno : -ENOMEM;
	journal->read_number = at_number;
	journal->read_at = at;
	return at_number == number ? 0 : -EBADMSG;
}

/* How many lines of `data` there are up to `most` and `size` octets; *length: theirs. */
static unsigned cut(const char *data, size_t length, unsigned most, size_t *cut_at)
{
	unsigned count = 0;
	const char *at = data, *eol;

	while (count < most && (eol = memchr(at, '\n', length - (size_t)(at - data)))) {
		at = eol + 1;
		count++;
	}
	*cut_at = (size_t)(at - data);
	return count;
}

int webhook_journal_read(struct webhook_journal *journal, unsigned most, char *out, size_t size, uint64_t *first,
			 size_t *length)
{
	int fd, r;
	size_t index = file_behind(journal, &r);
	const struct webhook_file *file;
	char path[PATH_MAX];
	ssize_t n = -1;

	if (r < 0 || index == journal->file_count)
		return r;
	file = &journal->files[index];
	*first = webhook_journal_first_in(journal, file);
	/* What was being sent is sent again as it was. */
	if (journal->sending >= *first && journal->sending - *first < most)
		most = (unsigned)(journal->sending - *first + 1);
	if (!path_of(journal, file->first, path))
		return -ENAMETOOLONG;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	r = seek(journal, fd, file, *first);
	if (r == 0) {
		size_t rest = file->octets - journal->read_at;
		n = pread(fd, out, rest < size ? rest : size, (off_t)journal->read_at);
		r = n < 0 ? -errno : 0;
	}
	close(fd);
	if (r < 0)
		return r;
	r = (int)cut(out, (size_t)n, most, length);
	return r > 0 ? r : -EBADMSG;
}

uint64_t webhook_journal_lose(struct webhook_journal *journal)
{
	int r;
	size_t index = file_behind(journal, &r);
	uint64_t lost;

	if (index == journal->file_count)
		return 0;
	lost = webhook_journal_waiting_in(journal, &journal->files[index]);
	forget(journal, index);
	return lost;
}

void webhook_journal_pass(struct webhook_journal *journal)
{
	int r;
	size_t index = file_behind(journal, &r);

	if (index == journal->file_count)
		return;
	journal->passed = webhook_journal_first_in(journal, &journal->files[index]);
}

int webhook_journal_send(struct webhook_journal *journal, uint64_t last)
{
	uint64_t before = journal->sending;
	int r = 0;

	if (journal->sending == last)
		return 0;
	if (journal->fd >= 0 && journal->synced <= last) {
		if (fdatasync(journal->fd) < 0)
			return -errno;
		journal->synced = journal->next;
	}
	journal->sending = last;
	r = webhook_journal_save(journal);
	if (r < 0)
		journal->sending = before;
	return r;
}

void webhook_journal_done(struct webhook_journal *journal, uint64_t last)
{
	bool saved = false;

	journal->done = last > journal->done ? last : journal->done;
	while (journal->file_count > 0) {
		const struct webhook_file *file = &journal->files[0];
		if (file->first + file->count > journal->done + 1 ||
		    (journal->file_count == 1 && journal->fd >= 0 && file->octets < WEBHOOK_FILE_OCTETS))
			break;
		/* A file that is gone while it is not known to be done would count as left out after a crash. */
		if (!saved)
			(void)webhook_journal_save(journal);
		saved = true;
		forget(journal, 0);
	}
}
