/*
 * core/deliver/outbound_form.c - a lane as the configuration says: its hosts, limits and connections, at the start and
 * with each snapshot, until nothing refers to it.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/config/config.h"
#include "core/config/site_preset.h"
#include "core/deliver/connection.h"
#include "core/deliver/counts.h"
#include "core/deliver/domain.h"
#include "core/deliver/hold.h"
#include "core/deliver/outbound_private.h"
#include "core/deliver/outbound_site.h"
#include "core/deliver/path.h"
#include "core/deliver/site.h"
#include "core/deliver/slots.h"
#include "core/deliver/sources.h"
#include "core/deliver/tls_policy.h"
#include "core/route/place.h"
#include "core/route/plan.h"
#include "core/shard/shard.h"
#include "core/shard/snapshot.h"
#include "queue/hash.h"

static void on_timer(struct wheel_timer *timer)
{
	struct outbound *o = container_of(timer, struct outbound, timer);

	outbound_wake(o->shard, o->index);
}

/* ---- hosts ------------------------------------------------------------------------------------------------------ */

static void free_host(struct outbound *o, struct host *host)
{
	if (!host)
		return;
	if (host->hold) {
		account_leave(&host->hold->account, &host->turn);
		hold_host_give_back(o->holds, host->hold);
	}
	if (host->ticket)
		tls_ticket_free(host->ticket);
	tlsa_forget(host);
	free(host->own.text);
	free(host->own.name);
	free(host);
}

static struct host *find_host(struct host **hosts, size_t count, const char *text)
{
	size_t i;

	for (i = 0; i < count; i++) {
		if (strcmp(hosts[i]->config->text, text) == 0)
			return hosts[i];
	}
	return NULL;
}

/* What it is called and where it is belongs to it: configurations go, and a question for its name may be under way. */
static struct host *new_host(struct outbound *o, const struct config_host *config)
{
	struct host *host = calloc(1, sizeof(*host));

	if (!host)
		return NULL;
	host->own = *config;
	host->own.text = strdup(config->text);
	host->own.name = strdup(config->name);
	if (!host->own.text || !host->own.name) {
		free_host(o, host);
		return NULL;
	}
	host->config = &host->own;
	/* Of the configuration's own deliverers_extend() has seen that there is room. */
	host->hold = hold_host_take(o->holds, config->text);
	if (!host->hold) {
		free_host(o, host);
		return NULL;
	}
	names_init(o, host);
	return host;
}

/* What arrange() has made of a destination's hosts. */
struct arrangement {
	struct host **hosts;
	size_t count, total;
};

static void undo(struct arrangement *a, struct outbound *o)
{
	size_t i;

	for (i = 0; i < a->count; i++) {
		if (!find_host(o->hosts, o->host_total, a->hosts[i]->config->text))
			free_host(o, a->hosts[i]);
	}
	free(a->hosts);
}

/* A connection is there, or a question for its name is out. */
static bool in_use(const struct outbound *o, const struct host *host)
{
	const struct list *link;

	for (link = o->connections.next; link != &o->connections; link = link->next) {
		if (container_of(link, struct connection, link)->host == host)
			return true;
	}
	return question_out(&host->name.asked.question) || tlsa_out(host);
}

/* Those the destination has, in its order, then those it had that are still in use. False: no memory. One written twice
 * is one. */
static bool arrange(struct arrangement *a, struct outbound *o, const struct config_host *hosts, size_t count)
{
	size_t i;

	*a = (struct arrangement){.hosts = calloc(count + o->host_total + 1, sizeof(*a->hosts))};
	if (!a->hosts)
		return false;
	for (i = 0; i < count; i++) {
		const char *text = hosts[i].text;
		struct host *host = find_host(o->hosts, o->host_total, text);
		if (find_host(a->hosts, a->count, text))
			continue;
		if (!host)
			host = new_host(o, &hosts[i]);
		if (!host) {
			undo(a, o);
			return false;
		}
		a->hosts[a->count++] = host;
	}
	a->total = a->count;
	for (i = 0; i < o->host_total; i++) {
		if (find_host(a->hosts, a->count, o->hosts[i]->config->text) || !in_use(o, o->hosts[i]))
			continue;
		a->hosts[a->total++] = o->hosts[i];
	}
	return true;
}

static void ask_others(struct outbound *o, struct dns *dns)
{
	size_t i;

	if (o->dns == dns)
		return;
	o->dns = dns;
	if (o->exchangers)
		exchangers_follow(o->exchangers);
	for (i = 0; i < o->host_total; i++) {
		names_follow(o->hosts[i]);
		tlsa_follow(o->hosts[i]);
	}
}

static void put(struct outbound *o, const struct arrangement *a)
{
	size_t i;

	for (i = 0; i < o->host_total; i++) {
		if (!find_host(a->hosts, a->total, o->hosts[i]->config->text))
			free_host(o, o->hosts[i]);
	}
	free(o->hosts);
	o->hosts = a->hosts;
	o->host_count = a->count;
	o->host_total = a->total;
	for (i = 0; i < o->host_total; i++)
		o->hosts[i]->gone = i >= o->host_count;
}

