/*
 * core/tools/table.h - how commands write what others have written, and columns of it.
 *
 * Names, subjects and replies come from strangers: nothing of them moves the cursor, changes colours or turns the line
 * round. A character that could is written as \xNN or \u{NNNN}; what is not UTF-8 as \xNN.
 */
#ifndef POSTRIDER_TOOLS_TABLE_H
#define POSTRIDER_TOOLS_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "core/base/span.h"

enum { TABLE_COLUMNS = 100, TABLE_TIME_SIZE = 32, TABLE_AGE_SIZE = 24 };

/* All of it. */
void table_safe(FILE *out, const char *text);
/* All of it, but ends of lines and tabs are ours and stay. */
void table_lines(FILE *out, struct span text);
/* What a command has to say on standard error, a line: also arguments came from strangers, by way of a script. */
__attribute__((format(printf, 1, 2))) void table_say(const char *format, ...);
/* At most so many columns; what is cut ends in "...". Padded to as many where `pad`. Negative: to the right. */
void table_cell(FILE *out, const char *text, int columns, bool pad);
void table_span(FILE *out, struct span text, int columns, bool pad);
/* "2026-11-27T23:10:00.123Z" as "2026-11-27 23:10:00" here, or in UTC with "Z"; what is no such time is "-". Returns
 * `text`. */
const char *table_time(const char *stamp, bool utc, char text[TABLE_TIME_SIZE]);
/* "45s", "12m", "3h", "2d": the largest unit of which there are two, or the seconds. */
const char *table_age(int64_t seconds, char text[TABLE_AGE_SIZE]);
/* "512", "13K", "2.4M", "1.1G" octets. */
const char *table_size(int64_t octets, char text[TABLE_AGE_SIZE]);

#endif
