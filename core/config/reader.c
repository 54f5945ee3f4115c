/*
 * core/config/reader.c - a YAML tree into structures, driven by tables: see reader.h.
 */
#include "core/config/reader.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/config/scalar.h"

enum {
	DEPTH_MAX = 16,       /* the tables need 5 */
	EVENTS_MAX = 2000000, /* a hundred thousand clients with a network and a limit each have 1,300,000 */
	FIELDS_MAX = 32,      /* of one table */
};

static const char not_available[] = "not available in this version; remove it";

struct config_place reader_place(const yaml_mark_t *mark)
{
	return (struct config_place){.line = (unsigned)mark->line + 1, .column = (unsigned)mark->column + 1};
}

const char *reader_origin(const struct reader *r, const yaml_mark_t *mark)
{
	size_t number = mark->index - READER_PRESET;

	return mark->index >= READER_PRESET && number < r->preset_count ? r->preset_files[number] : r->file;
}

bool reader_fail(struct reader *r, const yaml_mark_t *mark, const char *format, ...)
{
	struct config_place place = reader_place(mark);
	va_list arguments;

	va_start(arguments, format);
	config_problems_add_list(r->problems, false, place, reader_origin(r, mark), place, format, arguments);
	va_end(arguments);
	return false;
}

bool reader_fail_in(struct reader *r, const yaml_mark_t *mark, const char *file, const yaml_mark_t *at,
		    const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	config_problems_add_list(r->problems, false, reader_place(mark), file, reader_place(at), format, arguments);
	va_end(arguments);
	return false;
}

void reader_warn(struct reader *r, const yaml_mark_t *mark, const char *format, ...)
{
	struct config_place place = reader_place(mark);
	va_list arguments;

	va_start(arguments, format);
	config_problems_add_list(r->problems, true, place, reader_origin(r, mark), place, format, arguments);
	va_end(arguments);
}

bool reader_fail_memory(struct reader *r, const yaml_mark_t *mark)
{
	return reader_fail(r, mark, "out of memory");
}

/* Where the octet at `offset` stands; reader errors come without a mark. */
static yaml_mark_t mark_at(const char *text, size_t length, size_t offset)
{
	yaml_mark_t mark = {0};

	for (size_t i = 0; i < offset && i < length; i++) {
		if (text[i] == '\n') {
			mark.line++;
			mark.column = 0;
		} else if (((unsigned char)text[i] & 0xc0) != 0x80) {
			mark.column++;
		}
	}
	return mark;
}

bool reader_fail_yaml(struct reader *r, const yaml_parser_t *parser, const char *text, size_t length)
{
	const char *problem = parser->problem != NULL ? parser->problem : "syntax error";

	/* libyaml does not always say so: a failure without an error is one of its stacks that could not grow. */
	if (parser->error == YAML_MEMORY_ERROR || parser->error == YAML_NO_ERROR)
		return reader_fail_memory(r, &parser->mark);
	if (parser->error == YAML_READER_ERROR) {
		yaml_mark_t mark = mark_at(text, length, parser->problem_offset);
		return reader_fail(r, &mark, "%s: write the file in UTF-8", problem);
	}
	if (parser->context != NULL)
		return reader_fail(r, &parser->problem_mark, "%s, %s", parser->context, problem);
	return reader_fail(r, &parser->problem_mark, "%s", problem);
}

/* What one event means for the screening. */
struct screen {
	unsigned documents, depth, events;
};

static bool screen_event(struct reader *r, struct screen *screen, const yaml_event_t *event)
{
	const yaml_mark_t *mark = &event->start_mark;

	if (++screen->events > EVENTS_MAX)
		return reader_fail(r, mark, "the file has too many values");
	switch (event->type) {
	case YAML_DOCUMENT_START_EVENT:
		if (++screen->documents > 1)
			return reader_fail(r, mark, "a second document begins here: write one per file");
		return true;
	case YAML_ALIAS_EVENT:
		return reader_fail(r, mark, "aliases are not supported: write the value out");
	case YAML_SEQUENCE_START_EVENT:
	case YAML_MAPPING_START_EVENT:
		if (++screen->depth > DEPTH_MAX)
			return reader_fail(r, mark, "values are nested too deeply");
		return true;
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		screen->depth--;
		return true;
	default:
		return true;
	}
}

