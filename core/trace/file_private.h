/*
 * core/trace/file_private.h - what the files of the trace's writer share: statements and names.
 *
 * file_run.c stands below all; file.c makes rows of facts, file_cut.c takes old ones away, file_open.c opens and
 * closes.
 */
#ifndef POSTRIDER_TRACE_FILE_PRIVATE_H
#define POSTRIDER_TRACE_FILE_PRIVATE_H

#include <sqlite3.h>

#include "core/trace/file.h"

enum { FILE_NAMES = 1 << 13, FILE_SEEN = 1 << 13 };

enum statement {
	BEGIN,
	COMMIT,
	ADD_MESSAGE,
	FIND_MESSAGE,
	FILL_MESSAGE,
	ADD_RECIPIENT,
	ADD_STEP,
	ADD_KEY,
	FIND_NAME,
	ADD_NAME,
	TOUCH_NAME,
	ADD_GAP,
	OLDEST,
	CUT_MESSAGES,
	CUT_RECIPIENTS,
	CUT_STEPS,
	KEYS_UP_TO,
	CUT_KEYS,
	KEYS_FROM,
	CUT_KEYS_AMONG,
	CUT_NAMES,
	CUT_GAPS,
	STATEMENTS
};

/* A text that has a number, and the period in which it was last said to be in use. */
struct file_name {
	char *text; /* owned; NULL: free */
	uint32_t length;
	int64_t id, period;
};

struct trace_file {
	sqlite3 *db;
	sqlite3_stmt *statements[STATEMENTS];
	char problem[TRACE_PROBLEM_SIZE];
	char *log_path; /* of SQLite's log */
	bool open;      /* a transaction */
	unsigned rows;
	unsigned names_used;
	/* Where the next keys of a period are that may be of messages that went. */
	struct {
		int64_t period, hash, n;
	} sweep;
	struct file_name names[FILE_NAMES];
	/* Keys written lately: most are written again and again. */
	struct {
		int64_t hash, bucket;
	} seen[FILE_SEEN];
};

/* The texts of the statements, by their number. */
extern const char *const file_statement_texts[STATEMENTS];

sqlite3_stmt *file_statement(struct trace_file *file, enum statement which);
/* What SQLite answered; keeps its words where it is no success. */
enum trace_status file_failed(struct trace_file *file, int code);
/* Of one that has no rows to be read. */
enum trace_status file_run(struct trace_file *file, enum statement which);
/* Begins a transaction where there is none. */
enum trace_status file_begin(struct trace_file *file);
void file_bind_text(sqlite3_stmt *s, int at, struct span text);
/* 0 is none. */
void file_bind_id(sqlite3_stmt *s, int at, int64_t id);
int64_t file_pragma(struct trace_file *file, const char *text);
/* The number of a text, 0 where there is none. */
enum trace_status file_name(struct trace_file *file, struct span text, int64_t period, int64_t *id);
void file_forget_names(struct trace_file *file);

#endif
