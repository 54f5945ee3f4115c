/*
 * core/agents/resolver.c - see resolver.h.
 *
 * Publication: each host has a table of addresses guarded by a sequence number (odd while it is being written). A host
 * is asked about by one thread at a time, so there is one writer; readers copy and look at the number again, they never
 * wait for more than a copy of a few hundred octets.
 *
 * Threads: each takes the name that has been due for longest, and before it asks starts another thread if nobody would
 * be left to wait for the next name. One that finds nothing due waits for it, unless another one does already: then it
 * ends. All are detached; whoever is the last to leave (a thread, or resolver_stop()) frees the memory.
 */
#include "core/agents/resolver.h"

#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/base/clock.h"
#include "core/config/config.h"

enum {
	ADDRESS_WORDS = (sizeof(struct ring_address) + 7) / 8,
	STACK_SIZE = 512 << 10, /* getaddrinfo keeps answers of 64 KiB there */
	STOP_WAIT_MS = 100,     /* for threads that have nothing to ask, so that usually none is left at the end */
};

struct entry {
	const struct config_host *host; /* only compared: the configuration may be gone before a thread is */
	char *name;
	uint16_t port;
	_Atomic(unsigned) sequence;
	_Atomic(unsigned) count;
	_Atomic(int) problem; /* of getaddrinfo; 0: none */
	/* As words, so that a reader that races with the writer reads atomically and then throws the copy away. */
	_Atomic(uint64_t) words[RESOLVER_ADDRESSES_MAX][ADDRESS_WORDS];

	/* Under the lock. */
	uint64_t due_ns; /* UINT64_MAX: a thread is asking */
	uint64_t retry_ns;
	bool asked, slow;
};

struct resolver {
	pthread_mutex_t lock; /* never on a shard's path */
	pthread_cond_t changed;
	bool stop, waiting;     /* a thread waits for the next name to become due */
	unsigned threads, slow; /* running; asking for a name that was slow the last time */
	unsigned users;         /* the threads, and who started them */
	unsigned entry_count;
	struct entry *entries;
};

static void wait_until(struct resolver *r, uint64_t until_ns)
{
	struct timespec until = {.tv_sec = (time_t)(until_ns / CLOCK_NS_PER_S),
				 .tv_nsec = (long)(until_ns % CLOCK_NS_PER_S)};

	(void)pthread_cond_timedwait(&r->changed, &r->lock, &until);
}

/* ---- one name ----------------------------------------------------------------------------------------------- */

static void publish(struct entry *entry, const struct ring_address *addresses, unsigned count)
{
	unsigned i, w, sequence = atomic_load_explicit(&entry->sequence, memory_order_relaxed);

	atomic_store_explicit(&entry->sequence, sequence + 1, memory_order_relaxed);
	/* The odd number before any of the words, the words before the even one. */
	atomic_thread_fence(memory_order_release);
	for (i = 0; i < count; i++) {
		uint64_t words[ADDRESS_WORDS] = {0};
		memcpy(words, &addresses[i], sizeof(addresses[i]));
		for (w = 0; w < ADDRESS_WORDS; w++)
			atomic_store_explicit(&entry->words[i][w], words[w], memory_order_relaxed);
	}
	atomic_store_explicit(&entry->count, count, memory_order_relaxed);
	atomic_store_explicit(&entry->sequence, sequence + 2, memory_order_release);
}

static bool resolve(struct entry *entry)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV | AI_ADDRCONFIG};
	struct ring_address addresses[RESOLVER_ADDRESSES_MAX];
	struct addrinfo *list = NULL, *one;
	char port[8];
	unsigned count = 0;
	int r;

	snprintf(port, sizeof(port), "%u", entry->port);
	r = getaddrinfo(entry->name, port, &hints, &list);
	for (one = list; r == 0 && one && count < RESOLVER_ADDRESSES_MAX; one = one->ai_next) {
		if (one->ai_addrlen > sizeof(addresses[0].v6))
			continue;
		memset(&addresses[count], 0, sizeof(addresses[count]));
		memcpy(&addresses[count].any, one->ai_addr, one->ai_addrlen);
		addresses[count++].length = one->ai_addrlen;
	}
	if (r == 0) {
		freeaddrinfo(list);
		r = count > 0 ? 0 : EAI_NONAME;
	}
	if (r == 0)
		publish(entry, addresses, count);
	atomic_store_explicit(&entry->problem, r, memory_order_relaxed);
	return r == 0;
}

