/*
 * core/page/shown.h - values of the control's answers as people read them.
 */
#ifndef POSTRIDER_PAGE_SHOWN_H
#define POSTRIDER_PAGE_SHOWN_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

enum { SHOWN_SIZE = 48 };

/* Of an object: 0, "" or false where it is not there. */
json_int_t shown_number(const json_t *json, const char *key);
const char *shown_text(const json_t *json, const char *key);
/* "2026-11-28T09:00:00.000Z" in seconds since 1970; 0: it is none. */
int64_t shown_seconds(const char *time);
/* "2026-12-31": when it begins. */
int64_t shown_seconds_of_day(const char *day);

/* "1,234"; "12.5 MB"; "3 min". */
const char *shown_count(json_int_t number, char out[SHOWN_SIZE]);
const char *shown_octets(json_int_t number, char out[SHOWN_SIZE]);
const char *shown_span(int64_t seconds, char out[SHOWN_SIZE]);
/* Of a time like the above: how long ago, and in how long; "" without one. */
const char *shown_ago(const char *time, int64_t now_s, char out[SHOWN_SIZE]);
const char *shown_in(const char *time, int64_t now_s, char out[SHOWN_SIZE]);
/* "0", "3.2", "140": a second. */
const char *shown_rate(double rate, char out[SHOWN_SIZE]);
/* "2026-11-28 09:00:00" */
const char *shown_time(const char *time, char out[SHOWN_SIZE]);

#endif
