/*
 * core/tools/sheet.h - text from strangers on a terminal: safe, in as many columns as a table has, and with colours
 * where they are wanted.
 */
#ifndef POSTRIDER_TOOLS_SHEET_H
#define POSTRIDER_TOOLS_SHEET_H

#include <stdbool.h>
#include <stddef.h>

#include "core/base/span.h"

enum sheet_colour { SHEET_PLAIN, SHEET_RED, SHEET_GREEN, SHEET_YELLOW, SHEET_BOLD };

/* To standard output, behind `column` columns that are there already: broken between words, the lines that follow begin
 * there, too. Ends the line. */
void sheet_words(struct span text, unsigned column);
/* Only where standard output is a terminal, and NO_COLOR is not set. */
void sheet_colour(enum sheet_colour colour);

#endif
