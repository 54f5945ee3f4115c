/*
 * core/trace/replay.c - see replay.h.
 */
#include "core/trace/replay.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/trace/fact.h"
#include "core/trace/search_private.h"

/* In a table of the reader's own, so that between two rows nothing is read from the trace (replay.h). A step's time is
 * its message's and its own behind that (row.c). `k`: -1: the message itself. */
static const char table_text[] = "PRAGMA query_only=OFF; CREATE TEMP TABLE told(ms INTEGER, n INTEGER, k INTEGER)";
static const char fill_text[] =
	"INSERT INTO temp.told SELECT n>>20 AS ms, n, -1 AS k FROM message WHERE n>=?1 AND n<?2 AND kind=1"
	" UNION ALL SELECT (n>>20)+(k>>6), n, k FROM step WHERE n<?2"
	" AND (n>>20)+(k>>6) BETWEEN ?3 AND ?4 ORDER BY ms, n, k";
static const char order_text[] = "SELECT ms, n, k FROM temp.told WHERE rowid=?1";
static const char end_text[] = "DROP TABLE IF EXISTS temp.told; PRAGMA query_only=ON";
static const char step_text[] = "SELECT kind, (SELECT text FROM name WHERE id=host), (SELECT text FROM name WHERE"
				" id=stage), reply, more, (SELECT text FROM name WHERE id=destination), code, ms,"
				" queued_ms FROM step WHERE n=?1 AND k=?2";
static const char attempts_text[] = "SELECT k, kind, result, coalesce(CASE WHEN kind=2 THEN more END, (SELECT text FROM"
				    " name WHERE id=destination)), recipients FROM step WHERE n=?1 AND kind IN (2,4)"
				    " ORDER BY k";
static const char recipients_text[] = "SELECT address, (SELECT text FROM name WHERE id=destination), result FROM"
				      " recipient WHERE n=?1 ORDER BY hash";

static_assert(FACT_ACCEPTED == 1 && FACT_ATTEMPT == 2 && FACT_EXPIRED == 4, "as the statements have them");

/* One recipient of the message that is told of. */
struct addressee {
	char *address, *destination; /* owned; NULL: not known */
	enum row_result result;      /* as it stands now */
	bool done;                   /* an attempt before this one has done it */
};

struct step {
	int64_t k, recipients;
	enum row_result result;
	char *destination; /* owned; NULL: not known */
};

struct replay {
	struct search *search;
	replay_fn *fn;
	replay_rest_fn *rest;
	void *context;
	sqlite3_stmt *order, *step, *attempts_of, *recipients_of;
	enum trace_status status;
	bool stopped, no_memory;
	uint64_t ms;
	int64_t n, k; /* of what is told */
	struct fact fact;
	/* Of the message `loaded`. */
	int64_t loaded;
	struct addressee *addressees; /* owned, as the next */
	struct step *attempts;
	size_t addressee_count, attempt_count;
};

/* ---- who was in which attempt ----------------------------------------------------------------------------------- */

static char *copy(struct replay *r, struct span text)
{
	char *copied = text.data ? strndup(text.data, text.length) : NULL;

	r->no_memory |= text.data && !copied;
	return copied;
}

static void unload(struct replay *r)
{
	for (size_t i = 0; i < r->addressee_count; i++) {
		free(r->addressees[i].address);
		free(r->addressees[i].destination);
	}
	for (size_t i = 0; i < r->attempt_count; i++)
		free(r->attempts[i].destination);
	r->addressee_count = r->attempt_count = 0;
	r->loaded = -1;
}

/* Room for one more of `count`. False: there is none. */
static bool grow(struct replay *r, void **list, size_t count, size_t size)
{
	void *more;

	if ((count & (count - 1)) != 0)
		return true;
	more = reallocarray(*list, count ? 2 * count : 1, size);
	if (more)
		*list = more;
	r->no_memory |= !more;
	return more != NULL;
}

static enum row_result result_of(sqlite3_stmt *st, int column)
{
	int64_t result = search_number(st, column);

	return result >= 0 && result < ROW_RESULTS ? (enum row_result)result : ROW_RESULTS;
}

