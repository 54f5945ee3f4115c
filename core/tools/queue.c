/*
 * core/tools/queue.c - see queue.h. The filters are what core/control/filter.h says: they are handed on as they are,
 * and refused there.
 */
#include "core/tools/queue.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/scheduling.h"
#include "core/tools/ask.h"
#include "core/tools/queue_act.h"
#include "core/tools/queue_export.h"
#include "core/tools/queue_import.h"
#include "core/tools/table.h"
#include "core/tools/written.h"

enum {
	LIMIT_USUAL = 100,
	PAGE_MOST = 1000,
	IDS_MOST = 10000,
	ALL = -1,
	COUNT_S = 3660 /* a summary's hour, and more */
};

/* Filters, in the order of `names`. */
enum { FILTERS = 10 };
static const char *const names[FILTERS] = {"to",    "from",  "client", "device",   "destination",
					   "older", "newer", "state",  "attempts", "error"};

struct queue {
	struct ask ask;
	const char *filters[FILTERS];
	const char *cursor;
	long limit; /* ALL: no limit */
	bool ids;   /* nothing but these */
};

static int usage(FILE *out, int status)
{
	fputs("usage: postrider queue list [FILTER...] [--limit N | --all] [--cursor CURSOR]\n"
	      "       postrider queue summary [--destination NAME] [--older AGE] [--newer AGE] [--state STATE] "
	      "[--attempts N]\n"
	      "       postrider queue show ID...\n"
	      "       postrider queue hold|release|retry|delete ID..., or - for standard input\n"
	      "list --ids: ids alone, as in postrider queue list --ids --older 2d --all | postrider queue delete -\n"
	      "filters: --to ADDRESS, --from ADDRESS (* for anything: --to '*@example.org'), --client NAME,\n"
	      "         --device NAME, --destination NAME, --older AGE, --newer AGE (90s, 15m, 4h, 2d),\n"
	      "         --state ready|deferred|active|held|kept|failed (several with commas), --attempts N (at\n"
	      "         least), --error TEXT\n"
	      "all:     [--config FILE | --socket PATH] [--json] [--utc]\n",
	      out);
	return status;
}

/* 75, and what is not there, on standard error. */
static int missing(const json_t *answer)
{
	const json_t *list = json_object_get(answer, "missing"), *one;
	size_t i;

	json_array_foreach((json_t *)(uintptr_t)list, i, one)
		fprintf(stderr,
			"postrider: queue: shard %" JSON_INTEGER_FORMAT
			" does not answer, its messages are not shown: look for shard_stuck in the events\n",
			json_integer_value(one));
	if (ask_number(answer, "left_out") > 0)
		fprintf(stderr,
			"postrider: queue: %" JSON_INTEGER_FORMAT " messages could not be read, and are not shown\n",
			ask_number(answer, "left_out"));
	return json_array_size(list) > 0 || ask_number(answer, "left_out") > 0 ? ASK_PART : ASK_DONE;
}

/* ---- list ------------------------------------------------------------------------------------------------------- */

static void print_reply(const json_t *reply, int columns)
{
	char line[700], code[16] = "";

	if (json_is_integer(json_object_get(reply, "code")))
		snprintf(code, sizeof(code), "%" JSON_INTEGER_FORMAT " ", ask_number(reply, "code"));
	snprintf(line, sizeof(line), "%s%s", code, ask_text(reply, "text"));
	table_cell(stdout, line, columns, false);
}

/* Two lines, and a third one where it was refused: ids are not cut, because they are what one goes on with. */
static void print_row(const json_t *row, bool utc)
{
	enum { INDENT = 8, SENDER = 38, RECIPIENT = 46 };
	const json_t *to = json_object_get(row, "to"), *error = json_object_get(row, "error");
	const char *first = json_string_value(json_array_get(to, 0)), *sender = ask_text(row, "sender");
	json_int_t more = ask_number(row, "recipients") - 1;
	char age[TABLE_AGE_SIZE], size[TABLE_AGE_SIZE], due[TABLE_TIME_SIZE];

	printf("%s  %5s  %6s  ", ask_text(row, "id"), table_age(ask_number(row, "age_s"), age),
	       table_size(ask_number(row, "size"), size));
	table_cell(stdout, ask_text(row, "state"), 8, true);
	printf("  %3" JSON_INTEGER_FORMAT "  ", ask_number(row, "attempts"));
	printf("%-19s  ", table_time(json_string_value(json_object_get(row, "due")), utc, due));
	table_cell(stdout, json_string_value(json_array_get(json_object_get(row, "destinations"), 0)), 16, false);
	printf("\n%*s", INDENT, "");
	table_cell(stdout, sender[0] ? sender : "<>", SENDER, true);
	printf("  ");
	table_cell(stdout, first ? first : "-", RECIPIENT, false);
	if (more > 0)
		printf(" +%" JSON_INTEGER_FORMAT, more);
	if (json_is_object(error)) {
		printf("\n%*s", INDENT, "");
		print_reply(error, TABLE_COLUMNS - INDENT);
	}
	printf("\n");
}

