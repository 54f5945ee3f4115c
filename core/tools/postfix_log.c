/*
 * core/tools/postfix_log.c - see postfix_log.h.
 */
#include "core/tools/postfix_log.h"
#include "core/tools/table.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/line_ring.h"
#include "core/tools/trace_source.h"
#include "core/trace/fact.h"
#include "core/trace/postfix.h"
#include "core/trace/replay.h"

enum { STATUS_NOTHING = 1, STATUS_USAGE = 64, STATUS_INPUT = 66, STATUS_OUTPUT = 74 };
/* No event is longer; a line that is belongs to somebody else. */
enum { INPUT_LINE_MAX = 1 << 16, PID_UNKNOWN = 1 };

struct log_options {
	const char *config;
	uint64_t since_ms, until_ms;
	struct postfix_style style;
	uint64_t lines;
	/* Of them, what is to be written yet: owned. */
	char *text;
	size_t length, room;
	bool no_memory;
};

static int usage(FILE *out, int status)
{
	fputs("usage: postrider log --format postfix [--since TIME] [--until TIME] [--utc] [--hostname NAME]\n"
	      "                     [--config FILE] [FILE...]\n"
	      "       FILE: events, one JSON object a line, as they come to standard error; -: standard input;\n"
	      "       or a trace. Without any: the trace that the configuration names\n",
	      out);
	return status;
}

static void emit(void *context, const char *line, size_t length)
{
	struct log_options *o = context;

	if (o->length + length + 1 > o->room) {
		size_t room = 2 * (o->length + length + 1);
		char *more = realloc(o->text, room);
		o->no_memory |= !more;
		if (!more)
			return;
		o->text = more;
		o->room = room;
	}
	o->lines++;
	memcpy(o->text + o->length, line, length);
	o->text[o->length + length] = '\n';
	o->length += length + 1;
}

/* A pager may take it after hours. False: nobody takes it. */
static bool write_out(void *context)
{
	struct log_options *o = context;

	(void)fwrite(o->text, 1, o->length, stdout);
	o->length = 0;
	return !ferror(stdout) && !o->no_memory;
}

static void one_line(struct log_options *o, const char *line, size_t length)
{
	static struct fact fact;

	if (!fact_parse(line, length, &fact))
		return;
	/* Which process it was, where it says so. Others' numbers are in events as well. */
	if (line_event_fits(line_event(line, length), "ready") && (fact.numbers & (UINT32_C(1) << FACT_PID)))
		o->style.pid = (unsigned long)fact.number[FACT_PID];
	if (fact.time_ms >= o->since_ms && fact.time_ms <= o->until_ms)
		postfix_lines(&fact, &o->style, emit, o);
}

static void read_lines(struct log_options *o, FILE *in)
{
	static char line[INPUT_LINE_MAX];
	bool whole = true;

	while (fgets(line, sizeof(line), in)) {
		size_t length = strlen(line);
		bool ended = length > 0 && line[length - 1] == '\n';
		if (whole && (ended || feof(in)))
			one_line(o, line, length - ended);
		whole = ended;
		if (!write_out(o))
			break;
	}
}

static int read_events(struct log_options *o, const char *name)
{
	FILE *in = strcmp(name, "-") == 0 ? stdin : fopen(name, "re");
	int status = 0;

	/* A pipe may never end: whoever reads behind us gets each line when it comes. */
	if (in == stdin)
		(void)setvbuf(stdout, NULL, _IOLBF, 0);
	if (in)
		read_lines(o, in);
	if (!in || ferror(in)) {
		table_say("postrider: log: %s: %s", name, strerror(errno));
		status = STATUS_INPUT;
	}
	if (in && in != stdin)
		(void)fclose(in);
	return status;
}

static bool on_fact(void *context, const struct fact *fact)
{
	struct log_options *o = context;

	postfix_lines(fact, &o->style, emit, o);
	return !o->no_memory;
}