static enum trace_status load(struct replay *r)
{
	enum trace_status status;
	int code;

	if (r->loaded == r->n)
		return TRACE_OK;
	unload(r);
	(void)sqlite3_bind_int64(r->recipients_of, 1, r->n);
	while ((code = sqlite3_step(r->recipients_of)) == SQLITE_ROW &&
	       grow(r, (void **)&r->addressees, r->addressee_count, sizeof(*r->addressees)))
		r->addressees[r->addressee_count++] = (struct addressee){
			.address = copy(r, search_text(r->recipients_of, 0)),
			.destination = copy(r, search_text(r->recipients_of, 1)),
			.result = result_of(r->recipients_of, 2),
		};
	status = search_failed(r->search, code);
	(void)sqlite3_reset(r->recipients_of);
	(void)sqlite3_bind_int64(r->attempts_of, 1, r->n);
	while (status == TRACE_OK && (code = sqlite3_step(r->attempts_of)) == SQLITE_ROW &&
	       grow(r, (void **)&r->attempts, r->attempt_count, sizeof(*r->attempts)))
		r->attempts[r->attempt_count++] = (struct step){
			.k = sqlite3_column_int64(r->attempts_of, 0),
			.result = sqlite3_column_int(r->attempts_of, 1) == FACT_EXPIRED ? ROW_EXPIRED
											: result_of(r->attempts_of, 2),
			.destination = copy(r, search_text(r->attempts_of, 3)),
			.recipients = search_number(r->attempts_of, 4),
		};
	if (status == TRACE_OK)
		status = search_failed(r->search, code);
	(void)sqlite3_reset(r->attempts_of);
	r->loaded = r->n;
	return status;
}

static bool goes_by(const struct addressee *a, const struct step *step)
{
	return !a->destination || !step->destination || strcmp(a->destination, step->destination) == 0;
}

static bool is_done_by(const struct addressee *a, const struct step *step)
{
	if (step->result == ROW_PARTIAL)
		return a->result == ROW_DELIVERED || a->result == ROW_FAILED;
	return a->result == step->result &&
	       (a->result == ROW_DELIVERED || a->result == ROW_FAILED || a->result == ROW_EXPIRED);
}

/* How many of an attempt's recipients are in the next one at the same place, as it did not do them. */
static int64_t left_by(const struct replay *r, size_t at)
{
	for (size_t i = at + 1; i < r->attempt_count; i++) {
		const char *a = r->attempts[i].destination, *b = r->attempts[at].destination;
		if (a && b && strcmp(a, b) == 0)
			return r->attempts[i].recipients > 0 ? r->attempts[i].recipients : 0;
	}
	return 0;
}

static void tell_of(struct replay *r, const struct addressee *a, enum row_result result)
{
	r->fact.text[FACT_RECIPIENT] = a->address ? span_text(a->address) : (struct span){NULL, 0};
	r->fact.text[FACT_RESULT] = span_text(row_result_name(result));
	r->stopped = r->stopped || !r->fn(r->context, &r->fact);
}

/* Goes through the attempts up to the one at `k`, and tells of that. */
static void tell_attempt(struct replay *r, int64_t k)
{
	for (size_t i = 0; i < r->addressee_count; i++)
		r->addressees[i].done = false;
	for (size_t at = 0; at < r->attempt_count && r->attempts[at].k <= k; at++) {
		const struct step *step = &r->attempts[at];
		bool told = step->k == k, all = step->result != ROW_PARTIAL;
		int64_t room = step->recipients > 0 ? step->recipients : (int64_t)r->addressee_count;
		int64_t left = all ? 0 : left_by(r, at);
		/* First whom it has done, then who is to be tried again. */
		for (size_t i = 0; i < r->addressee_count && room > left && !r->stopped; i++) {
			struct addressee *a = &r->addressees[i];
			if (a->done || !goes_by(a, step) || !is_done_by(a, step))
				continue;
			a->done = true;
			room--;
			if (told)
				tell_of(r, a, a->result);
		}
		for (size_t i = 0; i < r->addressee_count && room > 0 && told && !r->stopped; i++) {
			if (r->addressees[i].done || !goes_by(&r->addressees[i], step) ||
			    is_done_by(&r->addressees[i], step))
				continue;
			room--;
			tell_of(r, &r->addressees[i], all ? step->result : ROW_DEFERRED);
		}
	}
}

