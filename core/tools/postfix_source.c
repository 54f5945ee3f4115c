/*
 * core/tools/postfix_source.c - see postfix_source.h.
 */
#include "core/tools/postfix_source.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/config/scalar.h"
#include "core/tools/import_files.h"

#define THERE "/etc/postfix/"

/* ---- values ------------------------------------------------------------------------------------------------- */

static const char *place_of(struct postfix_source *s, const struct postfix_service *service,
			    const struct postfix_parameter *parameter)
{
	bool option = service && parameter >= service->options && parameter < service->options + service->option_count;

	return import_text(s->plan, "%s:%u", option ? "master.cf" : "main.cf", parameter->line);
}

/* Tables that stand in main.cf itself have what others have in files, and so has what is no table. */
static bool has_secret(const char *name, const char *value)
{
	const char *colon = strstr(name, "password") ? strchr(value, ':') : NULL;

	while (colon && colon[1] == '/')
		colon = strchr(colon + 1, ':');
	return colon != NULL;
}

/* How it is written; never a password. */
static const char *written(struct postfix_source *s, const struct postfix_parameter *parameter)
{
	bool secret = has_secret(parameter->name, parameter->value);

	return import_text(s->plan, "%s = %.300s", parameter->name, secret ? "..." : parameter->value);
}

void postfix_source_note(struct postfix_source *s, const struct postfix_service *service, const char *name,
			 const char *did, const char *here, ...)
{
	const struct postfix_parameter *parameter = postfix_conf_find(&s->conf, service, name);
	va_list arguments;
	char text[2048];

	va_start(arguments, here);
	vsnprintf(text, sizeof(text), here, arguments);
	va_end(arguments);
	import_note(s->plan, parameter ? place_of(s, service, parameter) : "main.cf",
		    parameter ? written(s, parameter) : import_text(s->plan, "%s (its default)", name), did, "%s",
		    text);
}

void postfix_source_note_unknown(struct postfix_source *s, const struct postfix_service *service, const char *name)
{
	const struct postfix_parameter *parameter = postfix_conf_find(&s->conf, service, name);

	import_note(s->plan, parameter ? place_of(s, service, parameter) : "main.cf",
		    import_text(s->plan, "%s = ...", name), "What postconf(5) says of it.",
		    "Nothing was made of %s. If it matters, look for its like in postrider.yaml(5).", name);
}

void postfix_source_note_entry(struct postfix_source *s, const struct postfix_map *map,
			       const struct postfix_entry *entry, const char *did, const char *here, ...)
{
	va_list arguments;
	char text[2048];

	va_start(arguments, here);
	vsnprintf(text, sizeof(text), here, arguments);
	va_end(arguments);
	import_note(s->plan, import_text(s->plan, "%s:%u", map->file, entry->line),
		    import_text(s->plan, "%s %s", entry->key, entry->value), did, "%s", text);
}

const char *postfix_source_value(struct postfix_source *s, const struct postfix_service *service, const char *name)
{
	const struct postfix_parameter *parameter = postfix_conf_find(&s->conf, service, name);
	const char *problem = NULL, *kept = NULL;
	char *value;

	if (!parameter)
		return NULL;
	value = postfix_conf_expand(&s->conf, service, parameter->value, &problem);
	if (value && !import_plain(value)) {
		free(value);
		value = NULL;
		problem = "it has letters beyond ASCII";
	}
	if (!value) {
		postfix_source_note(s, service, name, "It cannot be worked out here.", "%s.", problem);
		return NULL;
	}
	kept = import_text(s->plan, "%s", value);
	free(value);
	return kept;
}

const char *postfix_source_text(struct postfix_source *s, const struct postfix_service *service, const char *name)
{
	const char *value = postfix_source_value(s, service, name);

	return value ? value : "";
}

bool postfix_source_yes(struct postfix_source *s, const struct postfix_service *service, const char *name)
{
	return strcasecmp(postfix_source_text(s, service, name), "yes") == 0;
}

bool postfix_source_number(struct postfix_source *s, const char *name, uint64_t *number)
{
	const char *value = postfix_source_value(s, NULL, name);

	if (!value || !*value)
		return false;
	if (scalar_number(value, number) == SCALAR_OK)
		return true;
	postfix_source_note(s, NULL, name, "A number.", "It is none here: write the key yourself.");
	return false;
}

