/*
 * core/trace/search.c - see search.h.
 */
#include "core/trace/search.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/trace/search_private.h"

static const char *const texts[SEARCH_STATEMENTS] = {
	[FIND] = "SELECT n FROM message m WHERE n>=?1 AND n<?2 AND (?3 IS NULL OR client=?3) AND (?4 IS NULL OR "
		 "device=?4)"
		 " AND (?5 IS NULL OR sender=?5 COLLATE NOCASE) AND (?6 IS NULL OR EXISTS(SELECT 1 FROM recipient r"
		 " WHERE r.n=m.n AND r.hash=?6 AND r.address=?7 COLLATE NOCASE)) AND (?8 IS NULL OR destination=?8 OR"
		 " EXISTS(SELECT 1 FROM recipient r WHERE r.n=m.n AND r.destination=?8)) AND (?9 IS NULL OR"
		 " EXISTS(SELECT 1 FROM recipient r WHERE r.n=m.n AND r.result=?9) OR (?12 AND kind>=?13))"
		 " AND (?10 IS NULL OR id=?10) ORDER BY n DESC LIMIT ?11",
	[KEY] = "SELECT n FROM key WHERE period=?1 AND hash=?2 AND n<=?3 ORDER BY n DESC LIMIT 1",
	/* Said once more in the index's words, as SQLite takes it only then. */
	[UNFINISHED] = "SELECT n FROM recipient WHERE result=?1 AND n<=?2 AND (result=0 OR result=2 OR result=4)"
		       " ORDER BY n DESC LIMIT 1",
	[NAME] = "SELECT id FROM name WHERE text=?1",
	[FIRST] = "SELECT n FROM message ORDER BY n LIMIT 1",
	[LAST] = "SELECT n FROM message ORDER BY n DESC LIMIT 1",
	[MESSAGE] = "SELECT id, kind, (SELECT text FROM name WHERE id=client), (SELECT text FROM name WHERE id=device),"
		    " (SELECT text FROM name WHERE id=user), (SELECT text FROM name WHERE id=peer),"
		    " (SELECT text FROM name WHERE id=listener), sender, message_id,"
		    " (SELECT text FROM name WHERE id=destination), recipients, octets FROM message WHERE n=?1",
	[RECIPIENTS] = "SELECT address, (SELECT text FROM name WHERE id=destination), result FROM recipient WHERE n=?1"
		       " ORDER BY address",
	[STEPS] = "SELECT k, kind, result, (SELECT text FROM name WHERE id=destination),"
		  " (SELECT text FROM name WHERE id=host), (SELECT text FROM name WHERE id=mailbox),"
		  " (SELECT text FROM name WHERE id=tls), (SELECT text FROM name WHERE id=stage), reply,"
		  " (SELECT text FROM name WHERE id=problem), more, code, ms, queued_ms, attempt, recipients"
		  " FROM step WHERE n=?1 ORDER BY k",
	[GAPS] = "SELECT ms, until, count, why FROM gap WHERE until>=?1 AND ms<=?2 ORDER BY ms",
};

enum trace_status search_failed(struct search *s, int code)
{
	if (code == SQLITE_OK || code == SQLITE_ROW || code == SQLITE_DONE)
		return TRACE_OK;
	snprintf(s->problem, sizeof(s->problem), "%s", sqlite3_errmsg(s->db));
	code &= 0xff;
	return code == SQLITE_CORRUPT || code == SQLITE_NOTADB || code == SQLITE_ERROR ? TRACE_DAMAGED : TRACE_CANNOT;
}

/* ---- finding ---------------------------------------------------------------------------------------------------- */

struct finding {
	struct search *search;
	const struct search_filter *filter;
	int64_t first, last; /* numbers, both included */
	int64_t *numbers;
	unsigned count;
	enum trace_status status;
};

static int64_t one_number(struct search *s, enum search_statement which, int64_t otherwise)
{
	sqlite3_stmt *st = s->statements[which];
	int64_t value = sqlite3_step(st) == SQLITE_ROW ? sqlite3_column_int64(st, 0) : otherwise;

	(void)sqlite3_reset(st);
	return value;
}

