/*
 * core/config/preset_list.c - see preset_list.h.
 */
#include "core/config/preset_list.h"

#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/config/reader.h"
#include "core/config/scalar.h"
#include "core/config/text_file.h"

#ifndef POSTRIDER_PRESETS_DIRECTORY
#define POSTRIDER_PRESETS_DIRECTORY "/usr/share/postrider/presets"
#endif
#ifndef POSTRIDER_PROFILES_DIRECTORY
#define POSTRIDER_PROFILES_DIRECTORY "/usr/share/postrider/profiles"
#endif

enum { PRESET_SIZE_MAX = 1 << 20 };

const struct preset_kind preset_providers = {"POSTRIDER_PRESETS",
					     {"/etc/postrider/presets", POSTRIDER_PRESETS_DIRECTORY}};
const struct preset_kind preset_profiles = {"POSTRIDER_PROFILES",
					    {"/etc/postrider/profiles", POSTRIDER_PROFILES_DIRECTORY}};

/* The place of a directory in the search; NULL behind the last. */
static const char *directory(const struct preset_kind *kind, size_t index)
{
	const char *named = secure_getenv(kind->variable);

	if (named && named[0])
		return index == 0 ? named : NULL;
	return index < sizeof(kind->directories) / sizeof(kind->directories[0]) ? kind->directories[index] : NULL;
}

const char *config_preset_place(size_t index)
{
	enum { PLACES = sizeof(preset_providers.directories) / sizeof(preset_providers.directories[0]) };
	const struct preset_kind *kind = index < PLACES ? &preset_providers : &preset_profiles;
	const char *place = index < 2 * PLACES ? directory(kind, index % PLACES) : NULL;

	/* A variable names one in the place of all. */
	return place || index >= 2 * PLACES ? place : directory(kind, 0);
}

/* 0 with the text, and where it was found. */
int preset_load(const struct preset_kind *kind, const char *name, char path[PATH_MAX], char **text, size_t *length)
{
	int e = -ENOENT;
	const char *in;
	bool opened;

	for (size_t i = 0; e == -ENOENT && (in = directory(kind, i)) != NULL; i++) {
		if (snprintf(path, PATH_MAX, "%s/%s.yaml", in, name) >= PATH_MAX)
			return -ENAMETOOLONG;
		e = text_file_read(path, PRESET_SIZE_MAX, text, length, &opened);
	}
	return e;
}

static int is_preset(const struct dirent *entry)
{
	const char *dot = strrchr(entry->d_name, '.');

	return dot && strcmp(dot, ".yaml") == 0 && dot > entry->d_name;
}

void preset_offer(const struct preset_kind *kind, const char *name, struct reader_hint *hint)
{
	const char *in;

	for (size_t i = 0; (in = directory(kind, i)) != NULL; i++) {
		DIR *dir = opendir(in);
		for (struct dirent *entry; dir && (entry = readdir(dir)) != NULL;) {
			if (!is_preset(entry))
				continue;
			*strrchr(entry->d_name, '.') = '\0';
			reader_hint_offer(hint, name, entry->d_name);
		}
		if (dir)
			closedir(dir);
	}
}

/* The value of a key at the beginning of a line, to its end or the end of what is quoted; "" where it is not there.
 * From malloc. */
static char *value_of(const char *text, size_t length, const char *key)
{
	const char *at = memmem(text, length, key, strlen(key)), *end = text + length;
	size_t n = 0;

	if (!at)
		return strdup("");
	at += strlen(key);
	at += at < end && *at == '"';
	while (at + n < end && at[n] != '"' && at[n] != '\n')
		n++;
	return strndup(at, n);
}

static bool tell(const char *in, const char *file, preset_fn *fn, void *context)
{
	char path[PATH_MAX], name[NAME_MAX + 1], *text = NULL, *updated, *about;
	size_t length = 0;
	bool opened;

	snprintf(name, sizeof(name), "%.*s", (int)(strrchr(file, '.') - file), file);
	if (snprintf(path, sizeof(path), "%s/%s", in, file) >= PATH_MAX ||
	    text_file_read(path, PRESET_SIZE_MAX, &text, &length, &opened) != 0)
		return false;
	updated = value_of(text, length, "\nupdated: ");
	about = value_of(text, length, "\nabout: ");
	if (updated && about)
		fn(context, &(struct preset_entry){.name = name, .updated = updated, .about = about});
	free(updated);
	free(about);
	free(text);
	return updated && about;
}

static size_t list_directory(const char *in, preset_fn *fn, void *context)
{
	struct dirent **entries;
	int count = scandir(in, &entries, is_preset, alphasort);
	size_t told = 0;

	for (int i = 0; i < count; i++) {
		told += tell(in, entries[i]->d_name, fn, context);
		free(entries[i]);
	}
	if (count >= 0)
		free(entries);
	return told;
}

size_t preset_each(const struct preset_kind *kind, preset_fn *fn, void *context)
{
	const char *in;
	size_t count = 0;

	for (size_t i = 0; (in = directory(kind, i)) != NULL; i++)
		count += list_directory(in, fn, context);
	return count;
}

static void put_line(void *out, const struct preset_entry *entry)
{
	fprintf(out, "%-23s %s  %s\n", entry->name, entry->updated, entry->about);
}

int preset_list(const struct preset_kind *kind, const char *name, FILE *out)
{
	char path[PATH_MAX], *text = NULL;
	size_t length = 0;
	int e;

	if (name) {
		e = scalar_name_valid(name) ? preset_load(kind, name, path, &text, &length) : -ENOENT;
		if (e == 0) {
			fprintf(out, "# %s\n", path);
			fwrite(text, 1, length, out);
		}
		free(text);
		return e;
	}
	return preset_each(kind, put_line, out) > 0 ? 0 : -ENOENT;
}
