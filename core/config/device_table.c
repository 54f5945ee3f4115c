/*
 * core/config/device_table.c - see device_table.h. Open addressing with at most half of the places taken, for each of
 * what a device is found by.
 */
#include "core/config/device_table.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/config/user_table.h"

enum { PLACES_MIN = 64, LIMITS_MIN = 4, LIMITS_LOOK = 64 };

struct entry {
	uint32_t name, user, owner, place, from, file; /* in the text; 0: "" */
	uint32_t line;
	uint16_t limits; /* number of one that is in the table once */
	uint8_t profile, family;
	uint8_t octets[16];
};

/* What devices may; most have the same. */
struct limits {
	uint16_t connections, messages, recipients;
};

struct places {
	uint32_t *numbers; /* of an entry, from 1; 0: none */
	size_t size, count;
};

struct device_table {
	char *text; /* begins with a NUL */
	struct entry *entries;
	struct limits *limits;
	size_t text_length, text_size, count, entries_size, limits_count, limits_size;
	struct places places[DEVICE_KEYS];
};

/* What is looked for. */
struct key {
	enum device_key kind;
	const char *text;
	size_t length;
};

static size_t octets_of(uint8_t family)
{
	return family == AF_INET ? 4 : 16;
}

static uint64_t hash_of(const struct key *key)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	if (key->kind != DEVICE_ADDRESS)
		return user_name_hash(key->text, key->length);
	for (size_t i = 0; i < key->length; i++)
		hash = (hash ^ (uint8_t)key->text[i]) * UINT64_C(0x100000001b3);
	return hash ^ hash >> 32;
}

/* False: this one is found by something else. */
static bool key_of(const struct device_table *table, const struct entry *entry, enum device_key kind, struct key *out)
{
	*out = (struct key){.kind = kind};
	if (kind == DEVICE_ADDRESS) {
		out->text = (const char *)entry->octets;
		out->length = octets_of(entry->family);
		return entry->family != 0;
	}
	out->text = table->text + (kind == DEVICE_NAME ? entry->name : entry->user);
	out->length = strlen(out->text);
	return out->length > 0;
}

static bool same(const struct key *a, const struct key *b)
{
	if (a->kind == DEVICE_ADDRESS)
		return a->length == b->length && memcmp(a->text, b->text, a->length) == 0;
	return user_names_same(a->text, a->length, b->text, b->length);
}

/* The place of the key, or where it would be. */
static uint32_t *find(const struct device_table *table, const struct key *key)
{
	const struct places *places = &table->places[key->kind];
	size_t at = hash_of(key) & (places->size - 1);
	struct key there;

	while (places->numbers[at]) {
		if (key_of(table, &table->entries[places->numbers[at] - 1], key->kind, &there) && same(&there, key))
			break;
		at = (at + 1) & (places->size - 1);
	}
	return &places->numbers[at];
}

struct device_table *device_table_new(void)
{
	return calloc(1, sizeof(struct device_table));
}

void device_table_free(struct device_table *table)
{
	if (!table)
		return;
	for (size_t i = 0; i < DEVICE_KEYS; i++)
		free(table->places[i].numbers);
	free(table->text);
	free(table->entries);
	free(table->limits);
	free(table);
}

/* ---- filling ---------------------------------------------------------------------------------------------------- */

static bool grow_places(struct device_table *table, enum device_key kind)
{
	struct places *places = &table->places[kind];
	size_t size = places->size ? places->size * 2 : PLACES_MIN;
	uint32_t *numbers = calloc(size, sizeof(*numbers));
	struct key key;

	if (!numbers)
		return false;
	free(places->numbers);
	places->numbers = numbers;
	places->size = size;
	for (size_t i = 0; i < table->count; i++) {
		if (key_of(table, &table->entries[i], kind, &key))
			*find(table, &key) = (uint32_t)i + 1;
	}
	return true;
}

static bool make_room(struct device_table *table, size_t text)
{
	for (unsigned kind = 0; kind < DEVICE_KEYS; kind++) {
		if ((table->places[kind].count + 1) * 2 > table->places[kind].size && !grow_places(table, kind))
			return false;
	}
	if (table->count == table->entries_size) {
		size_t size = table->entries_size ? table->entries_size + table->entries_size / 2 : PLACES_MIN;
		struct entry *entries = realloc(table->entries, size * sizeof(*entries));
		if (!entries)
			return false;
		table->entries = entries;
		table->entries_size = size;
	}
	if (table->text_length + text > table->text_size) {
		size_t size = table->text_size + table->text_size / 2 + text + 4096;
		char *larger = realloc(table->text, size);
		if (!larger)
			return false;
		table->text = larger;
		table->text_size = size;
	}
	return true;
}

static uint32_t put(struct device_table *table, const char *text, uint32_t before)
{
	size_t length = strlen(text);
	uint32_t at = (uint32_t)table->text_length;

	if (strcmp(table->text + before, text) == 0)
		return before;
	if (length == 0)
		return 0;
	memcpy(table->text + at, text, length + 1);
	table->text_length += length + 1;
	return at;
}

