/*
 * fuzz_journal.c - a line as an entry of the journal: whatever the line is, the entry is one that the journal can take
 * apart, with the line in it whole.
 */
#include <ctype.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/journal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void need(bool condition)
{
	if (!condition)
		abort();
}

/* Of one field, its end included. */
static size_t field(const char *at, size_t left, const uint8_t *line, size_t size)
{
	size_t name = 0, length = 0, from;

	while (name < left && (isupper((unsigned char)at[name]) || isdigit((unsigned char)at[name]) || at[name] == '_'))
		name++;
	need(name > 0 && name < left && name <= 64);
	from = name + 1;
	if (at[name] == '=') {
		const char *end = memchr(at + from, '\n', left - from);
		need(end != NULL);
		length = (size_t)(end - at) - from;
	} else {
		need(at[name] == '\n' && left - from >= 8);
		for (unsigned i = 0; i < 8; i++)
			length |= (size_t)(uint8_t)at[from + i] << (8 * i);
		from += 8;
		need(length < left - from && at[from + length] == '\n');
	}
	if (name == 7 && memcmp(at, "MESSAGE", name) == 0)
		need(length == size && memcmp(at + from, line, size) == 0);
	return from + length + 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char out[JOURNAL_ENTRY_MAX];
	size_t length, at;
	char *line;

	if (size > LOG_EVENT_MAX)
		return 0;
	line = malloc(size + 1);
	need(line != NULL);
	memcpy(line, data, size);
	length = journal_entry(line, size, out);
	need(length <= sizeof(out));
	for (at = 0; at < length;)
		at += field(out + at, length - at, data, size);
	free(line);
	return 0;
}
