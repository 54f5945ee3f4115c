/*
 * core/deliver/outbound.c - see outbound.h.
 */
#include "core/deliver/outbound.h"

#include <string.h>

#include "core/base/clock.h"
#include "core/config/config.h"
#include "core/deliver/attempt.h"
#include "core/deliver/connection.h"
#include "core/deliver/hold.h"
#include "core/deliver/outbound_private.h"
#include "core/deliver/outbound_site.h"
#include "core/deliver/park.h"
#include "core/deliver/path.h"
#include "core/deliver/slots.h"
#include "core/deliver/tell.h"
#include "core/route/place.h"
#include "core/shard/shard.h"

void outbound_due(struct shard *shard, struct delivery *d, uint64_t due_ns)
{
	struct outbound *o;

	if (parks(d)) {
		park(shard, d);
		return;
	}
	path_place(shard, d);
	o = &shard->deliverer->outbound[d->lane];
	if (due_ns == STORE_DUE_NOW)
		lane_ready(&o->lane, d);
	else
		(void)lane_defer(&o->lane, d, due_ns);
	/* Not where recovery fills the lane: outbound_init() follows. */
	if (o->shard)
		outbound_wake(shard, d->lane);
}

/* ---- dispatch ----------------------------------------------------------------------------------------------- */

static struct connection *with_room(struct outbound *o, uint64_t *next_ns)
{
	struct list *link, *next;

	/* A thousand mailboxes have a thousand connections, of which a few have their turn. */
	for (link = o->usable.next; link != &o->usable; link = next) {
		struct connection *c = container_of(link, struct connection, usable);
		next = link->next;
		if (outbound_takes(o, c, next_ns))
			return c;
	}
	return NULL;
}

/* What broke a connection before is sent alone, so that it takes none of the others with it. */
static struct connection *with_nothing(struct outbound *o, uint64_t *next_ns)
{
	struct list *link, *next;

	for (link = o->usable.next; link != &o->usable; link = next) {
		struct connection *c = container_of(link, struct connection, usable);
		next = link->next;
		if (connection_has_room(c) && c->attempt_count == 0 && outbound_turn(o, c, next_ns))
			return c;
	}
	return NULL;
}

/* The next attempt whose content is in memory; starts reading for others. */
static struct attempt *next_loaded(struct outbound *o)
{
	while (list_empty(&o->loaded)) {
		struct delivery *d;
		if (o->loading >= outbound_ahead(o))
			return NULL;
		d = path_take(o);
		if (!d)
			return NULL;
		if (!outbound_load(o, d)) {
			lane_ready_first(&o->lane, d);
			return NULL;
		}
	}
	return container_of(o->loaded.next, struct attempt, link);
}

static void arm(struct outbound *o, uint64_t next_ns)
{
	uint64_t due = lane_next_due_ns(&o->lane);

	/* What is due already waits for something else than time. */
	if (due > o->shard->now_ns && due < next_ns)
		next_ns = due;
	if (next_ns == UINT64_MAX)
		wheel_disarm(&o->shard->wheel, &o->timer);
	else
		wheel_arm(&o->shard->wheel, &o->timer, next_ns);
}

/* How many wait for a connection: where one is due and was not taken, all that were deferred are about to be. */
static size_t backlog(const struct outbound *o)
{
	return o->lane.ready.count + o->matching.waiting +
	       (lane_first_due(&o->lane, o->shard->now_ns) ? o->lane.heap_count : 0);
}

/* Over any connection, the lane's next always. */
static void send_next(struct outbound *o, uint64_t *next_ns)
{
	struct connection *c = NULL;

	while (lane_has(&o->lane, o->shard->now_ns) || !list_empty(&o->loaded)) {
		struct attempt *a;
		if (!outbound_near(o, next_ns))
			break;
		if (!c || connection_parked(c) || !connection_has_room(c) || !outbound_turn(o, c, next_ns)) {
			if (c)
				connection_write(c);
			c = with_room(o, next_ns);
		}
		if (!c) {
			outbound_grow(o, next_ns);
			break;
		}
		/* Each probe takes another message while there is one: those that were refused are due. */
		if (c->probe)
			lane_prefer_ready(&o->lane);
		a = next_loaded(o);
		if (!a)
			break;
		if (a->delivery->broken > 0 && c->attempt_count > 0) {
			connection_write(c);
			c = with_nothing(o, next_ns);
			if (!c) {
				outbound_grow(o, next_ns);
				break;
			}
		}
		if (outbound_strict_waits(o, a, &c, next_ns) || outbound_refused(a, c))
			continue;
		if (!outbound_granted(o, c, a, next_ns)) {
			/* Its mailbox has had enough, and another one may have not. */
			if (connection_parked(c))
				continue;
			break;
		}
		list_remove(&a->link);
		outbound_charge(&o->lane.ready, a->delivery);
		connection_add(c, a);
		o->rate_count++;
	}
	if (c)
		connection_write(c);
}

/* Of many sites each has a message or two in a turn: they are sealed while they are in the processor's cache. */
static void flush(const struct outbound *o)
{
	const struct list *link;

	for (link = o->connections.next; link != &o->connections; link = link->next) {
		struct connection *c = container_of(link, struct connection, link);
		if (list_linked(&c->transport.dirty))
			transport_flush(&c->transport);
	}
}

/* It sends nothing itself: mail goes on to the sites of its recipients' domains. */
static bool sorts(const struct outbound *o)
{
	return o->destination->mx && !o->mx;
}

