/*
 * core/tools/written.h - how the commands write what more than one of them writes.
 */
#ifndef POSTRIDER_TOOLS_WRITTEN_H
#define POSTRIDER_TOOLS_WRITTEN_H

#include <stdint.h>
#include <stdio.h>

enum { WRITTEN_DAY_SIZE = 16 };

/* In double quotes. `text` is of printable ASCII: then it is the same in JSON (RFC 8259 7) and YAML (1.2, 7.3.1). */
void written_quoted(FILE *out, const char *text);
/* The day of a time since 1970, in UTC, as in 2026-12-31. Returns `text`. */
const char *written_day(int64_t seconds, char text[WRITTEN_DAY_SIZE]);

#endif