static void make_path(struct ask_path *path, const char *what, const struct queue *q)
{
	ask_path_begin(path, what);
	for (size_t i = 0; i < FILTERS; i++)
		ask_path_value(path, names[i], q->filters[i]);
}

struct listing {
	char *cursor;
	long shown;
	int status;
	bool more;
};

/* What is known in memory is enough; JSON has all of it in any case. */
static bool ids_alone(const struct queue *q)
{
	return q->ids && !q->ask.json;
}

/* A page. False: that was the last one, or it cannot go on. */
static bool list_page(const struct queue *q, struct listing *l)
{
	long most = ids_alone(q) ? IDS_MOST : PAGE_MOST;
	long left = q->limit == ALL ? most : q->limit - l->shown;
	json_t *answer = NULL, *row;
	struct ask_path path;
	const char *next;
	char limit[24];
	size_t i;
	int status;

	make_path(&path, ids_alone(q) ? "/v1/queue/ids" : "/v1/queue/messages", q);
	snprintf(limit, sizeof(limit), "%ld", left < most ? left : most);
	ask_path_value(&path, "limit", limit);
	ask_path_value(&path, "cursor", l->cursor ? l->cursor : q->cursor);
	status = ask_get(&q->ask, path.text, &answer);
	if (status != 0) {
		l->status = status;
		return false;
	}
	json_array_foreach(json_object_get(answer, ids_alone(q) ? "ids" : "messages"), i, row)
	{
		if (q->ask.json) {
			fputs(l->shown == 0 ? "{\"messages\": [" : ", ", stdout);
			written_json_piece(stdout, row);
		} else if (q->ids)
			printf("%s\n", json_is_string(row) ? json_string_value(row) : "-");
		else {
			if (l->shown == 0)
				printf("%-26s  %5s  %6s  %-8s  %3s  %-19s  %s\n", "ID", "AGE", "SIZE", "STATE", "TRY",
				       "NEXT", "DESTINATION");
			print_row(row, q->ask.utc);
		}
		l->shown++;
	}
	if (missing(answer) != 0)
		l->status = ASK_PART;
	next = json_string_value(json_object_get(answer, "next"));
	free(l->cursor);
	l->cursor = next ? strdup(next) : NULL;
	json_decref(answer);
	return l->cursor && (q->limit == ALL || l->shown < q->limit);
}

/* What was shown stays shown where it cannot go on: `next` says from where it may. */
static void end_json(const struct listing *l)
{
	json_t *next = l->cursor ? json_string(l->cursor) : json_null();

	fputs(l->shown == 0 ? "{\"messages\": [], \"next\": " : "], \"next\": ", stdout);
	written_json_piece(stdout, next);
	fputs("}\n", stdout);
	json_decref(next);
}

static int list(struct queue *q)
{
	struct listing l = {0};

	if (q->limit == ALL || q->limit > PAGE_MOST)
		ask_many(&q->ask);
	/* The first page shows whether there is something to spare. */
	while (list_page(q, &l))
		scheduling_idle();
	ask_close(&q->ask);
	if (q->ask.json && (l.status == 0 || l.status == ASK_PART || l.shown > 0))
		end_json(&l);
	else if (!q->ask.json && l.status == 0 && l.shown == 0)
		fprintf(q->ids ? stderr : stdout, "nothing that fits is queued\n");
	if (!q->ask.json && l.cursor)
		fprintf(q->ids ? stderr : stdout, "more: --cursor %s, or --all\n", l.cursor);
	free(l.cursor);
	return l.status;
}

/* ---- summary ---------------------------------------------------------------------------------------------------- */

enum { COLUMN = 7, NAME = 20 };

static void print_count(const json_t *count, const char *name)
{
	char size[TABLE_AGE_SIZE];
	const json_t *one;
	size_t i;

	table_cell(stdout, name, NAME, true);
	printf(" %8" JSON_INTEGER_FORMAT " %6s", ask_number(count, "messages"),
	       table_size(ask_number(count, "octets"), size));
	json_array_foreach(json_object_get(count, "ages"), i, one)
		printf(" %*" JSON_INTEGER_FORMAT, COLUMN, json_integer_value(one));
	printf("\n");
}

