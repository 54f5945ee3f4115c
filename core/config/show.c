/*
 * core/config/show.c - see show.h.
 */
#include "core/config/show.h"

#include <inttypes.h>
#include <string.h>

#include "core/config/scalar.h"

enum { STEP = 2, COLUMN = 48, VALUE_MAX = 400 };

struct show {
	struct reader *r;
	FILE *out;
	bool bare;
};

static void show_mapping(const struct show *s, const struct reader_field *fields, const yaml_node_t *node,
			 const char *object, int indent);

/* "name: value" and where it comes from; `mark` NULL: nowhere. */
static void line(const struct show *s, int indent, const char *text, const yaml_mark_t *mark, bool is_default)
{
	char origin[VALUE_MAX];

	if (is_default) {
		snprintf(origin, sizeof(origin), "default");
	} else if (mark->index >= READER_PRESET) {
		const char *file = reader_origin(s->r, mark), *name = strrchr(file, '/');
		name = name ? name + 1 : file;
		snprintf(origin, sizeof(origin), "preset %.*s", (int)strcspn(name, "."), name);
	} else {
		snprintf(origin, sizeof(origin), "%.300s:%zu", s->r->file, mark->line + 1);
	}
	fprintf(s->out, "%*s%-*s  # %s\n", indent, "", COLUMN - indent, text, origin);
}

/* As it could be written again. */
static void scalar_text(const yaml_node_t *node, char out[VALUE_MAX])
{
	const char *text = (const char *)node->data.scalar.value;
	size_t at = 0;

	if (node->data.scalar.style == YAML_PLAIN_SCALAR_STYLE) {
		snprintf(out, VALUE_MAX, "%s", text);
		return;
	}
	out[at++] = '"';
	for (; *text && at < VALUE_MAX - 4; text++) {
		if (*text == '"' || *text == '\\')
			out[at++] = '\\';
		out[at++] = (unsigned char)*text < ' ' ? ' ' : *text;
	}
	out[at++] = '"';
	out[at] = '\0';
}

#define LEFT_OUT "[left out]"

/* Of a value that may have a secret in it what has none; -1: all of it. */
static int open_part(const char *key, const char *value)
{
	static const char *const urls[] = {"url", "token_url", "graph_url", "proxy"};
	const char *host = strstr(value, "://");
	bool is_url = false;
	size_t part;

	if (strcmp(key, "add_headers") == 0)
		return (int)strcspn(value, ":");
	for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++)
		is_url |= strcmp(key, urls[i]) == 0;
	if (!is_url)
		return -1;
	host = host ? host + 3 : value;
	part = (size_t)(host - value);
	/* Who signs in by it may have in his password what ends a host. */
	if (!strchr(host, '@'))
		part += strcspn(host, "/?#");
	return value[part] == '\0' ? -1 : (int)part;
}

/* True: it was shown so. */
static bool show_bare(const struct show *s, const struct reader_field *field, const yaml_node_t *node, int indent)
{
	char text[2 * VALUE_MAX];
	size_t count;

	if (!s->bare)
		return false;
	if (node->type == YAML_SCALAR_NODE) {
		const char *value = (const char *)node->data.scalar.value;
		int part = open_part(field->name, value);
		if (part < 0)
			return false;
		snprintf(text, sizeof(text), "%s: \"%.*s" LEFT_OUT "\"", field->name, part < 300 ? part : 300, value);
		line(s, indent, text, &node->start_mark, false);
		return true;
	}
	if (node->type != YAML_SEQUENCE_NODE ||
	    (strcmp(field->name, "command") != 0 && strcmp(field->name, "add_headers") != 0))
		return false;
	count = (size_t)(node->data.sequence.items.top - node->data.sequence.items.start);
	fprintf(s->out, "%*s%s:\n", indent, "", field->name);
	for (size_t i = 0; i < count; i++) {
		const yaml_node_t *item = yaml_document_get_node(s->r->document, node->data.sequence.items.start[i]);
		const char *value = item->type == YAML_SCALAR_NODE ? (const char *)item->data.scalar.value : "";
		int part = strcmp(field->name, "command") != 0 ? (int)strcspn(value, ":") : i == 0 ? 300 : 0;
		snprintf(text, sizeof(text), "- \"%.*s%s\"", part < 300 ? part : 300, value,
			 part < 300 ? LEFT_OUT : "");
		line(s, indent + STEP, text, &item->start_mark, false);
	}
	return true;
}