bool reader_screen(struct reader *r, const char *text, size_t length)
{
	struct screen screen = {0};
	yaml_parser_t parser;
	yaml_event_t event;
	bool ok = true, end = false;
	const yaml_mark_t start = {0};

	if (!yaml_parser_initialize(&parser))
		return reader_fail_memory(r, &start);
	yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&parser, (const unsigned char *)text, length);
	while (ok && !end) {
		if (!yaml_parser_parse(&parser, &event)) {
			ok = reader_fail_yaml(r, &parser, text, length);
			break;
		}
		end = event.type == YAML_STREAM_END_EVENT;
		ok = screen_event(r, &screen, &event);
		yaml_event_delete(&event);
	}
	yaml_parser_delete(&parser);
	if (ok && screen.documents == 0)
		return reader_fail(r, &start, "the file is empty%s",
				   r->document ? "" : ": write at least listeners, clients, destinations and routes");
	return ok;
}

void reader_hint_init(struct reader_hint *hint)
{
	hint->text[0] = '\0';
	hint->distance = SCALAR_DISTANCE_MAX + 1;
}

void reader_hint_offer(struct reader_hint *hint, const char *word, const char *known)
{
	unsigned distance = scalar_distance(word, known);

	/* Replacing every letter is no correction: "tz" does not mean "mx". */
	if (distance >= hint->distance || distance >= strlen(word) || distance >= strlen(known))
		return;
	hint->distance = distance;
	snprintf(hint->text, sizeof(hint->text), "; did you mean \"%s\"?", known);
}

const char *reader_text(struct reader *r, const struct reader_value *value)
{
	const yaml_node_t *node = value->node;

	if (node->type != YAML_SCALAR_NODE) {
		reader_fail(r, &node->start_mark, "%s: write a single value here", value->name);
		return NULL;
	}
	const char *text = (const char *)node->data.scalar.value;
	if (strlen(text) != node->data.scalar.length) {
		reader_fail(r, &node->start_mark, "%s: the value contains a NUL octet", value->name);
		return NULL;
	}
	bool null = node->data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
		    (strcmp(text, "~") == 0 || strcmp(text, "null") == 0);
	if (text[0] == '\0' || null) {
		reader_fail(r, &node->start_mark, "%s: the value is missing: write one or remove the key", value->name);
		return NULL;
	}
	return text;
}

/* Whether a key could do anything in this version: what is only there to be refused is no suggestion. */
static bool offered(const struct reader_field *field)
{
	unsigned words = 0;

	if (field->read == reader_missing)
		return false;
	if (field->read != reader_choice_word)
		return true;
	for (const struct reader_choice *choice = field->detail; choice->word != NULL; choice++)
		words += !choice->missing;
	return words > 1;
}

/* Says that `key` is unknown. Answers with the field that seems to be meant, or NULL. */
static const struct reader_field *fail_unknown_key(struct reader *r, const struct reader_field *fields,
						   const yaml_node_t *key)
{
	const char *text = (const char *)key->data.scalar.value;
	const struct reader_field *meant = NULL;
	char known[600] = "";
	size_t length = 0;
	struct reader_hint hint;

	reader_hint_init(&hint);
	for (const struct reader_field *field = fields; field->name != NULL; field++) {
		unsigned distance = hint.distance;
		if (!offered(field))
			continue;
		reader_hint_offer(&hint, text, field->name);
		if (hint.distance < distance)
			meant = field;
		int n = snprintf(known + length, sizeof(known) - length, "%s%s", length == 0 ? "" : ", ", field->name);
		assert(n > 0 && length + (size_t)n < sizeof(known));
		length += (size_t)n;
	}
	if (meant != NULL)
		reader_fail(r, &key->start_mark, "unknown key \"%.80s\"%s", text, hint.text);
	else
		reader_fail(r, &key->start_mark, "unknown key \"%.80s\": the keys here are %s", text, known);
	return meant;
}

/* The field named by `key`; NULL with the problem set, and what seems to be meant instead in *meant. */
static const struct reader_field *find_field(struct reader *r, const struct reader_field *fields,
					     const yaml_node_t *key, const struct reader_field **meant)
{
	*meant = NULL;
	if (key->type != YAML_SCALAR_NODE) {
		reader_fail(r, &key->start_mark, "a key must be a word");
		return NULL;
	}
	for (const struct reader_field *field = fields; field->name != NULL; field++) {
		if (strcmp(field->name, (const char *)key->data.scalar.value) == 0 &&
		    strlen(field->name) == key->data.scalar.length)
			return field;
	}
	*meant = fail_unknown_key(r, fields, key);
	return NULL;
}

