/*
 * core/trace/file.c - see file.h.
 */
#include "core/trace/file.h"

#include <stdio.h>
#include <string.h>

#include "core/trace/file_private.h"
#include "core/trace/row.h"

static void bind_number(sqlite3_stmt *s, int at, const struct fact *fact, enum fact_number which)
{
	if (fact->numbers >> which & 1)
		(void)sqlite3_bind_int64(s, at, (int64_t)fact->number[which]);
	else
		(void)sqlite3_bind_null(s, at);
}

/* ---- keys ------------------------------------------------------------------------------------------------------- */

static enum trace_status add_key(struct trace_file *file, int64_t hash, int64_t n)
{
	sqlite3_stmt *s = file_statement(file, ADD_KEY);

	(void)sqlite3_bind_int64(s, 1, n >> ROW_PERIOD_SHIFT);
	(void)sqlite3_bind_int64(s, 2, hash);
	(void)sqlite3_bind_int64(s, 3, n);
	return file_run(file, ADD_KEY);
}

static enum trace_status add_seen(struct trace_file *file, enum row_key kind, struct span text, int64_t n)
{
	int64_t hash, bucket = n >> ROW_BUCKET_SHIFT;
	unsigned at;

	if (!text.data)
		return TRACE_OK;
	hash = row_hash(kind, text);
	at = (unsigned)(hash ^ bucket * 31) & (FILE_SEEN - 1);
	if (file->seen[at].hash == hash && file->seen[at].bucket == bucket)
		return TRACE_OK;
	file->seen[at].hash = hash;
	file->seen[at].bucket = bucket;
	return add_key(file, hash, bucket << ROW_BUCKET_SHIFT);
}

/* ---- rows ------------------------------------------------------------------------------------------------------- */

struct rows {
	struct trace_file *file;
	const struct fact *fact;
	int64_t n, period;
	enum trace_status status;
};

static int64_t name_of(struct rows *r, enum fact_text which)
{
	int64_t id = 0;

	if (r->status == TRACE_OK)
		r->status = file_name(r->file, which, r->fact->text[which], r->period, &id);
	return id;
}

static void id_octets(struct message_id id, uint8_t out[16])
{
	for (int i = 0; i < 8; i++) {
		out[i] = (uint8_t)(id.high >> (56 - 8 * i));
		out[8 + i] = (uint8_t)(id.low >> (56 - 8 * i));
	}
}

/* A row is there: is it this one's? `bare`: it says nothing yet but the number. */
static bool is_row(struct rows *r, int64_t n, const uint8_t id[16], bool *there, bool *bare)
{
	sqlite3_stmt *s = file_statement(r->file, FIND_MESSAGE);
	bool same = false;
	int code;

	(void)sqlite3_bind_int64(s, 1, n);
	code = sqlite3_step(s);
	*there = code == SQLITE_ROW;
	if (*there) {
		const void *octets = sqlite3_column_blob(s, 0);
		same = octets && sqlite3_column_bytes(s, 0) == 16 && memcmp(octets, id, 16) == 0;
		*bare = sqlite3_column_int(s, 1) == FACT_OTHER;
	}
	r->status = file_failed(r->file, code);
	(void)sqlite3_reset(s);
	return same;
}

static void message_row(struct rows *r, enum statement which, const uint8_t *id, enum fact_kind kind)
{
	const struct fact *fact = r->fact;
	sqlite3_stmt *s = file_statement(r->file, which);
	int64_t names[6] = {name_of(r, FACT_CLIENT), name_of(r, FACT_DEVICE),   name_of(r, FACT_USER),
			    name_of(r, FACT_PEER),   name_of(r, FACT_LISTENER), name_of(r, FACT_DESTINATION)};

	if (r->status != TRACE_OK)
		return;
	(void)sqlite3_bind_int64(s, 1, r->n);
	if (id)
		(void)sqlite3_bind_blob(s, 2, id, 16, SQLITE_STATIC);
	else if (which == ADD_MESSAGE)
		(void)sqlite3_bind_null(s, 2);
	(void)sqlite3_bind_int(s, 3, kind);
	for (int i = 0; i < 5; i++)
		file_bind_id(s, 4 + i, names[i]);
	file_bind_text(s, 9, fact->text[FACT_SENDER]);
	bind_number(s, 10, fact, FACT_RECIPIENTS);
	bind_number(s, 11, fact, FACT_OCTETS);
	file_bind_text(s, 12, fact->text[FACT_MESSAGE_ID]);
	file_bind_id(s, 13, names[5]);
	r->status = file_run(r->file, which);
}

