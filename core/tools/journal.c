/*
 * core/tools/journal.c - see journal.h. A line that was cut off by a crash was not followed by what it announces: it is
 * passed over.
 */
#include "core/tools/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define JOURNAL "import.journal"

enum { LINE_MAX_OCTETS = 600 };

static bool take_line(struct journal *journal, char *line)
{
	char what[8], name[256], more[256] = "";
	int n = sscanf(line, "%7s %255s %255s", what, name, more);

	if (n >= 2 && strcmp(what, "not") == 0)
		json_object_del(journal->entries, name);
	else if (n == 3 && strcmp(what, "sent") == 0)
		json_object_set_new(journal->entries, name, json_string(more));
	else if (n >= 2 && strcmp(what, "done") == 0)
		json_object_set_new(journal->entries, name, json_true());
	else
		return false;
	return true;
}

/* What may stand behind the last whole line after a crash: how one of ours begins, and what a disk makes of octets that
 * were not written. Anything else somebody else has written, and it stays. */
static bool is_cut_line(const char *line, size_t length)
{
	static const struct {
		const char *word;
		unsigned blanks; /* in a whole line */
	} ours[] = {{"sent ", 2}, {"done ", 2}, {"not ", 1}};
	unsigned blanks = 0;

	while (length > 0 && line[length - 1] == '\0')
		length--;
	for (size_t i = 0; i < length; i++) {
		if ((uint8_t)line[i] < ' ' || length > LINE_MAX_OCTETS)
			return false;
		blanks += line[i] == ' ';
	}
	for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++) {
		size_t word = strlen(ours[i].word);
		if (memcmp(line, ours[i].word, length < word ? length : word) == 0 && blanks <= ours[i].blanks)
			return true;
	}
	return false;
}

/* Up to its last whole line; what is behind that goes. */
static int read_all(struct journal *journal)
{
	FILE *in = fdopen(dup(journal->fd), "r");
	char *line = NULL;
	size_t size = 0;
	off_t whole = 0;
	ssize_t n;
	int r = 0;

	if (!in)
		return -errno;
	while (r == 0 && (n = getline(&line, &size, in)) > 0) {
		if (line[n - 1] != '\n') {
			r = is_cut_line(line, (size_t)n) ? 0 : -EBADMSG;
			break;
		}
		if (memchr(line, '\0', (size_t)n) || !take_line(journal, line))
			r = -EBADMSG;
		whole += n;
	}
	if (r == 0 && ferror(in))
		r = -EIO;
	free(line);
	fclose(in);
	if (r == 0 && (ftruncate(journal->fd, whole) < 0 || lseek(journal->fd, whole, SEEK_SET) < 0))
		r = -errno;
	return r;
}

int journal_open(struct journal *journal, int directory)
{
	struct stat status;
	int r;

	*journal = (struct journal){
		.fd = openat(directory, JOURNAL, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600)};
	if (journal->fd < 0)
		return -errno;
	journal->entries = json_object();
	if (fstat(journal->fd, &status) < 0)
		r = -errno;
	else if (!S_ISREG(status.st_mode))
		r = -EBADMSG;
	else if (flock(journal->fd, LOCK_EX | LOCK_NB) < 0)
		r = -errno;
	else
		r = read_all(journal);
	/* Its name, too. */
	if (r == 0 && fsync(directory) < 0)
		r = -errno;
	if (r < 0)
		journal_close(journal);
	return r;
}

void journal_close(struct journal *journal)
{
	close(journal->fd);
	json_decref(journal->entries);
}

bool journal_done(const struct journal *journal, const char *name)
{
	return json_is_true(json_object_get(journal->entries, name));
}

const char *journal_doubt(const struct journal *journal, const char *name)
{
	return json_string_value(json_object_get(journal->entries, name));
}

static int note(struct journal *journal, const char *what, const char *name, const char *more)
{
	char line[LINE_MAX_OCTETS];
	int n = snprintf(line, sizeof(line), "%s %s%s%s\n", what, name, *more ? " " : "", more);
	ssize_t written = write(journal->fd, line, (size_t)n);

	if (written != n)
		return written < 0 ? -errno : -ENOSPC;
	take_line(journal, line);
	return fdatasync(journal->fd) < 0 ? -errno : 0;
}

int journal_sent(struct journal *journal, const char *name, const char *helo)
{
	return note(journal, "sent", name, helo);
}

int journal_is_done(struct journal *journal, const char *name, const char *id)
{
	return note(journal, "done", name, *id ? id : "-");
}

int journal_is_not(struct journal *journal, const char *name)
{
	return note(journal, "not", name, "");
}
