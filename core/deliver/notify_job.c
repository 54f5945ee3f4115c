/*
 * core/deliver/notify_job.c - one report on its way, in the steps of notify.h.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/config/config.h"
#include "core/deliver/deliverer.h"
#include "core/deliver/notify_private.h"
#include "core/events/reporting.h"
#include "core/shard/shard.h"
#include "core/store/record.h"

static struct notifier *notifier_of(const struct notify_job *job)
{
	return job->shard->deliverer->notifier;
}

/* ---- what is to be found again ----------------------------------------------------------------------------------- */

void notify_again(struct notifier *n)
{
	uint64_t soon_ns = n->shard->now_ns + NOTIFY_AGAIN_S * CLOCK_NS_PER_S;

	n->again = true;
	n->walk_ns = n->walk_ns < soon_ns ? n->walk_ns : soon_ns;
}

void notify_remember(struct notifier *n, const struct mail *m)
{
	if (n->fresh_count == NOTIFY_FRESH_MAX) {
		notify_again(n);
		return;
	}
	n->fresh[(n->fresh_at + n->fresh_count++) % NOTIFY_FRESH_MAX] = m->item.id;
}

/* ---- end --------------------------------------------------------------------------------------------------------- */

static void release_views(struct notify_job *job)
{
	if (job->view_held)
		spool_view_release(&job->view);
	if (job->part_held)
		spool_view_release(&job->part);
	if (job->last_held)
		spool_view_release(&job->last);
	job->view_held = job->part_held = job->last_held = job->said_known = false;
}

static void job_free(struct notify_job *job)
{
	struct notifier *n = notifier_of(job);

	release_views(job);
	list_remove(&job->link);
	n->job_count--;
	n->wake = true;
	notify_items_free(job->items, job->count);
	if (job->items != &job->single)
		free(job->items);
	free(job->reports);
	free(job);
}

/* ---- 3: what it is about says so --------------------------------------------------------------------------------- */

static bool has(const uint8_t *bits, unsigned i)
{
	return bits[i / 8] >> i % 8 & 1;
}

/* In memory. A mail whose recipients have one fate is late as a whole where all of them have been told, or where there
 * is no memory to tell them apart: nobody hears of that twice. */
static void mark(const struct notify_item *item)
{
	const uint8_t *delay = item->end + item->octets;
	struct mail *m = item->mail;
	unsigned all = 0, i;

	for (i = 0; i < m->recipients; i++)
		all += has(delay, i);
	if (!m->fates && (all == m->recipients || mail_tell_apart(m) < 0)) {
		m->late = true;
		return;
	}
	for (i = 0; i < m->recipients; i++)
		mail_mark(m, i, (has(item->end, i) ? STATE_MARK_TOLD : 0) | (has(delay, i) ? STATE_MARK_DELAY : 0));
}

static void marked(struct notify_job *job, int result)
{
	if (!job->message) {
		job_free(job);
		return;
	}
	job->state = NOTIFY_RELEASED;
	job->held = result < 0;
	submission_release(job->message, !job->held);
}

static void on_marked(struct spool_ticket *ticket, int result)
{
	marked(container_of(ticket, struct notify_job, ticket), result);
}

/* One after the other; the last has the ticket, before which all others are durable. 0, or why it waits. */
static int append_marks(struct notify_job *job)
{
	for (; job->appended < job->count; job->appended++) {
		struct notify_item *item = &job->items[job->appended];
		bool last = job->appended + 1 == job->count;
		struct mail *m = item->mail;
		bool owes = mail_owes(m);
		int r;

		m->reporting = false;
		r = record_reported(job->shard, m, last ? &job->ticket : NULL);
		if (r < 0) {
			m->reporting = true;
			return r;
		}
		/* Of those who are in this report. Others failed meanwhile, or did not fit. */
		if (owes)
			notify_remember(notifier_of(job), m);
		item->mail = NULL;
	}
	return 0;
}

static void write_marks(struct notify_job *job)
{
	int r;

	job->ticket = (struct spool_ticket){.fn = on_marked};
	list_init(&job->ticket.link);
	r = append_marks(job);
	if (r == 0) {
		job->state = NOTIFY_MARKED;
		return;
	}
	job->state = NOTIFY_MARKING;
	/* The spool takes nothing more: the next start finds the report. */
	if (r != -EAGAIN && r != -ENOSPC)
		marked(job, r);
}

