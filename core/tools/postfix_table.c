/*
 * core/tools/postfix_table.c - see postfix_table.h.
 */
#include "core/tools/postfix_table.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/tools/postfix_conf.h"

/* A pattern ends at its second delimiter and the flags behind that; any other key at a blank. */
static char *end_of_key(char *key)
{
	char *at = key + (*key == '!'), delimiter = *at;

	if (*key == '"') { /* "a key with blanks" */
		at = strchr(key + 1, '"');
		return at ? at + 1 : key + strlen(key);
	}
	if (delimiter == '/') {
		for (at++; *at && *at != delimiter; at++) {
			if (*at == '\\' && at[1])
				at++;
		}
	}
	while (*at && !postfix_blank(*at))
		at++;
	return at;
}

static const char *add(struct postfix_table *table, char *line, unsigned number)
{
	struct postfix_entry *more;
	char *value = end_of_key(line), *end;

	if (table->count >= POSTFIX_ENTRIES_MAX)
		return "there are more entries than can be taken over";
	if ((table->count & (table->count - 1)) == 0) {
		more = realloc(table->entries, (table->count ? 2 * table->count : 1) * sizeof(*more));
		if (!more)
			return "out of memory";
		table->entries = more;
	}
	if (*value)
		*value++ = '\0';
	while (postfix_blank(*value))
		value++;
	for (end = value + strlen(value); end > value && postfix_blank(end[-1]);)
		*--end = '\0';
	if (*line == '"' && line[1]) {
		line++;
		line[strcspn(line, "\"")] = '\0';
	}
	table->entries[table->count++] = (struct postfix_entry){.key = line, .value = value, .line = number};
	return NULL;
}

/* Makes the file's logical lines into strings, in place: they only become shorter. */
static const char *read_lines(struct postfix_table *table, size_t length, unsigned *line)
{
	char *at = table->text, *end = at + length, *begun = NULL, *to = at;
	const char *problem = NULL;
	unsigned next = 0, number = 0;

	while (!problem && at < end) {
		char *stop = memchr(at, '\n', (size_t)(end - at));
		size_t size = (size_t)((stop ? stop : end) - at);

		next++;
		if (!postfix_counts_for_nothing(at, at + size)) {
			if (begun && postfix_blank(*at)) {
				*to++ = ' ';
			} else {
				if (begun) {
					*to++ = '\0';
					problem = add(table, begun, number);
				}
				begun = to;
				number = next;
				while (size > 0 && postfix_blank(*at)) { /* a first line that goes on with nothing */
					at++;
					size--;
				}
			}
			memmove(to, at, size);
			to += size;
		}
		at = stop ? stop + 1 : end;
	}
	*line = number;
	if (!begun || problem)
		return problem;
	*to = '\0';
	return add(table, begun, number);
}

const char *postfix_table_read(struct postfix_table *table, const char *text, size_t length, unsigned *line)
{
	const char *problem = NULL;

	*table = (struct postfix_table){0};
	*line = 1;
	for (size_t i = 0; i < length && !problem; i++) {
		unsigned char c = (unsigned char)text[i];
		*line += c == '\n';
		if ((c < ' ' && !postfix_blank((char)c) && c != '\f') || c == 0x7f)
			problem = "there is an octet that no text file has";
	}
	if (problem)
		return problem;
	table->text = malloc(length + 2);
	if (!table->text)
		return "out of memory";
	table->length = length;
	memcpy(table->text, text, length);
	table->text[length] = '\0';
	problem = read_lines(table, length, line);
	if (problem)
		postfix_table_free(table);
	return problem;
}

void postfix_table_free(struct postfix_table *table)
{
	if (table->text)
		explicit_bzero(table->text, table->length); /* some have passwords */
	free(table->text);
	free(table->entries);
	*table = (struct postfix_table){0};
}

const struct postfix_entry *postfix_table_find(const struct postfix_table *table, const char *key)
{
	for (size_t i = 0; i < table->count; i++) {
		if (strcasecmp(table->entries[i].key, key) == 0)
			return &table->entries[i];
	}
	return NULL;
}

/* The pattern between its delimiters without anchors; `length` 0: none. */
static const char *inside(const char *pattern, size_t *length, bool *from_start)
{
	const char *from = pattern, *end;

	*length = 0;
	if (*from != '/')
		return from;
	end = strrchr(++from, '/');
	if (!end)
		return from;
	*from_start = *from == '^';
	from += *from_start;
	*length = (size_t)(end - from);
	if (*length > 0 && from[*length - 1] == '$')
		--*length;
	return from;
}

static bool fits_any(const char *text, size_t length)
{
	static const char *const all[] = {"", ".", ".*", ".+", "(.*)", "(.+)", ".*?", ".+?"};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		if (strlen(all[i]) == length && strncmp(all[i], text, length) == 0)
			return true;
	}
	return false;
}

bool postfix_pattern_fits_all(const char *pattern)
{
	bool from_start = false;
	size_t length;
	const char *text = inside(pattern, &length, &from_start);

	return length > 0 && fits_any(text, length);
}

bool postfix_pattern_field(const char *pattern, char *name, size_t size)
{
	bool from_start = false;
	size_t length, used = 0;
	const char *text = inside(pattern, &length, &from_start), *end = text + length;

	if (!from_start)
		return false;
	while (text < end && used < size - 1) {
		char c = *text;
		bool escaped = c == '\\' && text + 1 < end && (text[1] == '-' || text[1] == ':');

		if (escaped)
			c = text[1];
		if (c == ':')
			break;
		if (c != '-' && !(c >= '0' && c <= '9') && !((c | 32) >= 'a' && (c | 32) <= 'z'))
			return false;
		name[used++] = c;
		text += escaped ? 2 : 1;
	}
	name[used] = '\0';
	if (text < end && *text == '\\')
		text++;
	if (used == 0 || text >= end || *text != ':')
		return false;
	text++;
	while (end - text >= 1 && (*text == ' ' || (*text == '\\' && end - text >= 2 && text[1] == 's'))) {
		text += *text == ' ' ? 1 : 2;
		if (text < end && (*text == '*' || *text == '+'))
			text++;
	}
	return fits_any(text, (size_t)(end - text));
}
