/*
 * core/tools/suppress.c - see suppress.h.
 */
#include "core/tools/suppress.h"
#include "core/tools/table.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/agents/suppression_file.h"
#include "core/config/config.h"
#include "core/tools/written.h"

#define CONFIGURATION "/etc/postrider/postrider.yaml"

enum { STATUS_NOT = 1, STATUS_USAGE = 64, STATUS_DATA = 65, STATUS_FILE = 73, STATUS_CONFIG = 78 };
enum { BATCH = 1 << 20, LINE_MOST = 1 << 16 };

struct options {
	const char *config, *note;
	enum suppression_reason reason;
	bool json;
	char path[PATH_MAX];
};

static int usage(FILE *out, int status)
{
	fputs("usage: postrider suppress add ADDRESS... [--reason REASON] [--note TEXT] [--config FILE]\n"
	      "       postrider suppress remove ADDRESS... [--config FILE]\n"
	      "       postrider suppress list [ADDRESS...] [--config FILE] [--json]\n"
	      "       postrider suppress import FILE [--reason REASON] [--note TEXT] [--config FILE]\n"
	      "       postrider suppress export [--config FILE] [--json]\n"
	      "reasons: manual (where none is given), bounce, complaint, unsubscribed\n",
	      out);
	return status;
}

static int fail(int status, const char *what, const char *why)
{
	table_say("postrider: suppress: %s: %s", what, why);
	return status;
}

/* Lines that are about to be appended. */
struct batch {
	const struct options *options;
	char *text; /* owned */
	size_t length, lines;
	int error;
};

static bool flush(struct batch *b)
{
	if (b->error == 0 && b->length > 0)
		b->error = suppression_append(b->options->path, b->text, b->length);
	b->length = 0;
	return b->error == 0;
}

/* Where what begins with a quote has its other one; the length: nowhere. */
static uint32_t closing(struct span s)
{
	for (uint32_t i = 1; i < s.length; i++) {
		if (s.data[i] == '\\')
			i++;
		else if (s.data[i] == '"')
			return i;
	}
	return s.length;
}

/* One word, or in quotes, as RFC 5321 4.1.2 has it: what "Name <user@example.org>" or several in a line would be is
 * asked for by nobody. */
static bool is_local(struct span s)
{
	if (s.length > 0 && s.data[0] == '"')
		return closing(s) == s.length - 1;
	for (uint32_t i = 0; i < s.length; i++) {
		if (strchr(" \"(),:;<>@[\\]", s.data[i]))
			return false;
	}
	return s.length > 0;
}

/* As the DNS has it, or an address in brackets. */
static bool is_domain(const char *text, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		if (!isalnum((unsigned char)text[i]) && !strchr("-._[]:", text[i]))
			return false;
	}
	return true;
}

/* Its name; 0: it is no address. */
static size_t name_of(struct span text, char name[SMTP_PATH_MAX])
{
	const char *at = text.length ? memrchr(text.data, '@', text.length) : NULL, *domain;
	size_t length = at ? suppressed_name(text, name) : 0;

	if (length == 0 || !is_local((struct span){text.data, (uint32_t)(at - text.data)}))
		return 0;
	domain = (const char *)memrchr(name, '@', length) + 1;
	return is_domain(domain, (size_t)(name + length - domain)) ? length : 0;
}

/* False: it is no address. */
static bool put(struct batch *b, struct span text, struct suppression_entry entry)
{
	char name[SMTP_PATH_MAX];
	size_t length = name_of(text, name);

	if (length == 0)
		return false;
	entry.address = (struct span){name, (uint32_t)length};
	if (b->length + SUPPRESSION_LINE_MAX > BATCH)
		(void)flush(b);
	b->length += suppression_format(&entry, b->text + b->length);
	b->lines++;
	return true;
}

static bool begin(struct batch *b, const struct options *options)
{
	*b = (struct batch){.options = options, .text = malloc(BATCH)};
	return b->text;
}

/* What was appended is in force, and lines that were overtaken by it go when they are many. */
static int end(struct batch *b, size_t *live)
{
	*live = 0;
	if (flush(b))
		b->error = suppression_compact(b->options->path, live);
	free(b->text);
	return b->error < 0 ? fail(STATUS_FILE, b->options->path, strerror(-b->error)) : 0;
}

static struct suppression_entry now(const struct options *o, bool removed)
{
	return (struct suppression_entry){
		.removed = removed,
		.wall_s = (uint64_t)time(NULL),
		.reason = removed ? SUPPRESSION_MANUAL : o->reason,
		.note = {o->note, o->note ? (uint32_t)strlen(o->note) : 0},
	};
}

static int change(const struct options *o, char **addresses, int count, bool removed)
{
	struct batch b;
	size_t live;

	if (count == 0)
		return usage(stderr, STATUS_USAGE);
	/* All or none. */
	for (int i = 0; i < count; i++) {
		char name[SMTP_PATH_MAX];
		if (name_of(span_text(addresses[i]), name) == 0)
			return fail(STATUS_DATA, addresses[i], "no address: write one as in user@example.org");
	}
	if (!begin(&b, o))
		return fail(STATUS_FILE, o->path, "out of memory");
	for (int i = 0; i < count; i++)
		(void)put(&b, span_text(addresses[i]), now(o, removed));
	return end(&b, &live);
}

