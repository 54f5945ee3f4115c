/*
 * core/tools/trace.c - see trace.h. dist/postrider.8 has the command line and the form of --json.
 */
#include "core/tools/trace.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/tools/sheet.h"
#include "core/tools/table.h"
#include "core/tools/trace_source.h"
#include "core/tools/when.h"
#include "core/tools/written.h"

enum { STATUS_NOTHING = 1, STATUS_USAGE = 64, STATUS_OUTPUT = 74 };
enum { LIMIT = 20, LIMIT_MAX = 100000, LABEL = 12 };

struct trace_options {
	const char *config, *file, *since, *until;
	bool json, utc;
	struct search_filter filter;
	struct search *search;
	enum trace_status status;
	/* Of the message that is shown. */
	uint64_t day_ms; /* its own time */
	bool first;
	json_t *list; /* borrowed */
};

static int usage(FILE *out, int status)
{
	fputs("usage: postrider trace [ID] [--client NAME] [--device NAME] [--sender ADDRESS] [--recipient ADDRESS]\n"
	      "                       [--destination NAME] [--result RESULT] [--since TIME] [--until TIME]\n"
	      "                       [--limit N] [--utc] [--json] [--config FILE | --file FILE]\n"
	      "results: queued, delivered, deferred, failed, held, expired, unknown, refused\n",
	      out);
	return status;
}

/* ---- for people ------------------------------------------------------------------------------------------------- */

static enum sheet_colour colour_of(enum row_result result)
{
	switch (result) {
	case ROW_DELIVERED:
		return SHEET_GREEN;
	case ROW_FAILED:
	case ROW_EXPIRED:
	case ROW_REFUSED:
		return SHEET_RED;
	case ROW_DEFERRED:
	case ROW_HELD:
	case ROW_UNKNOWN:
	case ROW_PARTIAL:
		return SHEET_YELLOW;
	default:
		return SHEET_PLAIN;
	}
}

static void put_result(enum row_result result)
{
	sheet_colour(colour_of(result));
	fputs(row_result_name(result), stdout);
	sheet_colour(SHEET_PLAIN);
}

static void label(const char *text)
{
	printf("  %-*s", LABEL - 2, text);
}

static void labelled(const char *name, struct span text)
{
	if (!text.data || text.length == 0)
		return;
	label(name);
	sheet_words(text, LABEL);
}

static void put_who(const struct search_message *m)
{
	char text[2048];
	int n = 0;
	const struct {
		const char *name;
		struct span value;
	} parts[] = {{"client", m->client},
		     {"device", m->device},
		     {"user", m->user},
		     {"from", m->peer},
		     {"by listener", m->listener}};

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		if (parts[i].value.length > 0 && n < (int)sizeof(text) - 600)
			n += snprintf(text + n, sizeof(text) - (size_t)n, "%s%s %.*s", n ? ", " : "", parts[i].name,
				      (int)parts[i].value.length, parts[i].value.data);
	}
	labelled("client", (struct span){text, (uint32_t)(n < (int)sizeof(text) ? n : (int)sizeof(text) - 1)});
}

static void put_message(void *context, const struct search_message *m)
{
	struct trace_options *o = context;
	char when[WHEN_SIZE], id[MESSAGE_ID_TEXT];

	o->day_ms = m->ms;
	when_format(m->ms, o->utc, when);
	sheet_colour(SHEET_BOLD);
	if (m->has_id) {
		message_id_text(m->id, id);
		printf("%.*s", MESSAGE_ID_TEXT, id);
	} else {
		fputs(fact_kind_name(m->kind), stdout);
	}
	sheet_colour(SHEET_PLAIN);
	printf("  %s", when);
	if (m->octets >= 0)
		printf("  %" PRId64 " octets", m->octets);
	if (m->recipients > 1)
		printf("  %" PRId64 " recipients", m->recipients);
	putchar('\n');
	put_who(m);
	if (m->sender.data)
		labelled("sender", m->sender.length > 0 ? m->sender : span_text("<>"));
	labelled("Message-ID", m->message_id);
	if (m->kind == FACT_OTHER)
		labelled("", span_text("of its acceptance nothing is in the trace"));
}

static void put_recipient(void *context, const struct search_recipient *r)
{
	struct trace_options *o = context;

	label(o->first ? "recipient" : "");
	o->first = false;
	table_span(stdout, r->address, 48, true);
	putchar(' ');
	put_result(r->result);
	if (r->destination.length > 0) {
		fputs(" by ", stdout);
		table_span(stdout, r->destination, 20, true);
	}
	putchar('\n');
}

