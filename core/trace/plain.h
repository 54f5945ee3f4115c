/*
 * core/trace/plain.h - text from strangers for a terminal or a line of a log.
 *
 * What would move the cursor, change colours, begin another line, turn the direction of writing, or is no UTF-8,
 * becomes a question mark. The rest stays: names and subjects of all languages.
 */
#ifndef POSTRIDER_TRACE_PLAIN_H
#define POSTRIDER_TRACE_PLAIN_H

#include <stddef.h>

#include "core/base/span.h"

/* Copies whole characters until `room` is full; those of ASCII in `without` become ? as well (NULL: none). Returns the
 * length; there is no NUL. */
size_t plain_copy(char *out, size_t room, struct span text, const char *without);
/* How many columns it takes on a terminal. */
size_t plain_columns(struct span text);
/* So many octets of it have that many columns, or fewer where it ends or the next character is wide. */
size_t plain_fitting(struct span text, size_t columns);

#endif
