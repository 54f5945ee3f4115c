/*
 * core/tools/import.c - see import.h.
 */
#include "core/tools/import.h"

#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "core/tools/import_files.h"
#include "core/tools/import_iis.h"
#include "core/tools/import_plan.h"
#include "core/tools/import_postfix.h"

enum { STATUS_USAGE = 64, STATUS_DATA = 65 };

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

static int import(read_fn *read, const char *from, const char *server, const char *directory, bool force)
{
	struct import_plan plan = {0};
	int status = STATUS_DATA;

	if (read(&plan, from, server))
		status = import_put(&plan, from, directory, force);
	if (status == 0) {
		import_write_notes(stdout, &plan, from);
		printf("\nThis list is in %s/import-notes.txt, too. %s/postrider.yaml is written. Look at it, and try "
		       "it:\n\n"
		       "   postrider check --config %s/postrider.yaml\n"
		       "   postrider doctor --config %s/postrider.yaml\n",
		       directory, directory, directory, directory);
		fflush(stdout);
	}
	import_plan_free(&plan);
	return status;
}

int import_command(int argc, char **argv)
{
	static const struct option options[] = {{"help", no_argument, NULL, 'h'},
						{"directory", required_argument, NULL, 'd'},
						{"force", no_argument, NULL, 'f'},
						{"server", required_argument, NULL, 's'},
						{NULL, 0, NULL, 0}};
	const char *directory = DIRECTORY, *server = NULL, *kind;
	bool force = false;
	int option;

	optind = 1;
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 'h')
			return usage(stdout, 0);
		if (option == '?')
			return usage(stderr, STATUS_USAGE);
		force |= option == 'f';
		if (option == 'd')
			directory = optarg;
		if (option == 's')
			server = optarg;
	}
	if (argc - optind != 2)
		return usage(stderr, STATUS_USAGE);
	kind = argv[optind];
	if (strcmp(kind, "postfix") == 0 && !server)
		return import(take_postfix, argv[optind + 1], NULL, directory, force);
	if (strcmp(kind, "iis-smtp") != 0)
		return usage(stderr, STATUS_USAGE);
	return import(import_iis, argv[optind + 1], server, directory, force);
}
