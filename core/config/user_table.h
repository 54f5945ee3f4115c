/*
 * core/config/user_table.h - the users of a configuration, found by name at a cost that does not grow with them.
 *
 * ASCII letters are the same in either case, as people type names on the panels of printers. A user takes his name, his
 * hash and some 20 octets. Immutable once it is sealed: any thread may search.
 */
#ifndef POSTRIDER_CONFIG_USER_TABLE_H
#define POSTRIDER_CONFIG_USER_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { USER_TABLE_MAX = 1000000 };

struct user_table;

/* Both NUL-terminated, in the table. */
struct user {
	const char *name, *hash;
};

/* Empty, to be filled. NULL without memory. */
struct user_table *user_table_new(void);
void user_table_free(struct user_table *table); /* NULL is allowed; wipes it */

/* 0; -EEXIST: the name is there already; -EFBIG, -ENOMEM. */
int user_table_add(struct user_table *table, const char *name, size_t name_length, const char *hash,
		   size_t hash_length);

size_t user_table_count(const struct user_table *table); /* NULL: 0 */
/* False: no such user. A table that is NULL has none. */
bool user_table_find(const struct user_table *table, const char *name, size_t length, struct user *out);
/* Some user, always the same for the same number; false where there is none. */
bool user_table_some(const struct user_table *table, uint64_t number, struct user *out);

/* Of a name, the same in either case of ASCII letters; the one that tables of names go by. */
uint64_t user_name_hash(const char *name, size_t length);
bool user_names_same(const char *a, size_t a_length, const char *b, size_t b_length);

#endif