/* False: nobody is called that. NULL is anybody. */
static bool bind_name(struct search *s, int at, const char *text)
{
	sqlite3_stmt *st = s->statements[NAME];
	bool known = true;

	if (!text) {
		(void)sqlite3_bind_null(s->statements[FIND], at);
		return true;
	}
	(void)sqlite3_bind_text(st, 1, text, -1, SQLITE_STATIC);
	known = sqlite3_step(st) == SQLITE_ROW;
	if (known)
		(void)sqlite3_bind_int64(s->statements[FIND], at, sqlite3_column_int64(st, 0));
	(void)sqlite3_reset(st);
	return known;
}

static void bind_or_null(sqlite3_stmt *st, int at, const char *text)
{
	if (text)
		(void)sqlite3_bind_text(st, at, text, -1, SQLITE_STATIC);
	else
		(void)sqlite3_bind_null(st, at);
}

static bool bind_filter(struct finding *f, uint8_t id[16])
{
	const struct search_filter *filter = f->filter;
	sqlite3_stmt *st = f->search->statements[FIND];

	(void)sqlite3_clear_bindings(st);
	bind_or_null(st, 5, filter->sender);
	bind_or_null(st, 7, filter->recipient);
	if (filter->recipient)
		(void)sqlite3_bind_int64(st, 6, row_hash(ROW_KEY_RECIPIENT, span_text(filter->recipient)));
	if (filter->result != ROW_RESULTS)
		(void)sqlite3_bind_int(st, 9, filter->result);
	(void)sqlite3_bind_int(st, 12, filter->result == ROW_REFUSED);
	(void)sqlite3_bind_int(st, 13, FACT_REFUSED);
	if (filter->has_id) {
		for (int i = 0; i < 8; i++) {
			id[i] = (uint8_t)(filter->id.high >> (56 - 8 * i));
			id[8 + i] = (uint8_t)(filter->id.low >> (56 - 8 * i));
		}
		(void)sqlite3_bind_blob(st, 10, id, 16, SQLITE_STATIC);
	}
	return bind_name(f->search, 3, filter->client) && bind_name(f->search, 4, filter->device) &&
	       bind_name(f->search, 8, filter->destination);
}

/* Those from `from` to before `to` that fit. */
static void look(struct finding *f, int64_t from, int64_t to)
{
	sqlite3_stmt *st = f->search->statements[FIND];
	int code;

	from = from > f->first ? from : f->first;
	to = to <= f->last ? to : f->last + 1;
	(void)sqlite3_bind_int64(st, 1, from);
	(void)sqlite3_bind_int64(st, 2, to);
	(void)sqlite3_bind_int64(st, 11, f->filter->limit - f->count);
	while ((code = sqlite3_step(st)) == SQLITE_ROW && f->count < f->filter->limit)
		f->numbers[f->count++] = sqlite3_column_int64(st, 0);
	f->status = search_failed(f->search, code);
	(void)sqlite3_reset(st);
}

/*
 * Each thing that is asked for has places where it may be, from the newest backwards: a message's number, or the
 * quarter of a second that a key stands for. What has all of them is where all places meet, so each is asked in turn
 * for its next place at or before the one where the others are: that is as many questions as the rarest one has places,
 * however many the others have.
 */
struct places {
	enum search_statement which;
	int64_t key;      /* the hash; UNFINISHED: the result */
	int64_t width;    /* numbers in a place */
	int64_t from, to; /* the place where it is, both included */
};

enum { PLACES_MAX = 6 };

