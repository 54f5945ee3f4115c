/*
 * core/tools/import.c - see import.h.
 */
#include "core/tools/import.h"

#include <getopt.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "core/tools/import_files.h"
#include "core/tools/import_iis.h"
#include "core/tools/import_plan.h"
#include "core/tools/import_postfix.h"
#include "core/tools/written.h"
#include "core/trace/plain.h"

enum { STATUS_USAGE = 64, STATUS_DATA = 65, STATUS_OUTPUT = 74, TEXT_MAX = 8192 };

#define DIRECTORY "/etc/postrider"

static int usage(FILE *out, int status)
{
	fputs("usage: postrider import postfix DIR [OPTION]...\n"
	      "                                   main.cf, master.cf and the tables they name, in /etc/postfix or a "
	      "copy\n"
	      "       postrider import iis-smtp FILE [--server N] [OPTION]...\n"
	      "                                   MetaBase.xml of IIS 6 to 10, or an export of its SMTP server\n"
	      "  --directory DIR   where postrider.yaml, import-notes.txt and files with passwords are written;\n"
	      "                    " DIRECTORY " if not given\n"
	      "  --force           replace what is there\n"
	      "  --server N        which of several SMTP servers; the first if not given\n"
	      "  --json            the list of what could not be taken over as JSON\n"
	      "Nothing of the other program is run or changed.\n",
	      out);
	return status;
}

typedef bool read_fn(struct import_plan *plan, const char *from, const char *server);

static bool take_postfix(struct import_plan *plan, const char *from, const char *server)
{
	(void)server; /* it has one */
	return import_postfix(plan, from);
}

/* What is no UTF-8, or a control, is a ? as in the list for people. */
static json_t *text_of(const char *text)
{
	char safe[TEXT_MAX];
	size_t length = plain_copy(safe, sizeof(safe), span_text(text), NULL);

	return json_stringn(safe, length);
}

static void put_json(const struct import_plan *plan, const char *from, const char *directory)
{
	json_t *object = json_object(), *notes = json_array();

	for (size_t i = 0; i < plan->note_count; i++) {
		const struct import_note *note = &plan->notes[i];
		json_t *one = json_object();
		(void)json_object_set_new(one, "place", text_of(note->place));
		(void)json_object_set_new(one, "what", text_of(note->what));
		(void)json_object_set_new(one, "there", text_of(note->did));
		(void)json_object_set_new(one, "here", text_of(note->here));
		(void)json_array_append_new(notes, one);
	}
	(void)json_object_set_new(object, "from", text_of(from));
	(void)json_object_set_new(object, "directory", text_of(directory));
	(void)json_object_set_new(object, "notes", notes);
	(void)json_object_set_new(object, "notes_left_out", json_integer((json_int_t)plan->notes_left_out));
	written_json(stdout, object);
}

struct wishes {
	const char *server, *directory;
	bool force, json;
};

static int import(read_fn *read, const char *from, const struct wishes *wishes)
{
	const char *directory = wishes->directory;
	struct import_plan plan = {0};
	int status = STATUS_DATA;

	if (read(&plan, from, wishes->server))
		status = import_put(&plan, from, directory, wishes->force);
	if (status == 0 && wishes->json) {
		put_json(&plan, from, directory);
	} else if (status == 0) {
		import_write_notes(stdout, &plan, from);
		printf("\nThis list is in %s/import-notes.txt, too. %s/postrider.yaml is written. Look at it, and try "
		       "it:\n\n"
		       "   postrider check --config %s/postrider.yaml\n"
		       "   postrider doctor --config %s/postrider.yaml\n",
		       directory, directory, directory, directory);
	}
	if (fflush(stdout) != 0 && status == 0)
		status = STATUS_OUTPUT;
	import_plan_free(&plan);
	return status;
}

int import_command(int argc, char **argv)
{
	static const struct option options[] = {
		{"help", no_argument, NULL, 'h'},  {"directory", required_argument, NULL, 'd'},
		{"force", no_argument, NULL, 'f'}, {"server", required_argument, NULL, 's'},
		{"json", no_argument, NULL, 'j'},  {NULL, 0, NULL, 0}};
	struct wishes wishes = {.directory = DIRECTORY};
	const char *kind;
	int option;

	optind = 1;
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 'h')
			return usage(stdout, 0);
		if (option == '?')
			return usage(stderr, STATUS_USAGE);
		wishes.force |= option == 'f';
		wishes.json |= option == 'j';
		if (option == 'd')
			wishes.directory = optarg;
		if (option == 's')
			wishes.server = optarg;
	}
	if (argc - optind != 2)
		return usage(stderr, STATUS_USAGE);
	kind = argv[optind];
	if (strcmp(kind, "postfix") == 0 && !wishes.server)
		return import(take_postfix, argv[optind + 1], &wishes);
	if (strcmp(kind, "iis-smtp") != 0)
		return usage(stderr, STATUS_USAGE);
	return import(import_iis, argv[optind + 1], &wishes);
}
