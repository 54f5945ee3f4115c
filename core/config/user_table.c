/*
 * core/config/user_table.c - see user_table.h. Names and hashes lie one behind the other in one text; open addressing
 * with at most half of the places taken.
 */
#include "core/config/user_table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { PLACES_MIN = 64 };

struct entry {
	uint32_t name, hash; /* in the text */
};

struct user_table {
	char *text;
	struct entry *entries;
	uint32_t *places; /* number of an entry, from 1; 0: none */
	size_t text_length, text_size, count, entries_size, place_count;
};

static unsigned char lower(char c)
{
	return (unsigned char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
}

/* FNV-1a, and its upper half mixed in: places are chosen by the low bits. */
uint64_t user_name_hash(const char *name, size_t length)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < length; i++)
		hash = (hash ^ lower(name[i])) * UINT64_C(0x100000001b3);
	return hash ^ hash >> 32;
}

bool user_names_same(const char *a, size_t a_length, const char *b, size_t b_length)
{
	if (a_length != b_length)
		return false;
	for (size_t i = 0; i < a_length; i++) {
		if (lower(a[i]) != lower(b[i]))
			return false;
	}
	return true;
}

struct user_table *user_table_new(void)
{
	return calloc(1, sizeof(struct user_table));
}

void user_table_free(struct user_table *table)
{
	if (!table)
		return;
	if (table->text)
		explicit_bzero(table->text, table->text_size);
	free(table->text);
	free(table->entries);
	free(table->places);
	free(table);
}

/* The place of the name, or where it would be. */
static uint32_t *find(const struct user_table *table, const char *name, size_t length)
{
	size_t at = user_name_hash(name, length) & (table->place_count - 1);

	while (table->places[at]) {
		const char *there = table->text + table->entries[table->places[at] - 1].name;
		if (user_names_same(there, strlen(there), name, length))
			break;
		at = (at + 1) & (table->place_count - 1);
	}
	return &table->places[at];
}

static bool grow_places(struct user_table *table)
{
	size_t count = table->place_count ? table->place_count * 2 : PLACES_MIN;
	uint32_t *places = calloc(count, sizeof(*places));

	if (!places)
		return false;
	free(table->places);
	table->places = places;
	table->place_count = count;
	for (size_t i = 0; i < table->count; i++) {
		const char *name = table->text + table->entries[i].name;
		*find(table, name, strlen(name)) = (uint32_t)i + 1;
	}
	return true;
}

static bool grow_entries(struct user_table *table)
{
	size_t size = table->entries_size ? table->entries_size * 2 : PLACES_MIN / 2;
	struct entry *entries = realloc(table->entries, size * sizeof(*entries));

	if (!entries)
		return false;
	table->entries = entries;
	table->entries_size = size;
	return true;
}

/* Wiped where it was. */
static bool grow_text(struct user_table *table, size_t needed)
{
	size_t size = table->text_size ? table->text_size * 2 : 4096;
	char *text;

	while (size < needed)
		size *= 2;
	text = malloc(size);
	if (!text)
		return false;
	if (table->text) {
		memcpy(text, table->text, table->text_length);
		explicit_bzero(table->text, table->text_size);
	}
	free(table->text);
	table->text = text;
	table->text_size = size;
	return true;
}

static uint32_t put(struct user_table *table, const char *text, size_t length)
{
	uint32_t at = (uint32_t)table->text_length;

	memcpy(table->text + at, text, length);
	table->text[at + length] = '\0';
	table->text_length += length + 1;
	return at;
}

int user_table_add(struct user_table *table, const char *name, size_t name_length, const char *hash, size_t hash_length)
{
	size_t needed = table->text_length + name_length + hash_length + 2;
	uint32_t *place;

	if (table->count == USER_TABLE_MAX || needed > UINT32_MAX)
		return -EFBIG;
	if ((needed > table->text_size && !grow_text(table, needed)) ||
	    (table->count == table->entries_size && !grow_entries(table)) ||
	    ((table->count + 1) * 2 > table->place_count && !grow_places(table)))
		return -ENOMEM;
	place = find(table, name, name_length);
	if (*place)
		return -EEXIST;
	table->entries[table->count].name = put(table, name, name_length);
	table->entries[table->count].hash = put(table, hash, hash_length);
	*place = (uint32_t)++table->count;
	return 0;
}

size_t user_table_count(const struct user_table *table)
{
	return table ? table->count : 0;
}

static void give(const struct user_table *table, size_t index, struct user *out)
{
	out->name = table->text + table->entries[index].name;
	out->hash = table->text + table->entries[index].hash;
}

bool user_table_find(const struct user_table *table, const char *name, size_t length, struct user *out)
{
	uint32_t number = user_table_count(table) ? *find(table, name, length) : 0;

	if (number == 0)
		return false;
	give(table, number - 1, out);
	return true;
}

bool user_table_some(const struct user_table *table, uint64_t number, struct user *out)
{
	if (user_table_count(table) == 0)
		return false;
	give(table, number % table->count, out);
	return true;
}
