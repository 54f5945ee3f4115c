/*
 * core/base/steady.h - has the wall clock gone on as it should? What is deleted for its age must not go because a clock
 * was set to another year: by a machine whose battery is empty, a guest that was asleep, a finger.
 *
 * A step of more than STEADY_STEP_NS between two looks makes it unsteady, and so is one that is looked at for the first
 * time; from then on it has to go on for a while. Pure.
 */
#ifndef POSTRIDER_BASE_STEADY_H
#define POSTRIDER_BASE_STEADY_H

#include <stdbool.h>
#include <stdint.h>

#define STEADY_STEP_NS UINT64_C(300000000000)

struct steady {
	uint64_t ahead_ns; /* the wall clock of the monotonic one, modulo 2^64 */
	uint64_t since_ns; /* by the monotonic clock; 0: never looked at */
};

/* True: for `ns` or longer. */
bool steady_look(struct steady *steady, uint64_t wall_ns, uint64_t monotonic_ns, uint64_t ns);

#endif
