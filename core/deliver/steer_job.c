/*
 * core/deliver/steer_job.c - see steer.h: many, a few in a turn.
 */
#include <stdlib.h>

#include "core/base/clock.h"
#include "core/deliver/deliverer.h"
#include "core/deliver/steer_private.h"
#include "core/shard/shard.h"
#include "core/store/store.h"

/* Messages in a slice, whatever a clock says; of those that are back in a turn, and when there is another try. */
enum { SLICE = 256, BACK_SLICE = 64, BACK_AGAIN_NS = 10000000 };

/* A record on its way to the disk. */
struct steer_mark {
	struct spool_ticket ticket;
	struct steer_job *job;
	size_t at;
};

static void note(struct steer_job *job, size_t at, enum steer_result result)
{
	if (job->results[at] < result)
		job->results[at] = (uint8_t)result;
}

static void end_if_over(struct steer_job *job)
{
	if (job->at < job->count || job->pending > 0)
		return;
	if (list_linked(&job->link))
		list_remove(&job->link);
	job->done(job);
}

static void on_durable(struct spool_ticket *ticket, int result)
{
	struct steer_mark *mark = container_of(ticket, struct steer_mark, ticket);
	struct steer_job *job = mark->job;

	if (result < 0)
		note(job, mark->at, STEER_FAILED);
	free(mark);
	job->pending--;
	end_if_over(job);
}

/* STEER_AGAIN: the same again in a later turn. */
static enum steer_result one(struct steer_job *job, struct mail *m)
{
	struct steer_mark *mark = malloc(sizeof(*mark));
	enum steer_result result;
	bool recorded;

	if (!mark)
		return STEER_FAILED;
	*mark = (struct steer_mark){.ticket = {.fn = on_durable}, .job = job, .at = job->at};
	list_init(&mark->ticket.link);
	result = steer_mail(job->shard, m, &job->order, &mark->ticket, &recorded);
	job->pending += recorded;
	if (!recorded)
		free(mark);
	return result;
}

/* All of the message that is in this spool. False: not now. */
static bool step(struct steer_job *job)
{
	const struct message_id *id = &job->ids[job->at];
	enum steer_result result;

	for (unsigned part = 0; part <= job->shard->store->part_most; part++) {
		struct mail *m = (struct mail *)(uintptr_t)store_find_part(job->shard, *id, part);
		if (!m)
			continue;
		result = one(job, m);
		/* What was done of it already is so still. */
		if (result == STEER_AGAIN)
			return false;
		note(job, job->at, result);
	}
	job->at++;
	return true;
}

void steer_begin(struct shard *shard, struct steer_job *job)
{
	job->shard = shard;
	job->at = 0;
	job->pending = 0;
	job->stopped = false;
	list_init(&job->link);
	list_append(&shard->deliverer->steers, &job->link);
}

/* Nothing more of it is begun. */
static void give_up(struct steer_job *job)
{
	for (; job->at < job->count; job->at++)
		note(job, job->at, STEER_FAILED);
}

static void run(struct steer_job *job, uint64_t until_ns)
{
	struct list *all = &job->shard->deliverer->steers;

	job->stopped = false;
	/* Where the shard drains nobody is to wait for ever. */
	if (job->shard->draining || (job->wanted && !job->wanted(job)))
		give_up(job);
	for (unsigned n = 0; n < SLICE && job->at < job->count && !job->stopped; n++) {
		job->stopped = !step(job);
		if (clock_monotonic_ns() >= until_ns)
			break;
	}
	/* Another one's turn is the next, whether this one could do something or not. */
	list_remove(&job->link);
	if (job->at < job->count)
		list_append(all, &job->link);
	else
		end_if_over(job);
}

/* Who finds no room, for a report above all, holds up none behind him: of them a done record may be all. */
static void end_those_back(struct shard *shard)
{
	struct list *all = &shard->deliverer->deleting, *link, *failed = NULL;

	if (shard->now_ns < shard->deliverer->deleting_ns)
		return;
	for (unsigned n = 0; n < BACK_SLICE && all->next != failed && (link = list_take_first(all)) != NULL; n++) {
		struct delivery *d = container_of(link, struct delivery, link);
		if (steer_back(shard, d))
			continue;
		list_append(all, &d->link);
		failed = failed ? failed : link;
		shard->deliverer->deleting_ns = shard->now_ns + BACK_AGAIN_NS;
	}
}

void steer_run(struct shard *shard)
{
	struct deliverer *deliverer = shard->deliverer;
	struct list *all = &deliverer->steers;
	struct visit_turn turn;
	uint64_t now_ns;

	end_those_back(shard);
	if (list_empty(all))
		return;
	now_ns = clock_monotonic_ns();
	if (now_ns < deliverer->steers_ns && !shard->draining)
		return;
	turn = visit_turn_begin(now_ns);
	run(container_of(all->next, struct steer_job, link), turn.until_ns);
	deliverer->steers_ns = visit_turn_end(&shard->visits, &turn);
}

uint64_t steer_next_ns(const struct shard *shard)
{
	const struct list *all = &shard->deliverer->steers, *link;

	for (link = all->next; link != all; link = link->next) {
		if (!container_of(link, const struct steer_job, link)->stopped)
			return shard->deliverer->steers_ns;
	}
	return UINT64_MAX;
}

bool steer_waits(const struct shard *shard)
{
	return !list_empty(&shard->deliverer->steers) || !list_empty(&shard->deliverer->deleting);
}
