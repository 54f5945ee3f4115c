/*
 * core/deliver/outbound_grow.c - one more connection: when, and to which address of which host.
 */
#include <stdio.h>

#include "core/base/clock.h"
#include "core/config/config.h"
#include "core/deliver/connection.h"
#include "core/deliver/counts.h"
#include "core/deliver/hold.h"
#include "core/deliver/outbound_private.h"
#include "core/deliver/outbound_site.h"
#include "core/deliver/sources.h"
#include "core/deliver/suits.h"
#include "core/deliver/tell.h"
#include "core/deliver/tls_tally.h"
#include "core/shard/shard.h"

/* All mailboxes were looked at for one that may have a connection: not again before so much time for each, so that a
 * thousand are not looked at for every message. */
#define LOOK_NS (CLOCK_NS_PER_MS / 2)

/* What hosts need of TLS is looked at again so often while there are connections to them. */
#define NEEDS_NS CLOCK_NS_PER_S

/* ---- failing and being well ---------------------------------------------------------------------------------- */

static void on_well(struct connection *c)
{
	struct host_address *address = addresses_find(&c->host->addresses, &c->address);
	struct outbound *o = c->outbound;
	struct host *host = c->host;

	if (address)
		addresses_well(address, c->opened_ns);
	if (host->failures > 0)
		tell_host_ok(o, host);
	host->failures = 0;
	host->blocked_until_ns = 0;
}

/* Every way to it has failed. */
static void host_failed(struct outbound *o, struct host *host, const struct host_address *address, enum stage stage,
			const char *reason, uint64_t delay)
{
	if (host->failures++ == 0)
		host->failed_ns = o->shard->now_ns;
	snprintf(o->failure, sizeof(o->failure), "no host takes mail; the last one, %s: %s", host->config->text,
		 reason);
	o->failure_stage = stage;
	tell_host_failed(o, host, address, stage, reason, delay);
}

/* This address of the host could not be used: `stage`, and what it said or the system's reason. NULL: it has none. */
static void not_usable(struct outbound *o, struct host *host, const struct connection *c, enum stage stage,
		       const char *reason)
{
	struct host_address *address = c ? addresses_find(&host->addresses, &c->address) : NULL;
	uint64_t now_ns = o->shard->now_ns;
	uint64_t delay = addresses_backoff_ns(address ? address->failures : host->failures, &o->shard->random);

	/* While it is held the time of the next probe counts, and nothing else. */
	if (hold_in_force(host->hold))
		delay = 0;
	host->probing = false;
	host->window = 0;
	outbound_wake(o->shard, o->index);
	if (address && !addresses_failed(address, c->opened_ns, now_ns, delay))
		return;
	host->blocked_until_ns = address ? addresses_blocked_until_ns(&host->addresses, now_ns) : now_ns + delay;
	o->failures_seen++;
	counter_add(&o->counts->connect_failures, 1);
	/* The host is as well as the best of its addresses (RFC 5321 5.1). */
	if (address && host->addresses.count > 1 && host->blocked_until_ns == 0)
		tell_address_failed(o, host, address, stage, reason, delay);
	else
		host_failed(o, host, address, stage, reason, delay);
	outbound_expire(o);
}

static void on_blamed(struct connection *c, enum stage stage, const char *reason)
{
	not_usable(c->outbound, c->host, c, stage, reason);
}

/* Where no other one can either mail grows old, as it does where no host takes it. */
static void on_put_off(struct connection *c, const char *reason)
{
	struct outbound *o = c->outbound;

	o->failures_seen++;
	counter_add(&o->counts->connect_failures, 1);
	snprintf(o->failure, sizeof(o->failure), "no mailbox can sign in; the last one, %s: %s", c->mailbox->user,
		 reason);
	o->failure_stage = STAGE_AUTH;
	outbound_expire_put_off(o);
}

static void on_closed(struct connection *c)
{
	/* In this order: who is called for the slot finds the mailbox with room. */
	if (c->mailbox)
		mailbox_gone(c->mailbox);
	outbound_slot_back(c);
}

/* ---- choosing ------------------------------------------------------------------------------------------------ */

