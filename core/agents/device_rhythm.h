/*
 * core/agents/device_rhythm.h - when a device is silent against its rhythm.
 *
 * The rule. An hour of the week is usual for a device if it sent mail in it in the last two periods of two weeks. Only
 * usual hours count: those of a copier are those of the office, so nights and weekends are no silence, and a report of
 * every Monday has one a week. A gap is so many usual hours without mail. It is silent when a gap has grown beyond
 * twice the longest that it had in these two periods, and one more: after two hours for what reports every few minutes,
 * after two nights for a backup of every night, after a day or two for a copier. Nothing is said before two weeks have
 * been watched, nor of who sent in few hours of these, before he has sent in two periods: one who was only tried out.
 *
 * Hours that were not watched whole do not count, so neither a stop of the relay nor a clock that jumps makes anybody
 * silent. A silence that ended is learned as a gap, but as no more than twice what was usual: one outage makes nobody
 * deaf to the next, and somebody who is rarely used now is told about once or twice. Hours are those of UTC; where
 * clocks change, an hour more is within what is borne.
 *
 * Pure.
 */
#ifndef POSTRIDER_AGENTS_DEVICE_RHYTHM_H
#define POSTRIDER_AGENTS_DEVICE_RHYTHM_H

#include <stdbool.h>
#include <stdint.h>

enum {
	RHYTHM_WEEK = 7 * 24,
	RHYTHM_PERIOD = 2 * RHYTHM_WEEK, /* watched hours */
	RHYTHM_ACTIVE_MANY = 24,
	RHYTHM_HOURS_SIZE = RHYTHM_WEEK / 8,
};

/* Of this period, and of the one before. */
struct device_rhythm {
	uint8_t hours[2][RHYTHM_HOURS_SIZE]; /* of the week in which it sent: a bit each */
	uint8_t active[2];                   /* watched hours in which it sent; 255: or more */
	uint8_t periods;     /* that have passed one after the other, and it sent in each; 255: or more */
	uint16_t longest[2]; /* gap */
	uint16_t gap;        /* usual hours since it sent last */
	uint16_t watched;    /* hours; at most RHYTHM_PERIOD */
	bool silent;
};

/* The hour of the week, from Monday's first, at a time since 1970. */
unsigned rhythm_hour_of(uint64_t wall_s);
/* It has sent mail. True: it was silent. */
bool rhythm_sent(struct device_rhythm *rhythm, unsigned hour);
/* An hour has been watched from its beginning to its end, in which it did or did not send. True: it is silent now, and
 * was not. */
bool rhythm_passed(struct device_rhythm *rhythm, unsigned hour, bool sent);
/* Another period begins. */
void rhythm_period(struct device_rhythm *rhythm);
/* In how many usual hours without mail it is silent; 0: nothing is known yet. */
unsigned rhythm_bound(const struct device_rhythm *rhythm);
/* How many hours of a week are usual. */
unsigned rhythm_usual(const struct device_rhythm *rhythm);

/* Which hours are watched whole, by both clocks. Begins as zeros. */
struct rhythm_watch {
	uint64_t hour; /* since 1970, the one that is being watched; 0: none */
	uint64_t since_ns;
	unsigned hours; /* that have been, of this period */
};
enum rhythm_time {
	RHYTHM_SAME,  /* the hour goes on */
	RHYTHM_OTHER, /* another one has begun, and the one before was not watched whole */
	RHYTHM_WHOLE, /* it was */
	RHYTHM_NEXT,  /* and a period ends with it */
};
/* *hour: of the week, that has passed. */
enum rhythm_time rhythm_clock(struct rhythm_watch *watch, uint64_t wall_s, uint64_t monotonic_ns, unsigned *hour);

#endif
