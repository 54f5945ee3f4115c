/*
 * core/tools/when.h - points in time as people write them, and as they are shown to them.
 */
#ifndef POSTRIDER_TOOLS_WHEN_H
#define POSTRIDER_TOOLS_WHEN_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum { WHEN_SIZE = 32 };

#define WHEN_FORMS "write it as 2h, 3d, today, yesterday, 2026-11-28, 2026-11-28T07:30 or 2026-11-28T07:30:00Z"

/* Milliseconds since 1970. "90s", "15m", "2h", "3d", "1w": so long before `now_ms`; "now"; "today", "yesterday": when
 * that day began, in local time or with `utc` in UTC, as dates and times without a Z are. False: it is none. */
bool when_parse(const char *text, uint64_t now_ms, bool utc, uint64_t *ms);
/* "2026-11-28 07:30:00"; with `utc` a Z behind it. */
void when_format(uint64_t ms, bool utc, char out[WHEN_SIZE]);

#endif
