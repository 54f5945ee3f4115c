/*
 * core/deliver/verdict_cause.c - causes that are no reply: a connection that ended, for its messages and for its host.
 */
#include "core/deliver/verdict.h"

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