/* "1.2 s" */
static void put_duration(int64_t ms)
{
	if (ms >= 60000)
		printf("%" PRId64 " min", ms / 60000);
	else
		printf("%" PRId64 ".%" PRId64 " s", ms / 1000, ms % 1000 / 100);
}

static void put_attempt(const struct search_step *step)
{
	if (step->attempt > 0)
		printf("attempt %" PRId64, step->attempt);
	else
		fputs("attempt", stdout);
	if (step->host.length > 0) {
		fputs(" at ", stdout);
		table_span(stdout, step->host, step->host.length < 34 ? (int)step->host.length : 34, true);
	}
	fputs(": ", stdout);
	put_result(step->result);
	if (step->queued_ms >= 0) {
		fputs(", ", stdout);
		put_duration(step->queued_ms);
		fputs(" after it came", stdout);
	}
	putchar('\n');
}

static void put_said(const struct search_step *step)
{
	char text[1024];
	int n = 0;

	if (step->stage.length > 0)
		n = snprintf(text, sizeof(text), "at %.*s: ", step->stage.length < 64 ? (int)step->stage.length : 64,
			     step->stage.data);
	if (step->code > 0)
		n += snprintf(text + n, sizeof(text) - (size_t)n, "%" PRId64 " ", step->code);
	n += snprintf(text + n, sizeof(text) - (size_t)n, "%.*s", (int)step->reply.length,
		      step->reply.data ? step->reply.data : "");
	if (step->reply.length > 0)
		labelled("", (struct span){text, (uint32_t)(n < (int)sizeof(text) ? n : (int)sizeof(text) - 1)});
}

static void put_step(void *context, const struct search_step *step)
{
	struct trace_options *o = context;
	char when[WHEN_SIZE];
	bool refusal = step->kind >= FACT_REFUSED;

	/* The day only where it is another one. */
	when_format(step->ms, o->utc, when);
	label(step->ms - o->day_ms < 43200000 ? when + 11 : when);
	if (step->ms - o->day_ms >= 43200000)
		putchar(' ');
	switch (step->kind) {
	case FACT_ATTEMPT:
		put_attempt(step);
		break;
	case FACT_DEFERRED:
		fputs("to be tried again at ", stdout);
		table_span(stdout, step->more, 24, true);
		putchar('\n');
		break;
	case FACT_REPORT:
		fputs("is a report: ", stdout);
		table_span(stdout, step->more, 20, true);
		if (step->reply.length > 0) {
			fputs(", about ", stdout);
			table_span(stdout, step->reply, MESSAGE_ID_TEXT, true);
		}
		putchar('\n');
		break;
	default:
		if (refusal) {
			sheet_colour(SHEET_RED);
			fputs(step->kind == FACT_NOT_STORED ? "not stored" : "refused", stdout);
			sheet_colour(SHEET_PLAIN);
		} else {
			fputs(fact_kind_name(step->kind), stdout);
		}
		putchar('\n');
	}
	/* An attempt's words are said once. */
	if (step->kind != FACT_DEFERRED && step->kind != FACT_REPORT)
		put_said(step);
	if (step->kind != FACT_DEFERRED && step->problem.length > 0) {
		sheet_colour(SHEET_YELLOW);
		labelled("", step->problem);
		sheet_colour(SHEET_PLAIN);
	}
}

static void put_gap(void *context, const struct search_gap *gap)
{
	trace_source_gap(gap, ((struct trace_options *)context)->utc);
}

/* ---- for programs ----------------------------------------------------------------------------------------------- */

/* What JSON cannot hold, as it is no UTF-8, is not said. */
static void set_text(json_t *object, const char *key, struct span text)
{
	if (text.data)
		(void)json_object_set_new(object, key, json_stringn(text.data, text.length));
}

static void set_number(json_t *object, const char *key, int64_t value)
{
	if (value >= 0)
		(void)json_object_set_new(object, key, json_integer(value));
}

static void set_time(json_t *object, const char *key, uint64_t ms)
{
	char text[WHEN_SIZE], whole[WHEN_SIZE + 8];

	when_format(ms, true, text);
	text[10] = 'T';
	snprintf(whole, sizeof(whole), "%.19s.%03uZ", text, (unsigned)(ms % 1000));
	(void)json_object_set_new(object, key, json_string(whole));
}

