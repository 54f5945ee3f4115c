/*
 * core/config/schema_profile.c - see schema_profile.h.
 */
#include "core/config/schema_profile.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/config/nested.h"
#include "core/config/preset_list.h"
#include "core/config/profile.h"
#include "core/config/quirks.h"
#include "core/config/scalar.h"
#include "core/config/schema_fields.h"
#include "core/config/schema_quirk.h"

enum { WORDS_MAX = 32 };

/* ---- a profile's own keys ---------------------------------------------------------------------------------------- */

static const struct reader_list words_list = {
	.size = sizeof(char *),
	.count_offset = offsetof(struct config_words, count),
	.item = {.name = "words", .read = reader_line},
};

static bool read_words(struct reader *r, const struct reader_field *field, const struct reader_value *value,
		       void *object)
{
	static const struct reader_field items = {.name = "words",
						  .read = reader_items,
						  .offset = offsetof(struct config_words, list),
						  .most = WORDS_MAX,
						  .detail = &words_list,
						  .example = "[a, b]"};

	return reader_items(r, &items, value, (char *)object + field->offset);
}

static const struct reader_choice encryptions[] = {
	{"none", PROFILE_NONE, false},
	{"starttls", PROFILE_STARTTLS, false},
	{"implicit", PROFILE_IMPLICIT, false},
	{NULL, 0, false},
};

/* One word, or a list of them. */
static bool read_encryption(struct reader *r, const struct reader_field *field, const struct reader_value *value,
			    void *object)
{
	static const struct reader_field word = {.name = "encryption", .detail = encryptions};
	struct config_profile *profile = object;
	const yaml_node_t *node = value->node;
	struct reader_value one = *value;
	bool ok = true;
	int found = 0;

	if (node->type != YAML_SEQUENCE_NODE) {
		ok = reader_choice_word(r, &word, value, &found);
		profile->encryption = (uint8_t)found;
		return ok;
	}
	for (yaml_node_item_t *item = node->data.sequence.items.start; item < node->data.sequence.items.top; item++) {
		one.node = yaml_document_get_node(r->document, *item);
		ok &= reader_choice_word(r, &word, &one, &found);
		profile->encryption |= (uint8_t)found;
	}
	return ok;
}

static const struct reader_choice syntaxes[] = {
	{"tolerant", CONFIG_SYNTAX_TOLERANT, false},
	{"strict", CONFIG_SYNTAX_STRICT, false},
	{NULL, 0, false},
};
static const struct reader_choice versions[] = {
	{"1.1", CONFIG_TLS_1_1, false},
	{"1.2", CONFIG_TLS_1_2, false},
	{"1.3", CONFIG_TLS_1_3, false},
	{NULL, 0, false},
};

static const struct reader_choice froms[] = {
	{"keep", 0, false},
	{"device", QUIRK_OWN_FROM, false},
	{NULL, 0, false},
};

static bool read_missing(struct reader *r, const struct reader_field *field, const struct reader_value *value,
			 void *object)
{
	static const struct reader_field word = {.name = "add_missing_headers"};
	bool missing = false, ok = reader_boolean(r, &word, value, &missing);

	((struct config_profile *)object)->quirks |= missing ? QUIRK_MISSING_HEADERS : 0;
	return ok;
}

#define PROFILE(member) offsetof(struct config_profile, member)
/* Not by the macros of the schema: these are no keys of the configuration. */
static const struct reader_field profile_fields[] = {
	{.name = "profile", .read = reader_name, .offset = PROFILE(name), .required = true, .example = "profile: NAME"},
	{.name = "about", .read = reader_line, .offset = PROFILE(about), .required = true, .example = "about: ..."},
	{.name = "updated", .read = reader_line, .offset = PROFILE(updated)},
	{.name = "sources", .read = read_words, .offset = PROFILE(sources)},
	{.name = "menu", .read = read_words, .offset = PROFILE(menu)},
	{.name = "encryption", .read = read_encryption},
	{.name = "tls", .read = reader_choice_word, .offset = PROFILE(tls), .detail = versions},
	{.name = "syntax", .read = reader_choice_word, .offset = PROFILE(syntax), .detail = syntaxes},
	{.name = "add_missing_headers", .read = read_missing},
	{.name = "from", .read = schema_quirk, .offset = PROFILE(quirks), .detail = froms},
	{.name = "line_endings", .read = schema_quirk, .offset = PROFILE(quirks), .detail = schema_line_endings},
	{.name = "long_lines", .read = schema_quirk, .offset = PROFILE(quirks), .detail = schema_long_lines},
	FIELDS_END,
};

