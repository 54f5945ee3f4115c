/*
 * core/control/places.c - see places.h.
 */
#include "core/control/places.h"

#include <string.h>

#include "core/base/address_text.h"

void places_from_address(const struct ring_address *address, struct places_from *out)
{
	uint8_t octets[16] = {0};

	*out = (struct places_from){.kind = (unsigned)address_text_octets(address, octets)};
	out->kind = out->kind == 4 ? 4 : 6;
	for (unsigned i = 0; i < (out->kind == 4 ? 4U : 8U); i++)
		out->network = out->network << 8 | octets[i];
	out->site = out->kind == 4 ? out->network : out->network >> 16;
}

void places_from_user(uid_t user, struct places_from *out)
{
	*out = (struct places_from){.network = user, .site = user, .unlimited = user == 0};
}

static bool same_network(const struct places_from *a, const struct places_from *b)
{
	return a->kind == b->kind && a->network == b->network;
}

static bool same_site(const struct places_from *a, const struct places_from *b)
{
	return a->kind == b->kind && a->site == b->site;
}

/* `any`: also who was let in, but root. */
static bool may_go(const struct place *place, bool any)
{
	return place->taken && !place->leaving && (!place->let_in || (any && !place->from.unlimited));
}

/* How many of those who may go are of his site, and of his network. */
static unsigned weight(const struct places *p, const struct place *of, bool any)
{
	unsigned sites = 0, networks = 0;

	for (unsigned i = 0; i < PLACES_SLOTS; i++) {
		const struct place *other = &p->slots[i];
		sites += may_go(other, any) && same_site(&other->from, &of->from);
		networks += may_go(other, any) && same_network(&other->from, &of->from);
	}
	return sites * (PLACES_SLOTS + 1) + networks;
}

/* `of`: of this network alone; NULL: of any. -1: nobody may go. */
static int choose(const struct places *p, const struct places_from *of, bool any)
{
	unsigned most = 0;
	int chosen = -1;

	for (int i = 0; i < PLACES_SLOTS; i++) {
		const struct place *place = &p->slots[i];
		unsigned its;
		if (!may_go(place, any) || (of && !same_network(&place->from, of)))
			continue;
		its = weight(p, place, any);
		if (chosen < 0 || its > most || (its == most && place->number < p->slots[chosen].number)) {
			chosen = i;
			most = its;
		}
	}
	return chosen;
}

int places_take(struct places *p, const struct places_from *from, int *leaves)
{
	unsigned all = 0, of_network = 0;
	bool network_full;
	int free = -1;

	*leaves = -1;
	for (int i = PLACES_SLOTS - 1; i >= 0; i--) {
		const struct place *place = &p->slots[i];
		if (!place->taken)
			free = i;
		all += place->taken && !place->leaving;
		of_network += place->taken && !place->leaving && same_network(&place->from, from);
	}
	network_full = of_network >= PLACES_NETWORK_MAX && !from->unlimited;
	if (free < 0)
		return -1;
	if (network_full || all >= PLACES_MAX) {
		*leaves = choose(p, network_full ? from : NULL, false);
		if (*leaves < 0 && from->unlimited)
			*leaves = choose(p, NULL, true);
		if (*leaves < 0)
			return -1;
		p->slots[*leaves].leaving = true;
	}
	p->slots[free] = (struct place){.taken = true, .number = p->numbers++, .from = *from};
	return free;
}

void places_let_in(struct places *p, int slot)
{
	p->slots[slot].let_in = true;
}

void places_give_back(struct places *p, int slot)
{
	p->slots[slot].taken = false;
}