static void json_message(void *context, const struct search_message *m)
{
	struct trace_options *o = context;
	char id[MESSAGE_ID_TEXT];

	set_time(o->list, "time", m->ms);
	if (m->has_id) {
		message_id_text(m->id, id);
		set_text(o->list, "id", (struct span){id, MESSAGE_ID_TEXT});
	}
	(void)json_object_set_new(o->list, "kind",
				  json_string(m->kind == FACT_OTHER ? "unknown" : fact_kind_name(m->kind)));
	set_text(o->list, "client", m->client);
	set_text(o->list, "device", m->device);
	set_text(o->list, "user", m->user);
	set_text(o->list, "peer", m->peer);
	set_text(o->list, "listener", m->listener);
	set_text(o->list, "sender", m->sender);
	set_text(o->list, "message_id", m->message_id);
	set_number(o->list, "octets", m->octets);
	set_number(o->list, "recipient_count", m->recipients);
}

static void json_recipient(void *context, const struct search_recipient *r)
{
	struct trace_options *o = context;
	json_t *one = json_object();

	set_text(one, "recipient", r->address);
	set_text(one, "destination", r->destination);
	(void)json_object_set_new(one, "result", json_string(row_result_name(r->result)));
	(void)json_array_append_new(o->list, one);
}

static void json_step(void *context, const struct search_step *step)
{
	struct trace_options *o = context;
	json_t *one = json_object();

	set_time(one, "time", step->ms);
	(void)json_object_set_new(one, "event", json_string(fact_kind_name(step->kind)));
	if (step->result != ROW_RESULTS)
		(void)json_object_set_new(one, "result", json_string(row_result_name(step->result)));
	set_text(one, "destination", step->destination);
	set_text(one, "host", step->host);
	set_text(one, "mailbox", step->mailbox);
	set_text(one, "tls", step->tls);
	set_text(one, "stage", step->stage);
	set_number(one, "code", step->code);
	set_text(one, step->kind == FACT_REPORT ? "about" : "reply", step->reply);
	set_text(one, "problem", step->problem);
	set_text(one,
		 step->kind == FACT_DEFERRED  ? "next"
		 : step->kind == FACT_ATTEMPT ? "instead_of"
		 : step->kind == FACT_REPORT  ? "report"
					      : "said",
		 step->more);
	set_number(one, "attempt", step->attempt);
	set_number(one, "ms", step->duration_ms);
	set_number(one, "queued_ms", step->queued_ms);
	(void)json_array_append_new(o->list, one);
}

/* ---- the command ------------------------------------------------------------------------------------------------ */

static void keep_status(struct trace_options *o, enum trace_status status)
{
	if (o->status == TRACE_OK)
		o->status = status;
}

static void put_all(struct trace_options *o, int64_t number)
{
	keep_status(o, search_message(o->search, number, put_message, o));
	o->first = true;
	keep_status(o, search_recipients(o->search, number, put_recipient, o));
	keep_status(o, search_steps(o->search, number, put_step, o));
	putchar('\n');
}

/* First into memory: a pager takes it after hours, and while the trace is being read its log grows (replay.h). */
static void show_text(struct trace_options *o, int64_t number)
{
	FILE *out = stdout, *kept;
	char *text = NULL;
	size_t length = 0;

	kept = open_memstream(&text, &length);
	stdout = kept ? kept : out;
	put_all(o, number);
	stdout = out;
	if (!kept)
		return;
	(void)fclose(kept);
	(void)fwrite(text, 1, length, out);
	free(text);
}

static void show_json(struct trace_options *o, int64_t number)
{
	json_t *object = json_object(), *recipients = json_array(), *steps = json_array();

	o->list = object;
	keep_status(o, search_message(o->search, number, json_message, o));
	o->list = recipients;
	keep_status(o, search_recipients(o->search, number, json_recipient, o));
	o->list = steps;
	keep_status(o, search_steps(o->search, number, json_step, o));
	(void)json_object_set_new(object, "recipients", recipients);
	(void)json_object_set_new(object, "steps", steps);
	written_json_line(stdout, object);
}

static int fail(struct trace_options *o)
{
	fprintf(stderr, "postrider: trace: %s\n", search_problem(o->search));
	return TRACE_NO_FILE;
}