static void nameless(struct outbound *o, struct host *host)
{
	const char *problem = names_problem(host);
	char why[DNS_PROBLEM_SIZE + 32];

	snprintf(why, sizeof(why), "its name has no address%s%s", problem[0] ? ": " : "", problem);
	not_usable(o, host, NULL, STAGE_CONNECT, why);
}

/* There are only addresses of a family that is in none of source_addresses. */
static void out_of_reach(struct outbound *o, struct host *host, uint64_t *next_ns)
{
	if (host->blocked_until_ns <= o->shard->now_ns)
		not_usable(o, host, NULL, STAGE_CONNECT, "none of its addresses can be reached from source_addresses");
	if (host->blocked_until_ns < *next_ns)
		*next_ns = host->blocked_until_ns;
}

static bool has_connection(const struct outbound *o, const struct host *host)
{
	const struct list *link;

	for (link = o->connections.next; link != &o->connections; link = link->next) {
		if (container_of(link, struct connection, link)->host == host)
			return true;
	}
	return false;
}

/* One of those that are known. Families of which this machine has no source address now are out of the question, and
 * that is not the host's failure. */
static struct host_address *known_address(struct outbound *o, struct host *host, uint64_t *next_ns)
{
	const struct config_sources *sources = &o->destination->sources;
	struct addresses_wish wish = sources_wish(sources, o->destination->prefer);
	const struct dead_sources *dead = o->shard->deliverer->dead_sources;
	uint64_t now_ns = o->shard->now_ns;

	if (!addresses_any(&host->addresses, &wish)) {
		out_of_reach(o, host, next_ns);
		return NULL;
	}
	if (sources->count > 0) {
		wish.v4 = wish.v4 && sources_choose(sources, AF_INET, o->site, dead, now_ns, next_ns);
		wish.v6 = wish.v6 && sources_choose(sources, AF_INET6, o->site, dead, now_ns, next_ns);
	}
	/* Who is asked to come again should come to the same door: greylists are not always shared. Many connections go
	 * to all of them. */
	wish.again = host->addresses.count > 1 && !has_connection(o, host);
	return addresses_choose(&host->addresses, &wish, now_ns, next_ns);
}

/* An address of this host to try now, or NULL and *next_ns. */
static struct host_address *usable_address(struct outbound *o, struct host *host, uint64_t *next_ns)
{
	names_refresh(host);
	if (host->addresses.count > 0)
		return known_address(o, host, next_ns);
	/* An answer that is awaited wakes the lane. */
	if (question_out(&host->name.asked.question))
		return NULL;
	if (host->blocked_until_ns <= o->shard->now_ns)
		nameless(o, host);
	if (host->blocked_until_ns < *next_ns)
		*next_ns = host->blocked_until_ns;
	if (host->name.due_ns < *next_ns)
		*next_ns = host->name.due_ns;
	return NULL;
}

/* Who takes the mail is known, or is being asked. */
static void know_hosts(struct outbound *o, uint64_t *next_ns)
{
	struct exchangers *x = o->exchangers;

	if (!x || !o->destination->mx_of)
		return;
	exchangers_refresh(x);
	/* An answer that is awaited wakes the lane. */
	if (x->count == 0 && !question_out(&x->asked.base.question) && x->due_ns < *next_ns)
		*next_ns = x->due_ns;
}

/* What the domain asks of TLS is known; else it is being asked, and the answer wakes the lane. */
static bool knows_policy(struct outbound *o, uint64_t *next_ns)
{
	if (sts_watch_refresh(o))
		return true;
	if (!sts_watch_out(o->sts) && o->shard->now_ns + CLOCK_NS_PER_S < *next_ns)
		*next_ns = o->shard->now_ns + CLOCK_NS_PER_S; /* no memory */
	return false;
}

/* What it needs of TLS cannot be had now, and nothing is said to it. */
static void bar(struct outbound *o, struct host *host, const char *why, uint64_t *next_ns)
{
	char text[sizeof(host->tlsa.problem) + 120];

	snprintf(text, sizeof(text), "%s%s%s", why, host->tlsa.problem[0] ? ": " : "", host->tlsa.problem);
	if (host->blocked_until_ns <= o->shard->now_ns) {
		tls_tally_barred(o, host, text);
		not_usable(o, host, NULL, STAGE_TLS, text);
	}
	if (host->blocked_until_ns < *next_ns)
		*next_ns = host->blocked_until_ns;
	if (host->tlsa.due_ns > o->shard->now_ns && host->tlsa.due_ns < *next_ns)
		*next_ns = host->tlsa.due_ns;
}

