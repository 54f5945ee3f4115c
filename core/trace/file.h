/*
 * core/trace/file.h - the trace's file, for the one who writes it (row.h has its form).
 *
 * Rows go into a transaction, which the first one begins; after trace_file_commit() readers see them, and a process
 * that is killed loses none of it. A machine that loses its power may lose the last ones, and never more.
 */
#ifndef POSTRIDER_TRACE_FILE_H
#define POSTRIDER_TRACE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/trace/fact.h"

enum trace_status {
	TRACE_OK,
	TRACE_CANNOT,  /* for now: the disk, its rights, somebody else; what was not committed is gone */
	TRACE_DAMAGED, /* it is no trace, or not whole */
	TRACE_LATER,   /* written by a newer version: left alone */
	TRACE_OTHER,   /* another program's database: left alone */
};

struct trace_file;

enum { TRACE_PROBLEM_SIZE = 256 };

/* Makes it where there is none. *file is NULL unless TRACE_OK. */
enum trace_status trace_file_open(const char *path, struct trace_file **file, char problem[TRACE_PROBLEM_SIZE]);
void trace_file_close(struct trace_file *file); /* NULL is allowed */
/* Somebody took it away, or put another one in its place. */
bool trace_file_moved(struct trace_file *file);

/* What kept the last one from being done. */
const char *trace_file_problem(const struct trace_file *file);

/* Facts that the trace does not keep change nothing. */
enum trace_status trace_file_put(struct trace_file *file, const struct fact *fact);
/* So many messages or lines were left out in that time. */
enum trace_status trace_file_gap(struct trace_file *file, uint64_t from_ms, uint64_t until_ms, uint64_t count,
				 const char *why);
enum trace_status trace_file_commit(struct trace_file *file);
void trace_file_rollback(struct trace_file *file);
/* Rows since the transaction began. */
unsigned trace_file_rows(const struct trace_file *file);

/* Takes away up to about `slice` messages that are older than `oldest_ms`, or the oldest ones while the file has more
 * than `size_max` octets. *more: there may be more of them. */
enum trace_status trace_file_prune(struct trace_file *file, uint64_t oldest_ms, uint64_t size_max, unsigned slice,
				   bool *more);
uint64_t trace_file_octets(struct trace_file *file);
/* Octets that wait to be moved from the log of the file into it: they do while somebody reads for long. Where they are
 * more than `enough` it is tried. */
uint64_t trace_file_waiting(struct trace_file *file, uint64_t enough);

#endif
