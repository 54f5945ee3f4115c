/*
 * core/shard/quota.c - see quota.h.
 */
#include "core/shard/quota.h"

#include "core/base/clock.h"

uint64_t quota_window_ns(enum quota_kind kind)
{
	return (kind == QUOTA_CONNECTIONS ? 1 : 60) * CLOCK_NS_PER_S;
}

bool quota_take(struct quota *quota, enum quota_kind kind, uint64_t now_ns, uint64_t most, uint64_t n)
{
	/* Where there is no limit nobody looks: it may just be made, by a reload. */
	return most == 0 || allowance_take(quota->taken->kinds[kind], now_ns, quota_window_ns(kind), most, n) == 0;
}

bool quota_has(struct quota *quota, enum quota_kind kind, uint64_t now_ns, uint64_t most, uint64_t n)
{
	return most == 0 || allowance_has(quota->taken->kinds[kind], now_ns, quota_window_ns(kind), most, n);
}

bool quota_given_back_together(enum quota_kind kind, uint64_t one_ns, uint64_t other_ns)
{
	uint64_t part_ns = quota_window_ns(kind) / ALLOWANCE_PARTS;

	return one_ns / part_ns == other_ns / part_ns;
}

void quota_give_back(struct quota *quota, enum quota_kind kind, uint64_t then_ns, uint64_t n)
{
	allowance_give_back(quota->taken->kinds[kind], then_ns, quota_window_ns(kind), n);
}
