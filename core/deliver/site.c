/*
 * core/deliver/site.c - see site.h.
 */
#include "core/deliver/site.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "queue/hash.h"

enum { ROWS_FIRST = 64, HOSTS_ROOM = 20, /* sixteen that the DNS names, and others before they have gone */ };

/* An hour's messages count for an hour, and a minute's for a minute (account.h). */
#define IDLE_LIMITED_NS (3700 * CLOCK_NS_PER_S)

int sites_init(struct sites *sites, const struct config *config)
{
	pthread_mutex_init(&sites->lock, NULL);
	sites->config = config;
	sites->rows = calloc(ROWS_FIRST, sizeof(struct site *));
	sites->row_count = sites->rows ? ROWS_FIRST : 0;
	return sites->rows ? 0 : -ENOMEM;
}

static void free_site(struct site *site)
{
	account_deinit(&site->account);
	hold_deinit(&site->hold);
	free(site->key);
	free(site);
}

void sites_deinit(struct sites *sites)
{
	for (size_t i = 0; i < sites->row_count; i++) {
		while (sites->rows[i]) {
			struct site *site = sites->rows[i];
			sites->rows[i] = site->next;
			free_site(site);
		}
	}
	free(sites->rows);
	free(sites->coming);
	if (sites->config)
		pthread_mutex_destroy(&sites->lock);
	memset(sites, 0, sizeof(*sites));
}

static const struct config_limits *limits_of(const struct sites *sites, const struct site *site)
{
	return &sites->config->destinations[site->place].limits;
}

/* What it has sent counts toward nothing any more, or its destination limits nothing. */
static bool may_go(const struct sites *sites, const struct site *site, uint64_t now_ns)
{
	if (site->users > 0)
		return false;
	return !account_asks(&site->account, limits_of(sites, site)) || now_ns - site->idle_ns > IDLE_LIMITED_NS;
}

static void grow(struct sites *sites)
{
	size_t count = 2 * sites->row_count, i;
	struct site **rows = calloc(count, sizeof(*rows));

	/* Longer rows are only slower. */
	if (!rows)
		return;
	for (i = 0; i < sites->row_count; i++) {
		while (sites->rows[i]) {
			struct site *site = sites->rows[i];
			sites->rows[i] = site->next;
			site->next = rows[site->hash & (count - 1)];
			rows[site->hash & (count - 1)] = site;
		}
	}
	free(sites->rows);
	sites->rows = rows;
	sites->row_count = count;
}

/* Those in its row that are of no use any more go on the way. */
static struct site *find(struct sites *sites, size_t place, const char *key, uint64_t hash, uint64_t now_ns)
{
	struct site **at = &sites->rows[hash & (sites->row_count - 1)];

	while (*at) {
		struct site *site = *at;
		if (site->hash == hash && site->place == place && strcmp(site->key, key) == 0)
			return site;
		if (!may_go(sites, site, now_ns)) {
			at = &site->next;
			continue;
		}
		*at = site->next;
		sites->count--;
		free_site(site);
	}
	return NULL;
}

static bool prepare(const struct sites *sites, struct site *site)
{
	return account_prepare(&site->account, limits_of(sites, site)) == 0 &&
	       (site->place >= sites->coming_count ||
		account_prepare(&site->account, &sites->coming[site->place]) == 0);
}

static struct site *make(struct sites *sites, size_t place, const char *key, uint64_t hash, uint64_t now_ns)
{
	struct site *site = calloc(1, sizeof(*site)), **row;

	if (!site)
		return NULL;
	site->hash = hash;
	site->place = place;
	site->key = strdup(key);
	if (!site->key || hold_make(&site->hold, HOSTS_ROOM) < 0 || !prepare(sites, site)) {
		free_site(site);
		return NULL;
	}
	account_follow(&site->account, limits_of(sites, site), now_ns);
	if (sites->count >= sites->row_count)
		grow(sites);
	row = &sites->rows[hash & (sites->row_count - 1)];
	site->next = *row;
	*row = site;
	sites->count++;
	return site;
}

struct site *site_take(struct sites *sites, size_t place, const char *key, uint64_t now_ns)
{
	uint64_t hash = queue_hash(key, strlen(key)) ^ place;
	struct site *site;

	pthread_mutex_lock(&sites->lock);
	site = find(sites, place, key, hash, now_ns);
	if (!site)
		site = make(sites, place, key, hash, now_ns);
	if (site)
		site->users++;
	pthread_mutex_unlock(&sites->lock);
	return site;
}

void site_give_back(struct sites *sites, struct site *site, uint64_t now_ns)
{
	struct site **at;

	pthread_mutex_lock(&sites->lock);
	site->users--;
	site->idle_ns = now_ns;
	if (may_go(sites, site, now_ns)) {
		at = &sites->rows[site->hash & (sites->row_count - 1)];
		while (*at != site)
			at = &(*at)->next;
		*at = site->next;
		sites->count--;
		free_site(site);
	}
	pthread_mutex_unlock(&sites->lock);
}

int sites_prepare(struct sites *sites, const struct config *config)
{
	struct config_limits *coming = calloc(config->destination_count, sizeof(*coming));
	int r = 0;

	if (!coming)
		return -ENOMEM;
	for (size_t i = 0; i < config->destination_count; i++)
		coming[i] = config->destinations[i].limits;
	pthread_mutex_lock(&sites->lock);
	free(sites->coming);
	sites->coming = coming;
	sites->coming_count = config->destination_count;
	for (size_t i = 0; i < sites->row_count && r == 0; i++) {
		for (struct site *site = sites->rows[i]; site && r == 0; site = site->next)
			r = account_prepare(&site->account, &config->destinations[site->place].limits);
	}
	pthread_mutex_unlock(&sites->lock);
	return r;
}

void sites_follow(struct sites *sites, const struct config *config, uint64_t now_ns)
{
	pthread_mutex_lock(&sites->lock);
	sites->config = config;
	for (size_t i = 0; i < sites->row_count; i++) {
		for (struct site *site = sites->rows[i]; site; site = site->next)
			account_follow(&site->account, limits_of(sites, site), now_ns);
	}
	pthread_mutex_unlock(&sites->lock);
}

size_t sites_count(struct sites *sites)
{
	size_t count;

	pthread_mutex_lock(&sites->lock);
	count = sites->count;
	pthread_mutex_unlock(&sites->lock);
	return count;
}
