/*
 * core/deliver/turns.h - work on content that takes the processor long, a little of it in each turn of the shard.
 *
 * So much is done in a turn, whoever does it. Who has not had his turn stands in line, and the line goes on with the
 * next one: nobody else's mail waits for more than that little, and of several who convert large messages each gets
 * on.
 */
#ifndef POSTRIDER_DELIVER_TURNS_H
#define POSTRIDER_DELIVER_TURNS_H

#include <stdbool.h>
#include <stddef.h>

#include "core/base/list.h"

enum { TURNS_OCTETS = 32 << 10 }; /* a tenth or two of a millisecond */

/* The caller's; it may go at any time by list_remove(). */
struct turns_waiter {
	struct list link;
	void (*fn)(struct turns_waiter *w); /* it is its turn */
};

struct turns {
	struct list waiting;
	struct turns_waiter *called; /* whose turn it is */
	size_t octets;               /* done in this turn */
};

void turns_init(struct turns *t);
void turns_waiter_init(struct turns_waiter *w, void (*fn)(struct turns_waiter *w));
/* It may do so much now, TURNS_OCTETS at most, which counts as done. False: it stands in line, and is called. */
bool turns_take(struct turns *t, struct turns_waiter *w, size_t octets);
/* Somebody stands in line. */
static inline bool turns_due(const struct turns *t)
{
	return !list_empty(&t->waiting);
}
/* Once per turn. */
void turns_run(struct turns *t);

#endif
