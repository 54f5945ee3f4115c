/*
 * core/deliver/account.c - see account.h.
 */
#include "core/deliver/account.h"

#include <errno.h>
#include <stdlib.h>

#define MINUTE_NS (60 * CLOCK_NS_PER_S)
#define HOUR_NS (3600 * CLOCK_NS_PER_S)
#define SPARE_NS (ACCOUNT_SPARE_MS * CLOCK_NS_PER_MS)
#define WINDOW_NS (MINUTE_NS + SPARE_NS)
/* What is slowed without a rate of its own goes at this pace at least. */
#define BASE_MOST_NS CLOCK_NS_PER_S
/* By then all lanes go by a limit that has changed. */
#define TAKEN_NS (10 * CLOCK_NS_PER_S)
/* Refusals within so much of each other are of messages that were under way together. */
#define SLOW_AGAIN_NS (5 * CLOCK_NS_PER_S)

/* ---- pace -------------------------------------------------------------------------------------------------------- */

/* Between two messages, by the configuration; 0: none. */
static uint64_t configured_ns(const struct config_limits *limits, bool even)
{
	uint64_t minute = 0, hour = 0;

	if (limits->messages_per_minute && even)
		minute = bucket_interval_ns(WINDOW_NS, limits->messages_per_minute);
	if (limits->messages_per_hour)
		hour = bucket_interval_ns(HOUR_NS + SPARE_NS, limits->messages_per_hour);
	return minute > hour ? minute : hour;
}

/* What is stretched while it is slowed. */
static uint64_t base_ns(struct account *account, const struct config_limits *limits, unsigned slow)
{
	uint64_t interval = configured_ns(limits, slow > 1 || limits->pacing == CONFIG_PACING_EVEN);

	if (interval || slow <= 1)
		return interval;
	return atomic_load_explicit(&account->slow_base_ns, memory_order_relaxed);
}

static uint64_t interval_ns(struct account *account, const struct config_limits *limits, uint64_t now_ns)
{
	unsigned slow = account_slowed(account) ? account_slowness(account, limits, now_ns) : 1;

	return base_ns(account, limits, slow) * slow;
}

/* Nobody waits longer for the sake of the others. */
#define SPREAD_MOST_NS (10 * CLOCK_NS_PER_S)

static uint64_t phase_ns(const struct account *account, uint64_t interval)
{
	uint64_t phase = atomic_load_explicit(&((struct account *)(uintptr_t)account)->phase, memory_order_relaxed);

	return (interval < SPREAD_MOST_NS ? interval : SPREAD_MOST_NS) / 256 * phase;
}

/* Tickets for times to come are void; the next is one interval from now. */
static void begin_anew(struct account *account, uint64_t interval, uint64_t now_ns)
{
	atomic_fetch_add_explicit(&account->generation, 1, memory_order_acq_rel);
	bucket_restart(&account->pace, bucket_after(now_ns, interval + phase_ns(account, interval)));
}

/* In one word, so that one of an earlier generation is known: the time, up to a little later, and the generation. */
enum { RETURNED_BITS = 12 };
#define RETURNED_MASK ((UINT64_C(1) << RETURNED_BITS) - 1)

static void put_back(struct account *account, const struct account_turn *turn)
{
	uint64_t at_ns = bucket_after(turn->at_ns, RETURNED_MASK) & ~RETURNED_MASK;

	atomic_store_explicit(&account->returned, at_ns | (turn->generation & RETURNED_MASK), memory_order_release);
}

/* 0: there is none, or its time has passed. */
static uint64_t take_returned(struct account *account, uint32_t generation, uint64_t now_ns)
{
	uint64_t returned = atomic_load_explicit(&account->returned, memory_order_relaxed), at_ns;

	if (returned == 0)
		return 0;
	returned = atomic_exchange_explicit(&account->returned, 0, memory_order_acq_rel);
	at_ns = returned & ~RETURNED_MASK;
	if ((returned & RETURNED_MASK) != (generation & RETURNED_MASK) ||
	    at_ns + ACCOUNT_LATE_MS * CLOCK_NS_PER_MS < now_ns)
		return 0;
	return at_ns;
}

