/*
 * core/deliver/slow.c - see slow.h.
 */
#include "core/deliver/slow.h"

#include "core/base/clock.h"
#include "core/config/config.h"
#include "core/deliver/hold.h"
#include "core/deliver/outbound.h"
#include "core/deliver/tell.h"
#include "core/route/plan.h"
#include "core/shard/shard.h"

static const struct config_limits none = {.pacing = CONFIG_PACING_EVEN};

/* Between two messages of all lanes lately, as far as this one can tell; 0: nothing was sent. */
static uint64_t lately_ns(const struct outbound *o)
{
	const struct plan *plan = o->shard->plan;
	uint64_t rate = o->rate > o->rate_count ? o->rate : o->rate_count;

	return rate ? CLOCK_NS_PER_S / (rate * plan->destinations[plan->lanes[o->index].destination].lanes) : 0;
}

void slow_down(struct outbound *o, struct host *host, const struct verdict_fact *fact, const struct ruling *ruling)
{
	bool all = ruling->scope == SCOPE_DESTINATION || o->host_count <= 1;
	struct account *account = all ? o->account : &host->hold->account;
	const struct config_limits *limits = all ? &o->destination->limits : &none;

	if (!account_slow(account, limits, ruling->slow_by, ruling->slow_s * CLOCK_NS_PER_S, lately_ns(o),
			  o->shard->now_ns))
		return;
	tell_slowed(o, host, all, account_slowness(account, limits, o->shard->now_ns), fact, ruling);
}
