/*
 * core/config/nested.c - see nested.h.
 */
#include "core/config/nested.h"

#include <string.h>

static bool read_root(struct reader *r, yaml_document_t *document, nested_fn *fn, void *object)
{
	const yaml_node_t *root = yaml_document_get_root_node(document);
	const struct reader_value value = {.name = "the file", .key = root, .node = root};

	r->document = document;
	return fn(r, &value, object);
}

static bool load(struct reader *r, const char *text, size_t length, nested_fn *fn, void *object)
{
	const yaml_mark_t start = {0};
	yaml_document_t document;
	yaml_parser_t parser;
	bool ok;

	if (!reader_screen(r, text, length))
		return false;
	if (!yaml_parser_initialize(&parser))
		return reader_fail_memory(r, &start);
	yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&parser, (const unsigned char *)text, length);
	ok = yaml_parser_load(&parser, &document);
	yaml_parser_delete(&parser);
	if (!ok)
		return reader_fail_memory(r, &start); /* it was screened */
	ok = read_root(r, &document, fn, object);
	yaml_document_delete(&document);
	return ok;
}

bool nested_read(struct reader *r, const char *path, const char *text, size_t length, nested_fn *fn, void *object)
{
	static const char byte_order_mark[] = {'\xef', '\xbb', '\xbf'};
	yaml_document_t *document = r->document;
	const char *file = r->file;
	bool ok;

	/* Some editors write one; it says nothing in UTF-8. */
	if (length >= sizeof(byte_order_mark) && memcmp(text, byte_order_mark, sizeof(byte_order_mark)) == 0) {
		text += sizeof(byte_order_mark);
		length -= sizeof(byte_order_mark);
	}
	r->file = path;
	ok = load(r, text, length, fn, object);
	r->file = file;
	r->document = document;
	return ok;
}
