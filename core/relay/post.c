/*
 * core/relay/post.c - carries items between shards: direct where home and owner are one, else through the handoff ring
 * of the pair. A full ring loses nothing: the item waits in the sender's overflow list, in order. The doorbell
 * is rung once per turn and target, and only says "look".
 */
#include <assert.h>

#include "core/relay/accept.h"
#include "core/relay/submission.h"

static bool is_answer(const struct post *item)
{
	return item->kind >= ITEM_PART_ANSWER;
}

static void arrive(struct shard *shard, struct post *item)
{
	if (item->kind == ITEM_CONNECTION)
		accept_handed_over(shard, item);
	else if (is_answer(item))
		submission_on_answer(shard, item);
	else
		intake_item(shard, item);
}

static struct handoff *ring_between(struct relay *relay, unsigned from, unsigned to)
{
	return &relay->handoffs[from * relay->shard_count + to];
}

void post_send(struct shard *shard, struct post *item)
{
	unsigned target = is_answer(item) ? item->home : item->owner;

	if (target == shard->index) {
		arrive(shard, item);
		return;
	}
	counter_add(&shard->counters.handoffs, 1);
	shard->ring_bell[target] = true;
	if (!list_empty(&shard->overflow[target]) ||
	    !handoff_push(ring_between(shard->relay, shard->index, target), item)) {
		counter_add(&shard->counters.handoff_full, 1);
		list_append(&shard->overflow[target], &item->link);
	}
}

void post_collect(struct shard *shard)
{
	struct relay *relay = shard->relay;
	unsigned from;

	for (from = 0; from < relay->shard_count; from++) {
		struct handoff *handoff;
		struct post *item;
		if (from == shard->index)
			continue;
		handoff = ring_between(relay, from, shard->index);
		while ((item = handoff_pop(handoff)) != NULL)
			arrive(shard, item);
	}
}

void post_publish(struct shard *shard)
{
	struct relay *relay = shard->relay;
	unsigned target;

	for (target = 0; target < relay->shard_count; target++) {
		struct list *overflow = &shard->overflow[target];
		while (!list_empty(overflow)) {
			struct post *item = container_of(overflow->next, struct post, link);
			/* Off the list first: once pushed the item is the other shard's. */
			list_remove(&item->link);
			if (!handoff_push(ring_between(relay, shard->index, target), item)) {
				list_prepend(overflow, &item->link);
				break;
			}
			shard->ring_bell[target] = true;
		}
		if (!list_empty(overflow))
			shard->ring_bell[target] = true;
		if (!shard->ring_bell[target] || shard->doorbells[target].op.in_flight)
			continue;
		shard->ring_bell[target] = false;
		ring_doorbell(shard->ring, &shard->doorbells[target].op, relay->shards[target]->ring);
	}
}
