/*
 * core/shard/post.c - see post.h. Between two shards posts go through the handoff ring of the pair. A full ring loses
 * nothing: the post waits in the sender's overflow list, in order. The doorbell is rung once per turn and target, and
 * only says "look".
 */
#include "core/shard/post.h"

#include <errno.h>
#include <stdlib.h>

#include "core/shard/shard.h"

static void on_doorbell(void *context)
{
	/* It only ends the wait: the turn looks at the handoff rings anyway. */
}

static void on_doorbell_sent(struct ring_op *op, int result, uint32_t flags)
{
	struct doorbell *bell = container_of(op, struct doorbell, op);

	/* Not heard, because the target is overwhelmed: there may be no other push to ring for, so ring again (P15). */
	if (result == -EOVERFLOW || result == -EAGAIN)
		bell->shard->ring_bell[bell - bell->shard->doorbells] = true;
}

int post_init(struct shard *shard)
{
	unsigned i, count = shard->count;

	list_init(&shard->posts_here);
	shard->overflow = calloc(count, sizeof(*shard->overflow));
	shard->doorbells = calloc(count, sizeof(*shard->doorbells));
	shard->ring_bell = calloc(count, sizeof(*shard->ring_bell));
	if (!shard->overflow || !shard->doorbells || !shard->ring_bell)
		return -ENOMEM;
	for (i = 0; i < count; i++) {
		list_init(&shard->overflow[i]);
		shard->doorbells[i] = (struct doorbell){.op.fn = on_doorbell_sent, .shard = shard};
	}
	return 0;
}

void post_deinit(struct shard *shard)
{
	free(shard->overflow);
	free(shard->doorbells);
	free(shard->ring_bell);
}

void post_start(struct shard *shard)
{
	ring_on_doorbell(shard->ring, on_doorbell, shard);
}

bool post_idle(const struct shard *shard)
{
	unsigned i;

	for (i = 0; i < shard->count; i++) {
		if (shard->doorbells[i].op.in_flight)
			return false;
	}
	return true;
}

bool post_sent(const struct shard *shard)
{
	unsigned i;

	for (i = 0; i < shard->count; i++) {
		if (!list_empty(&shard->overflow[i]))
			return false;
	}
	return true;
}

static struct handoff *ring_between(const struct shard *shard, unsigned from, unsigned to)
{
	return &shard->handoffs[from * shard->count + to];
}

void post_send(struct shard *shard, struct post *post)
{
	unsigned to = post->to;

	if (to == shard->index) {
		list_append(&shard->posts_here, &post->link);
		return;
	}
	counter_add(&shard->counters.handoffs, 1);
	shard->ring_bell[to] = true;
	if (!list_empty(&shard->overflow[to]) || !handoff_push(ring_between(shard, shard->index, to), post)) {
		counter_add(&shard->counters.handoff_full, 1);
		list_append(&shard->overflow[to], &post->link);
	}
}

void post_collect_own(struct shard *shard)
{
	struct list *link;

	while ((link = list_take_first(&shard->posts_here)) != NULL) {
		struct post *post = container_of(link, struct post, link);
		post->fn(shard, post);
	}
}

void post_collect(struct shard *shard)
{
	unsigned from;

	for (from = 0; from < shard->count; from++) {
		struct handoff *handoff;
		struct post *post;
		if (from == shard->index)
			continue;
		handoff = ring_between(shard, from, shard->index);
		while ((post = handoff_pop(handoff)) != NULL)
			post->fn(shard, post);
	}
	post_collect_own(shard);
}

void post_publish(struct shard *shard)
{
	unsigned target;

	for (target = 0; target < shard->count; target++) {
		struct list *overflow = &shard->overflow[target];
		while (!list_empty(overflow)) {
			struct post *post = container_of(overflow->next, struct post, link);
			/* Off the list first: once pushed the post is the other shard's. */
			list_remove(&post->link);
			if (!handoff_push(ring_between(shard, shard->index, target), post)) {
				list_prepend(overflow, &post->link);
				break;
			}
			shard->ring_bell[target] = true;
		}
		if (!list_empty(overflow))
			shard->ring_bell[target] = true;
		if (!shard->ring_bell[target] || shard->doorbells[target].op.in_flight)
			continue;
		shard->ring_bell[target] = false;
		ring_doorbell(shard->ring, &shard->doorbells[target].op, shard->all[target]->ring);
	}
}
