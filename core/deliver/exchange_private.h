/*
 * core/deliver/exchange_private.h - shared between exchange.c (what is said) and exchange_reply.c (what replies mean).
 */
#ifndef POSTRIDER_DELIVER_EXCHANGE_PRIVATE_H
#define POSTRIDER_DELIVER_EXCHANGE_PRIVATE_H

#include "core/deliver/exchange.h"

/* The two cursors move here alone. */
static inline void exchange_step(struct exchange *x, enum exchange_step step)
{
	states_move(&exchange_steps, &x->step, step);
}

static inline void exchange_await(struct exchange *x, enum exchange_expect expect)
{
	states_move(&exchange_expects, &x->expect, expect);
}

/* It is told to the host, or will be. */
static inline bool exchange_said(const struct exchange *x, unsigned i)
{
	return exchange_pending(x, i) && x->results[i] != ATTEMPT_WITHHELD;
}

#endif