/* The value of a field has an error, or its key. */
static void failed(struct reader *r, const struct reader_field *fields, const struct reader_field *field)
{
	if (fields == r->root)
		r->root_failed |= UINT64_C(1) << (field - fields);
}

/* Reads one key with its value. `seen`: the keys before it, by field. */
static bool read_pair(struct reader *r, const struct reader_field *fields, const yaml_node_pair_t *pair,
		      const yaml_node_t **seen, void *object)
{
	const yaml_node_t *key = yaml_document_get_node(r->document, pair->key);
	const struct reader_field *meant, *field = find_field(r, fields, key, &meant);

	if (meant != NULL) {
		/* Said once: the key that is meant is not missing as well. */
		if (seen[meant - fields] == NULL)
			seen[meant - fields] = key;
		failed(r, fields, meant);
	}
	if (field == NULL)
		return false;
	size_t index = (size_t)(field - fields);
	assert(index < FIELDS_MAX);
	if (seen[index] != NULL)
		return reader_fail(r, &key->start_mark, "duplicate key \"%s\": the first is in line %zu", field->name,
				   seen[index]->start_mark.line + 1);
	seen[index] = key;
	struct reader_value inner = {
		.name = field->name, .key = key, .node = yaml_document_get_node(r->document, pair->value)};
	if (field->read(r, field, &inner, object))
		return true;
	failed(r, fields, field);
	return false;
}

bool reader_mapping(struct reader *r, const struct reader_field *fields, const struct reader_value *value, void *object)
{
	const yaml_node_t *seen[FIELDS_MAX] = {NULL};
	const yaml_node_t *node = value->node;
	bool ok = true;

	assert(node->type == YAML_MAPPING_NODE);
	for (const yaml_node_pair_t *pair = node->data.mapping.pairs.start; pair < node->data.mapping.pairs.top; pair++)
		ok &= read_pair(r, fields, pair, seen, object);
	for (const struct reader_field *field = fields; field->name != NULL; field++) {
		if (!field->required || seen[field - fields] != NULL)
			continue;
		ok = reader_fail(r, &node->start_mark, "the key \"%s\" is missing: write %s", field->name,
				 field->example);
		failed(r, fields, field);
	}
	return ok;
}

bool reader_fine(const struct reader *r, const char *name)
{
	for (const struct reader_field *field = r->root; field->name != NULL; field++) {
		if (strcmp(field->name, name) == 0)
			return !(r->root_failed >> (field - r->root) & 1);
	}
	assert(!"a name of the table");
	return false;
}

const yaml_node_t *reader_find(struct reader *r, const yaml_node_t *mapping, const char *name)
{
	assert(mapping->type == YAML_MAPPING_NODE);
	for (const yaml_node_pair_t *pair = mapping->data.mapping.pairs.start; pair < mapping->data.mapping.pairs.top;
	     pair++) {
		const yaml_node_t *key = yaml_document_get_node(r->document, pair->key);
		if (key->type == YAML_SCALAR_NODE && strcmp((const char *)key->data.scalar.value, name) == 0)
			return yaml_document_get_node(r->document, pair->value);
	}
	return NULL;
}

static void *member(void *object, const struct reader_field *field)
{
	return (char *)object + field->offset;
}

bool reader_section(struct reader *r, const struct reader_field *field, const struct reader_value *value, void *object)
{
	if (value->node->type != YAML_MAPPING_NODE)
		return reader_fail(r, &value->node->start_mark, "%s: write a mapping, as in %s", value->name,
				   field->example);
	return reader_mapping(r, field->detail, value, object);
}

struct named {
	const char *name;
	size_t index;
};

static int compare_named(const void *left, const void *right)
{
	const struct named *a = left, *b = right;
	int order = strcmp(a->name, b->name);

	return order != 0 ? order : a->index < b->index ? -1 : 1;
}

/* Sorted, because a list may have a hundred thousand items. */
static bool check_names(struct reader *r, const yaml_node_t *list, const char *items, size_t size, size_t count)
{
	struct named *named = calloc(count, sizeof(*named));
	size_t known = 0;
	bool ok = true;

	if (named == NULL)
		return reader_fail_memory(r, &list->start_mark);
	for (size_t i = 0; i < count; i++) {
		memcpy(&named[known].name, items + i * size, sizeof(named[known].name));
		named[known].index = i;
		known += named[known].name != NULL; /* NULL: it was wrong, and that was said */
	}
	qsort(named, known, sizeof(*named), compare_named);
	for (size_t i = 1; i < known; i++) {
		if (strcmp(named[i - 1].name, named[i].name) != 0)
			continue;
		const yaml_node_t *item =
			yaml_document_get_node(r->document, list->data.sequence.items.start[named[i].index]);
		ok = reader_fail(r, &reader_find(r, item, "name")->start_mark,
				 "duplicate name \"%s\": each needs its own", named[i].name);
	}
	free(named);
	return ok;
}

