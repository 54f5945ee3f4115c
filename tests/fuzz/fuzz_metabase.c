/*
 * fuzz_metabase.c - a metabase of anybody, and what may stand in it as a list of addresses.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/tools/metabase.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void need(bool condition)
{
	if (!condition)
		abort();
}

static void look(const char *digits)
{
	struct metabase_list list;

	if (!metabase_list_read(&list, digits))
		return;
	need(list.granted_count <= strlen(digits) && list.denied_count <= strlen(digits));
	metabase_list_free(&list);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char problem[METABASE_PROBLEM] = "";
	struct metabase base;
	char *text = malloc(size + 1);

	need(text != NULL);
	memcpy(text, data, size);
	text[size] = '\0';
	look(text);
	if (!metabase_read(&base, text, size, problem)) {
		need(problem[0] != '\0' && base.count == 0);
	} else {
		for (size_t i = 0; i < base.count; i++) {
			for (size_t j = 0; j < base.keys[i].count; j++)
				look(base.keys[i].properties[j].value);
		}
		metabase_free(&base);
	}
	free(text);
	return 0;
}
