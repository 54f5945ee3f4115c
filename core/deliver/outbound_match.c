/*
 * core/deliver/outbound_match.c - messages that go only by the mailboxes that may send as their sender: match.h says
 * how they wait, and here they are sorted, and given to connections.
 */
#include <string.h>

#include "core/base/clock.h"
#include "core/config/config.h"
#include "core/deliver/attempt.h"
#include "core/deliver/connection.h"
#include "core/deliver/outbound_private.h"
#include "core/deliver/park.h"
#include "core/deliver/path.h"
#include "core/shard/shard.h"

/* What became of a message that was to go. */
enum given {
	GIVEN,   /* it has a connection, or is being read, or may not go at all */
	WANTING, /* there is no connection for it */
	AGAIN,   /* the mailbox has had enough, and another may have not */
	STOPPED, /* nothing goes at present */
};

static const char nobody_may[] =
	"no mailbox of the destination may send as its sender: write it among the senders of one that may, or \"*\"";

bool outbound_match_begin(struct outbound *o)
{
	return !outbound_matches(o) || match_begin(&o->matching, o->mailboxes->count);
}

void outbound_match_end(struct outbound *o)
{
	match_end(&o->matching, &o->lane);
}

/* ---- one message ------------------------------------------------------------------------------------------------- */

/* Once for a dispatch, so that a thousand classes need not look at a thousand connections each. One that is full is to
 * hear once that something waits (window.h), or that it is to be closed. */
static void look_for_room(struct outbound *o)
{
	struct matching *m = &o->matching;
	struct list *link;

	memset(m->room, 0, m->members_size);
	for (link = o->usable.next; link != &o->usable; link = link->next) {
		const struct connection *c = container_of(link, struct connection, usable);
		if (!c->mailbox || c->state != CONNECTION_READY || c->retiring)
			continue;
		if (!c->window.limited || connection_has_room(c))
			m->room[c->seat / 8] |= (uint8_t)(1u << c->seat % 8);
	}
}

/* `alone`: with nothing else on it. */
static struct connection *connection_for(struct outbound *o, const struct match_class *class, bool alone,
					 uint64_t *next_ns)
{
	struct list *link, *next;

	if (!match_has_room(&o->matching, class))
		return NULL;
	for (link = o->usable.next; link != &o->usable; link = next) {
		struct connection *c = container_of(link, struct connection, usable);
		next = link->next;
		if (c->mailbox && match_has(class, c->seat) && (!alone || c->attempt_count == 0) &&
		    outbound_takes(o, c, next_ns))
			return c;
	}
	if (!alone)
		match_no_room(&o->matching, class);
	return NULL;
}

static void put_back(struct outbound *o, struct match_class *class, struct attempt *a)
{
	match_prepend(&o->matching, class, attempt_undo(a));
}

/* The only one in o->loaded. *c: over this one, or a better one. */
static enum given hand(struct outbound *o, struct match_class *class, struct attempt *a, struct connection **c,
		       uint64_t *next_ns)
{
	if (a->delivery->broken > 0 && (*c)->attempt_count > 0) {
		connection_write(*c);
		*c = connection_for(o, class, true, next_ns);
		if (!*c) {
			put_back(o, class, a);
			return WANTING;
		}
	}
	if (outbound_refused(a, *c))
		return GIVEN;
	if (!outbound_granted(o, *c, a, next_ns)) {
		/* What needs more recipients than are left of the day is in the lane again, to be loaded anew. */
		if (!list_empty(&o->loaded))
			put_back(o, class, a);
		return connection_parked(*c) ? AGAIN : STOPPED;
	}
	list_remove(&a->link);
	outbound_charge(&class->mail, a->delivery);
	connection_add(*c, a);
	o->rate_count++;
	return GIVEN;
}

/* The class's next. *reading: it has to be read from disk. */
static enum given give(struct outbound *o, struct match_class *class, struct connection **c, bool *reading,
		       uint64_t *next_ns)
{
	struct delivery *d = fair_next(&class->mail);
	unsigned loading = o->loading;

	/* What has grown too old has gone meanwhile. */
	if (!d)
		return GIVEN;
	match_remove(&o->matching, class, d);
	if (parks(d)) {
		park(o->shard, d);
		return GIVEN;
	}
	if (!outbound_load(o, d)) {
		match_prepend(&o->matching, class, d);
		outbound_look_again(o, next_ns);
		return STOPPED;
	}
	*reading = o->loading > loading;
	/* Being read; or it cannot be, which was told. */
	if (list_empty(&o->loaded))
		return GIVEN;
	return hand(o, class, container_of(o->loaded.next, struct attempt, link), c, next_ns);
}

