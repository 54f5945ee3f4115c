/*
 * core/config/preset.c - see preset.h.
 */
#include "core/config/preset.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/config/preset_list.h"
#include "core/config/scalar.h"
#include "core/config/schema_fields.h"
#include "core/config/schema_mx.h"

enum { WORDS_MAX = 32, PRESETS_MAX = 256 };

/* ---- what a preset says beside keys of a destination ---- */

struct words {
	char **list;
	size_t count;
};
struct dated {
	char *after, *key, *say; /* key: as in auth.mechanism; NULL: whatever is configured */
	struct words values;
};
enum recipients { RECIPIENTS_ANY, RECIPIENTS_OWN };

struct preset {
	char *name, *about, *updated;
	struct words hosts_end_with, sources, published, practice, supply;
	enum recipients recipients;
	struct dated *dates;
	size_t date_count;
	char *path;
};

static const struct reader_list words_list = {
	.size = sizeof(char *),
	.count_offset = offsetof(struct words, count),
	.item = {.name = "words", .read = reader_line},
};

static bool read_words(struct reader *r, const struct reader_field *field, const struct reader_value *value,
		       void *object)
{
	static const struct reader_field items = {.name = "words",
						  .read = reader_items,
						  .offset = offsetof(struct words, list),
						  .most = WORDS_MAX,
						  .detail = &words_list,
						  .example = "[a, b]"};

	return reader_items(r, &items, value, (char *)object + field->offset);
}

/* Looked at by preset_merge(), as part of the configuration's tree. */
static bool read_elsewhere(struct reader *r, const struct reader_field *field, const struct reader_value *value,
			   void *object)
{
	return true;
}

#define DATED(member) offsetof(struct dated, member)
static const struct reader_field dated_fields[] = {
	{.name = "after",
	 .read = reader_line,
	 .offset = DATED(after),
	 .required = true,
	 .example = "after: 2026-12-31"},
	{.name = "key", .read = reader_line, .offset = DATED(key)},
	{.name = "values", .read = read_words, .offset = DATED(values)},
	{.name = "say", .read = reader_line, .offset = DATED(say), .required = true, .example = "say: ..."},
	FIELDS_END,
};
static const struct reader_list dates = {
	.size = sizeof(struct dated),
	.count_offset = offsetof(struct preset, date_count),
	.item = {.name = "dates",
		 .read = reader_section,
		 .detail = dated_fields,
		 .example = "{ after: 2026-12-31, say: ... }"},
};
static const struct reader_choice recipients[] = {
	{"any", RECIPIENTS_ANY, false},
	{"own", RECIPIENTS_OWN, false},
	{NULL, 0, false},
};

#define PRESET(member) offsetof(struct preset, member)
/* Not by the macros of the schema: these are no keys of the configuration. */
static const struct reader_field preset_fields[] = {
	{.name = "preset", .read = reader_name, .offset = PRESET(name), .required = true, .example = "preset: NAME"},
	{.name = "about", .read = reader_line, .offset = PRESET(about), .required = true, .example = "about: ..."},
	{.name = "updated",
	 .read = reader_line,
	 .offset = PRESET(updated),
	 .required = true,
	 .example = "updated: ..."},
	{.name = "sources", .read = read_words, .offset = PRESET(sources)},
	{.name = "published", .read = read_words, .offset = PRESET(published)},
	{.name = "practice", .read = read_words, .offset = PRESET(practice)},
	{.name = "supply", .read = read_words, .offset = PRESET(supply)},
	{.name = "hosts_end_with", .read = read_words, .offset = PRESET(hosts_end_with)},
	{.name = "recipients", .read = reader_choice_word, .offset = PRESET(recipients), .detail = recipients},
	{.name = "dates",
	 .read = reader_items,
	 .offset = PRESET(dates),
	 .most = WORDS_MAX,
	 .detail = &dates,
	 .example = "[{ after: 2026-12-31, say: ... }]"},
	{.name = "destination", .read = read_elsewhere},
	{.name = "within", .read = read_elsewhere},
	{.name = "verdicts", .read = read_elsewhere},
	FIELDS_END,
};