/* ---- threads ------------------------------------------------------------------------------------------------ */

static void free_resolver(struct resolver *r)
{
	unsigned i;

	pthread_cond_destroy(&r->changed);
	pthread_mutex_destroy(&r->lock);
	for (i = 0; i < r->entry_count; i++)
		free(r->entries[i].name);
	free(r->entries);
	free(r);
}

/* Gives the lock back. */
static void leave(struct resolver *r)
{
	bool last = --r->users == 0;

	pthread_mutex_unlock(&r->lock);
	if (last)
		free_resolver(r);
}

/* The one that has been due for longest, of those that may be asked now; else *next_ns says when there is one. */
static struct entry *due_entry(struct resolver *r, uint64_t now_ns, uint64_t *next_ns)
{
	struct entry *first = NULL;
	unsigned i;

	for (i = 0; i < r->entry_count; i++) {
		struct entry *entry = &r->entries[i];
		/* Whoever is done with a slow one looks again. */
		if (entry->slow && r->slow >= RESOLVER_THREADS_SLOW)
			continue;
		if (!first || entry->due_ns < first->due_ns)
			first = entry;
	}
	*next_ns = first ? first->due_ns : UINT64_MAX;
	return first && first->due_ns <= now_ns ? first : NULL;
}

static bool start_thread(struct resolver *r);

/* Asks without the lock. */
static void ask(struct resolver *r, struct entry *entry)
{
	uint64_t begun_ns = clock_monotonic_ns(), next_ns, now_ns;
	bool was_slow = entry->slow, ok;

	entry->due_ns = UINT64_MAX;
	r->slow += was_slow;
	/* Somebody has to wait for the others meanwhile; without a further thread they wait for this one. */
	(void)due_entry(r, begun_ns, &next_ns);
	if (!r->waiting && next_ns != UINT64_MAX && r->threads < RESOLVER_THREADS)
		(void)start_thread(r);
	pthread_mutex_unlock(&r->lock);
	ok = resolve(entry);
	pthread_mutex_lock(&r->lock);
	now_ns = clock_monotonic_ns();
	r->slow -= was_slow;
	entry->asked = true;
	entry->slow = now_ns - begun_ns > RESOLVER_SLOW_MS * CLOCK_NS_PER_MS;
	if (ok || entry->retry_ns > RESOLVER_INTERVAL_MS * CLOCK_NS_PER_MS / 2)
		entry->due_ns = now_ns + RESOLVER_INTERVAL_MS * CLOCK_NS_PER_MS;
	else
		entry->due_ns = now_ns + entry->retry_ns;
	entry->retry_ns = ok ? RESOLVER_RETRY_MS * CLOCK_NS_PER_MS : 2 * entry->retry_ns;
	pthread_cond_broadcast(&r->changed);
}

static void *run(void *context)
{
	struct resolver *r = context;

	pthread_mutex_lock(&r->lock);
	while (!r->stop) {
		uint64_t next_ns;
		struct entry *entry = due_entry(r, clock_monotonic_ns(), &next_ns);

		if (entry) {
			ask(r, entry);
		} else if (r->waiting) {
			break;
		} else {
			/* Where all are being asked about, an answer wakes it. */
			r->waiting = true;
			if (next_ns == UINT64_MAX)
				pthread_cond_wait(&r->changed, &r->lock);
			else
				wait_until(r, next_ns);
			r->waiting = false;
		}
	}
	r->threads--;
	pthread_cond_broadcast(&r->changed);
	leave(r);
	return NULL;
}

/* With the lock. */
static bool start_thread(struct resolver *r)
{
	pthread_attr_t attributes;
	pthread_t thread;
	bool ok;

	if (pthread_attr_init(&attributes) != 0)
		return false;
	ok = pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED) == 0 &&
	     pthread_attr_setstacksize(&attributes, STACK_SIZE) == 0 &&
	     pthread_create(&thread, &attributes, run, r) == 0;
	pthread_attr_destroy(&attributes);
	r->threads += ok;
	r->users += ok;
	return ok;
}

/* ---- start and end ------------------------------------------------------------------------------------------ */

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

