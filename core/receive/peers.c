/*
 * core/receive/peers.c - see peers.h.
 */
#include "core/receive/peers.h"

#include <assert.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/address_text.h"
#include "core/base/list.h"
#include "queue/hash.h"

enum { KEY_SIZE = 9 };

struct peer {
	struct peer *next;
	struct list gone;      /* without a connection: in one of the stripe's lists */
	uint8_t key[KEY_SIZE]; /* family, then 4 octets of IPv4 or 8 of IPv6 */
	uint16_t stripe;
	unsigned count;
	/* When all that was taken will have come back; past: nothing counts. */
	_Atomic(uint64_t) back_ns[QUOTA_KINDS];
};

struct stripe {
	pthread_mutex_t lock;
	struct peer *first;
	struct list strangers, clients; /* gone, the longest first */
	unsigned remembered;
};

struct peers {
	uint64_t salt; /* so that nobody can choose addresses that push out another's */
	struct stripe stripes[PEERS_STRIPES];
};

struct peers *peers_new(uint64_t salt)
{
	struct peers *peers = calloc(1, sizeof(*peers));
	size_t i;

	if (!peers)
		return NULL;
	peers->salt = salt;
	for (i = 0; i < PEERS_STRIPES; i++) {
		pthread_mutex_init(&peers->stripes[i].lock, NULL);
		list_init(&peers->stripes[i].strangers);
		list_init(&peers->stripes[i].clients);
	}
	return peers;
}

void peers_free(struct peers *peers)
{
	size_t i;

	for (i = 0; peers && i < PEERS_STRIPES; i++) {
		while (peers->stripes[i].first) {
			struct peer *peer = peers->stripes[i].first;
			peers->stripes[i].first = peer->next;
			free(peer);
		}
		pthread_mutex_destroy(&peers->stripes[i].lock);
	}
	free(peers);
}

static uint16_t key_of(const struct peers *peers, const struct ring_address *address, uint8_t key[KEY_SIZE])
{
	uint8_t octets[16] = {0}, salted[KEY_SIZE + sizeof(peers->salt)];

	memset(key, 0, KEY_SIZE);
	key[0] = (uint8_t)address_text_octets(address, octets);
	memcpy(key + 1, octets, key[0] == 4 ? 4 : 8);
	memcpy(salted, key, KEY_SIZE);
	memcpy(salted + KEY_SIZE, &peers->salt, sizeof(peers->salt));
	return (uint16_t)(queue_hash(salted, sizeof(salted)) % PEERS_STRIPES);
}

static struct peer **find(struct peer **at, const uint8_t *key)
{
	while (*at && memcmp((*at)->key, key, KEY_SIZE) != 0)
		at = &(*at)->next;
	return at;
}

static void forget(struct stripe *stripe, struct peer *peer)
{
	struct peer **at = find(&stripe->first, peer->key);

	assert(*at == peer && peer->count == 0);
	*at = peer->next;
	if (list_linked(&peer->gone)) {
		list_remove(&peer->gone);
		stripe->remembered--;
	}
	free(peer);
}

/* Something that it took still counts. */
static bool owes(const struct peer *peer, uint64_t now_ns)
{
	for (unsigned kind = 0; kind < QUOTA_KINDS; kind++) {
		if (atomic_load_explicit(&((struct peer *)(uintptr_t)peer)->back_ns[kind], memory_order_relaxed) >
		    now_ns)
			return true;
	}
	return false;
}

/* Those that went longest ago owe nothing first, or nearly: each who comes sweeps two. */
static void sweep(struct stripe *stripe, struct list *gone, uint64_t now_ns)
{
	for (int i = 0; i < 2 && !list_empty(gone); i++) {
		struct peer *oldest = container_of(gone->next, struct peer, gone);
		if (owes(oldest, now_ns))
			return;
		forget(stripe, oldest);
	}
}

