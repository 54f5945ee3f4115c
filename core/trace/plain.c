/*
 * core/trace/plain.c - see plain.h.
 */
#include "core/trace/plain.h"

#include <stdbool.h>
#include <stdint.h>

#include "core/smtp/utf8.h"

size_t plain_copy(char *out, size_t room, struct span text, const char *without)
{
	struct span rest = text;
	size_t length = 0;

	while (rest.length > 0 && length < room) {
		uint32_t n, code = utf8_code(rest, &n), used = n ? n : 1;
		if (n == 0 || utf8_obeyed(code) || (n == 1 && without && strchr(without, (int)code))) {
			bool blank = (code == '\n' || code == '\t') && !(without && strchr(without, ' '));
			out[length++] = blank ? ' ' : '?';
		} else {
			if (n > room - length)
				break;
			memcpy(out + length, rest.data, n);
			length += n;
		}
		rest.data += used;
		rest.length -= used;
	}
	return length;
}

size_t plain_columns(struct span text)
{
	size_t columns = 0;

	while (text.length > 0) {
		uint32_t n, code = utf8_code(text, &n), used = n ? n : 1;
		int its = n ? utf8_columns(code) : 1;
		columns += its < 0 ? 1 : (size_t)its;
		text.data += used;
		text.length -= used;
	}
	return columns;
}

size_t plain_fitting(struct span text, size_t columns)
{
	struct span rest = text;

	while (rest.length > 0) {
		uint32_t n, code = utf8_code(rest, &n), used = n ? n : 1;
		int its = n ? utf8_columns(code) : 1;
		size_t width = its < 0 ? 1 : (size_t)its;
		if (width > columns)
			break;
		columns -= width;
		rest.data += used;
		rest.length -= used;
	}
	return text.length - rest.length;
}
