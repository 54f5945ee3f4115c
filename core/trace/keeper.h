/*
 * core/trace/keeper.h - the thread that keeps the trace: it takes lines from who writes the log, and writes rows.
 *
 * Nobody waits for it. What it cannot take because it is behind, or its file cannot be written, is left out and
 * counted, and a row of its own says so when it can write again. A file that is damaged is set aside, the one before it
 * goes, and a new one is begun. While the disk is nearly full nothing is written: the spool comes first.
 */
#ifndef POSTRIDER_TRACE_KEEPER_H
#define POSTRIDER_TRACE_KEEPER_H

#include <stddef.h>
#include <stdint.h>

#include "core/trace/sift.h"

struct log;
struct keeper;

struct keeper_settings {
	const char *path; /* of the file; copied */
	uint64_t keep_ms, size_max;
	enum sift_detail detail;
};

/* NULL without memory or a thread. `log`: the thread's own. */
struct keeper *keeper_start(const struct keeper_settings *settings, struct log *log);
/* From now on by these. False: there is no memory, and nothing has changed. */
bool keeper_follow(struct keeper *keeper, const struct keeper_settings *settings);
/* Writes what was taken. NULL is allowed. */
void keeper_stop(struct keeper *keeper);

/* Whole lines; of log_writer_tap(). */
void keeper_take(void *keeper, const char *lines, size_t length);

#endif