/* One that was held against the host's records when it was made is as good as it was, while nobody can say what the
 * records are by now: it lives no longer than any other. */
static bool outlasts(const struct connection *c, const struct tls_need *need)
{
	return tls_need_covers(&c->tls_need, need) ||
	       (c->host->tls_found.dane == TLS_DANE_UNKNOWN && (c->tls_need.proofs & TLS_PROOF_DANE));
}

/* What it needs has grown since they were made, or it is not to be used: nothing more is begun on them, nor on those
 * in the making, and what waits there goes another way (RELIABILITY I6, POL-01). */
static void retire_weaker(struct outbound *o, const struct host *host, const struct tls_need *need)
{
	struct list *link, *next;

	for (link = o->connections.next; link != &o->connections; link = next) {
		struct connection *c = container_of(link, struct connection, link);
		next = link->next;
		if (c->host != host || c->state > CONNECTION_READY || outlasts(c, need))
			continue;
		connection_withdraw(c);
	}
}

/* What the DNS says of its TLS is known, and lets it be used. *wait: an answer is awaited, and those behind it are not
 * tried before. */
static bool lets_use(struct outbound *o, struct host *host, uint64_t *next_ns, bool *wait)
{
	struct tls_need need;

	*wait = !tlsa_refresh(o, host);
	if (*wait)
		return false;
	tlsa_found(o, host, &host->tls_found);
	/* Where the DNS proves how a host proves itself that counts, and the policy does not (RFC 8461 2). */
	host->tls_found.sts = host->tls_found.dane == TLS_DANE_USABLE ? TLS_STS_ABSENT : sts_watch_found(o, host);
	need = connection_tls_need(o, host);
	if (!tls_need_covers(&host->tls_needed, &need))
		retire_weaker(o, host, &need);
	if (need.barred)
		bar(o, host, need.barred, next_ns);
	else
		host->tls_needed = need;
	return !need.barred;
}

/* Connections that are there may be all that is needed, so it is looked at between them, too. */
void outbound_follow_needs(struct outbound *o)
{
	uint64_t never = UINT64_MAX;
	bool wait;
	size_t i;

	if (o->connection_count == 0 || o->shard->now_ns < o->needs_due_ns)
		return;
	o->needs_due_ns = o->shard->now_ns + NEEDS_NS;
	(void)sts_watch_refresh(o);
	for (i = 0; i < o->host_count; i++) {
		struct host *host = o->hosts[i];
		if ((tlsa_wanted(o, host) || sts_watch_wanted(o)) && has_connection(o, host))
			(void)lets_use(o, host, &never, &wait);
	}
}

/* Passes over those that are known to lack what is needed. */
static struct host *first_usable(struct outbound *o, unsigned needs, uint64_t *next_ns, bool *probe,
				 struct host_address **address)
{
	size_t i;

	for (i = 0; i < o->host_count; i++) {
		struct host *host = o->hosts[i];
		enum hold_claim claim;
		bool wait;
		if (o->mx && outbound_site_behind(o->mx, i))
			continue;
		if (!suits_host(host, needs, o->shard->now_ns))
			continue;
		*address = usable_address(o, host, next_ns);
		if (!*address && names_expected_ns(host) > o->shard->now_ns) {
			if (names_expected_ns(host) < *next_ns)
				*next_ns = names_expected_ns(host);
			return NULL;
		}
		if (!*address)
			continue;
		if (!lets_use(o, host, next_ns, &wait)) {
			if (wait)
				return NULL;
			continue;
		}
		claim = hold_claim(host->hold, o->shard->now_ns, next_ns);
		*probe = claim == HOLD_PROBE;
		if (claim != HOLD_WAIT)
			return host;
	}
	return NULL;
}

