/*
 * core/deliver/outbound.c - see outbound.h.
 */
#include "core/deliver/outbound.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/config/config.h"
#include "core/deliver/attempt.h"
#include "core/deliver/connection.h"
#include "core/deliver/hold.h"
#include "core/deliver/outbound_private.h"
#include "core/route/place.h"
#include "core/route/plan.h"
#include "core/shard/shard.h"

static void on_timer(struct wheel_timer *timer)
{
	struct outbound *o = container_of(timer, struct outbound, timer);

	outbound_wake(o->shard, o->index);
}

int outbound_init(struct outbound *o, struct shard *shard, unsigned index)
{
	const struct lane_plan *plan = &shard->plan->lanes[index];
	const struct config_destination *destination = &shard->config->destinations[plan->destination];
	size_t i;

	o->shard = shard;
	o->index = index;
	o->destination = destination;
	o->limit = plan->connections;
	list_init(&o->connections);
	list_init(&o->loaded);
	list_init(&o->wake);
	wheel_timer_init(&o->timer, on_timer);
	o->hosts = calloc(destination->host_count, sizeof(*o->hosts));
	if (!o->hosts)
		return -ENOMEM;
	for (i = 0; i < destination->host_count; i++) {
		o->hosts[i].config = &destination->hosts[i];
		o->hosts[i].hold = &shard->deliverer->shared->holds[plan->destination].hosts[i];
		names_init(o, &o->hosts[i]);
	}
	o->tls = shard->deliverer->shared->tls[plan->destination];
	return 0;
}

void outbound_deinit(struct outbound *o)
{
	size_t i;

	for (i = 0; o->hosts && i < o->destination->host_count; i++) {
		if (o->hosts[i].ticket)
			tls_ticket_free(o->hosts[i].ticket);
	}
	free(o->hosts);
	lane_deinit(&o->lane);
}

void outbound_due(struct shard *shard, struct delivery *d, uint64_t due_ns)
{
	struct outbound *o = &shard->deliverer->outbound[d->lane];

	if (due_ns == STORE_DUE_NOW)
		lane_ready(&o->lane, d);
	else
		(void)lane_defer(&o->lane, d, due_ns);
	/* Not where recovery fills the lane: outbound_init() follows. */
	if (o->shard)
		outbound_wake(shard, d->lane);
}

/* ---- dispatch ----------------------------------------------------------------------------------------------- */

static struct connection *with_room(struct outbound *o)
{
	struct list *link;

	for (link = o->connections.next; link != &o->connections; link = link->next) {
		struct connection *c = container_of(link, struct connection, link);
		if (connection_has_room(c))
			return c;
		/* Learned while it was idle, or busy with more than that. Where the host is held a probe stays until it
		 * is answered; one that proved nothing makes room for the next. */
		if (c->state == CONNECTION_READY && !c->retiring &&
		    (connection_at_limit(c) ||
		     (hold_in_force(c->host->hold) && (!c->probe || (c->messages > 0 && c->attempt_count == 0))))) {
			connection_retire(c);
			continue;
		}
		/* Asked for because something waits. */
		if (c->attempt_count >= c->window.limit)
			window_limited(&c->window);
	}
	return NULL;
}

/* What broke a connection before is sent alone, so that it takes none of the others with it. */
static struct connection *with_nothing(struct outbound *o)
{
	struct list *link;

	for (link = o->connections.next; link != &o->connections; link = link->next) {
		struct connection *c = container_of(link, struct connection, link);
		if (connection_has_room(c) && c->attempt_count == 0)
			return c;
	}
	return NULL;
}

/* The next attempt whose content is in memory; starts reading for others. */
static struct attempt *next_loaded(struct outbound *o)
{
	while (list_empty(&o->loaded)) {
		struct delivery *d;
		if (o->loading >= OUTBOUND_LOADING_MAX)
			return NULL;
		d = lane_take(&o->lane, o->shard->now_ns);
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
	return o->lane.ready_count + (lane_first_due(&o->lane, o->shard->now_ns) ? o->lane.heap_count : 0);
}

static void dispatch(struct outbound *o)
{
	struct shard *shard = o->shard;
	struct connection *c = NULL;
	uint64_t next_ns = UINT64_MAX;

	if (shard->draining)
		return;
	hold_follow(o, &next_ns);
	while (lane_has(&o->lane, shard->now_ns) || !list_empty(&o->loaded)) {
		struct attempt *a;
		if (!c || !connection_has_room(c)) {
			if (c)
				connection_write(c);
			c = with_room(o);
		}
		if (!c) {
			outbound_grow(o, &next_ns);
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
			c = with_nothing(o);
			if (!c) {
				outbound_grow(o, &next_ns);
				break;
			}
		}
		list_remove(&a->link);
		connection_add(c, a);
		o->rate_count++;
	}
	if (c)
		connection_write(c);
	outbound_succeed(o);
	place_lane_ready(shard, o->index, backlog(o));
	arm(o, next_ns);
}

void outbound_run(struct shard *shard)
{
	struct list now, *link;

	/* What is woken by a dispatch waits for the next turn. */
	list_init(&now);
	while ((link = list_take_first(&shard->deliverer->outbound_wake)) != NULL)
		list_append(&now, link);
	while ((link = list_take_first(&now)) != NULL)
		dispatch(container_of(link, struct outbound, wake));
}

/* ---- drain -------------------------------------------------------------------------------------------------- */

void outbound_drain(struct shard *shard, bool hard)
{
	unsigned i;

	for (i = 0; i < shard->plan->lane_count; i++) {
		struct outbound *o = &shard->deliverer->outbound[i];
		struct list *link, *next;
		if (!o->shard)
			continue;
		while (!list_empty(&o->loaded))
			attempt_give_back(container_of(o->loaded.next, struct attempt, link));
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

	for (i = 0; i < shard->plan->lane_count; i++) {
		const struct outbound *o = &shard->deliverer->outbound[i];
		if (o->shard && (o->connection_count > 0 || o->loading > 0))
			return false;
	}
	return true;
}
