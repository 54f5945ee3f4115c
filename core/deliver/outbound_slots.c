/*
 * core/deliver/outbound_slots.c - whether a lane may have one more connection, and when it gives one up: slots.h says
 * what is shared and how, and here is what that means for a lane.
 *
 * A lane waits only while it has fewer than its share of what there is, and gives one up only where it has more; so
 * where there are as many slots as lanes nothing is ever passed to and fro. Where there are fewer they take turns, and
 * one lasts as many set-ups as make the time that they take small beside it.
 */
#include "core/base/clock.h"
#include "core/config/config.h"
#include "core/deliver/connection.h"
#include "core/deliver/outbound_private.h"
#include "core/deliver/slots.h"
#include "core/shard/shard.h"

enum {
	TURN_SETUPS = 10, /* a turn is so many times as long as a set-up */
	TURN_MS = 250,    /* and at least this */
	TURN_MAX_MS = 5000,
	PROMISE_MS = 5000, /* a connection that has not ended by then is not waited for any more */
};

/* ---- taken and given back ---------------------------------------------------------------------------------------- */

static void knock_holders(struct outbound *o)
{
	outbound_knock_all(o, atomic_load(&o->slots->holding) & ~(UINT64_C(1) << o->number));
}

static bool has_share(const struct outbound *o)
{
	bool rotate;

	return o->slots_held > 0 && o->slots_held >= slots_share(o->slots, o->number, &rotate);
}

bool outbound_slot_take_spare(struct outbound *o)
{
	if (!slots_take_spare(o->slots, o->number, o->most))
		return false;
	o->slots_held++;
	return true;
}

bool outbound_slot_take(struct outbound *o)
{
	bool first;

	if (outbound_slot_take_spare(o))
		return true;
	if (has_share(o) && !slots_registered(o->slots, o->number))
		return false;
	o->slot_wanted = true;
	if (slots_take(o->slots, o->number, o->most, &first)) {
		o->slots_held++;
		return true;
	}
	/* They may be asleep. */
	if (first)
		knock_holders(o);
	return false;
}

bool outbound_slot_called(const struct outbound *o)
{
	return atomic_load_explicit(&o->slots->called, memory_order_relaxed) >> o->number & 1;
}

void outbound_slot_unused(struct outbound *o)
{
	o->slot_wanted = false;
	o->slots_held--;
	outbound_knock(o, slots_give_back(o->slots, o->number, o->most, o->slots_held == 0));
}

void outbound_slot_without_mailbox(struct outbound *o)
{
	o->slots_held--;
	slots_put_back(o->slots, o->number, o->slots_held == 0);
	o->slot_wanted = !has_share(o);
	if (o->slot_wanted && slots_wait(o->slots, o->number))
		knock_holders(o);
}

static void promise_over(struct connection *c)
{
	if (!c->promised)
		return;
	c->promised = false;
	c->outbound->slots_promised--;
	slots_promise_over(c->outbound->slots);
}

void outbound_slot_back(struct connection *c)
{
	struct outbound *o = c->outbound;

	o->slots_held--;
	outbound_knock(o, slots_give_back(o->slots, o->number, o->most, o->slots_held == 0));
	promise_over(c);
}

void outbound_slots_leave(struct outbound *o)
{
	if (slots_registered(o->slots, o->number))
		outbound_knock(o, slots_leave(o->slots, o->number, o->most, o->slots_held == 0));
}

/* ---- given up ---------------------------------------------------------------------------------------------------- */

static bool leaving(const struct connection *c)
{
	return c->retiring || c->state >= CONNECTION_QUITTING;
}

/* What does not come is not counted on, and others give up one instead. */
static void forget_late(struct outbound *o, uint64_t *next_ns)
{
	bool any = false;
	struct list *link;

	for (link = o->connections.next; link != &o->connections && o->slots_promised > 0; link = link->next) {
		struct connection *c = container_of(link, struct connection, link);
		uint64_t until_ns = c->promised_ns + PROMISE_MS * CLOCK_NS_PER_MS;
		if (!c->promised)
			continue;
		if (o->shard->now_ns >= until_ns) {
			promise_over(c);
			any = true;
		} else if (until_ns < *next_ns) {
			*next_ns = until_ns;
		}
	}
	if (any)
		knock_holders(o);
}

/* The one whose end costs least: READY, and no probe, which is to find something out. */
static struct connection *least_busy(const struct outbound *o)
{
	struct connection *best = NULL;
	struct list *link;

	for (link = o->connections.next; link != &o->connections; link = link->next) {
		struct connection *c = container_of(link, struct connection, link);
		if (c->state == CONNECTION_READY && !leaving(c) && !c->probe && !c->mailbox_probe &&
		    (!best || c->attempt_count < best->attempt_count))
			best = c;
	}
	return best;
}

static uint64_t turn_ends_ns(const struct connection *c)
{
	uint64_t turn_ns = TURN_SETUPS * c->host->setup_ns;

	/* One that has sent nothing has not had its turn. */
	if (turn_ns > TURN_MAX_MS * CLOCK_NS_PER_MS || c->messages == 0)
		turn_ns = TURN_MAX_MS * CLOCK_NS_PER_MS;
	if (turn_ns < TURN_MS * CLOCK_NS_PER_MS)
		turn_ns = TURN_MS * CLOCK_NS_PER_MS;
	return c->opened_ns + c->host->setup_ns + turn_ns;
}

static unsigned staying(const struct outbound *o)
{
	unsigned n = 0;
	struct list *link;

	for (link = o->connections.next; link != &o->connections; link = link->next)
		n += !leaving(container_of(link, struct connection, link));
	return n;
}

/* Of so many that stay: the one to be given up, or NULL, or not before *next_ns. */
static struct connection *to_give_up(const struct outbound *o, unsigned stay, uint64_t *next_ns)
{
	bool rotate, excess = atomic_load_explicit(&o->slots->taken, memory_order_relaxed) > o->most;
	unsigned share = slots_share(o->slots, o->number, &rotate);
	struct connection *c = stay > 0 ? least_busy(o) : NULL;

	if (!c || excess || stay > share || (!outbound_has_mail(o) && c->attempt_count == 0))
		return c;
	if (!rotate)
		return NULL;
	if (o->shard->now_ns >= turn_ends_ns(c))
		return c;
	if (turn_ends_ns(c) < *next_ns)
		*next_ns = turn_ends_ns(c);
	return NULL;
}

static void give_up(struct outbound *o, uint64_t *next_ns)
{
	unsigned stay = staying(o);
	struct connection *c;

	while ((c = to_give_up(o, stay, next_ns)) != NULL && slots_promise(o->slots, o->number, o->most)) {
		c->promised = true;
		c->promised_ns = o->shard->now_ns;
		o->slots_promised++;
		stay--;
		if (*next_ns > c->promised_ns + PROMISE_MS * CLOCK_NS_PER_MS)
			*next_ns = c->promised_ns + PROMISE_MS * CLOCK_NS_PER_MS;
		connection_retire(c);
	}
}

void outbound_slots_follow(struct outbound *o, uint64_t *next_ns)
{
	if (!o->slot_wanted)
		outbound_slots_leave(o);
	if (o->slots_held == 0)
		return;
	if (o->slots_promised > 0)
		forget_late(o, next_ns);
	if (slots_pressed(o->slots, o->number, o->most) > 0)
		give_up(o, next_ns);
}