static void free_words(struct words *words)
{
	for (size_t i = 0; i < words->count; i++)
		free(words->list[i]);
	free(words->list);
}

static void free_preset(struct preset *preset)
{
	free_words(&preset->hosts_end_with);
	free_words(&preset->sources);
	free_words(&preset->published);
	free_words(&preset->practice);
	free_words(&preset->supply);
	for (size_t i = 0; i < preset->date_count; i++) {
		free(preset->dates[i].after);
		free(preset->dates[i].key);
		free(preset->dates[i].say);
		free_words(&preset->dates[i].values);
	}
	free(preset->dates);
	free(preset->name);
	free(preset->about);
	free(preset->updated);
	free(preset->path);
}

/* ---- the trees ---- */

/* Copies a node of `from` into `to`, marked as this preset's. Returns its number there; 0: no memory. As deep as the
 * screening lets a file be. */
static int copy_node(yaml_document_t *to, yaml_document_t *from, int number, size_t preset)
{
	const yaml_node_t *node = yaml_document_get_node(from, number);
	int copy = 0;

	if (node->type == YAML_SCALAR_NODE) {
		copy = yaml_document_add_scalar(to, NULL, node->data.scalar.value, (int)node->data.scalar.length,
						node->data.scalar.style);
	} else if (node->type == YAML_SEQUENCE_NODE) {
		copy = yaml_document_add_sequence(to, NULL, node->data.sequence.style);
		for (yaml_node_item_t *i = node->data.sequence.items.start; copy && i < node->data.sequence.items.top;
		     i++) {
			int item = copy_node(to, from, *i, preset);
			if (!item || !yaml_document_append_sequence_item(to, copy, item))
				return 0;
		}
	} else {
		copy = yaml_document_add_mapping(to, NULL, node->data.mapping.style);
		for (yaml_node_pair_t *i = node->data.mapping.pairs.start; copy && i < node->data.mapping.pairs.top;
		     i++) {
			int key = copy_node(to, from, i->key, preset);
			int value = key ? copy_node(to, from, i->value, preset) : 0;
			if (!value || !yaml_document_append_mapping_pair(to, copy, key, value))
				return 0;
		}
	}
	if (copy) {
		yaml_node_t *made = yaml_document_get_node(to, copy);
		made->start_mark = node->start_mark;
		made->start_mark.index = READER_PRESET + preset;
	}
	return copy;
}

/* The number of the value behind `name`; 0: none. */
static int find_value(yaml_document_t *document, int mapping, const char *name)
{
	const yaml_node_t *node = yaml_document_get_node(document, mapping);

	for (yaml_node_pair_t *i = node->data.mapping.pairs.start; i < node->data.mapping.pairs.top; i++) {
		const yaml_node_t *key = yaml_document_get_node(document, i->key);
		if (key->type == YAML_SCALAR_NODE && strcmp((const char *)key->data.scalar.value, name) == 0)
			return i->value;
	}
	return 0;
}

static yaml_node_type_t type_of(yaml_document_t *document, int number)
{
	return yaml_document_get_node(document, number)->type;
}

/* Adds to the mapping `into` what it does not have; `within`: only to mappings that it has. */
static bool merge(yaml_document_t *to, int into, yaml_document_t *from, int mapping, size_t preset, bool within)
{
	size_t pairs = (size_t)(yaml_document_get_node(from, mapping)->data.mapping.pairs.top -
				yaml_document_get_node(from, mapping)->data.mapping.pairs.start);

	for (size_t i = 0; i < pairs; i++) {
		yaml_node_pair_t pair = yaml_document_get_node(from, mapping)->data.mapping.pairs.start[i];
		const yaml_node_t *name = yaml_document_get_node(from, pair.key);
		int there = name->type == YAML_SCALAR_NODE ? find_value(to, into, (const char *)name->data.scalar.value)
							   : 0;
		if (there) {
			if (type_of(to, there) == YAML_MAPPING_NODE && type_of(from, pair.value) == YAML_MAPPING_NODE &&
			    !merge(to, there, from, pair.value, preset, false))
				return false;
			continue;
		}
		if (within)
			continue;
		int key = copy_node(to, from, pair.key, preset);
		int value = key ? copy_node(to, from, pair.value, preset) : 0;
		if (!value || !yaml_document_append_mapping_pair(to, into, key, value))
			return false;
	}
	return true;
}

