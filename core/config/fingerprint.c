/*
 * core/config/fingerprint.c - see fingerprint.h.
 */
#include "core/config/fingerprint.h"

#include <string.h>

bool fingerprint_read(const char *text, char out[FINGERPRINT_SIZE])
{
	size_t n = strlen(FINGERPRINT_PREFIX);

	strcpy(out, FINGERPRINT_PREFIX);
	for (const char *at = text + strlen(FINGERPRINT_PREFIX); *at; at++) {
		if (*at == ':')
			continue;
		if (!strchr("0123456789abcdefABCDEF", *at) || n == FINGERPRINT_SIZE - 1)
			return false;
		out[n++] = (char)(*at | (*at >= 'A' ? 0x20 : 0));
	}
	out[n] = '\0';
	return n == FINGERPRINT_SIZE - 1;
}
