/*
 * core/trace/file_private.h - what the files of the trace's writer share: statements and names.
 *
 * file_run.c stands below all, file_transaction.c on it; file.c makes rows of facts, file_cut.c takes old ones away,
 * file_open.c opens and closes.
 */
#ifndef POSTRIDER_TRACE_FILE_PRIVATE_H
#define POSTRIDER_TRACE_FILE_PRIVATE_H

#include <sqlite3.h>

#include "core/trace/file.h"

enum {
	FILE_NAMES = 1 << 13,
	FILE_SEEN = 1 << 13,
	FILE_KNOWN = 1 << 14,
	FILE_HELD = 1 << 13,      /* recipients of a transaction that wait for its end */
	FILE_HELD_TEXT = 1 << 19, /* octets of their addresses */
};

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

/* Where the row of a message is. */
struct file_known {
	int64_t n;
	uint8_t id[16];
};

/* A recipient whose mail is queued, as far as it is known. */
struct file_held {
	int64_t n, hash, destination;
	uint32_t text, length; /* of the address, in `held_text` */
	bool taken;            /* written, with what became of it */
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
	struct file_name *last[FACT_TEXTS]; /* of `names`: the one that was there in that place; NULL: none */
	/* Keys written lately: most are written again and again. */
	struct {
		int64_t hash, bucket;
	} seen[FILE_SEEN];
	/* Of file_transaction.c. */
	struct file_known known[FILE_KNOWN];
	unsigned held_count;
	uint32_t held_text_used;
	struct file_held held[FILE_HELD];
	uint16_t held_at[2 * FILE_HELD]; /* by number and hash: where in `held`, and one; 0: free */
	char held_text[FILE_HELD_TEXT];
};

/* The texts of the statements, by their number. */
extern const char *const file_statement_texts[STATEMENTS];

sqlite3_stmt *file_statement(struct trace_file *file, enum statement which);
/* What SQLite answered; keeps its words where it is no success. */
enum trace_status file_failed(struct trace_file *file, int code);
/* Of one that has no rows to be read. */
enum trace_status file_run(struct trace_file *file, enum statement which);
void file_bind_text(sqlite3_stmt *s, int at, struct span text);
/* 0 is none. */
void file_bind_id(sqlite3_stmt *s, int at, int64_t id);
int64_t file_pragma(struct trace_file *file, const char *text);
/* The number of a text, 0 where there is none. `place`: what it is of, since most say the same as the last one. */
enum trace_status file_name(struct trace_file *file, enum fact_text place, struct span text, int64_t period,
			    int64_t *id);
void file_forget_names(struct trace_file *file);

/* Begins a transaction where there is none. */
enum trace_status file_begin(struct trace_file *file);
/* Where the row of that message is, whose first number is `first`. False: it is not known, and may be there. */
bool file_known(const struct trace_file *file, int64_t first, const uint8_t id[16], int64_t *n);
void file_know(struct trace_file *file, int64_t first, const uint8_t id[16], int64_t n);
/* Rows were taken away. */
void file_know_none(struct trace_file *file);
/* How the mail of a recipient stands. What is queued is written when the transaction ends, and not at all where it
 * comes to something before. *again: it was here in this transaction. */
enum trace_status file_recipient(struct trace_file *file, int64_t n, int64_t hash, struct span address,
				 int64_t destination, int result, bool *again);

#endif
