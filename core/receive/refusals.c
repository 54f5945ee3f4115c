/*
 * core/receive/refusals.c - see refusals.h.
 */
#include "core/receive/refusals.h"

#include <string.h>

#include "core/base/address_text.h"
#include "core/base/clock.h"
#include "queue/hash.h"

static void init(struct refusals *refusals, uint64_t salt, uint64_t window_ns, uint32_t most)
{
	memset(refusals, 0, sizeof(*refusals));
	refusals->salt = salt;
	refusals->window_ns = window_ns;
	refusals->most = most;
}

void refusals_init(struct refusals *refusals, uint64_t salt)
{
	init(refusals, salt, 60 * CLOCK_NS_PER_S, REFUSALS_A_MINUTE);
}

void refusals_init_quiet(struct refusals *refusals, uint64_t salt)
{
	init(refusals, salt, 3600 * CLOCK_NS_PER_S, REFUSALS_QUIET_AN_HOUR);
}

bool refusals_tell(struct refusals *refusals, const struct ring_address *peer, uint64_t now_ns, uint32_t *untold)
{
	uint32_t window = (uint32_t)(now_ns / refusals->window_ns);
	uint8_t octets[16] = {0}, key[sizeof(refusals->salt) + 8];
	size_t length = address_text_octets(peer, octets), place;

	memcpy(key, &refusals->salt, sizeof(refusals->salt));
	if (length > 8)
		length = 8;
	memcpy(key + sizeof(refusals->salt), octets, length);
	place = queue_hash(key, sizeof(refusals->salt) + length) % REFUSALS_PLACES;
	if (refusals->places[place].window != window) {
		refusals->places[place].window = window;
		refusals->places[place].told = 0;
	}
	if (refusals->places[place].told >= refusals->most) {
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
