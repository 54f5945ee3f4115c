/*
 * fuzz_postfix_table.c - a lookup table of anybody: keys and values are text that lies within it.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/tools/postfix_table.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void need(bool condition)
{
	if (!condition)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct postfix_table table;
	unsigned line, before = 0;
	const char *problem = postfix_table_read(&table, (const char *)data, size, &line);
	char name[32];

	need(!problem || table.count == 0);
	for (size_t i = 0; i < table.count; i++) {
		const struct postfix_entry *entry = &table.entries[i];
		need(entry->line > before);
		before = entry->line;
		need(entry->key >= table.text && entry->key + strlen(entry->key) <= table.text + size + 1);
		need(entry->value >= table.text && entry->value + strlen(entry->value) <= table.text + size + 1);
		(void)postfix_pattern_fits_all(entry->key);
		if (postfix_pattern_field(entry->key, name, sizeof(name)))
			need(*name && strlen(name) < sizeof(name) && !strpbrk(name, ": \\"));
	}
	if (table.count > 0)
		need(postfix_table_find(&table, table.entries[0].key) == &table.entries[0]);
	postfix_table_free(&table);
	return 0;
}
