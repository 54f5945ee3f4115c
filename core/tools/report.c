/*
 * core/tools/report.c - see report.h. dist/postrider.8 has the form of --json.
 */
#include "core/tools/report.h"

#include <getopt.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/tools/ask.h"
#include "core/tools/sheet.h"
#include "core/tools/table.h"
#include "core/tools/trace_source.h"
#include "core/tools/when.h"
#include "core/tools/written.h"

enum { STATUS_NOTHING = 1, STATUS_USAGE = 64, STATUS_OUTPUT = 74 };
enum { ROWS = 10, TEXT_COLUMNS = 34 };

/* What a table of the trace is called, and its numbers; for people where it has a title. */
struct table {
	enum search_table which;
	const char *key, *title, *text;
	const char *numbers[SEARCH_NUMBERS]; /* names in JSON, and heads of columns; NULL: the end */
	const char *unit; /* of each: n: a number, o: octets, s: milliseconds, t: a time, #: an id's row */
};

static const struct table tables[] = {
	{SEARCH_DESTINATIONS,
	 "destinations",
	 "Destinations (recipients, as they stand now)",
	 "destination",
	 {"recipients", "delivered", "deferred", "failed", "held", "waiting"},
	 "nnnnnn"},
	{SEARCH_ERRORS, "errors", "What went wrong most", "problem", {"attempts", "messages"}, "nn"},
	{SEARCH_SLOWEST, "slowest", "Slowest deliveries", "id", {"after_ms"}, "s"},
	{SEARCH_CLIENTS, "clients", "Clients", "client", {"messages", "octets", "refused"}, "non"},
	{SEARCH_DEVICES, "devices", "Devices", "device", {"messages", "octets", "refused", "last"}, "nont"},
};

struct report {
	struct search *search;
	bool json, utc, first;
	bool asked; /* a process, of incidents */
	uint64_t since_ms, until_ms;
	const struct table *table;
	json_t *list;      /* borrowed */
	json_t *incidents; /* owned; that are open; NULL: no process answers, or it is not asked */
	json_t *over;      /* owned; that were over in that time; the same */
	json_int_t forgotten;
	int64_t volume[SEARCH_NUMBERS];
	char id[MESSAGE_ID_TEXT];
	bool has_id;
};

static int usage(FILE *out, int status)
{
	fputs("usage: postrider report [--since TIME] [--until TIME] [--utc] [--json] [--config FILE | --file FILE]\n"
	      "       --since: today where it is not said\n",
	      out);
	return status;
}

static void keep_id(void *context, const struct search_message *m)
{
	struct report *r = context;

	r->has_id = m->has_id;
	if (m->has_id)
		message_id_text(m->id, r->id);
}

/* The slowest are told by their ids, which the table has not. */
static struct span text_of(struct report *r, struct span text, const int64_t *numbers)
{
	if (r->table->which != SEARCH_SLOWEST)
		return text;
	r->has_id = false;
	(void)search_message(r->search, numbers[1], keep_id, r);
	return (struct span){r->id, r->has_id ? MESSAGE_ID_TEXT : 0};
}

static void put_number(const struct report *r, char unit, int64_t value)
{
	char text[WHEN_SIZE + TABLE_AGE_SIZE];

	switch (unit) {
	case 'o':
		printf(" %10s", table_size(value, text));
		break;
	case 's':
		printf(" %8" PRId64 ".%" PRId64 " s", value / 1000, value % 1000 / 100);
		break;
	case 't':
		when_format((uint64_t)value, r->utc, text);
		printf(" %20s", text);
		break;
	default:
		printf(" %10" PRId64, value);
	}
}

static void put_head(const struct table *table)
{
	sheet_colour(SHEET_BOLD);
	printf("\n%s\n", table->title);
	sheet_colour(SHEET_PLAIN);
	printf("%-*s", TEXT_COLUMNS, "");
	for (int i = 0; table->unit[i]; i++)
		printf(" %*s",
		       table->unit[i] == 'o'   ? 10
		       : table->unit[i] == 't' ? 20
		       : table->unit[i] == 's' ? 12
					       : 10,
		       table->unit[i] == 's' ? "after" : table->numbers[i]);
	putchar('\n');
}

static void put_row(void *context, struct span text, const int64_t *numbers)
{
	struct report *r = context;

	if (r->first)
		put_head(r->table);
	r->first = false;
	text = text_of(r, text, numbers);
	/* A sentence has lines of its own, behind its figures. */
	if (r->table->which == SEARCH_ERRORS) {
		printf("%-*s", TEXT_COLUMNS, "");
	} else {
		table_span(stdout, text.length > 0 ? text : span_text("(none)"), TEXT_COLUMNS, true);
	}
	for (int i = 0; r->table->unit[i]; i++)
		put_number(r, r->table->unit[i], numbers[i]);
	putchar('\n');
	if (r->table->which == SEARCH_ERRORS) {
		fputs("  ", stdout);
		sheet_words(text.length > 0 ? text : span_text("(nothing was said)"), 2);
	}
}

