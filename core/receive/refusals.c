/*
 * core/receive/refusals.c - see refusals.h.
 */
#include "core/receive/refusals.h"

#include <string.h>

#include "core/base/address_text.h"
#include "core/base/clock.h"
#include "queue/hash.h"

void refusals_init(struct refusals *refusals, uint64_t salt)
{
	memset(refusals, 0, sizeof(*refusals));
	refusals->salt = salt;
}

bool refusals_tell(struct refusals *refusals, const struct ring_address *peer, uint64_t now_ns, uint32_t *untold)
{
	uint32_t minute = (uint32_t)(now_ns / (60 * CLOCK_NS_PER_S));
	uint8_t octets[16] = {0}, key[sizeof(refusals->salt) + 8];
	size_t length = address_text_octets(peer, octets), place;

	memcpy(key, &refusals->salt, sizeof(refusals->salt));
	if (length > 8)
		length = 8;
	memcpy(key + sizeof(refusals->salt), octets, length);
	place = queue_hash(key, sizeof(refusals->salt) + length) % REFUSALS_PLACES;
	if (refusals->places[place].minute != minute) {
		refusals->places[place].minute = minute;
		refusals->places[place].told = 0;
	}
	if (refusals->places[place].told >= REFUSALS_A_MINUTE) {
		refusals->places[place].untold += refusals->places[place].untold < UINT32_MAX;
		return false;
	}
	refusals->places[place].told++;
	*untold = refusals->places[place].untold;
	refusals->places[place].untold = 0;
	return true;
}

/* Behind the word that begins at `at` or behind spaces there. */
static uint32_t word_end(struct span line, uint32_t at)
{
	while (at < line.length && (line.data[at] == ' ' || line.data[at] == '\t'))
		at++;
	while (at < line.length && line.data[at] != ' ' && line.data[at] != '\t')
		at++;
	return at;
}

struct span refusals_command(struct span line, enum smtp_verb verb, bool after_auth)
{
	if (verb == SMTP_AUTH)
		line.length = word_end(line, word_end(line, 0));
	else if (verb == SMTP_UNKNOWN && after_auth)
		line.length = 0;
	else if (verb == SMTP_UNKNOWN || verb == SMTP_FOREIGN)
		line.length = word_end(line, 0);
	return line;
}
