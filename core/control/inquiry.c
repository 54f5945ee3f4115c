/*
 * core/control/inquiry.c - see inquiry.h.
 */
#include "core/control/inquiry.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/base/clock.h"
#include "core/base/list.h"
#include "core/control/desk.h"
#include "core/control/request.h"
#include "core/relay/relay.h"
#include "core/shard/shard.h"

enum { LOOK_MS = 100, GONE_MS = 1000 };

struct inquiry {
	struct list link; /* of those that nobody waits for any more */
	struct desk *desk;
	const struct inquiry_kind *kind;
	void *question;
	unsigned shards, out; /* asked, and their posting of `back` was not taken yet */
	_Atomic(bool) wanted;
	sem_t back; /* once for each that is: then, and not before, its shard does not touch this any more */
	char *parts;
};

static struct inquiry_part *part_at(const struct inquiry *inquiry, unsigned shard)
{
	return (struct inquiry_part *)(void *)(inquiry->parts + shard * inquiry->kind->size);
}

static void release_part(struct inquiry *inquiry, struct inquiry_part *part)
{
	if (part->asked && inquiry->kind->release)
		inquiry->kind->release(part);
	part->asked = false;
}

static void forget(struct inquiry *inquiry)
{
	unsigned i;

	for (i = 0; inquiry->parts && i < inquiry->shards; i++)
		release_part(inquiry, part_at(inquiry, i));
	if (inquiry->kind->forget && inquiry->question)
		inquiry->kind->forget(inquiry->question);
	sem_destroy(&inquiry->back);
	free(inquiry->parts);
	free(inquiry);
}

/* Takes what has come back. False: some are still out. */
static bool all_back(struct inquiry *inquiry)
{
	while (inquiry->out > 0 && sem_trywait(&inquiry->back) == 0)
		inquiry->out--;
	return inquiry->out == 0;
}

/* `end`: no shard runs, so none comes back any more. */
static void sweep(struct desk *desk, bool end)
{
	struct list *link, *next;

	pthread_mutex_lock(&desk->lock);
	for (link = desk->left.next; link != &desk->left; link = next) {
		struct inquiry *inquiry = container_of(link, struct inquiry, link);
		next = link->next;
		if (!all_back(inquiry) && !end)
			continue;
		list_remove(link);
		forget(inquiry);
	}
	pthread_mutex_unlock(&desk->lock);
}

void inquiries_end(struct desk *desk)
{
	sweep(desk, true);
}

struct inquiry *inquiry_new(struct desk *desk, const struct inquiry_kind *kind, void *question)
{
	struct inquiry *inquiry = calloc(1, sizeof(*inquiry));

	if (!inquiry)
		return NULL;
	*inquiry = (struct inquiry){.desk = desk, .kind = kind, .shards = desk->relay->shard_count, .wanted = true};
	list_init(&inquiry->link);
	sem_init(&inquiry->back, 0, 0);
	inquiry->parts = calloc(inquiry->shards, kind->size);
	if (!inquiry->parts) {
		forget(inquiry);
		return NULL;
	}
	inquiry->question = question;
	return inquiry;
}

static void on_over(struct visit *visit)
{
	struct inquiry_part *part = inquiry_part_of(visit);
	struct inquiry *inquiry = part->inquiry;

	atomic_store_explicit(&part->back, true, memory_order_release);
	sem_post(&inquiry->back);
}

static enum visit_step on_step(struct shard *shard, struct visit *visit, uint64_t until_ns)
{
	struct inquiry_part *part = inquiry_part_of(visit);

	atomic_fetch_add_explicit(&part->steps, 1, memory_order_relaxed);
	return part->inquiry->kind->fn(shard, visit, until_ns);
}

void inquiry_ask(struct inquiry *inquiry, unsigned shard)
{
	struct inquiry_part *part = part_at(inquiry, shard);

	release_part(inquiry, part);
	memset(part, 0, inquiry->kind->size);
	part->visit.fn = on_step;
	part->visit.over = on_over;
	part->inquiry = inquiry;
	part->shard = inquiry->desk->relay->shards[shard];
	part->asked = true;
	inquiry->out++;
	if (visit_begin(&part->shard->visits, &part->visit))
		desk_ring(inquiry->desk, shard);
}

void inquiry_ask_all(struct inquiry *inquiry)
{
	for (unsigned i = 0; i < inquiry->shards; i++)
		inquiry_ask(inquiry, i);
}

/* What all have done of it; only whether it changes is of meaning. */
static unsigned steps_of(const struct inquiry *inquiry)
{
	unsigned sum = 0;

	for (unsigned i = 0; i < inquiry->shards; i++)
		sum += atomic_load_explicit(&part_at(inquiry, i)->steps, memory_order_relaxed);
	return sum;
}

bool inquiry_wait_moving(struct inquiry *inquiry, const struct control_request *request, uint64_t wait_ns,
			 uint64_t still_ns)
{
	uint64_t now_ns = clock_monotonic_ns(), end_ns = now_ns + wait_ns, moved_ns = now_ns;
	uint64_t look_ns = now_ns + GONE_MS * CLOCK_NS_PER_MS;
	unsigned steps = steps_of(inquiry), last;

	while (inquiry->out > 0) {
		uint64_t until_ns =
			now_ns + LOOK_MS * CLOCK_NS_PER_MS < end_ns ? now_ns + LOOK_MS * CLOCK_NS_PER_MS : end_ns;
		struct timespec until = {.tv_sec = (time_t)(until_ns / CLOCK_NS_PER_S),
					 .tv_nsec = (long)(until_ns % CLOCK_NS_PER_S)};
		if (sem_clockwait(&inquiry->back, CLOCK_MONOTONIC, &until) == 0) {
			inquiry->out--;
			continue;
		}
		now_ns = clock_monotonic_ns();
		last = steps;
		steps = steps_of(inquiry);
		if (steps != last)
			moved_ns = now_ns;
		/* Shards that have ended answer nothing any more. */
		if (now_ns >= end_ns || now_ns - moved_ns >= still_ns || desk_stops(inquiry->desk))
			return false;
		if (request && now_ns >= look_ns && request_gone(request))
			return false;
	}
	return true;
}

bool inquiry_wait(struct inquiry *inquiry, uint64_t wait_ns)
{
	return inquiry_wait_moving(inquiry, NULL, wait_ns, wait_ns);
}

struct inquiry_part *inquiry_part(struct inquiry *inquiry, unsigned shard)
{
	struct inquiry_part *part = part_at(inquiry, shard);

	return part->asked && atomic_load_explicit(&part->back, memory_order_acquire) ? part : NULL;
}

unsigned inquiry_missing(struct inquiry *inquiry, unsigned *first)
{
	unsigned count = 0, i;

	for (i = inquiry->shards; i-- > 0;) {
		if (!part_at(inquiry, i)->asked || inquiry_part(inquiry, i))
			continue;
		count++;
		*first = i;
	}
	return count;
}

void inquiry_end(struct inquiry *inquiry)
{
	struct desk *desk = inquiry->desk;

	atomic_store_explicit(&inquiry->wanted, false, memory_order_relaxed);
	if (all_back(inquiry)) {
		forget(inquiry);
	} else {
		pthread_mutex_lock(&desk->lock);
		list_append(&desk->left, &inquiry->link);
		pthread_mutex_unlock(&desk->lock);
	}
	sweep(desk, false);
}

void *inquiry_question(const struct inquiry_part *part)
{
	return part->inquiry->question;
}

bool inquiry_wanted(const struct inquiry_part *part)
{
	return atomic_load_explicit(&part->inquiry->wanted, memory_order_relaxed);
}
