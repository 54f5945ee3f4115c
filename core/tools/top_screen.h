/*
 * core/tools/top_screen.h - a screen as cells, and text from strangers in them.
 *
 * Whatever the text is, each cell has one character that is seen, with at most two that stand over it: controls, marks
 * that turn the direction, what is no UTF-8 and what the C library does not know become a question mark; where the
 * terminal has no UTF-8, so does all that is not ASCII. What leaves the screen's edge is cut. Pure.
 */
#ifndef POSTRIDER_TOOLS_TOP_SCREEN_H
#define POSTRIDER_TOOLS_TOP_SCREEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "core/base/span.h"

enum top_style {
	TOP_PLAIN,
	TOP_HEAD,   /* of a table */
	TOP_CHOSEN, /* the row that keys are about */
	TOP_DIM,
	TOP_GOOD,
	TOP_WARN,
	TOP_BAD,
	TOP_STYLES
};

enum { TOP_CELL_SIZE = 16, TOP_LINE_MAX = 1000, TOP_LINES_MAX = 500 };

struct top_cell {
	char text[TOP_CELL_SIZE]; /* "": the second half of a wide one before it */
	uint8_t columns;          /* 1, 2, or 0 for a second half */
	uint8_t style;
};

struct top_screen {
	int rows, columns;
	bool utf8;
	struct top_cell *cells; /* owned; rows * columns */
};

/* All blank. False: no memory. Too small or too large a terminal is taken as the nearest that is none. */
bool top_screen_size(struct top_screen *screen, int rows, int columns, bool utf8);
void top_screen_free(struct top_screen *screen);
void top_screen_clear(struct top_screen *screen);
/* At a row and column, within so many columns; negative: to the right of them. What is cut ends in an ellipsis, or ~.
 * Returns the columns that are used. */
int top_put(struct top_screen *screen, int row, int column, int most, enum top_style style, const char *text);
/* The same as printf(3) makes it. */
__attribute__((format(printf, 6, 7))) int top_print(struct top_screen *screen, int row, int column, int most,
						    enum top_style style, const char *format, ...);
/* The style of so many cells, whatever is in them. */
void top_paint(struct top_screen *screen, int row, int column, int columns, enum top_style style);
/* So many octets of the text are as much as fits into so many columns, ended between words where that can be; at least
 * one character. */
size_t top_break(struct span text, int columns, bool utf8);
/* As lines of text without styles, blanks at the ends left out; empty ones at the end, too. */
void top_screen_write(const struct top_screen *screen, FILE *out);

#endif
