/*
 * core/base/wheel.h - hierarchical timer wheel, 4 levels of 256 slots, tick 8 ms (about 1.1 years' reach).
 *
 * Arming, moving and disarming are O(1) and touch only the timer. Timers fire at or after their deadline,
 * at most one tick late plus the shard's turn. A timer is embedded and owned by its object.
 */
#ifndef POSTRIDER_BASE_WHEEL_H
#define POSTRIDER_BASE_WHEEL_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/list.h"

enum { WHEEL_LEVELS = 4, WHEEL_SLOTS = 256, WHEEL_TICK_MS = 8 };

struct wheel_timer;
typedef void wheel_fn(struct wheel_timer *timer);

struct wheel_timer {
	struct list link;
	uint64_t tick; /* deadline in ticks */
	wheel_fn *fn;
};

struct wheel {
	uint64_t tick; /* all timers up to here have fired */
	uint64_t armed;
	uint64_t occupied[WHEEL_LEVELS][WHEEL_SLOTS / 64];
	struct list slots[WHEEL_LEVELS][WHEEL_SLOTS];
};

void wheel_init(struct wheel *wheel, uint64_t now_ns);
void wheel_timer_init(struct wheel_timer *timer, wheel_fn *fn);
/* Arms or moves the timer. */
void wheel_arm(struct wheel *wheel, struct wheel_timer *timer, uint64_t deadline_ns);
void wheel_disarm(struct wheel *wheel, struct wheel_timer *timer);
bool wheel_armed(const struct wheel_timer *timer);
/* It is armed, and not for later. */
bool wheel_fires_by(const struct wheel_timer *timer, uint64_t deadline_ns);
/* Fires everything due. Callbacks may arm and disarm any timer. */
void wheel_advance(struct wheel *wheel, uint64_t now_ns);
/* The time to sleep until: a lower bound of the earliest deadline, UINT64_MAX when none is armed. */
uint64_t wheel_next_ns(const struct wheel *wheel);

#endif
