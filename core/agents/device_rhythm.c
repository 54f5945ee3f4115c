/*
 * core/agents/device_rhythm.c - see device_rhythm.h.
 */
#include "core/agents/device_rhythm.h"

#include <string.h>

/* The first hour of 1970 was a Thursday's. */
enum { FIRST = 3 * 24 };

unsigned rhythm_hour_of(uint64_t wall_s)
{
	return (unsigned)((wall_s / 3600 + FIRST) % RHYTHM_WEEK);
}

static bool usual(const struct device_rhythm *r, unsigned hour)
{
	return (r->hours[0][hour / 8] | r->hours[1][hour / 8]) >> hour % 8 & 1;
}

static unsigned longest(const struct device_rhythm *r)
{
	return r->longest[0] > r->longest[1] ? r->longest[0] : r->longest[1];
}

unsigned rhythm_bound(const struct device_rhythm *r)
{
	if (r->watched < RHYTHM_PERIOD || (r->periods < 2 && r->active[0] + r->active[1] < RHYTHM_ACTIVE_MANY))
		return 0;
	return 2 * longest(r) + 2;
}

unsigned rhythm_usual(const struct device_rhythm *r)
{
	unsigned count = 0;

	for (unsigned hour = 0; hour < RHYTHM_WEEK; hour++)
		count += usual(r, hour);
	return count;
}

bool rhythm_sent(struct device_rhythm *r, unsigned hour)
{
	bool was_silent = r->silent;
	unsigned gap = r->gap;

	if (was_silent && gap > 2 * longest(r) + 2)
		gap = 2 * longest(r) + 2;
	if (gap > r->longest[0])
		r->longest[0] = (uint16_t)gap;
	r->gap = 0;
	r->silent = false;
	r->hours[0][hour / 8] |= (uint8_t)(1u << hour % 8);
	return was_silent;
}

bool rhythm_passed(struct device_rhythm *r, unsigned hour, bool sent)
{
	unsigned bound;

	r->watched += r->watched < RHYTHM_PERIOD;
	if (sent) {
		r->active[0] += r->active[0] < UINT8_MAX;
		return false;
	}
	if (!usual(r, hour))
		return false;
	r->gap += r->gap < UINT16_MAX;
	bound = rhythm_bound(r);
	if (r->silent || bound == 0 || r->gap < bound)
		return false;
	r->silent = true;
	return true;
}

void rhythm_period(struct device_rhythm *r)
{
	memcpy(r->hours[1], r->hours[0], sizeof(r->hours[1]));
	memset(r->hours[0], 0, sizeof(r->hours[0]));
	r->periods = r->active[0] == 0 ? 0 : (uint8_t)(r->periods + (r->periods < UINT8_MAX));
	r->active[1] = r->active[0];
	r->active[0] = 0;
	r->longest[1] = r->longest[0];
	r->longest[0] = 0;
}

/* A look may come some seconds late. */
enum { HOUR_S = 3600, LATE_S = 120 };

enum rhythm_time rhythm_clock(struct rhythm_watch *watch, uint64_t wall_s, uint64_t monotonic_ns, unsigned *hour)
{
	uint64_t now = wall_s / HOUR_S, before = watch->hour;
	bool whole = before > 0 && now == before + 1 &&
		     monotonic_ns - watch->since_ns >= (uint64_t)(HOUR_S - LATE_S) * 1000000000;

	if (now == before)
		return RHYTHM_SAME;
	watch->hour = now;
	watch->since_ns = monotonic_ns;
	if (!whole)
		return RHYTHM_OTHER;
	*hour = rhythm_hour_of(before * HOUR_S);
	if (++watch->hours < RHYTHM_PERIOD)
		return RHYTHM_WHOLE;
	watch->hours = 0;
	return RHYTHM_NEXT;
}
