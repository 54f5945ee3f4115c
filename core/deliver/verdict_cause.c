/*
 * core/deliver/verdict_cause.c - causes that are no reply: a connection that ended, for its messages and for its host;
 * a message's age; damage.
 */
#include <errno.h>

#include "core/deliver/verdict.h"

enum {
	DAMAGED_RETRY_S = 3600,
	OUR_RETRY_S = 10,
	UNKNOWN_MAX = 2, /* lost answers of one message, from which on it waits for retry.max */
	/* What was held by itself is old by our fault: so many times the attempts before it may expire. */
	HELD_ATTEMPTS = 4,
};

struct verdict_ending verdict_cut(const struct verdict_cut *cut)
{
	struct verdict_ending ending = {.kind = OUTCOME_UNTRIED};

	if (cut->command)
		return ending;
	if (cut->end_written && !cut->unread) {
		ending.kind = OUTCOME_UNKNOWN;
		ending.unknown = true;
		ending.again = cut->unknown == 0;
		/* Those behind the first are likely to have been read by nobody. Where nothing was answered, the next
		 * connection begins with one alone: its answer may be what the others' took along when it was lost. */
		ending.broken = cut->next && (!cut->between || cut->taken == 0);
		if (cut->unknown > 0 && cut->next)
			ending.at_most = cut->crowd;
		return ending;
	}
	if (!cut->next || !cut->begun || cut->ours)
		return ending;
	if (cut->refused) {
		ending.kind = OUTCOME_ANSWERED;
		return ending;
	}
	if (cut->between && cut->taken > 0)
		return ending;
	ending.kind = OUTCOME_LOST;
	ending.broken = true;
	ending.again = cut->broken == 0;
	/* Once it may have been anything; again at a recipient it is likely to be their number. */
	if (cut->broken > 0)
		ending.at_most = cut->crowd;
	return ending;
}

struct verdict_blame verdict_gone(const struct verdict_gone *gone)
{
	bool took_none = gone->asked > 0 && gone->taken == 0;
	struct verdict_blame blame = {.host = false};

	if (gone->ours)
		return blame;
	/* A reset takes answers along that were on their way: with several messages in flight nobody can tell which
	 * were taken, and it might be the same again and again. */
	blame.known = gone->asked > 0;
	blame.careful = took_none;
	if (gone->lesson || gone->got_on)
		return blame;
	/* A host that takes no message is as good as one that cannot be reached. */
	blame.host = !gone->ready || took_none || gone->unused;
	/* One of another server behind the same name, which speaks a newer version. */
	blame.ticket = blame.host && gone->ticket;
	blame.host = blame.host && !blame.ticket;
	return blame;
}

enum verdict_habit verdict_silence(const struct verdict_silence *silence)
{
	if (silence->told || silence->taken == 0)
		return HABIT_NONE;
	if (silence->stale)
		return HABIT_IDLE;
	if (silence->begun)
		return HABIT_NONE;
	return silence->reset ? HABIT_NO_RSET : HABIT_NUMBER;
}

bool verdict_expired(const struct verdict_age *age)
{
	const uint64_t hour_ns = UINT64_C(3600) * 1000000000;
	unsigned tried = age->holds > 0 ? age->tried / HELD_ATTEMPTS : age->tried;

	if (!age->beside && age->tried_max > 0 && tried >= age->tried_max)
		return true;
	return !age->beside && tried >= 2 && age->age_ns > age->expire_ns &&
	       age->uptime_ns >= (age->expire_ns < hour_ns ? age->expire_ns : hour_ns);
}

struct verdict_pause verdict_pause(enum outcome_kind kind, unsigned unknown)
{
	bool longest = kind == OUTCOME_UNKNOWN && unknown >= UNKNOWN_MAX;

	return (struct verdict_pause){.longest = longest, .news = longest && unknown == UNKNOWN_MAX};
}

struct verdict_fault verdict_fault(int error)
{
	bool damaged = error == -EBADMSG || error == -EIO;

	return (struct verdict_fault){.damaged = damaged, .again_s = damaged ? DAMAGED_RETRY_S : OUR_RETRY_S};
}