static void on_gap(void *context, const struct search_gap *gap)
{
	trace_source_gap(gap, ((struct log_options *)context)->style.utc);
}

/* `file`, or else the configuration's. */
static int read_trace(struct log_options *o, const char *file)
{
	struct search *search;
	enum trace_status read;
	int status = trace_source_open("log", o->config, file, &search);

	if (status != 0)
		return status;
	read = replay(search, o->since_ms, o->until_ms, on_fact, write_out, o);
	if (read == TRACE_OK)
		read = search_gaps(search, o->since_ms, o->until_ms, on_gap, o);
	if (read != TRACE_OK) {
		table_say("postrider: log: %s", search_problem(search));
		status = STATUS_INPUT;
	}
	search_close(search);
	return status;
}

static bool is_trace(const char *name)
{
	static const char magic[16] = "SQLite format 3";
	char start[sizeof(magic)] = "";
	struct stat st;
	FILE *in;

	/* What stands in a pipe is there once. */
	if (stat(name, &st) < 0 || !S_ISREG(st.st_mode) || !(in = fopen(name, "re")))
		return false;
	(void)fread(start, 1, sizeof(start), in);
	(void)fclose(in);
	return memcmp(start, magic, sizeof(magic)) == 0;
}

static int read_file(struct log_options *o, const char *name)
{
	if (is_trace(name))
		return read_trace(o, name);
	return read_events(o, name);
}

int postfix_log_command(int argc, char **argv)
{
	static const struct option long_options[] = {
		{"format", required_argument, NULL, 'f'},   {"since", required_argument, NULL, 's'},
		{"until", required_argument, NULL, 'u'},    {"utc", no_argument, NULL, 'z'},
		{"hostname", required_argument, NULL, 'n'}, {"config", required_argument, NULL, 'c'},
		{"help", no_argument, NULL, 'h'},           {NULL, 0, NULL, 0}};
	struct log_options o = {.config = TRACE_CONFIGURATION, .until_ms = UINT64_MAX, .style = {.pid = PID_UNKNOWN}};
	const char *since = NULL, *until = NULL, *format = NULL;
	char hostname[HOST_NAME_MAX + 1] = "";
	int option, status = 0;

	optind = 1;
	while ((option = getopt_long(argc, argv, "c:h", long_options, NULL)) != -1) {
		if (option == 'h')
			return usage(stdout, 0);
		if (option == 'f')
			format = optarg;
		else if (option == 's')
			since = optarg;
		else if (option == 'u')
			until = optarg;
		else if (option == 'z')
			o.style.utc = true;
		else if (option == 'n')
			o.style.hostname = optarg;
		else if (option == 'c')
			o.config = optarg;
		else
			return usage(stderr, STATUS_USAGE);
	}
	if (!format || strcmp(format, "postfix") != 0)
		return usage(stderr, STATUS_USAGE);
	if ((since && !trace_source_time("log", since, o.style.utc, &o.since_ms)) ||
	    (until && !trace_source_time("log", until, o.style.utc, &o.until_ms)))
		return STATUS_USAGE;
	if (!o.style.hostname) {
		(void)gethostname(hostname, sizeof(hostname) - 1);
		hostname[strcspn(hostname, ".")] = '\0';
		o.style.hostname = hostname[0] ? hostname : "localhost";
	}
	if (optind == argc)
		status = read_trace(&o, NULL);
	for (int i = optind; i < argc && status == 0; i++)
		status = read_file(&o, argv[i]);
	free(o.text);
	if (o.no_memory) {
		fputs("postrider: log: out of memory\n", stderr);
		return STATUS_OUTPUT;
	}
	if (fflush(stdout) != 0 || ferror(stdout)) {
		fprintf(stderr, "postrider: log: standard output: %s\n", strerror(errno));
		return STATUS_OUTPUT;
	}
	return status == 0 && o.lines == 0 ? STATUS_NOTHING : status;
}