/* A value whose key has no table of its own here. */
static void show_node(const struct show *s, const char *before, const yaml_node_t *node, int indent)
{
	char text[2 * VALUE_MAX], value[VALUE_MAX];

	if (node->type == YAML_SCALAR_NODE) {
		scalar_text(node, value);
		snprintf(text, sizeof(text), "%.120s%s", before, value);
		line(s, indent, text, &node->start_mark, false);
		return;
	}
	fprintf(s->out, "%*s%s\n", indent, "", before);
	if (node->type == YAML_SEQUENCE_NODE) {
		for (yaml_node_item_t *i = node->data.sequence.items.start; i < node->data.sequence.items.top; i++)
			show_node(s, "- ", yaml_document_get_node(s->r->document, *i), indent + STEP);
		return;
	}
	for (yaml_node_pair_t *i = node->data.mapping.pairs.start; i < node->data.mapping.pairs.top; i++) {
		const yaml_node_t *key = yaml_document_get_node(s->r->document, i->key);
		snprintf(text, sizeof(text), "%.100s: ", (const char *)key->data.scalar.value);
		show_node(s, text, yaml_document_get_node(s->r->document, i->value), indent + STEP);
	}
}

/* The value that stands in the structure where the file says nothing. False: there is none. */
static bool default_text(const struct reader_field *field, const char *object, char out[VALUE_MAX])
{
	const char *member = object + field->offset;
	uint64_t quantity = 0;
	unsigned number = 0;
	double factor = 0;
	int choice = 0;

	if (field->read == reader_number) {
		memcpy(&number, member, sizeof(number));
		snprintf(out, VALUE_MAX, "%u", number);
	} else if (field->read == reader_size || field->read == reader_duration) {
		memcpy(&quantity, member, sizeof(quantity));
		scalar_quantity_format(field->read == reader_size ? SCALAR_SIZE : SCALAR_DURATION, quantity, out,
				       VALUE_MAX);
	} else if (field->read == reader_factor) {
		memcpy(&factor, member, sizeof(factor));
		snprintf(out, VALUE_MAX, "%g", factor);
	} else if (field->read == reader_boolean) {
		snprintf(out, VALUE_MAX, "%s", *(const bool *)(const void *)member ? "true" : "false");
	} else if (field->read == reader_choice_word) {
		memcpy(&choice, member, sizeof(choice));
		for (const struct reader_choice *word = field->detail; word->word != NULL; word++) {
			if (word->value != choice || word->missing)
				continue;
			snprintf(out, VALUE_MAX, "%s", word->word);
			return true;
		}
		return false;
	} else {
		return false;
	}
	return true;
}

static void show_items(const struct show *s, const struct reader_field *field, const yaml_node_t *node,
		       const char *object, int indent)
{
	const struct reader_list *list = field->detail;
	const char *items;
	size_t count = (size_t)(node->data.sequence.items.top - node->data.sequence.items.start);

	memcpy(&items, object + field->offset, sizeof(items));
	fprintf(s->out, "%*s%s:\n", indent, "", field->name);
	for (size_t i = 0; i < count; i++) {
		const yaml_node_t *item = yaml_document_get_node(s->r->document, node->data.sequence.items.start[i]);
		if (item->type != YAML_MAPPING_NODE || !list->item.detail) {
			show_node(s, "- ", item, indent + STEP);
			continue;
		}
		fprintf(s->out, "%*s-\n", indent + STEP, "");
		show_mapping(s, list->item.detail, item, items + i * list->size, indent + 2 * STEP);
	}
}

static void show_field(const struct show *s, const struct reader_field *field, const yaml_node_t *node,
		       const char *object, int indent)
{
	char text[2 * VALUE_MAX], value[VALUE_MAX];

	if (node && show_bare(s, field, node, indent))
		return;
	if (field->read == reader_section) {
		fprintf(s->out, "%*s%s:\n", indent, "", field->name);
		show_mapping(s, field->detail, node, object, indent + STEP);
	} else if (node && field->read == reader_items) {
		show_items(s, field, node, object, indent);
	} else if (node) {
		snprintf(text, sizeof(text), "%s: ", field->name);
		show_node(s, text, node, indent);
	} else if (default_text(field, object, value)) {
		snprintf(text, sizeof(text), "%s: %s", field->name, value);
		line(s, indent, text, NULL, true);
	}
}

static void show_mapping(const struct show *s, const struct reader_field *fields, const yaml_node_t *node,
			 const char *object, int indent)
{
	for (const struct reader_field *field = fields; field->name != NULL; field++) {
		if (field->read != reader_missing)
			show_field(s, field, node ? reader_find(s->r, node, field->name) : NULL, object, indent);
	}
}

void show_document(struct reader *r, const struct reader_field *fields, const void *object, const struct show_to *to)
{
	const struct show s = {r, to->out, to->bare};

	show_mapping(&s, fields, yaml_document_get_root_node(r->document), object, 0);
}
