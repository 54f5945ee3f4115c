/*
 * core/deliver/path.h - mail of a lane takes the other path, its destination's `fallback`, while its own leads nowhere.
 *
 * A shard that has a lane of a destination has one of its fallback (core/route/plan.h), so a delivery changes lanes and
 * nothing else. It is on loan there for one attempt: sent, or settled, it is home again (outbound_due()), and its own
 * path is looked at anew. The disk does not know: after a restart the own path comes first.
 *
 * The own path leads nowhere when all its hosts have failed for fallback_after, or are held for what this relay is
 * (hold.h); when the logins of all its mailboxes are refused, or for so long cannot be had (mailbox.h); or when its
 * limits let nothing go for longer than PATH_LIMITED_S. Each time one of its hosts may be tried
 * again one message stays to try it. Mail goes over no faster than the other path takes it, and only while that has a
 * host that is not left alone; where it has none any more, what is there on loan comes back. What is in flight is heard
 * to its end first.
 *
 * A single message takes the other path at once where a rule says so (ACTION_OTHER_PATH): it is put aside, and stands
 * in the other lane from then on, also where it is tried again there, for it is known that its own takes it not.
 */
#ifndef POSTRIDER_DELIVER_PATH_H
#define POSTRIDER_DELIVER_PATH_H

#include <stdbool.h>
#include <stdint.h>

struct delivery;
struct outbound;
struct shard;
struct snapshot;

enum {
	PATH_AHEAD = 256,    /* messages on loan that wait in the other lane */
	PATH_LIMITED_S = 60, /* shorter pauses are waited for */
};

/* Where the lane's other path is, by this snapshot. */
void path_find(struct outbound *o, const struct snapshot *snapshot);
/* Once per dispatch, before anything is sent: mail leaves by the other path, or comes back from the lane that it was
 * lent to. */
void path_follow(struct outbound *o, uint64_t *next_ns);
/* The lane's limits were found to let nothing go before o->limited_until_ns, behind path_follow(). */
void path_limited(struct outbound *o);
/* Some host of the lane's own may be tried now, and somebody may sign in there. */
bool path_leads(const struct outbound *o);
/* A delivery is about to take its place: at home if it was on loan, or beside that, where it was put aside. */
void path_place(struct shard *shard, struct delivery *d);
/* lane_take(), but for what is on loan here and, by a newer configuration, has no path to here any more, and for what
 * is not to go on (park.h). */
struct delivery *path_take(struct outbound *o);
/* Instead of path_follow(), where the lane's destination is gone: what is there on loan goes home. */
void path_gone(struct outbound *o);

#endif
