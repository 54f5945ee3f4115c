/*
 * fuzz_sts_shelf.c - a file with an MTA-STS policy: what is read holds to its bounds, and its head can be said again.
 */
#include <stdlib.h>
#include <string.h>

#include "core/agents/sts_shelf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void need(bool ok)
{
	if (!ok)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char id[MTA_STS_ID_MAX + 1], again[MTA_STS_ID_MAX + 1], name[STS_SHELF_NAME], head[STS_SHELF_HEAD_MAX];
	char *copy = malloc(size + 1);
	uint64_t fetched_s, fetched_again_s;
	const char *text;
	size_t length, n;

	need(copy != NULL);
	memcpy(copy, data, size);
	copy[size] = '\0';
	if (sts_shelf_name(copy, NULL, name))
		need(strlen(name) <= DNS_NAME_MAX && !strchr(name, '/') && name[0] != '.');
	if (sts_shelf_parse(copy, size, id, &fetched_s, &text, &length)) {
		need(text >= copy && text + length == copy + size && strlen(id) <= MTA_STS_ID_MAX);
		n = sts_shelf_head(id, fetched_s, head);
		need(sts_shelf_parse(head, n, again, &fetched_again_s, &text, &length));
		need(strcmp(id, again) == 0 && fetched_s == fetched_again_s && length == 0);
	}
	free(copy);
	return 0;
}
