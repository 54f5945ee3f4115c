/*
 * core/agents/webhook_journal.h - events that wait to be posted, on disk: lines in files, and how far they are done.
 *
 * Each event has a number, one more than the one before. A file bears the number of its first line, and its lines
 * follow without a gap; where numbers are missing between two files, events were left out, exactly so many: they found
 * no room, or the disk did not take them. What is known besides is a small file that is replaced as a whole: up to
 * which number all was taken, and what is being sent now, so that after a crash the same events are sent again under
 * the same name, and the receiver can tell. Each start has another name for what it begins itself: the journal of a
 * spool that was copied has the numbers of the first, and other events behind.
 *
 * Of files that wait only the last is read when it is opened, as a crash leaves that one torn; how many lines the
 * others have is counted when it is their turn. Until then a file has as many as there are numbers up to the next.
 *
 *     DIRECTORY/00000000000000000001   lines
 *     DIRECTORY/state
 *
 * For one thread, which may wait for the disk.
 */
#ifndef POSTRIDER_AGENTS_WEBHOOK_JOURNAL_H
#define POSTRIDER_AGENTS_WEBHOOK_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { WEBHOOK_FILE_OCTETS = 1 << 20, WEBHOOK_NAME_SIZE = 17 };

struct webhook_file {
	uint64_t first, count;
	size_t octets;
	bool counted;
};

struct webhook_journal {
	char *directory;              /* owned */
	char name[WEBHOOK_NAME_SIZE]; /* by chance; of what is being sent */
	char own[WEBHOOK_NAME_SIZE];  /* of what is sent next */
	uint64_t next;                /* number of the next event */
	uint64_t done;                /* all up to this one were taken, or left out */
	uint64_t passed;              /* all up to this one are not sent; not above `done`: none are passed over */
	uint64_t sending;             /* the last of those being sent; not above `done`: none are */
	uint64_t synced;              /* the disk has those below */
	struct webhook_file *files;   /* owned; by number */
	size_t file_count, room;
	int fd; /* of the last file; -1: the next event begins another */
	/* Where the next reading goes on. */
	uint64_t read_number;
	size_t read_at;
};

/* 0 or -errno. *damaged: its state could not be understood, and was set aside: what is there is sent from the first
 * on. */
int webhook_journal_open(struct webhook_journal *journal, const char *directory, bool *damaged);
void webhook_journal_close(struct webhook_journal *journal);

/* Whole lines. 0 or -errno; then they count as left out. */
int webhook_journal_add(struct webhook_journal *journal, const char *lines, size_t length, uint64_t count);
/* So many were left out before the next one. */
void webhook_journal_skip(struct webhook_journal *journal, uint64_t count);
/* The next one has this number, where it is known that so many were there: what is missing up to it was left out. */
void webhook_journal_at(struct webhook_journal *journal, uint64_t number);
/* Takes away the oldest while there is more than that. Returns how many events that were. */
uint64_t webhook_journal_bound(struct webhook_journal *journal, uint64_t octets_max);

/* Of events behind `done` and `passed`: at most `most`, and `size` octets, in `out`, whole lines; *first: the number
 * of the first. Returns how many; 0: there are none, or -errno: -ENOENT and -EBADMSG where their file was taken away or
 * cut off by somebody. */
int webhook_journal_read(struct webhook_journal *journal, unsigned most, char *out, size_t size, uint64_t *first,
			 size_t *length);
/* The file of those that would be read next is given up. Returns how many are lost. */
uint64_t webhook_journal_lose(struct webhook_journal *journal);
/* The first of those that would be read next is not sent at all: it stands between what is done and what is next, as
 * one that was left out. */
void webhook_journal_pass(struct webhook_journal *journal);
/* What is sent next has a name of its own, and not that of what was being sent. */
void webhook_journal_rename(struct webhook_journal *journal);
/* Up to `last` they are being sent: on disk before the first octet leaves. 0 or -errno. */
int webhook_journal_send(struct webhook_journal *journal, uint64_t last);
/* What was sent is done. Written before a file of it goes, else with the next webhook_journal_send(), or
 * webhook_journal_save(). */
void webhook_journal_done(struct webhook_journal *journal, uint64_t last);
int webhook_journal_save(struct webhook_journal *journal);

/* All up to this one are done, or passed over. */
static inline uint64_t webhook_journal_behind(const struct webhook_journal *journal)
{
	return journal->passed > journal->done ? journal->passed : journal->done;
}

/* The number of the first of a file's events that waits, where any does. */
static inline uint64_t webhook_journal_first_in(const struct webhook_journal *journal, const struct webhook_file *file)
{
	uint64_t behind = webhook_journal_behind(journal);

	return file->first > behind ? file->first : behind + 1;
}

/* How many of a file wait. */
static inline uint64_t webhook_journal_waiting_in(const struct webhook_journal *journal,
						  const struct webhook_file *file)
{
	uint64_t end = file->first + file->count, from = webhook_journal_first_in(journal, file);

	return end > from ? end - from : 0;
}

static inline uint64_t webhook_journal_waiting(const struct webhook_journal *journal)
{
	uint64_t count = 0;

	for (size_t i = 0; i < journal->file_count; i++)
		count += webhook_journal_waiting_in(journal, &journal->files[i]);
	return count;
}

/* For who reads its state. False: it is none. */
bool webhook_state_read(struct webhook_journal *journal, const char *text, size_t length);

#endif
