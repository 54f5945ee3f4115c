/*
 * fuzz_revocations.c - files of revoked certificates: whatever they are, they are taken whole or refused with a
 * sentence, and what a certificate comes to is the same however often it is asked.
 */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/agents/revocations.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void need(bool condition)
{
	if (!condition)
		abort();
}

static void count(void *context, const struct revocations_authority *authority)
{
	need(strlen(authority->subject) < 256);
	++*(size_t *)context;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* In front: an octet with how much of it is a certificate, and of an issuer, in units of eight octets. */
	size_t certificate = size > 1 ? data[0] * 8U : 0, issuer = size > 1 ? data[1] * 8U : 0, told = 0;
	char problem[200] = "", say[REVOCATIONS_SAY], again[REVOCATIONS_SAY];
	struct revocations_sum sum;
	struct revocations *r;
	struct span of, by;
	enum revocations_state state;

	if (size < 2 || certificate + issuer > size - 2)
		return 0;
	of = (struct span){(const char *)data + 2, (uint32_t)certificate};
	by = (struct span){(const char *)data + 2 + certificate, (uint32_t)issuer};
	data += 2 + certificate + issuer;
	size -= 2 + certificate + issuer;
	r = revocations_new((const char *)data, size, problem, sizeof(problem));
	need(!r == (problem[0] != '\0'));
	if (!r)
		return 0;
	revocations_sum(r, &sum);
	need(sum.lists > 0 && strlen(sum.issuer) < sizeof(sum.issuer));
	state = revocations_look(r, of, by, 1800000000, say);
	need(state == revocations_look(r, of, by, 1800000000, again) && strcmp(say, again) == 0);
	need((state == REVOCATIONS_GOOD) == (say[0] == '\0'));
	(void)revocations_authorities(r, (const char *)data, size, 1800000000, count, &told);
	revocations_free(r);
	return 0;
}
