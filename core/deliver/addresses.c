/*
 * core/deliver/addresses.c - see addresses.h.
 */
#include "core/deliver/addresses.h"

#include <assert.h>
#include <string.h>

#include "core/base/clock.h"

struct host_address *addresses_find(struct addresses *a, const struct ring_address *at)
{
	unsigned i;

	for (i = 0; i < a->count; i++) {
		if (ring_address_same(&a->list[i].at, at))
			return &a->list[i];
	}
	return NULL;
}

static bool unchanged(const struct addresses *a, const struct ring_address *found, unsigned count)
{
	unsigned i;

	if (count != a->count)
		return false;
	for (i = 0; i < count; i++) {
		if (!ring_address_same(&a->list[i].at, &found[i]))
			return false;
	}
	return true;
}

void addresses_update(struct addresses *a, const struct ring_address *found, unsigned count)
{
	struct addresses next = {.turn = a->turn};
	unsigned i;

	assert(count >= 1 && count <= ADDRESSES_MAX);
	if (unchanged(a, found, count))
		return;
	for (i = 0; i < count; i++) {
		const struct host_address *known = addresses_find(a, &found[i]);
		if (addresses_find(&next, &found[i]))
			continue;
		next.list[next.count++] = known ? *known : (struct host_address){.at = found[i]};
	}
	*a = next;
}

static sa_family_t family(const struct host_address *one)
{
	return one->at.any.sa_family;
}

static bool wished(const struct host_address *one, const struct addresses_wish *wish)
{
	return family(one) == AF_INET ? wish->v4 : wish->v6;
}

/* One of that family is waited for. */
static bool silent(const struct addresses *a, sa_family_t of)
{
	unsigned i;

	for (i = 0; i < a->count; i++) {
		if (a->list[i].slow > 0 && family(&a->list[i]) == of)
			return true;
	}
	return false;
}

static bool better(const struct addresses *a, const struct host_address *one, const struct host_address *other,
		   const struct addresses_wish *wish)
{
	bool silent_one = silent(a, family(one)), silent_other = silent(a, family(other));

	if (wish->first != AF_UNSPEC && family(one) != family(other) && silent_one == silent_other)
		return family(one) == wish->first;
	if (one->failures != other->failures)
		return one->failures < other->failures;
	if (silent_one != silent_other)
		return silent_other;
	return wish->again ? one->used > other->used : one->used < other->used;
}

bool addresses_any(const struct addresses *a, const struct addresses_wish *wish)
{
	unsigned i;

	for (i = 0; i < a->count; i++) {
		if (wished(&a->list[i], wish))
			return true;
	}
	return false;
}

bool addresses_another(const struct addresses *a, const struct addresses_wish *wish, const struct ring_address *at,
		       uint64_t now_ns)
{
	unsigned i;

	for (i = 0; i < a->count; i++) {
		const struct host_address *one = &a->list[i];
		if (wished(one, wish) && one->slow == 0 && one->blocked_until_ns <= now_ns &&
		    !ring_address_same(&one->at, at))
			return true;
	}
	return false;
}

struct host_address *addresses_choose(struct addresses *a, const struct addresses_wish *wish, uint64_t now_ns,
				      uint64_t *next_ns)
{
	struct host_address *best = NULL;
	unsigned i;

	for (i = 0; i < a->count; i++) {
		struct host_address *one = &a->list[i];
		if (one->slow > 0 || !wished(one, wish))
			continue;
		if (one->blocked_until_ns > now_ns) {
			if (one->blocked_until_ns < *next_ns)
				*next_ns = one->blocked_until_ns;
			continue;
		}
		if (!best || better(a, one, best, wish))
			best = one;
	}
	return best;
}

bool addresses_failed(struct host_address *one, uint64_t opened_ns, uint64_t now_ns, uint64_t delay_ns)
{
	if (one->failures > 0 && opened_ns < one->failed_ns)
		return false;
	one->failures++;
	one->failed_ns = now_ns;
	one->blocked_until_ns = now_ns + delay_ns;
	return true;
}

void addresses_well(struct host_address *one, uint64_t opened_ns)
{
	if (one->failures > 0 && opened_ns <= one->failed_ns)
		return;
	one->failures = 0;
	one->blocked_until_ns = 0;
}

void addresses_used(struct addresses *a, struct host_address *one)
{
	one->used = ++a->turn;
}

uint64_t addresses_backoff_ns(unsigned failures, struct random *random)
{
	uint64_t delay = ADDRESS_BACKOFF_FIRST_MS * CLOCK_NS_PER_MS;
	unsigned i;

	for (i = 0; i < failures && delay < ADDRESS_BACKOFF_MAX_MS * CLOCK_NS_PER_MS; i++)
		delay *= 2;
	if (delay > ADDRESS_BACKOFF_MAX_MS * CLOCK_NS_PER_MS)
		delay = ADDRESS_BACKOFF_MAX_MS * CLOCK_NS_PER_MS;
	return delay * 3 / 4 + random_below(random, delay / 2);
}

uint64_t addresses_blocked_until_ns(const struct addresses *a, uint64_t now_ns)
{
	uint64_t first = UINT64_MAX;
	unsigned i;

	for (i = 0; i < a->count; i++) {
		if (a->list[i].blocked_until_ns <= now_ns)
			return 0;
		if (a->list[i].blocked_until_ns < first)
			first = a->list[i].blocked_until_ns;
	}
	return first == UINT64_MAX ? 0 : first;
}
