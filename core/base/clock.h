/*
 * core/base/clock.h - time. Deadlines use the monotonic clock; wall time is for records and headers only
 * (RELIABILITY SYS-06). Simulation links its own implementation.
 */
#ifndef POSTRIDER_BASE_CLOCK_H
#define POSTRIDER_BASE_CLOCK_H

#include <stdint.h>

#define CLOCK_NS_PER_MS UINT64_C(1000000)
#define CLOCK_NS_PER_S UINT64_C(1000000000)

uint64_t clock_monotonic_ns(void);
uint64_t clock_wall_ns(void);   /* since 1970-01-01 UTC */
uint64_t clock_thread_ns(void); /* how long the calling thread has run; a system call */

#endif
