/*
 * core/trace/file_open.c - see file.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/trace/file_private.h"
#include "core/trace/row.h"

#define OTHERS "it is another program's database, and is left alone: name another file in trace.file"

/* Before a word is written to it: the settings alone would change another program's database. What was begun and has no
 * table yet is a trace, and so is, as far as it can be told, what cannot be read. */
static bool is_others(const char *path)
{
	struct trace_file seen = {0};
	bool others = false;

	if (sqlite3_open_v2(path, &seen.db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL) == SQLITE_OK) {
		int64_t application = file_pragma(&seen, "PRAGMA application_id");
		others = application != ROW_APPLICATION &&
			 (application != 0 || file_pragma(&seen, "SELECT count(*) FROM sqlite_schema") > 0);
	}
	(void)sqlite3_close(seen.db);
	return others;
}

/* ---- opening ---------------------------------------------------------------------------------------------------- */

static enum trace_status set_up(struct trace_file *file)
{
	static const char settings[] = "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA cache_size=-16384;"
				       "PRAGMA wal_autocheckpoint=4000; PRAGMA journal_size_limit=16777216;"
				       "PRAGMA temp_store=MEMORY; PRAGMA cell_size_check=ON;";
	char text[128];
	int code;

	/* Only before the first table. */
	code = sqlite3_exec(file->db, "PRAGMA auto_vacuum=INCREMENTAL", NULL, NULL, NULL);
	if (code == SQLITE_OK)
		code = sqlite3_exec(file->db, settings, NULL, NULL, NULL);
	if (code == SQLITE_OK && file_pragma(file, "SELECT count(*) FROM sqlite_schema") == 0) {
		snprintf(text, sizeof(text), "PRAGMA application_id=%d; PRAGMA user_version=%d", ROW_APPLICATION,
			 ROW_VERSION);
		code = sqlite3_exec(file->db, "BEGIN IMMEDIATE", NULL, NULL, NULL);
		if (code == SQLITE_OK)
			code = sqlite3_exec(file->db, row_schema, NULL, NULL, NULL);
		if (code == SQLITE_OK)
			code = sqlite3_exec(file->db, text, NULL, NULL, NULL);
		if (code == SQLITE_OK)
			code = sqlite3_exec(file->db, "COMMIT", NULL, NULL, NULL);
	}
	if (code != SQLITE_OK)
		return file_failed(file, code);
	if (file_pragma(file, "PRAGMA application_id") != ROW_APPLICATION) {
		snprintf(file->problem, sizeof(file->problem), OTHERS);
		return TRACE_OTHER;
	}
	if (file_pragma(file, "PRAGMA user_version") > ROW_VERSION) {
		snprintf(file->problem, sizeof(file->problem), "a newer version of postrider has written it");
		return TRACE_LATER;
	}
	/* Files of before it read all their recipients once. */
	code = sqlite3_exec(file->db, row_unfinished, NULL, NULL, NULL);
	if (code != SQLITE_OK)
		return file_failed(file, code);
	for (int i = 0; i < STATEMENTS; i++) {
		code = sqlite3_prepare_v3(file->db, file_statement_texts[i], -1, SQLITE_PREPARE_PERSISTENT,
					  &file->statements[i], NULL);
		if (code != SQLITE_OK)
			return file_failed(file, code);
	}
	return TRACE_OK;
}

/* Addresses are nobody's business: whoever may read it is of the file's group. */
static int make(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0640);

	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

enum trace_status trace_file_open(const char *path, struct trace_file **out, char problem[TRACE_PROBLEM_SIZE])
{
	struct trace_file *file = calloc(1, sizeof(*file));
	enum trace_status status = TRACE_CANNOT;
	int r, keep = 1;

	*out = NULL;
	problem[0] = '\0';
	r = file ? make(path) : -ENOMEM;
	if (r == 0 && asprintf(&file->log_path, "%s-wal", path) < 0)
		r = -ENOMEM;
	if (r < 0) {
		snprintf(problem, TRACE_PROBLEM_SIZE, "%s", strerror(-r));
	} else if (is_others(path)) {
		snprintf(problem, TRACE_PROBLEM_SIZE, OTHERS);
		status = TRACE_OTHER;
	} else if (sqlite3_open_v2(path, &file->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK) {
		snprintf(problem, TRACE_PROBLEM_SIZE, "%s", file->db ? sqlite3_errmsg(file->db) : "out of memory");
	} else {
		/* Whoever may only read finds what he needs for that, also when nobody writes. */
		(void)sqlite3_file_control(file->db, "main", SQLITE_FCNTL_PERSIST_WAL, &keep);
		(void)sqlite3_busy_timeout(file->db, 1000);
		status = set_up(file);
		snprintf(problem, TRACE_PROBLEM_SIZE, "%s", file->problem);
	}
	if (status == TRACE_OK)
		*out = file;
	else
		trace_file_close(file);
	return status;
}

bool trace_file_moved(struct trace_file *file)
{
	int moved = 0;

	(void)sqlite3_file_control(file->db, "main", SQLITE_FCNTL_HAS_MOVED, &moved);
	return moved;
}

const char *trace_file_problem(const struct trace_file *file)
{
	return file->problem;
}

void trace_file_close(struct trace_file *file)
{
	if (!file)
		return;
	for (int i = 0; i < STATEMENTS; i++)
		(void)sqlite3_finalize(file->statements[i]);
	(void)sqlite3_close(file->db);
	file_forget_names(file);
	free(file->log_path);
	free(file);
}