/* What the destination names itself, or what is known of the exchangers it means. */
static bool arrange_all(struct arrangement *a, struct outbound *o, const struct config_destination *destination)
{
	if (o->mx)
		return arrange(a, o, o->mx->hosts, o->mx->host_count);
	if (destination->mx_of && o->exchangers)
		return arrange(a, o, o->exchangers->hosts, o->exchangers->count);
	return arrange(a, o, destination->hosts, destination->host_count);
}

static bool on_exchangers(struct outbound *o)
{
	struct list *link, *next;
	struct arrangement a;

	if (!arrange_all(&a, o, o->destination))
		return false;
	put(o, &a);
	for (link = o->connections.next; link != &o->connections; link = next) {
		struct connection *c = container_of(link, struct connection, link);
		next = link->next;
		if (c->host->gone)
			connection_retire(c);
	}
	return true;
}

/* ---- the lane --------------------------------------------------------------------------------------------------- */

/* Whom its mail's domains are known by, where it goes to their MX. False: no memory. */
static bool know_domains(struct outbound *o, const struct config_destination *destination)
{
	if (destination->mx && !o->mx && !o->domains)
		o->domains = domains_new(o);
	return o->domains || o->mx || !destination->mx;
}

/* Its limits hold beside the destination's: the least of both. */
static void know_provider(struct outbound *o)
{
	o->preset = NULL;
	if (o->mx && o->destination->site_presets)
		o->preset = site_preset_find(o->mx->hosts, o->mx->host_count);
	o->most = config_connections(o->destination);
	if (o->preset && o->preset->connections < o->most)
		o->most = o->preset->connections;
}

static void know_counts(struct outbound *o)
{
	o->counts = counted_block(o->shard->deliverer->shared->counted[o->place], o->shard->index);
}

/* What is limited, and by whom, is known. */
static int begin(struct outbound *o, const struct snapshot *snapshot)
{
	struct shard *shard = o->shard;
	const unsigned d = o->place;
	struct arrangement a;

	o->dns = snapshot->dns;
	list_init(&o->connections);
	list_init(&o->usable);
	list_init(&o->loaded);
	list_init(&o->wake);
	wheel_timer_init(&o->timer, on_timer);
	if (!o->knock.fn)
		o->knock = (struct post){.fn = outbound_on_knock, .to = (uint16_t)shard->index};
	o->destination = &snapshot->config->destinations[d];
	know_counts(o);
	if (!know_domains(o, o->destination))
		return -ENOMEM;
	if (!exchangers_take(&o->exchangers, o, o->destination, on_exchangers) || !arrange_all(&a, o, o->destination))
		return -ENOMEM;
	put(o, &a);
	o->site = o->mx ? o->mx->site->hash : queue_hash(o->destination->name, strlen(o->destination->name));
	know_provider(o);
	o->tls = snapshot->tls[d];
	fair_set_terms(&o->lane.ready, snapshot->terms, snapshot->terms_count);
	o->mailboxes = snapshot->mailboxes[d];
	path_find(o, snapshot);
	return outbound_match_begin(o) ? 0 : -ENOMEM;
}

int outbound_init(struct outbound *o, struct shard *shard, unsigned index, const struct snapshot *snapshot)
{
	const unsigned d = shard->plan->lanes[index].destination;

	o->shard = shard;
	o->index = index;
	o->place = d;
	o->number = index - shard->plan->destinations[d].first_lane;
	o->holds = &shard->deliverer->shared->holds[d];
	o->slots = &shard->deliverer->shared->slots[d];
	o->account = &shard->deliverer->shared->accounts[d];
	return begin(o, snapshot);
}

int outbound_init_site(struct outbound *o, struct shard *shard, unsigned index, struct lane_site *mx)
{
	o->shard = shard;
	o->index = index;
	o->place = mx->home->place;
	o->number = shard->index;
	o->holds = &mx->site->hold;
	o->slots = &mx->site->slots;
	o->account = &mx->site->account;
	o->mx = mx;
	return begin(o, shard->snapshot);
}

/* What it still has to say comes from this configuration: the one before may be freed. False: this one does not have
 * the address that it comes from, or has addresses, and it comes from none. */
static bool follow_source(const struct outbound *o, struct connection *c, const struct config *config)
{
	const struct config_sources *sources = &o->destination->sources;
	bool stays = c->source || sources->count == 0;

	if (c->source) {
		c->source = sources_find(sources, &c->source->address);
		stays = c->source;
	}
	c->setup.terms.hostname = c->source && c->source->hostname ? c->source->hostname : config->hostname;
	return stays;
}

/* Who a connection is signed in as may go on there. */
static bool stays(const struct outbound *o, const struct mailbox *mailbox)
{
	return mailbox ? mailbox_find(o->mailboxes, mailbox) != NULL : o->mailboxes == NULL;
}

