/*
 * core/control/places.h - places for connections at a door of the control, and who gives his up for who comes. Pure.
 *
 * There are PLACES_MAX, of which PLACES_NETWORK_MAX may be one network's: an address of IPv4, a /64 of IPv6, which is
 * what anybody has to himself, or a user of this machine. Whoever has been let in (places_let_in()) keeps his. Where
 * there is no other, who comes is given that of somebody who was not: of those of the site (a /48) and in it the
 * network that has most such places, the oldest. So whoever only connects, is silent, slow, or has a wrong password
 * takes places from his like alone, and who can sign in finds one. Root alone is given another user's who was let in,
 * where there is no other.
 *
 * Who has to go has his slot until he is gone, so there are more slots than places; where these are full nobody comes.
 */
#ifndef POSTRIDER_CONTROL_PLACES_H
#define POSTRIDER_CONTROL_PLACES_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/base/ring.h"

enum { PLACES_MAX = 32, PLACES_NETWORK_MAX = 24, PLACES_SLOTS = 2 * PLACES_MAX };

struct places_from {
	unsigned kind; /* 0: a user, 4, 6 */
	uint64_t network, site;
	bool unlimited; /* may have all places, and those of others who were let in */
};

void places_from_address(const struct ring_address *address, struct places_from *out);
/* root has as many as there are, whoever has taken them: what others have made of it can be mended by him. */
void places_from_user(uid_t user, struct places_from *out);

struct places {
	struct place {
		bool taken, leaving, let_in;
		uint64_t number; /* of all that ever came */
		struct places_from from;
	} slots[PLACES_SLOTS];
	uint64_t numbers;
};

/* A slot, or -1: he is not let in. *leaves: the slot of who has to go for it now, once; -1: nobody has. */
int places_take(struct places *places, const struct places_from *from, int *leaves);
void places_let_in(struct places *places, int slot);
void places_give_back(struct places *places, int slot);

#endif
