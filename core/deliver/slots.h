/*
 * core/deliver/slots.h - the right to one connection, shared exactly by lanes of all shards: those of a destination, a
 * site, or whatever else may have only so many.
 *
 * A slot is taken before a socket is made and given back when its descriptor is closed; each is one atomic operation,
 * so there are never more connections than slots, whoever has them. A lane that finds none registers, and has its turn:
 * a slot that is given back while somebody waits is kept for one who does, in the order of lanes, and that lane is
 * called. Nobody takes a slot before those who wait. So no lane starves, and none takes back what it has just given up.
 *
 * Who has slots sees that others wait (slots_pressed()), and gives one up by the promise to: each who waits is promised
 * one, and not by all lanes at once. How many a lane may keep is slots_share().
 *
 * A lane is known here by its number among those that share. This file knows neither lanes nor shards: whoever is to be
 * called is named to the caller.
 */
#ifndef POSTRIDER_DELIVER_SLOTS_H
#define POSTRIDER_DELIVER_SLOTS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum { SLOTS_LANES = 64, SLOTS_NOBODY = -1 };

/* Zeroed: none is taken. */
struct slots {
	_Atomic(uint32_t) taken;    /* in use, or kept for those who are called */
	_Atomic(uint32_t) promised; /* in use, and on their way back to those who wait */
	_Atomic(uint64_t) waiting;  /* lanes that found none, a bit for each */
	_Atomic(uint64_t) called;   /* lanes for whom one is kept */
	_Atomic(uint64_t) holding;  /* lanes that have some */
};

/* One of `most`. False: there is none, or it is not this lane's turn; then it waits, and is called. *first: it did not
 * wait before, and who has some is to hear of it (`holding`). */
bool slots_take(struct slots *slots, unsigned lane, unsigned most, bool *first);
/* The same where it is of use and not needed: false without waiting. */
bool slots_take_spare(struct slots *slots, unsigned lane, unsigned most);
/* One back; `last`: it was the lane's last. The lane to be called, which has it now, or SLOTS_NOBODY. */
int slots_give_back(struct slots *slots, unsigned lane, unsigned most, bool last);
/* Taken, and not of any use just now, as it would not be to those who wait: nobody is called. */
void slots_put_back(struct slots *slots, unsigned lane, bool last);
/* It waits for the next that is given back, whatever is there. True: it did not before. */
bool slots_wait(struct slots *slots, unsigned lane);
/* The lane needs none any more, or none now: it does not wait. If it was called the next one is, and named. */
int slots_leave(struct slots *slots, unsigned lane, unsigned most, bool last);

/* The lane waits, or is called. */
static inline bool slots_registered(const struct slots *slots, unsigned lane)
{
	struct slots *s = (struct slots *)(uintptr_t)slots;

	return ((atomic_load_explicit(&s->waiting, memory_order_relaxed) |
		 atomic_load_explicit(&s->called, memory_order_relaxed)) >>
			lane &
		1) != 0;
}

/* So many more should be given up, as others wait, or fewer are allowed than there are. 0 nearly always. */
unsigned slots_pressed(const struct slots *slots, unsigned lane, unsigned most);
/* One that this lane has will be given up, for who waits. False: others do already. */
bool slots_promise(struct slots *slots, unsigned lane, unsigned most);
/* It was given back, or is not on its way any more. */
void slots_promise_over(struct slots *slots);
/* What each of the lanes that have or want some may have of those that are taken, at least 1; *rotate: there are fewer
 * slots than lanes, so that they have to take turns. */
unsigned slots_share(const struct slots *slots, unsigned lane, bool *rotate);

#endif