/* ---- list, export ----------------------------------------------------------------------------------------------- */

struct showing {
	const struct options *options;
	char (*wanted)[SMTP_PATH_MAX]; /* names; NULL: all */
	size_t *lengths;
	int wanted_count;
	size_t shown;
	bool for_import;
};

static bool is_wanted(const struct showing *s, struct span address)
{
	for (int i = 0; i < s->wanted_count; i++) {
		if (address.length == s->lengths[i] && memcmp(address.data, s->wanted[i], address.length) == 0)
			return true;
	}
	return s->wanted_count == 0;
}

static void show_json(const struct suppression_entry *entry, const char *date)
{
	json_t *object = json_pack("{s:s%,s:s,s:s}", "address", entry->address.data, (size_t)entry->address.length,
				   "reason", suppression_reason_name(entry->reason), "since", date);

	if (object && entry->note.length > 0)
		(void)json_object_set_new(object, "note", json_stringn(entry->note.data, entry->note.length));
	written_json_line(stdout, object);
}

/* As an address that can be read back: what is no dot-string goes in quotes (RFC 5321 4.1.2). */
static void print_address(struct span name)
{
	const char *at = memrchr(name.data, '@', name.length);
	size_t local = at ? (size_t)(at - name.data) : 0;
	bool plain = local > 0 && name.data[0] != '.' && name.data[local - 1] != '.';

	for (size_t i = 0; i < local; i++) {
		unsigned char c = (unsigned char)name.data[i];
		plain = plain && (c > 127 || isalnum(c) || strchr("!#$%&'*+-/=?^_`{|}~.", c));
		plain = plain && (c != '.' || name.data[i - 1] != '.');
	}
	if (plain) {
		printf("%.*s", (int)name.length, name.data);
		return;
	}
	fputc('"', stdout);
	for (size_t i = 0; i < local; i++)
		printf(name.data[i] == '"' || name.data[i] == '\\' ? "\\%c" : "%c", name.data[i]);
	printf("\"%.*s", (int)(name.length - local), name.data + local);
}

static void show_line(const struct showing *s, const struct suppression_entry *entry, const char *date)
{
	char between = s->for_import ? '\t' : ' ';

	print_address(entry->address);
	printf("%c%s%c%s", between, suppression_reason_name(entry->reason), between, date);
	if (entry->note.length > 0)
		printf("%s%.*s", s->for_import ? "\t" : "  ", (int)entry->note.length, entry->note.data);
	fputc('\n', stdout);
}

static void show(void *context, const struct suppression_entry *entry)
{
	struct showing *s = context;
	char date[32];

	if (!is_wanted(s, entry->address))
		return;
	s->shown++;
	(void)suppression_date(entry->wall_s, date);
	if (s->options->json)
		show_json(entry, date);
	else
		show_line(s, entry, date);
}

static int list(const struct options *o, char **addresses, int count, bool for_import)
{
	struct showing s = {.options = o, .wanted_count = count, .for_import = for_import};
	int r = 0;

	s.wanted = calloc((size_t)count + 1, sizeof(*s.wanted));
	s.lengths = calloc((size_t)count + 1, sizeof(*s.lengths));
	if (!s.wanted || !s.lengths)
		r = -ENOMEM;
	for (int i = 0; i < count && r == 0; i++)
		s.lengths[i] = suppressed_name(span_text(addresses[i]), s.wanted[i]);
	if (r == 0)
		r = suppression_list(o->path, show, &s);
	free(s.wanted);
	free(s.lengths);
	if (r < 0 && r != -ENOENT)
		return fail(STATUS_FILE, o->path, strerror(-r));
	if (fflush(stdout) != 0)
		return fail(STATUS_FILE, "standard output", strerror(errno));
	return count > 0 && s.shown == 0 ? STATUS_NOT : 0;
}

/* ---- import ----------------------------------------------------------------------------------------------------- */

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static struct span trim(struct span s)
{
	while (s.length > 0 && is_blank(s.data[0])) {
		s.data++;
		s.length--;
	}
	while (s.length > 0 && is_blank(s.data[s.length - 1]))
		s.length--;
	return s;
}

/* The next of what `mark` parts, but within quotes. Those around all of it are a spreadsheet's. */
static struct span part(struct span *rest, char mark)
{
	struct span found = trim(*rest);
	uint32_t n = 0;

	rest->length -= (uint32_t)(found.data - rest->data);
	rest->data = found.data;
	if (rest->length > 0 && rest->data[0] == '"')
		n = closing(*rest);
	while (n < rest->length && rest->data[n] != mark)
		n++;
	found = trim((struct span){rest->data, n});
	n += n < rest->length;
	rest->data += n;
	rest->length -= n;
	if (found.length >= 2 && found.data[0] == '"' && closing(found) == found.length - 1)
		found = (struct span){found.data + 1, found.length - 2};
	return found;
}

