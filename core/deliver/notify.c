/*
 * core/deliver/notify.c - see notify.h.
 */
#include "core/deliver/notify.h"

#include <errno.h>
#include <stdlib.h>

#include "core/base/clock.h"
#include "core/config/config.h"
#include "core/deliver/deliverer.h"
#include "core/deliver/notify_private.h"
#include "core/shard/shard.h"
#include "core/store/store.h"

enum {
	WALK_BUCKETS = 2048, /* looked at in a step */
	WALK_STEP_MS = 10,   /* between two of them */
	WALK_DENIED_MS = 50, /* where those that were found had to wait */
	WALK_SAMPLE = 64,    /* one in so many of those that wait is read all the same */
	WALK_PART = 16,      /* of delay_after: so much later than that somebody may hear of it */
	WALK_LEAST_S = 1,
	WALK_MOST_S = 900,
	LATE_UPTIME_S = 600, /* what a start finds may go at once, however late it is */
	RETRY_MS = 100,      /* what waits for room */
};

/* ---- the next walk ----------------------------------------------------------------------------------------------- */

static uint64_t pause_ns(const struct notifier *n)
{
	uint64_t delay_ns = n->shard->config->reports.delay_after_ns, pause_ns = delay_ns / WALK_PART;

	if (n->again)
		return NOTIFY_AGAIN_S * CLOCK_NS_PER_S;
	if (delay_ns == 0 || pause_ns > WALK_MOST_S * CLOCK_NS_PER_S)
		return WALK_MOST_S * CLOCK_NS_PER_S;
	return pause_ns > WALK_LEAST_S * CLOCK_NS_PER_S ? pause_ns : WALK_LEAST_S * CLOCK_NS_PER_S;
}

static void walk_ended(struct notifier *n)
{
	n->walking = false;
	n->walk_ns = n->shard->now_ns + pause_ns(n);
	n->again = false;
}

static bool late(const struct notifier *n, const struct mail *m)
{
	uint64_t after_ns = n->shard->config->reports.delay_after_ns, up_ns = n->shard->now_ns - n->shard->started_ns;
	unsigned i;

	if (after_ns == 0 || m->live == 0 || (up_ns < after_ns && up_ns < LATE_UPTIME_S * CLOCK_NS_PER_S) || m->late ||
	    shard_age_ns(n->shard, m->accepted_wall_ns) < after_ns)
		return false;
	for (i = 0; i < m->recipients; i++) {
		/* What an operator holds is late by his doing. */
		if (mail_status(m, i) == RECIPIENT_PENDING &&
		    !(mail_marks(m, i) & (STATE_MARK_DELAY | STATE_MARK_HELD)))
			return true;
	}
	return false;
}

/* It is for this process to read, and nobody has it. */
static bool free_to_tell(const struct mail *m)
{
	return m->recipients > 0 && m->item.message.segment > 0 && !m->reporting && !m->unreported && !m->leaving;
}

struct found {
	struct notifier *n;
	struct mail *mails[NOTIFY_JOBS_MAX];
	unsigned count, most;
};

static void look_at(void *context, struct spool_item *item)
{
	struct mail *m = container_of(item, struct mail, item);
	struct found *found = context;

	if (!free_to_tell(m) || (!mail_owes(m) && !late(found->n, m)))
		return;
	if (found->count < found->most && !notify_waits(found->n, m))
		found->mails[found->count++] = m;
	else
		found->n->again = true;
}

/* Until there are as many as may be under way. */
static void walk(struct notifier *n)
{
	struct found found = {.n = n, .most = NOTIFY_JOBS_MAX - n->job_count};
	unsigned left = WALK_BUCKETS, i;

	while (left-- > 0 && found.count < found.most && n->walking) {
		n->walk_at = spool_items_of(n->shard->store->spool, n->walk_at, look_at, &found);
		if (n->walk_at == 0)
			walk_ended(n);
	}
	for (i = 0; i < found.count; i++)
		notify_job_start(n, found.mails[i]);
}

/* ---- those that came to it --------------------------------------------------------------------------------------- */

void notify_owing(struct shard *shard, const struct mail *m)
{
	struct notifier *n = shard->deliverer->notifier;

	n->wake = true;
	if (!m->reporting)
		notify_remember(n, m);
}