static void add_recipient(struct rows *r, struct span address, int64_t destination, enum row_result result)
{
	int64_t hash;
	bool again;

	if (r->status != TRACE_OK || !address.data)
		return;
	hash = row_hash(ROW_KEY_RECIPIENT, address);
	r->status = file_recipient(r->file, r->n, hash, address, destination, result, &again);
	if (r->status == TRACE_OK && !again)
		r->status = add_key(r->file, hash, r->n);
}

static void seen(struct rows *r, enum row_key kind, struct span text)
{
	if (r->status == TRACE_OK)
		r->status = add_seen(r->file, kind, text, r->n);
}

static void who(struct rows *r)
{
	seen(r, ROW_KEY_CLIENT, r->fact->text[FACT_CLIENT]);
	seen(r, ROW_KEY_DEVICE, r->fact->text[FACT_DEVICE]);
	seen(r, ROW_KEY_SENDER, r->fact->text[FACT_SENDER]);
	seen(r, ROW_KEY_DESTINATION, r->fact->text[FACT_DESTINATION]);
}

/* It is made, if nothing stands there. */
static bool is_new_row(struct rows *r, const uint8_t id[16], enum fact_kind kind)
{
	message_row(r, ADD_MESSAGE, id, kind);
	if (r->status != TRACE_OK || sqlite3_changes(r->file->db) == 0)
		return false;
	who(r);
	return true;
}

/* A row that is there, whole or only its number, is of this message; it is filled where it can be. */
static bool is_own_row(struct rows *r, const uint8_t id[16], enum fact_kind kind)
{
	bool there, bare = false;

	if (!is_row(r, r->n, id, &there, &bare))
		return r->status == TRACE_OK && !there && is_new_row(r, id, kind);
	if (bare && kind != FACT_OTHER) {
		message_row(r, FILL_MESSAGE, NULL, kind);
		who(r);
	}
	return true;
}

/* The message's number; its row is made where there is none, and filled where there is only its number. */
static void find_message(struct rows *r, enum fact_kind kind)
{
	int64_t first = row_number(r->fact->id);
	uint8_t id[16];

	id_octets(r->fact->id, id);
	r->period = first >> ROW_PERIOD_SHIFT;
	/* What comes to something was begun just now, as a rule, and what begins is new. */
	if (kind == FACT_OTHER && file_known(r->file, first, id, &r->n))
		return;
	for (int i = 0; i < ROW_PROBES && r->status == TRACE_OK; i++) {
		r->n = first + i;
		if ((kind != FACT_OTHER && is_new_row(r, id, kind)) ||
		    (r->status == TRACE_OK && is_own_row(r, id, kind))) {
			if (r->status == TRACE_OK)
				file_know(r->file, first, id, r->n);
			return;
		}
	}
	/* Sixteen in a millisecond with the same 20 bits: somebody has made them so. */
}

/* What has no id has its own time, and the first number that is free there. */
static void add_refusal(struct rows *r)
{
	r->n = row_number_at(r->fact->time_ms) + (1 << ROW_TIME_SHIFT) - 4096;
	r->period = r->n >> ROW_PERIOD_SHIFT;
	for (int i = 0; i < 4095 && r->status == TRACE_OK; i++, r->n++) {
		message_row(r, ADD_MESSAGE, NULL, r->fact->kind);
		if (r->status != TRACE_OK || sqlite3_changes(r->file->db) > 0)
			break;
	}
	who(r);
	seen(r, ROW_KEY_RESULT, span_text(row_result_name(ROW_REFUSED)));
	add_recipient(r, r->fact->text[FACT_RECIPIENT], 0, ROW_REFUSED);
}

