/*
 * core/base/line.h - a line that is put together from pieces, where snprintf() would take longer than all the rest.
 *
 * The array is the caller's, and large enough for what the caller has checked before: a piece that does not fit is our
 * bug. Nothing is terminated by NUL.
 */
#ifndef POSTRIDER_BASE_LINE_H
#define POSTRIDER_BASE_LINE_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct line {
	char *data;
	size_t length, size;
};

static inline void line_put(struct line *line, const void *data, size_t length)
{
	assert(length <= line->size - line->length);
	memcpy(line->data + line->length, data, length);
	line->length += length;
}

static inline void line_text(struct line *line, const char *text)
{
	line_put(line, text, strlen(text));
}

static inline void line_number(struct line *line, uint64_t value)
{
	char digits[20], *first = digits + sizeof(digits);

	do {
		*--first = (char)('0' + value % 10);
		value /= 10;
	} while (value > 0);
	line_put(line, first, (size_t)(digits + sizeof(digits) - first));
}

#endif
