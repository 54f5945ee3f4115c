/*
 * test_top_screen.c - text from strangers in the cells of `postrider top`.
 */
#include "core/tools/top_screen.h"

#include <stdlib.h>

#include "core/smtp/utf8.h"
#include "tests/unit/check.h"

static struct top_screen screen;

static const char *row_text(int row)
{
	static char out[TOP_LINE_MAX * TOP_CELL_SIZE];
	size_t n = 0;

	for (int i = 0; i < screen.columns; i++)
		n += (size_t)sprintf(out + n, "%s", screen.cells[row * screen.columns + i].text);
	while (n > 0 && out[n - 1] == ' ')
		out[--n] = '\0';
	return out;
}

/* Each row has as many columns as it should, and nothing that a terminal would obey. */
static bool whole(void)
{
	for (int row = 0; row < screen.rows; row++) {
		int columns = 0;
		for (int i = 0; i < screen.columns; i++) {
			const struct top_cell *cell = &screen.cells[row * screen.columns + i];
			struct span rest = span_text(cell->text);
			int wide = 0;
			columns += cell->columns;
			while (rest.length > 0) {
				uint32_t octets, code = utf8_code(rest, &octets);
				if (octets == 0 || utf8_obeyed(code) || (!screen.utf8 && code >= 0x80))
					return false;
				wide += utf8_columns(code);
				rest.data += octets;
				rest.length -= octets;
			}
			if (wide != cell->columns)
				return false;
		}
		if (columns != screen.columns)
			return false;
	}
	return true;
}

static void test_put(void)
{
	static const struct {
		int column, most;
		const char *in, *out, *ascii;
		int used;
	} table[] = {
		{0, 10, "abc", "abc", "abc", 3},
		{0, -10, "abc", "       abc", "       abc", 10},
		{0, 3, "abcd", "ab\u2026", "ab~", 3},
		{0, -3, "abcd", "ab\u2026", "ab~", 3},
		{0, 1, "abcd", "\u2026", "~", 1},
		{0, 0, "abcd", "", "", 0},
		{2, 4, "abcd", "  abcd", "  abcd", 4},
		{7, 10, "abcd", "       ab\u2026", "       ab~", 3},
		{10, 5, "abcd", "", "", 0},
		{-1, 5, "abcd", "", "", 0},
		{0, 10, "\x1b[31mred\x07", "?[31mred?", "?[31mred?", 9},
		{0, 10, "a\nb\tc\rd", "a b c?d", "a b c?d", 7},
		{0, 10, "\xff\xc3!", "?\?!", "?\?!", 3},
		{0, 10, "\u202eabc", "?abc", "?abc", 4},
		{0, 10, "\u6f22\u5b57", "\u6f22\u5b57", "??", 4},
		/* A wide one that would be cut in the middle is not begun. */
		{0, 4, "\u6f22\u5b57\u6f22", "\u6f22\u2026", "???", 3},
		{0, 10, "e\u0301x", "e\u0301x", "e?x", 2},
		/* What stands over nothing, and more than two of them. */
		{0, 10, "\u0301x", "x", "?x", 1},
		{0, 10, "e\u0301\u0301\u0301\u0301x", "e\u0301\u0301x", "e????x", 2},
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		CHECK(top_screen_size(&screen, 2, 10, true));
		int used = top_put(&screen, 0, table[i].column, table[i].most, TOP_WARN, table[i].in);
		CHECK_STR(row_text(0), table[i].out);
		CHECK_EQ(used, table[i].used);
		CHECK_STR(row_text(1), "");
		CHECK(whole());
		CHECK(top_screen_size(&screen, 2, 10, false));
		(void)top_put(&screen, 0, table[i].column, table[i].most, TOP_WARN, table[i].in);
		CHECK_STR(row_text(0), table[i].ascii);
		CHECK(whole());
	}
	CHECK_EQ(top_put(&screen, 2, 0, 5, TOP_PLAIN, "abc"), 0);
	CHECK_EQ(top_put(&screen, -1, 0, 5, TOP_PLAIN, "abc"), 0);
}

static void test_over_a_wide_one(void)
{
	for (int column = 0; column < 6; column++) {
		for (int wide = 0; wide < 2; wide++) {
			CHECK(top_screen_size(&screen, 1, 10, true));
			(void)top_put(&screen, 0, 2, 4, TOP_PLAIN, "\u6f22\u5b57");
			(void)top_put(&screen, 0, column, 2, TOP_PLAIN, wide ? "\u5b57" : "x");
			CHECK(whole());
		}
	}
}

static void test_break(void)
{
	static const struct {
		const char *in;
		int columns;
		size_t octets;
	} table[] = {
		{"", 5, 0},      {"abc", 5, 3},          {"abc def", 5, 4}, {"abcdefgh", 5, 5},    {"abc\ndef", 9, 3},
		{"\nabc", 9, 0}, {"\u6f22\u6f22", 3, 3}, {"\u6f22", 1, 3},  {"a b c d e f", 3, 2}, {"ab cd", 5, 5},
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		CHECK_EQ(top_break(span_text(table[i].in), table[i].columns, true), table[i].octets);
}

static void test_sizes(void)
{
	static const int sizes[][2] = {{1, 1}, {0, 0}, {-5, 100000}, {100000, 3}, {24, 80}};

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		CHECK(top_screen_size(&screen, sizes[i][0], sizes[i][1], true));
		CHECK(screen.rows >= 1 && screen.rows <= TOP_LINES_MAX);
		CHECK(screen.columns >= 1 && screen.columns <= TOP_LINE_MAX);
		for (int row = 0; row < screen.rows; row++)
			(void)top_put(&screen, row, 0, screen.columns, TOP_PLAIN, "\u6f22\u5b57 abc");
		CHECK(whole());
	}
}

int main(void)
{
	RUN(test_put);
	RUN(test_over_a_wide_one);
	RUN(test_break);
	RUN(test_sizes);
	top_screen_free(&screen);
	return check_end();
}
