/*
 * core/base/bucket.h - a rate for any number of threads, in one atomic word: the generic cell rate algorithm (ITU-T
 * I.371), turned into tickets.
 *
 * The word is the time of the next ticket. Who wants to do something takes one with bucket_take() and hears for when it
 * is: now, or a time to come, at which nobody else needs to be asked again. So nobody polls, tickets leave in the order
 * in which they were asked for, and of however many threads each gets its turn. Times that pass without anybody asking
 * are gone: nothing is saved up, and in any stretch of time there are no more tickets than its length has intervals,
 * and one.
 *
 * A ticket is for its time, not for any time after: kept and used later, beside those that are for then, it would be
 * one too many. bucket_late() exchanges it where nobody has asked since.
 *
 * Times are monotonic. The clock of another thread may be a turn behind or ahead.
 */
#ifndef POSTRIDER_BASE_BUCKET_H
#define POSTRIDER_BASE_BUCKET_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct bucket {
	_Atomic(uint64_t) next_ns; /* 0: nothing was ever asked */
};

/* No ticket is for a time behind this: so far nothing overflows, and nobody waits that long anyway. */
#define BUCKET_FAR_NS (UINT64_MAX / 2)

/* So that not more than `most` tickets fall into any window of this length. Rounded up, never down. Not 0. */
static inline uint64_t bucket_interval_ns(uint64_t window_ns, uint64_t most)
{
	uint64_t interval_ns = most ? window_ns / most + (window_ns % most != 0) : BUCKET_FAR_NS;

	return interval_ns ? interval_ns : 1;
}

static inline uint64_t bucket_after(uint64_t ns, uint64_t interval_ns)
{
	return ns >= BUCKET_FAR_NS || interval_ns >= BUCKET_FAR_NS - ns ? BUCKET_FAR_NS : ns + interval_ns;
}

/* The time the next ticket would be for. */
static inline uint64_t bucket_when_ns(const struct bucket *bucket, uint64_t now_ns)
{
	uint64_t next_ns = atomic_load_explicit(&((struct bucket *)(uintptr_t)bucket)->next_ns, memory_order_relaxed);

	return next_ns > now_ns ? next_ns : now_ns;
}

/* Takes it: the time it is for. */
static inline uint64_t bucket_take(struct bucket *bucket, uint64_t now_ns, uint64_t interval_ns)
{
	uint64_t next_ns = atomic_load_explicit(&bucket->next_ns, memory_order_relaxed), mine_ns;

	do {
		mine_ns = next_ns > now_ns ? next_ns : now_ns;
	} while (!atomic_compare_exchange_weak_explicit(&bucket->next_ns, &next_ns, bucket_after(mine_ns, interval_ns),
							memory_order_relaxed, memory_order_relaxed));
	return mine_ns;
}

/* The ticket for `mine_ns`, whose time has passed, becomes one for now. False: somebody has asked since then, and it is
 * void. */
static inline bool bucket_late(struct bucket *bucket, uint64_t mine_ns, uint64_t now_ns, uint64_t interval_ns)
{
	uint64_t behind_ns = bucket_after(mine_ns, interval_ns);

	return atomic_compare_exchange_strong_explicit(&bucket->next_ns, &behind_ns, bucket_after(now_ns, interval_ns),
						       memory_order_relaxed, memory_order_relaxed);
}

/* It was not used. False: others were given out behind it, and its time goes by unused. */
static inline bool bucket_give_back(struct bucket *bucket, uint64_t mine_ns, uint64_t interval_ns)
{
	uint64_t behind_ns = bucket_after(mine_ns, interval_ns);

	return atomic_compare_exchange_strong_explicit(&bucket->next_ns, &behind_ns, mine_ns, memory_order_relaxed,
						       memory_order_relaxed);
}

/* There is none before this time. */
static inline void bucket_not_before(struct bucket *bucket, uint64_t ns)
{
	uint64_t next_ns = atomic_load_explicit(&bucket->next_ns, memory_order_relaxed);

	while (next_ns < ns && !atomic_compare_exchange_weak_explicit(&bucket->next_ns, &next_ns, ns,
								      memory_order_relaxed, memory_order_relaxed))
		;
}

/* All that were given out for later are void, by the word of who has them (struct account_turn); the next is for this
 * time. */
static inline void bucket_restart(struct bucket *bucket, uint64_t ns)
{
	atomic_store_explicit(&bucket->next_ns, ns, memory_order_relaxed);
}

#endif