/* "ADDRESS", or with its reason, date and note as `export` writes them; what is not said is as for `add`. */
static bool import_line(struct batch *b, struct span line)
{
	struct suppression_entry entry = now(b->options, false);
	/* A comma may stand in what `export` writes, and in no line with commas. */
	char mark = memchr(line.data, '\t', line.length) ? '\t' : ',';
	struct span address = part(&line, mark), reason = part(&line, mark), date = part(&line, mark);
	char word[16];

	if (reason.length > 0 && reason.length < sizeof(word)) {
		memcpy(word, reason.data, reason.length);
		word[reason.length] = '\0';
		if (suppression_reason_of(word) != SUPPRESSION_NONE)
			entry.reason = suppression_reason_of(word);
	}
	(void)suppression_date_parse(date, &entry.wall_s);
	if (trim(line).length > 0)
		entry.note = trim(line);
	return put(b, address, entry);
}

/* Without its end; the first may begin with what some editors write before UTF-8. One that is longer than any entry
 * could be is told as none. */
static struct span line_of(const char *line, size_t length, bool first)
{
	static const char mark[] = "\xef\xbb\xbf";

	if (first && length >= 3 && memcmp(line, mark, 3) == 0) {
		line += 3;
		length -= 3;
	}
	return trim((struct span){line, (uint32_t)(length < LINE_MOST ? length : LINE_MOST)});
}

static int import(const struct options *o, char **files, int count)
{
	FILE *in;
	struct batch b;
	char *line = NULL;
	size_t room = 0, number = 0, bad = 0, live;
	ssize_t n;
	int status;

	if (count != 1)
		return usage(stderr, STATUS_USAGE);
	in = strcmp(files[0], "-") == 0 ? stdin : fopen(files[0], "re");
	if (!in)
		return fail(STATUS_FILE, files[0], strerror(errno));
	if (!begin(&b, o)) {
		(void)fclose(in);
		return fail(STATUS_FILE, o->path, "out of memory");
	}
	while (b.error == 0 && (n = getline(&line, &room, in)) >= 0) {
		struct span text = line_of(line, (size_t)n, number++ == 0);
		if (text.length == 0 || text.data[0] == '#')
			continue;
		if (!import_line(&b, text)) {
			bad++;
			fprintf(stderr, "postrider: suppress: %s:%zu: no address\n", files[0], number);
		}
	}
	free(line);
	if (in != stdin)
		(void)fclose(in);
	number = b.lines;
	status = end(&b, &live);
	if (status == 0)
		printf("%zu lines taken, %zu refused; %zu addresses are in the list\n", number, bad, live);
	return status == 0 && bad > 0 ? STATUS_DATA : status;
}

/* ---- the command ------------------------------------------------------------------------------------------------ */

/* Where the list is. False after saying why not. */
static bool find_list(struct options *o)
{
	static struct config_problems problems;
	struct config *config = config_load(o->config, &problems);
	bool there = config && config->suppression.directory;

	for (unsigned i = 0; !config && i < problems.count; i++)
		fprintf(stderr, "%s\n", problems.list[i].text);
	if (there)
		there = snprintf(o->path, sizeof(o->path), "%s/suppressed", config->suppression.directory) <
			(int)sizeof(o->path);
	else if (config)
		fprintf(stderr, "postrider: %s has no list: write suppression: { directory: /var/lib/postrider }\n",
			o->config);
	config_free(config);
	return there;
}

int suppress_command(int argc, char **argv)
{
	static const struct option long_options[] = {
		{"config", required_argument, NULL, 'c'}, {"reason", required_argument, NULL, 'r'},
		{"note", required_argument, NULL, 'n'},   {"json", no_argument, NULL, 'j'},
		{"help", no_argument, NULL, 'h'},         {NULL, 0, NULL, 0}};
	struct options o = {.config = CONFIGURATION, .reason = SUPPRESSION_MANUAL};
	const char *verb;
	int option, count;

	while ((option = getopt_long(argc, argv, "c:h", long_options, NULL)) != -1) {
		if (option == 'h')
			return usage(stdout, 0);
		if (option == 'c')
			o.config = optarg;
		else if (option == 'n')
			o.note = optarg;
		else if (option == 'j')
			o.json = true;
		else if (option != 'r' || (o.reason = suppression_reason_of(optarg)) == SUPPRESSION_NONE)
			return usage(stderr, STATUS_USAGE);
	}
	if (optind >= argc)
		return usage(stderr, STATUS_USAGE);
	verb = argv[optind++];
	count = argc - optind;
	if (!find_list(&o))
		return STATUS_CONFIG;
	if (strcmp(verb, "add") == 0 || strcmp(verb, "remove") == 0)
		return change(&o, argv + optind, count, verb[0] == 'r');
	if (strcmp(verb, "import") == 0)
		return import(&o, argv + optind, count);
	if (strcmp(verb, "list") == 0)
		return list(&o, argv + optind, count, false);
	if (strcmp(verb, "export") == 0 && count == 0)
		return list(&o, NULL, 0, true);
	return usage(stderr, STATUS_USAGE);
}
