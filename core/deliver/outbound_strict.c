/*
 * core/deliver/outbound_strict.c - messages that may not go over every connection (strict_tls.h): another host of the
 * destination is looked for that may carry them, and they wait meanwhile. Others' mail goes on.
 */
#include "core/deliver/attempt.h"
#include "core/deliver/connection.h"
#include "core/deliver/hold.h"
#include "core/deliver/outbound_private.h"
#include "core/deliver/strict_tls.h"
#include "core/shard/shard.h"

/* A connection is in the making, or all that may carry it are busy. */
enum { AGAIN_MS = 250 };

/* When a host other than this one may be asked that is not known to be of no use; UINT64_MAX: there is none. */
static uint64_t other_host_ns(const struct outbound *o, const struct host *lacking)
{
	uint64_t now_ns = o->shard->now_ns, first_ns = UINT64_MAX;
	size_t i;

	for (i = 0; i < o->host_count; i++) {
		const struct host *host = o->hosts[i];
		uint64_t at_ns = host->blocked_until_ns, probe_ns = atomic_load(&host->hold->probe_ns);
		if (host == lacking || host_not_strict(host, now_ns))
			continue;
		at_ns = probe_ns > at_ns ? probe_ns : at_ns;
		at_ns = at_ns > now_ns ? at_ns : now_ns;
		first_ns = at_ns < first_ns ? at_ns : first_ns;
	}
	return first_ns;
}

/* *any: there is one, though it may have no room. */
static struct connection *find(struct outbound *o, const struct attempt *a, bool *any, uint64_t *next_ns)
{
	struct list *link, *next;

	for (link = o->usable.next; link != &o->usable; link = next) {
		struct connection *c = container_of(link, struct connection, usable);
		next = link->next;
		if (c->state > CONNECTION_READY || c->retiring || (c->state == CONNECTION_READY && strict_tls_lacks(c)))
			continue;
		*any |= c->state == CONNECTION_READY || !host_not_strict(c->host, o->shard->now_ns);
		if (c->state == CONNECTION_READY && (a->delivery->broken == 0 || c->attempt_count == 0) &&
		    outbound_takes(o, c, next_ns))
			return c;
	}
	return NULL;
}

bool outbound_strict_waits(struct outbound *o, struct attempt *a, struct connection **c, uint64_t *next_ns)
{
	uint64_t now_ns = o->shard->now_ns, again_ns = now_ns + AGAIN_MS * CLOCK_NS_PER_MS, at_ns;
	struct connection *other;
	bool any = false;

	if (!a->envelope.require_tls || !strict_tls_lacks(*c))
		return false;
	other = find(o, a, &any, next_ns);
	if (other) {
		connection_write(*c);
		*c = other;
		return false;
	}
	at_ns = any ? now_ns : other_host_ns(o, (*c)->host);
	if (at_ns == UINT64_MAX)
		return false;
	if (!any && at_ns == now_ns && !outbound_grow_strict(o, next_ns))
		connection_retire(*c); /* once what it has is answered: its place is needed */
	(void)lane_defer(&o->lane, attempt_undo(a), at_ns > again_ns ? at_ns : again_ns);
	return true;
}