bool reader_items(struct reader *r, const struct reader_field *field, const struct reader_value *value, void *object)
{
	const struct reader_list *list = field->detail;
	size_t *count = (size_t *)(void *)((char *)object + list->count_offset);
	const yaml_node_t *node = value->node;

	if (node->type != YAML_SEQUENCE_NODE)
		return reader_fail(r, &node->start_mark, "%s: write a list, as in %s", value->name, field->example);
	size_t length = (size_t)(node->data.sequence.items.top - node->data.sequence.items.start);
	if (length == 0)
		return reader_fail(r, &node->start_mark, "%s: the list is empty: write at least one, as in %s",
				   value->name, field->example);
	if (length > field->most)
		return reader_fail(r, &node->start_mark, "%s: the list has %zu items: write at most %" PRIu64,
				   value->name, length, field->most);
	char *items = calloc(length, list->size);
	if (items == NULL)
		return reader_fail_memory(r, &node->start_mark);
	memcpy(member(object, field), &items, sizeof(items));
	bool ok = true;
	for (size_t i = 0; i < length; i++) {
		struct reader_value item = *value;
		item.node = yaml_document_get_node(r->document, node->data.sequence.items.start[i]);
		if (list->defaults != NULL)
			list->defaults(items + i * list->size);
		*count = i + 1;
		if (!list->item.read(r, &list->item, &item, items + i * list->size))
			ok = false;
		else if (list->check != NULL && !list->check(r, item.node, items, i))
			ok = false;
	}
	return (!list->named || check_names(r, node, items, list->size, length)) && ok;
}

bool reader_number(struct reader *r, const struct reader_field *field, const struct reader_value *value, void *object)
{
	const char *text = reader_text(r, value);
	uint64_t number = 0;

	assert(field->most <= UINT32_MAX);
	if (text == NULL)
		return false;
	enum scalar_result result = scalar_number(text, &number);
	if (result == SCALAR_OVERFLOW || (result == SCALAR_OK && (number < field->least || number > field->most)))
		return reader_fail(r, &value->node->start_mark,
				   "%s: %.80s is out of range: write a number from %" PRIu64 " to %" PRIu64,
				   value->name, text, field->least, field->most);
	if (result != SCALAR_OK)
		return reader_fail(r, &value->node->start_mark,
				   "%s: \"%.80s\" is no number: write one from %" PRIu64 " to %" PRIu64, value->name,
				   text, field->least, field->most);
	unsigned narrow = (unsigned)number;
	memcpy(member(object, field), &narrow, sizeof(narrow));
	return true;
}

static const struct {
	const char *what, *units, *example, *usual;
} quantities[] = {
	[SCALAR_SIZE] = {"size", "B, KiB, MiB, GiB or TiB", "20GiB", "MiB"},
	[SCALAR_DURATION] = {"duration", "ms, s, m, h or d", "30s", "s"},
};

static bool fail_unit(struct reader *r, enum scalar_kind kind, const struct reader_value *value, const char *text)
{
	const char *unit = scalar_nearest_unit(kind, text);
	int digits = (int)strspn(text, "0123456789");

	if (unit != NULL)
		return reader_fail(r, &value->node->start_mark, "%s: write %.*s%s, not %.80s", value->name,
				   digits < 40 ? digits : 40, text, unit, text);
	return reader_fail(r, &value->node->start_mark, "%s: \"%.80s\" has an unknown unit: write %s, as in %s",
			   value->name, text, quantities[kind].units, quantities[kind].example);
}