/* The next place at or before `at`. False: there is none, or f->status says why not. */
static bool next_place(struct finding *f, struct places *p, int64_t at)
{
	sqlite3_stmt *st = f->search->statements[p->which];
	int64_t period = at >> ROW_PERIOD_SHIFT, end = f->first >> ROW_PERIOD_SHIFT;
	bool found = false;

	for (; period >= end && !found && f->status == TRACE_OK; period--) {
		int code;
		if (p->which == KEY)
			(void)sqlite3_bind_int64(st, 1, period);
		(void)sqlite3_bind_int64(st, p->which == KEY ? 2 : 1, p->key);
		(void)sqlite3_bind_int64(st, p->which == KEY ? 3 : 2, at);
		code = sqlite3_step(st);
		found = code == SQLITE_ROW;
		if (found)
			p->from = sqlite3_column_int64(st, 0);
		f->status = search_failed(f->search, code);
		(void)sqlite3_reset(st);
		if (p->which != KEY)
			break;
	}
	if (!found)
		return false;
	p->to = p->from + p->width - 1;
	return p->to >= f->first;
}

static void look_where_they_meet(struct finding *f, struct places *places, unsigned count)
{
	int64_t at = f->last;
	unsigned agreed = 0;

	for (unsigned i = 0; i < count; i++)
		places[i].from = INT64_MAX;
	for (unsigned i = 0; at >= f->first && f->count < f->filter->limit && f->status == TRACE_OK;
	     i = (i + 1) % count) {
		struct places *p = &places[i];
		int64_t from = f->first;
		if (p->from > at && !next_place(f, p, at))
			return;
		agreed = p->to < at ? 1 : agreed + 1;
		at = p->to < at ? p->to : at;
		if (agreed < count)
			continue;
		for (unsigned k = 0; k < count; k++)
			from = places[k].from > from ? places[k].from : from;
		look(f, from, at + 1);
		at = from - 1;
		agreed = 0;
	}
}

static unsigned add_place(struct places *places, unsigned count, enum row_key kind, const char *text)
{
	if (!text)
		return count;
	places[count] = (struct places){.which = KEY,
					.key = row_hash(kind, span_text(text)),
					.width = kind == ROW_KEY_RECIPIENT ? 1 : INT64_C(1) << ROW_BUCKET_SHIFT};
	return count + 1;
}

/* What is rare as a rule stands first. Of results that most mail has there are no keys. */
static unsigned places_of(const struct search_filter *filter, struct places places[PLACES_MAX])
{
	unsigned count = add_place(places, 0, ROW_KEY_RECIPIENT, filter->recipient);

	if (row_is_unfinished(filter->result))
		places[count++] = (struct places){.which = UNFINISHED, .key = filter->result, .width = 1};
	else if (filter->result != ROW_RESULTS && filter->result != ROW_DELIVERED)
		count = add_place(places, count, ROW_KEY_RESULT, row_result_name(filter->result));
	count = add_place(places, count, ROW_KEY_DEVICE, filter->device);
	count = add_place(places, count, ROW_KEY_SENDER, filter->sender);
	count = add_place(places, count, ROW_KEY_CLIENT, filter->client);
	return add_place(places, count, ROW_KEY_DESTINATION, filter->destination);
}

enum trace_status search_find(struct search *search, const struct search_filter *filter, int64_t *numbers,
			      unsigned *count)
{
	struct finding f = {.search = search, .filter = filter, .numbers = numbers};
	struct places places[PLACES_MAX];
	uint8_t id[16];
	int64_t since = row_number_at(filter->since_ms);
	int64_t until = filter->until_ms >= row_ms(INT64_MAX) ? INT64_MAX - 1 : row_number_at(filter->until_ms + 1) - 1;
	unsigned place_count = places_of(filter, places);

	*count = 0;
	f.first = one_number(search, FIRST, 0);
	f.last = one_number(search, LAST, -1);
	f.first = since > f.first ? since : f.first;
	f.last = until < f.last ? until : f.last;
	if (f.first > f.last || filter->limit == 0 || !bind_filter(&f, id))
		return TRACE_OK;
	if (filter->has_id)
		look(&f, row_number(filter->id), row_number(filter->id) + ROW_PROBES);
	else if (place_count > 0)
		look_where_they_meet(&f, places, place_count);
	else
		look(&f, f.first, INT64_MAX);
	*count = f.count;
	return f.status;
}

/* ---- what is there ---------------------------------------------------------------------------------------------- */

