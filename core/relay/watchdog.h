/*
 * core/relay/watchdog.h - is a shard stuck? Decides from what another thread sees of it; does no I/O, knows no shard.
 *
 * A shard hangs when it neither ends its turn nor waits for events, for a second; or waits, but is not back a second
 * after it wanted to be. It spins when it makes turn after turn in which nothing moves (ring_pulse.h): many more than
 * timers ask for, and many more than turns in which something does.
 *
 * Looks are made about every WATCHDOG_LOOK_MS. After a longer pause of the observer itself (the machine or the process
 * stood still) the measuring begins anew. What is stuck is told at once, then every WATCHDOG_AGAIN_S, and when it is
 * over.
 */
#ifndef POSTRIDER_RELAY_WATCHDOG_H
#define POSTRIDER_RELAY_WATCHDOG_H

#include <stdbool.h>
#include <stdint.h>

enum {
	WATCHDOG_LOOK_MS = 250,
	WATCHDOG_PAUSE_MS = 1000, /* since the last look: the observer stood still */
	WATCHDOG_STUCK_MS = 1000,
	WATCHDOG_AGAIN_S = 60,
	WATCHDOG_SPIN_TURNS = 5000, /* empty ones in a second; the timer wheel asks for 125 at most */
	WATCHDOG_SPIN_RATIO = 4,    /* empty ones for each of the others */
};

struct watchdog_sample {
	uint64_t now_ns;
	uint64_t waits_until_ns; /* 0: it runs */
	uint64_t turns, empty_turns;
};

enum watchdog_state { WATCHDOG_WELL, WATCHDOG_HANGS, WATCHDOG_SPINS };

/* Zeroed at first. */
struct watchdog {
	struct watchdog_sample last, window; /* window: when the counting of turns began */
	uint64_t moved_ns;                   /* when it was last seen in order: a turn ended, or it waits */
	uint64_t stuck_ns, told_ns;
	enum watchdog_state state;
};

struct watchdog_report {
	bool tell;                 /* now; `state` WELL: it is over */
	enum watchdog_state state; /* of which it is told, or how it was */
	uint64_t ms;               /* for how long */
};

struct watchdog_report watchdog_look(struct watchdog *w, const struct watchdog_sample *now);

#endif
