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
#include "queue/hash.h"

enum { STRIPES = 1024, KEY_SIZE = 9 };

struct peer {
	struct peer *next;
	uint8_t key[KEY_SIZE]; /* family, then 4 octets of IPv4 or 8 of IPv6 */
	unsigned count;
};

struct peers {
	struct {
		pthread_mutex_t lock;
		struct peer *first;
	} stripes[STRIPES];
};

struct peers *peers_new(void)
{
	struct peers *peers = calloc(1, sizeof(*peers));
	size_t i;

	for (i = 0; peers && i < STRIPES; i++)
		pthread_mutex_init(&peers->stripes[i].lock, NULL);
	return peers;
}

void peers_free(struct peers *peers)
{
	size_t i;

	for (i = 0; peers && i < STRIPES; i++) {
		while (peers->stripes[i].first) {
			struct peer *peer = peers->stripes[i].first;
			peers->stripes[i].first = peer->next;
			free(peer);
		}
		pthread_mutex_destroy(&peers->stripes[i].lock);
	}
	free(peers);
}

static size_t key_of(const struct ring_address *address, uint8_t key[KEY_SIZE])
{
	uint8_t octets[16] = {0};

	memset(key, 0, KEY_SIZE);
	key[0] = (uint8_t)address_text_octets(address, octets);
	memcpy(key + 1, octets, key[0] == 4 ? 4 : 8);
	return queue_hash(key, KEY_SIZE) % STRIPES;
}

static struct peer **find(struct peer **at, const uint8_t *key)
{
	while (*at && memcmp((*at)->key, key, KEY_SIZE) != 0)
		at = &(*at)->next;
	return at;
}

bool peers_enter(struct peers *peers, const struct ring_address *address, unsigned max, bool *counted)
{
	uint8_t key[KEY_SIZE];
	size_t stripe = key_of(address, key);
	bool within = false;
	struct peer **at;

	pthread_mutex_lock(&peers->stripes[stripe].lock);
	at = find(&peers->stripes[stripe].first, key);
	if (!*at && (*at = calloc(1, sizeof(**at))) != NULL)
		memcpy((*at)->key, key, KEY_SIZE);
	*counted = *at != NULL;
	if (*at)
		within = ++(*at)->count <= max;
	pthread_mutex_unlock(&peers->stripes[stripe].lock);
	return within;
}

void peers_leave(struct peers *peers, const struct ring_address *address)
{
	uint8_t key[KEY_SIZE];
	size_t stripe = key_of(address, key);
	struct peer **at, *peer;

	pthread_mutex_lock(&peers->stripes[stripe].lock);
	at = find(&peers->stripes[stripe].first, key);
	peer = *at;
	assert(peer && peer->count > 0);
	if (--peer->count == 0) {
		*at = peer->next;
		free(peer);
	}
	pthread_mutex_unlock(&peers->stripes[stripe].lock);
}
