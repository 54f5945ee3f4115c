/*
 * core/trace/file_run.c - see file_private.h.
 */
#include "core/trace/file_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/trace/row.h"

enum { NAMES_FULL = FILE_NAMES / 4 * 3, NAME_MAX_OCTETS = 1024 };

const char *const file_statement_texts[STATEMENTS] = {
	[BEGIN] = "BEGIN IMMEDIATE",
	[COMMIT] = "COMMIT",
	[ADD_MESSAGE] = "INSERT OR IGNORE INTO message VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13)",
	[FIND_MESSAGE] = "SELECT id, kind FROM message WHERE n = ?1",
	[FILL_MESSAGE] = "UPDATE message SET kind=?3, client=?4, device=?5, user=?6, peer=?7, listener=?8, sender=?9,"
			 " recipients=?10, octets=?11, message_id=?12, destination=?13 WHERE n=?1",
	/* That he is queued takes nothing back: what a lane of another shard says may be read before it. */
	[ADD_RECIPIENT] = "INSERT INTO recipient VALUES(?1,?2,?3,?4,?5) ON CONFLICT DO UPDATE SET"
			  " destination=coalesce(excluded.destination, destination),"
			  " result=CASE excluded.result WHEN 0 THEN result ELSE excluded.result END",
	[ADD_STEP] = "INSERT OR IGNORE INTO step VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16,?17)",
	[ADD_KEY] = "INSERT OR IGNORE INTO key VALUES(?1,?2,?3)",
	[FIND_NAME] = "SELECT id FROM name WHERE text=?1",
	[ADD_NAME] = "INSERT INTO name(text,period) VALUES(?1,?2)",
	[TOUCH_NAME] = "UPDATE name SET period=?2 WHERE id=?1 AND period<?2",
	[ADD_GAP] = "INSERT INTO gap VALUES(?1,?2,?3,?4)",
	[OLDEST] = "SELECT n FROM message ORDER BY n LIMIT 1 OFFSET ?1",
	[CUT_MESSAGES] = "DELETE FROM message WHERE n<?1",
	[CUT_RECIPIENTS] = "DELETE FROM recipient WHERE n<?1",
	[CUT_STEPS] = "DELETE FROM step WHERE n<?1",
	[KEYS_UP_TO] = "SELECT period, hash, n FROM key WHERE period<?1 ORDER BY period, hash, n LIMIT 1 OFFSET ?2",
	[CUT_KEYS] = "DELETE FROM key WHERE (period, hash, n)<(?1,?2,?3)",
	[KEYS_FROM] =
		"SELECT hash, n FROM key WHERE period=?1 AND (hash,n)>=(?2,?3) ORDER BY hash, n LIMIT 1 OFFSET ?4",
	[CUT_KEYS_AMONG] = "DELETE FROM key WHERE period=?1 AND (hash,n)>=(?2,?3) AND (hash,n)<(?4,?5) AND n<?6",
	[CUT_NAMES] = "DELETE FROM name WHERE period<?1",
	[CUT_GAPS] = "DELETE FROM gap WHERE until<?1",
};

static enum trace_status status_of(int code)
{
	switch (code & 0xff) {
	case SQLITE_OK:
	case SQLITE_ROW:
	case SQLITE_DONE:
		return TRACE_OK;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
	case SQLITE_SCHEMA:
	case SQLITE_ERROR: /* a table that is not there */
	case SQLITE_MISMATCH:
		return TRACE_DAMAGED;
	default:
		return TRACE_CANNOT;
	}
}

enum trace_status file_failed(struct trace_file *file, int code)
{
	enum trace_status status = status_of(code);

	if (status != TRACE_OK)
		snprintf(file->problem, sizeof(file->problem), "%s", sqlite3_errmsg(file->db));
	return status;
}

/* ---- statements ------------------------------------------------------------------------------------------------- */

sqlite3_stmt *file_statement(struct trace_file *file, enum statement which)
{
	return file->statements[which];
}

/* Of one that has no rows to be read. */
enum trace_status file_run(struct trace_file *file, enum statement which)
{
	int code = sqlite3_step(file->statements[which]);
	enum trace_status status = file_failed(file, code);

	(void)sqlite3_reset(file->statements[which]);
	return status;
}

