/*
 * core/receive/handshakes.h - TLS handshakes that have begun and are not complete: how many there may be, and which of
 * them make room, and whose turn it is.
 *
 * Each may keep 60 KB for a minute and say nothing, so all together are bounded. Who comes when there is no room gets
 * in all the same: the oldest goes, of the address that has most of them. So whoever begins thousands and lets them lie
 * pushes out his own, and a slow device is not hurried by others. Addresses share lists by their hash: the memory is
 * fixed, and a newcomer costs the same however many there are.
 *
 * Those that have octets for the next step take turns by address as well: of whoever has brought five hundred one is
 * dealt with, then one of each other's. Within an address those come first whose client has had an answer, and they
 * count as new from then on: where more begin than can be dealt with, as of a whole site behind one address, some of
 * them get to their end. Otherwise each would be the oldest, and gone, before its second step.
 */
#ifndef POSTRIDER_RECEIVE_HANDSHAKES_H
#define POSTRIDER_RECEIVE_HANDSHAKES_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/list.h"
#include "core/base/ring.h"

enum { HANDSHAKES_MAX = 2048, HANDSHAKES_SHARES = 256 };

struct handshakes {
	uint64_t salt; /* so that nobody can choose an address to share another one's list */
	unsigned count;
	struct handshakes_share {
		struct list places; /* oldest first */
		struct list ready;  /* of them, which have octets: answered ones, then in the order they came */
		struct list turn;   /* in `turns`, as long as some are ready */
		unsigned count;
	} shares[HANDSHAKES_SHARES];
	struct list turns; /* struct handshakes_share */
};

void handshakes_init(struct handshakes *handshakes, uint64_t salt);
/* Which list is this address's. IPv6 counts by /64, the smallest network of one site. */
uint8_t handshakes_share(const struct handshakes *handshakes, const struct ring_address *address);
/* NULL: there is room for one more. Otherwise the place of the one that has to leave first. */
struct list *handshakes_full(const struct handshakes *handshakes);
void handshakes_enter(struct handshakes *handshakes, uint8_t share, struct list *place);
void handshakes_leave(struct handshakes *handshakes, uint8_t share, struct list *place);

/* It has been given its first answer, and is not complete. */
void handshakes_answered(struct handshakes *handshakes, uint8_t share, struct list *place);

/* Octets have come for it. `ready`: a place of its own, which the owner may take out of the list. */
void handshakes_ready(struct handshakes *handshakes, uint8_t share, struct list *ready, bool answered);
/* Whose turn it is, taken out; NULL: nobody is ready. */
struct list *handshakes_next(struct handshakes *handshakes);
/* Somebody is ready, or was and has gone. */
static inline bool handshakes_waiting(const struct handshakes *handshakes)
{
	return !list_empty(&handshakes->turns);
}

#endif
