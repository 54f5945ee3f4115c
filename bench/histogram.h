/*
 * bench/histogram.h - a histogram of durations in the manner of HdrHistogram.
 *
 * Values are nanoseconds. Buckets are linear within each power of two, 128 to a power, so a quantile is at
 * most 0.8 % above the value that was recorded; recording is a few instructions. Values of an hour and
 * more share the last bucket, the exact maximum is kept beside it. One thread writes; merge when it is done.
 */
#ifndef POSTRIDER_BENCH_HISTOGRAM_H
#define POSTRIDER_BENCH_HISTOGRAM_H

#include <stdint.h>

#include "bench/common.h"

enum {
	HISTOGRAM_SUB_BITS = 7,
	HISTOGRAM_VALUE_BITS = 42,
	HISTOGRAM_BUCKETS = (HISTOGRAM_VALUE_BITS - HISTOGRAM_SUB_BITS + 1) << HISTOGRAM_SUB_BITS,
};

struct histogram {
	uint64_t count, sum, max;
	uint64_t buckets[HISTOGRAM_BUCKETS];
};

void histogram_record(struct histogram *histogram, uint64_t value_ns);
void histogram_merge(struct histogram *into, const struct histogram *from);
/* The smallest bucket limit that at least `quantile` (0..1) of all values do not exceed; 0 when empty. */
uint64_t histogram_quantile(const struct histogram *histogram, double quantile);
/* {"count":..,"mean_us":..,"p50_us":..,"p90_us":..,"p99_us":..,"p999_us":..,"max_us":..} */
void histogram_json(const struct histogram *histogram, struct buffer *out, const char *key);

#endif
