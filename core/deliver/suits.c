/*
 * core/deliver/suits.c - see suits.h.
 */
#include "core/deliver/suits.h"

#include "core/base/clock.h"
#include "core/config/config.h"
#include "core/deliver/attempt.h"
#include "core/deliver/connection.h"
#include "core/deliver/outbound_site.h"
#include "core/deliver/strict_tls.h"
#include "core/shard/shard.h"

/* What it does not offer may be offered later, or by another machine behind that name. */
#define LACKS_NS (600 * CLOCK_NS_PER_S)

enum { STRICT_TLS = 1u << OUTBOUND_NEEDS_STRICT_TLS, EIGHT_BIT = 1u << OUTBOUND_NEEDS_EIGHT_BIT };

unsigned suits_needs(const struct attempt *a)
{
	return (a->envelope.require_tls ? STRICT_TLS : 0u) | (a->delivery->unaltered ? EIGHT_BIT : 0u);
}

bool suits(const struct connection *c, unsigned needs)
{
	return (!(needs & STRICT_TLS) || !strict_tls_lacks(c)) &&
	       (!(needs & EIGHT_BIT) || c->setup.extensions.eight_bit_mime);
}

bool suits_host(const struct host *host, unsigned needs, uint64_t now_ns)
{
	for (unsigned i = 0; i < OUTBOUND_NEEDS; i++) {
		if (needs & 1u << i && host->lacks_until_ns[i] > now_ns)
			return false;
	}
	return true;
}

uint64_t suits_other_ns(const struct outbound *o, unsigned needs, const struct host *lacking)
{
	uint64_t now_ns = o->shard->now_ns, first_ns = UINT64_MAX;
	size_t i;

	for (i = 0; i < o->host_count; i++) {
		const struct host *host = o->hosts[i];
		uint64_t at_ns = host->blocked_until_ns, probe_ns = atomic_load(&host->hold->probe_ns);
		if (host == lacking || !suits_host(host, needs, now_ns) || (o->mx && outbound_site_behind(o->mx, i)))
			continue;
		at_ns = probe_ns > at_ns ? probe_ns : at_ns;
		at_ns = at_ns > now_ns ? at_ns : now_ns;
		first_ns = at_ns < first_ns ? at_ns : first_ns;
	}
	return first_ns;
}

void suits_learn(const struct connection *c)
{
	for (unsigned i = 0; i < OUTBOUND_NEEDS; i++)
		c->host->lacks_until_ns[i] = suits(c, 1u << i) ? 0 : c->outbound->shard->now_ns + LACKS_NS;
}

bool suits_elsewhere(struct attempt *a, const struct connection *c)
{
	const struct outbound *o = a->outbound;
	bool matched = o->mailboxes && o->destination->sender == CONFIG_SENDER_MATCH;

	/* Mailboxes that differ by what they may send as are at one provider (outbound_match.c). */
	if (matched || suits_other_ns(o, suits_needs(a) | EIGHT_BIT, c->host) == UINT64_MAX)
		return false;
	a->delivery->unaltered = true;
	return true;
}
