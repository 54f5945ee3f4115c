/*
 * core/config/reader.h - a YAML tree into structures, driven by tables.
 *
 * A mapping is described by an array of struct reader_field, ended by one without a name; a field says which
 * function reads its value and where the result goes. schema.c holds the tables; the functions here know the kinds of
 * values, and nothing of mail. Every function answers true, or false after adding at least one error to
 * reader->problems: file, line, column, what is wrong, what to write instead. Mappings and lists go on behind an error,
 * so that all of a file's are found at once; rules between values look only at what was read without one.
 *
 * Ownership: what is read is stored in the object at once (strings and arrays from malloc), complete or not, so that
 * config_free() releases it whatever happened. Recursion is as deep as the tables are nested, whatever the file says:
 * reader_screen() refuses aliases, so the tree is a tree.
 */
#ifndef POSTRIDER_CONFIG_READER_H
#define POSTRIDER_CONFIG_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <yaml.h>

#include "core/config/config.h"

struct preset;

struct reader {
	const char *file;          /* borrowed; for messages and relative paths */
	yaml_document_t *document; /* borrowed */
	struct config *config;     /* borrowed; what is being filled */
	struct config_problems *problems;
	const struct reader_field *root; /* the file's own table, and which of its fields had an error */
	uint64_t root_failed;
	bool no_devices; /* the inventory's files are not read */
	/* The clients' networks, until all are known. From malloc. */
	struct network_entry *networks;
	size_t network_count, network_capacity;
	/* Those that destinations name, in the file's order. Of preset.c. */
	struct preset *presets;
	const char **preset_files;
	size_t preset_count;
};

/* Marks of nodes that a preset has brought have an index from here on. */
#define READER_PRESET (SIZE_MAX / 2)
/* The file that a mark is in. */
const char *reader_origin(const struct reader *r, const yaml_mark_t *mark);

/* One value and the key it stands behind; items of a list have their list's key. */
struct reader_value {
	const char *name;       /* the key's text */
	const yaml_node_t *key; /* where to point when the key itself is the problem */
	const yaml_node_t *node;
};

struct reader_field;
typedef bool reader_fn(struct reader *r, const struct reader_field *field, const struct reader_value *value,
		       void *object);

struct reader_field {
	const char *name;
	reader_fn *read;
	size_t offset;        /* of the member, in the object that the table describes */
	uint64_t least, most; /* numbers, sizes, durations, factors: the range; lists: most items */
	const void *detail;   /* a table, a struct reader_list or choices: `read` knows which */
	const char *example;  /* what to write; for required fields and whole sections */
	bool required;
};

struct reader_list {
	size_t size;              /* of an item */
	size_t count_offset;      /* of the size_t beside the pointer; counts an item from when it is begun */
	struct reader_field item; /* reads one item; its offset is 0 */
	void (*defaults)(void *item);
	bool named; /* each item is a mapping with "name", begins with its char *, and no two have the same */
	/* Looks at the item just read, in the light of those before it; may be NULL. */
	bool (*check)(struct reader *r, const yaml_node_t *node, void *items, size_t index);
};

struct reader_choice {
	const char *word; /* NULL ends the array */
	int value;        /* -1: nothing is stored */
	bool missing;     /* documented, but not in this version */
};

/*
 * Looks through the events of a text before it is loaded: syntax, one document, no aliases, bounded depth and size.
 * So whatever the loader makes of it is a small tree.
 */
bool reader_screen(struct reader *r, const char *text, size_t length);

/* Always false, so that a caller can return it. Lines and columns of marks count from 0. */
__attribute__((format(printf, 3, 4))) bool reader_fail(struct reader *r, const yaml_mark_t *mark, const char *format,
						       ...);
/* The same in another file, which is named at `mark`. */
__attribute__((format(printf, 5, 6))) bool reader_fail_in(struct reader *r, const yaml_mark_t *mark, const char *file,
							  const yaml_mark_t *at, const char *format, ...);
/* Something that is allowed and may not be meant. */
__attribute__((format(printf, 3, 4))) void reader_warn(struct reader *r, const yaml_mark_t *mark, const char *format,
						       ...);
bool reader_fail_memory(struct reader *r, const yaml_mark_t *mark);
/* Says what the parser did not like. */
bool reader_fail_yaml(struct reader *r, const yaml_parser_t *parser, const char *text, size_t length);

/* Reads a mapping by its table. */
bool reader_mapping(struct reader *r, const struct reader_field *fields, const struct reader_value *value,
		    void *object);
/* Whether a key of the file itself, or its absence, is without an error so far. */
bool reader_fine(const struct reader *r, const char *name);
struct config_place reader_place(const yaml_mark_t *mark);
/* The value behind `name` in a mapping, or NULL. */
const yaml_node_t *reader_find(struct reader *r, const yaml_node_t *mapping, const char *name);
/* The text of a scalar without NUL octets that is not empty; NULL with the problem set. Owned by the document. */
const char *reader_text(struct reader *r, const struct reader_value *value);
/* Keeps a copy of `text` as the field's member, a char *. */
bool reader_keep(struct reader *r, const struct reader_field *field, const struct reader_value *value, void *object,
		 const char *text);
/* Offers the nearest of the words `next` yields (NULL ends them): `; did you mean "..."?`, or "" without one near. */
struct reader_hint {
	char text[128];
	unsigned distance;
};
void reader_hint_init(struct reader_hint *hint);
void reader_hint_offer(struct reader_hint *hint, const char *word, const char *known);

/* Kinds of values, for the tables. The member's type and the meaning of `detail` in brackets. */
/* `off`, `no`, `false` or `0` in place of whatever it is. */
bool reader_says_off(const struct reader_value *value);
reader_fn reader_section;        /* a mapping whose fields lie in the same object [detail: struct reader_field[]] */
reader_fn reader_items;          /* a list of at least one item [pointer; detail: struct reader_list] */
reader_fn reader_number;         /* [unsigned] */
reader_fn reader_size;           /* [uint64_t, octets] */
reader_fn reader_duration;       /* [uint64_t, nanoseconds] */
reader_fn reader_factor;         /* [double] */
reader_fn reader_boolean;        /* [bool] */
reader_fn reader_choice_word;    /* [int or enum, of int's size; detail: struct reader_choice[]] */
reader_fn reader_line;           /* [char *, any text] */
reader_fn reader_name;           /* [char *] */
reader_fn reader_qualified_name; /* [char *, a host or domain name of at least two labels] */
reader_fn reader_path;           /* [char *, made absolute or relative to the file's directory] */
reader_fn reader_file;           /* [char *, like a path; a regular file that can be read] */
reader_fn reader_missing;        /* documented, but not in this version: off, no, false, 0 are accepted [nothing] */

#endif