/* What does not go by itself has a line of its own. */
static void print_states(const json_t *count)
{
	const json_t *states = json_object_get(count, "states"), *one;
	const char *name, *before = "of these: ";

	json_object_foreach((json_t *)(uintptr_t)states, name, one)
	{
		if (json_integer_value(one) == 0)
			continue;
		printf("%s%" JSON_INTEGER_FORMAT " %s", before, json_integer_value(one), name);
		before = ", ";
	}
	if (*before == ',')
		printf("\n");
}

static int summary(struct queue *q)
{
	json_t *answer = NULL, *one;
	struct ask_path path;
	char age[TABLE_AGE_SIZE], head[32];
	size_t i;
	int status;

	make_path(&path, "/v1/queue/summary", q);
	q->ask.answer_s = COUNT_S;
	status = ask_get(&q->ask, path.text, &answer);
	if (status != 0)
		return status;
	status = missing(answer);
	if (!json_is_true(json_object_get(answer, "whole")))
		status = ASK_PART;
	if (q->ask.json) {
		written_json(stdout, answer);
		return status;
	}
	printf("%-*s %8s %6s", NAME, "DESTINATION", "MESSAGES", "SIZE");
	json_array_foreach(json_object_get(answer, "ages_s"), i, one)
	{
		json_int_t s = json_integer_value(one);
		if (s % 86400 == 0 || s % 3600 == 0)
			snprintf(head, sizeof(head), "<%" JSON_INTEGER_FORMAT "%c",
				 s % 86400 == 0 ? s / 86400 : s / 3600, s % 86400 == 0 ? 'd' : 'h');
		else
			snprintf(head, sizeof(head), "<%s", table_age(s, age));
		printf(" %*s", COLUMN, head);
	}
	printf(" %*s\n", COLUMN, "older");
	json_array_foreach(json_object_get(answer, "destinations"), i, one) print_count(
		one, json_is_string(json_object_get(one, "destination")) ? ask_text(one, "destination") : "(none)");
	print_count(json_object_get(answer, "all"), "all");
	print_states(json_object_get(answer, "all"));
	if (status != 0)
		fprintf(stderr, "postrider: queue: not all was counted\n");
	json_decref(answer);
	return status;
}

/* ---- show ------------------------------------------------------------------------------------------------------- */

static void print_line(const char *name, const char *value)
{
	printf("%-12s", name);
	table_cell(stdout, value, TABLE_COLUMNS - 12, false);
	printf("\n");
}

static void print_recipient(const json_t *recipient, bool utc)
{
	char due[TABLE_TIME_SIZE];

	printf("  ");
	table_safe(stdout, ask_text(recipient, "address"));
	printf("\n    ");
	table_safe(stdout, ask_text(recipient, "status"));
	printf(" to ");
	table_safe(stdout, ask_text(recipient, "destination"));
	printf(", attempts: %" JSON_INTEGER_FORMAT, ask_number(recipient, "attempts"));
	if (json_is_string(json_object_get(recipient, "due")))
		printf(", next %s", table_time(ask_text(recipient, "due"), utc, due));
	printf("\n");
	if (json_is_object(json_object_get(recipient, "reply"))) {
		printf("    ");
		table_safe(stdout, ask_text(json_object_get(recipient, "reply"), "stage"));
		printf(": ");
		print_reply(json_object_get(recipient, "reply"), 4 * TABLE_COLUMNS);
		printf("\n");
	}
}

/* RFC 5322 2.2.3; a field of a megabyte is cut. */
static void print_unfolded(const char *value)
{
	char line[2 * TABLE_COLUMNS + 1];
	size_t n = 0;

	for (; *value != '\0' && n + 1 < sizeof(line); value++) {
		if (value[0] == '\r' && value[1] == '\n' && (value[2] == ' ' || value[2] == '\t'))
			value += 2;
		line[n++] = *value == '\t' ? ' ' : *value;
	}
	line[n] = '\0';
	table_cell(stdout, line, 2 * TABLE_COLUMNS, false);
	if (*value != '\0')
		printf("...");
}

static void print_whole(const json_t *m, bool utc)
{
	const json_t *one;
	char line[400], when[TABLE_TIME_SIZE], age[TABLE_AGE_SIZE], size[TABLE_AGE_SIZE];
	size_t i;

	print_line("id", ask_text(m, "id"));
	snprintf(line, sizeof(line), "%s (%s ago)", table_time(ask_text(m, "accepted"), utc, when),
		 table_age(ask_number(m, "age_s"), age));
	print_line("accepted", line);
	snprintf(line, sizeof(line), "%.200s, from %.64s (%.100s)", ask_text(m, "client"), ask_text(m, "peer"),
		 ask_text(m, "helo"));
	print_line("client", line);
	if (ask_text(m, "device")[0])
		print_line("device", ask_text(m, "device"));
	print_line("size", table_size(ask_number(m, "size"), size));
	print_line("state", ask_text(m, "state"));
	if (json_is_object(json_object_get(m, "error")) && json_array_size(json_object_get(m, "envelope")) == 0)
		print_line("error", ask_text(json_object_get(m, "error"), "text"));
	print_line("sender", ask_text(m, "sender")[0] ? ask_text(m, "sender") : "<>");
	printf("recipients\n");
	json_array_foreach(json_object_get(m, "envelope"), i, one) print_recipient(one, utc);
	printf("header\n");
	json_array_foreach(json_object_get(m, "header"), i, one)
	{
		printf("  ");
		table_safe(stdout, ask_text(one, "name"));
		printf(": ");
		print_unfolded(ask_text(one, "value"));
		printf("\n");
	}
}

