/*
 * core/deliver/outbound_strict.c - messages that may not go over every connection (suits.h): another host of the
 * destination is looked for that may carry them, and they wait meanwhile. Others' mail goes on.
 */
#include "core/deliver/attempt.h"
#include "core/deliver/connection.h"
#include "core/deliver/outbound_private.h"
#include "core/deliver/suits.h"
#include "core/shard/shard.h"

/* A connection is in the making, or all that may carry it are busy. */
enum { AGAIN_MS = 250 };

/* *any: there is one, though it may have no room. */
static struct connection *find(struct outbound *o, const struct attempt *a, unsigned needs, bool *any,
			       uint64_t *next_ns)
{
	struct list *link, *next;

	for (link = o->usable.next; link != &o->usable; link = next) {
		struct connection *c = container_of(link, struct connection, usable);
		next = link->next;
		if (c->state > CONNECTION_READY || c->retiring || (c->state == CONNECTION_READY && !suits(c, needs)))
			continue;
		*any |= c->state == CONNECTION_READY || suits_host(c->host, needs, o->shard->now_ns);
		if (c->state == CONNECTION_READY && (a->delivery->broken == 0 || c->attempt_count == 0) &&
		    outbound_takes(o, c, next_ns))
			return c;
	}
	return NULL;
}

bool outbound_strict_waits(struct outbound *o, struct attempt *a, struct connection **c, uint64_t *next_ns)
{
	uint64_t now_ns = o->shard->now_ns, again_ns = now_ns + AGAIN_MS * CLOCK_NS_PER_MS, at_ns;
	unsigned needs = suits_needs(a);
	struct connection *other;
	bool any = false;

	if (!needs || suits(*c, needs))
		return false;
	other = find(o, a, needs, &any, next_ns);
	if (other) {
		connection_write(*c);
		*c = other;
		return false;
	}
	at_ns = any ? now_ns : suits_other_ns(o, needs, (*c)->host);
	if (at_ns == UINT64_MAX)
		return false;
	if (!any && at_ns == now_ns && !outbound_grow_wanted(o, needs, next_ns))
		connection_retire(*c); /* once what it has is answered: its place is needed */
	if (!attempt_parked(a))
		(void)lane_defer(&o->lane, attempt_undo(a), at_ns > again_ns ? at_ns : again_ns);
	return true;
}
