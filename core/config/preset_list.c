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

/* The value of a key at the beginning of a line. */
static void put_value(const char *text, size_t length, const char *key, FILE *out)
{
	const char *at = memmem(text, length, key, strlen(key));

	if (!at)
		return;
	at += strlen(key);
	at += *at == '"';
	fprintf(out, "%.*s", (int)strcspn(at, "\"\n"), at);
}

static int list_directory(const char *in, FILE *out)
{
	struct dirent **entries;
	int count = scandir(in, &entries, is_preset, alphasort);

	for (int i = 0; i < count; i++) {
		char path[PATH_MAX], *text = NULL;
		size_t length = 0;
		bool opened;
		if (snprintf(path, sizeof(path), "%s/%s", in, entries[i]->d_name) < PATH_MAX &&
		    text_file_read(path, PRESET_SIZE_MAX, &text, &length, &opened) == 0) {
			fprintf(out, "%-24.*s", (int)strlen(entries[i]->d_name) - 5, entries[i]->d_name);
			put_value(text, length, "\nupdated: ", out);
			fputs("  ", out);
			put_value(text, length, "\nabout: ", out);
			fputc('\n', out);
		}
		free(text);
		free(entries[i]);
	}
	if (count >= 0)
		free(entries);
	return count > 0 ? count : 0;
}

int preset_list(const struct preset_kind *kind, const char *name, FILE *out)
{
	char path[PATH_MAX], *text = NULL;
	size_t length = 0;
	const char *in;
	int count = 0, e;

	if (name) {
		e = scalar_name_valid(name) ? preset_load(kind, name, path, &text, &length) : -ENOENT;
		if (e == 0) {
			fprintf(out, "# %s\n", path);
			fwrite(text, 1, length, out);
		}
		free(text);
		return e;
	}
	for (size_t i = 0; (in = directory(kind, i)) != NULL; i++)
		count += list_directory(in, out);
	return count > 0 ? 0 : -ENOENT;
}