static void begin_marks(struct notify_job *job)
{
	job->appended = 0;
	for (unsigned i = 0; i < job->count; i++)
		mark(&job->items[i]);
	write_marks(job);
}

/* No report comes of it. A mail whose last recipient was delivered meanwhile is over, and it is for the job to say so,
 * because a mail that somebody has is ended by nobody else. */
static void leave(struct notify_job *job)
{
	const struct mail *m = job->items == &job->single ? job->single.mail : NULL;

	if (!m || m->live > 0 || mail_owes(m)) {
		job_free(job);
		return;
	}
	release_views(job);
	job->appended = 0;
	write_marks(job);
}

/* Nothing was written: its mail is as it was, and is found again. */
static void later(struct notify_job *job)
{
	notify_again(notifier_of(job));
	if (job->message)
		submission_abort(job->message);
	job->message = NULL;
	leave(job);
}

/* ---- 2 and 4: the report ----------------------------------------------------------------------------------------- */

static void on_held(struct submission *m)
{
	begin_marks(m->context);
}

static void tell(const struct notify_job *job)
{
	const struct event_report facts = {
		.id = job->id,
		.about = job->about,
		.kind = job->kind,
		.to = span_text(job->to),
		.messages = job->count,
		.recipients = job->told,
		.held = job->held,
	};

	event_report(job->shard->log, &facts);
}

static void on_answered(struct submission *m)
{
	struct notify_job *job = m->context;
	int result = m->result;

	submission_free(m);
	job->message = NULL;
	if (job->state == NOTIFY_RELEASED) {
		tell(job);
		job_free(job);
		return;
	}
	/* Perhaps it is on the disk, perhaps not: the next start knows. Until then nobody is told twice. */
	for (unsigned i = 0; result == SUBMISSION_UNDECIDED && i < job->count; i++)
		job->items[i].mail->unreported = true;
	later(job);
}

static void on_part_stored(struct submission *m)
{
	(void)m;
}

static const struct submission_handlers handlers = {
	.on_answered = on_answered, .on_part_stored = on_part_stored, .on_held = on_held};

static void add_report(struct notify_job *job, const struct notify_item *item, unsigned what, const uint8_t *bits)
{
	struct letter *letter = &job->message->letter;
	uint32_t length = item->octets;

	while (length > 0 && bits[length - 1] == 0)
		length--;
	job->reports[letter->report_count++] = (struct envelope_report){
		.high = item->mail->item.id.high,
		.low = item->mail->item.id.low,
		.what = (uint8_t)what,
		.recipients = {(const char *)bits, length},
	};
}

static int add_reports(struct notify_job *job)
{
	job->reports = calloc(2 * (size_t)job->count, sizeof(*job->reports));
	if (!job->reports)
		return -ENOMEM;
	for (unsigned i = 0; i < job->count; i++) {
		const struct notify_item *item = &job->items[i];
		if (item->ends)
			add_report(job, item, ENVELOPE_REPORTED_END, item->end);
		if (item->delays)
			add_report(job, item, ENVELOPE_REPORTED_DELAY, item->end + item->octets);
	}
	job->message->letter.reports = job->reports;
	return 0;
}

/* Without its content. */
static int begin_message(struct notify_job *job)
{
	static const struct span none = {"", 0};
	struct addressee who = {.destination = (uint16_t)job->destination, .address = span_text(job->to)};
	struct submission *m = submission_new(job->shard, &handlers, job);

	if (!m)
		return -ENOMEM;
	job->message = m;
	m->letter.wall_ns = clock_wall_ns();
	m->letter.id = job->id = message_id_next(&job->shard->store->ids, m->letter.wall_ns);
	m->letter.peer = m->letter.client = m->letter.owner = m->letter.device = none;
	m->letter.held = true;
	if (!submission_envelope_start(m, none, none) || submission_add_recipient(m, &who) != SUBMISSION_ADDED)
		return -ENOMEM;
	m->state = SUBMISSION_CONTENT;
	return 0;
}

/* ---- 1: what it is about ----------------------------------------------------------------------------------------- */

static void store(struct notify_job *job)
{
	job->state = NOTIFY_STORING;
	submission_commit(job->message);
}

static void on_noted(struct spool_ticket *ticket, int result)
{
	struct notify_job *job = container_of(ticket, struct notify_job, ticket);

	if (result < 0) {
		later(job);
		return;
	}
	store(job);
}