static bool read_quantity(struct reader *r, enum scalar_kind kind, const struct reader_field *field,
			  const struct reader_value *value, void *object)
{
	const char *text = reader_text(r, value);
	const yaml_mark_t *mark = &value->node->start_mark;
	uint64_t quantity = 0;

	if (text == NULL)
		return false;
	enum scalar_result result = scalar_quantity(kind, text, &quantity);
	if (result == SCALAR_SYNTAX)
		return reader_fail(r, mark, "%s: \"%.80s\" is no %s: write a whole number and %s, as in %s",
				   value->name, text, quantities[kind].what, quantities[kind].units,
				   quantities[kind].example);
	if (result == SCALAR_NO_UNIT)
		return reader_fail(r, mark, "%s: the unit is missing: write %.40s%s, not %.40s", value->name, text,
				   quantities[kind].usual, text);
	if (result == SCALAR_UNKNOWN_UNIT)
		return fail_unit(r, kind, value, text);
	if (result == SCALAR_OVERFLOW || quantity < field->least || quantity > field->most) {
		char least[32], most[32];
		scalar_quantity_format(kind, field->least, least, sizeof(least));
		scalar_quantity_format(kind, field->most, most, sizeof(most));
		return reader_fail(r, mark, "%s: %.80s is out of range: write %s to %s", value->name, text, least,
				   most);
	}
	memcpy(member(object, field), &quantity, sizeof(quantity));
	return true;
}

bool reader_size(struct reader *r, const struct reader_field *field, const struct reader_value *value, void *object)
{
	return read_quantity(r, SCALAR_SIZE, field, value, object);
}

bool reader_duration(struct reader *r, const struct reader_field *field, const struct reader_value *value, void *object)
{
	return read_quantity(r, SCALAR_DURATION, field, value, object);
}

bool reader_factor(struct reader *r, const struct reader_field *field, const struct reader_value *value, void *object)
{
	const char *text = reader_text(r, value);
	double factor = 0;

	if (text == NULL)
		return false;
	if (scalar_factor(text, &factor) != SCALAR_OK || factor < (double)field->least || factor > (double)field->most)
		return reader_fail(r, &value->node->start_mark,
				   "%s: \"%.80s\" is no factor: write a number from %" PRIu64 " to %" PRIu64
				   ", as in 1.5",
				   value->name, text, field->least, field->most);
	memcpy(member(object, field), &factor, sizeof(factor));
	return true;
}

bool reader_boolean(struct reader *r, const struct reader_field *field, const struct reader_value *value, void *object)
{
	const char *text = reader_text(r, value);

	if (text == NULL)
		return false;
	if (!scalar_boolean(text, member(object, field)))
		return reader_fail(r, &value->node->start_mark, "%s: \"%.80s\" is neither true nor false", value->name,
				   text);
	return true;
}

/* no, false, off, n and 0 all say: without it. */
static bool says_off(const char *text)
{
	bool boolean = true;

	return strcmp(text, "0") == 0 || (scalar_boolean(text, &boolean) && !boolean);
}

bool reader_choice_word(struct reader *r, const struct reader_field *field, const struct reader_value *value,
			void *object)
{
	const char *text = reader_text(r, value);
	char words[200] = "";
	struct reader_hint hint;

	if (text == NULL)
		return false;
	reader_hint_init(&hint);
	for (const struct reader_choice *choice = field->detail; choice->word != NULL; choice++) {
		bool off = strcmp(choice->word, "off") == 0 && says_off(text);
		if (off || strcmp(choice->word, text) == 0) {
			if (choice->missing)
				return reader_fail(r, &value->node->start_mark, "%s: %s: %s", value->name, choice->word,
						   not_available);
			if (choice->value >= 0)
				memcpy(member(object, field), &choice->value, sizeof(choice->value));
			return true;
		}
		if (choice->missing)
			continue;
		reader_hint_offer(&hint, text, choice->word);
		size_t length = strlen(words);
		int n = snprintf(words + length, sizeof(words) - length, "%s%s", length == 0 ? "" : ", ", choice->word);
		assert(n > 0 && length + (size_t)n < sizeof(words));
	}
	if (hint.text[0] != '\0')
		return reader_fail(r, &value->node->start_mark, "%s: unknown value \"%.80s\"%s", value->name, text,
				   hint.text);
	return reader_fail(r, &value->node->start_mark, "%s: unknown value \"%.80s\": write one of %s", value->name,
			   text, words);
}

bool reader_keep(struct reader *r, const struct reader_field *field, const struct reader_value *value, void *object,
		 const char *text)
{
	char *copy = strdup(text);

	if (copy == NULL)
		return reader_fail_memory(r, &value->node->start_mark);
	memcpy(member(object, field), &copy, sizeof(copy));
	return true;
}

bool reader_qualified_name(struct reader *r, const struct reader_field *field, const struct reader_value *value,
			   void *object)
{
	const char *text = reader_text(r, value);

	if (text == NULL)
		return false;
	if (!scalar_qualified_name_valid(text))
		return reader_fail(r, &value->node->start_mark,
				   "%s: \"%.80s\" is no fully qualified name: write one as in relay.example.org",
				   value->name, text);
	return reader_keep(r, field, value, object, text);
}

