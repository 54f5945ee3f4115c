/* core/base/span.h - octets that belong to somebody else, not NUL-terminated. */
#ifndef POSTRIDER_BASE_SPAN_H
#define POSTRIDER_BASE_SPAN_H

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

#endif