/* Of those that came last; where many are all different each has its own. 0 with *number; -EFBIG, -ENOMEM. */
static int put_limits(struct device_table *table, const struct device *device, uint16_t *number)
{
	const struct limits limits = {device->connections, device->messages_per_minute, device->recipients_per_minute};
	size_t size = table->limits_size ? table->limits_size * 2 : LIMITS_MIN, count = table->limits_count, seen = 0;

	for (size_t i = count; i > 0 && seen < LIMITS_LOOK; i--, seen++) {
		if (memcmp(&table->limits[i - 1], &limits, sizeof(limits)) == 0) {
			*number = (uint16_t)(i - 1);
			return 0;
		}
	}
	if (count > UINT16_MAX)
		return -EFBIG;
	if (count == table->limits_size) {
		struct limits *larger = realloc(table->limits, size * sizeof(*larger));
		if (!larger)
			return -ENOMEM;
		table->limits = larger;
		table->limits_size = size;
	}
	table->limits[table->limits_count++] = limits;
	*number = (uint16_t)count;
	return 0;
}

static void put_all(struct device_table *table, const struct device *device, uint16_t limits, struct entry *entry)
{
	static const struct entry none;
	const struct entry *before = table->count > 0 ? &table->entries[table->count - 1] : &none;

	*entry = (struct entry){
		.name = put(table, device->name, 0),
		.user = put(table, device->user, 0),
		.owner = put(table, device->owner, before->owner),
		.place = put(table, device->place, before->place),
		.from = put(table, device->from, before->from),
		.file = put(table, device->file, before->file),
		.line = device->line,
		.limits = limits,
		.profile = device->profile,
		.family = device->family,
	};
	memcpy(entry->octets, device->octets, sizeof(entry->octets));
}

int device_table_add(struct device_table *table, const struct device *device, enum device_key *taken,
		     struct device *other)
{
	size_t text = strlen(device->name) + strlen(device->user) + strlen(device->owner) + strlen(device->place) +
		      strlen(device->from) + strlen(device->file) + 7;
	struct entry *entry;
	uint16_t limits;
	struct key key;
	int r;

	if (table->count == DEVICE_TABLE_MAX || table->text_length + text > UINT32_MAX)
		return -EFBIG;
	if (!make_room(table, text))
		return -ENOMEM;
	r = put_limits(table, device, &limits);
	if (r < 0)
		return r;
	if (table->text_length == 0)
		table->text[table->text_length++] = '\0';
	entry = &table->entries[table->count];
	put_all(table, device, limits, entry);
	for (unsigned kind = 0; kind < DEVICE_KEYS; kind++) {
		uint32_t number = key_of(table, entry, kind, &key) ? *find(table, &key) : 0;
		if (number == 0)
			continue;
		*taken = (enum device_key)kind;
		device_table_get(table, number - 1, other);
		return -EEXIST;
	}
	table->count++;
	for (unsigned kind = 0; kind < DEVICE_KEYS; kind++) {
		if (!key_of(table, entry, kind, &key))
			continue;
		*find(table, &key) = (uint32_t)table->count;
		table->places[kind].count++;
	}
	return 0;
}

/* ---- searching -------------------------------------------------------------------------------------------------- */

size_t device_table_count(const struct device_table *table)
{
	return table ? table->count : 0;
}

void device_table_get(const struct device_table *table, size_t index, struct device *out)
{
	const struct entry *entry = &table->entries[index];
	const struct limits *limits = &table->limits[entry->limits];

	*out = (struct device){
		.name = table->text + entry->name,
		.user = table->text + entry->user,
		.owner = table->text + entry->owner,
		.place = table->text + entry->place,
		.from = table->text + entry->from,
		.file = table->text + entry->file,
		.line = entry->line,
		.family = entry->family,
		.profile = entry->profile,
		.connections = limits->connections,
		.messages_per_minute = limits->messages,
		.recipients_per_minute = limits->recipients,
	};
	memcpy(out->octets, entry->octets, sizeof(out->octets));
}

static int32_t of_key(const struct device_table *table, const struct key *key)
{
	return device_table_count(table) > 0 && key->length > 0 ? (int32_t)*find(table, key) - 1 : -1;
}

int32_t device_table_of_address(const struct device_table *table, const struct ring_address *address)
{
	uint8_t octets[16];
	const struct key key = {DEVICE_ADDRESS, (const char *)octets, address_text_octets(address, octets)};

	return of_key(table, &key);
}

int32_t device_table_of_user(const struct device_table *table, const char *user)
{
	const struct key key = {DEVICE_USER, user, strlen(user)};

	return of_key(table, &key);
}

int32_t device_table_of_name(const struct device_table *table, const char *name)
{
	const struct key key = {DEVICE_NAME, name, strlen(name)};

	return of_key(table, &key);
}

size_t device_table_octets(const struct device_table *table)
{
	size_t octets = sizeof(*table) + table->text_size + table->entries_size * sizeof(struct entry) +
			table->limits_size * sizeof(struct limits);

	for (size_t i = 0; i < DEVICE_KEYS; i++)
		octets += table->places[i].size * sizeof(uint32_t);
	return octets;
}

const char *device_name_problem(const char *name)
{
	size_t length = strlen(name);

	if (length == 0 || length > DEVICE_NAME_MAX)
		return "a device's name has 1 to 64 octets";
	if (name[0] == ' ' || name[length - 1] == ' ')
		return "a device's name begins or ends with a blank";
	for (size_t i = 0; i < length; i++) {
		if ((unsigned char)name[i] < ' ' || name[i] == 0x7f)
			return "a device's name has a control character in it";
	}
	return NULL;
}

void device_path(const char *inventory, const struct device *device, char *out, size_t size)
{
	snprintf(out, size, "%s%s%s", inventory, device->file[0] ? "/" : "", device->file);
}
