/*
 * core/config/preset_list.h - what is known of providers (presets) and of devices (profiles) as files: where they are,
 * and which there are, for people. Where they are looked for says preset.h, and schema_profile.h.
 */
#ifndef POSTRIDER_CONFIG_PRESET_LIST_H
#define POSTRIDER_CONFIG_PRESET_LIST_H

#include <limits.h>
#include <stddef.h>
#include <stdio.h>

struct preset_kind {
	const char *variable; /* of the environment: names the one directory that is looked in */
	const char *directories[2];
};
extern const struct preset_kind preset_providers, preset_profiles;

/* One of those that there are; for as long as it is told. */
struct preset_entry {
	const char *name, *updated, *about; /* "" where its file does not say it */
};
typedef void preset_fn(void *context, const struct preset_entry *entry);
/* Tells each that there is, by name within a directory. How many. */
size_t preset_each(const struct preset_kind *kind, preset_fn *fn, void *context);
/* One line for each, or with `name` its file. 0, or -errno: -ENOENT where there is none. */
int preset_list(const struct preset_kind *kind, const char *name, FILE *out);

struct reader_hint; /* reader.h */
/* Offers each that there is to a hint at what `name` may have been meant to be. */
void preset_offer(const struct preset_kind *kind, const char *name, struct reader_hint *hint);
/* The file of one: 0 with its text, from malloc, and where it was found; or -errno. */
int preset_load(const struct preset_kind *kind, const char *name, char path[PATH_MAX], char **text, size_t *length);

#endif