/* The first in the configured order that is not to be left alone. *probe: it is held, and it is time to look. */
static struct host *usable_host(struct outbound *o, uint64_t *next_ns, bool *probe, struct host_address **address)
{
	struct host *host = NULL;

	know_hosts(o, next_ns);
	if (!knows_policy(o, next_ns))
		return NULL;
	if (o->wanted)
		host = first_usable(o, o->wanted, next_ns, probe, address);
	return host ? host : first_usable(o, 0, next_ns, probe, address);
}

/* There is an address that neither waits nor is waited for. */
static bool another_way(struct outbound *o)
{
	uint64_t never = UINT64_MAX;
	size_t i;

	for (i = 0; i < o->host_count; i++) {
		struct host *host = o->hosts[i];
		if (o->mx && outbound_site_behind(o->mx, i))
			continue;
		if (!hold_in_force(host->hold) && !connection_tls_need(o, host).barred &&
		    usable_address(o, host, &never))
			return true;
	}
	return false;
}

/* No more connections are allowed. One that nobody has answered, or that has waited for a greeting for as long as a
 * connection may take, gives way to another host or address, where there is one; where there is none it waits on (RFC
 * 5321 4.5.3.2.1). */
static void give_way(struct outbound *o, uint64_t *next_ns)
{
	const uint64_t silent_ns = CONNECTION_SILENT_MS * CLOCK_NS_PER_MS;
	struct list *link;

	for (link = o->connections.next; link != &o->connections; link = link->next) {
		struct connection *c = container_of(link, struct connection, link);
		uint64_t wait_ns = o->shard->config->timeouts.connect_ns;
		if (!c->slow || c->state >= CONNECTION_READY)
			continue;
		if (c->state == CONNECTION_CONNECTING && wait_ns > silent_ns)
			wait_ns = silent_ns;
		if (c->opened_ns + wait_ns > o->shard->now_ns) {
			if (c->opened_ns + wait_ns < *next_ns)
				*next_ns = c->opened_ns + wait_ns;
			continue;
		}
		if (another_way(o))
			connection_give_way(c);
		return;
	}
}

/* It was chosen, and there is nowhere to go for it. */
static void leave_mailbox(const struct outbound *o, struct mailbox *mailbox, bool probe)
{
	if (!mailbox)
		return;
	if (probe)
		mailbox_retry(mailbox, o->shard->now_ns);
	mailbox_gone(mailbox);
}

/* They take turns; of those that may not send soon none is opened. NULL: not before *next_ns. *full: there are some
 * that have as many connections as they may. */
static struct mailbox *choose_mailbox(struct outbound *o, bool *probe, bool *full, uint64_t *next_ns)
{
	size_t i;

	for (i = 0; i < o->mailboxes->count; i++) {
		struct mailbox *mailbox =
			mailbox_choose(o->mailboxes, o->matching.wanted, &o->mailbox_turn, o->destination->connections,
				       o->shard->now_ns, probe, full, next_ns);
		if (!mailbox || *probe || outbound_mailbox_worth(o, mailbox, next_ns))
			return mailbox;
		mailbox_gone(mailbox);
	}
	return NULL;
}

/* With a slot that was taken for it. False: it was given back. */
static bool open_one(struct outbound *o, uint64_t *next_ns)
{
	static const struct connection_handlers handlers = {
		.on_well = on_well, .on_blamed = on_blamed, .on_put_off = on_put_off, .on_closed = on_closed};
	struct host_address *address;
	struct mailbox *mailbox = NULL;
	struct connection *c;
	struct host *host;
	bool probe = false, mailbox_probe = false, full = false;

	if (o->mailboxes && !(mailbox = choose_mailbox(o, &mailbox_probe, &full, next_ns))) {
		if (full)
			outbound_slot_without_mailbox(o);
		else
			outbound_slot_unused(o);
		return false;
	}
	host = usable_host(o, next_ns, &probe, &address);
	if (!host) {
		leave_mailbox(o, mailbox, mailbox_probe);
		outbound_slot_unused(o);
		return false;
	}
	o->grown_ns = o->shard->now_ns;
	c = connection_open(o, host, &address->at, mailbox, &handlers);
	if (!c) {
		leave_mailbox(o, mailbox, mailbox_probe);
		outbound_slot_unused(o);
		*next_ns = o->shard->now_ns + CLOCK_NS_PER_S;
		return false;
	}
	o->wanted = 0;
	addresses_used(&host->addresses, address);
	c->seat = mailbox_seat(o->mailboxes, mailbox);
	c->mailbox_probe = mailbox_probe;
	c->probe = host->probing = probe;
	return true;
}

