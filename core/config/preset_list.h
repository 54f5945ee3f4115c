/*
 * core/config/preset_list.h - which presets there are, for people. Where they are looked for says preset.h.
 */
#ifndef POSTRIDER_CONFIG_PRESET_LIST_H
#define POSTRIDER_CONFIG_PRESET_LIST_H

#include <limits.h>
#include <stddef.h>
#include <stdio.h>

/* One line for each preset, or with `name` its file. 0, or -errno: -ENOENT where there is none. */
int preset_list(const char *name, FILE *out);

/* The directories of the search in their order; NULL behind the last. */
const char *preset_directory(size_t index);
/* The file of a preset: 0 with its text, from malloc, and where it was found; or -errno. */
int preset_load(const char *name, char path[PATH_MAX], char **text, size_t *length);

#endif
