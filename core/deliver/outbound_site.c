/*
 * core/deliver/outbound_site.c - see outbound_site.h.
 */
#include "core/deliver/outbound_site.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/config/config.h"
#include "core/deliver/mx.h"
#include "core/deliver/outbound_private.h"
#include "core/deliver/site.h"
#include "core/shard/shard.h"

/* ---- made ------------------------------------------------------------------------------------------------------- */

static void free_hosts(struct lane_site *mx)
{
	for (size_t i = 0; i < mx->host_count; i++) {
		free(mx->hosts[i].text);
		free(mx->hosts[i].name);
	}
	free(mx->hosts);
}

/* In an order of the lane's own, where the domain has none. */
static bool make_hosts(struct lane_site *mx, const struct dns_exchanger *list, unsigned count)
{
	struct dns_exchanger order[DNS_EXCHANGERS_MAX];
	uint16_t port = mx->home->destination->mx_port;

	memcpy(order, list, count * sizeof(*order));
	mx_shuffle(order, count, &mx->home->shard->random);
	mx->hosts = calloc(count, sizeof(*mx->hosts));
	if (!mx->hosts)
		return false;
	for (unsigned i = 1; i < count; i++)
		mx->ranks[i] = (uint8_t)(mx->ranks[i - 1] + (order[i].preference != order[i - 1].preference));
	for (; mx->host_count < count; mx->host_count++) {
		struct config_host *host = &mx->hosts[mx->host_count];
		host->port = port;
		host->whole = true;
		host->name = strdup(order[mx->host_count].name);
		host->text = malloc(strlen(order[mx->host_count].name) + sizeof(":65535"));
		if (host->text)
			sprintf(host->text, "%s:%u", order[mx->host_count].name, port);
		if (!host->name || !host->text) {
			free(host->name);
			free(host->text);
			return false;
		}
	}
	return true;
}

static struct sites *sites_of(const struct outbound *home)
{
	return &home->shard->deliverer->shared->sites;
}

static void free_mx(struct lane_site *mx)
{
	if (mx->site)
		site_give_back(sites_of(mx->home), mx->site, mx->home->shard->now_ns);
	free_hosts(mx);
	free(mx);
}

/* A number that no lane has, and none is about to be told to look by. */
static struct outbound *free_lane(struct deliverer *deliverer, uint64_t now_ns)
{
	struct list *link;

	for (link = deliverer->sites_free.next; link != &deliverer->sites_free; link = link->next) {
		struct outbound *o = container_of(link, struct outbound, wake);
		if (atomic_load(&o->knocked))
			continue;
		list_remove(link);
		memset((uint8_t *)o + offsetof(struct outbound, shard), 0,
		       sizeof(*o) - offsetof(struct outbound, shard));
		return o;
	}
	if (deliverer->site_count == deliverer->site_room) {
		deliverer->sites_short_ns = now_ns;
		return NULL;
	}
	return &deliverer->outbound[deliverer->site_first + deliverer->site_count++];
}

static void put_lane(struct deliverer *deliverer, struct outbound *o)
{
	o->shard = NULL;
	if (list_linked(&o->wake))
		list_remove(&o->wake);
	list_append(&deliverer->sites_free, &o->wake);
}

static struct outbound *make_lane(struct outbound *home, struct lane_site *mx)
{
	struct shard *shard = home->shard;
	struct outbound *o = free_lane(shard->deliverer, shard->now_ns);

	if (!o)
		return NULL;
	lane_init(&o->lane);
	if (outbound_init_site(o, shard, (unsigned)(o - shard->deliverer->outbound), mx) < 0) {
		o->mx = NULL;
		outbound_deinit(o);
		put_lane(shard->deliverer, o);
		return NULL;
	}
	atomic_store(&mx->site->lanes[shard->index], o->index + 1);
	return o;
}

struct outbound *outbound_open(struct outbound *home, const struct dns_exchanger *list, unsigned count,
			       struct mx_terms terms)
{
	struct lane_site *mx = calloc(1, sizeof(*mx));
	struct outbound *o = NULL;
	char key[MX_KEY_SIZE];
	uint32_t lane;

	if (!mx)
		return NULL;
	mx_key(list, count, home->destination->mx_port, terms, key);
	mx->home = home;
	mx->secure = terms.secure;
	mx->enforced = terms.enforced;
	mx->free = terms.free;
	mx->own_rank = UINT8_MAX;
	mx->used_ns = home->shard->now_ns;
	list_init(&mx->domains);
	mx->site = site_take(sites_of(home), home->place, key, home->shard->now_ns);
	lane = mx->site ? atomic_load(&mx->site->lanes[home->shard->index]) : 0;
	if (lane > 0)
		o = &home->shard->deliverer->outbound[lane - 1];
	else if (mx->site && make_hosts(mx, list, count) && (o = make_lane(home, mx)) != NULL)
		return o;
	free_mx(mx);
	return o;
}

/* ---- and gone --------------------------------------------------------------------------------------------------- */

static bool has_nothing(const struct outbound *o)
{
	return outbound_quiet(o) && outbound_waiting(o) == 0;
}

static void end(struct outbound *o)
{
	struct lane_site *mx = o->mx;
	struct deliverer *deliverer = o->shard->deliverer;

	domains_leave(o);
	atomic_store(&mx->site->lanes[o->shard->index], 0);
	wheel_disarm(&o->shard->wheel, &o->timer);
	account_leave(o->account, &o->turn);
	outbound_deinit(o);
	free_mx(mx);
	put_lane(deliverer, o);
}

/* All its hosts are left alone, or have no address. */
static bool fails(const struct outbound *o)
{
	for (size_t i = 0; i < o->host_count; i++) {
		if (!outbound_site_behind(o->mx, i) && o->hosts[i]->failures == 0)
			return false;
	}
	return true;
}

static uint64_t linger_ns(const struct shard *shard)
{
	uint64_t short_ns = shard->deliverer->sites_short_ns;
	bool scarce = short_ns > 0 && shard->now_ns - short_ns < SITE_LINGER_S * CLOCK_NS_PER_S;

	return (scarce ? SITE_LINGER_SHORT_S : SITE_LINGER_S) * CLOCK_NS_PER_S;
}

bool outbound_site_follow(struct outbound *o, uint64_t *next_ns)
{
	struct lane_site *mx = o->mx;
	uint64_t until_ns = mx->used_ns + linger_ns(o->shard);

	mx->failing = fails(o);
	if (mx->failing && outbound_waiting(o) > 0)
		domains_doubt(o);
	if (!has_nothing(o)) {
		mx->used_ns = o->shard->now_ns;
		return false;
	}
	if (until_ns > o->shard->now_ns) {
		if (until_ns < *next_ns)
			*next_ns = until_ns;
		return false;
	}
	end(o);
	return true;
}

void outbound_site_deinit(struct outbound *o)
{
	struct lane_site *mx = o->mx;

	outbound_deinit(o);
	free_mx(mx);
}
