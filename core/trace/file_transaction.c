/*
 * core/trace/file_transaction.c - see file_private.h.
 *
 * Most mail is delivered in the same transaction in which it was accepted. So a recipient whose mail is queued is held
 * here until the transaction ends, and where an attempt comes before, its row is written once, with what came of it;
 * and where a message's row is, is known here from when it was written. Neither changes what is in the file after a
 * commit.
 */
#include <sqlite3.h>
#include <string.h>

#include "core/trace/file_private.h"
#include "core/trace/row.h"

/* ---- where messages are ----------------------------------------------------------------------------------------- */

static unsigned known_at(int64_t first)
{
	return (unsigned)(first >> 4 ^ first >> ROW_TIME_SHIFT) & (FILE_KNOWN - 1);
}

bool file_known(const struct trace_file *file, int64_t first, const uint8_t id[16], int64_t *n)
{
	const struct file_known *known = &file->known[known_at(first)];

	*n = known->n;
	return known->n != 0 && memcmp(known->id, id, sizeof(known->id)) == 0;
}

void file_know(struct trace_file *file, int64_t first, const uint8_t id[16], int64_t n)
{
	struct file_known *known = &file->known[known_at(first)];

	known->n = n;
	memcpy(known->id, id, sizeof(known->id));
}

void file_know_none(struct trace_file *file)
{
	memset(file->known, 0, sizeof(file->known));
}

/* ---- recipients ------------------------------------------------------------------------------------------------- */

static enum trace_status write_recipient(struct trace_file *file, int64_t n, int64_t hash, struct span address,
					 int64_t destination, int result)
{
	sqlite3_stmt *s = file_statement(file, ADD_RECIPIENT);

	(void)sqlite3_bind_int64(s, 1, n);
	(void)sqlite3_bind_int64(s, 2, hash);
	file_bind_text(s, 3, address);
	file_bind_id(s, 4, destination);
	(void)sqlite3_bind_int(s, 5, result);
	return file_run(file, ADD_RECIPIENT);
}

/* The place of the one that is there, or where it may go. */
static uint16_t *held_place(struct trace_file *file, int64_t n, int64_t hash)
{
	unsigned mask = 2 * FILE_HELD - 1;

	for (unsigned at = (unsigned)(n >> 4 ^ n >> ROW_TIME_SHIFT ^ hash);; at++) {
		uint16_t *place = &file->held_at[at & mask];
		const struct file_held *held = *place ? &file->held[*place - 1] : NULL;
		if (!held || (held->n == n && held->hash == hash))
			return place;
	}
}

static bool hold(struct trace_file *file, uint16_t *place, int64_t n, int64_t hash, struct span address,
		 int64_t destination)
{
	if (file->held_count == FILE_HELD || address.length > FILE_HELD_TEXT - file->held_text_used)
		return false;
	memcpy(file->held_text + file->held_text_used, address.data, address.length);
	file->held[file->held_count++] = (struct file_held){.n = n,
							    .hash = hash,
							    .destination = destination,
							    .text = file->held_text_used,
							    .length = address.length};
	file->held_text_used += address.length;
	*place = (uint16_t)file->held_count;
	return true;
}

enum trace_status file_recipient(struct trace_file *file, int64_t n, int64_t hash, struct span address,
				 int64_t destination, int result, bool *again)
{
	uint16_t *place = held_place(file, n, hash);
	struct file_held *held = *place ? &file->held[*place - 1] : NULL;

	*again = held != NULL;
	if (!held && result == ROW_QUEUED && hold(file, place, n, hash, address, destination))
		return TRACE_OK;
	if (held && !held->taken) {
		held->taken = true;
		destination = destination ? destination : held->destination;
		address = (struct span){file->held_text + held->text, held->length};
	}
	return write_recipient(file, n, hash, address, destination, result);
}

static void hold_none(struct trace_file *file)
{
	if (file->held_count > 0)
		memset(file->held_at, 0, sizeof(file->held_at));
	file->held_count = file->held_text_used = 0;
}

/* In the order they came, which is that of the table. */
static enum trace_status write_held(struct trace_file *file)
{
	enum trace_status status = TRACE_OK;

	for (unsigned i = 0; i < file->held_count && status == TRACE_OK; i++) {
		const struct file_held *held = &file->held[i];
		if (!held->taken)
			status = write_recipient(file, held->n, held->hash,
						 (struct span){file->held_text + held->text, held->length},
						 held->destination, ROW_QUEUED);
	}
	if (status == TRACE_OK)
		hold_none(file);
	return status;
}

/* ---- a transaction ---------------------------------------------------------------------------------------------- */

enum trace_status file_begin(struct trace_file *file)
{
	enum trace_status status = TRACE_OK;

	if (!file->open)
		status = file_run(file, BEGIN);
	if (status == TRACE_OK)
		file->open = true;
	return status;
}

enum trace_status trace_file_commit(struct trace_file *file)
{
	enum trace_status status;

	if (!file->open)
		return TRACE_OK;
	status = write_held(file);
	if (status == TRACE_OK)
		status = file_run(file, COMMIT);
	if (status != TRACE_OK)
		return status;
	file->open = false;
	file->rows = 0;
	return TRACE_OK;
}

void trace_file_rollback(struct trace_file *file)
{
	if (file->open)
		(void)sqlite3_exec(file->db, "ROLLBACK", NULL, NULL, NULL);
	file->open = false;
	file->rows = 0;
	/* What the transaction had made is not there. */
	hold_none(file);
	file_know_none(file);
	file_forget_names(file);
	memset(file->seen, 0, sizeof(file->seen));
}

unsigned trace_file_rows(const struct trace_file *file)
{
	return file->rows;
}