/* Nothing is begun, and what was not is where it was. Connections end with what they have begun. */
static void stand_still(struct outbound *o)
{
	struct list *link, *next;

	attempt_give_back_loaded(o);
	for (link = o->connections.next; link != &o->connections; link = next) {
		struct connection *c = container_of(link, struct connection, link);
		next = link->next;
		if (c->state > CONNECTION_READY || c->retiring)
			continue;
		connection_withdraw(c);
	}
	path_gone(o);
	outbound_slots_leave(o);
}

/* By an operator; *next_ns: when to look again. */
static bool is_suspended(struct outbound *o, uint64_t *next_ns)
{
	struct suspensions *all = &o->shard->deliverer->shared->suspensions;
	bool was = o->suspended;

	o->suspended = suspend_holds(all, o->place, o->shard->now_ns, next_ns);
	if (was && !o->suspended)
		tell_suspensions_over(o->shard);
	return o->suspended;
}

static void dispatch(struct outbound *o)
{
	struct shard *shard = o->shard;
	uint64_t next_ns = UINT64_MAX;

	if (o->mx)
		outbound_site_look(o->mx);
	/* Mail of a destination that is gone waits for it. */
	if (shard->draining || o->destination->gone) {
		if (!shard->draining)
			path_gone(o);
		outbound_slots_leave(o);
		return;
	}
	if (is_suspended(o, &next_ns)) {
		stand_still(o);
		arm(o, next_ns);
		return;
	}
	o->slot_wanted = false;
	/* Also where mail only comes when it has a host. */
	if (o->exchangers && o->exchangers->count == 0)
		exchangers_refresh(o->exchangers);
	hold_follow(o, &next_ns);
	if (o->mx && (!o->destination->mx || o->mx->moved)) {
		o->mx->moved = false;
		path_gone(o);
	}
	if (!o->mx)
		path_follow(o, &next_ns);
	outbound_follow_needs(o);
	if (sorts(o)) {
		outbound_sort(o, &next_ns);
	} else if (outbound_matches(o)) {
		outbound_match(o, &next_ns);
	} else {
		send_next(o, &next_ns);
		outbound_succeed(o);
	}
	if (o->mx)
		flush(o);
	outbound_slots_follow(o, &next_ns);
	if (o->mx && outbound_site_follow(o, &next_ns))
		return;
	if (!o->mx)
		place_lane_ready(shard, o->index, backlog(o));
	arm(o, next_ns);
}

/* What is woken by these waits for the next turn. */
static void dispatch_all(struct list *lanes)
{
	struct list *link;

	while ((link = list_take_first(lanes)) != NULL)
		dispatch(container_of(link, struct outbound, wake));
}

/* Those that are awake leave for `sorting`, where they part mail by domains, or for `sending`. */
static void take_woken(struct shard *shard, struct list *sorting, struct list *sending)
{
	struct list *link;

	while ((link = list_take_first(&shard->deliverer->outbound_wake)) != NULL)
		list_append(sorts(container_of(link, struct outbound, wake)) ? sorting : sending, link);
}

void outbound_run(struct shard *shard)
{
	struct list sorting, again, sending;

	turns_run(&shard->deliverer->turns);
	list_init(&sorting);
	list_init(&again);
	list_init(&sending);
	take_woken(shard, &sorting, &sending);
	if (!list_empty(&sorting)) {
		dispatch_all(&sorting);
		/* The sites that were given something send it in the same turn. */
		take_woken(shard, &again, &sending);
	}
	dispatch_all(&sending);
	while (!list_empty(&again))
		list_prepend(&shard->deliverer->outbound_wake, list_take_first(&again));
}

/* ---- an operator's wish ----------------------------------------------------------------------------------------- */

void outbound_try_now(struct outbound *o)
{
	for (size_t i = 0; i < o->host_count; i++) {
		struct host *host = o->hosts[i];
		host->blocked_until_ns = 0;
		for (unsigned k = 0; k < host->addresses.count; k++)
			host->addresses.list[k].blocked_until_ns = 0;
		hold_probe_now(host->hold, o->shard->now_ns);
	}
	outbound_wake(o->shard, o->index);
}

void outbound_look(struct shard *shard, const char *destination, const char *domain)
{
	unsigned i;

	for (i = deliverer_first(shard->deliverer); i < deliverer_end(shard->deliverer);
	     i = deliverer_next(shard->deliverer, i)) {
		struct outbound *o = &shard->deliverer->outbound[i];
		if (!o->shard || !o->destination || strcmp(o->destination->name, destination) != 0)
			continue;
		if (domain[0] && o->domains)
			domains_look(o->domains, domain);
		outbound_wake(shard, i);
	}
}

/* ---- drain -------------------------------------------------------------------------------------------------- */

void outbound_drain(struct shard *shard, bool hard)
{
	unsigned i;

	for (i = deliverer_first(shard->deliverer); i < deliverer_end(shard->deliverer);
	     i = deliverer_next(shard->deliverer, i)) {
		struct outbound *o = &shard->deliverer->outbound[i];
		struct list *link, *next;
		if (!o->shard)
			continue;
		attempt_give_back_loaded(o);
		for (link = o->connections.next; link != &o->connections; link = next) {
			struct connection *c = container_of(link, struct connection, link);
			next = link->next;
			if (hard)
				connection_kill(c, STAGE_QUIT, "shutting down");
			else
				connection_retire(c);
		}
	}
}

bool outbound_idle(const struct shard *shard)
{
	unsigned i;

	for (i = deliverer_first(shard->deliverer); i < deliverer_end(shard->deliverer);
	     i = deliverer_next(shard->deliverer, i)) {
		const struct outbound *o = &shard->deliverer->outbound[i];
		if (o->shard && (o->connection_count > 0 || o->loading > 0 || o->budget_writing))
			return false;
	}
	return true;
}
