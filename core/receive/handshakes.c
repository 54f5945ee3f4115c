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
	list_init(&handshakes->turns);
	for (unsigned i = 0; i < HANDSHAKES_SHARES; i++) {
		list_init(&handshakes->shares[i].places);
		list_init(&handshakes->shares[i].ready);
		list_init(&handshakes->shares[i].turn);
	}
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

void handshakes_answered(struct handshakes *handshakes, uint8_t share, struct list *place)
{
	list_remove(place);
	list_append(&handshakes->shares[share].places, place);
}

void handshakes_ready(struct handshakes *handshakes, uint8_t share, struct list *ready, bool answered)
{
	struct handshakes_share *of = &handshakes->shares[share];

	if (answered)
		list_prepend(&of->ready, ready);
	else
		list_append(&of->ready, ready);
	if (!list_linked(&of->turn))
		list_append(&handshakes->turns, &of->turn);
}

struct list *handshakes_next(struct handshakes *handshakes)
{
	struct list *turn, *ready;

	while ((turn = list_take_first(&handshakes->turns)) != NULL) {
		struct handshakes_share *of = container_of(turn, struct handshakes_share, turn);
		ready = list_take_first(&of->ready);
		/* It has others: again when each of the other addresses has had its turn. */
		if (!list_empty(&of->ready))
			list_append(&handshakes->turns, &of->turn);
		if (ready)
			return ready;
	}
	return NULL;
}