static void start_fresh(struct notifier *n)
{
	while (n->fresh_count > 0 && n->job_count < NOTIFY_JOBS_MAX) {
		struct mail *m = (struct mail *)(uintptr_t)store_find(n->shard, &n->fresh[n->fresh_at]);
		n->fresh_at = (n->fresh_at + 1) % NOTIFY_FRESH_MAX;
		n->fresh_count--;
		if (m && free_to_tell(m) && mail_owes(m))
			notify_job_start(n, m);
	}
}

/* ---- the turn ---------------------------------------------------------------------------------------------------- */

static void on_timer(struct wheel_timer *timer)
{
	container_of(timer, struct notifier, timer)->wake = true;
}

static bool waits_for_room(const struct notifier *n)
{
	for (const struct list *link = n->jobs.next; link != &n->jobs; link = link->next) {
		enum notify_state state = container_of(link, struct notify_job, link)->state;
		if (state == NOTIFY_NOTING || state == NOTIFY_MARKING)
			return true;
	}
	return false;
}

static void arm(struct notifier *n, uint64_t next_ns)
{
	uint64_t now_ns = n->shard->now_ns, soon_ns = now_ns + RETRY_MS * CLOCK_NS_PER_MS;

	if (n->walking) {
		uint64_t step_ms = n->denied ? WALK_DENIED_MS : WALK_STEP_MS;
		n->walk_ns = now_ns + step_ms * CLOCK_NS_PER_MS;
		n->denied = false;
	}
	next_ns = next_ns < n->walk_ns ? next_ns : n->walk_ns;
	if (waits_for_room(n) && soon_ns < next_ns)
		next_ns = soon_ns;
	wheel_arm(&n->shard->wheel, &n->timer, next_ns > now_ns ? next_ns : now_ns + CLOCK_NS_PER_MS);
}

/* Of those whose time has come; where their address has had one in this hour they wait on. */
static void send_digests(struct notifier *n, uint64_t *next_ns)
{
	struct notify_limits *limits = n->shard->deliverer->shared->reports;
	struct notify_digest *d;

	while (n->job_count < NOTIFY_JOBS_MAX && (d = notify_digest_due(n, next_ns)) != NULL) {
		if (notify_may_digest(limits, span_text(d->to), n->shard->now_ns))
			notify_job_digest(n, d);
		else
			d->not_before_ns = n->shard->now_ns + NOTIFY_FULL_S * CLOCK_NS_PER_S;
	}
}

void notify_run(struct shard *shard)
{
	struct notifier *n = shard->deliverer->notifier;
	uint64_t next_ns = UINT64_MAX;

	if (!n->wake || n->draining)
		return;
	n->wake = false;
	notify_jobs_run(n);
	start_fresh(n);
	send_digests(n, &next_ns);
	if (shard->now_ns >= n->walk_ns) {
		n->walking = true;
		if (n->job_count < NOTIFY_JOBS_MAX)
			walk(n);
	}
	/* A job that ended at once has woken it: those that wait are next. */
	n->wake = n->fresh_count > 0 && n->job_count < NOTIFY_JOBS_MAX;
	arm(n, next_ns);
}

bool notify_due(const struct shard *shard)
{
	const struct notifier *n = shard->deliverer->notifier;

	return n->wake && !n->draining;
}

/* ---- start and end ----------------------------------------------------------------------------------------------- */

int notify_init(struct shard *shard)
{
	struct notifier *n = calloc(1, sizeof(*n));

	if (!n)
		return -ENOMEM;
	n->shard = shard;
	list_init(&n->jobs);
	list_init(&n->digests);
	wheel_timer_init(&n->timer, on_timer);
	shard->deliverer->notifier = n;
	return 0;
}

void notify_follow(struct shard *shard)
{
	struct notifier *n = shard->deliverer->notifier;

	n->walk_ns = shard->now_ns;
	n->wake = true;
}

void notify_drain(struct shard *shard, bool hard)
{
	struct notifier *n = shard->deliverer->notifier;

	if (!n->draining) {
		n->draining = true;
		wheel_disarm(&shard->wheel, &n->timer);
		notify_digests_free(n, true);
	}
	if (hard)
		notify_jobs_give_up(n);
	else
		notify_jobs_run(n);
}

bool notify_idle(const struct shard *shard)
{
	return shard->deliverer->notifier->job_count == 0;
}

void notify_deinit(struct shard *shard)
{
	struct notifier *n = shard->deliverer->notifier;

	if (!n)
		return;
	notify_digests_free(n, false);
	free(n);
}