static json_t *json_time(uint64_t ms)
{
	char text[WHEN_SIZE], whole[WHEN_SIZE];

	when_format(ms, true, text);
	text[10] = 'T';
	snprintf(whole, sizeof(whole), "%.19sZ", text);
	return json_string(whole);
}

static void json_row(void *context, struct span text, const int64_t *numbers)
{
	struct report *r = context;
	json_t *one = json_object();

	text = text_of(r, text, numbers);
	(void)json_object_set_new(one, r->table->text, json_stringn(text.data ? text.data : "", text.length));
	for (int i = 0; r->table->unit[i]; i++)
		(void)json_object_set_new(one, r->table->numbers[i],
					  r->table->unit[i] == 't' ? json_time((uint64_t)numbers[i])
								   : json_integer(numbers[i]));
	(void)json_array_append_new(r->list, one);
}

static void keep_volume(void *context, struct span text, const int64_t *numbers)
{
	struct report *r = context;

	memcpy(r->volume, numbers, sizeof(r->volume));
}

static void json_gap(void *context, const struct search_gap *gap)
{
	struct report *r = context;
	json_t *one = json_object();

	(void)json_object_set_new(one, "from", json_time(gap->from_ms));
	(void)json_object_set_new(one, "until", json_time(gap->until_ms));
	(void)json_object_set_new(one, "count", json_integer((json_int_t)gap->count));
	(void)json_object_set_new(one, "why", json_stringn(gap->why.data ? gap->why.data : "", gap->why.length));
	(void)json_array_append_new(r->list, one);
}

static void count_gap(void *context, const struct search_gap *gap)
{
	*(uint64_t *)context += gap->count;
}

static enum trace_status put_tables(struct report *r, json_t *object)
{
	enum trace_status status = TRACE_OK;

	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]) && status == TRACE_OK; i++) {
		r->table = &tables[i];
		r->first = true;
		r->list = json_array();
		status = search_table(r->search, r->table->which, r->since_ms, r->until_ms, ROWS,
				      object ? json_row : put_row, r);
		if (object)
			(void)json_object_set_new(object, r->table->key, r->list);
		else
			json_decref(r->list);
	}
	return status;
}

/* ---- incidents -------------------------------------------------------------------------------------------------- */

enum { INCIDENTS_S = 10, SINCE_MOST_S = 99999999, SECONDS = sizeof("2026-01-01T00:00:00") - 1 };

/* They ended since then, and had begun until then: what a night was like. */
static json_t *within_time(const json_t *list, uint64_t until_ms)
{
	json_t *until = until_ms == UINT64_MAX ? NULL : json_time(until_ms), *out = json_array(), *one;
	size_t i;

	json_array_foreach((json_t *)(uintptr_t)list, i, one)
	{
		if (!until || strncmp(ask_text(one, "since"), json_string_value(until), SECONDS) <= 0)
			(void)json_array_append(out, one);
	}
	json_decref(until);
	return out;
}

/* The trace has mail, and not these: the process has them, where one runs. */
static void ask_incidents(struct report *r, const char *config)
{
	char problem[256], path[80] = "/v1/incidents/over";
	struct ask ask = {.command = "report",
			  .config = config,
			  .problem = problem,
			  .problem_size = sizeof(problem),
			  .answer_s = INCIDENTS_S};
	uint64_t now_ms = clock_wall_ns() / CLOCK_NS_PER_MS;
	uint64_t ago_s = now_ms > r->since_ms ? (now_ms - r->since_ms) / 1000 + 1 : 1;
	json_t *answer = NULL;

	r->asked = true;
	if (ask_open(&ask) != 0 || ask_get(&ask, "/v1/incidents", &answer) != 0)
		return;
	r->incidents = json_incref(json_object_get(answer, "incidents"));
	json_decref(answer);
	answer = NULL;
	if (ago_s <= SINCE_MOST_S)
		snprintf(path, sizeof(path), "/v1/incidents/over?since=%" PRIu64 "s", ago_s);
	/* A process of before has none. */
	if (ask_get(&ask, path, &answer) != 0)
		return;
	r->over = within_time(json_object_get(answer, "over"), r->until_ms);
	r->forgotten = ask_number(answer, "forgotten");
	json_decref(answer);
}

static void put_title(const char *title)
{
	sheet_colour(SHEET_BOLD);
	printf("\n%s\n", title);
	sheet_colour(SHEET_PLAIN);
}

static void put_problem(const json_t *one)
{
	table_safe(stdout, ask_text(one, "kind"));
	fputs(": ", stdout);
	table_safe(stdout, ask_text(one, "subject"));
	fputs("\n  ", stdout);
	sheet_words(span_text(ask_text(one, "problem")), 2);
}

static void put_open(const struct report *r)
{
	char since[TABLE_TIME_SIZE];
	json_t *one;
	size_t i;

	if (json_array_size(r->incidents) > 0)
		put_title("Incidents that are open now");
	json_array_foreach(r->incidents, i, one)
	{
		printf("%s ", table_time(ask_text(one, "since"), r->utc, since));
		put_problem(one);
	}
}

