/*
 * core/store/record.c - see record.h.
 */
#include "core/store/record.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/shard/shard.h"
#include "core/store/store.h"
#include "queue/state.h"

bool record_statuses(struct delivery *d)
{
	if (!d->statuses)
		d->statuses = calloc(1, d->recipients); /* RECIPIENT_PENDING is 0 */
	return d->statuses != NULL;
}

static void place(struct shard *shard, struct delivery *d)
{
	switch (d->next_place) {
	case DELIVERY_READY:
		shard->store->due(shard, d, STORE_DUE_NOW);
		break;
	case DELIVERY_WAITING:
		shard->store->due(shard, d, d->due_ns);
		break;
	case DELIVERY_FAILED:
		d->place = DELIVERY_FAILED;
		break;
	default:
		assert(!"no place to go");
	}
}

static_assert((int)STATE_SIZE_MAX <= (int)SPOOL_ENVELOPE_MAX, "the largest state fits a record");

static size_t encode_state(struct shard *shard, const struct delivery *d, const struct state_reply *reply)
{
	uint64_t wait_ns =
		d->next_place == DELIVERY_WAITING && d->due_ns > shard->now_ns ? d->due_ns - shard->now_ns : 0;
	struct state_writer w;
	unsigned fates[RECIPIENT_ELSEWHERE + 1], told, i;

	state_begin(&w, shard->store->scratch, SPOOL_ENVELOPE_MAX);
	told = reply ? state_add_reply(&w, reply) : 0;
	for (i = RECIPIENT_PENDING; i <= RECIPIENT_ELSEWHERE; i++) {
		struct state_fate fate = {.status = (uint8_t)i, .attempts = d->attempts};
		if (i == RECIPIENT_PENDING || i == RECIPIENT_FAILED)
			fate.reply = (uint16_t)told;
		if (i == RECIPIENT_PENDING && wait_ns > 0)
			fate.due_wall_ns = clock_wall_ns() + wait_ns;
		fates[i] = state_add_fate(&w, &fate);
		if (!d->statuses) {
			state_add(&w, fates[i], d->recipients);
			return state_end(&w);
		}
	}
	for (i = 0; i < d->recipients; i++)
		state_add(&w, fates[d->statuses[i]], 1);
	return state_end(&w);
}

static int append_state(struct shard *shard, struct delivery *d, const struct state_reply *reply)
{
	size_t length = encode_state(shard, d, reply);

	assert(length > 0);
	return spool_append_state(shard->store->spool, &d->item, clock_wall_ns(), shard->store->scratch, length, NULL);
}

/* False: no room now. */
static bool write_record(struct shard *shard, struct delivery *d, const struct state_reply *reply)
{
	int r;

	if (d->finished) {
		r = spool_done(shard->store->spool, &d->item, NULL);
		if (r == -EAGAIN)
			return false;
		/* Any other failure: it was delivered, and a restart will deliver it again; the spool's own failure has
		 * been reported. */
		if (r < 0) {
			counter_add(&shard->store->counters.maybe_duplicates, 1);
			spool_drop(shard->store->spool, &d->item);
		}
		store_forget(shard, d);
		return true;
	}
	r = append_state(shard, d, reply);
	if (r == -EAGAIN)
		return false;
	/* -ENOSPC, -EIO: the older state on disk stays true enough: at worst one more attempt after a restart. */
	place(shard, d);
	return true;
}

void record_append(struct shard *shard, struct delivery *d, const struct state_reply *reply)
{
	d->place = DELIVERY_NONE;
	if (!write_record(shard, d, reply))
		list_append(&shard->store->settling, &d->link);
}

void record_run(struct shard *shard)
{
	struct list *link, *next;

	for (link = shard->store->settling.next; link != &shard->store->settling; link = next) {
		struct delivery *d = container_of(link, struct delivery, link);
		next = link->next;
		/* Off the list first: its place may be another list. */
		list_remove(&d->link);
		if (!write_record(shard, d, NULL)) {
			/* Back in front of `next`, where it was. */
			list_append(next, &d->link);
			return;
		}
	}
}
