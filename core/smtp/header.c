/*
 * core/smtp/header.c - see header.h.
 */
#include "core/smtp/header.h"

#include <stdbool.h>
#include <string.h>

static bool is_space(char c)
{
	return c == ' ' || c == '\t';
}

static bool is_line_end(char c)
{
	return c == '\r' || c == '\n';
}

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* Where the line at `at` ends, behind its LF; 0: not in here. */
static size_t line_end(const char *content, size_t length, size_t at)
{
	const char *lf = memchr(content + at, '\n', length - at);

	return lf ? (size_t)(lf - content) + 1 : 0;
}

/* Where the value begins, if the line is a field of that name; else 0. White space before the colon is obsolete, but
 * met (RFC 5322 4.5.8). */
static size_t value_of(const char *content, size_t at, size_t end, const char *name)
{
	while (*name && at < end && lower(content[at]) == *name) {
		at++;
		name++;
	}
	while (at < end && is_space(content[at]))
		at++;
	return *name == '\0' && at < end && content[at] == ':' ? at + 1 : 0;
}

/* How much of it is in front of CR or LF. */
static size_t line_length(const char *text, size_t length)
{
	const char *lf = memchr(text, '\n', length), *cr;

	if (lf)
		length = (size_t)(lf - text);
	cr = memchr(text, '\r', length);
	return cr ? (size_t)(cr - text) : length;
}

static size_t unfold(const char *value, size_t length, char *out, size_t capacity)
{
	size_t n = 0;

	for (size_t i = 0; i < length && n < capacity;) {
		size_t take;
		if (is_line_end(value[i]) || (n == 0 && is_space(value[i]))) {
			i++;
			continue;
		}
		take = line_length(value + i, length - i);
		take = take < capacity - n ? take : capacity - n;
		memcpy(out + n, value + i, take);
		n += take;
		i += take;
	}
	while (n > 0 && is_space(out[n - 1]))
		n--;
	return n;
}

size_t header_value(const char *content, size_t length, const char *name, char *out, size_t capacity)
{
	size_t at = 0, end;

	while (at < length && (end = line_end(content, length, at)) != 0) {
		size_t value = value_of(content, at, end, name);

		if (content[at] == '\n' || (content[at] == '\r' && end == at + 2))
			return 0;
		while (value && end < length && is_space(content[end])) {
			end = line_end(content, length, end);
			if (end == 0)
				return 0;
		}
		if (value)
			return unfold(content + value, end - value, out, capacity);
		at = end;
	}
	return 0;
}