static void put_over(const struct report *r)
{
	char since[TABLE_TIME_SIZE], until[TABLE_TIME_SIZE], age[TABLE_AGE_SIZE];
	json_t *one;
	size_t i;

	if (json_array_size(r->over) > 0 || r->forgotten > 0)
		put_title("Incidents that are over");
	json_array_foreach(r->over, i, one)
	{
		printf("%s to %s, ", table_time(ask_text(one, "since"), r->utc, since),
		       table_time(ask_text(one, "until"), r->utc, until));
		printf("%s ", table_age(ask_number(one, "ms") / 1000, age));
		put_problem(one);
	}
	if (r->forgotten > 0)
		printf("and %" JSON_INTEGER_FORMAT " that ended before these, of which no more is known\n",
		       r->forgotten);
}

/* ---- all of it --------------------------------------------------------------------------------------------------- */

static enum trace_status report_json(struct report *r)
{
	json_t *object = json_object();
	enum trace_status status;

	(void)json_object_set_new(object, "since", json_time(r->since_ms));
	(void)json_object_set_new(object, "messages", json_integer(r->volume[0]));
	(void)json_object_set_new(object, "octets", json_integer(r->volume[1]));
	(void)json_object_set_new(object, "recipients", json_integer(r->volume[2]));
	(void)json_object_set_new(object, "refused", json_integer(r->volume[3]));
	(void)json_object_set(object, "incidents", r->incidents ? r->incidents : json_null());
	(void)json_object_set(object, "incidents_over", r->over ? r->over : json_null());
	status = put_tables(r, object);
	r->list = json_array();
	if (status == TRACE_OK)
		status = search_gaps(r->search, r->since_ms, r->until_ms, json_gap, r);
	(void)json_object_set_new(object, "left_out", r->list);
	written_json(stdout, object);
	return status;
}

static enum trace_status report_text(struct report *r)
{
	char since[WHEN_SIZE], octets[TABLE_AGE_SIZE];
	enum trace_status status;
	uint64_t left_out = 0;

	when_format(r->since_ms, r->utc, since);
	printf("Since %s: %" PRId64 " messages, %s, to %" PRId64 " recipients; %" PRId64 " refused\n", since,
	       r->volume[0], table_size(r->volume[1], octets), r->volume[2], r->volume[3]);
	if (r->asked && !r->incidents)
		printf("\nNo process answers: which incidents are open, or were, is not known\n");
	put_open(r);
	put_over(r);
	status = put_tables(r, NULL);
	if (status == TRACE_OK)
		status = search_gaps(r->search, r->since_ms, r->until_ms, count_gap, &left_out);
	if (left_out > 0)
		printf("\n%" PRIu64 " more are not in the trace: `postrider trace` says when and why\n", left_out);
	return status;
}

static int report(struct report *r)
{
	enum trace_status status = search_table(r->search, SEARCH_VOLUME, r->since_ms, r->until_ms, 1, keep_volume, r);

	if (status == TRACE_OK)
		status = r->json ? report_json(r) : report_text(r);
	if (status != TRACE_OK) {
		fprintf(stderr, "postrider: report: %s\n", search_problem(r->search));
		return TRACE_NO_FILE;
	}
	if (fflush(stdout) != 0 || ferror(stdout))
		return STATUS_OUTPUT;
	return r->volume[0] + r->volume[3] == 0 ? STATUS_NOTHING : 0;
}

int report_command(int argc, char **argv)
{
	static const struct option long_options[] = {
		{"since", required_argument, NULL, 's'},  {"until", required_argument, NULL, 'u'},
		{"utc", no_argument, NULL, 'z'},          {"json", no_argument, NULL, 'j'},
		{"config", required_argument, NULL, 'c'}, {"file", required_argument, NULL, 'f'},
		{"help", no_argument, NULL, 'h'},         {NULL, 0, NULL, 0}};
	struct report r = {.until_ms = UINT64_MAX};
	const char *config = TRACE_CONFIGURATION, *file = NULL, *since = "today", *until = NULL, *said = NULL;
	int option, status;

	optind = 1;
	while ((option = getopt_long(argc, argv, "c:h", long_options, NULL)) != -1) {
		if (option == 'h')
			return usage(stdout, 0);
		if (option == 's')
			since = optarg;
		else if (option == 'u')
			until = optarg;
		else if (option == 'c')
			config = said = optarg;
		else if (option == 'f')
			file = optarg;
		else if (option != 'z' && option != 'j')
			return usage(stderr, STATUS_USAGE);
		r.utc |= option == 'z';
		r.json |= option == 'j';
	}
	if (optind != argc)
		return usage(stderr, STATUS_USAGE);
	if (!trace_source_time("report", since, r.utc, &r.since_ms) ||
	    (until && !trace_source_time("report", until, r.utc, &r.until_ms)))
		return STATUS_USAGE;
	status = trace_source_open("report", config, file, &r.search);
	if (status == 0) {
		if (!file)
			ask_incidents(&r, said);
		status = report(&r);
	}
	json_decref(r.incidents);
	json_decref(r.over);
	search_close(r.search);
	return status;
}