bool postfix_source_seconds(struct postfix_source *s, const char *name, char unit, uint64_t *seconds)
{
	static const struct {
		char unit;
		uint64_t seconds;
	} units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}, {'w', 604800}};
	const char *value = postfix_source_value(s, NULL, name);
	char *end;
	unsigned long long number;

	if (!value || !*value)
		return false;
	number = strtoull(value, &end, 10);
	if (end != value && end[0] && !end[1])
		unit = *end++;
	for (size_t i = 0; end != value && !*end && i < sizeof(units) / sizeof(units[0]); i++) {
		if (units[i].unit == unit && number < 100000000) {
			*seconds = number * units[i].seconds;
			return true;
		}
	}
	postfix_source_note(s, NULL, name, "A time.", "It cannot be read as one: write the key yourself.");
	return false;
}

/* ---- tables ------------------------------------------------------------------------------------------------- */

const char *postfix_source_path(struct postfix_source *s, const char *path)
{
	if (strncmp(path, THERE, strlen(THERE)) == 0)
		return import_text(s->plan, "%s/%s", s->directory, path + strlen(THERE));
	if (*path != '/')
		return import_text(s->plan, "%s/%s", s->directory, path);
	return path;
}

static bool kind_of(const char *type, size_t length, enum postfix_kind *kind)
{
	static const struct {
		const char *type;
		enum postfix_kind kind;
	} kinds[] = {
		{"hash", POSTFIX_PLAIN},     {"btree", POSTFIX_PLAIN},     {"lmdb", POSTFIX_PLAIN},
		{"cdb", POSTFIX_PLAIN},      {"dbm", POSTFIX_PLAIN},       {"sdbm", POSTFIX_PLAIN},
		{"texthash", POSTFIX_PLAIN}, {"regexp", POSTFIX_PATTERNS}, {"pcre", POSTFIX_PATTERNS},
		{"cidr", POSTFIX_NETWORKS},  {"static", POSTFIX_STATIC},
	};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (strlen(kinds[i].type) == length && strncmp(kinds[i].type, type, length) == 0) {
			*kind = kinds[i].kind;
			return true;
		}
	}
	return false;
}

bool postfix_source_map(struct postfix_source *s, const char *name, const char *spec, struct postfix_map *map)
{
	static const char proxy[] = "proxy:";
	const char *colon, *path, *slash, *problem;
	char *text = NULL;
	size_t length;
	unsigned line = 0;

	*map = (struct postfix_map){.kind = POSTFIX_PLAIN};
	if (strncmp(spec, proxy, sizeof(proxy) - 1) == 0)
		spec += sizeof(proxy) - 1;
	colon = strchr(spec, ':');
	if (colon && !kind_of(spec, (size_t)(colon - spec), &map->kind)) {
		const char *shown = spec;
		if (has_secret(name, spec))
			shown = import_text(s->plan, "%.*s...", strchr(spec, '{') ? (int)(colon - spec) + 1 : 0, spec);
		postfix_source_note(
			s, NULL, name, "A table that is no text file.",
			"%s cannot be read here, and nothing of it was taken over: write what it answers to a "
			"file (where its type has that: postmap -s %s), name that as texthash:FILE in a copy of "
			"main.cf, and import again.",
			shown, shown);
		return false;
	}
	path = colon ? colon + 1 : spec;
	if (map->kind == POSTFIX_STATIC) {
		map->value = path;
		map->file = "main.cf";
		return true;
	}
	slash = strrchr(path, '/');
	map->file = import_text(s->plan, "%s", slash ? slash + 1 : path);
	problem = import_read(s->directory, postfix_source_path(s, path), &text, &length);
	if (!problem)
		problem = postfix_table_read(&map->table, text, length, &line);
	if (text)
		explicit_bzero(text, length);
	free(text);
	if (problem)
		postfix_source_note(s, NULL, name, "A table.", "Nothing of %s was taken over: %s%s.", path, problem,
				    line > 0 ? import_text(s->plan, " (line %u)", line) : "");
	return !problem;
}

void postfix_source_map_end(struct postfix_map *map)
{
	postfix_table_free(&map->table);
}

void postfix_source_maps(struct postfix_source *s, const char *name, postfix_map_fn *fn, void *context)
{
	const char *rest = postfix_source_text(s, NULL, name);
	char word[4096];

	while (postfix_word(&rest, word, sizeof(word))) {
		struct postfix_map map;
		if (!postfix_source_map(s, name, import_text(s->plan, "%s", word), &map))
			continue;
		fn(s, &map, context);
		postfix_source_map_end(&map);
	}
}

const char *postfix_source_pattern(struct postfix_source *s, const char *key)
{
	const char *pattern;

	if (!import_plain(key))
		return NULL;
	if (*key == '@')
		pattern = import_text(s->plan, "*%s", key);
	else if (strchr(key, '@'))
		pattern = import_text(s->plan, "%s", key);
	else if (*key == '.')
		pattern = import_text(s->plan, "*@*%s", key);
	else
		pattern = import_text(s->plan, "*@%s", key);
	return scalar_recipient_valid(pattern) ? pattern : NULL;
}
