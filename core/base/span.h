/* core/base/span.h - octets that belong to somebody else, not NUL-terminated. */
#ifndef POSTRIDER_BASE_SPAN_H
#define POSTRIDER_BASE_SPAN_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct span {
	const char *data;
	uint32_t length;
};

static inline struct span span_text(const char *text)
{
	return (struct span){text, (uint32_t)strlen(text)};
}

/* As much as there is room for, terminated by NUL, and not cut in the middle of a character of UTF-8. `size` is 1 or
 * more. */
static inline void span_copy(struct span text, char *out, size_t size)
{
	size_t n = text.length < size ? text.length : size - 1;

	while (n > 0 && n < text.length && ((uint8_t)text.data[n] & 0xc0) == 0x80)
		n--;
	if (n > 0)
		memcpy(out, text.data, n);
	out[n] = '\0';
}

#endif