struct span search_text(sqlite3_stmt *st, int column)
{
	const char *text = (const char *)sqlite3_column_text(st, column);

	return (struct span){text, text ? (uint32_t)sqlite3_column_bytes(st, column) : 0};
}

int64_t search_number(sqlite3_stmt *st, int column)
{
	return sqlite3_column_type(st, column) == SQLITE_NULL ? -1 : sqlite3_column_int64(st, column);
}

static enum fact_kind kind_of(sqlite3_stmt *st, int column)
{
	int kind = sqlite3_column_int(st, column);

	return kind > 0 && kind < FACT_KINDS ? (enum fact_kind)kind : FACT_OTHER;
}

static enum row_result result_of(sqlite3_stmt *st, int column)
{
	int64_t result = search_number(st, column);

	return result >= 0 && result < ROW_RESULTS ? (enum row_result)result : ROW_RESULTS;
}

enum trace_status search_message(struct search *search, int64_t number, search_message_fn *fn, void *context)
{
	sqlite3_stmt *st = search->statements[MESSAGE];
	enum trace_status status;
	int code;

	(void)sqlite3_bind_int64(st, 1, number);
	code = sqlite3_step(st);
	if (code == SQLITE_ROW) {
		struct search_message m = {.number = number, .ms = row_ms(number), .kind = kind_of(st, 1)};
		const uint8_t *id = sqlite3_column_blob(st, 0);
		m.has_id = id && sqlite3_column_bytes(st, 0) == 16;
		for (int i = 0; m.has_id && i < 8; i++) {
			m.id.high = m.id.high << 8 | id[i];
			m.id.low = m.id.low << 8 | id[8 + i];
		}
		m.client = search_text(st, 2);
		m.device = search_text(st, 3);
		m.user = search_text(st, 4);
		m.peer = search_text(st, 5);
		m.listener = search_text(st, 6);
		m.sender = search_text(st, 7);
		m.message_id = search_text(st, 8);
		m.destination = search_text(st, 9);
		m.recipients = search_number(st, 10);
		m.octets = search_number(st, 11);
		fn(context, &m);
	}
	status = search_failed(search, code);
	(void)sqlite3_reset(st);
	return status;
}

enum trace_status search_recipients(struct search *search, int64_t number, search_recipient_fn *fn, void *context)
{
	sqlite3_stmt *st = search->statements[RECIPIENTS];
	enum trace_status status;
	int code;

	(void)sqlite3_bind_int64(st, 1, number);
	while ((code = sqlite3_step(st)) == SQLITE_ROW) {
		const struct search_recipient r = {search_text(st, 0), search_text(st, 1), result_of(st, 2)};
		fn(context, &r);
	}
	status = search_failed(search, code);
	(void)sqlite3_reset(st);
	return status;
}

enum trace_status search_steps(struct search *search, int64_t number, search_step_fn *fn, void *context)
{
	sqlite3_stmt *st = search->statements[STEPS];
	enum trace_status status;
	int code;

	(void)sqlite3_bind_int64(st, 1, number);
	while ((code = sqlite3_step(st)) == SQLITE_ROW) {
		const struct search_step step = {
			.ms = row_ms(number) + ((uint64_t)sqlite3_column_int64(st, 0) >> 6),
			.kind = kind_of(st, 1),
			.result = result_of(st, 2),
			.destination = search_text(st, 3),
			.host = search_text(st, 4),
			.mailbox = search_text(st, 5),
			.tls = search_text(st, 6),
			.stage = search_text(st, 7),
			.reply = search_text(st, 8),
			.problem = search_text(st, 9),
			.more = search_text(st, 10),
			.code = search_number(st, 11),
			.duration_ms = search_number(st, 12),
			.queued_ms = search_number(st, 13),
			.attempt = search_number(st, 14),
			.recipients = search_number(st, 15),
		};
		fn(context, &step);
	}
	status = search_failed(search, code);
	(void)sqlite3_reset(st);
	return status;
}