/* "TLSv1.3 TLS13-AES128-GCM-SHA256 chain", as one name. */
static int64_t tls_name(struct rows *r)
{
	static const enum fact_text parts[] = {FACT_TLS, FACT_CIPHER, FACT_PROOF};
	const struct fact *fact = r->fact;
	char text[256];
	int64_t id = 0;
	size_t n = 0;

	if (!fact_has(fact, FACT_TLS))
		return 0;
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		struct span part = fact->text[parts[i]];
		size_t room = sizeof(text) - 1 - n, length = part.length < room ? part.length : room;
		if (i > 0 && room > 0)
			text[n++] = ' ';
		memcpy(text + n, part.data ? part.data : "", length);
		n += length;
	}
	while (n > 0 && text[n - 1] == ' ')
		n--;
	if (r->status == TRACE_OK)
		r->status = file_name(r->file, FACT_TLS, (struct span){text, (uint32_t)n}, r->period, &id);
	return id;
}

/* What stands beside it in a column of its own for few kinds. */
static struct span more_text(const struct fact *fact)
{
	static const enum fact_text of[FACT_KINDS] = {
		[FACT_DEFERRED] = FACT_NEXT,
		[FACT_ATTEMPT] = FACT_INSTEAD_OF,
		[FACT_REPORT] = FACT_SORT,
		[FACT_REFUSED] = FACT_COMMAND,
		[FACT_SIGN_IN_REFUSED] = FACT_MECHANISM,
		[FACT_HANDSHAKE_FAILED] = FACT_TLS,
	};

	return of[fact->kind] ? fact->text[of[fact->kind]] : (struct span){NULL, 0};
}

static void add_step(struct rows *r, enum row_result result)
{
	const struct fact *fact = r->fact;
	sqlite3_stmt *s = file_statement(r->file, ADD_STEP);
	uint64_t base = row_ms(r->n);
	int64_t k = fact->time_ms > base ? (int64_t)(fact->time_ms - base) << 6 : 0;
	int64_t names[6] = {name_of(r, FACT_DESTINATION), name_of(r, FACT_HOST),
			    name_of(r, FACT_MAILBOX),     tls_name(r),
			    name_of(r, FACT_STAGE),       name_of(r, FACT_PROBLEM)};
	struct span reply = fact->kind == FACT_REPORT    ? fact->text[FACT_ABOUT]
			    : fact_has(fact, FACT_REPLY) ? fact->text[FACT_REPLY]
			    : fact_has(fact, FACT_ERROR) ? fact->text[FACT_ERROR]
							 : fact->text[FACT_REASON];

	if (r->status != TRACE_OK)
		return;
	(void)sqlite3_bind_int64(s, 1, r->n);
	(void)sqlite3_bind_int(s, 3, fact->kind);
	(void)sqlite3_bind_int(s, 4, result);
	file_bind_id(s, 5, names[0]);
	file_bind_id(s, 6, names[1]);
	file_bind_id(s, 7, names[2]);
	file_bind_id(s, 8, names[3]);
	bind_number(s, 9, fact, FACT_CODE);
	file_bind_id(s, 10, names[4]);
	file_bind_text(s, 11, reply);
	file_bind_id(s, 12, names[5]);
	bind_number(s, 13, fact, FACT_MS);
	bind_number(s, 14, fact, FACT_QUEUED_MS);
	bind_number(s, 15, fact, fact->kind == FACT_DEFERRED ? FACT_ATTEMPTS : FACT_TRY);
	bind_number(s, 16, fact, FACT_RECIPIENTS);
	file_bind_text(s, 17, more_text(fact));
	/* In one millisecond they stand behind each other. */
	for (int i = 0; i < 64 && r->status == TRACE_OK; i++) {
		(void)sqlite3_bind_int64(s, 2, k + i);
		r->status = file_run(r->file, ADD_STEP);
		if (sqlite3_changes(r->file->db) > 0)
			break;
	}
}

static bool is_final(enum row_result result)
{
	return result != ROW_RESULTS && result != ROW_PARTIAL && result != ROW_OTHER_PATH && result != ROW_INTERRUPTED;
}