/* After a rest the first goes at once, and those behind it each in its own time. `next_ns`: for when it was. */
static void begin_apart(struct account *account, uint64_t next_ns, uint64_t at_ns, uint64_t interval)
{
	uint64_t phase = phase_ns(account, interval);

	if (phase && next_ns + interval < at_ns)
		bucket_not_before(&account->pace, bucket_after(at_ns, interval + phase));
}

static void take_ticket(struct account *account, struct account_turn *turn, uint64_t interval, uint64_t now_ns)
{
	/* In this order: one that is taken while another thread begins anew is void. */
	turn->generation = atomic_load_explicit(&account->generation, memory_order_acquire);
	turn->at_ns = take_returned(account, turn->generation, now_ns);
	if (turn->at_ns == 0) {
		uint64_t next_ns = atomic_load_explicit(&account->pace.next_ns, memory_order_relaxed);
		turn->at_ns = bucket_take(&account->pace, now_ns, interval);
		begin_apart(account, next_ns, turn->at_ns, interval);
	}
	turn->interval_ns = interval;
	turn->held = true;
}

uint64_t account_when_ns(struct account *account, const struct config_limits *limits, struct account_turn *turn,
			 uint64_t now_ns)
{
	uint64_t interval = interval_ns(account, limits, now_ns);

	if (interval == 0) {
		turn->held = false;
		return now_ns;
	}
	if (turn->held && turn->generation != atomic_load_explicit(&account->generation, memory_order_acquire))
		turn->held = false;
	if (turn->held && turn->at_ns + ACCOUNT_LATE_MS * CLOCK_NS_PER_MS < now_ns) {
		turn->held = bucket_late(&account->pace, turn->at_ns, now_ns, turn->interval_ns);
		if (turn->held)
			begin_apart(account, turn->at_ns + turn->interval_ns, now_ns, turn->interval_ns);
		turn->at_ns = now_ns;
	}
	if (!turn->held)
		take_ticket(account, turn, interval, now_ns);
	return turn->at_ns;
}

void account_leave(struct account *account, struct account_turn *turn)
{
	if (turn->held && turn->generation == atomic_load_explicit(&account->generation, memory_order_acquire) &&
	    !bucket_give_back(&account->pace, turn->at_ns, turn->interval_ns))
		put_back(account, turn);
	turn->held = false;
}

/* ---- grants ------------------------------------------------------------------------------------------------------ */

static bool bursts(const struct config_limits *limits)
{
	return limits->messages_per_minute && limits->pacing == CONFIG_PACING_BURST;
}

uint64_t account_take(struct account *account, const struct config_limits *limits, struct account_turn *turn,
		      uint64_t octets, uint64_t now_ns)
{
	uint64_t when = account_when_ns(account, limits, turn, now_ns);

	if (when > now_ns + ACCOUNT_EARLY_MS * CLOCK_NS_PER_MS)
		return when;
	if (bursts(limits)) {
		when = allowance_take(account->messages, now_ns, WINDOW_NS, limits->messages_per_minute, 1);
		if (when > 0)
			return when;
	}
	if (limits->octets_per_minute) {
		when = allowance_take(account->octets, now_ns, WINDOW_NS, limits->octets_per_minute, octets);
		if (when > 0 && bursts(limits))
			allowance_give_back(account->messages, now_ns, WINDOW_NS, 1);
		if (when > 0)
			return when;
	}
	turn->held = false;
	return 0;
}

void account_give_back(struct account *account, const struct config_limits *limits, uint64_t octets, uint64_t then_ns)
{
	if (bursts(limits))
		allowance_give_back(account->messages, then_ns, WINDOW_NS, 1);
	if (limits->octets_per_minute)
		allowance_give_back(account->octets, then_ns, WINDOW_NS, octets);
}

static bool ensure(struct allowance **allowance, bool wanted)
{
	if (wanted && !*allowance)
		*allowance = calloc(1, sizeof(**allowance));
	return !wanted || *allowance;
}

