/*
 * core/tools/presets.h - `postrider presets [NAME]`: what presets there are, or what one says. And the same of
 * profiles, for `postrider device profiles`.
 *
 * Exit status: 0; 64 for a wrong command line; 69 where there is none, or none of that name.
 */
#ifndef POSTRIDER_TOOLS_PRESETS_H
#define POSTRIDER_TOOLS_PRESETS_H

#include <stdbool.h>

struct preset_kind; /* core/config/preset_list.h */

/* argv[0] is "presets". */
int presets_command(int argc, char **argv);
/* All of the kind, or the one of that name. 0, or -errno: -ENOENT where there is none. With `json` as an object: `what`
 * and a list of "name", "updated" and "about"; or "name", "file" and "text". */
int presets_show(const struct preset_kind *kind, const char *what, const char *name, bool json);

#endif