/* ---- sorting ----------------------------------------------------------------------------------------------------- */

/* What was the first in its line and was read for a connection that had its turn may go at once. */
static enum given place(struct outbound *o, struct attempt *a, bool may_go, uint64_t *next_ns)
{
	bool nobody;
	struct match_class *class =
		match_find(&o->matching, o->destination, a->envelope.sender, &o->lane.ready, &nobody);
	struct delivery *first;
	struct connection *c;
	enum given given = GIVEN;
	bool early;

	if (attempt_parked(a))
		return GIVEN;
	if (nobody) {
		attempt_give_up(a, nobody_may);
		return GIVEN;
	}
	if (!class) {
		attempt_give_back(a);
		outbound_look_again(o, next_ns);
		return GIVEN;
	}
	first = fair_first(&class->mail, a->delivery->client);
	early = first && mail_of(a->delivery)->accepted_wall_ns <= mail_of(first)->accepted_wall_ns;
	if (may_go && (early || !first) && (c = connection_for(o, class, false, next_ns)) != NULL) {
		o->matching.at = class;
		given = hand(o, class, a, &c, next_ns);
		o->matching.at = NULL;
		if (c)
			connection_write(c);
	} else if (early) {
		match_prepend(&o->matching, class, attempt_undo(a));
	} else {
		match_append(&o->matching, class, attempt_undo(a));
	}
	return given;
}

/* False: nothing goes at present. */
static bool sort(struct outbound *o, uint64_t *next_ns)
{
	struct list all, *link;
	bool may_go;

	outbound_read_ahead(o, &all, next_ns);
	may_go = outbound_near(o, next_ns);
	while ((link = list_take_first(&all)) != NULL) {
		list_append(&o->loaded, link);
		if (place(o, container_of(link, struct attempt, link), may_go, next_ns) == STOPPED)
			may_go = false;
	}
	return may_go;
}

/* ---- all --------------------------------------------------------------------------------------------------------- */

/* False: nothing goes at present. */
static bool serve(struct outbound *o, struct match_class *class, uint64_t *next_ns)
{
	struct connection *c = NULL;
	enum given given = GIVEN;
	bool reading = false;
	unsigned n = 0;

	o->matching.at = class;
	while (fair_next(&class->mail) && given != STOPPED && !reading) {
		if (n++ == MATCH_BURST) {
			outbound_wake(o->shard, o->index);
			break;
		}
		if (!c || connection_parked(c) || !outbound_takes(o, c, next_ns)) {
			if (c)
				connection_write(c);
			c = connection_for(o, class, false, next_ns);
		}
		class->wants = !c;
		if (!c)
			break;
		given = give(o, class, &c, &reading, next_ns);
		class->wants = given == WANTING;
		if (given == WANTING)
			break;
	}
	o->matching.at = NULL;
	if (c)
		connection_write(c);
	return given != STOPPED;
}

/* What already has a connection in the making waits for that. */
static void count_on_coming(struct outbound *o)
{
	struct matching *m = &o->matching;
	struct list *link;
	size_t i;

	for (link = o->connections.next; link != &o->connections; link = link->next) {
		const struct connection *c = container_of(link, struct connection, link);
		if (c->state >= CONNECTION_READY || c->slow || !c->mailbox)
			continue;
		for (i = 0; i < m->count; i++)
			m->classes[i]->wants &= !match_has(m->classes[i], c->seat);
	}
}

/* One more connection, and soon another where others want one. */
static void grow(struct outbound *o, uint64_t *next_ns)
{
	uint64_t soon_ns = o->shard->now_ns + OUTBOUND_GROW_MS * CLOCK_NS_PER_MS;

	/* As many are in the making as may be. */
	if (o->connecting >= MATCH_CONNECTING || !match_want(&o->matching))
		return;
	count_on_coming(o);
	if (!match_want(&o->matching))
		return;
	outbound_grow(o, next_ns);
	if (o->grown_ns == o->shard->now_ns && soon_ns < *next_ns)
		*next_ns = soon_ns;
}

void outbound_match(struct outbound *o, uint64_t *next_ns)
{
	struct matching *m = &o->matching;
	bool goes;
	size_t i;

	/* There was no memory for it. */
	if (!m->wanted && !outbound_match_begin(o)) {
		outbound_look_again(o, next_ns);
		return;
	}
	look_for_room(o);
	goes = sort(o, next_ns);
	for (i = 0; i < m->count; i++)
		m->classes[i]->wants = false;
	for (i = 0; goes && i < m->count; i++)
		goes = serve(o, m->classes[(m->turn + i) % m->count], next_ns);
	if (m->count > 0)
		m->turn = (m->turn + 1) % m->count;
	grow(o, next_ns);
}