static void note(struct notify_job *job)
{
	int r = 0;

	job->ticket = (struct spool_ticket){.fn = on_noted};
	list_init(&job->ticket.link);
	job->state = NOTIFY_NOTING;
	/* What waits is durable as it is. */
	if (job->count == 1 && !job->single.ends) {
		store(job);
		return;
	}
	for (; job->appended < job->count; job->appended++) {
		bool last = job->appended + 1 == job->count;
		r = record_fate(job->shard, job->items[job->appended].mail, last ? &job->ticket : NULL);
		if (r == -EAGAIN)
			return;
		if (r < 0) {
			later(job);
			return;
		}
	}
	job->state = NOTIFY_NOTED;
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

/* Nobody is told of anything of it: only marks are set, and where nothing is left it ends. */
static void settle_silently(struct notify_job *job, const char *why)
{
	const struct mail *m = job->items->mail;
	bool owed = mail_owes(m);

	release_views(job);
	if (why && owed)
		event_unreported(job->shard->log, delivery_message_id(m->item.id), why,
				 mail_count(m, RECIPIENT_FAILED));
	if (!job->items->ends && !job->items->delays) {
		leave(job);
		return;
	}
	begin_marks(job);
}

/* A digest is of what failed. That it is late, or was handed on, is not told where there is too much to be told. */
static void digest(struct notifier *n, struct notify_job *job, const struct report_recipient *recipients,
		   unsigned count)
{
	unsigned failed = 0, first = 0;

	for (unsigned i = count; i-- > 0;) {
		if (recipients[i].action != REPORT_FAILED)
			continue;
		failed++;
		first = i;
	}
	if (failed == 0) {
		settle_silently(job, NULL);
		return;
	}
	if (!notify_digest_add(n, job, &recipients[first], failed - 1)) {
		notify_deny(n, job->single.mail, job->to, n->shard->now_ns + NOTIFY_FULL_S * CLOCK_NS_PER_S);
		notify_again(n);
	}
	job_free(job);
}

static bool limited(struct notify_job *job, const struct report_recipient *recipients, const uint16_t *index,
		    unsigned count)
{
	const struct shard *shard = job->shard;
	const struct notify_claim claim = {
		.to = span_text(job->to),
		.owner = job->instead,
		.old = job->items->mail->accepted_wall_ns < shard->started_wall_ns &&
		       recipients[0].action == REPORT_FAILED,
		.most = shard->config->reports.to_owner_per_hour,
		.now_ns = shard->now_ns,
	};
	struct notifier *n = notifier_of(job);

	switch (notify_may(shard->deliverer->shared->reports, &claim)) {
	case NOTIFY_MAY:
		return false;
	case NOTIFY_MAY_DIGEST:
		for (unsigned i = 0; i < count; i++)
			notify_item_set(job->items, index[i],
					recipients[i].action == REPORT_DELAYED ? STATE_MARK_DELAY : STATE_MARK_TOLD);
		digest(n, job, recipients, count);
		return true;
	case NOTIFY_MAY_LATER:
		notify_deny(n, job->single.mail, job->to, claim.now_ns + NOTIFY_AGAIN_S * CLOCK_NS_PER_S);
		notify_again(n);
		break;
	}
	leave(job);
	return true;
}

static void compose(struct notify_job *job)
{
	struct report_recipient recipients[REPORT_RECIPIENTS_MAX];
	uint16_t index[REPORT_RECIPIENTS_MAX];
	const char *why = notify_addressee(job);
	unsigned count = notify_recipients(job, recipients, index);
	int r;

	if (count == 0) {
		settle_silently(job, why);
		return;
	}
	if (limited(job, recipients, index, count))
		return;
	r = begin_message(job);
	if (r == 0)
		r = notify_write(job, recipients, index, count);
	if (r == 0)
		r = add_reports(job);
	release_views(job);
	if (r < 0) {
		later(job);
		return;
	}
	note(job);
}

static void on_header(struct spool_view *view, int result)
{
	struct notify_job *job = container_of(view, struct notify_job, part);

	job->part_held = true;
	if (notifier_of(job)->draining) {
		later(job);
		return;
	}
	/* Without its header rather than not at all. */
	if (result < 0) {
		spool_view_release(view);
		job->part_held = false;
	}
	compose(job);
}

static void read_header(struct notify_job *job)
{
	struct mail *m = job->items->mail;

	if (m->item.part_count == 0)
		compose(job);
	else if (spool_view(job->shard->store->spool, &job->part, &m->item.parts[0], on_header))
		on_header(&job->part, 0);
}

/* Without it rather than not at all. */
static void on_last(struct spool_view *view, int result)
{
	struct notify_job *job = container_of(view, struct notify_job, last);

	job->last_held = true;
	if (notifier_of(job)->draining) {
		later(job);
		return;
	}
	job->said_known = result == 0 && queue_state_decode(view->envelope, view->envelope_length, 0, &job->said) == 0;
	read_header(job);
}

static void read_envelope(struct notify_job *job, int result)
{
	struct mail *m = job->items->mail;

	job->view_held = true;
	if (result < 0 || notifier_of(job)->draining) {
		/* What cannot be read is held, and told where it is to be delivered. */
		m->unreported |= result == -EBADMSG;
		later(job);
		return;
	}
	if (envelope_decode(job->view.envelope, job->view.envelope_length, &job->envelope) < 0 ||
	    job->envelope.recipients != m->recipients) {
		m->unreported = true;
		later(job);
		return;
	}
	/* What one host said to all of them stands only on the disk. */
	if (!job->late || m->fates || m->item.state.segment == 0)
		read_header(job);
	else if (spool_view(job->shard->store->spool, &job->last, &m->item.state, on_last))
		on_last(&job->last, 0);
}

static void on_envelope(struct spool_view *view, int result)
{
	read_envelope(container_of(view, struct notify_job, view), result);
}

static struct notify_job *job_new(struct notifier *n)
{
	struct notify_job *job = calloc(1, sizeof(*job));

	if (!job)
		return NULL;
	job->shard = n->shard;
	job->items = &job->single;
	list_init(&job->link);
	list_append(&n->jobs, &job->link);
	n->job_count++;
	return job;
}

void notify_job_start(struct notifier *n, struct mail *m)
{
	uint64_t after_ns = n->shard->config->reports.delay_after_ns;
	struct notify_job *job = job_new(n);

	if (!job) {
		notify_again(n);
		return;
	}
	job->count = 1;
	job->single.octets = (m->recipients + 7u) / 8;
	job->single.end = calloc(2, job->single.octets);
	if (!job->single.end) {
		later(job);
		return;
	}
	job->single.mail = m;
	m->reporting = true;
	job->about = delivery_message_id(m->item.id);
	job->late = after_ns > 0 && shard_age_ns(n->shard, m->accepted_wall_ns) >= after_ns;
	if (spool_view(n->shard->store->spool, &job->view, &m->item.message, on_envelope))
		read_envelope(job, 0);
}

void notify_job_digest(struct notifier *n, struct notify_digest *d)
{
	struct notify_job *job = job_new(n);
	int r;

	if (!job) {
		notify_again(n);
		notify_digest_emptied(n, d, false);
		return;
	}
	job->instead = d->instead;
	job->destination = d->destination;
	memcpy(job->to, d->to, sizeof(job->to));
	r = begin_message(job);
	if (r == 0)
		r = notify_write_digest(job, d);
	if (r == 0) {
		job->items = d->items;
		job->count = d->count;
		d->items = NULL;
		r = add_reports(job);
	}
	notify_digest_emptied(n, d, job->count > 0);
	if (r < 0) {
		later(job);
		return;
	}
	note(job);
}

/* ---- what waits -------------------------------------------------------------------------------------------------- */

void notify_jobs_run(struct notifier *n)
{
	struct list *link, *next;

	for (link = n->jobs.next; link != &n->jobs; link = next) {
		struct notify_job *job = container_of(link, struct notify_job, link);
		next = link->next;
		if (job->state == NOTIFY_NOTING)
			note(job);
		else if (job->state == NOTIFY_MARKING)
			write_marks(job);
	}
}

void notify_jobs_give_up(struct notifier *n)
{
	struct list *link, *next;

	for (link = n->jobs.next; link != &n->jobs; link = next) {
		struct notify_job *job = container_of(link, struct notify_job, link);
		next = link->next;
		if (job->state == NOTIFY_NOTING)
			later(job);
		else if (job->state == NOTIFY_MARKING)
			marked(job, -EAGAIN);
	}
}
