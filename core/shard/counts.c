/*
 * core/shard/counts.c - see counts.h.
 */
#include "core/shard/counts.h"

#include <search.h>
#include <stdlib.h>
#include <string.h>

void counts_init(struct counts *counts, size_t size, unsigned shards)
{
	memset(counts, 0, sizeof(*counts));
	counts->shards = shards;
	counts->stride = (size + COUNTS_LINE - 1) / COUNTS_LINE * COUNTS_LINE;
}

static int compare(const void *a, const void *b)
{
	return strcmp(((const struct counted *)a)->name, ((const struct counted *)b)->name);
}

static void keep(void *node)
{
}

static void free_counted(struct counted *counted)
{
	free(counted->name);
	free(counted->blocks);
	free(counted);
}

void counts_deinit(struct counts *counts)
{
	struct counted *counted = counts_next(counts, NULL), *next;

	tdestroy(counts->tree, keep);
	for (; counted; counted = next) {
		next = counts_next(counts, counted);
		free_counted(counted);
	}
	memset(counts, 0, sizeof(*counts));
}

static struct counted *new_counted(const struct counts *counts, const char *name)
{
	struct counted *counted = calloc(1, sizeof(*counted));
	size_t size = counts->stride * counts->shards;

	if (!counted)
		return NULL;
	counted->stride = counts->stride;
	counted->name = strdup(name);
	counted->blocks = aligned_alloc(COUNTS_LINE, size);
	if (!counted->name || !counted->blocks) {
		free_counted(counted);
		return NULL;
	}
	memset(counted->blocks, 0, size);
	return counted;
}

static struct counted *append(struct counts *counts, struct counted *counted)
{
	atomic_store_explicit(counts->last ? &counts->last->next : &counts->first, counted, memory_order_release);
	counts->last = counted;
	return counted;
}

static struct counted *get_others(struct counts *counts)
{
	struct counted *counted = counts->others ? NULL : new_counted(counts, COUNTS_OTHERS);

	if (counted)
		counts->others = append(counts, counted);
	return counts->others;
}

struct counted *counts_get(struct counts *counts, const char *name)
{
	struct counted key = {.name = (char *)(uintptr_t)name}, *const *found = tfind(&key, &counts->tree, compare),
		       *counted;

	if (found)
		return *found;
	if (counts->names == COUNTS_NAMES)
		return get_others(counts);
	counted = new_counted(counts, name);
	if (!counted || !tsearch(counted, &counts->tree, compare)) {
		if (counted)
			free_counted(counted);
		return NULL;
	}
	counts->names++;
	return append(counts, counted);
}
