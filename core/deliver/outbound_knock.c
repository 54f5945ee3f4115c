/*
 * core/deliver/outbound_knock.c - lanes of other shards that send to the same destination are told to look: there is
 * something for them, or they have something that others wait for.
 */
#include "core/deliver/outbound_private.h"
#include "core/deliver/outbound_site.h"
#include "core/deliver/site.h"
#include "core/deliver/slots.h"
#include "core/route/plan.h"
#include "core/shard/shard.h"

static struct outbound *of_destination(const struct outbound *o, unsigned number)
{
	const struct plan *plan = o->shard->plan;
	unsigned lane = plan->destinations[o->place].first_lane + number;

	return &o->shard->all[plan->lanes[lane].owner]->deliverer->outbound[lane];
}

/* It may have gone, and its number be another's by now: who is told to look in vain looks in vain. */
static struct outbound *of_site(const struct outbound *o, unsigned number)
{
	uint32_t lane = atomic_load(&o->mx->site->lanes[number]);

	return lane > 0 ? &o->shard->all[number]->deliverer->outbound[lane - 1] : NULL;
}

void outbound_on_knock(struct shard *shard, struct post *post)
{
	struct outbound *o = container_of(post, struct outbound, knock);

	atomic_store(&o->knocked, false);
	outbound_wake(shard, o->index);
}

void outbound_knock(struct outbound *o, int number)
{
	struct outbound *other;

	if (number == SLOTS_NOBODY)
		return;
	other = o->mx ? of_site(o, (unsigned)number) : of_destination(o, (unsigned)number);
	if (!other)
		return;
	if (other == o)
		outbound_wake(o->shard, o->index);
	else if (!atomic_exchange(&other->knocked, true))
		post_send(o->shard, &other->knock);
}

void outbound_knock_all(struct outbound *o, uint64_t numbers)
{
	for (; numbers; numbers &= numbers - 1)
		outbound_knock(o, __builtin_ctzll(numbers));
}
