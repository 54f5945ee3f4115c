/*
 * bench/histogram.c - log-linear histogram of durations. See histogram.h for the contract.
 */
#include "bench/histogram.h"

#include <assert.h>

static unsigned histogram_bucket(uint64_t value)
{
	const uint64_t limit = (UINT64_C(1) << HISTOGRAM_VALUE_BITS) - 1;
	if (value > limit)
		value = limit;
	/* The first 256 values are exact; above, the top eight bits of the value choose the bucket. */
	unsigned top = 63 - (unsigned)__builtin_clzll(value | (1u << HISTOGRAM_SUB_BITS));
	unsigned shift = top - HISTOGRAM_SUB_BITS;
	return (shift << HISTOGRAM_SUB_BITS) + (unsigned)(value >> shift);
}

/* The largest value that falls into the bucket. */
static uint64_t histogram_limit(unsigned bucket)
{
	unsigned shift = bucket >> HISTOGRAM_SUB_BITS;
	if (shift > 0)
		shift--;
	uint64_t mantissa = bucket - (shift << HISTOGRAM_SUB_BITS);
	return ((mantissa + 1) << shift) - 1;
}

void histogram_record(struct histogram *histogram, uint64_t value_ns)
{
	unsigned bucket = histogram_bucket(value_ns);
	assert(bucket < HISTOGRAM_BUCKETS);
	histogram->buckets[bucket]++;
	histogram->count++;
	histogram->sum += value_ns;
	if (value_ns > histogram->max)
		histogram->max = value_ns;
}

void histogram_merge(struct histogram *into, const struct histogram *from)
{
	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
		into->buckets[i] += from->buckets[i];
	into->count += from->count;
	into->sum += from->sum;
	if (from->max > into->max)
		into->max = from->max;
}

uint64_t histogram_quantile(const struct histogram *histogram, double quantile)
{
	uint64_t wanted = (uint64_t)(quantile * (double)histogram->count + 0.999999);
	uint64_t seen = 0;
	for (unsigned i = 0; i < HISTOGRAM_BUCKETS && wanted > 0; i++) {
		seen += histogram->buckets[i];
		if (seen >= wanted) {
			uint64_t limit = histogram_limit(i);
			return limit < histogram->max ? limit : histogram->max;
		}
	}
	return histogram->max;
}

void histogram_json(const struct histogram *histogram, struct buffer *out, const char *key)
{
	static const struct {
		const char *key;
		double quantile;
	} shown[] = {{"p50_us", 0.5}, {"p90_us", 0.9}, {"p99_us", 0.99}, {"p999_us", 0.999}};
	json_begin(out, key, '{');
	json_number(out, "count", histogram->count);
	json_real(out, "mean_us", histogram->count ? (double)histogram->sum / (double)histogram->count / 1e3 : 0);
	for (unsigned i = 0; i < sizeof(shown) / sizeof(shown[0]); i++)
		json_real(out, shown[i].key, (double)histogram_quantile(histogram, shown[i].quantile) / 1e3);
	json_real(out, "max_us", (double)histogram->max / 1e3);
	json_end(out, '}');
}