/* ---- facts of rows ---------------------------------------------------------------------------------------------- */

static void set_number(struct fact *fact, enum fact_number which, int64_t value)
{
	if (value < 0)
		return;
	fact->number[which] = (uint64_t)value;
	fact->numbers |= UINT32_C(1) << which;
}

/* As file.c has put them into a step. */
static void set_step(struct fact *fact, sqlite3_stmt *st)
{
	static const enum fact_text replies[FACT_KINDS] = {
		[FACT_ATTEMPT] = FACT_REPLY,          [FACT_EXPIRED] = FACT_REPLY, [FACT_REFUSED] = FACT_REPLY,
		[FACT_NOT_STORED] = FACT_ERROR,       [FACT_REPORT] = FACT_ABOUT,  [FACT_SIGN_IN_REFUSED] = FACT_REASON,
		[FACT_HANDSHAKE_FAILED] = FACT_ERROR,
	};
	static const enum fact_text more[FACT_KINDS] = {
		[FACT_ATTEMPT] = FACT_INSTEAD_OF,
		[FACT_REPORT] = FACT_SORT,
		[FACT_REFUSED] = FACT_COMMAND,
		[FACT_SIGN_IN_REFUSED] = FACT_MECHANISM,
	};
	int kind = sqlite3_column_int(st, 0);

	fact->kind = kind > 0 && kind < FACT_KINDS ? (enum fact_kind)kind : FACT_OTHER;
	fact->text[FACT_HOST] = search_text(st, 1);
	fact->text[FACT_STAGE] = search_text(st, 2);
	if (replies[fact->kind])
		fact->text[replies[fact->kind]] = search_text(st, 3);
	if (more[fact->kind])
		fact->text[more[fact->kind]] = search_text(st, 4);
	fact->text[FACT_DESTINATION] = search_text(st, 5);
	set_number(fact, FACT_CODE, search_number(st, 6));
	set_number(fact, FACT_MS, search_number(st, 7));
	set_number(fact, FACT_QUEUED_MS, search_number(st, 8));
}

static void tell_step(struct replay *r)
{
	sqlite3_stmt *st = r->step;
	int code;

	(void)sqlite3_bind_int64(st, 1, r->n);
	(void)sqlite3_bind_int64(st, 2, r->k);
	code = sqlite3_step(st);
	if (code == SQLITE_ROW) {
		set_step(&r->fact, st);
		if (r->fact.kind == FACT_ATTEMPT || r->fact.kind == FACT_EXPIRED) {
			tell_attempt(r, r->k);
		} else {
			if (r->addressee_count > 0 && r->addressees[0].address)
				r->fact.text[FACT_RECIPIENT] = span_text(r->addressees[0].address);
			r->stopped = !r->fn(r->context, &r->fact);
		}
	}
	r->status = search_failed(r->search, code);
	(void)sqlite3_reset(st);
}

static void on_message(void *context, const struct search_message *m)
{
	struct replay *r = context;
	struct fact *fact = &r->fact;
	const struct {
		enum fact_text which;
		struct span text;
	} texts[] = {{FACT_CLIENT, m->client},
		     {FACT_DEVICE, m->device},
		     {FACT_USER, m->user},
		     {FACT_PEER, m->peer},
		     {FACT_LISTENER, m->listener},
		     {FACT_SENDER, m->sender},
		     {FACT_MESSAGE_ID, m->message_id}};

	memset(fact, 0, offsetof(struct fact, results));
	fact->time_ms = r->ms;
	fact->has_id = m->has_id;
	fact->id = m->id;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		fact->text[texts[i].which] = texts[i].text;
	set_number(fact, FACT_RECIPIENTS, m->recipients);
	set_number(fact, FACT_OCTETS, m->octets);
	if (r->k >= 0) {
		tell_step(r);
	} else {
		fact->kind = FACT_ACCEPTED;
		r->stopped = !r->fn(r->context, fact);
	}
}

/* ---- in order --------------------------------------------------------------------------------------------------- */

