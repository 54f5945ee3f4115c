/*
 * core/deliver/outbound_knock.c - lanes of other shards that send to the same destination are told to look: there is
 * something for them, or they have something that others wait for.
 */
#include "core/deliver/outbound_private.h"
#include "core/deliver/slots.h"
#include "core/route/plan.h"
#include "core/shard/shard.h"

static const struct destination_plan *lanes_of(const struct outbound *o)
{
	return &o->shard->plan->destinations[o->place];
}

void outbound_on_knock(struct shard *shard, struct post *post)
{
	struct outbound *o = container_of(post, struct outbound, knock);

	atomic_store(&o->knocked, false);
	outbound_wake(shard, o->index);
}

void outbound_knock(struct outbound *o, int number)
{
	unsigned lane = lanes_of(o)->first_lane + (unsigned)number;
	struct outbound *other;

	if (number == SLOTS_NOBODY)
		return;
	other = &o->shard->all[o->shard->plan->lanes[lane].owner]->deliverer->outbound[lane];
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
