/*
 * core/deliver/path.c - see path.h.
 */
#include "core/deliver/path.h"

#include "core/base/clock.h"
#include "core/config/config.h"
#include "core/deliver/attempt.h"
#include "core/deliver/connection.h"
#include "core/deliver/hold.h"
#include "core/deliver/outbound.h"
#include "core/deliver/outbound_private.h"
#include "core/deliver/outbound_site.h"
#include "core/deliver/park.h"
#include "core/deliver/tell.h"
#include "core/route/plan.h"
#include "core/shard/shard.h"
#include "core/shard/snapshot.h"

void path_find(struct outbound *o, const struct snapshot *snapshot)
{
	const struct plan *plan = o->shard->plan;
	const struct destination_plan *lanes;
	unsigned i;

	o->other = NULL;
	if (o->destination->fallback == 0)
		return;
	lanes = &plan->destinations[o->destination->fallback - 1];
	for (i = lanes->first_lane; i < lanes->first_lane + lanes->lanes; i++) {
		if (plan->lanes[i].owner == o->shard->index)
			o->other = &o->shard->deliverer->outbound[i];
	}
}

/* ---- which path leads somewhere ---------------------------------------------------------------------------------- */

/* It may be tried now. */
static bool host_usable(const struct host *host, uint64_t now_ns, uint64_t *next_ns)
{
	uint64_t until_ns = host->blocked_until_ns, probe_ns = atomic_load(&host->hold->probe_ns);

	until_ns = probe_ns > until_ns ? probe_ns : until_ns;
	if (until_ns > now_ns && until_ns < *next_ns)
		*next_ns = until_ns;
	return until_ns <= now_ns;
}

static bool limited(const struct outbound *o, uint64_t *next_ns)
{
	if (o->limited_until_ns <= o->shard->now_ns + PATH_LIMITED_S * CLOCK_NS_PER_S)
		return false;
	if (o->limited_until_ns < *next_ns)
		*next_ns = o->limited_until_ns;
	return true;
}

/* Somebody may sign in there now, or has. */
static bool login_usable(const struct outbound *o, uint64_t *next_ns)
{
	uint64_t now_ns = o->shard->now_ns;
	size_t i;

	for (i = 0; o->mailboxes && i < o->mailboxes->count; i++) {
		uint64_t until_ns = atomic_load(&o->mailboxes->entries[i].mailbox->until_ns);
		if (until_ns <= now_ns)
			return true;
		if (until_ns < *next_ns)
			*next_ns = until_ns;
	}
	return !o->mailboxes;
}

static bool usable(const struct outbound *o, uint64_t *next_ns)
{
	size_t i;

	if (!o->shard || o->destination->gone || limited(o, next_ns) || !login_usable(o, next_ns) ||
	    suspend_holds(&o->shard->deliverer->shared->suspensions, o->place, o->shard->now_ns, next_ns))
		return false;
	for (i = 0; i < o->host_count; i++) {
		if (host_usable(o->hosts[i], o->shard->now_ns, next_ns))
			return true;
	}
	return false;
}

bool path_leads(const struct outbound *o)
{
	uint64_t next_ns = UINT64_MAX;

	return usable(o, &next_ns);
}

static bool any_proven(const struct outbound *o)
{
	const struct list *link;

	for (link = o->connections.next; link != &o->connections; link = link->next) {
		const struct connection *c = container_of(link, struct connection, link);
		if (c->state == CONNECTION_READY && c->answered > 0 && !c->retiring && !connection_stopped(c))
			return true;
	}
	return false;
}

/* All hosts have failed, or are held, or nobody says which they are, since this time; 0: one has not. */
static uint64_t down_since_ns(const struct outbound *o)
{
	uint64_t since_ns = o->host_count == 0 && o->exchangers ? o->exchangers->failed_ns : 0;
	size_t i;

	for (i = 0; i < o->host_count; i++) {
		const struct host *host = o->hosts[i];
		uint64_t from_ns = host->failures > 0 ? host->failed_ns : 0;

		if (hold_in_force(host->hold))
			from_ns = atomic_load(&host->hold->since_ns);
		if (from_ns == 0)
			return 0;
		since_ns = from_ns > since_ns ? from_ns : since_ns;
	}
	return any_proven(o) ? 0 : since_ns;
}

/* All mailboxes are held since this time; 0: one is not. *refused: each by a refusal that somebody has to mend. */
static uint64_t held_since_ns(const struct outbound *o, bool *refused)
{
	uint64_t since_ns = 0;
	size_t i;

	*refused = true;
	for (i = 0; o->mailboxes && i < o->mailboxes->count; i++) {
		struct mailbox *mailbox = o->mailboxes->entries[i].mailbox;
		uint64_t from_ns = atomic_load(&mailbox->since_ns);

		if (!mailbox_held(mailbox))
			return 0;
		*refused = *refused && atomic_load(&mailbox->trouble) >= MAILBOX_REFUSED;
		since_ns = from_ns > since_ns ? from_ns : since_ns;
	}
	return any_proven(o) ? 0 : since_ns;
}

