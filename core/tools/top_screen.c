/*
 * core/tools/top_screen.c - see top_screen.h.
 */
#include "core/tools/top_screen.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "core/smtp/utf8.h"

enum { OVER_MAX = 2 /* characters that stand over another */ };

static int within(int value, int least, int most)
{
	return value < least ? least : value > most ? most : value;
}

bool top_screen_size(struct top_screen *screen, int rows, int columns, bool utf8)
{
	struct top_cell *cells;

	rows = within(rows, 1, TOP_LINES_MAX);
	columns = within(columns, 1, TOP_LINE_MAX);
	if (!screen->cells || rows != screen->rows || columns != screen->columns) {
		cells = realloc(screen->cells, (size_t)rows * (size_t)columns * sizeof(*cells));
		if (!cells)
			return false;
		screen->cells = cells;
	}
	screen->rows = rows;
	screen->columns = columns;
	screen->utf8 = utf8;
	top_screen_clear(screen);
	return true;
}

void top_screen_free(struct top_screen *screen)
{
	free(screen->cells);
	memset(screen, 0, sizeof(*screen));
}

static struct top_cell *cell(struct top_screen *screen, int row, int column)
{
	return &screen->cells[row * screen->columns + column];
}

void top_screen_clear(struct top_screen *screen)
{
	for (int i = 0; i < screen->rows * screen->columns; i++)
		screen->cells[i] = (struct top_cell){.text = " ", .columns = 1, .style = TOP_PLAIN};
}

/* The next character as it may be shown, NUL-terminated, its columns, and how many octets of the text it was. */
static uint32_t next(struct span text, bool utf8, char out[TOP_CELL_SIZE], int *columns)
{
	uint32_t length, code = utf8_code(text, &length);
	uint32_t used = length ? length : 1;

	*columns = length ? utf8_columns(code) : 1;
	if (length == 0 || utf8_obeyed(code) || *columns < 0 || (!utf8 && code >= 0x80)) {
		/* Ends of lines and tabs are no secret. */
		snprintf(out, TOP_CELL_SIZE, "%c", length == 1 && (code == '\n' || code == '\t') ? ' ' : '?');
		*columns = 1;
		return used;
	}
	memcpy(out, text.data, used);
	out[used] = '\0';
	return used;
}

static int width_of(struct span text, bool utf8)
{
	char character[TOP_CELL_SIZE];
	int columns, all = 0;

	while (text.length > 0 && all < TOP_LINE_MAX) {
		uint32_t used = next(text, utf8, character, &columns);
		all += columns;
		text.data += used;
		text.length -= used;
	}
	return all;
}

/* Over the last character that was put. */
static void put_over(struct top_cell *base, const char *character, unsigned *over)
{
	size_t there = strlen(base->text), length = strlen(character);

	if (*over >= OVER_MAX || there + length >= TOP_CELL_SIZE)
		return;
	memcpy(base->text + there, character, length + 1);
	(*over)++;
}

static void put_one(struct top_screen *screen, int row, int column, const char *character, int columns,
		    enum top_style style)
{
	struct top_cell *one = cell(screen, row, column);

	snprintf(one->text, sizeof(one->text), "%s", character);
	one->columns = (uint8_t)columns;
	one->style = (uint8_t)style;
	if (columns == 2)
		*cell(screen, row, column + 1) = (struct top_cell){.text = "", .columns = 0, .style = (uint8_t)style};
}

/* Half of a wide character that is written over becomes a blank. */
static void mend(struct top_screen *screen, int row, int column)
{
	if (column > 0 && column < screen->columns && cell(screen, row, column)->columns == 0 &&
	    cell(screen, row, column - 1)->columns != 2)
		*cell(screen, row, column) = (struct top_cell){.text = " ", .columns = 1, .style = TOP_PLAIN};
	if (column > 0 && column <= screen->columns && cell(screen, row, column - 1)->columns == 2 &&
	    (column == screen->columns || cell(screen, row, column)->columns != 0))
		*cell(screen, row, column - 1) = (struct top_cell){.text = " ", .columns = 1, .style = TOP_PLAIN};
}

int top_put(struct top_screen *screen, int row, int column, int most, enum top_style style, const char *text)
{
	struct span rest = span_text(text);
	struct top_cell *base = NULL;
	char character[TOP_CELL_SIZE];
	int room = abs(most), whole, at, begin;
	unsigned over = 0;
	bool cut;

	if (row < 0 || row >= screen->rows || column < 0 || column >= screen->columns)
		return 0;
	room = room < screen->columns - column ? room : screen->columns - column;
	whole = width_of(rest, screen->utf8);
	cut = whole > room;
	begin = at = column + (most < 0 && !cut ? room - whole : 0);
	while (rest.length > 0) {
		int columns;
		uint32_t used = next(rest, screen->utf8, character, &columns);
		rest.data += used;
		rest.length -= used;
		if (columns == 0) {
			if (base)
				put_over(base, character, &over);
			continue;
		}
		if (at + columns > column + room - cut)
			break;
		put_one(screen, row, at, character, columns, style);
		base = cell(screen, row, at);
		over = 0;
		at += columns;
	}
	if (cut && room > 0)
		put_one(screen, row, at++, screen->utf8 ? "\u2026" : "~", 1, style);
	mend(screen, row, begin);
	mend(screen, row, at);
	return at - column;
}

int top_print(struct top_screen *screen, int row, int column, int most, enum top_style style, const char *format, ...)
{
	char text[2048];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	return top_put(screen, row, column, most, style, text);
}

void top_paint(struct top_screen *screen, int row, int column, int columns, enum top_style style)
{
	if (row < 0 || row >= screen->rows)
		return;
	for (int i = column < 0 ? 0 : column; i < column + columns && i < screen->columns; i++)
		cell(screen, row, i)->style = (uint8_t)style;
}

size_t top_break(struct span text, int columns, bool utf8)
{
	struct span rest = text;
	size_t words = 0;
	int used_columns = 0;

	while (rest.length > 0 && rest.data[0] != '\n') {
		char character[TOP_CELL_SIZE];
		int its;
		uint32_t used = next(rest, utf8, character, &its);
		if (used_columns + its > columns && rest.data > text.data)
			return words > 0 ? words : text.length - rest.length;
		used_columns += its;
		rest.data += used;
		rest.length -= used;
		if (character[0] == ' ')
			words = text.length - rest.length;
	}
	return text.length - rest.length;
}

void top_screen_write(const struct top_screen *screen, FILE *out)
{
	int last = screen->rows;
	const struct top_cell *cells = screen->cells;

	while (last > 0) {
		int column = 0;
		while (column < screen->columns && strcmp(cells[(last - 1) * screen->columns + column].text, " ") == 0)
			column++;
		if (column < screen->columns)
			break;
		last--;
	}
	for (int row = 0; row < last; row++) {
		int end = screen->columns;
		while (end > 0 && strcmp(cells[row * screen->columns + end - 1].text, " ") == 0)
			end--;
		for (int column = 0; column < end; column++)
			fputs(cells[row * screen->columns + column].text, out);
		fputc('\n', out);
	}
}
