/*
 * core/tools/suppress.c - see suppress.h.
 */
#include "core/tools/suppress.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/config/config.h"
#include "core/tools/suppress_batch.h"
#include "core/tools/suppress_import.h"
#include "core/tools/written.h"

#define CONFIGURATION "/etc/postrider/postrider.yaml"

static int usage(FILE *out, int status)
{
	fputs("usage: postrider suppress add ADDRESS... [--reason REASON] [--note TEXT] [--config FILE] [--json]\n"
	      "       postrider suppress remove ADDRESS... [--config FILE] [--json]\n"
	      "       postrider suppress list [ADDRESS...] [--config FILE] [--json]\n"
	      "       postrider suppress import FILE [--reason REASON] [--note TEXT] [--config FILE] [--json]\n"
	      "       postrider suppress export [--config FILE] [--json]\n"
	      "reasons: manual (where none is given), bounce, complaint, unsubscribed\n",
	      out);
	return status;
}

static int change(const struct suppress_options *o, char **addresses, int count, bool removed)
{
	struct suppress_batch b;
	int status;

	if (count == 0)
		return usage(stderr, SUPPRESS_USAGE);
	/* All or none. */
	for (int i = 0; i < count; i++) {
		char name[SMTP_PATH_MAX];
		if (suppress_name(span_text(addresses[i]), name) == 0)
			return suppress_fail(SUPPRESS_DATA, addresses[i],
					     "no address: write one as in user@example.org");
	}
	if (!suppress_begin(&b, o))
		return suppress_fail(SUPPRESS_FILE, o->path, "out of memory");
	for (int i = 0; i < count; i++)
		(void)suppress_put(&b, span_text(addresses[i]), suppress_now(o, removed));
	status = suppress_end(&b, NULL);
	if (status == 0 && o->json)
		written_json(stdout, json_pack("{si}", removed ? "removed" : "added", count));
	return status;
}

/* ---- list, export ----------------------------------------------------------------------------------------------- */

struct showing {
	const struct suppress_options *options;
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
	json_t *object = json_pack("{so ss ss}", "address", written_text(entry->address), "reason",
				   suppression_reason_name(entry->reason), "since", date);

	if (object && entry->note.length > 0)
		(void)json_object_set_new(object, "note", written_text(entry->note));
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

static int list(const struct suppress_options *o, char **addresses, int count, bool for_import)
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
		return suppress_fail(SUPPRESS_FILE, o->path, strerror(-r));
	if (fflush(stdout) != 0)
		return suppress_fail(SUPPRESS_FILE, "standard output", strerror(errno));
	return count > 0 && s.shown == 0 ? SUPPRESS_NOT : 0;
}

/* ---- the command ------------------------------------------------------------------------------------------------ */

/* Where the list is. False after saying why not. */
static bool find_list(struct suppress_options *o)
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
	struct suppress_options o = {.config = CONFIGURATION, .reason = SUPPRESSION_MANUAL};
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
			return usage(stderr, SUPPRESS_USAGE);
	}
	if (optind >= argc)
		return usage(stderr, SUPPRESS_USAGE);
	verb = argv[optind++];
	count = argc - optind;
	if (!find_list(&o))
		return SUPPRESS_CONFIG;
	if (strcmp(verb, "add") == 0 || strcmp(verb, "remove") == 0)
		return change(&o, argv + optind, count, verb[0] == 'r');
	if (strcmp(verb, "import") == 0)
		return count == 1 ? suppress_import(&o, argv[optind]) : usage(stderr, SUPPRESS_USAGE);
	if (strcmp(verb, "list") == 0)
		return list(&o, argv + optind, count, false);
	if (strcmp(verb, "export") == 0 && count == 0)
		return list(&o, NULL, 0, true);
	return usage(stderr, SUPPRESS_USAGE);
}