/* The oldest first, as a story is told. */
static int show(struct trace_options *o)
{
	int64_t *numbers = calloc(o->filter.limit, sizeof(*numbers));
	unsigned count = 0;
	int status = 0;

	if (!numbers) {
		fputs("postrider: trace: out of memory\n", stderr);
		return STATUS_OUTPUT;
	}
	o->status = search_find(o->search, &o->filter, numbers, &count);
	for (unsigned i = count; i-- > 0 && o->status == TRACE_OK;)
		(o->json ? show_json : show_text)(o, numbers[i]);
	free(numbers);
	if (!o->json && !o->filter.has_id)
		keep_status(o, search_gaps(o->search, o->filter.since_ms, o->filter.until_ms, put_gap, o));
	if (o->status != TRACE_OK)
		status = fail(o);
	else if (fflush(stdout) != 0 || ferror(stdout))
		status = STATUS_OUTPUT;
	else if (count == 0) {
		status = STATUS_NOTHING;
		if (!o->json)
			fputs(o->filter.has_id ? "the trace has no message of this id: it never came, or is too old\n"
					       : "the trace has nothing that fits\n",
			      stderr);
	}
	if (count == o->filter.limit && !o->json)
		fprintf(stderr, "the newest %u; there may be more: --limit, --until\n", count);
	return status;
}

static bool number(const char *text, unsigned *value)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	*value = (unsigned)n;
	return text[0] >= '0' && text[0] <= '9' && *end == '\0' && n >= 1 && n <= LIMIT_MAX;
}

static const struct option long_options[] = {{"client", required_argument, NULL, 'l'},
					     {"device", required_argument, NULL, 'd'},
					     {"sender", required_argument, NULL, 's'},
					     {"recipient", required_argument, NULL, 'r'},
					     {"result", required_argument, NULL, 'x'},
					     {"destination", required_argument, NULL, 't'},
					     {"since", required_argument, NULL, 'S'},
					     {"until", required_argument, NULL, 'U'},
					     {"limit", required_argument, NULL, 'n'},
					     {"utc", no_argument, NULL, 'z'},
					     {"json", no_argument, NULL, 'j'},
					     {"config", required_argument, NULL, 'c'},
					     {"file", required_argument, NULL, 'f'},
					     {"help", no_argument, NULL, 'h'},
					     {NULL, 0, NULL, 0}};

/* False: it is none. */
static bool take_option(struct trace_options *o, int option, char *value)
{
	const struct {
		int option;
		const char **place;
	} texts[] = {{'l', &o->filter.client},
		     {'d', &o->filter.device},
		     {'s', &o->filter.sender},
		     {'r', &o->filter.recipient},
		     {'t', &o->filter.destination},
		     {'S', &o->since},
		     {'U', &o->until},
		     {'c', &o->config},
		     {'f', &o->file}};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		if (texts[i].option == option) {
			*texts[i].place = value;
			return true;
		}
	}
	if (option == 'x')
		return (o->filter.result = row_result_of(span_text(value))) != ROW_RESULTS;
	if (option == 'n')
		return number(value, &o->filter.limit);
	o->json |= option == 'j';
	o->utc |= option == 'z';
	return option == 'j' || option == 'z';
}

int trace_command(int argc, char **argv)
{
	struct trace_options o = {
		.config = TRACE_CONFIGURATION,
		.filter = {.until_ms = UINT64_MAX, .result = ROW_RESULTS, .limit = LIMIT},
	};
	int option, status;

	optind = 1;
	while ((option = getopt_long(argc, argv, "c:h", long_options, NULL)) != -1) {
		if (option == 'h')
			return usage(stdout, 0);
		if (!take_option(&o, option, optarg))
			return usage(stderr, STATUS_USAGE);
	}
	if (optind + 1 < argc)
		return usage(stderr, STATUS_USAGE);
	if (optind < argc) {
		o.filter.has_id = true;
		if (message_id_parse(argv[optind], strlen(argv[optind]), &o.filter.id) < 0) {
			fprintf(stderr,
				"postrider: trace: an id has 26 letters and digits, as in Received and in the reply "
				"to the client\n");
			return STATUS_USAGE;
		}
	}
	if ((o.since && !trace_source_time("trace", o.since, o.utc, &o.filter.since_ms)) ||
	    (o.until && !trace_source_time("trace", o.until, o.utc, &o.filter.until_ms)))
		return STATUS_USAGE;
	status = trace_source_open("trace", o.config, o.file, &o.search);
	if (status == 0)
		status = show(&o);
	search_close(o.search);
	return status;
}
