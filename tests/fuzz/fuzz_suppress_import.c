/*
 * fuzz_suppress_import.c - a list of addresses of anybody: what is taken of a line lies in it, and can be asked for.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/tools/suppress_import.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void need(bool condition)
{
	if (!condition)
		abort();
}

static bool lies_in(struct span text, struct span line)
{
	return text.length == 0 || (text.data >= line.data && text.data + text.length <= line.data + line.length);
}

static void check(struct span line, const struct suppress_header *header)
{
	struct suppression_entry entry = {.reason = SUPPRESSION_MANUAL};
	char name[SMTP_PATH_MAX], out[SUPPRESSION_LINE_MAX];
	struct span address;
	enum suppress_row row = suppress_row(line, header, &address, &entry);

	need(lies_in(address, line) && lies_in(entry.note, line));
	need(entry.reason > SUPPRESSION_NONE && entry.reason < SUPPRESSION_REASONS);
	if (row == SUPPRESS_WRONG)
		return;
	entry.address = (struct span){name, (uint32_t)suppress_name(address, name)};
	need(entry.address.length > 0);
	size_t n = suppression_format(&entry, out);
	need(suppression_parse((struct span){out, (uint32_t)n - 1}, &entry));
}

/* The first line is the header, the second one a line. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *copy = malloc(size ? size : 1), *end;
	struct suppress_header header;
	struct span first, second;

	need(copy != NULL);
	memcpy(copy, data, size);
	end = size ? memchr(copy, '\n', size) : NULL;
	first = (struct span){copy, (uint32_t)(end ? (size_t)(end - copy) : size)};
	second = end ? (struct span){end + 1, (uint32_t)(size - first.length - 1)} : (struct span){copy, 0};
	check(first, NULL);
	if (suppress_header(first, &header)) {
		need(header.count > 0 && header.count <= SUPPRESS_COLUMNS);
		check(second, &header);
	}
	free(copy);
	return 0;
}
