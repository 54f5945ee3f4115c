/*
 * core/config/lines.h - the lines of a file that has one entry a line.
 *
 * Lines end with LF, and are handed out without it; a CR before it is a blank. A byte order mark at the beginning is
 * taken.
 */
#ifndef POSTRIDER_CONFIG_LINES_H
#define POSTRIDER_CONFIG_LINES_H

#include <stdbool.h>
#include <stddef.h>

/* One line, whose number counts from 1; answers whether to go on. */
typedef bool lines_fn(const char *line, size_t length, unsigned number, const void *context);

/* False when `on_line` stopped it. */
bool lines_each(const char *text, size_t length, lines_fn *on_line, const void *context);
bool lines_blank(char c);

#endif
