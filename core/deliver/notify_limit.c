/*
 * core/deliver/notify_limit.c - how many reports go to whom.
 *
 * To each domain so many a second, whoever is told there: a sender that somebody else wrote into MAIL gets no flood by
 * this relay (LOP-03). To an owner, and to anybody of what is older than this process, so many an hour, and the others
 * in one. All are counted where all shards see it, by the hash of the name; who shares its place with another has his
 * allowance with him.
 */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/bucket.h"
#include "core/base/clock.h"
#include "core/deliver/notify_private.h"
#include "queue/hash.h"

enum {
	ADDRESSES = 4096,
	DOMAINS = 1024,
	HOUR_S = 3600,
	OLD_PER_HOUR = 20,
	COUNT_BITS = 16,
	DOMAIN_PER_SECOND = 20,
	DOMAIN_AT_ONCE = 500,
};

struct notify_limits {
	_Atomic(uint64_t) hours[ADDRESSES]; /* the second at which the hour began, and how many since */
	_Atomic(uint64_t) digests[ADDRESSES];
	struct bucket domains[DOMAINS];
};

struct notify_limits *notify_limits_new(void)
{
	return calloc(1, sizeof(struct notify_limits));
}

void notify_limits_free(struct notify_limits *limits)
{
	free(limits);
}

/* Letters in any case are one address here: at worst somebody is told later. */
static uint64_t hash_of(struct span text)
{
	char lower[NOTIFY_ADDRESS_MAX];
	uint32_t length = text.length < sizeof(lower) ? text.length : sizeof(lower);

	for (uint32_t i = 0; i < length; i++)
		lower[i] = (char)(text.data[i] >= 'A' && text.data[i] <= 'Z' ? text.data[i] + 32 : text.data[i]);
	return queue_hash(lower, length);
}

static struct span domain_of(struct span address)
{
	const char *at = memrchr(address.data, '@', address.length);

	return at ? (struct span){at + 1, (uint32_t)(address.data + address.length - at - 1)} : address;
}

static bool take_of_hour(_Atomic(uint64_t) *word, uint64_t now_s, unsigned most)
{
	uint64_t was = atomic_load_explicit(word, memory_order_relaxed), next, count;

	do {
		count = was & ((1u << COUNT_BITS) - 1);
		next = was + 1;
		if (now_s >= (was >> COUNT_BITS) + HOUR_S || was == 0) {
			count = 0;
			next = now_s << COUNT_BITS | 1;
		}
		if (count >= most)
			return false;
	} while (!atomic_compare_exchange_weak_explicit(word, &was, next, memory_order_relaxed, memory_order_relaxed));
	return true;
}

enum notify_may notify_may(struct notify_limits *limits, const struct notify_claim *claim)
{
	struct bucket *domain = &limits->domains[hash_of(domain_of(claim->to)) % DOMAINS];
	uint64_t interval_ns = CLOCK_NS_PER_S / DOMAIN_PER_SECOND;
	unsigned most = claim->owner ? claim->most : OLD_PER_HOUR;

	if (bucket_when_ns(domain, claim->now_ns) > claim->now_ns + DOMAIN_AT_ONCE * interval_ns)
		return NOTIFY_MAY_LATER;
	if ((claim->owner || claim->old) &&
	    !take_of_hour(&limits->hours[hash_of(claim->to) % ADDRESSES], claim->now_ns / CLOCK_NS_PER_S, most))
		return NOTIFY_MAY_DIGEST;
	(void)bucket_take(domain, claim->now_ns, interval_ns);
	return NOTIFY_MAY;
}

bool notify_may_digest(struct notify_limits *limits, struct span to, uint64_t now_ns)
{
	return take_of_hour(&limits->digests[hash_of(to) % ADDRESSES], now_ns / CLOCK_NS_PER_S, 1);
}