/* Of an attempt, of what expired, is damaged or held: how each recipient's mail stands now. */
static void outcome(struct rows *r, enum row_result result)
{
	const struct fact *fact = r->fact;
	int64_t destination = fact->kind == FACT_ATTEMPT && fact_has(fact, FACT_INSTEAD_OF)
				      ? name_of(r, FACT_INSTEAD_OF)
				      : name_of(r, FACT_DESTINATION);

	seen(r, ROW_KEY_DESTINATION, fact->text[FACT_DESTINATION]);
	seen(r, ROW_KEY_DESTINATION, fact->text[FACT_INSTEAD_OF]);
	if (result != ROW_DELIVERED && result != ROW_RESULTS)
		seen(r, ROW_KEY_RESULT, span_text(row_result_name(result)));
	if (fact->result_count == 0 && is_final(result))
		add_recipient(r, fact->text[FACT_RECIPIENT], destination, result);
	for (unsigned i = 0; i < fact->result_count; i++) {
		enum row_result own = fact->results[i].result.data ? row_result_of(fact->results[i].result) : result;
		if (!is_final(own))
			continue;
		add_recipient(r, fact->results[i].recipient, destination, own);
		if (own != result && own != ROW_DELIVERED)
			seen(r, ROW_KEY_RESULT, span_text(row_result_name(own)));
	}
	add_step(r, result);
}

/* What is known of a message that was not kept when it was accepted: whose it is, where an attempt says it. */
static void put(struct rows *r)
{
	const struct fact *fact = r->fact;

	switch (fact->kind) {
	case FACT_ACCEPTED:
		find_message(r, FACT_ACCEPTED);
		add_recipient(r, fact->text[FACT_RECIPIENT], name_of(r, FACT_DESTINATION), ROW_QUEUED);
		break;
	case FACT_NOT_STORED:
	case FACT_REFUSED:
	case FACT_SIGN_IN_REFUSED:
	case FACT_HANDSHAKE_FAILED:
		add_refusal(r);
		add_step(r, ROW_REFUSED);
		break;
	case FACT_ATTEMPT:
		find_message(r, FACT_OTHER);
		outcome(r, row_result_of(fact->text[FACT_RESULT]));
		break;
	case FACT_EXPIRED:
		find_message(r, FACT_OTHER);
		outcome(r, ROW_EXPIRED);
		break;
	case FACT_HELD:
	case FACT_DAMAGED:
		find_message(r, FACT_OTHER);
		outcome(r, ROW_HELD);
		break;
	case FACT_DEFERRED:
		find_message(r, FACT_OTHER);
		add_step(r, ROW_DEFERRED);
		break;
	case FACT_REPORT:
		find_message(r, FACT_REPORT);
		add_recipient(r, fact->text[FACT_TO], 0, ROW_QUEUED);
		add_step(r, ROW_RESULTS);
		break;
	case FACT_UNREPORTED:
		find_message(r, FACT_OTHER);
		add_step(r, ROW_RESULTS);
		break;
	default:
		break;
	}
}

/* An id of 1970, or of one that nobody has made, has no number of its own. */
enum trace_status trace_file_put(struct trace_file *file, const struct fact *fact)
{
	struct rows r = {.file = file, .fact = fact};
	bool needs_id = fact->kind >= FACT_ACCEPTED && fact->kind <= FACT_UNREPORTED;

	if (fact->kind == FACT_OTHER || fact->kind > FACT_HANDSHAKE_FAILED || (needs_id && !fact->has_id))
		return TRACE_OK;
	r.status = file_begin(file);
	if (r.status == TRACE_OK)
		put(&r);
	file->rows++;
	return r.status;
}

enum trace_status trace_file_gap(struct trace_file *file, uint64_t from_ms, uint64_t until_ms, uint64_t count,
				 const char *why)
{
	sqlite3_stmt *s = file_statement(file, ADD_GAP);
	enum trace_status status = file_begin(file);

	if (status != TRACE_OK)
		return status;
	(void)sqlite3_bind_int64(s, 1, (int64_t)from_ms);
	(void)sqlite3_bind_int64(s, 2, (int64_t)until_ms);
	(void)sqlite3_bind_int64(s, 3, (int64_t)count);
	file_bind_text(s, 4, span_text(why));
	file->rows++;
	return file_run(file, ADD_GAP);
}
