/*
 * core/deliver/outbound_sort.c - mail of a destination with `mx: true`: what comes to its lane is read, its recipients
 * are parted by their domains, and each part goes on to the site that takes its domain's mail, or waits with the
 * domain (domain.h).
 *
 * In memory a delivery does not know its domain, and is not made larger to know. What is new is in memory anyway; what
 * was deferred comes here when it is due, so that the DNS is asked for where it goes then. Where the site has a
 * connection with room the message goes there as it was read; else it is forgotten, and read when its turn comes.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/base/clock.h"
#include "core/config/config.h"
#include "core/deliver/attempt.h"
#include "core/deliver/connection.h"
#include "core/deliver/domain.h"
#include "core/deliver/mx.h"
#include "core/deliver/outbound_private.h"
#include "core/deliver/outbound_site.h"
#include "core/deliver/path.h"
#include "core/shard/shard.h"
#include "core/store/mail.h"

static const char no_domain[] = "5.1.2 mail is not delivered to such a domain as the recipient's";

/* ---- domains of one message ------------------------------------------------------------------------------------- */

static struct span domain_of(struct span address)
{
	uint32_t at = address.length;

	while (at > 0 && address.data[at - 1] != '@')
		at--;
	return (struct span){address.data + at, address.length - at};
}

static bool same(struct span a, struct span b)
{
	return a.length == b.length && strncasecmp(a.data, b.data, a.length) == 0;
}

/* The first recipient that stands in the delivery; *mixed: others are of another domain. */
static struct span first_recipient(const struct attempt *a, bool *mixed)
{
	struct envelope_recipient recipient;
	struct envelope_cursor cursor;
	struct span first = {NULL, 0};

	*mixed = false;
	envelope_first(&a->envelope, &cursor);
	while (!*mixed && envelope_next(&cursor, &recipient)) {
		if (!mail_stands_in(mail_of(a->delivery), a->delivery, recipient.number))
			continue;
		if (!first.data)
			first = recipient.address;
		*mixed = !same(domain_of(first), domain_of(recipient.address));
	}
	return first;
}

/* Which domain each recipient has, by number of those met. */
struct parting {
	struct span *domains;
	uint16_t *part;
	unsigned count, chosen;
};

static bool is_chosen(const void *context, unsigned i)
{
	const struct parting *p = context;

	return p->part[i] == p->chosen;
}

static bool part_all(const struct attempt *a, struct parting *p)
{
	const struct mail *m = mail_of(a->delivery);
	struct envelope_recipient recipient;
	struct envelope_cursor cursor;
	unsigned k = 0;

	*p = (struct parting){calloc(m->recipients, sizeof(*p->domains)), calloc(m->recipients, sizeof(*p->part)), 0,
			      0};
	if (!p->domains || !p->part)
		return false;
	envelope_first(&a->envelope, &cursor);
	while (envelope_next(&cursor, &recipient)) {
		struct span domain = domain_of(recipient.address);
		if (!mail_stands_in(m, a->delivery, recipient.number))
			continue;
		/* Lists are often sorted: most are of the one before. */
		for (k = k < p->count && same(p->domains[k], domain) ? k : 0; k < p->count; k++) {
			if (same(p->domains[k], domain))
				break;
		}
		if (k == p->count)
			p->domains[p->count++] = domain;
		p->part[recipient.number] = (uint16_t)k;
	}
	return true;
}

/* A delivery for each domain; all come to the lane again, now of one domain each. False: no memory, for some. */
static bool part(struct outbound *o, struct attempt *a)
{
	struct mail *m = mail_of(a->delivery);
	struct parting p;
	bool ok = mail_tell_apart(m) == 0 && part_all(a, &p);

	if (mail_tell_apart(m) < 0)
		return false;
	for (p.chosen = 1; ok && p.chosen < p.count; p.chosen++) {
		struct delivery *d = mail_split(m, a->delivery, is_chosen, &p);
		ok = d != NULL;
		if (d)
			lane_ready(&o->lane, d);
	}
	free(p.domains);
	free(p.part);
	return ok;
}

