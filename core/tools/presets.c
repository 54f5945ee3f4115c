/*
 * core/tools/presets.c - see presets.h.
 */
#include "core/tools/presets.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "core/config/preset_list.h"

enum { STATUS_USAGE = 64, STATUS_UNAVAILABLE = 69 };

int presets_command(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : NULL;
	bool help = name && (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0);
	int e;

	if (help || argc > 2 || (name && name[0] == '-')) {
		fputs("usage: postrider presets [NAME]\n", help ? stdout : stderr);
		return help ? 0 : STATUS_USAGE;
	}
	e = preset_list(&preset_providers, name, stdout);
	if (e < 0)
		fprintf(stderr, "postrider: presets: %s\n",
			e != -ENOENT ? strerror(-e)
			: name       ? "there is none of that name: `postrider presets` lists them"
				     : "there are none: POSTRIDER_PRESETS may name their directory");
	return e < 0 ? STATUS_UNAVAILABLE : 0;
}
