/*
 * core/tools/written.h - how the commands write what more than one of them writes.
 */
#ifndef POSTRIDER_TOOLS_WRITTEN_H
#define POSTRIDER_TOOLS_WRITTEN_H

#include <jansson.h>
#include <stdint.h>
#include <stdio.h>

#include "core/base/span.h"

enum { WRITTEN_DAY_SIZE = 16 };

/* Of any octets: what is not UTF-8 is U+FFFD, as in what the control socket answers. NULL without memory. */
json_t *written_text(struct span text);
/* A value of YAML in double quotes (1.2, 7.3.1). `text` is of printable ASCII. */
void written_quoted(FILE *out, const char *text);
/* On a line of its own, in ASCII: so no terminal does anything with what strangers have written. Takes `json`; NULL:
 * there was no memory to make it. */
void written_json(FILE *out, json_t *json);
/* The same without the end of the line, of what stays the caller's: a piece of something longer. */
void written_json_piece(FILE *out, const json_t *json);
/* A line without blanks, in the order in which it was made. */
void written_json_line(FILE *out, json_t *json);
/* The day of a time since 1970, in UTC, as in 2026-12-31. Returns `text`. */
const char *written_day(int64_t seconds, char text[WRITTEN_DAY_SIZE]);

#endif
