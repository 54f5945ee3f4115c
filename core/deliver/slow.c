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
	uint64_t rate = o->rate > o->rate_count ? o->rate : o->rate_count;

	unsigned lanes = o->mx ? o->shard->count : o->shard->plan->destinations[o->place].lanes;

	return rate ? CLOCK_NS_PER_S / (rate * lanes) : 0;
}

void slow_down(struct outbound *o, struct host *host, struct mailbox *mailbox, const struct verdict_fact *fact,
	       const struct ruling *ruling)
{
	const struct config_limits *limits = &o->destination->limits;
	struct account *account = o->account;
	const char *scope = "destination";

	if (ruling->scope == SCOPE_MAILBOX && mailbox) {
		account = &mailbox->account;
		scope = "mailbox";
	} else if (ruling->scope != SCOPE_DESTINATION && o->host_count > 1) {
		account = &host->hold->account;
		limits = &none;
		scope = "host";
	} else if (o->mailboxes) {
		limits = &none; /* what is configured is each mailbox's */
	}
	if (!account_slow(account, limits, ruling->slow_by, ruling->slow_s * CLOCK_NS_PER_S, lately_ns(o),
			  o->shard->now_ns))
		return;
	tell_slowed(o, host, mailbox, scope, account_slowness(account, limits, o->shard->now_ns), fact, ruling);
}