/* What is to be told, in its order. */
static enum trace_status put_in_order(struct replay *r, uint64_t since_ms, uint64_t until_ms)
{
	sqlite3_stmt *fill = NULL;
	int code = sqlite3_exec(r->search->db, table_text, NULL, NULL, NULL);
	enum trace_status status;

	if (code == SQLITE_OK)
		code = sqlite3_prepare_v2(r->search->db, fill_text, -1, &fill, NULL);
	if (code == SQLITE_OK) {
		(void)sqlite3_bind_int64(fill, 1, row_number_at(since_ms));
		(void)sqlite3_bind_int64(fill, 2, row_number_at(until_ms + 1));
		(void)sqlite3_bind_int64(fill, 3, (int64_t)since_ms);
		(void)sqlite3_bind_int64(fill, 4, (int64_t)until_ms);
		code = sqlite3_step(fill);
	}
	status = search_failed(r->search, code);
	(void)sqlite3_finalize(fill);
	return status;
}

static enum trace_status prepare(struct replay *r)
{
	const struct {
		sqlite3_stmt **statement;
		const char *text;
	} all[] = {{&r->order, order_text},
		   {&r->step, step_text},
		   {&r->attempts_of, attempts_text},
		   {&r->recipients_of, recipients_text}};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		int code = sqlite3_prepare_v2(r->search->db, all[i].text, -1, all[i].statement, NULL);
		if (code != SQLITE_OK)
			return search_failed(r->search, code);
	}
	return TRACE_OK;
}

/* The row of that number; false: there is none. One by one, since a statement that has begun, on whichever table, keeps
 * all that its connection reads. */
static bool next_row(struct replay *r, int64_t number)
{
	int code;

	(void)sqlite3_bind_int64(r->order, 1, number);
	code = sqlite3_step(r->order);
	r->ms = (uint64_t)sqlite3_column_int64(r->order, 0);
	r->n = sqlite3_column_int64(r->order, 1);
	r->k = sqlite3_column_int64(r->order, 2);
	r->status = search_failed(r->search, code);
	(void)sqlite3_reset(r->order);
	return code == SQLITE_ROW;
}

static void go_through(struct replay *r)
{
	enum trace_status status;

	for (int64_t number = 1; r->status == TRACE_OK && !r->stopped && next_row(r, number); number++) {
		if (r->k >= 0)
			r->status = load(r);
		if (r->status == TRACE_OK && r->no_memory) {
			snprintf(r->search->problem, sizeof(r->search->problem), "out of memory");
			r->status = TRACE_CANNOT;
		}
		if (r->status != TRACE_OK)
			return;
		status = search_message(r->search, r->n, on_message, r);
		r->status = r->status == TRACE_OK ? status : r->status;
		r->stopped = r->stopped || !r->rest(r->context);
	}
}

enum trace_status replay(struct search *search, uint64_t since_ms, uint64_t until_ms, replay_fn *fn,
			 replay_rest_fn *rest, void *context)
{
	struct replay *r = calloc(1, sizeof(*r));
	enum trace_status status;

	if (!r) {
		snprintf(search->problem, sizeof(search->problem), "out of memory");
		return TRACE_CANNOT;
	}
	until_ms = until_ms < row_ms(INT64_MAX) ? until_ms : row_ms(INT64_MAX) - 1;
	r->search = search;
	r->fn = fn;
	r->rest = rest;
	r->context = context;
	r->loaded = -1;
	r->status = since_ms <= until_ms ? put_in_order(r, since_ms, until_ms) : TRACE_OK;
	if (r->status == TRACE_OK && since_ms <= until_ms)
		r->status = prepare(r);
	if (r->status == TRACE_OK && r->order)
		go_through(r);
	status = r->status;
	unload(r);
	free(r->addressees);
	free(r->attempts);
	(void)sqlite3_finalize(r->order);
	(void)sqlite3_finalize(r->step);
	(void)sqlite3_finalize(r->attempts_of);
	(void)sqlite3_finalize(r->recipients_of);
	(void)sqlite3_exec(search->db, end_text, NULL, NULL, NULL);
	free(r);
	return status;
}
