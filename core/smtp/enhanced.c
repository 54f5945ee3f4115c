/*
 * core/smtp/enhanced.c - see enhanced.h.
 */
#include "core/smtp/enhanced.h"

#include <stdbool.h>
#include <stddef.h>

static inline bool digit(const char *at, const char *end)
{
	return at < end && *at >= '0' && *at <= '9';
}

/* One to three digits (RFC 3463 2), without a leading zero but for 0 itself: nearly always it is one. Where they end;
 * NULL: there are none. */
static inline const char *number(const char *at, const char *end, uint32_t *value)
{
	if (!digit(at, end))
		return NULL;
	*value = (uint32_t)(*at++ - '0');
	if (!digit(at, end))
		return at;
	if (*value == 0)
		return NULL;
	*value = *value * 10 + (uint32_t)(*at++ - '0');
	if (digit(at, end))
		*value = *value * 10 + (uint32_t)(*at++ - '0');
	return at;
}

uint32_t smtp_enhanced_code(unsigned code, struct span text)
{
	const char *at = text.data, *end = at + text.length;
	uint32_t subject, detail;

	if (text.length < 5 || *at++ != (char)('0' + code / 100) || code < 200 || code >= 600)
		return 0;
	if (*at++ != '.' || !(at = number(at, end, &subject)))
		return 0;
	if (at == end || *at++ != '.' || !(at = number(at, end, &detail)))
		return 0;
	/* Some put a colon, a semicolon or a bracket behind it; a further digit or dot makes it an address. */
	if (digit(at, end) || (at < end && *at == '.'))
		return 0;
	return SMTP_ENHANCED(code / 100, subject, detail);
}