bool reader_line(struct reader *r, const struct reader_field *field, const struct reader_value *value, void *object)
{
	const char *text = reader_text(r, value);

	return text != NULL && reader_keep(r, field, value, object, text);
}

bool reader_name(struct reader *r, const struct reader_field *field, const struct reader_value *value, void *object)
{
	const char *text = reader_text(r, value);

	if (text == NULL)
		return false;
	if (!scalar_name_valid(text))
		return reader_fail(r, &value->node->start_mark,
				   "%s: \"%.80s\" is no name: write 1 to 64 letters, digits, dots, hyphens or "
				   "underscores",
				   value->name, text);
	return reader_keep(r, field, value, object, text);
}

#define CREDENTIALS "$CREDENTIALS_DIRECTORY/"

/* What the process may still open; NULL: everything. */
static bool (*inside)(const char *path);

/* All of them together, beside the member that each is. */
static bool keep_path(struct reader *r, const struct reader_value *value, const char *path)
{
	struct config_words *paths = &r->config->paths;
	char **more = realloc(paths->list, (paths->count + 1) * sizeof(*more));

	if (more == NULL)
		return reader_fail_memory(r, &value->node->start_mark);
	paths->list = more;
	more[paths->count] = strdup(path);
	if (more[paths->count] == NULL)
		return reader_fail_memory(r, &value->node->start_mark);
	paths->count++;
	return true;
}

bool reader_path(struct reader *r, const struct reader_field *field, const struct reader_value *value, void *object)
{
	const char *text = reader_text(r, value);
	const char *credentials = getenv("CREDENTIALS_DIRECTORY"), *before = r->file;
	const char *slash = strrchr(r->file, '/');
	int directory = slash != NULL ? (int)(slash - r->file) + 1 : 0;
	char path[PATH_MAX];

	if (text == NULL)
		return false;
	if (text[0] == '/' || strncmp(text, CREDENTIALS, strlen(CREDENTIALS)) == 0)
		directory = 0;
	/* What systemd hands to a service (LoadCredential=). */
	if (strncmp(text, CREDENTIALS, strlen(CREDENTIALS)) == 0 && credentials != NULL) {
		before = credentials;
		directory = (int)strlen(credentials);
		text += strlen(CREDENTIALS) - 1;
	}
	int length = snprintf(path, sizeof(path), "%.*s%s", directory, before, text);
	if (length < 0 || (size_t)length >= sizeof(path))
		return reader_fail(r, &value->node->start_mark, "%s: the path is too long", value->name);
	if (inside != NULL && !inside(path))
		return reader_fail(
			r, &value->node->start_mark,
			"%s: %.200s is in none of the directories that this process may open since its start "
			"(Landlock): restart it, or name the directory in hardening.directories before",
			value->name, path);
	return keep_path(r, value, path) && reader_keep(r, field, value, object, path);
}

void config_paths_within(bool (*fn)(const char *path))
{
	inside = fn;
}

bool reader_file(struct reader *r, const struct reader_field *field, const struct reader_value *value, void *object)
{
	const char *path;
	struct stat status;

	if (!reader_path(r, field, value, object))
		return false;
	memcpy(&path, member(object, field), sizeof(path));
	if (strncmp(path, CREDENTIALS, strlen(CREDENTIALS)) == 0) {
		reader_warn(r, &value->node->start_mark,
			    "%s: only a service that systemd started has this directory: the file was not looked at",
			    value->name);
		return true;
	}
	/* Looked at, not opened: opening a device or a pipe can have effects, or wait. */
	if (stat(path, &status) < 0 || faccessat(AT_FDCWD, path, R_OK, AT_EACCESS) < 0)
		return reader_fail(r, &value->node->start_mark, "%s: %.200s: %s", value->name, path, strerror(errno));
	if (!S_ISREG(status.st_mode))
		return reader_fail(r, &value->node->start_mark, "%s: %.200s is not a regular file", value->name, path);
	return true;
}

bool reader_says_off(const struct reader_value *value)
{
	return value->node->type == YAML_SCALAR_NODE && says_off((const char *)value->node->data.scalar.value);
}

bool reader_missing(struct reader *r, const struct reader_field *field, const struct reader_value *value, void *object)
{
	if (reader_says_off(value))
		return true;
	return reader_fail(r, &value->key->start_mark, "%s: %s", value->name, not_available);
}
