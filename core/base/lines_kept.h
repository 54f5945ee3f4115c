/*
 * core/base/lines_kept.h - memory for lines of events that outlives the process: files in memory (tmpfs), which the
 * kernel keeps when a process is killed in the middle of a word, and gives up with the machine.
 *
 *     DIRECTORY/postrider-HASH-N     N: 0 to LINES_KEPT_FILES - 1
 *
 *     one page: whose it is, how many logs of which size     one of the process that runs; of others what processes
 *     logs (log.h), each with its buffer                     before have left, until it was taken over and the file
 *     a line_ring (line_ring.h)                              was emptied
 *
 * Each process takes an empty file for itself, and never a file whose process still runs (flock(2)). All of its memory
 * is there from the start (fallocate(2)), as there is nobody to be told later. Whoever writes there writes memory: no
 * disk is behind it, so nobody ever waits.
 *
 * What others have left is looked at before it is believed: a line that is none makes the file one that is emptied, and
 * counted in `unsound`. So is one that LINES_KEPT_TRIES processes began to move and did not survive: else a line that
 * kills who looks at it would do so for ever.
 */
#ifndef POSTRIDER_BASE_LINES_KEPT_H
#define POSTRIDER_BASE_LINES_KEPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { LINES_KEPT_FILES = 4, LINES_KEPT_TRIES = 3, LINES_KEPT_PROBLEM = 200 };

struct line_ring;
struct lines_kept;
struct log;

struct lines_kept_plan {
	const char *directory;   /* NULL: RUNTIME_DIRECTORY of the environment, or else /dev/shm */
	const char *of;          /* whose lines they are: the path of the spool */
	unsigned shards, others; /* so many logs */
	size_t shard_capacity, other_capacity, ring;
};

/* As who it will be, before files are given up. Where there is no such memory for this process `problem` says why, and
 * is empty else; NULL: nothing was left that can be had either. */
struct lines_kept *lines_kept_open(const struct lines_kept_plan *plan, char problem[LINES_KEPT_PROBLEM]);
/* Of this process: log number `index`, once, for shard `shard` (log_new()); its ring. They end with lines_kept_close().
 * NULL: there is no memory for it. */
struct log *lines_kept_log(struct lines_kept *kept, unsigned index, int shard);
struct line_ring *lines_kept_ring(struct lines_kept *kept);

/* What processes before have left, the oldest first: logs that hold something, and rings. They stay until
 * lines_kept_emptied(). */
struct log *const *lines_kept_logs_before(const struct lines_kept *kept, unsigned *count);
struct line_ring *const *lines_kept_rings_before(const struct lines_kept *kept, unsigned *count);
/* How many lines those are, and how many files could not be believed. */
uint64_t lines_kept_lines_before(const struct lines_kept *kept, unsigned *unsound);
/* Who moves them says so before, and when he has survived it. */
void lines_kept_taking(struct lines_kept *kept, bool taking);
/* Gives back those of which all has been moved and taken. True: those were all. */
bool lines_kept_emptied(struct lines_kept *kept);

/* With all that is taken from it; a file of which something is left stays for the next process. NULL is allowed. */
void lines_kept_close(struct lines_kept *kept);

#endif