/* Why mail of this lane goes nowhere; NULL: it may go. */
static const char *trouble(const struct outbound *o, uint64_t *next_ns)
{
	uint64_t now_ns = o->shard->now_ns, since_ns = down_since_ns(o), when_ns;
	const char *why = "hosts";
	bool refused = false;

	if (limited(o, next_ns))
		return "limits";
	if (since_ns == 0) {
		since_ns = held_since_ns(o, &refused);
		why = "sign_in";
	}
	if (since_ns == 0)
		return NULL;
	when_ns = since_ns + (refused ? 0 : o->destination->fallback_after_ns);
	if (when_ns <= now_ns)
		return why;
	if (when_ns < *next_ns)
		*next_ns = when_ns;
	return NULL;
}

/* ---- from lane to lane ------------------------------------------------------------------------------------------- */

/* The next of its other paths that leads somewhere; NULL: none does, look again at *next_ns. */
static struct outbound *way(const struct outbound *o, uint64_t *next_ns)
{
	struct outbound *to = o->other;

	while (to && !usable(to, next_ns))
		to = to->other;
	return to;
}

static void lend(struct outbound *o, struct outbound *to, struct delivery *d)
{
	if (d->home == 0)
		d->home = (uint16_t)(o->index + 1);
	d->lane = (uint16_t)to->index;
	lane_ready(&to->lane, d);
	to->lent_to = true;
	outbound_wake(to->shard, to->index);
}

/* So many fallbacks on from `from`; *last: the last there is, where there are fewer. */
static bool ahead(struct outbound *from, unsigned steps, struct outbound **last)
{
	*last = from;
	while (steps > 0 && (*last)->other) {
		*last = (*last)->other;
		steps--;
	}
	return steps == 0;
}

void path_place(struct shard *shard, struct delivery *d)
{
	struct outbound *home, *at;

	if (d->home == 0 && d->aside == 0)
		return;
	home = &shard->deliverer->outbound[d->home ? d->home - 1 : d->lane];
	/* By a newer configuration there may be none: then the own path is asked again. */
	if (!ahead(home, d->aside, &at)) {
		d->aside = 0;
		at = home;
	}
	d->home = at == home ? 0 : (uint16_t)(home->index + 1);
	if (d->lane == at->index)
		return;
	d->lane = (uint16_t)at->index;
	outbound_wake(shard, d->lane);
}

static bool leads_here(const struct outbound *o, const struct delivery *d)
{
	const struct outbound *at = &o->shard->deliverer->outbound[d->home - 1];
	unsigned steps = o->shard->deliverer->lane_count;

	if (o->mx)
		return at == o->mx->home;

	while (at && at != o && steps-- > 0)
		at = at->other;
	return at == o;
}

struct delivery *path_take(struct outbound *o)
{
	struct delivery *d;

	while ((d = lane_take(&o->lane, o->shard->now_ns)) != NULL) {
		if (parks(d)) {
			park(o->shard, d);
			continue;
		}
		if (d->home == 0 || leads_here(o, d))
			break;
		path_place(o->shard, d);
		lane_ready(&o->shard->deliverer->outbound[d->lane].lane, d);
	}
	return d;
}

/* All that is there on loan and was not begun goes home, but for what was put aside; each client's mail keeps its
 * order. */
static void give_back(struct outbound *o)
{
	struct list all, *link;
	struct delivery *d;

	attempt_give_back_loaded(o);
	o->lent_to = false;
	list_init(&all);
	while ((d = lane_first_ready(&o->lane)) != NULL) {
		lane_remove(&o->lane, d);
		list_append(&all, &d->link);
	}
	while ((link = list_take_first(&all)) != NULL) {
		d = container_of(link, struct delivery, link);
		path_place(o->shard, d);
		lane_ready(&o->shard->deliverer->outbound[d->lane].lane, d);
	}
}

void path_gone(struct outbound *o)
{
	if (o->lent_to)
		give_back(o);
}

/* Where the own path may be tried one message stays for it, unless one is being tried. */
static void leave(struct outbound *o, uint64_t *next_ns)
{
	bool one = usable(o, next_ns);
	struct outbound *to = way(o, next_ns);
	struct delivery *d;

	if (!one)
		attempt_give_back_loaded(o);
	if (!to)
		return;
	if (one && list_empty(&o->loaded) && o->loading == 0 && o->connection_count == 0 &&
	    (d = path_take(o)) != NULL && !outbound_load(o, d))
		lane_ready_first(&o->lane, d);
	while (to->lane.ready.count < PATH_AHEAD && (d = path_take(o)) != NULL)
		lend(o, to, d);
}

void path_follow(struct outbound *o, uint64_t *next_ns)
{
	const char *why = o->other ? trouble(o, next_ns) : NULL;

	if (o->lent_to && !usable(o, next_ns))
		give_back(o);
	if (why && !o->away) {
		o->away = true;
		o->away_ns = o->shard->now_ns;
		if (atomic_fetch_add(&o->holds->away, 1) == 0)
			tell_path_changed(o, why);
	} else if (!why && o->away) {
		o->away = false;
		if (atomic_fetch_sub(&o->holds->away, 1) == 1)
			tell_path_restored(o);
	}
	if (why)
		leave(o, next_ns);
}

void path_limited(struct outbound *o)
{
	uint64_t never = UINT64_MAX;

	/* Or it would be seen with the next thing that happens here, which may be long. */
	if (o->other && !o->away && limited(o, &never))
		outbound_wake(o->shard, o->index);
}