enum trace_status search_gaps(struct search *search, uint64_t since_ms, uint64_t until_ms, search_gap_fn *fn,
			      void *context)
{
	sqlite3_stmt *st = search->statements[GAPS];
	enum trace_status status;
	int code;

	(void)sqlite3_bind_int64(st, 1, (int64_t)since_ms);
	(void)sqlite3_bind_int64(st, 2, until_ms < INT64_MAX ? (int64_t)until_ms : INT64_MAX);
	while ((code = sqlite3_step(st)) == SQLITE_ROW) {
		const struct search_gap gap = {(uint64_t)sqlite3_column_int64(st, 0),
					       (uint64_t)sqlite3_column_int64(st, 1),
					       (uint64_t)sqlite3_column_int64(st, 2), search_text(st, 3)};
		fn(context, &gap);
	}
	status = search_failed(search, code);
	(void)sqlite3_reset(st);
	return status;
}

/* ---- reports ---------------------------------------------------------------------------------------------------- */

/* Attempts are counted where they are, deferrals by how they stand now. A report of the relay's own is no
 * message that came; those of which only an attempt is known are. 9: the first kind that is a
 * refusal (fact.h, row.h). */
static const char *const tables[SEARCH_TABLES] = {
	[SEARCH_VOLUME] = "SELECT '', count(*) FILTER (WHERE kind<2), total(octets),"
			  " total(recipients) FILTER (WHERE kind<2), count(*) FILTER (WHERE kind>=9)"
			  " FROM message WHERE n>=?1 AND n<?2",
	[SEARCH_DESTINATIONS] = "SELECT coalesce((SELECT text FROM name WHERE id=destination), ''), count(*),"
				" count(*) FILTER (WHERE result=1), count(*) FILTER (WHERE result=2),"
				" count(*) FILTER (WHERE result IN (3,5)), count(*) FILTER (WHERE result=4),"
				" count(*) FILTER (WHERE result IN (0,6)) FROM recipient"
				" WHERE n>=?1 AND n<?2 AND result<>10 GROUP BY destination ORDER BY 2 DESC LIMIT ?3",
	[SEARCH_ERRORS] = "SELECT coalesce((SELECT text FROM name WHERE id=problem),"
			  " nullif(coalesce(code || ' ', '') || coalesce(reply, ''), '')) AS what, count(*) AS c,"
			  " count(DISTINCT n) FROM step WHERE n>=?1 AND n<?2 AND kind=2 AND result<>1"
			  " GROUP BY what ORDER BY c DESC LIMIT ?3",
	[SEARCH_SLOWEST] = "SELECT '', queued_ms, s.n FROM step s WHERE s.n>=?1 AND s.n<?2 AND s.kind=2"
			   " AND s.result=1 ORDER BY queued_ms DESC LIMIT ?3",
	[SEARCH_CLIENTS] = "SELECT coalesce((SELECT text FROM name WHERE id=client), ''),"
			   " count(*) FILTER (WHERE kind<2), total(octets), count(*) FILTER (WHERE kind>=9)"
			   " FROM message WHERE n>=?1 AND n<?2 GROUP BY client ORDER BY 2 DESC LIMIT ?3",
	[SEARCH_DEVICES] = "SELECT (SELECT text FROM name WHERE id=device), count(*) FILTER (WHERE kind<2),"
			   " total(octets), count(*) FILTER (WHERE kind>=9), max(n)>>20"
			   " FROM message WHERE n>=?1 AND n<?2 AND device IS NOT NULL"
			   " GROUP BY device ORDER BY 2 DESC LIMIT ?3",
};

static_assert(FACT_REFUSED == 9 && FACT_ACCEPTED == 1 && FACT_ATTEMPT == 2 && ROW_DELIVERED == 1,
	      "as the tables have it");