/* Of another destination, or of the one that it was. */
static void occupy(struct outbound *o)
{
	struct destination_plan *place = &o->shard->plan->destinations[o->place];

	o->vacant = false;
	atomic_fetch_sub_explicit(&place->vacant, 1, memory_order_relaxed);
}

bool outbound_take(struct outbound *o, const struct snapshot *snapshot)
{
	const unsigned d = o->place;
	const struct config_destination *before = o->destination, *now = &snapshot->config->destinations[d];
	bool other_policy = !tls_policy_same(before, now);
	bool demands = now->mta_sts && !before->mta_sts;
	bool anew = o->dns != snapshot->dns || now->mx != before->mx || now->gone || now->mx_port != before->mx_port ||
		    demands;
	struct list *link, *next;
	struct arrangement a;

	if (now == before)
		return true; /* done already, and another lane was short of memory */
	if (o->vacant && !now->gone)
		occupy(o);
	if (!know_domains(o, now) || !exchangers_take(&o->exchangers, o, now, on_exchangers) ||
	    !arrange_all(&a, o, now))
		return false;
	put(o, &a);
	ask_others(o, snapshot->dns);
	outbound_match_end(o);
	o->destination = now;
	know_counts(o);
	if (!o->mx)
		o->site = queue_hash(now->name, strlen(now->name));
	if (o->domains && anew)
		domains_follow(o->domains, demands);
	know_provider(o);
	o->tls = snapshot->tls[d];
	fair_set_terms(&o->lane.ready, snapshot->terms, snapshot->terms_count);
	o->mailboxes = snapshot->mailboxes[d];
	path_find(o, snapshot);
	/* Without memory its mail waits, and it is tried again. */
	(void)outbound_match_begin(o);
	for (link = o->connections.next; link != &o->connections; link = next) {
		struct connection *c = container_of(link, struct connection, link);
		next = link->next;
		connection_unpark(c);
		c->seat = mailbox_seat(o->mailboxes, c->mailbox);
		/* What waits there goes by what is demanded now (RELIABILITY I6). */
		if (other_policy && c->state == CONNECTION_READY)
			connection_start_no_more(c);
		if (!follow_source(o, c, snapshot->config) || other_policy || c->host->gone || !stays(o, c->mailbox))
			connection_retire(c);
	}
	if (o->mailboxes)
		mailbox_set_retry(o->mailboxes, o->shard->now_ns);
	outbound_wake(o->shard, o->index);
	return true;
}

void outbound_deinit(struct outbound *o)
{
	size_t i;

	for (i = 0; i < o->host_total; i++)
		free_host(o, o->hosts[i]);
	free(o->hosts);
	exchangers_free(o->exchangers);
	domains_free(o->domains);
	sts_watch_free(o->sts);
	match_end(&o->matching, NULL);
	lane_deinit(&o->lane);
}

bool outbound_quiet(const struct outbound *o)
{
	size_t i;

	for (i = 0; i < o->host_total; i++) {
		if (in_use(o, o->hosts[i]))
			return false;
	}
	return o->connection_count == 0 && o->slots_held == 0 && o->slots_promised == 0 &&
	       !slots_registered(o->slots, o->number) && o->loading == 0 && list_empty(&o->loaded) &&
	       o->matching.waiting == 0 && !o->budget_writing && !o->budget_waits &&
	       !(o->exchangers && question_out(&o->exchangers->asked.base.question)) && !sts_watch_out(o->sts);
}

bool outbound_unused(const struct outbound *o)
{
	return o->destination->gone && outbound_quiet(o) && !(o->domains && domains_busy(o->domains));
}

void outbound_vacate(struct outbound *o)
{
	struct destination_plan *place = &o->shard->plan->destinations[o->place];
	size_t i;

	for (i = 0; i < o->host_total; i++)
		free_host(o, o->hosts[i]);
	free(o->hosts);
	o->hosts = NULL;
	o->host_count = o->host_total = 0;
	exchangers_free(o->exchangers);
	o->exchangers = NULL;
	domains_free(o->domains);
	o->domains = NULL;
	sts_watch_free(o->sts);
	o->sts = NULL;
	wheel_disarm(&o->shard->wheel, &o->timer);
	account_leave(o->account, &o->turn);
	if (o->away)
		atomic_fetch_sub(&o->holds->away, 1);
	o->away = o->lent_to = o->holds_waiting = o->slot_wanted = false;
	o->failures_seen = o->releases_seen = o->crowd = o->mailbox_turn = 0;
	o->failure[0] = '\0';
	o->limited_until_ns = o->crowd_until_ns = o->budget_retry_ns = o->overdue_ns = 0;
	o->grown_ns = o->look_ns = o->rate_since_ns = o->rate_count = o->rate = 0;
	place_lane_ready(o->shard, o->index, 0);
	o->vacant = true;
	/* All that was done here is done before somebody else has the place. */
	atomic_fetch_add_explicit(&place->vacant, 1, memory_order_release);
}
