/*
 * core/control/exposition.h - metrics as text: OpenMetrics 1.0.0, or Prometheus' own format 0.0.4. Pure.
 *
 *     struct exposition e = {.open_metrics = exposition_wanted(accept)};
 *     exposition_family(&e, &family);
 *     exposition_number(&e, &family, "", labels, 3);
 *     text = exposition_end(&e, &length);
 *
 * In OpenMetrics a family is named without what its type appends (_total, _info), so no two may share that name; its
 * samples stand behind it, and "# EOF" behind all, so that a text that was cut off is not taken for whole.
 */
#ifndef POSTRIDER_CONTROL_EXPOSITION_H
#define POSTRIDER_CONTROL_EXPOSITION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum metric_type {
	METRIC_GAUGE,
	METRIC_COUNTER,         /* samples end in _total */
	METRIC_INFO,            /* in _info, and are 1 */
	METRIC_HISTOGRAM,       /* in _bucket, _sum, _count */
	METRIC_GAUGE_HISTOGRAM, /* in _bucket, _gsum, _gcount; to 0.0.4 it is of no type */
};

struct metric_family {
	const char *name; /* without what the type appends */
	enum metric_type type;
	const char *unit; /* of OpenMetrics, with which the name ends; "": none */
	const char *help;
};

/* In order; name NULL: no more. Values are escaped here. */
struct metric_label {
	const char *name, *value;
};

/* Zeroed but for the format. */
struct exposition {
	bool open_metrics;
	bool failed; /* there was no memory */
	char *text;  /* owned */
	size_t length, room;
};

/* Whether who says this in Accept (NULL: nothing) prefers OpenMetrics. */
bool exposition_wanted(const char *accept);
/* Content-Type of either. */
const char *exposition_type(bool open_metrics);

void exposition_family(struct exposition *e, const struct metric_family *family);
/* `suffix`: what stands behind the name, "" for what the type appends. */
void exposition_number(struct exposition *e, const struct metric_family *family, const char *suffix,
		       const struct metric_label *labels, uint64_t value);
/* Microseconds, written as seconds. */
void exposition_seconds(struct exposition *e, const struct metric_family *family, const char *suffix,
			const struct metric_label *labels, int64_t us);
/* `counts`: of each range alone, one more than there are bounds; those in microseconds, if need be. */
struct metric_buckets {
	const uint64_t *bounds_us, *counts;
	size_t bounds;
	uint64_t sum_us;
};
void exposition_buckets(struct exposition *e, const struct metric_family *family, const struct metric_label *labels,
			const struct metric_buckets *buckets);
/* All of it, the caller's to free; NULL: there was no memory. */
char *exposition_end(struct exposition *e, size_t *length);

#endif