/* Behind those that the destination has: they are asked in this order. */
static bool add_rules(yaml_document_t *to, int into, yaml_document_t *from, int list, size_t preset)
{
	int there = find_value(to, into, "verdicts");

	if (type_of(from, list) != YAML_SEQUENCE_NODE)
		return true;
	if (!there) {
		int key =
			yaml_document_add_scalar(to, NULL, (const yaml_char_t *)"verdicts", 8, YAML_PLAIN_SCALAR_STYLE);
		int copy = key ? copy_node(to, from, list, preset) : 0;
		return copy && yaml_document_append_mapping_pair(to, into, key, copy);
	}
	if (type_of(to, there) != YAML_SEQUENCE_NODE)
		return true; /* the schema says what is wrong */
	size_t count = (size_t)(yaml_document_get_node(from, list)->data.sequence.items.top -
				yaml_document_get_node(from, list)->data.sequence.items.start);
	for (size_t i = 0; i < count; i++) {
		int item =
			copy_node(to, from, yaml_document_get_node(from, list)->data.sequence.items.start[i], preset);
		if (!item || !yaml_document_append_sequence_item(to, there, item))
			return false;
	}
	return true;
}

/* ---- merging ---- */

/* Reads the preset's own keys, with the reader turned to its file for that time. */
static bool read_preset(struct reader *r, yaml_document_t *document, struct preset *preset)
{
	const yaml_node_t *root = yaml_document_get_root_node(document);
	const struct reader_value value = {.name = "the preset", .key = root, .node = root};
	const char *file = r->file;
	yaml_document_t *before = r->document;
	bool ok;

	r->file = preset->path;
	r->document = document;
	ok = root->type == YAML_MAPPING_NODE ? reader_mapping(r, preset_fields, &value, preset)
					     : reader_fail(r, &root->start_mark, "a preset must be a mapping");
	r->file = file;
	r->document = before;
	return ok;
}

static bool put_into(struct reader *r, int destination, yaml_document_t *document, size_t number)
{
	int keys = find_value(document, 1, "destination"), rules = find_value(document, 1, "verdicts");
	int within = find_value(document, 1, "within");

	return (!keys || type_of(document, keys) != YAML_MAPPING_NODE ||
		merge(r->document, destination, document, keys, number, false)) &&
	       (!within || type_of(document, within) != YAML_MAPPING_NODE ||
		merge(r->document, destination, document, within, number, true)) &&
	       (!rules || add_rules(r->document, destination, document, rules, number));
}

static bool parse_preset(struct reader *r, int destination, struct preset *preset, const char *text, size_t length,
			 size_t number)
{
	const yaml_mark_t start = {0};
	const char *file = r->file;
	yaml_document_t document;
	yaml_parser_t parser;
	bool ok;

	r->file = preset->path;
	ok = reader_screen(r, text, length);
	if (ok && !yaml_parser_initialize(&parser))
		ok = reader_fail_memory(r, &start);
	r->file = file;
	if (!ok)
		return false;
	yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&parser, (const unsigned char *)text, length);
	ok = yaml_parser_load(&parser, &document);
	yaml_parser_delete(&parser);
	if (!ok)
		return reader_fail_memory(r, &start); /* it was screened */
	ok = read_preset(r, &document, preset) &&
	     (put_into(r, destination, &document, number) || reader_fail_memory(r, &start));
	yaml_document_delete(&document);
	return ok;
}

