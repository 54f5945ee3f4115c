/*
 * queue/lane.c - see lane.h. The heap is an ordinary binary heap of pointers: 8 octets per waiting delivery.
 */
#include "queue/lane.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

void lane_init(struct lane *lane)
{
	*lane = (struct lane){0};
	fair_init(&lane->ready);
}

void lane_deinit(struct lane *lane)
{
	fair_deinit(&lane->ready);
	free(lane->heap);
	lane->heap = NULL;
}

void lane_ready(struct lane *lane, struct delivery *d)
{
	assert(d->place != DELIVERY_READY && d->place != DELIVERY_WAITING && d->place != DELIVERY_SORTED);
	d->place = DELIVERY_READY;
	fair_append(&lane->ready, d);
}

void lane_ready_first(struct lane *lane, struct delivery *d)
{
	assert(d->place == DELIVERY_ACTIVE);
	d->place = DELIVERY_READY;
	fair_prepend(&lane->ready, d);
}

static void put(struct lane *lane, size_t index, struct delivery *d)
{
	lane->heap[index] = d;
	d->heap_at = index;
}

static void sift_up(struct lane *lane, size_t index)
{
	struct delivery *d = lane->heap[index];

	while (index > 0 && lane->heap[(index - 1) / 2]->due_ns > d->due_ns) {
		put(lane, index, lane->heap[(index - 1) / 2]);
		index = (index - 1) / 2;
	}
	put(lane, index, d);
}

static void sift_down(struct lane *lane, size_t index)
{
	struct delivery *d = lane->heap[index];

	for (;;) {
		size_t child = 2 * index + 1;
		if (child >= lane->heap_count)
			break;
		if (child + 1 < lane->heap_count && lane->heap[child + 1]->due_ns < lane->heap[child]->due_ns)
			child++;
		if (lane->heap[child]->due_ns >= d->due_ns)
			break;
		put(lane, index, lane->heap[child]);
		index = child;
	}
	put(lane, index, d);
}

/* The last takes its place. */
static void take_out(struct lane *lane, struct delivery *d)
{
	struct delivery *last = lane->heap[--lane->heap_count];
	size_t index = d->heap_at;

	if (last != d) {
		put(lane, index, last);
		sift_up(lane, index);
		sift_down(lane, last->heap_at);
	}
	list_init(&d->link);
}

int lane_defer(struct lane *lane, struct delivery *d, uint64_t due_ns)
{
	assert(d->place != DELIVERY_READY && d->place != DELIVERY_WAITING && d->place != DELIVERY_SORTED);
	if (lane->heap_count == lane->heap_capacity) {
		size_t capacity = lane->heap_capacity ? 2 * lane->heap_capacity : 64;
		struct delivery **heap = realloc(lane->heap, capacity * sizeof(struct delivery *));
		if (!heap) {
			lane_ready(lane, d);
			return -ENOMEM;
		}
		lane->heap = heap;
		lane->heap_capacity = capacity;
	}
	d->place = DELIVERY_WAITING;
	d->due_ns = due_ns;
	lane->heap[lane->heap_count] = d;
	sift_up(lane, lane->heap_count++);
	return 0;
}

struct delivery *lane_first_ready(const struct lane *lane)
{
	return fair_next(&lane->ready);
}

struct delivery *lane_first_due(const struct lane *lane, uint64_t now_ns)
{
	return lane->heap_count > 0 && lane->heap[0]->due_ns <= now_ns ? lane->heap[0] : NULL;
}

void lane_prefer_ready(struct lane *lane)
{
	lane->due_next = false;
}

bool lane_has(const struct lane *lane, uint64_t now_ns)
{
	return lane_first_ready(lane) || lane_first_due(lane, now_ns);
}

void lane_remove(struct lane *lane, struct delivery *d)
{
	if (d->place == DELIVERY_READY) {
		fair_remove(&lane->ready, d);
	} else {
		assert(d->place == DELIVERY_WAITING && d == lane->heap[0]);
		take_out(lane, d);
	}
	d->place = DELIVERY_ACTIVE;
}

void lane_withdraw(struct lane *lane, struct delivery *d)
{
	if (d->place == DELIVERY_READY) {
		fair_withdraw(&lane->ready, d);
	} else {
		assert(d->place == DELIVERY_WAITING && lane->heap[d->heap_at] == d);
		take_out(lane, d);
	}
	d->place = DELIVERY_NONE;
}

struct delivery *lane_take(struct lane *lane, uint64_t now_ns)
{
	struct delivery *ready = lane_first_ready(lane);
	struct delivery *due = lane_first_due(lane, now_ns);
	struct delivery *d = due && (lane->due_next || !ready) ? due : ready;

	if (!d)
		return NULL;
	lane->due_next = d == ready;
	lane_remove(lane, d);
	return d;
}

void lane_make_due(struct lane *lane, bool (*chosen)(const struct delivery *d), uint64_t now_ns)
{
	size_t i;

	for (i = 0; i < lane->heap_count; i++) {
		struct delivery *d = lane->heap[i];
		if (d->due_ns > now_ns && chosen(d))
			d->due_ns = now_ns;
	}
	for (i = lane->heap_count / 2; i-- > 0;)
		sift_down(lane, i);
}

uint64_t lane_next_due_ns(const struct lane *lane)
{
	return lane->heap_count ? lane->heap[0]->due_ns : UINT64_MAX;
}

uint64_t retry_delay_ns(const struct retry_schedule *schedule, unsigned attempts, struct random *random)
{
	double delay = (double)schedule->first_ns;
	unsigned i;

	for (i = 1; i < attempts && delay < (double)schedule->max_ns; i++)
		delay *= schedule->factor;
	if (delay > (double)schedule->max_ns)
		delay = (double)schedule->max_ns;
	/* Spread what failed together (DOS-05): 80 % to 120 %. */
	delay = delay * 0.8 + delay * 0.4 * ((double)random_below(random, 1u << 20) / (1u << 20));
	return (uint64_t)delay;
}