int account_prepare(struct account *account, const struct config_limits *limits)
{
	return ensure(&account->messages, bursts(limits)) && ensure(&account->octets, limits->octets_per_minute > 0)
		       ? 0
		       : -ENOMEM;
}

void account_deinit(struct account *account)
{
	free(account->messages);
	free(account->octets);
	account->messages = account->octets = NULL;
}

void account_follow(struct account *account, const struct config_limits *limits, uint64_t now_ns)
{
	const struct config_limits *before = &account->limits;
	uint64_t interval = configured_ns(limits, limits->pacing == CONFIG_PACING_EVEN), wait_ns = interval;
	/* For a moment longer lanes go by what was in force before. */
	uint64_t taken_ns = config_limited(before) ? now_ns + TAKEN_NS : now_ns;

	/* What was not counted until now may have been as much as may be. */
	if (bursts(limits) && !bursts(before))
		allowance_exhaust(account->messages, taken_ns, WINDOW_NS, limits->messages_per_minute);
	if (limits->octets_per_minute && !before->octets_per_minute)
		allowance_exhaust(account->octets, taken_ns, WINDOW_NS, limits->octets_per_minute);
	/* A pace does not know of bursts. */
	if (bursts(before) && limits->messages_per_minute && !bursts(limits))
		wait_ns += TAKEN_NS + WINDOW_NS;
	if (interval != configured_ns(before, before->pacing == CONFIG_PACING_EVEN))
		begin_anew(account, wait_ns, now_ns);
	account->limits = *limits;
}

/* ---- slower and faster ------------------------------------------------------------------------------------------- */

bool account_slow(struct account *account, const struct config_limits *limits, unsigned by, uint64_t for_ns,
		  uint64_t lately_ns, uint64_t now_ns)
{
	uint32_t slow = atomic_load_explicit(&account->slow, memory_order_relaxed), more;
	uint64_t until_ns = atomic_load_explicit(&account->slow_until_ns, memory_order_relaxed);
	uint64_t step_ns = atomic_load_explicit(&account->slow_step_ns, memory_order_relaxed);

	/* Said a moment ago. */
	if (slow > 1 && now_ns + step_ns < until_ns + SLOW_AGAIN_NS)
		return false;
	if (!atomic_compare_exchange_strong(&account->slow_until_ns, &until_ns, bucket_after(now_ns, for_ns)))
		return false; /* by somebody else in this moment */
	atomic_store_explicit(&account->slow_step_ns, for_ns, memory_order_relaxed);
	if (slow <= 1) {
		if (lately_ns == 0 || lately_ns > BASE_MOST_NS)
			lately_ns = BASE_MOST_NS;
		atomic_store_explicit(&account->slow_base_ns, lately_ns, memory_order_relaxed);
		slow = 1;
	}
	by = by < 2 ? 2 : by;
	more = slow > ACCOUNT_SLOW_MOST / by ? ACCOUNT_SLOW_MOST : slow * by;
	atomic_store_explicit(&account->slow, more, memory_order_release);
	if (more != slow)
		begin_anew(account, interval_ns(account, limits, now_ns), now_ns);
	return more != slow;
}

unsigned account_slowness(struct account *account, const struct config_limits *limits, uint64_t now_ns)
{
	uint64_t until_ns = atomic_load_explicit(&account->slow_until_ns, memory_order_relaxed);
	uint64_t step_ns = atomic_load_explicit(&account->slow_step_ns, memory_order_relaxed);
	uint32_t slow = atomic_load_explicit(&account->slow, memory_order_acquire);

	if (slow <= 1 || now_ns < until_ns)
		return slow ? slow : 1;
	if (!atomic_compare_exchange_strong(&account->slow_until_ns, &until_ns, bucket_after(now_ns, step_ns)))
		return slow; /* another thread does it */
	slow /= 2;
	atomic_store_explicit(&account->slow, slow, memory_order_release);
	/* Lanes that wait for tickets of the slower time need not wait until then. */
	begin_anew(account, base_ns(account, limits, slow) * slow, now_ns);
	return slow;
}
