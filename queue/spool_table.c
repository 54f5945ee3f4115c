/* queue/spool_table.c - see spool_table.h. */
#include "queue/spool_table.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "queue/spool_format.h"

enum { NONE = UINT32_MAX, FIRST = 1024 };

static uint32_t part_hash(uint64_t key)
{
	return (uint32_t)((key * UINT64_C(0x9e3779b97f4a7c15)) >> 32);
}

int spool_table_init(struct spool_table *table)
{
	*table = (struct spool_table){.free = NONE, .mask = FIRST - 1, .parts_mask = FIRST - 1};
	table->buckets = malloc(FIRST * sizeof *table->buckets);
	table->parts = calloc(FIRST, sizeof *table->parts);
	if (!table->buckets || !table->parts) {
		spool_table_deinit(table);
		return -ENOMEM;
	}
	memset(table->buckets, 0xff, FIRST * sizeof *table->buckets);
	return 0;
}

void spool_table_deinit(struct spool_table *table)
{
	for (uint32_t i = 0; i < table->count; i++)
		if (table->entries[i].used)
			free(table->entries[i].parts);
	free(table->entries);
	free(table->buckets);
	free(table->parts);
	*table = (struct spool_table){0};
}

struct spool_entry *spool_table_find(struct spool_table *table, const struct spool_id *id)
{
	uint32_t i = table->buckets[spool_id_hash(id) & table->mask];
	while (i != NONE) {
		struct spool_entry *entry = &table->entries[i];
		if (spool_id_same(&entry->id, id))
			return entry;
		i = entry->next;
	}
	return NULL;
}

static int buckets_grow(struct spool_table *table)
{
	uint32_t size = (table->mask + 1) * 2;
	uint32_t *buckets = malloc(size * sizeof *buckets);
	if (!buckets)
		return -ENOMEM;
	memset(buckets, 0xff, size * sizeof *buckets);
	for (uint32_t i = 0; i < table->count; i++) {
		struct spool_entry *entry = &table->entries[i];
		if (!entry->used)
			continue;
		uint32_t *bucket = &buckets[spool_id_hash(&entry->id) & (size - 1)];
		entry->next = *bucket;
		*bucket = i;
	}
	free(table->buckets);
	table->buckets = buckets;
	table->mask = size - 1;
	return 0;
}

struct spool_entry *spool_table_put(struct spool_table *table, const struct spool_id *id)
{
	struct spool_entry *entry = spool_table_find(table, id);
	if (entry)
		return entry;
	if (table->used > table->mask && buckets_grow(table) < 0)
		return NULL;
	uint32_t i = table->free;
	if (i != NONE) {
		table->free = table->entries[i].next;
	} else {
		if (table->count == table->capacity) {
			uint32_t capacity = table->capacity ? table->capacity + table->capacity / 2 : FIRST;
			struct spool_entry *entries = realloc(table->entries, capacity * sizeof *entries);
			if (!entries)
				return NULL;
			table->entries = entries;
			table->capacity = capacity;
		}
		i = table->count++;
	}
	uint32_t *bucket = &table->buckets[spool_id_hash(id) & table->mask];
	table->entries[i] = (struct spool_entry){.id = *id, .next = *bucket, .used = true};
	*bucket = i;
	table->used++;
	return &table->entries[i];
}

void spool_table_remove(struct spool_table *table, struct spool_entry *entry)
{
	uint32_t at = (uint32_t)(entry - table->entries);
	uint32_t *link = &table->buckets[spool_id_hash(&entry->id) & table->mask];
	while (*link != at)
		link = &table->entries[*link].next;
	*link = entry->next;
	free(entry->parts);
	*entry = (struct spool_entry){.next = table->free};
	table->free = at;
	table->used--;
}

static bool part_insert(uint64_t *parts, uint32_t mask, uint64_t key)
{
	uint32_t i = part_hash(key) & mask;
	while (parts[i] && parts[i] != key)
		i = (i + 1) & mask;
	bool fresh = parts[i] == 0;
	parts[i] = key;
	return fresh;
}

int spool_table_part_add(struct spool_table *table, uint32_t segment, uint32_t offset)
{
	if (table->parts_used > table->parts_mask / 2) {
		uint32_t size = (table->parts_mask + 1) * 2;
		uint64_t *parts = calloc(size, sizeof *parts);
		if (!parts)
			return -ENOMEM;
		for (uint32_t i = 0; i <= table->parts_mask; i++)
			if (table->parts[i])
				part_insert(parts, size - 1, table->parts[i]);
		free(table->parts);
		table->parts = parts;
		table->parts_mask = size - 1;
	}
	uint64_t key = (uint64_t)segment << 32 | offset;
	table->parts_used += part_insert(table->parts, table->parts_mask, key);
	return 0;
}

bool spool_table_part_known(const struct spool_table *table, const struct spool_ref *ref)
{
	uint64_t key = (uint64_t)ref->segment << 32 | ref->offset;
	uint32_t i = part_hash(key) & table->parts_mask;
	while (table->parts[i] && table->parts[i] != key)
		i = (i + 1) & table->parts_mask;
	return table->parts[i] == key;
}
