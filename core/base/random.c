/*
 * core/base/random.c - the fast generator: splitmix64 (Steele, Lea, Flood 2014), seeded by random_bytes().
 *
 * Good enough to spread retries and to shuffle hosts, and cheap; its whole state can be guessed from
 * one output, so nothing an attacker must not predict may come from it. Cannot fail.
 */
#include "core/base/random.h"

#include <assert.h>

void random_init(struct random *r)
{
	random_bytes(&r->state, sizeof(r->state));
}

uint64_t random_u64(struct random *r)
{
	uint64_t z = r->state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

/*
 * The high half of a 128-bit product is nearly uniform below `bound`; drawing again in the few cases that
 * make some results one too frequent makes it exact (Lemire 2019). Fewer than two draws on average.
 */
uint64_t random_below(struct random *r, uint64_t bound)
{
	assert(bound > 0);
	unsigned __int128 product = (unsigned __int128)random_u64(r) * bound;

	if ((uint64_t)product < bound) {
		uint64_t threshold = -bound % bound;
		while ((uint64_t)product < threshold)
			product = (unsigned __int128)random_u64(r) * bound;
	}
	return (uint64_t)(product >> 64);
}
