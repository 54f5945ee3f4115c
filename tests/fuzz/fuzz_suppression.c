/*
 * fuzz_suppression.c - the list of addresses that no mail goes to: what is read of a file holds to its bounds and can
 * be written again, and an address that is put in is found, in the set and in a line.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/agents/suppression_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void need(bool ok)
{
	if (!ok)
		abort();
}

static bool same(struct span a, struct span b)
{
	return a.length == b.length && (a.length == 0 || memcmp(a.data, b.data, a.length) == 0);
}

struct reading {
	const char *text;
	size_t length, entries;
};

static bool within(const struct reading *r, struct span span)
{
	return span.length == 0 || (span.data >= r->text && span.data + span.length <= r->text + r->length);
}

/* What was read can be written, and says the same; of a note what fits, without control characters. */
static void check_entry(void *context, const struct suppression_entry *entry)
{
	struct reading *r = context;
	char line[SUPPRESSION_LINE_MAX];
	struct suppression_entry again;
	size_t length;

	r->entries++;
	need(within(r, entry->address) && within(r, entry->note));
	need(entry->address.length > 0 && entry->address.length < SMTP_PATH_MAX);
	need(entry->reason > SUPPRESSION_NONE && entry->reason < SUPPRESSION_REASONS);
	length = suppression_format(entry, line);
	need(length > 0 && length <= sizeof(line) && line[length - 1] == '\n');
	need(suppression_parse((struct span){line, (uint32_t)length - 1}, &again));
	need(again.removed == entry->removed && again.wall_s == entry->wall_s && again.reason == entry->reason);
	need(same(again.address, entry->address));
}

/* Whatever somebody calls himself: in the set it is found, and in the file it is one line, which names it. */
static void check_name(struct span address)
{
	char name[SMTP_PATH_MAX], line[SUPPRESSION_LINE_MAX];
	size_t length = suppressed_name(address, name), n;
	struct suppression_entry entry = {.reason = SUPPRESSION_BOUNCE}, again;
	struct suppressed set;

	if (length == 0)
		return;
	need(length < SMTP_PATH_MAX);
	entry.address = (struct span){name, (uint32_t)length};
	n = suppression_format(&entry, line);
	need(memchr(line, '\n', n) == line + n - 1);
	need(suppression_parse((struct span){line, (uint32_t)n - 1}, &again));
	need(same(again.address, entry.address) && again.note.length == 0);
	suppressed_init(&set, 7);
	need(suppressed_add(&set, again.address, SUPPRESSION_BOUNCE));
	need(suppressed_find(&set, 0, address) == SUPPRESSION_BOUNCE);
	suppressed_remove(&set, again.address);
	need(suppressed_find(&set, 0, address) == SUPPRESSION_NONE && suppressed_count(&set) == 0);
	suppressed_deinit(&set);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *copy = malloc(size ? size : 1);
	struct reading r = {copy, size, 0};
	size_t bad, whole, lines = 0;

	need(copy != NULL);
	memcpy(copy, data, size);
	whole = suppression_read(copy, size, check_entry, &r, &bad);
	need(whole <= size && (whole == 0 || copy[whole - 1] == '\n') && !memchr(copy + whole, '\n', size - whole));
	for (size_t i = 0; i < whole; i++)
		lines += copy[i] == '\n';
	need(r.entries + bad <= lines);
	check_name((struct span){copy, (uint32_t)size});
	free(copy);
	return 0;
}
