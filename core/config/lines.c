/*
 * core/config/lines.c - see lines.h.
 */
#include "core/config/lines.h"

#include <string.h>

bool lines_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

bool lines_each(const char *text, size_t length, lines_fn *on_line, const void *context)
{
	static const char mark[] = "\xef\xbb\xbf";
	const char *p = text, *end = text + length;

	if (length >= strlen(mark) && memcmp(text, mark, strlen(mark)) == 0)
		p += strlen(mark);
	for (unsigned number = 1; p < end; number++) {
		const char *lf = memchr(p, '\n', (size_t)(end - p));
		const char *line_end = lf ? lf : end;
		if (!on_line(p, (size_t)(line_end - p), number, context))
			return false;
		p = lf ? lf + 1 : end;
	}
	return true;
}
