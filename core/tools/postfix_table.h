/*
 * core/tools/postfix_table.h - lookup tables of Postfix from the text they are made of: no files.
 *
 * Plain ones (postmap(1): hash, btree, lmdb, cdb, texthash): a key, blanks, a value, and lines that go on behind a
 * blank. cidr: the same with networks for keys. regexp and pcre: /pattern/flags and a value; `if` and `endif` are told
 * as entries with those keys. Names of networks with `!` in front come as they are written.
 */
#ifndef POSTRIDER_TOOLS_POSTFIX_TABLE_H
#define POSTRIDER_TOOLS_POSTFIX_TABLE_H

#include <stdbool.h>
#include <stddef.h>

enum { POSTFIX_ENTRIES_MAX = 200000 };

struct postfix_entry {
	char *key, *value; /* value "" where there is none */
	unsigned line;
};

struct postfix_table {
	struct postfix_entry *entries;
	size_t count;
	char *text; /* what they point into */
	size_t length;
};

/* NULL, or what is wrong with it, with the line. The table is empty then. */
const char *postfix_table_read(struct postfix_table *table, const char *text, size_t length, unsigned *line);
void postfix_table_free(struct postfix_table *table);

/* The value of a plain table's key, without regard to case; NULL: none. */
const struct postfix_entry *postfix_table_find(const struct postfix_table *table, const char *key);

/* A pattern of regexp or pcre that fits everything there is: /./, /.+/, /^.*$/ and their like. */
bool postfix_pattern_fits_all(const char *pattern);

/* /^Name:/ and its like, with a name of a header field that has nothing special in it, and nothing but what fits any
 * value behind it. False: some other. */
bool postfix_pattern_field(const char *pattern, char *name, size_t size);

#endif