/* Says that there is no such preset. */
static bool fail_unknown(struct reader *r, const yaml_mark_t *mark, const char *name)
{
	struct reader_hint hint;

	reader_hint_init(&hint);
	preset_offer(&preset_providers, name, &hint);
	return reader_fail(r, mark, "preset: there is no preset \"%.80s\"%s", name,
			   hint.text[0] ? hint.text : ": `postrider presets` lists them");
}

static bool merge_one(struct reader *r, int destination, const char *name, const yaml_mark_t *mark)
{
	struct preset *preset;
	char path[PATH_MAX];
	size_t length = 0;
	char *text = NULL;
	int e;

	if (r->preset_count == PRESETS_MAX)
		return reader_fail(r, mark, "preset: there are more than %d destinations with one", PRESETS_MAX);
	e = preset_load(&preset_providers, name, path, &text, &length);
	if (e == -ENOENT)
		return fail_unknown(r, mark, name);
	if (e < 0)
		return reader_fail(r, mark, "preset: %.200s: %s", path, strerror(-e));
	preset = &r->presets[r->preset_count++];
	preset->path = strdup(path);
	r->preset_files[r->preset_count - 1] = preset->path;
	bool ok = preset->path ? parse_preset(r, destination, preset, text, length, r->preset_count - 1)
			       : reader_fail_memory(r, mark);
	free(text);
	return ok;
}

static bool make_room(struct reader *r)
{
	if (r->presets == NULL)
		r->presets = calloc(PRESETS_MAX, sizeof(*r->presets));
	if (r->preset_files == NULL)
		r->preset_files = calloc(PRESETS_MAX, sizeof(*r->preset_files));
	return r->presets != NULL && r->preset_files != NULL;
}

bool preset_merge(struct reader *r)
{
	int list = type_of(r->document, 1) == YAML_MAPPING_NODE ? find_value(r->document, 1, "destinations") : 0;
	bool ok = true;

	if (!list || type_of(r->document, list) != YAML_SEQUENCE_NODE)
		return true;
	size_t count = (size_t)(yaml_document_get_node(r->document, list)->data.sequence.items.top -
				yaml_document_get_node(r->document, list)->data.sequence.items.start);
	for (size_t i = 0; i < count; i++) {
		int item = yaml_document_get_node(r->document, list)->data.sequence.items.start[i];
		int named =
			type_of(r->document, item) == YAML_MAPPING_NODE ? find_value(r->document, item, "preset") : 0;
		const yaml_node_t *node = named ? yaml_document_get_node(r->document, named) : NULL;
		if (!node || node->type != YAML_SCALAR_NODE)
			continue;
		/* Copied: the tree may move, and the name with it is only as long as its node. */
		char name[80];
		yaml_mark_t mark = node->start_mark;
		snprintf(name, sizeof(name), "%s", (const char *)node->data.scalar.value);
		if (!scalar_name_valid(name))
			continue; /* the schema says what is wrong */
		if (!make_room(r))
			return reader_fail_memory(r, &mark);
		ok &= merge_one(r, item, name, &mark);
	}
	return ok;
}

void preset_free(struct reader *r)
{
	for (size_t i = 0; i < r->preset_count; i++)
		free_preset(&r->presets[i]);
	free(r->presets);
	free(r->preset_files);
	r->preset_files = NULL;
	r->presets = NULL;
	r->preset_count = 0;
}

/* ---- warnings ---- */

/* The scalar behind "auth.mechanism"; NULL: none. */
static const yaml_node_t *at_key(struct reader *r, const yaml_node_t *mapping, const char *key)
{
	while (mapping && mapping->type == YAML_MAPPING_NODE) {
		char name[64];
		size_t length = strcspn(key, ".");
		snprintf(name, sizeof(name), "%.*s", (int)length, key);
		mapping = reader_find(r, mapping, name);
		if (key[length] == '\0')
			return mapping && mapping->type == YAML_SCALAR_NODE ? mapping : NULL;
		key += length + 1;
	}
	return NULL;
}

static bool has_word(const struct words *words, const char *word)
{
	for (size_t i = 0; i < words->count; i++) {
		if (strcmp(words->list[i], word) == 0)
			return true;
	}
	return words->count == 0;
}