static bool all_asked(const struct resolver *r)
{
	unsigned i;

	for (i = 0; i < r->entry_count; i++) {
		if (!r->entries[i].asked)
			return false;
	}
	return true;
}

static bool add_entries(struct resolver *r, const struct config *config)
{
	size_t d, h;

	r->entries = calloc(count_names(config) + 1, sizeof(*r->entries));
	if (!r->entries)
		return false;
	for (d = 0; d < config->destination_count; d++) {
		for (h = 0; h < config->destinations[d].host_count; h++) {
			const struct config_host *host = &config->destinations[d].hosts[h];
			struct entry *entry = &r->entries[r->entry_count];
			if (host->numeric)
				continue;
			entry->host = host;
			entry->port = host->port;
			entry->retry_ns = RESOLVER_RETRY_MS * CLOCK_NS_PER_MS;
			entry->name = strdup(host->name);
			if (!entry->name)
				return false;
			r->entry_count++;
		}
	}
	return true;
}

static struct resolver *new_resolver(void)
{
	struct resolver *r = calloc(1, sizeof(*r));
	pthread_condattr_t attributes;

	if (!r)
		return NULL;
	/* The wall clock may be set while somebody waits. */
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_mutex_init(&r->lock, NULL);
	pthread_cond_init(&r->changed, &attributes);
	pthread_condattr_destroy(&attributes);
	r->users = 1;
	return r;
}

struct resolver *resolver_start(const struct config *config, unsigned wait_ms)
{
	uint64_t until_ns = clock_monotonic_ns() + wait_ms * CLOCK_NS_PER_MS;
	struct resolver *r = new_resolver();

	if (!r)
		return NULL;
	if (!add_entries(r, config)) {
		free_resolver(r);
		return NULL;
	}
	pthread_mutex_lock(&r->lock);
	if (r->entry_count > 0 && !start_thread(r)) {
		leave(r);
		return NULL;
	}
	while (!all_asked(r) && clock_monotonic_ns() < until_ns)
		wait_until(r, until_ns);
	pthread_mutex_unlock(&r->lock);
	return r;
}

void resolver_stop(struct resolver *r)
{
	uint64_t until_ns = clock_monotonic_ns() + STOP_WAIT_MS * CLOCK_NS_PER_MS;

	if (!r)
		return;
	pthread_mutex_lock(&r->lock);
	r->stop = true;
	pthread_cond_broadcast(&r->changed);
	while (r->threads > 0 && clock_monotonic_ns() < until_ns)
		wait_until(r, until_ns);
	leave(r);
}

/* ---- looking up --------------------------------------------------------------------------------------------- */

static unsigned read_entry(struct entry *entry, struct ring_address *out)
{
	unsigned before, count, i, w;
	uint64_t words[ADDRESS_WORDS];

	do {
		before = atomic_load_explicit(&entry->sequence, memory_order_acquire);
		count = atomic_load_explicit(&entry->count, memory_order_relaxed);
		for (i = 0; i < count; i++) {
			for (w = 0; w < ADDRESS_WORDS; w++)
				words[w] = atomic_load_explicit(&entry->words[i][w], memory_order_relaxed);
			memcpy(&out[i], words, sizeof(out[i]));
		}
		/* The words before the number is looked at again. */
		atomic_thread_fence(memory_order_acquire);
	} while ((before & 1) || atomic_load_explicit(&entry->sequence, memory_order_relaxed) != before);
	return count;
}

static struct entry *find(struct resolver *r, const struct config_host *host)
{
	unsigned i;

	for (i = 0; r && i < r->entry_count; i++) {
		if (r->entries[i].host == host)
			return &r->entries[i];
	}
	return NULL;
}

unsigned resolver_addresses(struct resolver *r, const struct config_host *host,
			    struct ring_address out[RESOLVER_ADDRESSES_MAX])
{
	struct entry *entry;

	if (host->numeric) {
		out[0] = host->address;
		return 1;
	}
	entry = find(r, host);
	return entry ? read_entry(entry, out) : 0;
}

const char *resolver_problem(struct resolver *r, const struct config_host *host)
{
	struct entry *entry = host->numeric ? NULL : find(r, host);
	int problem = entry ? atomic_load_explicit(&entry->problem, memory_order_relaxed) : 0;

	return problem ? gai_strerror(problem) : "";
}
