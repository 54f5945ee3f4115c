/*
 * core/smtp/enhanced.c - see enhanced.h.
 */
#include "core/smtp/enhanced.h"

#include <stdbool.h>

/* One to three digits (RFC 3463 2), without a leading zero but for 0 itself. */
static bool number(struct span text, uint32_t *at, uint32_t *value)
{
	uint32_t first = *at;

	*value = 0;
	while (*at < text.length && *at - first < 3 && text.data[*at] >= '0' && text.data[*at] <= '9')
		*value = *value * 10 + (uint32_t)(text.data[(*at)++] - '0');
	return *at > first && (text.data[first] != '0' || *at == first + 1);
}

uint32_t smtp_enhanced_code(unsigned code, struct span text)
{
	uint32_t at = 1, subject, detail;

	if (text.length < 5 || text.data[0] != (char)('0' + code / 100) || code < 200 || code >= 600)
		return 0;
	if (text.data[at++] != '.' || !number(text, &at, &subject))
		return 0;
	if (at >= text.length || text.data[at++] != '.' || !number(text, &at, &detail))
		return 0;
	/* Some put a colon, a semicolon or a bracket behind it; a further digit or dot makes it an address. */
	if (at < text.length && ((text.data[at] >= '0' && text.data[at] <= '9') || text.data[at] == '.'))
		return 0;
	return SMTP_ENHANCED(code / 100, subject, detail);
}