static bool keep_date(struct config *config, const struct preset *preset, const struct dated *dated, size_t destination)
{
	struct config_date *more = realloc(config->dates, (config->date_count + 1) * sizeof(*more)), *one;

	if (!more)
		return false;
	config->dates = more;
	one = &more[config->date_count++];
	*one = (struct config_date){destination, strdup(preset->name), strdup(dated->after), strdup(dated->say)};
	return one->preset && one->after && one->say;
}

/* False: no memory. */
static bool take_dates(struct reader *r, const struct preset *preset, size_t destination, const yaml_node_t *mapping,
		       const yaml_mark_t *mark)
{
	bool ok = true;

	for (size_t i = 0; i < preset->date_count; i++) {
		const struct dated *dated = &preset->dates[i];
		const yaml_node_t *value = dated->key ? at_key(r, mapping, dated->key) : NULL;
		if (dated->key && (!value || !has_word(&dated->values, (const char *)value->data.scalar.value)))
			continue;
		reader_warn(r, value && value->start_mark.index < READER_PRESET ? &value->start_mark : mark,
			    "preset %s: after %s: %s", preset->name, dated->after, dated->say);
		ok = ok && keep_date(r->config, preset, dated, destination);
	}
	return ok;
}

static bool ends_with_one(const struct words *ends, const char *name)
{
	for (size_t i = 0; i < ends->count; i++) {
		size_t all = strlen(name), end = strlen(ends->list[i]);
		if (end <= all && strcasecmp(name + all - end, ends->list[i]) == 0)
			return true;
	}
	return ends->count == 0;
}

static void warn_hosts(struct reader *r, const struct preset *preset, const struct config_destination *destination,
		       const yaml_mark_t *mark)
{
	for (size_t i = 0; i < destination->host_count; i++) {
		const struct config_host *host = &destination->hosts[i];
		if (host->name && !host->numeric && !ends_with_one(&preset->hosts_end_with, host->name))
			reader_warn(r, mark,
				    "preset %s: \"%.200s\" is no host of this provider: its names end with %s%s",
				    preset->name, host->text, preset->hosts_end_with.list[0],
				    preset->hosts_end_with.count > 1 ? " or the like (postrider presets)" : "");
	}
}

/* A route for everybody to a destination that takes only the organisation's own recipients. */
static void warn_routes(struct reader *r, const struct preset *preset, size_t destination, const yaml_node_t *root)
{
	const yaml_node_t *list = reader_find(r, root, "routes");

	for (size_t i = 0; preset->recipients == RECIPIENTS_OWN && i < r->config->route_count; i++) {
		const struct config_route *route = &r->config->routes[i];
		if (route->destination == destination && route->recipient == NULL)
			reader_warn(
				r, &yaml_document_get_node(r->document, list->data.sequence.items.start[i])->start_mark,
				"preset %s: takes only recipients of your own domains, and this route sends it "
				"everybody's: write recipient: \"*@yourdomain\", and another route for the rest",
				preset->name);
	}
}

bool preset_finish(struct reader *r)
{
	const yaml_node_t *root = yaml_document_get_root_node(r->document);
	const yaml_node_t *list = reader_find(r, root, "destinations");
	size_t next = 0;
	bool ok = true;

	for (size_t i = 0; i < r->config->destination_count && next < r->preset_count; i++) {
		const yaml_node_t *item = yaml_document_get_node(r->document, list->data.sequence.items.start[i]);
		const yaml_node_t *named = reader_find(r, item, "preset");
		if (!named)
			continue;
		const struct preset *preset = &r->presets[next++];
		ok = ok && schema_mx_ends_default(&r->config->destinations[i], preset->hosts_end_with.list,
						  preset->hosts_end_with.count);
		ok = take_dates(r, preset, i, item, &named->start_mark) && ok;
		warn_hosts(r, preset, &r->config->destinations[i], &named->start_mark);
		warn_routes(r, preset, i, root);
	}
	return ok || reader_fail_memory(r, &root->start_mark);
}
