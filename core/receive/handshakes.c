/*
 * core/receive/handshakes.c - see handshakes.h.
 */
#include "core/receive/handshakes.h"

#include <assert.h>
#include <string.h>

#include "core/base/address_text.h"
#include "queue/hash.h"

void handshakes_init(struct handshakes *handshakes, uint64_t salt)
{
	memset(handshakes, 0, sizeof(*handshakes));
	handshakes->salt = salt;
	for (unsigned i = 0; i < HANDSHAKES_SHARES; i++)
		list_init(&handshakes->shares[i].places);
}

uint8_t handshakes_share(const struct handshakes *handshakes, const struct ring_address *address)
{
	struct {
		uint64_t salt;
		uint8_t octets[16];
	} key = {.salt = handshakes->salt};

	(void)address_text_octets(address, key.octets);
	return (uint8_t)(queue_hash(&key, sizeof(key.salt) + 8) % HANDSHAKES_SHARES);
}

struct list *handshakes_full(const struct handshakes *handshakes)
{
	unsigned most = 0;

	if (handshakes->count < HANDSHAKES_MAX)
		return NULL;
	for (unsigned i = 1; i < HANDSHAKES_SHARES; i++) {
		if (handshakes->shares[i].count > handshakes->shares[most].count)
			most = i;
	}
	return handshakes->shares[most].places.next;
}

void handshakes_enter(struct handshakes *handshakes, uint8_t share, struct list *place)
{
	assert(handshakes->count < HANDSHAKES_MAX);
	handshakes->count++;
	handshakes->shares[share].count++;
	list_append(&handshakes->shares[share].places, place);
}

void handshakes_leave(struct handshakes *handshakes, uint8_t share, struct list *place)
{
	assert(handshakes->shares[share].count > 0);
	list_remove(place);
	handshakes->shares[share].count--;
	handshakes->count--;
}