struct peer *peers_enter(struct peers *peers, const struct ring_address *address, uint64_t now_ns, unsigned *open)
{
	uint8_t key[KEY_SIZE];
	uint16_t number = key_of(peers, address, key);
	struct stripe *stripe = &peers->stripes[number];
	struct peer **at, *peer;

	pthread_mutex_lock(&stripe->lock);
	sweep(stripe, &stripe->strangers, now_ns);
	sweep(stripe, &stripe->clients, now_ns);
	at = find(&stripe->first, key);
	if (!*at && (*at = calloc(1, sizeof(**at))) != NULL) {
		memcpy((*at)->key, key, KEY_SIZE);
		(*at)->stripe = number;
		list_init(&(*at)->gone);
	}
	peer = *at;
	if (peer && list_linked(&peer->gone)) {
		list_remove(&peer->gone);
		stripe->remembered--;
	}
	if (peer)
		*open = ++peer->count;
	pthread_mutex_unlock(&stripe->lock);
	return peer;
}

void peers_leave(struct peers *peers, struct peer *peer, bool client, uint64_t now_ns)
{
	struct stripe *stripe = &peers->stripes[peer->stripe];

	pthread_mutex_lock(&stripe->lock);
	assert(peer->count > 0);
	peer->count--;
	if (peer->count == 0 && !owes(peer, now_ns)) {
		forget(stripe, peer);
	} else if (peer->count == 0) {
		list_append(client ? &stripe->clients : &stripe->strangers, &peer->gone);
		stripe->remembered++;
	}
	if (stripe->remembered > PEERS_REMEMBERED) {
		struct list *gone = list_empty(&stripe->strangers) ? &stripe->clients : &stripe->strangers;
		forget(stripe, container_of(gone->next, struct peer, gone));
	}
	pthread_mutex_unlock(&stripe->lock);
}

/* How long `n` of `most` take to come back. */
static uint64_t span_ns(enum quota_kind kind, uint64_t most, uint64_t n)
{
	uint64_t window_ns = quota_window_ns(kind);

	/* More than all of it counts as all. */
	return n >= most ? window_ns : (uint64_t)((double)window_ns * (double)n / (double)most);
}

static bool fits(uint64_t back_ns, enum quota_kind kind, uint64_t now_ns, uint64_t most, uint64_t n)
{
	return back_ns <= now_ns || back_ns - now_ns + span_ns(kind, most, n) <= quota_window_ns(kind);
}

bool peers_take(struct peer *peer, enum quota_kind kind, uint64_t now_ns, uint64_t most, uint64_t n)
{
	uint64_t back_ns = atomic_load_explicit(&peer->back_ns[kind], memory_order_relaxed), then_ns;

	if (most == 0)
		return true;
	do {
		if (!fits(back_ns, kind, now_ns, most, n))
			return false;
		then_ns = (back_ns > now_ns ? back_ns : now_ns) + span_ns(kind, most, n);
	} while (!atomic_compare_exchange_weak_explicit(&peer->back_ns[kind], &back_ns, then_ns, memory_order_relaxed,
							memory_order_relaxed));
	return true;
}

bool peers_has(const struct peer *peer, enum quota_kind kind, uint64_t now_ns, uint64_t most, uint64_t n)
{
	return most == 0 ||
	       fits(atomic_load_explicit(&((struct peer *)(uintptr_t)peer)->back_ns[kind], memory_order_relaxed), kind,
		    now_ns, most, n);
}

void peers_give_back(struct peer *peer, enum quota_kind kind, uint64_t most, uint64_t n)
{
	if (most > 0)
		atomic_fetch_sub_explicit(&peer->back_ns[kind], span_ns(kind, most, n), memory_order_relaxed);
}

size_t peers_count(struct peers *peers)
{
	size_t count = 0;

	for (size_t i = 0; i < PEERS_STRIPES; i++) {
		pthread_mutex_lock(&peers->stripes[i].lock);
		for (const struct peer *peer = peers->stripes[i].first; peer; peer = peer->next)
			count++;
		pthread_mutex_unlock(&peers->stripes[i].lock);
	}
	return count;
}
