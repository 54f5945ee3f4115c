/*
 * core/agents/dns_exchangers.c - see dns_exchangers.h.
 */
#include "core/agents/dns_exchangers.h"

#include <string.h>

enum { PREFERENCE_OCTETS = 2, LABEL_MAX = 63 };

/* What a name of a host consists of (RFC 1123 2.1); "_" is in use as well. */
static bool host_octet(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

static uint8_t lower(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c;
}

bool dns_exchanger_parse(const void *data, size_t length, struct dns_exchanger *out)
{
	const uint8_t *octets = data;
	size_t at = PREFERENCE_OCTETS, n = 0;

	if (length <= PREFERENCE_OCTETS)
		return false;
	out->preference = (uint16_t)(octets[0] << 8 | octets[1]);
	while (at < length && octets[at] != 0) {
		size_t label = octets[at++];
		if (label > LABEL_MAX || label > length - at || n + label + 1 > sizeof(out->name))
			return false;
		if (n > 0)
			out->name[n++] = '.';
		for (size_t end = at + label; at < end; at++) {
			if (!host_octet(octets[at]))
				return false;
			/* As names are compared, so that whoever looks for the host later finds it (RFC 4343). */
			out->name[n++] = (char)lower(octets[at]);
		}
		if (n >= sizeof(out->name))
			return false;
	}
	out->name[n] = '\0';
	return at + 1 == length;
}

void dns_exchangers_add(struct dns_exchangers_question *question, const struct dns_exchanger *one)
{
	unsigned at = 0, last;

	while (at < question->count && question->list[at].preference <= one->preference)
		at++;
	if (at == DNS_EXCHANGERS_MAX)
		return;
	last = question->count < DNS_EXCHANGERS_MAX ? question->count++ : DNS_EXCHANGERS_MAX - 1;
	memmove(&question->list[at + 1], &question->list[at], (last - at) * sizeof(*one));
	question->list[at] = *one;
}
