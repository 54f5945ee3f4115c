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

static void place(struct shard *shard, struct delivery *d)
{
	struct mail *m = mail_of(d);

	if (d->next_place == DELIVERY_READY)
		shard->store->due(shard, d, STORE_DUE_NOW);
	else if (d->next_place == DELIVERY_WAITING)
		shard->store->due(shard, d, d->due_ns);
	else
		mail_retire(m, d);
	if (mail_owes(m))
		shard->store->owing(shard, m);
}

static_assert((int)STATE_SIZE_MAX <= (int)SPOOL_ENVELOPE_MAX, "the largest state fits a record");

static int append_state(struct shard *shard, struct mail *m, const struct state_reply *told)
{
	uint64_t wall_ns = clock_wall_ns();
	size_t length = mail_encode(m, told, shard->now_ns, wall_ns, shard->store->scratch);
	int r;

	assert(length > 0);
	r = spool_append_state(shard->store->spool, &m->item, wall_ns, shard->store->scratch, length, NULL);
	if (r != -EAGAIN)
		m->dirty = false;
	return r;
}

/* With this delivery all is over, and nobody is to hear of it. */
static bool finished(const struct mail *m, const struct delivery *d)
{
	if (m->live > 1 || d->next_place != DELIVERY_NONE || m->reporting)
		return false;
	return !m->fates || (mail_count(m, RECIPIENT_PENDING) == 0 && !mail_owes(m));
}

/* False: no room now. */
static bool write_record(struct shard *shard, struct delivery *d, const struct state_reply *told)
{
	struct mail *m = mail_of(d);
	int r;

	if (finished(m, d)) {
		r = spool_done(shard->store->spool, &m->item, NULL);
		if (r == -EAGAIN)
			return false;
		/* Any other failure: it was delivered, and a restart will deliver it again; the spool's own failure has
		 * been reported. */
		if (r < 0) {
			counter_add(&shard->store->counters.maybe_duplicates, 1);
			spool_drop(shard->store->spool, &m->item);
		}
		mail_retire(m, d);
		store_forget(shard, m);
		return true;
	}
	if (m->dirty && append_state(shard, m, told) == -EAGAIN)
		return false;
	/* -ENOSPC, -EIO: the older state on disk stays true enough: at worst one more attempt after a restart. */
	place(shard, d);
	return true;
}

/* What was said is still to be known when the record is written. */
static void remember(struct mail *m, const struct delivery *d, const struct state_reply *told)
{
	if (told && !m->fates && d->next_place != DELIVERY_NONE && mail_tell_apart(m) == 0)
		mail_answer_all(m, d, told);
}

void record_append(struct shard *shard, struct delivery *d, const struct state_reply *told)
{
	d->place = DELIVERY_NONE;
	mail_of(d)->dirty = true;
	if (write_record(shard, d, told))
		return;
	remember(mail_of(d), d, told);
	list_append(&shard->store->settling, &d->link);
}

void record_beside(struct shard *shard, struct delivery *d)
{
	d->place = DELIVERY_NONE;
	if (!write_record(shard, d, NULL))
		list_append(&shard->store->settling, &d->link);
}

int record_fate(struct shard *shard, struct mail *m, struct spool_ticket *ticket)
{
	uint64_t wall_ns = clock_wall_ns();
	size_t length = mail_encode(m, NULL, shard->now_ns, wall_ns, shard->store->scratch);

	return spool_append_fate(shard->store->spool, &m->item, wall_ns, shard->store->scratch, length, ticket);
}

int record_state(struct shard *shard, struct mail *m, struct spool_ticket *ticket)
{
	uint64_t wall_ns = clock_wall_ns();
	size_t length = mail_encode(m, NULL, shard->now_ns, wall_ns, shard->store->scratch);

	return spool_append_state(shard->store->spool, &m->item, wall_ns, shard->store->scratch, length, ticket);
}

int record_reported(struct shard *shard, struct mail *m, struct spool_ticket *ticket)
{
	int r;

	if (m->live > 0 || mail_owes(m))
		return record_fate(shard, m, ticket);
	r = spool_done(shard->store->spool, &m->item, ticket);
	if (r == 0)
		store_forget(shard, m);
	return r;
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
