/*
 * core/control/limited.c - see limited.h.
 */
#include "core/control/limited.h"

#include "core/deliver/hold.h"
#include "core/deliver/mailbox.h"
#include "core/deliver/outbound.h"
#include "core/deliver/slots.h"
#include "core/shard/shard.h"

const char *const limited_names[LIMITED_COUNT] = {
	[LIMITED_SUSPENDED] = "suspended", [LIMITED_SIGN_IN] = "sign_in",
	[LIMITED_SET_UP] = "set_up",       [LIMITED_DNS] = "dns",
	[LIMITED_BACK_OFF] = "back_off",   [LIMITED_LIMITS] = "limits",
	[LIMITED_FALLBACK] = "fallback",   [LIMITED_CONNECTIONS] = "connections",
	[LIMITED_RETRY] = "retry",
};

static unsigned bit(enum limited which, bool is)
{
	return is ? 1u << which : 0;
}

static unsigned of_host(const struct outbound *o, const struct host *host)
{
	if (host->blocked_until_ns <= o->shard->now_ns)
		return bit(LIMITED_SET_UP, host->hold && hold_in_force(host->hold));
	if (host->hold && hold_in_force(host->hold))
		return bit(LIMITED_SET_UP, true);
	return bit(host->addresses.count == 0 ? LIMITED_DNS : LIMITED_BACK_OFF, true);
}

unsigned limited_of(const struct outbound *o)
{
	unsigned all = bit(LIMITED_SUSPENDED, o->suspended);

	/* Lanes without mail keep nothing from going. */
	if (outbound_waiting(o) == 0)
		return all;
	all |= bit(LIMITED_SIGN_IN, o->mailboxes && mailbox_use(o->mailboxes, NULL) != MAILBOXES_USABLE);
	for (size_t i = 0; i < o->host_count; i++)
		all |= of_host(o, o->hosts[i]);
	all |= bit(LIMITED_LIMITS, o->limited_until_ns > o->shard->now_ns);
	all |= bit(LIMITED_FALLBACK, o->away);
	all |= bit(LIMITED_CONNECTIONS,
		   o->lane.ready.count > 0 && o->most > 0 &&
			   atomic_load_explicit(&o->slots->taken, memory_order_relaxed) >= o->most);
	return all;
}