/* 0: now. */
static uint64_t may_grow_ns(const struct outbound *o)
{
	uint64_t grow_ns = o->connection_count > 0 ? o->grown_ns + OUTBOUND_GROW_MS * CLOCK_NS_PER_MS : 0;

	/* A slot is kept for it: others do not wait meanwhile. */
	if (outbound_slot_called(o))
		return 0;
	return grow_ns > o->look_ns ? grow_ns : o->look_ns;
}

void outbound_grow(struct outbound *o, uint64_t *next_ns)
{
	uint64_t from_ns;

	/* One mailbox that is slow to sign in is not waited for by the mail of others. */
	if (o->connecting >= (o->matching.wanted ? MATCH_CONNECTING : 1))
		return;
	from_ns = may_grow_ns(o);
	if (from_ns > o->shard->now_ns) {
		*next_ns = from_ns < *next_ns ? from_ns : *next_ns;
		return;
	}
	if (!outbound_slot_take(o))
		give_way(o, next_ns);
	else if (!open_one(o, next_ns) && o->mailboxes)
		o->look_ns = o->shard->now_ns + o->mailboxes->count * LOOK_NS;
}

bool outbound_grow_wanted(struct outbound *o, unsigned needs, uint64_t *next_ns)
{
	o->wanted = (uint8_t)needs;
	if (o->connecting > 0)
		return true;
	if (!outbound_slot_take(o))
		return false;
	(void)open_one(o, next_ns);
	return true;
}

/* ---- succession ---------------------------------------------------------------------------------------------- */

enum { RATE_MS = 100, SUCCESSORS_MAX = 4 /* opened at once */ };

static void measure(struct outbound *o)
{
	uint64_t elapsed = o->shard->now_ns - o->rate_since_ns, rate;

	if (elapsed < RATE_MS * CLOCK_NS_PER_MS)
		return;
	rate = o->rate_count * CLOCK_NS_PER_S / elapsed;
	o->rate = rate > o->rate / 4 * 3 ? rate : o->rate / 4 * 3;
	o->rate_count = 0;
	o->rate_since_ns = o->shard->now_ns;
}

/* What connections may still take, in messages; UINT64_MAX: as much as comes. *share: of a new one. */
static uint64_t supply(const struct outbound *o, uint64_t *setup_ns, uint64_t *share)
{
	uint64_t sum = 0;
	struct list *link;

	for (link = o->connections.next; link != &o->connections; link = link->next) {
		const struct connection *c = container_of(link, struct connection, link);
		uint64_t left;
		if (c->state != CONNECTION_READY || c->retiring || hold_in_force(c->host->hold))
			continue;
		left = connection_left(c, o->rate, share);
		if (left == UINT64_MAX)
			return left;
		sum += left;
		if (c->host->setup_ns > *setup_ns)
			*setup_ns = c->host->setup_ns;
	}
	return sum;
}

/*
 * What will be sent while a connection is being set up must have its place on those that are there. Twice as much,
 * because what was measured may be what too few connections made of it. So a far next hop has several in the making,
 * a near one is given its next in the last moment, and where one may take as much as comes nothing is done.
 */
void outbound_succeed(struct outbound *o)
{
	uint64_t setup_ns = 0, share = 0, never = UINT64_MAX, have, need;
	unsigned opened;

	measure(o);
	if (o->connection_count == 0 || o->rate == 0)
		return;
	have = supply(o, &setup_ns, &share);
	if (have == UINT64_MAX || share == 0)
		return;
	have += o->connecting * share;
	need = 2 * o->rate * (setup_ns / 1000) / 1000000;
	for (opened = 0; have < need && opened < SUCCESSORS_MAX; opened++) {
		if (!outbound_slot_take_spare(o) || !open_one(o, &never))
			return;
		have += share;
	}
}