/* ---- one message ------------------------------------------------------------------------------------------------ */

static void refuse(struct attempt *a, const char *name, unsigned code, const char *why)
{
	attempt_reject(a, name, code, why);
}

/* Behind what was handed to it in this turn. A probe is to be whoever's turn it is. */
static bool has_room(const struct outbound *site, uint64_t octets)
{
	const struct lane_site *mx = site->mx;
	const struct list *link;

	for (link = site->usable.next; link != &site->usable; link = link->next) {
		const struct connection *c = container_of(link, struct connection, usable);
		if (!c->probe && connection_has_room(c) && c->attempt_count + mx->handed < c->window.limit &&
		    c->unwritten_octets + mx->handed_octets + octets <= CONNECTION_BACKLOG_MAX)
			return true;
	}
	return false;
}

/* What its site sends at once goes there as it was read, and not by way of the spool's memory once more. */
static bool hand_on(struct domain *domain, struct attempt *a)
{
	struct outbound *site = domain->lane;
	uint64_t octets = mail_of(a->delivery)->content_length, never = UINT64_MAX;
	struct lane_site *mx;

	if (!site || (a->envelope.flags & ENVELOPE_TLS_FREE))
		return false;
	mx = site->mx;
	/* What is there already goes before it. */
	if (site->lane.ready.count > 0 || site->loading > 0 || (mx->handed == 0 && !list_empty(&site->loaded)))
		return false;
	/* What waits for its turn waits in the lane, where it grows old and whoever steers the queue finds it. */
	if (!outbound_near(site, &never))
		return false;
	if (mx->handed >= outbound_ahead(site) || !has_room(site, octets) || !attempt_hand_on(a, site))
		return false;
	mx->handed++;
	mx->handed_octets += octets;
	domain_lend(domain, a->delivery);
	return true;
}

static void place(struct outbound *o, struct attempt *a, uint64_t *next_ns)
{
	char name[MX_NAME_SIZE];
	struct domain *domain;
	const char *why;
	unsigned code;
	bool mixed, free;
	struct span first = first_recipient(a, &mixed);

	if (attempt_parked(a))
		return;
	if (mixed) {
		if (!part(o, a))
			outbound_look_again(o, next_ns);
		attempt_give_back(a);
		return;
	}
	if (!mx_domain(first, name)) {
		refuse(a, "", 550, no_domain);
		return;
	}
	domain = domain_find(o->domains, name);
	if (domain && domain_suspended(domain)) {
		domain_keep(domain, attempt_undo(a));
		return;
	}
	why = domain ? domain_refuses(domain, &code) : NULL;
	if (!domain) {
		attempt_give_back(a);
		outbound_look_again(o, next_ns);
	} else if (why) {
		refuse(a, name, code, why);
	} else if (domain_outlived(domain, a->delivery)) {
		/* It fails, as with a host that is never there. */
		if (a->delivery->attempts < 2)
			a->delivery->attempts = 2;
		attempt_give_up(a, domain->problem ? domain->problem : "nobody knows its domain's hosts");
	} else if (!hand_on(domain, a)) {
		free = a->envelope.flags & ENVELOPE_TLS_FREE;
		domain_take(domain, attempt_undo(a), free);
	}
}

void outbound_sort(struct outbound *o, uint64_t *next_ns)
{
	struct list all, *link;

	o->domains->open = outbound_open;
	outbound_read_ahead(o, &all, next_ns);
	while ((link = list_take_first(&all)) != NULL) {
		list_append(&o->loaded, link);
		place(o, container_of(link, struct attempt, link), next_ns);
	}
	/* Parts of what was of several domains. */
	if (lane_has(&o->lane, o->shard->now_ns) && o->loading < OUTBOUND_LOADING_MAX)
		outbound_wake(o->shard, o->index);
}