static bool read_profile(struct reader *r, const struct reader_value *root, void *object)
{
	return root->node->type == YAML_MAPPING_NODE
		       ? reader_mapping(r, profile_fields, root, object)
		       : reader_fail(r, &root->node->start_mark, "a profile must be a mapping");
}

/* ---- finding it -------------------------------------------------------------------------------------------------- */

static bool fail_unknown(struct reader *r, const yaml_mark_t *mark, const char *name)
{
	struct reader_hint hint;

	reader_hint_init(&hint);
	preset_offer(&preset_profiles, name, &hint);
	return reader_fail(r, mark, "profile: there is no profile \"%.80s\"%s", name,
			   hint.text[0] ? hint.text : ": `postrider device profiles` lists them");
}

static bool load(struct reader *r, const char *name, const yaml_mark_t *mark)
{
	struct config *config = r->config;
	char path[PATH_MAX], *text = NULL;
	struct config_profile *larger;
	size_t length = 0;
	bool ok;
	int e;

	if (config->profile_count == CONFIG_PROFILES_MAX)
		return reader_fail(r, mark, "profile: there are more than %d", CONFIG_PROFILES_MAX);
	e = preset_load(&preset_profiles, name, path, &text, &length);
	if (e == -ENOENT)
		return fail_unknown(r, mark, name);
	if (e < 0)
		return reader_fail(r, mark, "profile: %.200s: %s", path, strerror(-e));
	larger = realloc(config->profiles, (config->profile_count + 1) * sizeof(*larger));
	if (larger) {
		config->profiles = larger;
		larger[config->profile_count] = (struct config_profile){0};
		ok = nested_read(r, path, text, length, read_profile, &larger[config->profile_count++]);
	} else {
		ok = reader_fail_memory(r, mark);
	}
	free(text);
	return ok;
}

static bool take(struct reader *r, const char *name, const char *key, const yaml_mark_t *mark, uint8_t *number)
{
	struct config *config = r->config;

	if (!scalar_name_valid(name))
		return reader_fail(r, mark, "%s: \"%.80s\" is no name: `postrider device profiles` lists them", key,
				   name);
	for (size_t i = 0; i < config->profile_count; i++) {
		const char *there = config->profiles[i].name;
		if (there && strcmp(there, name) == 0) {
			*number = (uint8_t)(i + 1);
			return true;
		}
	}
	if (!load(r, name, mark))
		return false;
	if (strcmp(config->profiles[config->profile_count - 1].name, name) != 0)
		return reader_fail(r, mark, "%s: the file of \"%s\" says that it is \"%.80s\"", key, name,
				   config->profiles[config->profile_count - 1].name);
	*number = (uint8_t)config->profile_count;
	return true;
}

bool schema_profile_take(struct config *config, const char *name, uint8_t *number, struct config_problems *problems)
{
	struct reader r = {.file = config->file, .config = config, .problems = problems};
	const yaml_mark_t nowhere = {0};

	config_problems_init(problems);
	return take(&r, name, "profile", &nowhere, number);
}

bool schema_profile(struct reader *r, const struct reader_field *field, const struct reader_value *value, void *object)
{
	const char *name = reader_text(r, value);

	return name && take(r, name, value->name, &value->node->start_mark, (uint8_t *)object + field->offset);
}

static void free_words(struct config_words *words)
{
	for (size_t i = 0; words->list && i < words->count; i++)
		free(words->list[i]);
	free(words->list);
}

void schema_profiles_free(struct config *config)
{
	for (size_t i = 0; i < config->profile_count; i++) {
		struct config_profile *profile = &config->profiles[i];
		free(profile->name);
		free(profile->about);
		free(profile->updated);
		free_words(&profile->sources);
		free_words(&profile->menu);
	}
	free(config->profiles);
}
