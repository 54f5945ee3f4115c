/*
 * core/trace/file_cut.c - see file.h.
 */
#include <stdio.h>
#include <sys/stat.h>

#include "core/trace/file_private.h"
#include "core/trace/row.h"

enum { FREED_PAGES = 2000, SWEPT = 8 };

/* ---- what goes -------------------------------------------------------------------------------------------------- */

uint64_t trace_file_octets(struct trace_file *file)
{
	return (uint64_t)(file_pragma(file, "PRAGMA page_count") - file_pragma(file, "PRAGMA freelist_count")) *
	       (uint64_t)file_pragma(file, "PRAGMA page_size");
}

uint64_t trace_file_waiting(struct trace_file *file, uint64_t enough)
{
	struct stat st;

	if (stat(file->log_path, &st) < 0)
		return 0;
	if ((uint64_t)st.st_size > enough) {
		(void)sqlite3_wal_checkpoint_v2(file->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
		if (stat(file->log_path, &st) < 0)
			return 0;
	}
	return (uint64_t)st.st_size;
}

/* The number before which a slice ends; 0: there are no messages. */
static enum trace_status slice_end(struct trace_file *file, unsigned offset, int64_t *n)
{
	sqlite3_stmt *s = file_statement(file, OLDEST);
	enum trace_status status;
	int code;

	(void)sqlite3_bind_int64(s, 1, offset);
	code = sqlite3_step(s);
	*n = code == SQLITE_ROW ? sqlite3_column_int64(s, 0) : 0;
	status = file_failed(file, code);
	(void)sqlite3_reset(s);
	return status;
}

static enum trace_status cut(struct trace_file *file, enum statement which, int64_t before)
{
	(void)sqlite3_bind_int64(file_statement(file, which), 1, before);
	return file_run(file, which);
}

/* Some keys of periods of which nothing is left. */
static enum trace_status cut_keys(struct trace_file *file, int64_t period, unsigned slice, bool *more)
{
	sqlite3_stmt *s = file_statement(file, KEYS_UP_TO), *cutting = file_statement(file, CUT_KEYS);
	int64_t end[3] = {period, 0, 0};
	enum trace_status status;
	int code;

	(void)sqlite3_bind_int64(s, 1, period);
	(void)sqlite3_bind_int64(s, 2, slice);
	code = sqlite3_step(s);
	for (int i = 0; code == SQLITE_ROW && i < 3; i++)
		end[i] = sqlite3_column_int64(s, i);
	*more |= code == SQLITE_ROW;
	status = file_failed(file, code);
	(void)sqlite3_reset(s);
	for (int i = 0; i < 3; i++)
		(void)sqlite3_bind_int64(cutting, 1 + i, end[i]);
	return status == TRACE_OK ? file_run(file, CUT_KEYS) : status;
}

/*
 * Within a period keys stand by what they are of, so those of messages that went are among those of others: some are
 * looked at each time, round and round. Where many come in one period, as many go as come when a part of all is of
 * messages that went: so keys are not much more than those of messages that are there.
 */
static enum trace_status sweep_keys(struct trace_file *file, int64_t n, unsigned slice)
{
	sqlite3_stmt *s = file_statement(file, KEYS_FROM), *cutting = file_statement(file, CUT_KEYS_AMONG);
	int64_t period = n >> ROW_PERIOD_SHIFT, hash = INT64_MAX, to = INT64_MAX;
	enum trace_status status;
	int code;

	if (file->sweep.period != period) {
		file->sweep.period = period;
		file->sweep.hash = file->sweep.n = 0;
	}
	(void)sqlite3_bind_int64(s, 1, period);
	(void)sqlite3_bind_int64(s, 2, file->sweep.hash);
	(void)sqlite3_bind_int64(s, 3, file->sweep.n);
	(void)sqlite3_bind_int64(s, 4, (int64_t)SWEPT * slice);
	code = sqlite3_step(s);
	if (code == SQLITE_ROW) {
		hash = sqlite3_column_int64(s, 0);
		to = sqlite3_column_int64(s, 1);
	}
	status = file_failed(file, code);
	(void)sqlite3_reset(s);
	if (status != TRACE_OK)
		return status;
	(void)sqlite3_bind_int64(cutting, 1, period);
	(void)sqlite3_bind_int64(cutting, 2, file->sweep.hash);
	(void)sqlite3_bind_int64(cutting, 3, file->sweep.n);
	(void)sqlite3_bind_int64(cutting, 4, hash);
	(void)sqlite3_bind_int64(cutting, 5, to);
	/* Of a quarter of a second that is cut in two something is there still. */
	(void)sqlite3_bind_int64(cutting, 6, n >> ROW_BUCKET_SHIFT << ROW_BUCKET_SHIFT);
	file->sweep.hash = hash == INT64_MAX ? 0 : hash;
	file->sweep.n = hash == INT64_MAX ? 0 : to;
	return file_run(file, CUT_KEYS_AMONG);
}

static enum trace_status cut_before(struct trace_file *file, int64_t n, unsigned slice, bool *more)
{
	static const enum statement tables[] = {CUT_MESSAGES, CUT_RECIPIENTS, CUT_STEPS};
	enum trace_status status = file_begin(file);

	for (int i = 0; i < 3 && status == TRACE_OK; i++)
		status = cut(file, tables[i], n);
	if (status == TRACE_OK)
		status = cut_keys(file, n >> ROW_PERIOD_SHIFT, 4 * slice, more);
	if (status == TRACE_OK)
		status = sweep_keys(file, n, slice);
	/* Names are said to be in use with the first message of a period that has them. */
	if (status == TRACE_OK && !*more)
		status = cut(file, CUT_NAMES, n >> ROW_PERIOD_SHIFT);
	if (status == TRACE_OK)
		status = cut(file, CUT_GAPS, (int64_t)row_ms(n));
	if (status == TRACE_OK)
		file_forget_names(file);
	file_know_none(file);
	return status;
}

enum trace_status trace_file_prune(struct trace_file *file, uint64_t oldest_ms, uint64_t size_max, unsigned slice,
				   bool *more)
{
	int64_t first, end, oldest = row_number_at(oldest_ms);
	bool large = trace_file_octets(file) > size_max;
	enum trace_status status;

	*more = false;
	status = slice_end(file, 0, &first);
	if (status != TRACE_OK || first == 0 || (first >= oldest && !large))
		return status;
	status = slice_end(file, slice, &end);
	if (status != TRACE_OK)
		return status;
	/* Fewer than a slice: those that are too old, or all. */
	if (end == 0)
		end = large ? INT64_MAX : oldest;
	else
		*more = true;
	if (!large && end > oldest) {
		end = oldest;
		*more = false;
	}
	status = cut_before(file, end, slice, more);
	if (status == TRACE_OK)
		status = trace_file_commit(file);
	if (status == TRACE_OK) {
		char text[64];
		snprintf(text, sizeof(text), "PRAGMA incremental_vacuum(%d)", FREED_PAGES);
		status = file_failed(file, sqlite3_exec(file->db, text, NULL, NULL, NULL));
	}
	if (status != TRACE_OK)
		trace_file_rollback(file);
	return status;
}
