/*
 * core/tools/presets.c - see presets.h.
 */
#include "core/tools/presets.h"

#include <errno.h>
#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/config/preset_list.h"
#include "core/config/scalar.h"
#include "core/tools/written.h"

enum { STATUS_USAGE = 64, STATUS_UNAVAILABLE = 69 };

static int usage(FILE *out, int status)
{
	fputs("usage: postrider presets [NAME] [--json]\n", out);
	return status;
}

static void add(void *list, const struct preset_entry *entry)
{
	json_array_append_new(list, json_pack("{so so so}", "name", written_text(span_text(entry->name)), "updated",
					      written_text(span_text(entry->updated)), "about",
					      written_text(span_text(entry->about))));
}

static int show_json(const struct preset_kind *kind, const char *what, const char *name)
{
	char path[PATH_MAX], *text = NULL;
	size_t length = 0;
	json_t *list;
	int e;

	if (!name) {
		list = json_array();
		e = preset_each(kind, add, list) > 0 ? 0 : -ENOENT;
		written_json(stdout, json_pack("{so}", what, list));
		return e;
	}
	e = scalar_name_valid(name) ? preset_load(kind, name, path, &text, &length) : -ENOENT;
	if (e == 0)
		written_json(stdout, json_pack("{ss so so}", "name", name, "file", written_text(span_text(path)),
					       "text", written_text((struct span){text, (uint32_t)length})));
	free(text);
	return e;
}

int presets_show(const struct preset_kind *kind, const char *what, const char *name, bool json)
{
	return json ? show_json(kind, what, name) : preset_list(kind, name, stdout);
}

int presets_command(int argc, char **argv)
{
	static const struct option options[] = {
		{"json", no_argument, NULL, 'j'}, {"help", no_argument, NULL, 'h'}, {NULL, 0, NULL, 0}};
	bool json = false;
	int option, e;

	optind = 1;
	while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		if (option != 'j')
			return option == 'h' ? usage(stdout, 0) : usage(stderr, STATUS_USAGE);
		json = true;
	}
	if (argc - optind > 1)
		return usage(stderr, STATUS_USAGE);
	e = presets_show(&preset_providers, "presets", argv[optind], json);
	if (e < 0)
		fprintf(stderr, "postrider: presets: %s\n",
			e != -ENOENT   ? strerror(-e)
			: argv[optind] ? "there is none of that name: `postrider presets` lists them"
				       : "there are none: POSTRIDER_PRESETS may name their directory");
	return e < 0 ? STATUS_UNAVAILABLE : 0;
}
