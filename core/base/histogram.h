/*
 * core/base/histogram.h - how long something took, as counters (counter.h): written by one thread, read by any.
 *
 * The bounds are fixed, so that histograms of shards, and of times before and after a restart, can be added up. From a
 * millisecond, which a next hop on the same network takes, to a day, which one that is away does.
 */
#ifndef POSTRIDER_BASE_HISTOGRAM_H
#define POSTRIDER_BASE_HISTOGRAM_H

#include "core/base/counter.h"

enum { HISTOGRAM_BOUNDS = 15 };

/* The upper ends, in microseconds; what is longer than the last has a place of its own. */
static const uint64_t histogram_bounds_us[HISTOGRAM_BOUNDS] = {
	1000,     5000,     10000,     50000,     100000,     500000,      1000000,     5000000,
	10000000, 60000000, 300000000, 900000000, 3600000000, 14400000000, 86400000000,
};

/* Zeroed: nothing was seen. */
struct histogram {
	counter counts[HISTOGRAM_BOUNDS + 1]; /* each of its own range alone */
	counter sum_us;
};

static inline void histogram_add(struct histogram *h, uint64_t ns)
{
	uint64_t us = ns / 1000;
	unsigned i = 0;

	while (i < HISTOGRAM_BOUNDS && us > histogram_bounds_us[i])
		i++;
	counter_add(&h->counts[i], 1);
	counter_add(&h->sum_us, us);
}

#endif
