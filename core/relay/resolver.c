/*
 * core/relay/resolver.c - see resolver.h.
 *
 * Publication: each host has a table of addresses guarded by a sequence number (odd while it is being written). There
 * is one writer; readers copy and look at the number again, they never wait for more than a copy of a few hundred
 * octets.
 */
#include "core/relay/resolver.h"

#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct entry {
	const struct config_host *host;
	_Atomic(unsigned) sequence;
	_Atomic(unsigned) turn;
	_Atomic(unsigned) count;
	/* As words, so that a reader that races with the writer reads atomically and then throws the copy away. */
	_Atomic(uint64_t) words[RESOLVER_ADDRESSES_MAX][(sizeof(struct ring_address) + 7) / 8];
};

struct resolver {
	pthread_t thread;
	pthread_mutex_t lock; /* stop and first round only; never on a shard's path */
	pthread_cond_t changed;
	bool stop, first_round_over;
	unsigned entry_count;
	struct entry *entries;
};

enum { ADDRESS_WORDS = (sizeof(struct ring_address) + 7) / 8 };

static void publish(struct entry *entry, const struct ring_address *addresses, unsigned count)
{
	unsigned i, w;

	atomic_fetch_add_explicit(&entry->sequence, 1, memory_order_acq_rel);
	for (i = 0; i < count; i++) {
		uint64_t words[ADDRESS_WORDS] = {0};
		memcpy(words, &addresses[i], sizeof(addresses[i]));
		for (w = 0; w < ADDRESS_WORDS; w++)
			atomic_store_explicit(&entry->words[i][w], words[w], memory_order_relaxed);
	}
	atomic_store_explicit(&entry->count, count, memory_order_relaxed);
	atomic_fetch_add_explicit(&entry->sequence, 1, memory_order_release);
}

static bool resolve(struct entry *entry)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV | AI_ADDRCONFIG};
	struct ring_address addresses[RESOLVER_ADDRESSES_MAX];
	struct addrinfo *list = NULL, *one;
	char port[8];
	unsigned count = 0;

	snprintf(port, sizeof(port), "%u", entry->host->port);
	if (getaddrinfo(entry->host->name, port, &hints, &list) != 0)
		return false;
	for (one = list; one && count < RESOLVER_ADDRESSES_MAX; one = one->ai_next) {
		if (one->ai_addrlen > sizeof(addresses[0].v6))
			continue;
		memset(&addresses[count], 0, sizeof(addresses[count]));
		memcpy(&addresses[count].any, one->ai_addr, one->ai_addrlen);
		addresses[count++].length = one->ai_addrlen;
	}
	freeaddrinfo(list);
	if (count > 0)
		publish(entry, addresses, count);
	return count > 0;
}

static void *run(void *context)
{
	struct resolver *r = context;
	bool stop = false;

	while (!stop) {
		bool all = true;
		struct timespec until;
		unsigned i;

		for (i = 0; i < r->entry_count; i++)
			all = resolve(&r->entries[i]) && all;
		pthread_mutex_lock(&r->lock);
		r->first_round_over = true;
		pthread_cond_broadcast(&r->changed);
		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_sec += all ? RESOLVER_INTERVAL_S : RESOLVER_RETRY_S;
		while (!r->stop && pthread_cond_timedwait(&r->changed, &r->lock, &until) == 0)
			;
		stop = r->stop;
		pthread_mutex_unlock(&r->lock);
	}
	return NULL;
}

static unsigned count_names(const struct config *config)
{
	unsigned count = 0;
	size_t d, h;

	for (d = 0; d < config->destination_count; d++) {
		for (h = 0; h < config->destinations[d].host_count; h++)
			count += !config->destinations[d].hosts[h].numeric;
	}
	return count;
}

static void wait_first_round(struct resolver *r, unsigned wait_ms)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += wait_ms / 1000;
	pthread_mutex_lock(&r->lock);
	while (!r->first_round_over && pthread_cond_timedwait(&r->changed, &r->lock, &until) == 0)
		;
	pthread_mutex_unlock(&r->lock);
}

struct resolver *resolver_start(const struct config *config, unsigned wait_ms)
{
	struct resolver *r = calloc(1, sizeof(*r));
	size_t d, h;

	if (!r)
		return NULL;
	pthread_mutex_init(&r->lock, NULL);
	pthread_cond_init(&r->changed, NULL);
	r->entries = calloc(count_names(config) + 1, sizeof(*r->entries));
	if (!r->entries) {
		free(r);
		return NULL;
	}
	for (d = 0; d < config->destination_count; d++) {
		for (h = 0; h < config->destinations[d].host_count; h++) {
			if (!config->destinations[d].hosts[h].numeric)
				r->entries[r->entry_count++].host = &config->destinations[d].hosts[h];
		}
	}
	if (r->entry_count == 0)
		return r;
	if (pthread_create(&r->thread, NULL, run, r) != 0) {
		free(r->entries);
		free(r);
		return NULL;
	}
	wait_first_round(r, wait_ms);
	return r;
}

void resolver_stop(struct resolver *r)
{
	if (!r)
		return;
	if (r->entry_count > 0) {
		pthread_mutex_lock(&r->lock);
		r->stop = true;
		pthread_cond_broadcast(&r->changed);
		pthread_mutex_unlock(&r->lock);
		pthread_join(r->thread, NULL);
	}
	pthread_cond_destroy(&r->changed);
	pthread_mutex_destroy(&r->lock);
	free(r->entries);
	free(r);
}

static bool read_entry(struct entry *entry, struct ring_address *out)
{
	unsigned before, count, i, w;
	uint64_t words[ADDRESS_WORDS];

	do {
		before = atomic_load_explicit(&entry->sequence, memory_order_acquire);
		count = atomic_load_explicit(&entry->count, memory_order_relaxed);
		if (count == 0)
			return false;
		i = atomic_fetch_add_explicit(&entry->turn, 1, memory_order_relaxed) % count;
		for (w = 0; w < ADDRESS_WORDS; w++)
			words[w] = atomic_load_explicit(&entry->words[i][w], memory_order_acquire);
	} while ((before & 1) || atomic_load_explicit(&entry->sequence, memory_order_relaxed) != before);
	memcpy(out, words, sizeof(*out));
	return true;
}

bool resolver_lookup(struct resolver *r, const struct config_host *host, struct ring_address *out)
{
	unsigned i;

	if (host->numeric) {
		*out = host->address;
		return true;
	}
	for (i = 0; r && i < r->entry_count; i++) {
		if (r->entries[i].host == host)
			return read_entry(&r->entries[i], out);
	}
	return false;
}