static int show(struct queue *q, char **ids, int count)
{
	json_t *all = json_array(), *answer, *one;
	int status = 0, i;
	size_t k;

	for (i = 0; i < count; i++) {
		struct ask_path path;
		int r;
		ask_path_begin(&path, "/v1/queue/messages");
		ask_path_segment(&path, ids[i]);
		answer = NULL;
		r = ask_get(&q->ask, path.text, &answer);
		if (r == 0)
			r = missing(answer);
		status = r > status ? r : status;
		json_array_foreach(json_object_get(answer, "messages"), k, one)
		{
			if (q->ask.json)
				json_array_append(all, one);
			else {
				if (i > 0 || k > 0)
					printf("\n");
				print_whole(one, q->ask.utc);
			}
		}
		json_decref(answer);
	}
	if (q->ask.json)
		written_json(stdout, json_pack("{sO}", "messages", all));
	json_decref(all);
	return status;
}

/* ---- command line ----------------------------------------------------------------------------------------------- */

static bool read_options(struct queue *q, int argc, char **argv, bool *help)
{
	enum { CONFIG = FILTERS, SOCKET, JSON, UTC, LIMIT, CURSOR, EVERYTHING, IDS };
	static const char *const others[] = {"config", "socket", "json", "utc", "limit", "cursor", "all", "ids"};
	struct option options[FILTERS + 10] = {{0}};
	char *end;
	int option;

	for (int i = 0; i <= IDS; i++)
		options[i] = (struct option){i < FILTERS ? names[i] : others[i - FILTERS],
					     i == JSON || i == UTC || i >= EVERYTHING ? no_argument : required_argument,
					     NULL, 1000 + i};
	options[IDS + 1] = (struct option){"help", no_argument, NULL, 'h'};
	optind = 1;
	while ((option = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
		int which = option == 'c' ? CONFIG : option - 1000;
		if (option == 'h')
			return *help = true;
		if (which >= 0 && which < FILTERS)
			q->filters[which] = optarg;
		else if (which == CONFIG)
			q->ask.config = optarg;
		else if (which == SOCKET)
			q->ask.socket = optarg;
		else if (which == JSON)
			q->ask.json = true;
		else if (which == UTC)
			q->ask.utc = true;
		else if (which == CURSOR)
			q->cursor = optarg;
		else if (which == IDS)
			q->ids = true;
		else if (which == EVERYTHING)
			q->limit = ALL;
		else if (which != LIMIT || (q->limit = strtol(optarg, &end, 10)) <= 0 || *end != '\0')
			return false;
	}
	return true;
}

int queue_command(int argc, char **argv)
{
	struct queue q = {.ask.command = "queue", .limit = LIMIT_USUAL};
	const char *what = argc > 1 ? argv[1] : "";
	bool lists = strcmp(what, "list") == 0, sums = strcmp(what, "summary") == 0, shows = strcmp(what, "show") == 0;
	bool help = strcmp(what, "--help") == 0 || strcmp(what, "-h") == 0;
	int status;

	if (help)
		return usage(stdout, 0);
	if (strcmp(what, "export") == 0)
		return queue_export_command(argc, argv);
	if (strcmp(what, "import") == 0)
		return queue_import_command(argc, argv);
	/* What changes it. */
	if (argc > 1 && !lists && !sums && !shows)
		return queue_act_command(argc, argv);
	if ((!lists && !sums && !shows) || !read_options(&q, argc - 1, argv + 1, &help))
		return usage(stderr, ASK_USAGE);
	if (help)
		return usage(stdout, 0);
	/* getopt has counted from the word behind "queue". */
	if (shows ? optind == argc - 1 : optind != argc - 1)
		return usage(stderr, ASK_USAGE);
	status = ask_open(&q.ask);
	if (status != 0)
		return status;
	if (lists)
		return list(&q);
	return sums ? summary(&q) : show(&q, argv + 1 + optind, argc - 1 - optind);
}
