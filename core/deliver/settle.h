/*
 * core/deliver/settle.h - what becomes of a delivery after an attempt.
 */
#ifndef POSTRIDER_DELIVER_SETTLE_H
#define POSTRIDER_DELIVER_SETTLE_H

#include "core/deliver/outcome.h"

struct delivery;
struct outbound;

/* The delivery leaves its attempt: to the disk as done, back to the lane, or kept as failed. */
void settle(struct outbound *o, struct delivery *d, const struct outcome *outcome);

#endif