enum trace_status search_table(struct search *search, enum search_table table, uint64_t since_ms, uint64_t until_ms,
			       unsigned limit, search_row_fn *fn, void *context)
{
	sqlite3_stmt *st = NULL;
	enum trace_status status;
	int code = sqlite3_prepare_v2(search->db, tables[table], -1, &st, NULL);

	if (code != SQLITE_OK)
		return search_failed(search, code);
	(void)sqlite3_bind_int64(st, 1, row_number_at(since_ms));
	(void)sqlite3_bind_int64(st, 2, until_ms >= row_ms(INT64_MAX) ? INT64_MAX : row_number_at(until_ms + 1));
	(void)sqlite3_bind_int(st, 3, (int)limit);
	while ((code = sqlite3_step(st)) == SQLITE_ROW) {
		int64_t numbers[SEARCH_NUMBERS] = {0};
		int columns = sqlite3_column_count(st);
		for (int i = 1; i < columns && i <= SEARCH_NUMBERS; i++)
			numbers[i - 1] = sqlite3_column_int64(st, i);
		fn(context, search_text(st, 0), numbers);
	}
	status = search_failed(search, code);
	(void)sqlite3_finalize(st);
	return status;
}

/* ---- opening ---------------------------------------------------------------------------------------------------- */

static int64_t pragma(struct search *s, const char *text)
{
	sqlite3_stmt *st = NULL;
	int64_t value = -1;

	if (sqlite3_prepare_v2(s->db, text, -1, &st, NULL) == SQLITE_OK && sqlite3_step(st) == SQLITE_ROW)
		value = sqlite3_column_int64(st, 0);
	(void)sqlite3_finalize(st);
	return value;
}

static enum trace_status prepare(struct search *s)
{
	int code;

	(void)sqlite3_busy_timeout(s->db, 2000);
	code = sqlite3_exec(s->db,
			    "PRAGMA query_only=ON; PRAGMA mmap_size=1073741824; PRAGMA cell_size_check=ON;"
			    "SELECT count(*) FROM sqlite_schema",
			    NULL, NULL, NULL);
	if (code != SQLITE_OK)
		return search_failed(s, code);
	if (pragma(s, "PRAGMA application_id") != ROW_APPLICATION) {
		snprintf(s->problem, sizeof(s->problem), "it is no trace");
		return TRACE_DAMAGED;
	}
	if (pragma(s, "PRAGMA user_version") != ROW_VERSION) {
		snprintf(s->problem, sizeof(s->problem), "another version of postrider has written it");
		return TRACE_LATER;
	}
	for (int i = 0; i < SEARCH_STATEMENTS; i++) {
		code = sqlite3_prepare_v2(s->db, texts[i], -1, &s->statements[i], NULL);
		if (code != SQLITE_OK)
			return search_failed(s, code);
	}
	return TRACE_OK;
}

enum trace_status search_open(const char *path, struct search **out, char problem[TRACE_PROBLEM_SIZE])
{
	struct search *s = calloc(1, sizeof(*s));
	enum trace_status status = TRACE_CANNOT;

	*out = NULL;
	problem[0] = '\0';
	if (!s)
		snprintf(problem, TRACE_PROBLEM_SIZE, "out of memory");
	else if (access(path, R_OK) < 0)
		snprintf(problem, TRACE_PROBLEM_SIZE, "%s", strerror(errno));
	else if (sqlite3_open_v2(path, &s->db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK)
		snprintf(problem, TRACE_PROBLEM_SIZE, "%s", s->db ? sqlite3_errmsg(s->db) : "out of memory");
	else if ((status = prepare(s)) != TRACE_OK)
		snprintf(problem, TRACE_PROBLEM_SIZE, "%s", s->problem);
	if (status == TRACE_OK)
		*out = s;
	else
		search_close(s);
	return status;
}

const char *search_problem(const struct search *search)
{
	return search->problem;
}

void search_end_where(struct search *search, search_over_fn *fn, void *context)
{
	enum { OPERATIONS = 4000 };

	sqlite3_progress_handler(search->db, OPERATIONS, fn, context);
}

void search_close(struct search *s)
{
	if (!s)
		return;
	for (int i = 0; i < SEARCH_STATEMENTS; i++)
		(void)sqlite3_finalize(s->statements[i]);
	(void)sqlite3_close(s->db);
	free(s);
}
