/*
 * core/receive/known.c - see known.h.
 */
#include "core/receive/known.h"

#include <string.h>

#include "core/base/clock.h"
#include "core/base/hidden.h"

struct place {
	uint8_t mac[MAC_SIZE];
	uint64_t until_ns; /* 0: free */
};

struct known {
	uint8_t key[MAC_SIZE];
	struct place sets[KNOWN_SETS][KNOWN_WAYS];
};

struct known *known_new(const uint8_t key[MAC_SIZE])
{
	struct known *known = hidden_new(sizeof(*known));

	if (known)
		memcpy(known->key, key, MAC_SIZE);
	return known;
}

void known_free(struct known *known)
{
	hidden_free(known, sizeof(*known));
}

/* Its set, or NULL without memory. */
static struct place *look(const struct known *known, const struct known_login *login, uint8_t mac[MAC_SIZE])
{
	const struct mac_part parts[] = {{login->user, strlen(login->user)},
					 {login->password, strlen(login->password)},
					 {login->hash, strlen(login->hash)}};
	uint32_t set;

	if (!mac_of(known->key, parts, sizeof(parts) / sizeof(parts[0]), mac))
		return NULL;
	memcpy(&set, mac, sizeof(set));
	return ((struct known *)known)->sets[set % KNOWN_SETS];
}

/* Whoever does not know the key learns nothing from how long the comparison takes. */
bool known_find(struct known *known, const struct known_login *login, uint64_t now_ns)
{
	uint8_t mac[MAC_SIZE];
	const struct place *set = look(known, login, mac);

	for (unsigned i = 0; set && i < KNOWN_WAYS; i++) {
		if (set[i].until_ns > now_ns && memcmp(set[i].mac, mac, MAC_SIZE) == 0)
			return true;
	}
	return false;
}

void known_add(struct known *known, const struct known_login *login, uint64_t now_ns)
{
	uint8_t mac[MAC_SIZE];
	struct place *set = look(known, login, mac), *oldest = set;

	if (!set)
		return;
	for (unsigned i = 0; i < KNOWN_WAYS; i++) {
		if (memcmp(set[i].mac, mac, MAC_SIZE) == 0) {
			oldest = &set[i];
			break;
		}
		if (set[i].until_ns < oldest->until_ns)
			oldest = &set[i];
	}
	memcpy(oldest->mac, mac, MAC_SIZE);
	oldest->until_ns = now_ns + KNOWN_MINUTES * 60 * CLOCK_NS_PER_S;
}