void file_bind_text(sqlite3_stmt *s, int at, struct span text)
{
	if (text.data)
		(void)sqlite3_bind_text(s, at, text.data, (int)text.length, SQLITE_STATIC);
	else
		(void)sqlite3_bind_null(s, at);
}

/* 0 is none. */
void file_bind_id(sqlite3_stmt *s, int at, int64_t id)
{
	if (id != 0)
		(void)sqlite3_bind_int64(s, at, id);
	else
		(void)sqlite3_bind_null(s, at);
}

int64_t file_pragma(struct trace_file *file, const char *text)
{
	sqlite3_stmt *s = NULL;
	int64_t value = 0;

	if (sqlite3_prepare_v2(file->db, text, -1, &s, NULL) == SQLITE_OK && sqlite3_step(s) == SQLITE_ROW)
		value = sqlite3_column_int64(s, 0);
	(void)sqlite3_finalize(s);
	return value;
}

/* ---- names ------------------------------------------------------------------------------------------------------ */

void file_forget_names(struct trace_file *file)
{
	for (unsigned i = 0; i < FILE_NAMES; i++)
		free(file->names[i].text);
	memset(file->names, 0, sizeof(file->names));
	memset(file->last, 0, sizeof(file->last));
	file->names_used = 0;
}

static enum trace_status find_name(struct trace_file *file, struct span text, int64_t period, int64_t *id)
{
	sqlite3_stmt *s = file_statement(file, FIND_NAME);
	enum trace_status status;
	int code;

	file_bind_text(s, 1, text);
	code = sqlite3_step(s);
	*id = code == SQLITE_ROW ? sqlite3_column_int64(s, 0) : 0;
	status = file_failed(file, code);
	(void)sqlite3_reset(s);
	if (status != TRACE_OK || *id != 0)
		return status;
	s = file_statement(file, ADD_NAME);
	file_bind_text(s, 1, text);
	(void)sqlite3_bind_int64(s, 2, period);
	status = file_run(file, ADD_NAME);
	*id = sqlite3_last_insert_rowid(file->db);
	return status;
}

/* Where a text stands, or may. */
static struct file_name *place_of(struct trace_file *file, struct span text)
{
	for (uint64_t at = (uint64_t)row_hash(ROW_KEY_CLIENT, text);; at++) {
		struct file_name *place = &file->names[at & (FILE_NAMES - 1)];
		if (!place->text || (place->length == text.length && memcmp(place->text, text.data, text.length) == 0))
			return place;
	}
}

static enum trace_status take_place(struct trace_file *file, struct file_name *place, struct span text, int64_t period)
{
	char *copy = malloc(text.length);
	enum trace_status status;
	int64_t id;

	if (!copy) {
		snprintf(file->problem, sizeof(file->problem), "out of memory");
		return TRACE_CANNOT;
	}
	status = find_name(file, text, period, &id);
	if (status != TRACE_OK) {
		free(copy);
		return status;
	}
	memcpy(copy, text.data, text.length);
	*place = (struct file_name){.text = copy, .length = text.length, .id = id};
	file->names_used++;
	return TRACE_OK;
}

enum trace_status file_name(struct trace_file *file, enum fact_text which, struct span text, int64_t period,
			    int64_t *id)
{
	struct file_name *place = file->last[which];
	enum trace_status status = TRACE_OK;

	*id = 0;
	if (!text.data || text.length == 0)
		return TRACE_OK;
	if (text.length > NAME_MAX_OCTETS)
		text.length = NAME_MAX_OCTETS;
	if (!place || place->length != text.length || memcmp(place->text, text.data, text.length) != 0) {
		if (file->names_used >= NAMES_FULL)
			file_forget_names(file);
		place = place_of(file, text);
		if (!place->text)
			status = take_place(file, place, text, period);
		if (status != TRACE_OK)
			return status;
		file->last[which] = place;
	}
	*id = place->id;
	if (place->period < period) {
		sqlite3_stmt *s = file_statement(file, TOUCH_NAME);
		(void)sqlite3_bind_int64(s, 1, place->id);
		(void)sqlite3_bind_int64(s, 2, period);
		status = file_run(file, TOUCH_NAME);
		place->period = period;
	}
	return status;
}
